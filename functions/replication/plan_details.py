"""The details of a plan for people and programs: what would be added, removed or changed, by name, and which values the
backup keeps.

Values that look like secrets are never included (see ``documents.sensitive``), only the fact that they change. The
details are limited: of many differences in a part the first are listed and the others counted, so that a plan stays
small enough for storing and reading.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import nsmallest

from lxml import etree

from common.errors import Defect, Reason, contained
from common.safe_xml import local_name
from replication.documents.diff import Difference, Kind, Paths, show
from replication.documents.items import Item
from replication.documents.keep_labels import kept
from replication.documents.keep_patterns import Rules
from replication.documents.sensitive import INSPECTED, may_hold_secret
from replication.documents.unused_patterns import used_exceptions
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.approval import Guard
from replication.model import LONGEST_SHOWN, PartName, PartStatus, shortened
from replication.parts.base import Document
from replication.plan import Block, PartPlan, Plan

MAX_ITEMS = 200
"""Maximum number of items listed for each part; the rest is counted. Removed items come first, then changed ones, then
added ones.
"""
MAX_FIELDS = 50
"""Maximum number of fields listed for each item; the rest is counted."""
_BEFORE_DIFFERENCE = 40
"""Number of equal characters that are shown before the first difference of two long values."""
MAX_KEPT = 100
"""Maximum number of kept paths that are listed; the rest is counted."""

_COMMITTED_AGAIN = "equal, but it may not survive a restart, so it is written again"
_URGENCY = {Kind.REMOVED: 0, Kind.CHANGED: 1, Kind.ADDED: 2}


class State(StrEnum):
    """The state of a part in the plan."""

    EQUAL = "equal"
    DIFFERENT = "different"
    BLOCKED = "blocked"
    """The part waits for an approval of the plan; ``reason`` and ``message`` say why."""
    UNDECIDED = "undecided"
    """The part waits until somebody carries out the remedy of its ``reason``; an approval does not help."""
    NOT_WRITTEN = "not_written"
    """The part cannot be replicated, it needs another part that is not written, or another plan was requested."""


@dataclass(frozen=True)
class FieldChange:
    """The change of one value of an item. ``before`` and ``after`` are None if the value is absent or ``hidden``."""

    path: str
    kind: Kind
    before: str | None = None
    after: str | None = None
    hidden: bool = False


@dataclass(frozen=True)
class ItemChange:
    """The change of one item. Only a changed item lists its fields; a value of ``settings`` lists itself."""

    kind: Kind
    key: str
    fields: tuple[FieldChange, ...] = ()
    more_fields: int = 0


@dataclass(frozen=True)
class PartDetails:
    """One part: the number of items, the first items in full, and the values that keep patterns preserve.

    ``kept_different`` is the number of kept values that differ from the primary's, or exist on one side only.
    """

    part: PartName
    state: State
    reason: Reason | None = None
    message: str = ""
    added: int = 0
    removed: int = 0
    changed: int = 0
    items: tuple[ItemChange, ...] = ()
    kept: int = 0
    kept_paths: tuple[str, ...] = ()
    kept_different: int = 0
    kept_different_paths: tuple[str, ...] = ()

    @property
    def more_items(self) -> int:
        """The number of items that are counted but not listed."""
        return self.added + self.removed + self.changed - len(self.items)


@dataclass(frozen=True)
class PlanDetails:
    """All parts in the order of writing.

    ``hash`` identifies the plan in an approval. ``exceptions`` are those exceptions to keep patterns that have an
    effect.
    """

    hash: str
    parts: tuple[PartDetails, ...]
    warnings: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()


def details(plan: Plan, *, max_items: int = MAX_ITEMS) -> PlanDetails:
    """The details of what the plan would do. No server is contacted."""
    missing: list[str] = []
    parts = tuple(
        contained(
            lambda part=part: _part(part, plan.policy.rules, max_items),  # type: ignore[misc]
            lambda defect, part=part: _undetailed(part, defect, missing),  # type: ignore[misc]
        )
        for part in plan.parts
    )
    exceptions = contained(lambda: _exceptions(plan), lambda defect: _all_exceptions(plan, defect, missing))
    return PlanDetails(plan.hash, parts, (*plan.warnings, *missing), exceptions)


def _exceptions(plan: Plan) -> tuple[str, ...]:
    """The exceptions without which keep patterns would keep something in the backup's present or desired settings."""
    rules = plan.policy.rules
    if plan.policy.exact or not rules.exceptions:
        return ()
    states = (state for part in plan.parts if part.name is PartName.SETTINGS for state in (part.own, part.desired))
    roots = (state.parse() for state in states if state is not None)
    return used_exceptions(rules, [root for root in roots if root is not None])


def _all_exceptions(plan: Plan, defect: Defect, missing: list[str]) -> tuple[str, ...]:
    """All exceptions, if a ``defect`` hides which of them have an effect. ``missing`` gets a notice of the defect."""
    missing.append(str(defect.of("the list of exceptions that have an effect")))
    return plan.policy.rules.exceptions


def _undetailed(plan: PartPlan, defect: Defect, missing: list[str]) -> PartDetails:
    """The details of a part whose items can only be counted because of a ``defect``. ``missing`` gets a notice."""
    missing.append(str(defect.of(f"the details of {plan.name}", plan.server)))
    changes, settled = plan.changes, plan.settled
    return PartDetails(
        plan.name,
        _state(plan),
        settled.reason if settled else None,
        settled.message if settled else "",
        len(changes.added),
        len(changes.removed),
        len(changes.changed),
        kept_different=len(plan.kept_differences),
    )


def _part(plan: PartPlan, rules: Rules, max_items: int) -> PartDetails:
    items = list(plan.items())
    kept_paths = _kept(plan, rules)
    counts = {kind: sum(1 for item in items if item.kind is kind) for kind in Kind}
    return PartDetails(
        plan.name,
        _state(plan),
        plan.settled.reason if plan.settled else None,
        plan.settled.message if plan.settled else _COMMITTED_AGAIN if plan.uncommitted else "",
        counts[Kind.ADDED],
        counts[Kind.REMOVED],
        counts[Kind.CHANGED],
        tuple(_item(item) for item in nsmallest(max_items, items, key=lambda item: _URGENCY[item.kind])),
        len(kept_paths),
        tuple(map(shortened, kept_paths[:MAX_KEPT])),
        len(plan.kept_differences),
        tuple(map(shortened, plan.kept_differences[:MAX_KEPT])),
    )


def _state(plan: PartPlan) -> State:
    match plan.settled.status if plan.settled else None:
        case None:
            return State.DIFFERENT
        case PartStatus.UNCHANGED:
            return State.EQUAL
        case PartStatus.BLOCKED:
            return State.UNDECIDED if plan.ambiguous or not plan.needs_approval else State.BLOCKED
    return State.NOT_WRITTEN


def _item(item: Item) -> ItemChange:
    differences = item.find()
    return ItemChange(
        item.kind,
        shortened(item.label),
        tuple(field_change(difference) for difference in differences[:MAX_FIELDS]),
        max(0, len(differences) - MAX_FIELDS),
    )


def field_change(difference: Difference) -> FieldChange:
    """A difference as it may be shown: values that look like secrets are hidden, and long values are shortened."""
    path = shortened(difference.path)
    sides = difference.before, difference.after
    start = _start_of_piece(*sides)
    if difference.is_secret or any(side is not None and _may_hold_secret_near(side, start) for side in sides):
        return FieldChange(path, difference.kind, hidden=True)
    before, after = (None if side is None else _piece(side, start) for side in sides)
    return FieldChange(path, difference.kind, before, after)


def _start_of_piece(before: str | None, after: str | None) -> int:
    """Where the shown piece of two values begins. It is 0, unless both would then be shown with the same text: then it
    is shortly before their first difference.
    """
    same = _length_of_common_prefix(before or "", after or "")
    return max(0, same - _BEFORE_DIFFERENCE) if same + _BEFORE_DIFFERENCE > LONGEST_SHOWN else 0


def _length_of_common_prefix(one: str, other: str) -> int:
    """The length of the common prefix, found by bisection because texts may have millions of characters."""
    same, most = 0, min(len(one), len(other))
    while same < most:
        middle = (same + most + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same


def _may_hold_secret_near(value: str, start: int) -> bool:
    """Whether the text shown from ``start`` on, or the text around it, may contain a secret."""
    return start > 0 and may_hold_secret(value[max(0, start - INSPECTED // 2) :])


def _piece(value: str, start: int) -> str:
    return f"…{shortened(value[start:])}" if start else shortened(value)


def _kept(plan: PartPlan, rules: Rules) -> list[str]:
    """The paths of ``settings`` that the backup keeps."""
    if plan.name is not PartName.SETTINGS or plan.own is None:
        return []
    own: Document = plan.own
    return own.with_tree(lambda root: list(_kept_paths(root, rules)), empty=[])


def _kept_paths(root: etree._Element, rules: Rules) -> Iterator[str]:
    paths = Paths()
    for node in kept(root, rules):
        element, attribute = node if isinstance(node, tuple) else (node, "")
        yield show(paths.steps_to(element)) + (f"/@{local_name(attribute)}" if attribute else "")


@dataclass(frozen=True)
class Preview:
    """A plan for display: its changes, the blocks in it, where it widens access, and whether it is outdated."""

    details: PlanDetails
    blocks: tuple[Block, ...]
    access_increases: tuple[AccessIncrease, ...]
    outdated: bool = False


def preview(
    plan: Plan, guard: Guard, warnings: tuple[str, ...], look: Callable[[Plan], PlanDetails] = details
) -> Preview:
    """A plan for display, with the guard's decisions, including the parts that the guard stops.

    ``warnings`` come before the plan's own. ``look`` computes the details; callers may pass a function that lists
    fewer items.
    """
    guarded = guard.apply(plan)
    plan_details = look(guarded)
    plan_details = replace(plan_details, warnings=warnings + plan_details.warnings)
    increases = tuple(increase.shortened() for increase in access_increases(guarded))
    return Preview(plan_details, guarded.blocks, increases, guarded.outdated)
