"""Applies the findings of the guards and approvals to a plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from common.errors import Failure, Reason
from replication.documents.keep_lines import shown_paths
from replication.guards.access_rules import AccessIncreaseKind
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.limits import Limits, exceeded_limits
from replication.model import PartName, Policy
from replication.plan import Block, PartPlan, Plan


@dataclass(frozen=True)
class Guard:
    """The limits and approvals that decide which parts of a plan are written.

    ``approved`` is the hash of an approved plan, ``expected`` the hash of the plan that a run was asked to carry out;
    each empty for none. ``begun`` is set if a worker of this run began a push under one of these hashes and died: it is
    the result of ``bound_parts`` for that push.
    """

    limits: Limits = field(default_factory=Limits)
    block_widened_access: bool = False
    approved: str = ""
    expected: str = ""
    begun: Mapping[PartName, str] = field(default_factory=dict)

    def apply(self, plan: Plan) -> Plan:
        """The plan as it is carried out: blocked parts, and parts that depend on them, are settled without a write.

        Without an approval, all other parts are written. With an approval, all parts are written except those that no
        approval can release, and a part that the primary returned empty is emptied. If the plan's hash differs from the
        expected or approved one, nothing is written, whether or not something is blocked. A push that this run has
        begun and not finished goes on under the hash with which it began.
        """
        blocks = self.blocks(plan)
        blocked = plan.blocked(blocks)
        if self.begun and (left := self._left_of_begun(plan, blocked, blocks)):
            return left
        if self._is_outdated(blocked):
            return blocked.as_outdated()
        return plan.blocked(blocks, approved=True) if self.approved == blocked.hash else blocked

    def blocks(self, plan: Plan) -> tuple[Block, ...]:
        """All blocks of the plan."""
        blocks = exceeded_limits(plan, self.limits)
        if self.block_widened_access:
            blocks += _as_blocks(access_increases(plan))
            additions = (self.block_of_additions(part, plan.policy) for part in plan.parts)
            blocks += tuple(block for block in additions if block)
        return blocks

    def block_of_additions(self, part: PartPlan, policy: Policy) -> Block | None:
        """The block for a part to which the server added values that widen access; None if there are none.

        An approval does not help: before a write nobody can see what the server will add, and another write has the
        same result.
        """
        if not self.block_widened_access or not (increases := _increases_by_server(part, policy)):
            return None
        named = shown_paths([increase.path for increase in increases])
        places = "1 place" if len(increases) == 1 else f"{len(increases)} places"
        message = f"the server added values of its own that widen access in {places}: {named}"
        return Block(part.name, Reason.ADDITION_WIDENS_ACCESS, message, {"widened": len(increases)})

    def bound_parts(self, plan: Plan) -> dict[PartName, str]:
        """The hash of each part that will be written; empty unless the plan was approved or requested by its hash.

        Only a worker that takes over the same push may still write these parts, and only unchanged.
        """
        if not (plan.approved or self.expected):
            return {}
        return {part.name: plan.hash_of(part) for part in plan.parts if not part.settled}

    def _left_of_begun(self, plan: Plan, blocked: Plan, blocks: tuple[Block, ...]) -> Plan | None:
        """The plan for the rest of a push that this run has begun; None if no remaining part depends on a hash.

        A part that needs an approval has it if it is unchanged since the push began under one; otherwise it is blocked
        as usual. If a plan was expected, no other part is written either.
        """
        has_approval = all(self._has_begun(blocked, part) for part in blocked.parts if part.needs_approval)
        left = plan.blocked(blocks, approved=True) if has_approval else blocked
        if self.expected:
            is_same = all(self._has_begun(left, part) for part in left.parts if not part.settled)
            return left if is_same else blocked.as_outdated()
        return left if has_approval else None

    def _has_begun(self, plan: Plan, part: PartPlan) -> bool:
        return self.begun.get(part.name) == plan.hash_of(part)

    def _is_outdated(self, plan: Plan) -> bool:
        """Whether the plan differs from the expected or approved one. An approval does not make a plan without changes
        outdated.
        """
        if self.expected:
            return self.expected != plan.hash
        return bool(self.approved) and plan.may_change and self.approved != plan.hash


def access_warnings(plan: Plan, server: str) -> tuple[str, ...]:
    """A sentence for each change of the plan that widens access or was not judged. ``server`` is the backup's name."""
    return tuple(_sentence(increase.shortened(), server) for increase in access_increases(plan))


def addition_warnings(parts: Iterable[PartPlan], policy: Policy) -> tuple[str, ...]:
    """A sentence for each value that a server added by itself and that widens access."""
    return tuple(
        f"{_sentence(increase, part.server)} {part.server} added this to what it was sent: set the value on the "
        "primary as it is meant, or change it on the server."
        for part in parts
        for increase in _increases_by_server(part, policy)
    )


def _increases_by_server(part: PartPlan, policy: Policy) -> tuple[AccessIncrease, ...]:
    """The cases of wider access in the values that a server added to what it was sent; empty if it added none."""
    if part.added_to is None:
        return ()
    added = replace(part, own=part.added_to, desired=part.own)
    return tuple(increase.shortened() for increase in access_increases(Plan((added,), policy)))


def _sentence(increase: AccessIncrease, server: str) -> str:
    if increase.kind is AccessIncreaseKind.NOT_JUDGED:
        item = f"{increase.part} {increase.item}".strip()
        failure = Failure(Reason.ACCESS_NOT_JUDGED, f"the access watch could not judge {item} ({increase.path})")
        return f"{failure.at(server)}"
    becomes = "may become" if increase.kind is AccessIncreaseKind.MAY_WIDEN else "becomes"
    return f"Access {becomes} wider: {described(increase)}."


_KINDS_IN_WORDS = {
    AccessIncreaseKind.MAY_WIDEN: "may widen access (not understood)",
    AccessIncreaseKind.NOT_JUDGED: "could not be judged",
    AccessIncreaseKind.SSH_KEY_ADDED: "SSH key added",
    AccessIncreaseKind.LOG_IN_SOURCE_ADDED: "log-in source added",
}


def described(increase: AccessIncrease) -> str:
    """A case of wider access in words: the part, the place, and the kind."""
    kind = _KINDS_IN_WORDS.get(increase.kind, str(increase.kind).replace("_", " "))
    return f"{increase.part}: {_place(increase)}: {kind}"


def _place(increase: AccessIncrease) -> str:
    """The item and the path inside it. For a value of the settings both are the same."""
    return ", ".join(dict.fromkeys(name for name in (increase.item, increase.path) if name)) or str(increase.part)


def _as_blocks(increases: tuple[AccessIncrease, ...]) -> tuple[Block, ...]:
    """Blocks for wider access, and for changes that could not be judged."""
    blocks = []
    for part in dict.fromkeys(increase.part for increase in increases):
        of_part = [increase for increase in increases if increase.part is part]
        unjudged = [increase for increase in of_part if increase.kind is AccessIncreaseKind.NOT_JUDGED]
        uncertain = [increase for increase in of_part if increase.kind is AccessIncreaseKind.MAY_WIDEN]
        certain = [increase for increase in of_part if increase not in unjudged and increase not in uncertain]
        if certain or uncertain:
            message = f"{_how_many(len(certain), len(uncertain))}: {_first_of([*certain, *uncertain])}"
            numbers = {"widened": len(certain), "may_widen": len(uncertain)}
            blocks.append(Block(part, Reason.ACCESS_WIDENED, message, numbers))
        if unjudged:
            message = f"whether {_changes(len(unjudged))} would widen access could not be judged: {_first_of(unjudged)}"
            blocks.append(Block(part, Reason.ACCESS_NOT_JUDGED, message, {"unjudged": len(unjudged)}))
    return tuple(blocks)


def _how_many(certain: int, uncertain: int) -> str:
    """A count such as ``2 changes widen access and 3 may``."""
    if not certain:
        return f"{_changes(uncertain)} may widen access"
    widen = f"{_changes(certain)} {'widens' if certain == 1 else 'widen'} access"
    return f"{widen} and {uncertain} may" if uncertain else widen


def _changes(number: int) -> str:
    return "1 change" if number == 1 else f"{number} changes"


def _first_of(increases: list[AccessIncrease]) -> str:
    """The first places, as many as fit into a message."""
    return shown_paths(list(dict.fromkeys(map(_place, increases))))
