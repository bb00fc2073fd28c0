"""From what the guards say of a plan to what is done about it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from common.errors import Failure, Reason
from replication.guards.access_rules import AccessIncreaseKind
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.limits import Limits, exceeded_limits
from replication.model import Policy
from replication.plan import Block, PartPlan, Plan


@dataclass(frozen=True)
class Guard:
    """What may go through to a backup.

    ``approved`` is the hash of a plan that somebody has looked at and may let
    through, ``expected`` that of the plan which a run was asked to carry out;
    each empty for none.
    """

    limits: Limits = field(default_factory=Limits)
    block_widened_access: bool = False
    approved: str = ""
    expected: str = ""

    def apply(self, plan: Plan) -> Plan:
        """The plan as it is carried out: what must not go through is settled, and so is what depends on it.

        Without approval everything else goes on. The approved plan goes
        through, parts included of which the primary holds nothing, except what
        no approval can lift. Of a plan with another hash than the one given
        nothing is written, whether something of it is blocked or not.
        """
        blocks = self.blocks(plan)
        blocked = plan.blocked(blocks)
        if self._is_outdated(blocked):
            return blocked.as_outdated()
        return plan.blocked(blocks, approved=True) if self.approved == blocked.hash else blocked

    def blocks(self, plan: Plan) -> tuple[Block, ...]:
        """Everything about the plan that waits for a person."""
        blocks = exceeded_limits(plan, self.limits)
        if self.block_widened_access:
            blocks += _as_blocks(access_increases(plan))
        return blocks

    def _is_outdated(self, plan: Plan) -> bool:
        """Whether something else was looked at. An approval says nothing about a plan without anything to do."""
        if self.expected:
            return self.expected != plan.hash
        return bool(self.approved) and plan.may_change and self.approved != plan.hash


def access_warnings(plan: Plan, server: str) -> tuple[str, ...]:
    """What of the plan widens access, or was not judged, one sentence each. ``server`` names the backup."""
    return tuple(_sentence(increase.shortened(), server) for increase in access_increases(plan))


def addition_warnings(parts: Iterable[PartPlan], policy: Policy) -> tuple[str, ...]:
    """What widens access among the values that a server added by itself, one sentence each."""
    added = [replace(part, own=part.added_to, desired=part.own) for part in parts if part.added_to is not None]
    warnings = (warning for part in added for warning in access_warnings(Plan((part,), policy), part.server))
    return tuple(f"{warning} The server added this to what it was sent." for warning in warnings)


def _sentence(increase: AccessIncrease, server: str) -> str:
    if increase.kind is AccessIncreaseKind.NOT_JUDGED:
        failure = Failure(
            Reason.ACCESS_NOT_JUDGED, f"the access watch could not judge {_item(increase)} ({increase.path})"
        )
        return f"{failure.at(server)}"
    becomes = "may become" if increase.kind is AccessIncreaseKind.MAY_WIDEN else "becomes"
    return f"Access {becomes} wider: {_item(increase)}: {increase.kind} ({increase.path})."


def _item(increase: AccessIncrease) -> str:
    return f"{increase.part} {increase.item}".strip()


def _as_blocks(increases: tuple[AccessIncrease, ...]) -> tuple[Block, ...]:
    """Who wants wider access to wait wants what nobody could judge to wait as well."""
    blocks = []
    for part in dict.fromkeys(increase.part for increase in increases):
        kinds = [increase.kind for increase in increases if increase.part is part]
        unjudged = kinds.count(AccessIncreaseKind.NOT_JUDGED)
        if widened := len(kinds) - unjudged:
            message = f"it widens access in {widened} places"
            blocks.append(Block(part, Reason.ACCESS_WIDENED, message, {"widened": widened}))
        if unjudged:
            message = f"whether it widens access could not be judged in {unjudged} places"
            blocks.append(Block(part, Reason.ACCESS_NOT_JUDGED, message, {"unjudged": unjudged}))
    return tuple(blocks)
