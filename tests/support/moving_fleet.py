"""A fleet whose registrations change at any moment, and what no view of it may ever show.

Every server tells another end of its certificate, greets with its port and names
it in its failures, so that each result says which server it is of.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import strategies as st

from admin_api import views
from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import MemoryCredentials, MemoryQueue
from local.fakes.runtime import NOON, Killed, TickingRuntime
from local.fakes.servers import FakeServer, FleetServer
from local.fakes.snapshots import MemorySnapshots
from local.fakes.world import RecordedProgress
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust
from registry.store import Store
from registry.store_rules import primary_as_named, promotion
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.fleet_health import fleet_health_of
from sync.run import run
from tests.support.changing_fleet import ChangingFleet

HOST = "127.0.0.1"
IDS = ("b1", "b2")
PORTS = range(1, 5)
"""The first one is the primary's at the beginning, those after it are the backups'."""
LEASE, FAN_OUT_LEASE, LIFE = 3600, 7200, 60.0


def certificate_end(port: int) -> datetime:
    """What tells the server at this port from all others."""
    return NOON + timedelta(days=1000 + port)


@dataclass(frozen=True)
class Change:
    """What somebody does to the registry or to a server. ``port`` and ``backup_id`` are used where they are needed."""

    kind: Literal[
        "move", "trust", "delete", "add", "pause", "resume", "primary", "promote", "edit", "silence", "approve"
    ]
    backup_id: str
    port: int


@dataclass(frozen=True)
class Work:
    """A run, or messages handed to a worker. ``changes`` come in between, each after so many reading calls.

    ``killed_after`` so many calls the process dies, None: it lives.
    """

    kind: Literal["run", "dry run", "fan-out", "deliver", "restore"]
    changes: tuple[tuple[int, Change], ...] = ()
    killed_after: int | None = None


CHANGES = st.builds(
    Change,
    st.sampled_from(
        [
            "move",
            "move",
            "trust",
            "delete",
            "add",
            "add",
            "resume",
            "approve",
            "pause",
            "primary",
            "promote",
            "edit",
            "silence",
        ]
    ),
    st.sampled_from([*IDS, IDS[0]]),
    st.sampled_from(PORTS),
)
WORKS = st.builds(
    Work,
    st.sampled_from(["run", "run", "dry run", "fan-out", "deliver", "deliver", "restore", "restore"]),
    st.lists(st.tuples(st.integers(1, 20), CHANGES), max_size=2).map(tuple),
    st.none() | st.none() | st.integers(1, 40),
)
STEPS = st.lists(CHANGES | WORKS, min_size=3, max_size=12).map(lambda steps: [Work("run"), *steps])
"""The first run finds all as it was registered, and writes to each backup."""


@dataclass
class Since:
    """When a registration became what it is: the server, and what is trusted of it."""

    server: datetime
    trust: datetime


class ServersByPort:
    """``fleet.servers.Servers``: whoever has an address gets the server that is there."""

    def __init__(self, on_call: Callable[[int, str], None]) -> None:
        self.at = {port: self._server(port, on_call) for port in PORTS}

    @staticmethod
    def _server(port: int, on_call: Callable[[int, str], None]) -> FleetServer:
        server = FleetServer(f"server-{port}.", port)
        # Machines that were cloned: their names do not tell them apart.
        server.server_facts = replace(server.server_facts, hostname="files", certificate_ends=certificate_end(port))
        server.label = f"server-{port}."
        # Every backup has something to be written; of one of them more would be removed than may be unseen.
        server.greeting = f"hello {port}"
        server.people = tuple("abcdefgh") if port == 3 else server.people
        server.on_call = lambda method: on_call(port, method)
        return server

    @contextmanager
    def primary(self, primary: Primary, *given: object) -> Iterator[FakeServer]:
        yield self._open(primary, *given)

    @contextmanager
    def backup(self, backup: Backup, *given: object) -> Iterator[FakeServer]:
        yield self._open(backup, *given)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], *_: object) -> bool:
        return one == other

    def _open(self, registered: Primary | Backup, *_: object) -> FakeServer:
        server = self.at[registered.port]
        server.on_call("open")
        return server


@dataclass
class MovingFleet(ChangingFleet[Change, Work]):
    """The registry in ``store``, servers, runs and people who change things meanwhile."""

    store: Store
    runtime: TickingRuntime = field(default_factory=lambda: TickingRuntime(tick=0.01))
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    def __post_init__(self) -> None:
        self.servers = ServersByPort(self._called)
        self.since: dict[str, Since] = {}
        self.primary_since = self.runtime.now()
        self._due: list[tuple[int, Change]] = []
        self._killed_after: int | None = None
        self._calls = 0
        self._wrong_writes: list[str] = []
        self.credentials.put("primary", Credentials("admin", "password"))
        self.store.save_primary(Primary(HOST, PORTS[0]))
        self.store.save_settings(SyncSettings(parts=("settings", "accounts"), full_verification_minutes=60))
        for number, backup_id in enumerate(IDS, start=1):
            self.change(Change("add", backup_id, PORTS[number]))

    def do(self, step: Change | Work) -> None:
        if isinstance(step, Change):
            self.change(step)
        else:
            self._work(step)

    # What people do

    def make(self, change: Change) -> None:
        backup, server = self.store.backup(change.backup_id), self.servers.at[change.port]
        primary = self.store.primary()
        now = self.runtime.now()
        match change.kind:
            case "edit":
                server.greeting = f"edited at {now}"
            case "silence":
                answers = bool(server.failures)
                failure = Failure(Reason.READ_TIMEOUT, f"{server.label} does not answer")
                server.failures = {} if answers else {("facts", 0): failure}
            case "primary":
                named = Primary(HOST, change.port, TlsTrust(pins=(f"{change.port:064x}",)))
                changed = primary_as_named(named, primary, "it was set to another server", now)
                self.store.save_primary(changed, now=now)
                self._give_log_in(primary)
                if primary and primary.port != change.port:
                    self.primary_since = self.runtime.now()
            case "add":
                self.credentials.put(change.backup_id, Credentials("admin", "password"))
                self.store.add_backup(Backup(change.backup_id, HOST, change.port, created_at=now))
                self._is_new(change.backup_id)
            case _ if backup and primary:
                self._change_backup(change, backup, primary)

    def _give_log_in(self, server: Primary | Backup | None) -> None:
        """As whoever changes where a server is or how it is trusted has to."""
        self.credentials.put(server.secret_id if server else "primary", Credentials("admin", "password"))

    def _change_backup(self, change: Change, backup: Backup, primary: Primary) -> None:
        now = self.runtime.now()
        match change.kind:
            case "move":
                self.store.update_backup(replace(backup, port=change.port))
                self._give_log_in(backup)
                if backup.port != change.port:
                    self._is_new(backup.id)
            case "trust":
                self.store.update_backup(replace(backup, trust=TlsTrust(pins=(f"{now:%H%M%S%f}",))))
                self._give_log_in(backup)
                self.since[backup.id].trust = self.runtime.now()
            case "delete":
                self.store.delete_backup(backup.id)
            case "pause" | "resume":
                self.store.update_backup(replace(backup, paused="why" if change.kind == "pause" else ""))
            case "promote":
                former_id = next(one for one in IDS if one != backup.id)
                self.store.promote(promotion(primary, backup, former_id, "because", now), now=now)
                self._is_new(former_id)
                self.primary_since = self.runtime.now()
            case "approve":
                last = self.services.last_result(backup)
                if last and last.plan_hash:
                    self.services.approve(backup, last.plan_hash, "somebody", last)

    def _is_new(self, backup_id: str) -> None:
        now = self.runtime.now()
        self.since[backup_id] = Since(now, now)

    # What the product does

    @property
    def context(self) -> RunContext:
        return RunContext(
            store=self.store,
            credentials=self.credentials,
            servers=self.servers,
            progress=RecordedProgress(),
            snapshots=self.snapshots,
            primary=None,
            lease_seconds=LEASE,
            runtime=self.runtime,
        )

    def _work(self, work: Work) -> None:
        self._due, self._killed_after, self._calls = sorted(work.changes, key=lambda due: due[0]), work.killed_after, 0
        try:
            self._do(work)
        except Killed:
            if work.kind != "deliver":  # a run's lease must end before the next one
                self.runtime.advance(LEASE)
            self.runtime.advance(LIFE)
        self._due, self._killed_after = [], None

    def _do(self, work: Work) -> None:
        if work.kind != "deliver":
            self.runtime.advance(FAN_OUT_LEASE)  # nothing is under way any more
        deadline = Deadline(600, self.runtime.monotonic)
        match work.kind:
            case "run" | "dry run":
                run(RunRequest(Trigger.SCHEDULE, dry_run=work.kind == "dry run"), self.context, deadline)
            case "fan-out":
                terms = FanOutTerms(self.queue, above=0, seconds=FAN_OUT_LEASE)
                run(RunRequest(Trigger.ON_DEMAND), replace(self.context, fan_out=terms), deadline)
            case "deliver":
                messages = self.queue.messages[:2]
                ends_at = self.runtime.now() + timedelta(seconds=LIFE)
                batch = process_batch(messages, self.context, deadline, ends_at)
                done = [message for message in messages if message not in batch.again]
                self.queue.messages[:] = [message for message in self.queue.messages if message not in done]
            case "restore":
                kept = [entry for backup_id in IDS for entry in self.snapshots.of_backup(backup_id)]
                if kept:
                    self._restore(kept[0].key, deadline)

    def _restore(self, key: str, deadline: Deadline) -> None:
        report = run(RunRequest(Trigger.RESTORE, (key.split("/")[1],), snapshot=key), self.context, deadline)
        of = self.snapshots.load(key).content.facts.certificate_ends
        for result in report.results:
            if result.status == "restored":
                assert result.condition.certificate_ends == of, "another machine's snapshot was put back"

    def _called(self, port: int, method: str) -> None:
        self._calls += 1
        is_write = method.startswith(("write_", "commit_"))
        if is_write:
            self._note_write(port)
        while self._due and self._due[0][0] <= self._calls and not is_write:
            self.change(self._due.pop(0)[1])
        if self._killed_after is not None and self._calls >= self._killed_after:
            raise Killed

    # What is always so

    def _note_write(self, port: int) -> None:
        """A write that must not be; nothing is raised here, because the product would take it for a fault."""
        primary = self.store.primary()
        if primary and primary.port == port:
            self._wrong_writes.append(f"server {port} is the primary")
        if port not in {backup.port for backup in self.store.backups()}:
            self._wrong_writes.append(f"server {port} is not registered")

    def check(self) -> None:
        """No view shows anything of another server, or of a server that was compared with another primary."""
        assert self._wrong_writes == []
        services, primary = self.services, self.store.primary()
        for backup in self.store.backups():
            since = self.since[backup.id]
            own, latest = certificate_end(backup.port), max(since.server, self.primary_since)
            stored = self.store.status(backup.id)
            if stored:
                assert stored.registration == backup.registration
                assert stored.attempted_at > since.server
                assert stored.condition.certificate_ends in (None, own)
            self._check_view(backup, primary, latest)
            approval = services.approval(backup)
            assert approval is None or approval.given.at > max(latest, since.trust)
            for result in self.store.history(backup.id, limit=99, registration=backup.registration):
                assert result.condition.certificate_ends in (None, own)
            for entry in self.snapshots.of_backup(backup.id):
                if entry.registration == backup.registration:
                    assert self.snapshots.load(entry.key).content.facts.certificate_ends == own
        now = self.runtime.now()
        for health in fleet_health_of(self.store, None, now, primary).backups:
            registered = self.store.backup(health.id)
            assert registered is not None
            last = services.last_result(registered)
            started = [time for time in (registered.created_at, primary.since if primary else None) if time]
            assert health.status == (last.status if last else "")
            found_at = last.verified_at if last else None
            assert health.unverified == (now - (found_at or max(started))) / timedelta(minutes=1)

    def _check_view(self, backup: Backup, primary: Primary | None, latest: datetime) -> None:
        view = views.backup_view(backup, self.services.last_result(backup), "admin", self.services.approval(backup))
        last = view.last_result
        if last is None:
            return
        times = [time for time in (last.attempted_at, last.pushed_at, last.verified_at) if time]
        assert min(times) > latest, f"{view} is of before {latest}"
        others = [f"server-{port}." for port in PORTS if port not in (backup.port, primary and primary.port)]
        assert not any(other in last.message for other in others), last.message
        assert bool(backup.paused) or "resumed" not in last.message


def play(store: Store, steps: Sequence[Any]) -> None:
    """All steps in a fleet of which the registry is in ``store``, which is empty."""
    MovingFleet(store).play(steps)
