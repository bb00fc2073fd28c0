"""Limits of a push: what is stopped until somebody has looked at the plan and approved it.

Nothing here decides that a change is wrong. It decides that it is large, or of
a kind, that nobody should let a machine make unseen. A push is stopped part by
part; everything else goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from common.contained import contained
from common.errors import Reason
from common.safe_xml import parse
from replication.documents import canonical
from replication.documents.diff import Difference, Kind
from replication.documents.items import Item
from replication.documents.keep_lines import KeepLine, keep_line, quoted_lines, shown_paths, winning_exceptions
from replication.documents.keep_patterns import Rules
from replication.documents.machine_specific import looks_machine_specific
from replication.guards.access_status import disables, is_disabled
from replication.model import PartName, Policy
from replication.parts.base import ListDocument
from replication.plan import Block, PartPlan, Plan

_MOST_LINES = 20
"""Differences for which a line to paste is looked for. A message has room for fewer."""


@dataclass(frozen=True)
class Limits:
    """How many users, and how many groups, one push may remove, and how many it may disable.

    It is stopped when the number is above the ``floor`` *and* above ``share``
    of what the backup holds, or above ``maximum``. The floor keeps a small
    server working, where one user is already a large share; the maximum keeps
    a small share of a large server from being hundreds of people. A push that
    leaves none of the present ones, or none who may log in, is always stopped,
    however few they are and whoever comes instead. So, with the defaults:

    ============ ======== ==============================
    backup holds may lose stopped from
    ============ ======== ==============================
    0            0        nothing to lose
    1            0        1 (it would be all)
    2            1        2 (it would be all)
    8            2        3
    20           2        3
    100          10       11
    1,000        100      101
    10,000       100      101
    ============ ======== ==============================

    Disabling has the same table.

    Raises ValueError for numbers below 0 or a share that is not between 0 and 1.
    """

    removal_floor: int = 2
    removal_share: float = 0.1
    removal_maximum: int = 100
    disabling_floor: int = 2
    disabling_share: float = 0.1
    disabling_maximum: int = 100

    def __post_init__(self) -> None:
        counts = (self.removal_floor, self.removal_maximum, self.disabling_floor, self.disabling_maximum)
        if min(counts) < 0 or not all(0 <= share <= 1 for share in (self.removal_share, self.disabling_share)):
            raise ValueError("limits are numbers from 0, shares are between 0 and 1")

    def removes_too_much(self, removed: int, held: int) -> bool:
        """Whether removing ``removed`` of ``held`` is too much."""
        return _above(removed, held, self.removal_floor, self.removal_share, self.removal_maximum)

    def disables_too_much(self, disabled: int, held: int) -> bool:
        """Whether disabling ``disabled`` of ``held`` is too much."""
        return _above(disabled, held, self.disabling_floor, self.disabling_share, self.disabling_maximum)


def exceeded_limits(plan: Plan, limits: Limits) -> tuple[Block, ...]:
    """Everything about the plan that waits for a person, in the order of writing; empty for a harmless one.

    An equal part costs nothing, unless it is suspect. One part can be blocked for several reasons.
    """
    return tuple(block for part in plan.parts for block in _blocks(part, limits, plan.policy))


def _blocks(plan: PartPlan, limits: Limits, policy: Policy) -> Iterator[Block]:
    source = policy.source
    if plan.suspect:
        yield Block(plan.name, Reason.ACCESS_NOT_PROVED, plan.suspect)
    if plan.ambiguous and plan.settled and plan.settled.reason:
        yield Block(plan.name, plan.settled.reason, plan.settled.message)
    if plan.missing and plan.settled:
        removed = sum(1 for item in plan.items() if item.kind is Kind.REMOVED)
        message = f"{plan.settled.message} ({removed} would go)"
        yield Block(plan.name, Reason.PART_MISSING_ON_PRIMARY, message, {"removed": removed})
    elif plan.settled is None:
        yield from _removals(plan, limits, source)
        if plan.name is PartName.SETTINGS:
            yield from _unruled(plan, policy.rules)
        if lost := plan.part.emptied(plan.own, plan.desired):
            message = f"{source} does not hold an entry of {plan.name}, the backup does ({lost} would go)"
            yield Block(plan.name, Reason.PART_MISSING_ON_PRIMARY, message, {"removed": lost})


def _removals(plan: PartPlan, limits: Limits, source: str) -> Iterator[Block]:
    lists = plan.part.limited_lists(plan.own, plan.desired)
    all_items = list(plan.items()) if lists else []
    for within, before, after in lists:
        items = [item for item in all_items if item.within == within]
        held = len(before.items.entries)
        removed = sum(1 for item in items if item.kind is Kind.REMOVED)
        disabled = [item.key for item in items if item.kind is Kind.CHANGED and _is_disabled(item)]
        numbers = {"held": held, "removed": removed, "disabled": len(disabled)}
        blocks = [
            Block(plan.name, reason, message, numbers)
            for reason, message in _complaints(held, removed, len(disabled), within, limits)
        ]
        if held and not after.items.entries:
            message = f"{source} has no {within} at all, the backup has {held}"
            yield Block(plan.name, Reason.PART_MISSING_ON_PRIMARY, message, numbers)
        elif not blocks and (removed or disabled) and _leaves_none(before, after, disabled):
            reason = Reason.DISABLES_TOO_MUCH if disabled else Reason.REMOVES_TOO_MUCH
            message = f"none of the {held} {within} that the backup has would be left that may be used"
            yield Block(plan.name, reason, message, numbers)
        else:
            yield from blocks


def _complaints(held: int, removed: int, disabled: int, within: str, limits: Limits) -> Iterator[tuple[Reason, str]]:
    if limits.removes_too_much(removed, held):
        yield Reason.REMOVES_TOO_MUCH, f"it would remove {removed} of {held} {within}"
    if limits.disables_too_much(disabled, held):
        yield Reason.DISABLES_TOO_MUCH, f"it would disable {disabled} of {held} {within}"


def _leaves_none(before: ListDocument, after: ListDocument, disabled: list[str]) -> bool:
    """Whether somebody could be let in before a push, and none of the same may after it."""
    gone = {canonical.folded(name) for name in disabled}
    staying = [key for key in before.items.entries if key in after.items.entries and key not in gone]
    if _any_live(after, staying, where_unknown=False):
        return False
    leaving = [key for key in before.items.entries if key not in after.items.entries]
    return bool(disabled) or _any_live(before, leaving, where_unknown=True)


def _any_live(document: ListDocument, keys: list[str], *, where_unknown: bool) -> bool:
    """Whether one of the accounts is not disabled. The first ones mostly tell.

    ``where_unknown`` is what an account counts as that cannot be judged: whichever stops the push.
    """
    start, at_once = 0, _LOOKED_AT_FIRST
    while some := keys[start : start + at_once]:
        if any(
            _is_live(account, where_unknown=where_unknown) for account in document.excerpts(frozenset(some)).values()
        ):
            return True
        start, at_once = start + at_once, 2 * at_once  # a list that is not plain is read as a whole each time
    return False


def _is_live(account: bytes, *, where_unknown: bool) -> bool:
    return contained(lambda: not is_disabled(parse(account)), lambda _: where_unknown)


_LOOKED_AT_FIRST = 64


def _is_disabled(item: Item) -> bool:
    """Whether a user or group is disabled. One of which that cannot be told counts as one that is."""
    return contained(lambda: any(map(disables, item.find())), lambda _: True)


def _unruled(plan: PartPlan, rules: Rules) -> Iterator[Block]:
    """Settings that look machine-specific, that no rule keeps, and that the push would overwrite."""
    differences = [
        difference for item in plan.items() for difference in item.find() if looks_machine_specific(difference)
    ]
    if differences:
        named = shown_paths([difference.path for difference in differences])
        message = f"{len(differences)} differing settings look machine-specific and are kept by no rule: {named}"
        message += _ways_to_keep(plan, differences, rules)
        yield Block(plan.name, Reason.MACHINE_SPECIFIC_UNRULED, message, {"paths": len(differences)})


def _ways_to_keep(plan: PartPlan, differences: list[Difference], rules: Rules) -> str:
    """The lines to add, and the exceptions to take out, beside which a line would do nothing."""
    documents = [root for state in (plan.own, plan.desired) if (root := state.parse()) is not None]
    lines = [keep_line(documents, difference.steps, difference.new_from) for difference in differences[:_MOST_LINES]]
    winning = {line: winning_exceptions(documents, line.text, rules) for line in dict.fromkeys(lines)}
    ways = ""
    if pasted := quoted_lines(line for line, exceptions in winning.items() if not exceptions):
        ways += f"; to keep, add {pasted}"
    if exceptions := quoted_lines(KeepLine(one) for some in winning.values() for one in some):
        ways += f"; to keep what an exception sends over, remove {exceptions}"
    return ways


def _above(number: int, held: int, floor: int, share: float, maximum: int) -> bool:
    return number >= max(held, 1) or number > maximum or (number > floor and number > share * held)
