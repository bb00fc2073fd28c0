"""Users and groups. They travel in one call, so that they cannot disagree."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from common import budgets
from common.chunks import decoded, json_string
from replication.documents import canonical, list_index
from replication.model import PartName, Policy
from replication.parts.base import Document, Part, sealed
from replication.ports import Content, ReadableServer, WritableServer


@dataclass(frozen=True, init=False)
class ListDocument(Document):
    """A document that lists named items. ``hint`` is what the name of their elements ends with ("user")."""

    hint: str

    def __init__(self, content: Content, what: str, server: str, hint: str, room: int = budgets.ANY_SIZE) -> None:
        super().__init__(content, what, server, room)
        object.__setattr__(self, "hint", hint)

    @cached_property
    def items(self) -> canonical.Items:
        """Raises Failure(DOCUMENT_MALFORMED)."""
        if self._pieces is not None:
            return self._pieces.items
        most = budgets.most_items(len(self.data))
        return self.with_tree(
            lambda root: canonical.items(root, self.hint, most=most), empty=canonical.Items("", {}, {})
        )

    @cached_property
    def _pieces(self) -> list_index.Pieces | None:
        return list_index.take_apart(self.data, self.hint)

    @cached_property
    def digest(self) -> str:
        return self.items.digest

    def excerpts(self, keys: Collection[str]) -> dict[str, bytes]:
        """The items with these keys, each as XML of its own."""
        if not keys:
            return {}
        if self._pieces is not None:
            return self._pieces.excerpts(self.data, keys)
        return self.with_tree(lambda root: canonical.excerpts(root, self.hint, keys), empty={})

    @property
    def around_items(self) -> bytes | None:
        """What stands around the items, as XML of its own; None for an empty document."""
        return self.with_tree(lambda root: canonical.around_items(root, self.hint), empty=None)


@dataclass(frozen=True)
class Accounts:
    """Both documents. Their items are matched by name without regard to case."""

    users: ListDocument
    groups: ListDocument

    @classmethod
    def of(cls, users: Content, groups: Content, server: str, room: int = budgets.ANY_SIZE) -> "Accounts":
        """The documents as ``server`` gave them. ``room`` is what the tree of one may take, in bytes."""
        return cls(
            ListDocument(users, "users", server, "user", room), ListDocument(groups, "groups", server, "group", room)
        )


class AccountsPart(Part[Accounts]):
    """GetProfiles and GetGroups, SaveProfiles."""

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
        """The names as written, too: their letter case is no difference, but it goes over."""
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

    def write(self, server: WritableServer, own: Accounts, desired: Accounts, policy: Policy) -> None:
        server.write_accounts(desired.users.data, desired.groups.data)


def _as_written(items: canonical.Items) -> str:
    return json.dumps(sorted([key, items.written(key), entry] for key, entry in items.entries.items()))
