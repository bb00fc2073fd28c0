"""The access watch: finds out where a plan would widen access.

The primary's content is pushed as it is; but a new permission, key or account deserves a look, because an attack on the
primary would look the same. The documents' schema is not public: ``access_places`` determines what a value is about
from its place, and the table in ``access_rules`` has the rule for it. Values that are not understood are reported as
well.

Users, groups and the content around them are watched completely, and also the directories from which people log in.
Settings and listeners are watched where the table has rules for servers. The manual list of blocked addresses is
watched for addresses that are no longer blocked. The automatic block list changes by itself and is not watched.

A new user is normal and does not count as wider access. It is reported (``ACCOUNT_ADDED``) only if it is enabled and
has unusual access. For example, it is anonymous, has an administrator's rights or groups, has no password, or expressly
needs no secure connection. A new group gives nothing until an account joins it, and joining is reported. If existing
accounts of the backup already name a new group, all values of the group are judged. If they still name a removed group,
the loss of the group's limits is judged too.

A defect in the watch itself is also reported (``NOT_JUDGED``) and does not stop the plan: if wider access waits for
approval, so do unjudged changes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from common.errors import contained
from replication.documents.canonical import plain, truth
from replication.documents.diff import ORDER, OTHER, Difference, Kind, Steps, root_step, show, values_of
from replication.documents.items import Item
from replication.guards.access_addresses import (
    Addresses,
    addresses,
    blocked,
    is_address,
    is_text,
    limits_addresses,
    widened_lists,
)
from replication.guards.access_groups import Groups, opening_path, values
from replication.guards.access_judgement import Judgement, judge, may_matter, tells_of_access
from replication.guards.access_places import Place, is_thing, place_of
from replication.guards.access_rules import AccessIncreaseKind, rule_of
from replication.guards.access_scales import Change, is_past_moment
from replication.guards.access_status import is_dead, is_disabled, is_status, lets_in
from replication.guards.access_words import FILLERS, meanings
from replication.model import PartName, shortened
from replication.parts.accounts import GROUPS, USERS
from replication.parts.base import Document
from replication.parts.single_documents import SOURCES
from replication.plan import PartPlan, Plan

MANY_PASSWORDS_SHARE = 0.1
"""If more than this share of the users get new passwords at once, that is reported."""
MANY_PASSWORDS_FLOOR = 2
"""The number of passwords that may change at once without a report, on any server."""

type KindsAndPaths = Iterator[tuple[AccessIncreaseKind, str]]
"""The kinds of wider access, each with a path inside the item."""


@dataclass(frozen=True)
class AccessIncrease:
    """One case of wider access: the item (``users/ann``) and the path inside it. Neither of them contains a value."""

    part: PartName
    kind: AccessIncreaseKind
    item: str
    path: str

    def shortened(self) -> "AccessIncrease":
        """A copy with shortened names, because a server's names may have any length."""
        return replace(self, item=shortened(self.item), path=shortened(self.path))


def access_increases(plan: Plan) -> tuple[AccessIncrease, ...]:
    """All cases of wider access, without duplicates, in the order of parts and items. Raises nothing."""
    increases = (increase for part in plan.parts for increase in _judged(part.name, "", partial(_of_part, part)))
    return tuple(dict.fromkeys(increases))


def _judged(part: PartName, item: str, look: Callable[[], Iterable[AccessIncrease]]) -> tuple[AccessIncrease, ...]:
    """The result of ``look``; if it fails, one entry that says that this was not judged."""
    return contained(
        lambda: tuple(look()),
        lambda defect: (AccessIncrease(part, AccessIncreaseKind.NOT_JUDGED, item, defect.text),),
    )


def _of_part(plan: PartPlan) -> Iterator[AccessIncrease]:
    def increases(label: str, kinds_and_paths: KindsAndPaths) -> Iterator[AccessIncrease]:
        return (AccessIncrease(plan.name, kind, label, path) for kind, path in kinds_and_paths)

    if plan.desired is None:
        return
    match plan.name:
        case PartName.SETTINGS | PartName.LISTENERS:
            items = list(plan.items())
            for item in items:
                yield from _judged(plan.name, item.label, lambda item=item: increases(item.label, _of_server(item)))  # type: ignore[misc]
            if plan.name is PartName.SETTINGS:
                yield from increases(plan.name, _lists_of_settings(plan.own, plan.desired, items))
        case PartName.ACCOUNTS:
            passwords: list[str] = []
            groups = Groups(plan, plan.own, plan.desired)
            for item in plan.items():
                yield from _judged(
                    plan.name,
                    item.label,
                    lambda item=item: increases(item.label, _of_account(item, passwords, groups)),  # type: ignore[misc]
                )
            yield from increases(USERS, _of_passwords(len(passwords), len(plan.own.users.items.entries)))
        case PartName.AUTHENTICATION:
            typed = frozenset(source.name for source in plan.desired.sources)
            for item in plan.items():
                yield from _judged(
                    plan.name,
                    item.label,
                    lambda item=item: increases(item.label, _of_source(item, typed)),  # type: ignore[misc]
                )
        case PartName.IP_BLOCK_LISTS:
            yield from _of_blocked(plan, plan.own.manual, plan.desired.manual)


def _of_source(item: Item, typed: frozenset[str]) -> KindsAndPaths:
    """The kinds of wider access by one source of accounts, such as an LDAP directory. A source that is also in the
    ``typed`` list is reported once.
    """
    if item.kind is Kind.ADDED:
        if item.record.get("enabled", item.within != SOURCES and item.key not in typed):
            yield AccessIncreaseKind.LOG_IN_SOURCE_ADDED, item.key
    elif item.kind is Kind.CHANGED:
        for difference in item.find():
            yield from _of_value_of_source(difference, is_typed=item.within == SOURCES)


def _of_value_of_source(difference: Difference, *, is_typed: bool) -> KindsAndPaths:
    # The first step is the source itself. Inside it, the rules for values in an account apply.
    inside = difference if is_typed or len(difference.steps) < 2 else _without_first_step(difference)
    place, change = place_of(inside.steps), Change(difference.before, difference.after)
    if "enabled" in place.own and change.is_switch:
        if change.is_switched_on:
            yield AccessIncreaseKind.LOG_IN_SOURCE_ADDED, difference.path
    elif not (is_typed and inside.steps[-1].name == "position"):
        for kind, path in _of_value(inside, of_server=False):
            yield _KINDS_OF_SOURCES.get(kind, kind), path


_KINDS_OF_SOURCES = {
    AccessIncreaseKind.ACCOUNT_ENABLED: AccessIncreaseKind.LOG_IN_SOURCE_ADDED,
    AccessIncreaseKind.DIRECTORY_ADDED: AccessIncreaseKind.MAY_WIDEN,
}
"""The kinds to report for a source of accounts, in place of the kinds for an account or a folder."""


def _without_first_step(difference: Difference) -> Difference:
    return replace(difference, steps=difference.steps[1:], new_from=max(difference.new_from - 1, 0))


def _of_blocked(plan: PartPlan, own: Document, desired: Document) -> Iterator[AccessIncrease]:
    """The removed or changed entries of the list of blocked addresses, if some address is no longer blocked."""
    before, after = (
        blocked([] if root is None else values_of(root, root_step(root))) for root in (own.parse(), desired.parse())
    )
    if after.covers(before):
        return
    lifted = [item for item in plan.items() if item.within == "" and _unblocks(item, after)]
    kind = AccessIncreaseKind.ADDRESS_LIMIT_LIFTED
    yield from (AccessIncrease(plan.name, kind, item.label, item.key) for item in lifted)
    if not lifted:
        yield AccessIncrease(plan.name, AccessIncreaseKind.MAY_WIDEN, OTHER, OTHER)


def _unblocks(item: Item, still: Addresses) -> bool:
    """Whether a removed or changed entry blocked an address that may no longer be blocked."""
    if item.kind is Kind.REMOVED:
        return is_text(item.key) or not still.covers(addresses(item.key))
    return item.kind is Kind.CHANGED and any(is_address(one.before) for one in item.find())


def _of_server(item: Item) -> KindsAndPaths:
    for difference in item.find():
        yield from _of_value(difference, of_server=True)


def _lists_of_settings(own: Document, desired: Document, items: list[Item]) -> KindsAndPaths:
    """The address lists in settings that allow more addresses than before; each list is compared as a whole."""
    differences = [one for item in items for one in item.find() if limits_addresses(place_of(one.steps))]
    before, after = (own.parse(), desired.parse()) if differences else (None, None)
    if before is not None and after is not None:
        steps = root_step(after)
        for path in widened_lists(values_of(before, steps), values_of(after, steps), differences):
            yield AccessIncreaseKind.ADDRESS_LIMIT_LIFTED, path


def _of_account(item: Item, passwords: list[str], groups: Groups) -> KindsAndPaths:
    """The kinds of wider access by one account. ``passwords`` collects the users whose stored password changes."""
    if item.kind is Kind.ADDED and item.within == USERS:
        yield from _of_new_user(item, groups)
    elif item.kind is Kind.CHANGED:
        differences = item.find()
        if item.within == USERS and any(map(_is_password, differences)):
            passwords.append(item.key)
        yield from _of_differences(item, differences)
    elif item.within == GROUPS and groups.has_members(item):
        yield from _of_moving_group(item)


def _of_differences(item: Item, differences: list[Difference]) -> KindsAndPaths:
    """The kinds of wider access in the differences of an account, each with its path."""
    if any(limits_addresses(place_of(one.steps)) for one in differences):
        before, after = map(values, item.elements)
        for path in widened_lists(before, after, differences):
            yield AccessIncreaseKind.ADDRESS_LIMIT_LIFTED, path
    if (again := _said_again(differences)) and is_disabled(item.elements[0]):
        yield AccessIncreaseKind.ACCOUNT_ENABLED, again
    changes_password = any(map(_is_password, differences))
    for difference in differences:
        if changes_password and _goes_with_new_password(difference):
            continue
        for kind, path in _of_value(difference, of_server=False):
            if kind is not AccessIncreaseKind.GROUP_JOINED or item.within == USERS:
                yield kind, path
            elif not _is_own_name(difference):
                yield AccessIncreaseKind.MAY_WIDEN, path


def _said_again(differences: list[Difference]) -> str:
    """The path of an added value that says that the account may be used, although an older value may still exist.

    The result is empty if there is no such value.
    """
    added = ((one, place_of(one.steps)) for one in differences if one.kind is Kind.ADDED)
    live = (one.path for one, place in added if is_status(place) and lets_in(place, one.after))
    return next(live, "")


def _is_own_name(difference: Difference) -> bool:
    """Whether a value of a group is its own name, and not the name of a group that it belongs to."""
    return len(difference.steps) == 1 and plain(difference.steps[0].name) in _OWN_NAMES


_OWN_NAMES = frozenset({"group", "name", "groupname", "id", "groupid"})


def _of_moving_group(item: Item) -> KindsAndPaths:
    """The kinds of wider access by an added or removed group with members. An added group counts as changed from an
    empty one.

    A removed group takes its limits away.
    """
    before, after = map(values, item.elements)
    removed = [replace(one, kind=Kind.REMOVED, before=one.after, after=None) for one in before]
    increases = list(_of_differences(item, removed or after))
    yield from increases or [(AccessIncreaseKind.MAY_WIDEN, OTHER)]


def _of_new_user(item: Item, groups: Groups) -> KindsAndPaths:
    held = values(item.elements[1])
    places = [(one, place_of(one.steps)) for one in held]
    if any(is_status(place) and is_dead(place, one.after) for one, place in places):
        return
    memberships = (one.path for one, place in places if "group" in place.anywhere and groups.opens(one.after))
    if path := opening_path(held) or next(memberships, ""):
        yield AccessIncreaseKind.ACCOUNT_ADDED, path


def _of_value(difference: Difference, *, of_server: bool) -> KindsAndPaths:
    """The kinds of wider access by one value, each with its path."""
    place = place_of(difference.steps)
    if difference.before is None and difference.after is None:
        if _is_about_access(difference.steps, place):
            yield AccessIncreaseKind.MAY_WIDEN, difference.path
    elif "inherit" in place.own:
        yield from _of_inheritance(difference, place, of_server=of_server)
    elif not of_server and (directory := _new_directory(difference, place)):
        yield AccessIncreaseKind.DIRECTORY_ADDED, directory
    elif not (difference.kind is Kind.REMOVED and _inside_thing(difference)):
        change = Change(difference.before, difference.after)
        judged = judge(place, change, of_server=of_server)
        # The verdict is uncertain only because the switch is absent on one side, and its default is unknown.
        is_default = judged and judged.kind is AccessIncreaseKind.MAY_WIDEN and change.is_switch
        if judged and not (is_default and _inside_thing(difference)):
            yield judged.kind, _path(judged, difference)


def _is_about_access(steps: Steps, place: Place) -> bool:
    """Whether a difference outside of values may matter: an order of rules, or an account in another list."""
    return steps[-1].name == OTHER or (steps[-1].name == ORDER and any(map(tells_of_access, place.names[:-1])))


def _of_inheritance(difference: Difference, place: Place, *, of_server: bool) -> KindsAndPaths:
    if len(place.names) < 2 or of_server or difference.new_from < len(difference.steps) - 1:
        return
    of_what = place_of(difference.steps[:-1])
    if may_matter(of_what):
        is_ruled = difference.kind is Kind.CHANGED and rule_of(of_what, of_server=False)
        yield AccessIncreaseKind.INHERITANCE_CHANGED if is_ruled else AccessIncreaseKind.MAY_WIDEN, difference.path


def _new_directory(difference: Difference, place: Place) -> str:
    """The path of a new directory, empty if there is none."""
    if difference.kind is not Kind.ADDED:
        return ""
    for depth in range(difference.new_from + 1, len(difference.steps) + 1):
        said = place.names[depth - 1]
        if "directory" in said and said <= {"directory", "path"} | FILLERS:
            return show(difference.steps[:depth])
    return ""


def _inside_thing(difference: Difference) -> bool:
    """Whether a whole thing, such as a directory, is added or removed with this value."""
    return any(map(is_thing, difference.steps[difference.new_from : -1]))


def _path(judged: Judgement, difference: Difference) -> str:
    """The path of the value; for a key, the path of the key."""
    if judged.kind is AccessIncreaseKind.SSH_KEY_ADDED:
        for depth in range(len(difference.steps), 0, -1):
            if "key" in meanings(difference.steps[depth - 1].name):
                return show(difference.steps[:depth])
    return difference.path


# Stored passwords


def _of_passwords(changed: int, users: int) -> KindsAndPaths:
    if changed > MANY_PASSWORDS_FLOOR and changed > MANY_PASSWORDS_SHARE * users:
        yield AccessIncreaseKind.PASSWORDS_CHANGED, f"{changed} of {users}"


def _goes_with_new_password(difference: Difference) -> bool:
    """Whether a value is only the time of a password's change, or an old password. Both change with each password."""
    said = place_of(difference.steps).anywhere
    if "password" not in said or not said.isdisjoint({"expire", "least", "quantity"}):
        return False
    held = [value for value in (difference.before, difference.after) if value]
    if said.isdisjoint(_FORMER):
        return bool(held) and all(map(is_past_moment, held))
    return not any(truth(value) is not None or value.strip().lstrip("-").isdigit() for value in held)


_FORMER = frozenset({"history", "old", "previous", "former"})


def _is_password(difference: Difference) -> bool:
    """Whether the stored password itself changes, and not a property of it."""
    names = [step.name.casefold() for step in difference.steps]
    values = [value for value in (difference.before, difference.after) if value is not None]
    return (
        any("pass" in name or "hash" in name for name in names)
        and (
            names[-1] in {"value", "hash", "password", "text", "data", "salt"}
            or names[-1].endswith(("hash", "password"))
        )
        and any(truth(value) is None for value in values)
        and not all(map(is_past_moment, values))
    )
