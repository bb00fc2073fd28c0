"""From what the guards say of a plan to what is done about it."""

from dataclasses import dataclass, field

from common.errors import Reason
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.limits import Limits, exceeded_limits
from replication.plan import Block, Plan


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
        found = plan.blocked(blocks)
        if self._is_outdated(found):
            return found.as_outdated()
        return plan.blocked(blocks, approved=True) if self.approved == found.hash else found

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


def access_warnings(plan: Plan) -> tuple[str, ...]:
    """What of the plan widens access, one sentence each."""
    return tuple(
        f"Access becomes wider: {found.part} {found.item}: {found.kind} ({found.path})."
        for found in access_increases(plan)
    )


def _as_blocks(found: tuple[AccessIncrease, ...]) -> tuple[Block, ...]:
    parts = dict.fromkeys(increase.part for increase in found)
    counts = {part: sum(1 for increase in found if increase.part is part) for part in parts}
    return tuple(
        Block(part, Reason.ACCESS_WIDENED, f"it widens access in {count} places", {"widened": count})
        for part, count in counts.items()
    )
