"""From what the guards and the access watch say of a plan to what is done about it."""

from dataclasses import dataclass, field, replace

from common.errors import Reason
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.limits import Block, Limits, exceeded_limits
from replication.model import PartOutcome, PartStatus
from replication.plan import PartPlan, Plan


@dataclass(frozen=True)
class Guard:
    """What may go through unseen. ``approved`` is the hash of a plan that somebody has looked at, empty for none."""

    limits: Limits = field(default_factory=Limits)
    block_widened_access: bool = False
    approved: str = ""

    def apply(self, plan: Plan) -> Plan:
        """The same plan with every part settled as blocked that must not go through.

        A part that says why it is blocked is not written; parts that depend on
        it are skipped; everything else goes on. An approved plan goes through
        whole, parts included of which the primary holds nothing, except what no
        approval can let through.
        """
        blocks = self.blocks(plan)
        names = {block.part for block in blocks if block.approvable}
        if names and plan.hash_of(names) == self.approved:
            blocks = tuple(block for block in blocks if not block.approvable)
            plan = replace(plan, parts=tuple(part.released() if part.missing else part for part in plan.parts))
        return replace(plan, parts=tuple(_blocked(part, blocks) for part in plan.parts))

    def blocks(self, plan: Plan) -> tuple[Block, ...]:
        """Everything about the plan that waits for a person."""
        blocks = exceeded_limits(plan, self.limits)
        if self.block_widened_access:
            blocks += _as_blocks(access_increases(plan))
        return blocks


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


def _blocked(part: PartPlan, blocks: tuple[Block, ...]) -> PartPlan:
    found = [block for block in blocks if block.part is part.name]
    if not found:
        return part
    message = "; ".join(block.message for block in found)
    return replace(part, settled=PartOutcome(part.name, PartStatus.BLOCKED, part.changes, found[0].reason, message))
