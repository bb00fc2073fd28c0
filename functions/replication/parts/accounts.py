"""Users and groups. One call writes both, so that they stay consistent."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain

from common import budgets
from common.budgets import AccountSizes
from common.chunks import decoded, json_string
from common.errors import Failure, Reason
from common.safe_xml import parse
from replication.documents import canonical
from replication.documents.diff import OTHER, Difference, Kind, differences, hidden_step, marker, root_step
from replication.documents.items import Item, differing_values
from replication.documents.list_additions import AnsweredList, count_item_additions
from replication.documents.named_items import Items
from replication.documents.runtime_values import RUNTIME_NAMES
from replication.model import PartName, Policy, PrimaryState
from replication.parts.base import LimitedList, ListDocument, Part, sealed
from replication.ports import Content, ReadableServer, WritableServer

USERS = "users"
GROUPS = "groups"


@dataclass(frozen=True)
class Accounts:
    """The documents of users and groups. Users and groups are matched by name without regard to case."""

    users: ListDocument
    groups: ListDocument

    @classmethod
    def of(cls, users: Content, groups: Content, server: str, room: int = budgets.ANY_SIZE) -> "Accounts":
        """The documents that ``server`` returned. ``room`` is the maximum size of one document's tree in bytes."""
        return cls(
            ListDocument(users, "users", server, "user", room), ListDocument(groups, "groups", server, "group", room)
        )


class AccountsPart(Part[Accounts]):
    """The part that uses GetProfiles, GetGroups and SaveProfiles."""

    name = PartName.ACCOUNTS

    def read(self, server: ReadableServer) -> Accounts:
        return Accounts.of(server.users(), server.groups(), server.label, server.list_room)

    def validate(self, state: Accounts) -> None:
        state.users.digest  # noqa: B018 - reading it is the check
        state.groups.digest  # noqa: B018

    def blanks(self, state: Accounts) -> frozenset[str]:
        return frozenset(document.what for document in (state.users, state.groups) if document.is_empty)

    def same(self, left: Accounts, right: Accounts, policy: Policy) -> bool:
        return left.users.same(right.users) and left.groups.same(right.groups)

    def fingerprint(self, state: Accounts, policy: Policy) -> str:
        return canonical.digest(f"{state.users.digest}{state.groups.digest}")

    def seal(self, state: Accounts, policy: Policy) -> str:
        """A digest that also covers the case of names, which is not a difference but is written."""
        lists = (f"{one.what}{one.items.rest}\n{_as_written(one.items)}" for one in (state.users, state.groups))
        return sealed(canonical.digest("\n".join(lists)), state.users, state.groups)

    def dump(self, state: Accounts) -> str:
        users, groups = (json_string(decoded(document.data)) for document in (state.users, state.groups))
        return "".join(chain(('{"users": ',), users, (', "groups": ',), groups, ("}",)))

    def size(self, state: Accounts) -> int:
        return len(state.users.data) + len(state.groups.data)

    def load(self, text: str, server: str) -> Accounts:
        data = json.loads(text)
        return Accounts.of(data["users"], data["groups"], server)

    def items(self, own: Accounts, desired: Accounts) -> Iterator[Item]:
        for within, before, after in self.limited_lists(own, desired):
            yield from _named(before, after, within)

    def limited_lists(self, own: Accounts, desired: Accounts) -> tuple[LimitedList, ...]:
        return (USERS, own.users, desired.users), (GROUPS, own.groups, desired.groups)

    def counts(self, state: Accounts, label: str) -> Mapping[str, int]:
        for document in (state.users, state.groups):
            if document.is_empty:
                raise Failure(
                    Reason.PRIMARY_EMPTY, f"it answered with an empty document of {document.what}", server=label
                )
        return {USERS: len(state.users.items.entries), GROUPS: len(state.groups.items.entries)}

    def additions(self, held: Accounts, sent: Accounts, before: Accounts | None) -> int | None:
        """The number of values that the server added to users and groups. The order of users and groups does not
        matter.
        """
        lists = [
            AnsweredList(sent.users, held.users, before.users if before else None),
            AnsweredList(sent.groups, held.groups, before.groups if before else None),
        ]
        return count_item_additions(lists)

    def write(self, server: WritableServer, own: Accounts, desired: Accounts, policy: Policy) -> None:
        server.write_accounts(desired.users.data, desired.groups.data)


def _as_written(items: Items) -> str:
    return json.dumps(sorted([key, items.written(key), entry] for key, entry in items.entries.items()))


def account_sizes(primary: PrimaryState) -> AccountSizes:
    """The sizes of the primary's users and groups in bytes; 0 if they were not read."""
    accounts = primary.states.get(PartName.ACCOUNTS)
    if not isinstance(accounts, Accounts):
        return AccountSizes(0, 0)
    return AccountSizes(len(accounts.users.data), len(accounts.groups.data))


# Items ---------------------------------------------------------------------------------------------------------------


def _named(own: ListDocument, desired: ListDocument, within: str) -> Iterator[Item]:
    """The items that differ in a list of users or groups, matched by name without case."""
    held, wanted = own.items, desired.items
    before = _Excerpts(own, [key for key, entry in held.entries.items() if wanted.entries.get(key) != entry])
    after = _Excerpts(desired, [key for key, entry in wanted.entries.items() if held.entries.get(key) != entry])
    for key in before.keys:
        if key in wanted.entries:
            look_up = partial(_both, before, after, key)
            yield Item(Kind.CHANGED, wanted.written(key), within, partial(_inside_account, look_up), look_up)
        else:
            yield Item(Kind.REMOVED, held.written(key), within, look_up=partial(_both, before, after, key))
    for key in after.keys:
        if key not in held.entries:
            yield Item(Kind.ADDED, wanted.written(key), within, look_up=partial(_both, before, after, key))
    if held.rest != wanted.rest:
        look_up = partial(_around_items, own, desired)
        yield Item(Kind.CHANGED, OTHER, within, partial(_around_accounts, look_up), look_up)


def _around_items(own: ListDocument, desired: ListDocument) -> tuple[bytes | None, bytes | None]:
    return own.around_items, desired.around_items


def _around_accounts(look_up: Callable[[], tuple[bytes | None, bytes | None]]) -> list[Difference]:
    """The differences around the items of a list, such as a value of the whole document."""
    before, after = look_up()
    if before is None or after is None:
        return [marker((), OTHER)]
    left, right = parse(before), parse(after)
    differing = differences(left, right, hidden_step(root_step(right)[0]), ignored=RUNTIME_NAMES)
    return [one for one in differing if (one.before or "").split() != (one.after or "").split()] or [marker((), OTHER)]


class _Excerpts:
    """Some items of a list as XML, extracted together at the first look-up."""

    def __init__(self, document: ListDocument, keys: Collection[str]) -> None:
        self._document = document
        self.keys = keys

    @cached_property
    def by_key(self) -> Mapping[str, bytes]:
        return self._document.excerpts(frozenset(self.keys))


def _both(before: _Excerpts, after: _Excerpts, key: str) -> tuple[bytes | None, bytes | None]:
    return before.by_key.get(key), after.by_key.get(key)


def _inside_account(look_up: Callable[[], tuple[bytes | None, bytes | None]]) -> list[Difference]:
    own, desired = (parse(excerpt) for excerpt in look_up() if excerpt is not None)
    return differing_values(own, desired, (), RUNTIME_NAMES)
