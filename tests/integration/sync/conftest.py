"""A fleet of local Cerberus servers over real HTTPS, the run over it, and a watch over everything that is said.

Two things hold in every test of this folder, because the fixtures see to it
at the end: no server ever received a write as the primary, and none of the
planted secrets is in anything the product let out.
"""

import base64
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Self

import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from cerberus.address_policy import AddressPolicy
from common.budgets import AccountSizes
from common.deadline import Deadline
from common.errors import Failure
from common.runtime import SystemRuntime
from fleet.servers import PRIMARY_ID, CerberusServers, Servers
from local.cerberus import LocalServer, Machine, Secrets, ServerState, Snapshot, generate
from local.fakes.aws_services import MemoryCredentials
from local.fakes.runtime import ShiftedClock, WallClockRuntime
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from registry.aws import Clients, open_clients
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust
from registry.run_records import Approval, BackupResult, PartResult, Run
from registry.store import CredentialStore, Store
from replication.model import PrimaryState
from replication.ports import WritableServer
from sync.context import RunContext
from sync.events import RunRequest, Trigger
from sync.results import Report
from sync.run import run
from tests.support.aws_account import create_table, refuse_real_aws
from tests.support.registrations import as_registered

TABLE = "sync-test"
PREFIX = "cerberus-sync/test"
BUCKET = "snapshots"
HOST = "127.0.0.1"
LOOPBACK = AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime())
PATIENT = SyncSettings(connect_timeout=60.0, read_timeout=60.0)
"""A busy machine is no slow server."""
INVOCATION = 600.0
"""Seconds that an invocation has where a test says nothing else: on a busy machine half a minute is not enough."""


class Evidence(logging.Handler):
    """Everything the product lets out during a test, and the secrets that must not be in it.

    As a log handler it keeps each record with its message, its extra fields
    and its exception. The rest is handed over with ``add`` and ``add_error``.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[tuple[str, str]] = []
        self._secrets: dict[str, str] = {}
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.add(f"log of {record.name}", f"{self._formatter.format(record)} {vars(record)!r}")
        if record.exc_info and record.exc_info[1]:
            self.add_error(record.exc_info[1])

    def add(self, place: str, what: object) -> None:
        self.texts.append((place, what if isinstance(what, str) else repr(what)))

    def add_error(self, error: BaseException) -> None:
        """The error as it would be printed, and every error behind it, suppressed ones included."""
        self.add("exception", "".join(traceback.format_exception(error)))
        pending: list[BaseException | None] = [error]
        while pending:
            current = pending.pop()
            if current is not None:
                self.add("exception", f"{current!s} {current!r} {current.args!r}")
                pending += [current.__cause__, current.__context__]

    def plant(self, name: str, secret: str) -> None:
        assert len(secret) > 8, "a shorter text could be anywhere by chance"
        self._secrets[name] = secret

    def plant_log_in(self, server: str, user: str, password: str) -> None:
        self.plant(f"password of {server}", password)
        self.plant(f"log-in of {server} in base64", base64.b64encode(f"{user}:{password}".encode()).decode())

    def plant_machine(self, machine: Machine) -> None:
        for number, secret in enumerate(machine.secrets):
            self.plant(f"secret {number} of {machine.name}", secret)
        self.plant(f"password hash of {machine.name}", machine.admin_hash)
        self.plant_log_in(machine.name, machine.admin_user, machine.admin_password)

    @property
    def planted(self) -> tuple[str, ...]:
        return tuple(set(self._secrets.values()))

    def leaks(self) -> list[str]:
        """Which secret was found where. The secrets themselves are not shown."""
        return [
            f"{name} in {place}"
            for place, text in self.texts
            for name, secret in self._secrets.items()
            if secret in text
        ]


@pytest.fixture(autouse=True)
def evidence(capsys: pytest.CaptureFixture[str]) -> Iterator[Evidence]:
    """Watches every test: all loggers at DEBUG, except where the product itself holds one at a higher level."""
    watch = Evidence()
    for name, secret in zip(("password hash", "bind password", "captcha key"), Secrets(), strict=True):
        watch.plant(name, secret)
    root = logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    try:
        yield watch
    finally:
        root.setLevel(level)
        root.removeHandler(watch)
    printed = capsys.readouterr()
    watch.add("stdout", printed.out)
    watch.add("stderr", printed.err)
    assert watch.leaks() == []


class Registry:
    """Store and credentials, and all that is stored, as text."""

    def __init__(self, store: Store, credentials: CredentialStore, dump: Callable[[], object]) -> None:
        self.store = store
        self.credentials = credentials
        self.dump = dump


@pytest.fixture
def memory_registry() -> Registry:
    store = MemoryStore()
    return Registry(store, MemoryCredentials(), lambda: store.table.rows)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of an empty account that has the table. No test can reach real AWS."""
    refuse_real_aws(monkeypatch)
    answer, lock = BotocoreStubber.__call__, threading.RLock()

    def one_at_a_time(*arguments: Any, **named: Any) -> object:
        with lock:  # moto copies whole tables; DynamoDB itself does not mind several threads
            return answer(*arguments, **named)

    monkeypatch.setattr(BotocoreStubber, "__call__", one_at_a_time)
    with mock_aws():
        opened = open_clients()
        create_table(opened.dynamodb, TABLE)
        opened.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield opened


@pytest.fixture
def variables() -> dict[str, str]:
    """What the template hands to the function."""
    return {
        "TABLE_NAME": TABLE,
        "SECRET_PREFIX": PREFIX,
        "SNAPSHOT_BUCKET": BUCKET,
        "ALLOWED_NETWORKS": "127.0.0.0/8",
        "HISTORY_DAYS": "30",
        "SNAPSHOT_DAYS": "30",
        "LEASE_SECONDS": "900",
        "BACKUPS_WITH_METRICS": "10",
        "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/backups",
        "FAN_OUT_ABOVE": "100",
        "FAN_OUT_MINUTES": "60",
        "POWERTOOLS_METRICS_NAMESPACE": "CerberusSync",
        "POWERTOOLS_SERVICE_NAME": "sync",
    }


@pytest.fixture
def aws_registry(clients: Clients) -> Registry:
    def rows() -> list[dict[str, Any]]:
        pages = clients.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        return [item for page in pages for item in page["Items"]]

    credentials = SecretsManagerCredentials(PREFIX, clients.secretsmanager, SystemRuntime())
    return Registry(DynamoStore(TABLE, clients.dynamodb, SystemRuntime()), credentials, rows)


@pytest.fixture
def registry(request: pytest.FixtureRequest) -> Registry:
    """In memory, unless a test asks for ``aws`` by an indirect parameter."""
    kind = getattr(request, "param", "memory")
    of_kind: Registry = request.getfixturevalue(f"{kind}_registry")
    return of_kind


class Listening:
    """A Progress that keeps what it is told as evidence. ``on_started`` is called in the run, with the lease held."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.primary_label = ""
        self.faults: dict[str, str] = {}
        self.done: set[str] = set()
        self.on_started: Callable[[], object] = lambda: None

    def started(self, run: Run) -> None:
        self._evidence.add("progress", run)
        self.done.clear()
        self.on_started()

    def primary_read(self, run: Run, primary: PrimaryState) -> None:
        self._evidence.add("progress", (run, primary.label, primary.users, primary.groups))

    def queued(self, run: Run, backups: int) -> None:
        self._evidence.add("progress", run)

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        self._evidence.add("progress", (run_id, backup_id, failure))

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        self._evidence.add("progress", (run, result, fault))
        self.done.add(result.backup_id)
        if fault:
            self.faults[result.backup_id] = fault

    def finished(self, run: Run) -> None:
        self._evidence.add("progress", run)


def _deadline_when(happened: Callable[[], bool]) -> Deadline:
    """One that comes as soon as something has happened, however long that takes on a busy machine."""
    return Deadline(600.0, lambda: 1200.0 if happened() else 0.0)


@dataclass(frozen=True, kw_only=True)
class _ImpatientServers(CerberusServers):
    """Servers of which one is given less time for an answer."""

    backup_id: str
    read_timeout: float

    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: SyncSettings,
        deadline: Deadline,
        not_at: tuple[str, int],
        beside: AccountSizes | None = None,
    ) -> AbstractContextManager[WritableServer]:
        if backup.id == self.backup_id:
            settings = replace(settings, read_timeout=self.read_timeout)
        return super().backup(backup, credentials, settings, deadline, not_at, beside)


@dataclass
class Fleet:
    """One primary, its backups, the registry they are in, and runs over them.

    ``servers`` are all of them by id, the primary under ``primary``.
    ``before`` are the backups' contents at the time they joined.
    """

    registry: Registry
    evidence: Evidence
    stack: ExitStack
    users: int
    groups: int

    def __post_init__(self) -> None:
        self.servers: dict[str, LocalServer] = {}
        self.before: dict[str, Snapshot] = {}
        self.progress = Listening(self.evidence)
        self.clock = ShiftedClock()
        self.snapshots = MemorySnapshots()
        self.lease_seconds = 900
        self.connections: Servers = CerberusServers(LOOPBACK, SystemRuntime())
        self.reports: list[Report] = []
        self.registry.store.save_settings(PATIENT)

    @property
    def store(self) -> Store:
        return self.registry.store

    @property
    def context(self) -> RunContext:
        """What a run over this fleet works with."""
        return RunContext(
            store=self.store,
            credentials=self.registry.credentials,
            servers=self.connections,
            progress=self.progress,
            snapshots=self.snapshots,
            primary=None,
            lease_seconds=self.lease_seconds,
            runtime=WallClockRuntime(self.clock),
        )

    @property
    def primary(self) -> LocalServer:
        return self.servers[PRIMARY_ID]

    def configure(self, **changes: Any) -> None:
        """Settings of the fleet other than the patient ones of these tests."""
        self.store.save_settings(replace(PATIENT, **changes))

    def lose_patience(self, backup_id: str, read_timeout: float) -> None:
        """With this backup alone: the others may be slow, as servers on a busy machine are."""
        self.connections = _ImpatientServers(LOOPBACK, SystemRuntime(), backup_id=backup_id, read_timeout=read_timeout)

    def state(self, machine: Machine, **content: Any) -> ServerState:
        """What a server of this fleet holds before anybody touches it."""
        self.evidence.plant_machine(machine)
        return generate(1, **{"users": self.users, "groups": self.groups, "machine": machine, **content})

    def start(self, server_id: str, *, state: ServerState | None = None, **options: Any) -> LocalServer:
        """A running server with credentials in the registry, but not registered yet."""
        state = state or self.state(Machine.named(server_id))
        server = self.stack.enter_context(LocalServer(state, **options))
        self.servers[server_id] = server
        self.before[server_id] = server.snapshot()
        self.log_in(server_id, state.machine.admin_user, state.machine.admin_password)
        return server

    def log_in(self, server_id: str, user: str, password: str) -> None:
        """Store credentials for a server."""
        self.evidence.plant_log_in(server_id, user, password)
        self.registry.credentials.put(server_id, Credentials(user, password))

    def log_in_again(self, server_id: str) -> None:
        """Store the same log-in once more: a person says that it may be tried, also after a refusal or elsewhere."""
        machine = self.servers[server_id].state.machine
        self.log_in(server_id, machine.admin_user, machine.admin_password)

    def add_primary(self, *, trust: TlsTrust | None = None, **options: Any) -> LocalServer:
        server = self.start(PRIMARY_ID, **options)
        self.store.save_primary(Primary(HOST, server.port, trust or TlsTrust(ca_pem=server.ca_pem)))
        return server

    def add_backup(
        self,
        backup_id: str,
        *,
        host: str = HOST,
        trust: TlsTrust | None = None,
        registration: dict[str, Any] | None = None,
        **options: Any,
    ) -> LocalServer:
        """A running, registered backup; trusted by its certificate's fingerprint unless told otherwise."""
        server = self.start(backup_id, **options)
        trust = trust or TlsTrust(pins=(server.fingerprint,))
        self.store.add_backup(Backup(backup_id, host, server.port, trust, **(registration or {})))
        return server

    def run(
        self,
        *backups: str,
        seconds: float = 600.0,
        until: Callable[[], bool] | None = None,
        trigger: Trigger = Trigger.ON_DEMAND,
        **request: Any,
    ) -> Report:
        """One run; what came of it is in the report.

        ``seconds`` is the time it has. With ``until`` its time ends when that is so, and not before.
        """
        deadline = Deadline(seconds, monotonic) if until is None else _deadline_when(until)
        try:
            report = run(RunRequest(trigger, backups=backups, **request), self.context, deadline)
        except BaseException as error:
            self.evidence.add_error(error)
            raise
        self.evidence.add("report", report)
        self.reports.append(report)
        return report

    def result(self, backup_id: str) -> BackupResult:
        """What the last run left in the registry about a backup."""
        return {result.backup_id: result for result in self.store.results(self.reports[-1].run.id)}[backup_id]

    def statuses(self) -> dict[str, str]:
        """Status, and after a colon the reason, that the last run left in the registry for each backup."""
        results = self.store.results(self.reports[-1].run.id)
        return {r.backup_id: f"{r.status}:{r.reason}" if r.reason else r.status for r in results}

    def parts(self, backup_id: str) -> dict[str, PartResult]:
        return {part.part: part for part in self.result(backup_id).parts}

    def done(self, *backups: str) -> bool:
        """Whether the run that is under way, or was the last one, has results of these backups."""
        return self.progress.done.issuperset(backups)

    def asked(self, server_id: str, operation: str) -> bool:
        """Whether a server was asked for an operation since the last ``forget``."""
        return any(request.operation == operation for request in self.servers[server_id].requests)

    def writes(self, server_id: str) -> list[str]:
        """The writing operations a server was asked for since the last ``forget``."""
        return [request.operation for request in self.servers[server_id].writes]

    def all_writes(self) -> list[str]:
        return [operation for server_id in self.servers for operation in self.writes(server_id)]

    def approve(self) -> None:
        """Approve what the last run's plans were for each backup."""
        run = self.reports[-1].run
        for result in self.store.results(run.id):
            given = Approval(result.backup_id, result.plan_hash, "a colleague", self.clock(), snapshot=run.snapshot)
            self.store.approve(as_registered(given, self.store))

    def forget(self) -> None:
        """Forget the requests of the backups. The primary's are kept: they are looked through at the end."""
        for server_id, server in self.servers.items():
            if server_id != PRIMARY_ID:
                server.forget_requests()

    def close(self) -> None:
        """Stop the servers, and hand what is stored to the evidence."""
        self.stack.close()
        self.evidence.add("registry", self.registry.dump())
        for server_id, server in self.servers.items():
            self.evidence.add("registered", (self.store.backup(server_id), server))
        self.evidence.add("registered", (self.store.primary(), self.store.settings(), self.store.runs(limit=100)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def make_fleet(registry: Registry, evidence: Evidence) -> Iterator[Callable[..., Fleet]]:
    """Makes a fleet of a primary and the named backups, all with the same content, registered and running."""
    made: list[Fleet] = []

    def make(*backups: str, users: int = 8, groups: int = 3) -> Fleet:
        fleet = Fleet(registry, evidence, ExitStack(), users, groups)
        made.append(fleet)
        fleet.add_primary()
        for backup_id in backups:
            fleet.add_backup(backup_id)
        return fleet

    yield make
    for fleet in made:
        fleet.close()
    for fleet in made:
        assert [request.operation for request in fleet.primary.writes] == [], "the primary was written to"


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """A primary and two backups, ``b1`` and ``b2``, equal except for their machines."""
    return make_fleet("b1", "b2")
