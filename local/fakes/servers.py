"""Cerberus servers in memory, behind the product's interfaces."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, cast
from xml.sax.saxutils import quoteattr

from lxml import etree

from common.budgets import ANY_SIZE, AccountSizes
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.safe_xml import parse_document
from common.server_types import (
    Authentication,
    Content,
    Features,
    Licence,
    Listener,
    MimeMapping,
    Security,
    ServerFacts,
    Version,
    as_bytes,
    as_text,
)
from fleet.servers import PRIMARY_ID
from registry.fleet_records import (
    Backup,
    Credentials,
    Primary,
    SyncSettings,
    address_key,
    destination_of,
    password_needed,
)

FACTS = ServerFacts(
    version=Version(12, 11, 5, 0),
    hostname="files",
    licence=Licence(valid=True, name="A", company="C", edition="Enterprise", issued=100, installed=200, days_left=30),
    features=Features(server_sync=True, directory_authentication=True, events=True, edition_code=4),
    security=Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
)
"""The facts of a healthy server."""


@dataclass
class FakeServer:
    """A ``WritableServer`` with ``content`` by the name of the read method that returns it.

    ``calls`` are the names of all calls, in order. ``on_call`` is called with each of them before the reply, and may
    raise. ``failures`` maps a method and the number of a call (from 1; 0 means every call) to the exception to raise.
    ``dropped`` are writes that are acknowledged but not carried out. ``normalise`` is applied to each stored text.
    ``deadline`` is the deadline of its calls, which this double ignores. ``names`` has the replies of ``user_names``
    and ``group_names``, under ``users`` and ``groups``. ``lasting`` are the listeners that a restart leaves.
    """

    content: dict[str, Any]
    server_facts: ServerFacts = FACTS
    label: str = "backup b1 (files1.example:8443)"
    address: tuple[str, int] = ("files1.example", 8443)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    normalise: Callable[[str], str] = str
    on_call: Callable[[str], object] = lambda _call: None
    calls: list[str] = field(default_factory=list)
    list_room: int = ANY_SIZE
    deadline: Deadline = field(default_factory=lambda: Deadline(math.inf, lambda: 0.0))
    lasting: tuple[Listener, ...] = ()

    def __post_init__(self) -> None:
        self.lasting = self.content.get("listeners", ())

    def restart(self) -> None:
        """Restart the server: its listeners have the options again that were committed last."""
        self.content["listeners"] = self.lasting

    @property
    def writes(self) -> list[str]:
        """The write calls, in order."""
        return [call for call in self.calls if call.startswith(("write_", "commit_"))]

    def facts(self) -> ServerFacts:
        self._called("facts")
        return self.server_facts

    def security(self) -> Security:
        self._called("security")
        return self.server_facts.security

    def fresh_facts(self) -> ServerFacts:
        self._called("fresh_facts")
        return self.server_facts

    def user_names(self) -> tuple[str, ...]:
        self._called("user_names")
        return self.names.get("users", ())

    def group_names(self) -> tuple[str, ...]:
        self._called("group_names")
        return self.names.get("groups", ())

    def settings(self) -> str:
        return cast(str, self._read("settings"))

    def authentication(self) -> Authentication:
        return cast(Authentication, self._read("authentication"))

    def users(self) -> str:
        return cast(str, self._read("users"))

    def groups(self) -> str:
        return cast(str, self._read("groups"))

    def event_rules(self) -> str:
        return cast(str, self._read("event_rules"))

    def mime_mappings(self) -> tuple[MimeMapping, ...]:
        return cast("tuple[MimeMapping, ...]", self._read("mime_mappings"))

    def blocked_addresses(self) -> str:
        return cast(str, self._read("blocked_addresses"))

    def auto_blocked_addresses(self) -> str:
        return cast(str, self._read("auto_blocked_addresses"))

    def account_requests(self) -> str:
        return cast(str, self._read("account_requests"))

    def listeners(self) -> tuple[Listener, ...]:
        return cast("tuple[Listener, ...]", self._read("listeners"))

    def write_settings(self, document: Content) -> None:
        self._write("write_settings", settings=document)

    def write_authentication(self, authentication: Authentication) -> None:
        self._write("write_authentication", authentication=authentication)

    def write_accounts(self, users: Content, groups: Content) -> None:
        self._write("write_accounts", users=users, groups=groups)

    def write_event_rules(self, document: Content) -> None:
        self._write("write_event_rules", event_rules=document)

    def write_mime_mappings(self, mappings: tuple[MimeMapping, ...]) -> None:
        self._write("write_mime_mappings", mime_mappings=mappings)

    def write_block_lists(self, manual: Content, automatic: Content) -> None:
        self._write("write_block_lists", blocked_addresses=manual, auto_blocked_addresses=automatic)

    def write_account_requests(self, document: Content) -> None:
        self._write("write_account_requests", account_requests=document)

    def write_listener(self, listener: Listener) -> None:
        self._called("write_listener")
        if "write_listener" not in self.dropped:
            self.content["listeners"] = tuple(
                replace(held, options=listener.options) if held.id == listener.id else held
                for held in self.content["listeners"]
            )

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        """Accept a listener without a change. Raises AssertionError if the listener differs from the stored one,
        because that would be a change.
        """
        self._called("commit_listeners")
        if (listeners, as_text(settings)) != (self.content["listeners"], self.content["settings"]):
            raise AssertionError("listeners are committed with other values than the server's own")
        self.lasting = listeners

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.on_call(name)
        failure = self.failures.get((name, self.calls.count(name))) or self.failures.get((name, 0))
        if failure:
            raise failure

    def _read(self, name: str) -> Any:
        self._called(name)
        return self.content[name]

    def _write(self, call: str, **values: Any) -> None:
        self._called(call)
        if call not in self.dropped:
            for name, value in values.items():
                self.content[name] = (
                    self.normalise(as_text(value)) if isinstance(value, str | bytes) else _as_returned(value)
                )


class FleetServer(FakeServer):
    """A server of a small fleet. A test can set and read its users, its groups and a greeting in its settings by
    name.
    """

    def __init__(self, name: str, port: int) -> None:
        licence = Licence(valid=True, name=name, issued=100, installed=200)
        super().__init__(
            {
                "settings": f"<settings><greeting>hello</greeting><licence>{name}</licence></settings>",
                "authentication": Authentication("<sources/>"),
                "event_rules": "<rules/>",
                "mime_mappings": (MimeMapping("txt", "text/plain"),),
                "blocked_addresses": "<blocked/>",
                "auto_blocked_addresses": "<blocked/>",
                "account_requests": "<requests/>",
                "listeners": (),
            },
            replace(FACTS, hostname=f"{name}.example", licence=licence),
            f"{name} (127.0.0.1:{port})",
            ("127.0.0.1", port),
        )
        self.people = ("anna", "boris", "chen")
        self.teams = ("staff", "guests")

    @property
    def people(self) -> tuple[str, ...]:
        """The names of the server's users."""
        return _names(self.content["users"])

    @people.setter
    def people(self, names: tuple[str, ...]) -> None:
        self.content["users"] = _list_of("user", names)

    @property
    def teams(self) -> tuple[str, ...]:
        """The names of the server's groups."""
        return _names(self.content["groups"])

    @teams.setter
    def teams(self, names: tuple[str, ...]) -> None:
        self.content["groups"] = _list_of("group", names)

    @property
    def greeting(self) -> str:
        """A setting that every server of the fleet shares."""
        return _tree(self.content["settings"]).findtext("greeting") or ""

    @greeting.setter
    def greeting(self, text: str) -> None:
        before, _, rest = self.content["settings"].partition("<greeting>")
        self.content["settings"] = f"{before}<greeting>{text}</greeting>{rest.partition('</greeting>')[2]}"

    def user_names(self) -> tuple[str, ...]:
        super().user_names()
        return self.people

    def group_names(self) -> tuple[str, ...]:
        super().group_names()
        return self.teams


class FakeServers:
    """``fleet.servers.Servers`` with fake servers, by id.

    ``used`` are the ids and user names of opened connections, in order. A user in ``wrong_users`` is rejected by every
    server: every call fails.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, FleetServer] = {}
        self.used: list[tuple[str, str]] = []
        self.wrong_users: set[str] = set()

    @contextmanager
    def primary(
        self,
        primary: Primary,
        credentials: Credentials,
        settings: SyncSettings,  # noqa: ARG002 # nothing takes time here
        deadline: Deadline,
    ) -> Iterator[FakeServer]:
        yield self._open(PRIMARY_ID, primary, credentials, deadline)

    @contextmanager
    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: SyncSettings,  # noqa: ARG002 # nothing takes time here
        deadline: Deadline,
        not_at: tuple[str, int],  # noqa: ARG002 # no name resolves here
        beside: AccountSizes | None = None,  # noqa: ARG002 # nothing is taken for a reply here
    ) -> Iterator[FakeServer]:
        yield self._open(backup.id, backup, credentials, deadline)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], deadline: Deadline) -> bool:  # noqa: ARG002 # no name resolves here
        return address_key(*one) == address_key(*other)

    def _open(
        self, server_id: str, registered: Primary | Backup, credentials: Credentials, deadline: Deadline
    ) -> FakeServer:
        deadline.check()
        if credentials.destination != destination_of(registered):
            raise password_needed(credentials.destination, destination_of(registered))
        self.used.append((server_id, credentials.username))
        server = self.by_id[server_id]
        server.deadline = deadline.copy()
        if credentials.username in self.wrong_users:
            server = copy(server)  # both clients share the server's content and its list of calls
            server.on_call = _refuse
        return server


def _refuse(_call: str) -> None:
    raise Failure(Reason.AUTHENTICATION_FAILED, "refused")


def _list_of(tag: str, names: tuple[str, ...]) -> str:
    return f"<{tag}s>{''.join(f'<{tag} name={quoteattr(name)}/>' for name in names)}</{tag}s>"


def _names(document: str) -> tuple[str, ...]:
    return tuple(account.get("name", "") for account in _tree(document))


def _tree(document: str) -> etree._Element:
    return parse_document(as_bytes(document))


def _as_returned(value: Any) -> Any:
    """A value in the form in which a server returns it."""
    return replace(value, document=as_text(value.document)) if isinstance(value, Authentication) else value
