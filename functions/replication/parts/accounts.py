"""Users and groups. They travel in one call, so that they cannot disagree."""

import json
from dataclasses import dataclass
from functools import cached_property

from replication import documents
from replication.model import Changes, PartName, Policy
from replication.parts.base import Document, Part
from replication.ports import ReadableServer, WritableServer

_NONE = documents.Items("", {}, {})


@dataclass(frozen=True)
class Accounts:
    """Both documents. Their items are matched by name without regard to case."""

    users: Document
    groups: Document

    @cached_property
    def user_items(self) -> documents.Items:
        return _NONE if self.users.root is None else documents.items(self.users.root, "user")

    @cached_property
    def group_items(self) -> documents.Items:
        return _NONE if self.groups.root is None else documents.items(self.groups.root, "group")


class AccountsPart(Part[Accounts]):
    """GetProfiles and GetGroups, SaveProfiles."""

    name = PartName.ACCOUNTS

    def read(self, server: ReadableServer) -> Accounts:
        return Accounts(
            users=Document(server.users(), "users", server.label),
            groups=Document(server.groups(), "groups", server.label),
        )

    def validate(self, state: Accounts) -> None:
        state.users.root  # noqa: B018 - reading it is the check
        state.groups.root  # noqa: B018

    def is_empty(self, state: Accounts) -> bool:
        return state.users.is_empty or state.groups.is_empty

    def same(self, left: Accounts, right: Accounts, policy: Policy) -> bool:
        return (left.users.text == right.users.text or left.user_items.canonical == right.user_items.canonical) and (
            left.groups.text == right.groups.text or left.group_items.canonical == right.group_items.canonical
        )

    def fingerprint(self, state: Accounts, policy: Policy) -> str:
        return documents.digest(f"{state.user_items.canonical}\0{state.group_items.canonical}")

    def changes(self, own: Accounts, desired: Accounts, policy: Policy) -> Changes:
        return _item_changes(own.user_items, desired.user_items).under("users") + _item_changes(
            own.group_items, desired.group_items
        ).under("groups")

    def dump(self, state: Accounts) -> str:
        return json.dumps({"users": state.users.text, "groups": state.groups.text})

    def load(self, text: str, server: str) -> Accounts:
        data = json.loads(text)
        return Accounts(Document(data["users"], "users", server), Document(data["groups"], "groups", server))

    def write(self, server: WritableServer, own: Accounts, desired: Accounts, policy: Policy) -> None:
        server.write_accounts(desired.users.text, desired.groups.text)


def _item_changes(own: documents.Items, desired: documents.Items) -> Changes:
    by_key = Changes.between(own.entries, desired.entries)
    beside_items = ("(document)",) if own.rest != desired.rest else ()
    return Changes(
        added=tuple(desired.names[key] for key in by_key.added),
        removed=tuple(own.names[key] for key in by_key.removed),
        changed=tuple(desired.names[key] for key in by_key.changed) + beside_items,
    )
