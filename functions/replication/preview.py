"""A plan as somebody looks at it before it goes through."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from replication.guards.access_watch import Widening, widenings
from replication.guards.approval import Guard
from replication.guards.limits import Block
from replication.model import PartOutcome, PartStatus
from replication.plan import Plan
from replication.plan_details import PartDetails, PlanDetails, State, details


@dataclass(frozen=True)
class Preview:
    """What the plan would do, what of it waits for an approval, and where it widens access."""

    details: PlanDetails
    blocks: tuple[Block, ...]
    widenings: tuple[Widening, ...]


def preview(
    plan: Plan, guard: Guard, warnings: tuple[str, ...], look: Callable[[Plan], PlanDetails] = details
) -> Preview:
    """The plan as the guard lets it through, with what it stops shown as well.

    ``warnings`` come before the plan's own. ``look`` makes the details, for who wants fewer of them.
    """
    guarded = guard.apply(plan)
    stopped = {part.name: part.settled for part in guarded.parts if part.settled and _is_blocked(part.settled)}
    # What is stopped is to be looked at, and only the plan before the guard still holds it.
    shown = plan if stopped else guarded
    found = look(shown)
    return Preview(
        PlanDetails(
            guarded.hash,
            tuple(_marked(part, stopped.get(part.part)) for part in found.parts),
            warnings + found.warnings,
        ),
        tuple(block for block in guard.blocks(plan) if block.part in stopped),
        widenings(shown),
    )


def _is_blocked(outcome: PartOutcome) -> bool:
    return outcome.status is PartStatus.BLOCKED


def _marked(part: PartDetails, blocked: PartOutcome | None) -> PartDetails:
    """The details of a part with why it is not written, if it is blocked."""
    if blocked is None:
        return part
    return replace(part, state=State.SETTLED, reason=blocked.reason, message=blocked.message)
