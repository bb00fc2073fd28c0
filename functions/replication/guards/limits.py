"""The limits of a push: changes that wait until somebody has seen the plan and approved it.

These limits do not decide that a change is wrong. The limits find changes whose size or kind requires a person's
approval. A push is stopped part by part; all other parts are written.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import Reason, contained
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
"""Maximum number of differences for which a line for the keep patterns is computed. A message has room for fewer."""


@dataclass(frozen=True)
class Limits:
    """How many users, and how many groups, one push may remove, and how many it may disable.

    A push is stopped if the number is above the ``floor`` *and* above ``share`` of the backup's entries, or above
    ``maximum``. The floor lets small servers work, where one user is already a large share; the maximum is for large
    servers, where a small share is already many people. A push that leaves none of the present entries, or none that
    may log in, is always stopped, however few they are and whatever replaces them. The defaults have these effects:

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

    The same table applies to disabling.

    Raises ValueError for numbers below 0, and for a share that is not between 0 and 1.
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
        """Whether removing ``removed`` of ``held`` entries exceeds a limit."""
        return _above(removed, held, self.removal_floor, self.removal_share, self.removal_maximum)

    def disables_too_much(self, disabled: int, held: int) -> bool:
        """Whether disabling ``disabled`` of ``held`` entries exceeds a limit."""
        return _above(disabled, held, self.disabling_floor, self.disabling_share, self.disabling_maximum)


def exceeded_limits(plan: Plan, limits: Limits) -> tuple[Block, ...]:
    """All blocks of the plan, in the order of writing; empty for a harmless plan.

    An equal part is examined only if it is ``suspect``, which means that a person must review it. One part can have
    several blocks.
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
        message = f"{plan.settled.message} ({removed} would be removed)"
        yield Block(plan.name, Reason.PART_MISSING_ON_PRIMARY, message, {"removed": removed})
    elif plan.settled is None:
        yield from _removals(plan, limits, source)
        if plan.name is PartName.SETTINGS:
            yield from _unruled(plan, policy.rules)
        if lost := plan.part.emptied(plan.own, plan.desired):
            message = f"{source} has no entry of {plan.name}, the backup has some ({lost} would be removed)"
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
            message = f"none of the {held} {within} that the backup has would remain usable"
            yield Block(plan.name, reason, message, numbers)
        else:
            yield from blocks


def _complaints(held: int, removed: int, disabled: int, within: str, limits: Limits) -> Iterator[tuple[Reason, str]]:
    if limits.removes_too_much(removed, held):
        yield Reason.REMOVES_TOO_MUCH, f"it would remove {removed} of {held} {within}"
    if limits.disables_too_much(disabled, held):
        yield Reason.DISABLES_TOO_MUCH, f"it would disable {disabled} of {held} {within}"


def _leaves_none(before: ListDocument, after: ListDocument, disabled: list[str]) -> bool:
    """Whether somebody could log in before a push, and none of the same accounts can after it."""
    gone = {canonical.folded(name) for name in disabled}
    staying = [key for key in before.items.entries if key in after.items.entries and key not in gone]
    if _any_live(after, staying, where_unknown=False):
        return False
    leaving = [key for key in before.items.entries if key not in after.items.entries]
    return bool(disabled) or _any_live(before, leaving, where_unknown=True)


def _any_live(document: ListDocument, keys: list[str], *, where_unknown: bool) -> bool:
    """Whether at least one of the accounts is not disabled. Usually one of the first accounts decides.

    ``where_unknown`` is the result for an account that cannot be judged, chosen so that the push is stopped.
    """
    start, at_once = 0, _LOOKED_AT_FIRST
    while some := keys[start : start + at_once]:
        if any(
            _is_live(account, where_unknown=where_unknown) for account in document.excerpts(frozenset(some)).values()
        ):
            return True
        start, at_once = start + at_once, 2 * at_once  # few look-ups: some parse the whole list
    return False


def _is_live(account: bytes, *, where_unknown: bool) -> bool:
    return contained(lambda: not is_disabled(parse(account)), lambda _: where_unknown)


_LOOKED_AT_FIRST = 64


def _is_disabled(item: Item) -> bool:
    """Whether a push disables a user or group. An item that cannot be judged counts as disabled."""
    return contained(lambda: any(map(disables, item.find())), lambda _: True)


def _unruled(plan: PartPlan, rules: Rules) -> Iterator[Block]:
    """Settings that look machine-specific, that no keep pattern matches, and that the push would overwrite."""
    differences = [
        difference for item in plan.items() for difference in item.find() if looks_machine_specific(difference)
    ]
    if differences:
        named = shown_paths([difference.path for difference in differences])
        message = f"{len(differences)} differing settings look machine-specific and match no keep pattern: {named}"
        message += _ways_to_keep(plan, differences, rules)
        yield Block(plan.name, Reason.MACHINE_SPECIFIC_UNRULED, message, {"paths": len(differences)})


def _ways_to_keep(plan: PartPlan, differences: list[Difference], rules: Rules) -> str:
    """The lines to add to the keep patterns, and the exceptions to remove because they override such a line."""
    documents = [root for state in (plan.own, plan.desired) if (root := state.parse()) is not None]
    lines = [keep_line(documents, difference.steps, difference.new_from) for difference in differences[:_MOST_LINES]]
    winning = {line: winning_exceptions(documents, line.text, rules) for line in dict.fromkeys(lines)}
    ways = ""
    if pasted := quoted_lines(line for line, exceptions in winning.items() if not exceptions):
        ways += f"; to keep, add {pasted}"
    if exceptions := quoted_lines(KeepLine(one) for some in winning.values() for one in some):
        ways += f"; to keep values that an exception replicates, remove {exceptions}"
    return ways


def _above(number: int, held: int, floor: int, share: float, maximum: int) -> bool:
    return number >= max(held, 1) or number > maximum or (number > floor and number > share * held)
