"""A server in memory that does what it is told, wrong things included."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from common.errors import Failure
from replication.model import PartName, Policy
from replication.plan import Plan, make_plan
from replication.ports import (
    Authentication,
    AuthenticationSource,
    Content,
    Features,
    Licence,
    Listener,
    MimeMapping,
    Security,
    ServerFacts,
    Version,
    as_text,
)
from replication.primary import read_primary

SECRET = "planted-secret-4711"

FACTS = ServerFacts(
    version=Version(12, 11, 5, 0),
    hostname="files",
    licence=Licence(valid=True, name="A", company="C", edition="Enterprise", issued=100, installed=200, days_left=30),
    features=Features(server_sync=True, directory_authentication=True, events=True, edition_code=4),
    security=Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
)

CONTENT: dict[str, Any] = {
    "settings": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<settings><timeout>30</timeout>'
        f"<soap><port>8443</port></soap><smtp password='{SECRET}'/></settings>"
    ),
    "authentication": Authentication(
        "<sources><ldap name='a'/><ad name='b'/></sources>",
        (AuthenticationSource(True, "a", "ldap", ""), AuthenticationSource(True, "b", "ad", "")),
    ),
    "users": f'<users><user name="ann"><hash>{SECRET}</hash></user><user name="bob"/></users>',
    "groups": '<groups><group name="staff"/></groups>',
    "event_rules": "<rules><rule name='r'><to>ann</to></rule></rules>",
    "mime_mappings": (MimeMapping("txt", "text/plain"), MimeMapping("png", "image/png")),
    "blocked_addresses": "<ips><ip>192.0.2.1</ip></ips>",
    "auto_blocked_addresses": "<auto><ip>198.51.100.1</ip></auto>",
    "account_requests": "<requests/>",
    "listeners": (
        Listener(1, "10.0.0.1", 1, {"listenPort": 21, "welcome": "hi", "passiveSettings": {"ip": "192.0.2.10"}}),
        Listener(2, "10.0.0.1", 2, {"listenPort": 22, "welcome": "hi"}),
    ),
}


@dataclass
class FakeServer:
    """Holds ``content`` by the name of the read that returns it; it is a WritableServer.

    ``failures``: what the n-th call (from 1) of a method raises; 0 means every call.
    ``dropped``: writes that are acknowledged and not done. ``normalise``: applied to each text that is stored.
    ``before``: called with the name of each call before it is answered.
    """

    content: dict[str, Any]
    label: str = "backup b1 (files1.example:8443)"
    address: tuple[str, int] = ("files1.example", 8443)
    server_facts: ServerFacts = FACTS
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: dict[tuple[str, int], Failure] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    normalise: Callable[[str], str] = str
    before: Callable[[str], None] = lambda _call: None
    calls: list[str] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        """The writing calls, in order."""
        return [call for call in self.calls if call.startswith(("write_", "commit_"))]

    def _called(self, name: str) -> None:
        self.before(name)
        self.calls.append(name)
        failure = self.failures.get((name, self.calls.count(name))) or self.failures.get((name, 0))
        if failure:
            raise failure

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

    def _read(self, name: str) -> Any:
        self._called(name)
        return self.content[name]

    def _write(self, call: str, **values: Any) -> None:
        self._called(call)
        if call not in self.dropped:
            for name, value in values.items():
                self.content[name] = self.normalise(as_text(value)) if isinstance(value, str | bytes) else _told(value)

    def write_listener(self, listener: Listener) -> None:
        self._called("write_listener")
        if "write_listener" not in self.dropped:
            self.content["listeners"] = tuple(
                replace(held, options=listener.options) if held.id == listener.id else held
                for held in self.content["listeners"]
            )

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        self._called("commit_listeners")
        assert listeners == self.content["listeners"]
        assert as_text(settings) == self.content["settings"]


def _told(value: Any) -> Any:
    """A value as a server would tell it."""
    return replace(value, document=as_text(value.document)) if isinstance(value, Authentication) else value


class Clock:
    """UTC times, one second apart."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


type ServerFactory = Callable[..., FakeServer]


@pytest.fixture
def make_server() -> ServerFactory:
    """A server with the usual content; keyword arguments replace content, or attributes of the server."""

    def make(**changes: Any) -> FakeServer:
        content = {name: changes.pop(name, value) for name, value in CONTENT.items()}
        return FakeServer(content, **changes)

    return make


@pytest.fixture
def make_primary(make_server: ServerFactory) -> ServerFactory:
    """The usual primary: another address, host name and licence than the usual backup's."""

    def make(**changes: Any) -> FakeServer:
        licence = replace(FACTS.licence, company="P", issued=1, installed=2)
        identity: dict[str, Any] = {
            "label": "primary (files0.example:8443)",
            "address": ("files0.example", 8443),
            "server_facts": replace(FACTS, hostname="primary", licence=licence),
        }
        return make_server(**(identity | changes))

    return make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def facts() -> ServerFacts:
    return FACTS


@pytest.fixture
def secret() -> str:
    """A value that is in the documents of every server and must be in no message."""
    return SECRET


type PlanFactory = Callable[..., Plan]


@pytest.fixture
def make_plan_between(make_server: ServerFactory, make_primary: ServerFactory) -> PlanFactory:
    """The plan that leads from a backup's content to a primary's; ``own`` and ``source`` replace the usual content."""

    def make(own: dict[str, Any], source: dict[str, Any], policy: Policy | None = None) -> Plan:
        policy = policy or Policy(parts=frozenset(PartName))
        primary = read_primary(make_primary(**source), policy.parts, accept_empty=True)
        return make_plan(primary, make_server(**own), FACTS.features, policy, {})

    return make
