"""Two invocations over one registry, a fault at any call of the first one, and what must be true of what they leave.

Every call of the store, the queue, the snapshots, the function and a server
passes a border. There the fault happens: a call that is lost, one whose answer
is lost, a death before it (the second one comes when the lease has ended) or
after it (the second one comes at once), or the second one in between, at once
or after the first one's time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any, Literal, cast

from admin_api.dependencies import Services
from admin_api.runs import start
from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import MemoryAuditLog, MemoryCredentials, MemoryQueue, MemorySchedule
from local.fakes.runtime import Killed, TickingRuntime
from local.fakes.servers import FleetServer
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from local.fakes.world import RecordedProgress
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings
from registry.run_records import BackupResult, Run
from registry.store import AlreadyRegistered, VersionConflict
from registry.store_rules import promotion, tells_of_the_run_alone
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger, read_request
from sync.fan_out import process_batch
from sync.poll import look_at_primary
from sync.run import run
from tests.support.borders import Border, Starter

type Kind = Literal["schedule", "poll", "on demand", "fan-out", "batch", "restore", "promotion"]
type Fault = Literal["lost", "unheard", "dies", "dies after", "meanwhile", "too late"]
KINDS: tuple[Kind, ...] = ("schedule", "poll", "on demand", "fan-out", "batch", "restore", "promotion")
FAULTS: tuple[Fault, ...] = ("lost", "unheard", "dies", "dies after", "meanwhile", "too late")

LIFE, LEASE, FAN_OUT_LEASE, LIFE_OF_AN_EVENT = 60.0, 90, 3600, 6 * 3600
_DOCUMENTS = {"write_settings": ("settings",), "write_accounts": ("users", "groups")}


@dataclass
class Invocation:
    """One process: what it has to do, and the fault at its n-th call, if any."""

    kind: Kind
    fault: Fault | None = None
    at: int = 0
    calls: Iterator[int] = field(default_factory=lambda: count(1))
    run_id: str = ""
    owner: str = ""
    is_dead: bool = False


@dataclass(frozen=True)
class Session:
    """One connection to a server. Those that were opened later have a higher number."""

    number: int
    server: FleetServer
    deadline: Deadline


class Pair:
    """A primary and two backups after a run that has written to them once. All of them have been edited since."""

    def __init__(self) -> None:
        self.runtime = TickingRuntime(tick=0.01)
        self.store, self.snapshots, self.queue = MemoryStore(), MemorySnapshots(), MemoryQueue()
        self.credentials = MemoryCredentials()
        self.servers = {port: FleetServer(f"server-{port}.", port) for port in (1, 2, 3)}
        self.violations: list[str] = []
        self._second: Invocation | None = None
        self._sessions = count(1)
        self._last_write: dict[int, tuple[Invocation, int]] = {}
        self._before: dict[tuple[str, str], dict[str, str]] = {}  # by run and backup: what it held before its writes
        for name in ("primary", "b2", "b3"):
            self.credentials.put(name, Credentials("admin", "password"))
        self.store.save_primary(Primary("127.0.0.1", 1))
        self.store.save_settings(SyncSettings(parts=("settings", "accounts")))
        for port in (2, 3):
            self.store.add_backup(Backup(f"b{port}", "127.0.0.1", port))
        self._differ()
        self._do(Invocation("schedule"))
        self.servers[1].greeting = "edited on the primary"
        self._differ()

    def play(self, first: Invocation, second: Invocation) -> None:
        """Do both, and then what brings everything to its end; look at all of it."""
        if "batch" in (first.kind, second.kind):
            self._do(Invocation("fan-out"))
        self._second = second
        self._ended(first)
        if self._second is not None:
            self._second = None
            self.runtime.advance(FAN_OUT_LEASE if first.fault == "dies" else 0)
            self._ended(second)
        self._come_to_an_end()
        self._check()

    def _differ(self) -> None:
        for port in (2, 3):
            self.servers[port].greeting = f"edited at {self.runtime.now()}"
            self.servers[port].people = ("anna", "boris")

    def _ended(self, invocation: Invocation) -> None:
        with suppress(Killed, Failure, VersionConflict, AlreadyRegistered):
            self._do(invocation)

    def _do(self, invocation: Invocation) -> None:
        context, deadline = self._context(invocation), Deadline(LIFE - 10, self.runtime.monotonic)
        match invocation.kind:
            case "schedule":
                run(RunRequest(Trigger.SCHEDULE), replace(context, fan_out=None), deadline)
            case "fan-out":
                run(RunRequest(Trigger.SCHEDULE), context, deadline)
            case "poll":
                look = look_at_primary(context, deadline)
                if look.is_run_needed:
                    run(RunRequest(Trigger.CHANGE), replace(context, fan_out=None), deadline, unread=look.unread)
            case "on demand":
                starter = Starter(lambda event: self._begin(event, invocation))
                with suppress(Failure, Killed):  # of the API's process; the event has arrived or has not
                    start(self._services(invocation, starter), requested_by="somebody")
                for event in starter.events:  # an event may be delivered twice
                    self._begin(event, invocation)
            case "batch":
                messages = self.queue.messages[:2]  # another one may be given them too
                ends_at = self.runtime.now() + timedelta(seconds=LIFE)
                done = {*messages} - process_batch(messages, context, deadline, ends_at).again
                for message in done & {*self.queue.messages}:
                    self.queue.messages.remove(message)  # the first one; what was queued anew is behind it
            case "restore":
                (entry, *_) = self.snapshots.of_backup("b2")
                request = RunRequest(Trigger.RESTORE, ("b2",), snapshot=entry.key)
                run(request, replace(context, fan_out=None), deadline)
            case "promotion":
                primary, backup = self.store.primary(), self.store.backup("b3")
                if primary and backup:
                    now = self.runtime.now()
                    context.store.promote(promotion(primary, backup, "old", "because", now), now=now)

    def _begin(self, event: Mapping[str, object], invocation: Invocation) -> None:
        """Lambda calls the sync function, in a process of its own."""
        context = replace(self._context(invocation), fan_out=None)
        invocation.is_dead = False
        with suppress(Failure, Killed):
            run(read_request(event), context, Deadline(LIFE - 10, self.runtime.monotonic))
        invocation.is_dead = False

    def _context(self, invocation: Invocation) -> RunContext:
        queue = self._bordered(invocation, self.queue)
        return RunContext(
            store=self._bordered(invocation, self._bordered_store(invocation)),
            credentials=self.credentials,
            servers=_Servers(self, invocation),
            progress=RecordedProgress(),
            snapshots=self._bordered(invocation, self.snapshots),
            primary=None,
            lease_seconds=LEASE,
            runtime=self.runtime,
            fan_out=FanOutTerms(queue, above=0, seconds=FAN_OUT_LEASE),
        )

    def _services(self, invocation: Invocation, starter: Starter) -> Services:
        return Services(
            store=self._bordered(invocation, self.store),
            credentials=self.credentials,
            schedule=MemorySchedule(),
            starter=self._bordered(invocation, starter),
            audit=MemoryAuditLog(),
            addresses=AddressPolicy(self.runtime),
            snapshots=self.snapshots,
            runtime=self.runtime,
        )

    # The border

    def _bordered[Target](self, invocation: Invocation, target: Target) -> Target:
        return cast(Target, Border(target, lambda _, do, *__, **___: self._passed(invocation, do)))

    def _passed(self, invocation: Invocation, do: Callable[[], Any]) -> Any:
        if invocation.is_dead:  # what Python does on the way out of a call is not done by a dead process
            raise Killed
        fault = invocation.fault if next(invocation.calls) == invocation.at else None
        invocation.is_dead = fault in ("dies", "dies after")
        if fault == "lost":
            raise _unavailable()
        if fault == "dies":
            raise Killed
        if fault in ("meanwhile", "too late") and self._second is not None:
            second, self._second = self._second, None
            self.runtime.advance(FAN_OUT_LEASE if fault == "too late" else 0)
            self._ended(second)
        answer = do()
        if fault == "unheard":
            raise _unavailable()
        if fault == "dies after":
            raise Killed
        return answer

    def _bordered_store(self, invocation: Invocation) -> MemoryStore:
        def watched(method: str, do: Callable[[], Any], *given: Any, **named: Any) -> Any:
            if method in ("record_result", "begin_push"):
                return self._recorded(invocation, do, given[0], named["lease_owner"])
            return do()

        return cast(MemoryStore, Border(self.store, watched))

    def opened(self, invocation: Invocation, port: int, deadline: Deadline) -> FleetServer:
        """A session of this invocation with the server at this port."""
        server = self.servers[port]
        session = Session(next(self._sessions), server, deadline)

        def called(method: str, do: Callable[[], Any]) -> Any:
            return self._passed(invocation, lambda: self._called(invocation, session, method, do))

        return cast(FleetServer, Border(server, called))

    # What must be true at any moment

    def _called(self, invocation: Invocation, session: Session, method: str, do: Callable[[], Any]) -> Any:
        session.deadline.check()
        if method in _DOCUMENTS:
            self._written(invocation, session, method)
        return do()

    def _written(self, invocation: Invocation, session: Session, method: str) -> None:
        server = session.server
        port, lease, primary = server.address[1], self.store.lease(), self.store.primary()
        if primary and primary.port == port:
            self.violations.append("the primary is written")
        if lease is None or lease.owner != invocation.owner or lease.expires_at <= self.runtime.now():
            self.violations.append(f"{method} of {invocation.kind} without the lease")
        last, last_session = self._last_write.get(port, (invocation, session.number))
        if last is not invocation and last_session > session.number:
            self.violations.append(f"two write to server {port}: {invocation.kind} and {last.kind}")
        self._last_write[port] = invocation, next(self._sessions)
        (backup_id,) = [backup.id for backup in self.store.backups() if backup.port == port] or ["nobody"]
        held = self._before.setdefault((invocation.run_id, backup_id), {})
        for name in _DOCUMENTS[method]:
            held.setdefault(name, server.content[name])

    def _recorded(self, invocation: Invocation, do: Callable[[], Any], result: BackupResult, owner: str) -> Any:
        invocation.run_id, invocation.owner = result.run_id, owner
        in_run = self.store.result(result.backup_id, result.run_id)
        status = self.store.status(result.backup_id)
        do()
        self._compare("result", in_run, self.store.result(result.backup_id, result.run_id))
        self._compare("status", status, self.store.status(result.backup_id))

    def _compare(self, what: str, before: BackupResult | None, after: BackupResult | None) -> None:
        """No poorer record takes the place of a better one."""
        if before is None:
            return
        if after is None:
            self.violations.append(f"{what} is lost")
            return
        if tells_of_the_run_alone(after) and not tells_of_the_run_alone(before):
            self.violations.append(f"{what} {before.status} became {after.status} {after.reason}")
        wrote = (before.run_id, before.backup_id) in self._before
        if what == "result" and wrote and not _parts_in(before.snapshot) <= _parts_in(after.snapshot):
            self.violations.append(f"snapshot {before.snapshot} became {after.snapshot or 'none'}")
        for moment in ("pushed_at", "verified_at"):
            earlier = getattr(before, moment)
            if what == "status" and before.term == after.term and earlier and earlier > getattr(after, moment):
                self.violations.append(f"{moment} went back")

    # What must be true in the end

    def _come_to_an_end(self) -> None:
        """Nobody disturbs any more: messages are delivered, leases and events end, and a person lets all be pushed."""
        for _ in range(6):
            self.runtime.advance(LIFE)
            if self.queue.messages:
                self._do(Invocation("batch"))
        self.runtime.advance(LIFE_OF_AN_EVENT)
        primary = self.store.primary()
        if primary:
            self.store.save_primary(replace(primary, held=""))
        for backup in self.store.backups():
            self.store.update_backup(replace(backup, paused="", enabled=True))
        self._do(Invocation("schedule"))
        self._expect(not self.store.unfinished_runs(), f"unfinished: {self.store.unfinished_runs()}")
        self._expect(self.store.lease() is None, "the lease is held")
        main = self.servers[primary.port if primary else 1]
        for backup in self.store.backups():
            server, last = self.servers[backup.port], self.store.status(backup.id)
            self._expect((server.greeting, server.people) == (main.greeting, main.people), f"{backup.id} differs")
            self._expect(last is not None and last.status in ("in_sync", "updated"), f"{backup.id}: {last}")

    def _check(self) -> None:
        for one in self.store.runs(limit=99):
            self._check_run(one)
        for (run_id, backup_id), held in self._before.items():
            self._check_snapshot(run_id, backup_id, held)
        if self.violations:
            raise AssertionError("; ".join(self.violations))

    def _check_run(self, one: Run) -> None:
        results = {result.backup_id: result for result in self.store.results(one.id)}
        written = {backup_id for run_id, backup_id in self._before if run_id == one.id}
        summary = f"run {one.trigger} {one.status} {one.reason} {sorted(results)}, wrote to {sorted(written)}"
        self._expect(one.finished_at is not None, f"{summary}: it has no end")
        self._expect(written <= results.keys(), f"{summary}: a write is in no result")
        if one.status in ("failed", "not_run"):
            self._expect(not written, f"{summary}: it says that nothing was done")
        if one.status == "succeeded":
            good = ("in_sync", "updated", "drifted", "restored")
            self._expect(all(result.status in good for result in results.values()), f"{summary}: not all is good")
        for backup_id in written & results.keys():
            self._expect(not tells_of_the_run_alone(results[backup_id]), f"{summary}: {backup_id} was not reached")

    def _check_snapshot(self, run_id: str, backup_id: str, held: Mapping[str, str]) -> None:
        result = self.store.result(backup_id, run_id)
        self._expect(result is not None and bool(result.snapshot), f"{run_id} names no snapshot of {backup_id}")
        if result and result.snapshot:
            kept = " ".join(self.snapshots.load(result.snapshot).content.parts.values()).replace('\\"', '"')
            self._expect(all(text in kept for text in held.values()), f"{result.snapshot} lacks what was written over")

    def _expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.violations.append(otherwise)


@dataclass(frozen=True)
class _Servers:
    """``fleet.servers.Servers`` of one invocation: each call is on the way for as long as its deadline lets it."""

    pair: Pair
    invocation: Invocation

    @contextmanager
    def primary(self, primary: Primary, _: object, __: object, deadline: Deadline) -> Iterator[FleetServer]:
        yield self.pair.opened(self.invocation, primary.port, deadline)

    @contextmanager
    def backup(self, backup: Backup, _: object, __: object, deadline: Deadline, *___: object) -> Iterator[FleetServer]:
        yield self.pair.opened(self.invocation, backup.port, deadline)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], _: object) -> bool:
        return one == other


def _unavailable() -> Failure:
    return Failure(Reason.REGISTRY_UNAVAILABLE, "no answer")


def _parts_in(key: str) -> set[str]:
    return set(key.rpartition("/")[2].split(".")) if key else set()
