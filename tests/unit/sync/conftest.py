"""Servers in memory, behind the same protocols as the real ones."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryCredentials, MemorySnapshots
from local.fakes.store import MemoryStore
from registry.models import Backup, Credentials, Primary
from replication.ports import (
    Authentication,
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
from sync.context import RunContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from common.deadline import Deadline
    from registry.models import BackupResult, Run, SyncSettings
    from replication.model import PrimaryState


def facts_of(name: str) -> ServerFacts:
    return ServerFacts(
        version=Version(1, 2, 3, 4),
        hostname=f"{name}.example",
        licence=Licence(valid=True, name=name, issued=100, installed=200 + len(name)),
        features=Features(server_sync=True, directory_authentication=True, events=True),
        security=Security(soap_enabled=True, soap_secure=True, soap_port=1, tls_key_type="EC", tls_key_bits=384),
    )


@dataclass
class FakeServer:
    """A server that does what it is told. ``on_call`` is told each method's name and may raise."""

    name: str
    port: int
    said: ServerFacts = field(init=False)
    people: tuple[str, ...] = ("anna", "boris", "chen")
    teams: tuple[str, ...] = ("staff", "guests")
    greeting: str = "hello"
    calls: list[str] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.said = facts_of(self.name)
        self.own = f"<settings><licence>{self.name}</licence></settings>"

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.on_call(name)

    @property
    def written(self) -> list[str]:
        return [call for call in self.calls if call.startswith(("write", "commit"))]

    def fresh_facts(self) -> ServerFacts:
        return self.facts()

    @property
    def label(self) -> str:
        return f"{self.name} (127.0.0.1:{self.port})"

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def facts(self) -> ServerFacts:
        self._call("facts")
        return self.said

    def security(self) -> Security:
        self._call("security")
        return self.said.security

    def user_names(self) -> tuple[str, ...]:
        return self.people

    def group_names(self) -> tuple[str, ...]:
        return self.teams

    def settings(self) -> str:
        self._call("settings")
        return f"<settings><greeting>{self.greeting}</greeting><licence>{self.name}</licence></settings>"

    def authentication(self) -> Authentication:
        return Authentication("<sources/>")

    def users(self) -> str:
        self._call("users")
        return f"<users>{''.join(f'<user name="{name}"/>' for name in self.people)}</users>"

    def groups(self) -> str:
        return f"<groups>{''.join(f'<group name="{name}"/>' for name in self.teams)}</groups>"

    def event_rules(self) -> str:
        return "<rules/>"

    def mime_mappings(self) -> tuple[MimeMapping, ...]:
        return (MimeMapping("txt", "text/plain"),)

    def blocked_addresses(self) -> str:
        return "<blocked/>"

    def auto_blocked_addresses(self) -> str:
        return "<blocked/>"

    def account_requests(self) -> str:
        return "<requests/>"

    def listeners(self) -> tuple[Listener, ...]:
        return ()

    def write_settings(self, document: Content) -> None:
        self._call("write_settings")
        self.greeting = as_text(document).partition("<greeting>")[2].partition("</greeting>")[0]

    def write_authentication(self, authentication: Authentication) -> None:
        self._call("write_authentication")

    def write_accounts(self, users: Content, groups: Content) -> None:
        self._call("write_accounts")
        self.people = tuple(as_text(users).split('"')[1::2])
        self.teams = tuple(as_text(groups).split('"')[1::2])

    def write_event_rules(self, document: Content) -> None:
        self._call("write_event_rules")

    def write_mime_mappings(self, mappings: tuple[MimeMapping, ...]) -> None:
        self._call("write_mime_mappings")

    def write_block_lists(self, manual: Content, automatic: Content) -> None:
        self._call("write_block_lists")

    def write_account_requests(self, document: Content) -> None:
        self._call("write_account_requests")

    def write_listener(self, listener: Listener) -> None:
        self._call("write_listener")

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        self._call("commit_listeners")


def _refused(_: str) -> None:
    raise Failure(Reason.AUTHENTICATION_FAILED, "refused")


class FakeServers:
    """Opens fake servers by id. ``used`` are the user names they were opened with, in order."""

    def __init__(self) -> None:
        self.by_id: dict[str, FakeServer] = {}
        self.used: list[tuple[str, str]] = []
        self.wrong_users: set[str] = set()

    @contextmanager
    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> Iterator[FakeServer]:
        yield self._open(PRIMARY_ID, credentials, deadline)

    @contextmanager
    def backup(
        self, backup: Backup, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> Iterator[FakeServer]:
        yield self._open(backup.id, credentials, deadline)

    def _open(self, server_id: str, credentials: Credentials, deadline: Deadline) -> FakeServer:
        deadline.check()
        self.used.append((server_id, credentials.username))
        server = self.by_id[server_id]
        return replace(server, on_call=_refused) if credentials.username in self.wrong_users else server


class Notes:
    """A Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.faults: dict[str, str] = {}

    def started(self, run: Run) -> None:
        self.steps.append("started")

    def primary_read(self, run: Run, primary: PrimaryState) -> None:
        self.steps.append("primary_read")

    def queued(self, run: Run, backups: int) -> None:
        self.steps.append(f"queued {backups}")

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        self.steps.append(f"{backup_id} not served: {failure.reason}")

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        self.steps.append(f"{result.backup_id} {result.status}")
        if fault:
            self.faults[result.backup_id] = fault

    def finished(self, run: Run) -> None:
        self.steps.append(f"finished {run.status}")


@dataclass
class World:
    """A registry with a primary and backups ``b1``, ``b2``, ``b3``, all fake; ``context`` are a run's."""

    store: MemoryStore = field(default_factory=MemoryStore)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    servers: FakeServers = field(default_factory=FakeServers)
    notes: Notes = field(default_factory=Notes)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)

    def __post_init__(self) -> None:
        for port, server_id in enumerate((PRIMARY_ID, "b1", "b2", "b3"), start=1):
            self.servers.by_id[server_id] = FakeServer(server_id * (port + 1), port)
            self.credentials.put(server_id, Credentials("admin", "password"))
            if server_id == PRIMARY_ID:
                self.store.save_primary(Primary("127.0.0.1", port))
            else:
                self.store.add_backup(Backup(server_id, "127.0.0.1", port))

    @property
    def context(self) -> RunContext:
        return RunContext(self.store, self.credentials, self.servers, self.notes, self.snapshots, None, 60)

    def update(self, backup_id: str, **changes: object) -> None:
        backup = self.store.backup(backup_id)
        assert backup is not None
        self.store.update_backup(replace(backup, **changes))  # type: ignore[arg-type]  # the dataclass checks the names


@pytest.fixture
def world() -> World:
    return World()
