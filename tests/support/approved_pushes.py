"""One backup of which people approve, change and undo things while runs push to it and die, and who covers which push.

What a push may take away over the guards is judged from outside: by what the
server held before a write and holds after it, and by a list of what people
have given and what has ended it, kept beside the product.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure
from local.fakes.aws_services import MemoryCredentials, MemoryQueue
from local.fakes.runtime import Killed, TickingRuntime
from local.fakes.servers import FleetServer
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from local.fakes.world import RecordedProgress
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust
from registry.run_records import Approval, BackupResult
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run
from tests.support.borders import Border
from tests.support.changing_fleet import ChangingFleet

HOST, MAIN, PORTS = "127.0.0.1", 1, (2, 3)
LEASE, FAN_OUT_LEASE, LIFE = 90, 3600, 60.0
APPROVAL_HOURS = 24
ALL = tuple(f"user{number}" for number in range(12))
PEOPLE = (ALL, ALL[:4], ALL[:3], ALL[2:6])
"""States that come again. From the first to any other, more goes than may go unseen."""
GREETINGS = ("hello", "moin")

type ChangeKind = Literal[
    "approve", "undo", "edit", "primary", "wait", "move", "trust", "delete", "add",
    "pause", "resume", "disable", "enable", "report only", "report only no more", "rules", "no rules",
    "settings",
]  # fmt: skip
CHANGE_KINDS: tuple[ChangeKind, ...] = (
    "approve", "approve", "approve", "undo", "undo", "edit", "primary", "wait", "wait", "wait",
    "move", "trust", "delete", "add", "pause", "resume", "resume", "disable", "enable",
    "report only", "report only no more", "rules", "no rules", "settings",
)  # fmt: skip
MEANWHILE: tuple[ChangeKind, ...] = (
    "approve", "move", "trust", "delete", "add", "pause", "resume", "disable", "enable", "report only", "rules",
    "settings",
)  # fmt: skip
"""What changes in the registry while a run is at it. A server that is edited then is another test's."""


type WorkKind = Literal["run", "look", "asked", "fan-out", "asked fan-out", "deliver", "restore", "asked restore"]
WORK_KINDS: tuple[WorkKind, ...] = (
    "run", "run", "run", "look", "asked", "fan-out", "asked fan-out", "deliver", "deliver", "restore", "asked restore",
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What somebody does. ``number`` chooses where there is a choice."""

    kind: ChangeKind
    number: int = 0


@dataclass(frozen=True)
class Work:
    """An invocation; ``changes`` come in between, each before so many calls.

    It dies before or, if ``after``, after its call ``dies_at``; None: it lives.
    """

    kind: WorkKind
    changes: tuple[tuple[int, Change], ...] = ()
    dies_at: int | None = None
    after: bool = False


CHANGES = st.builds(Change, st.sampled_from(CHANGE_KINDS), st.integers(0, 3))
IN_BETWEEN = st.builds(Change, st.sampled_from(MEANWHILE), st.integers(0, 3))
WORKS = st.builds(
    Work,
    st.sampled_from(WORK_KINDS),
    st.lists(st.tuples(st.integers(16, 32) | st.integers(1, 40), IN_BETWEEN), max_size=1).map(tuple),
    st.none() | st.none() | st.integers(16, 60) | st.integers(1, 60),
    st.booleans(),
)
STEPS = st.lists(CHANGES | WORKS, min_size=4, max_size=16).map(lambda steps: [Work("look"), Change("approve"), *steps])
"""A dry run finds a push of two parts that waits, and somebody approves it."""


@dataclass(frozen=True)
class Content:
    """Whose accounts a backup holds, and whose it is to hold."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def is_guarded(self) -> bool:
        """Whether more than two of them, and more than a tenth, or all would go."""
        gone = set(self.before) - set(self.after)
        return (len(gone) > 2 and len(gone) * 10 > len(self.before)) or gone == set(self.before)


@dataclass(frozen=True)
class Given:
    """What a person has given: for which content and server, and when."""

    approval: Approval
    content: Content
    at: datetime


@dataclass
class _Session:
    """One connection of a run to a server, and whether it has written to it."""

    port: int
    has_written: bool = False


class ApprovedPushes(ChangingFleet[Change, Work]):
    """A primary, a backup that lost nobody yet, and a second machine at another address."""

    def __init__(self) -> None:
        self.runtime = TickingRuntime(tick=0.01)
        self.store, self.snapshots, self.queue = MemoryStore(), MemorySnapshots(), MemoryQueue()
        self.credentials = MemoryCredentials()
        self.servers = {port: FleetServer(f"server-{port}.", port) for port in (MAIN, *PORTS)}
        self.violations: list[str] = []
        self.pushed: list[str] = []
        """The ids of the runs that pushed over a guard, in order."""
        self._given: Given | None = None
        self._bound: dict[str, Given] = {}  # by the run that has begun to push under it
        self._contents: dict[str, Content] = {}  # by the hash of a plan
        self._calls, self._dead, self._work = 0, False, Work("run")
        self._due: list[tuple[int, Change]] = []
        self._begun: BackupResult | None = None
        self._first_read: list[Given | None] = []
        """What was given when this invocation first read the approval; empty until then."""
        for name in ("primary", "b1"):
            self.credentials.put(name, Credentials("admin", "password"))
        self.store.save_primary(Primary(HOST, MAIN))
        self.store.save_settings(SyncSettings(parts=("settings", "accounts"), approval_hours=APPROVAL_HOURS))
        self.store.add_backup(Backup("b1", HOST, PORTS[0]))
        self.servers[MAIN].people = PEOPLE[1]
        for port in PORTS:
            self.servers[port].people, self.servers[port].greeting = PEOPLE[0], GREETINGS[1]

    def do(self, step: Change | Work) -> None:
        if isinstance(step, Change):
            self.change(step)
        else:
            self.work(step)

    # What people do

    def make(self, change: Change) -> None:
        backup, number = self.store.backup("b1"), change.number
        match change.kind:
            case "primary":
                self.servers[MAIN].people = PEOPLE[number]
                self.servers[MAIN].greeting = GREETINGS[number % 2]
            case "wait":
                self.runtime.advance((5, 11, 25, 25)[number] * 3600)
            case "settings":
                rules = ("greeting",) if number % 2 else ()
                self.store.save_settings(replace(self.store.settings(), rules=rules))
            case "add":
                self.store.add_backup(Backup("b1", HOST, PORTS[number % 2]))
                self.credentials.put("b1", Credentials("admin", "password"))
                self._given = None
            case _ if backup:
                self._change_backup(change, backup)

    def _change_backup(self, change: Change, backup: Backup) -> None:
        server = self.servers[backup.port]
        switches: dict[str, dict[str, Any]] = {
            "pause": {"paused": "why"},
            "resume": {"paused": ""},
            "disable": {"enabled": False},
            "enable": {"enabled": True},
            "report only": {"report_only": True},
            "report only no more": {"report_only": False},
            "rules": {"rules": ("greeting",)},
            "no rules": {"rules": ()},
        }
        match change.kind:
            case "approve":
                self._approve(backup)
            case "undo":
                server.people, server.greeting = PEOPLE[0], GREETINGS[1]
            case "edit":
                server.people = PEOPLE[change.number]
            case "move":
                self.store.update_backup(replace(backup, port=PORTS[change.number % 2]))
                self.credentials.put("b1", Credentials("admin", "password"))
                self._given = self._given if backup.port == PORTS[change.number % 2] else None
            case "trust":
                self.store.update_backup(replace(backup, trust=TlsTrust(pins=(f"{self.runtime.now():%H%M%S%f}",))))
                self.credentials.put("b1", Credentials("admin", "password"))
                self._given = None
            case "delete":
                self.store.delete_backup("b1")
                self._given = None
            case kind:
                self.store.update_backup(replace(backup, **switches[kind]))

    def _approve(self, backup: Backup) -> None:
        """Approve what the last result waits for, also one that a run which is still at it has just stored."""
        self._note_what_waits()
        last = self.services.last_result(backup)
        made_by = self.store.run(last.run_id) if last else None
        if last is None or made_by is None or last.status not in ("blocked", "drifted") or not last.plan_hash:
            return
        approval = self.services.approve(backup, last.plan_hash, "somebody", last, made_by.snapshot)
        self._given = Given(approval, self._contents[last.plan_hash], approval.at)

    # What the product does

    @property
    def _context(self) -> RunContext:
        queue = cast(MemoryQueue, Border(self.queue, lambda _, do: self._passed(do)))
        return RunContext(
            store=cast(MemoryStore, Border(self.store, self._stored)),
            credentials=self.credentials,
            servers=_Servers(self),
            progress=RecordedProgress(),
            snapshots=cast(MemorySnapshots, Border(self.snapshots, lambda _, do: self._passed(do))),
            primary=None,
            lease_seconds=LEASE,
            runtime=self.runtime,
            fan_out=FanOutTerms(queue, above=0, seconds=FAN_OUT_LEASE),
        )

    def work(self, work: Work) -> None:
        """One invocation. Who dies holds its lease and claims until their end."""
        self._work, self._calls, self._dead, self._begun, self._first_read = work, 0, False, None, []
        self._due = sorted(work.changes, key=lambda due: due[0])
        with suppress(Killed, Failure):
            self._do(work.kind)
        if self._dead:
            self.runtime.advance(LIFE)
        self._due, self._dead = [], False
        self._note_what_waits()

    def _do(self, kind: str) -> None:
        deadline = Deadline(LIFE - 10, self.runtime.monotonic)
        if kind == "deliver":
            messages = self.queue.messages[:1]
            ends_at = self.runtime.now() + timedelta(seconds=LIFE)
            again = process_batch(messages, self._context, deadline, ends_at).again
            self.queue.messages[:] = [one for one in self.queue.messages if one not in messages or one in again]
            return
        if lease := self.store.lease():
            self.runtime.advance(max(0.0, (lease.expires_at - self.runtime.now()).total_seconds()))
        backup = self.store.backup("b1")
        last = self.services.last_result(backup) if backup else None
        snapshots = self.snapshots.of_backup("b1")
        asked = last.plan_hash if last and kind.startswith("asked") else ""
        trigger = Trigger.ON_DEMAND if asked else Trigger.SCHEDULE
        request = RunRequest(trigger, ("b1",) if asked else (), dry_run=kind == "look")
        if kind.endswith("restore"):
            if not snapshots:
                return
            request = RunRequest(Trigger.RESTORE, ("b1",), snapshot=snapshots[0].key)
        context = self._context if kind.endswith("fan-out") else replace(self._context, fan_out=None)
        report = run(replace(request, plan_hash=asked), context, deadline)
        if request.snapshot and any(result.status == "restored" for result in report.results):
            self._given = None

    def _note_what_waits(self) -> None:
        """Of the plan that the last result names: whose accounts it is about."""
        backup = self.store.backup("b1")
        last = self.services.last_result(backup) if backup else None
        made_by = self.store.run(last.run_id) if last else None
        if backup and last and made_by and last.plan_hash and last.plan_hash not in self._contents:
            wanted = self._kept(made_by.snapshot) if made_by.snapshot else self.servers[MAIN].people
            held = self.servers[backup.port].people
            self._contents[last.plan_hash] = Content(held, held if wanted is None else wanted)

    def _kept(self, key: str) -> tuple[str, ...] | None:
        accounts = self.snapshots.load(key).content.parts.get("accounts")
        return None if accounts is None else tuple(re.findall(r'<user name=\\?"(\w+)', accounts))

    # The border

    def _passed(self, do: Callable[[], Any], *, is_write: bool = False) -> Any:
        if self._dead:
            raise Killed
        self._calls += 1
        while self._due and self._due[0][0] <= self._calls and not is_write:
            self.change(self._due.pop(0)[1])
        dies = self._calls == self._work.dies_at
        self._dead = dies and not self._work.after
        if self._dead:
            raise Killed
        answer = do()
        self._dead = dies
        if self._dead:
            raise Killed
        return answer

    def _stored(self, method: str, do: Callable[[], Any], *given: Any, **_: Any) -> Any:
        if method == "approval":
            return self._passed(lambda: self._read(do))
        if method != "begin_push":
            return self._passed(do)

        def begin() -> None:
            do()
            self._begins(given[0])

        return self._passed(begin)

    def _read(self, do: Callable[[], Any]) -> Any:
        """A run reads what was given. By that it decides, also if somebody approves something meanwhile."""
        self._first_read = self._first_read or [self._given]
        return do()

    def _begins(self, result: BackupResult) -> None:
        """A first write is recorded: whatever was given ends with it, and may be for this very push."""
        self._begun = result
        if self._first_read != [self._given]:
            self.violations.append(f"a push has ended {self._given}, decided by {self._first_read}")
        given, self._given = self._given, None
        made_by = self.store.run(result.run_id)
        if given is None or made_by is None or result.run_id in self._bound:
            return
        age = self.runtime.now() - given.at
        is_for_it = given.approval.snapshot == made_by.snapshot
        if is_for_it and given.approval.registration == result.registration and age < timedelta(hours=APPROVAL_HOURS):
            self._bound[result.run_id] = given

    @contextmanager
    def opened(self, backup: Backup | Primary) -> Iterator[FleetServer]:
        """A session with the server at this address."""
        session, server = _Session(backup.port), self.servers[backup.port]
        yield cast(FleetServer, Border(server, lambda method, do: self._called(session, method, do)))

    def _called(self, session: _Session, method: str, do: Callable[[], Any]) -> Any:
        if not method.startswith("write_"):
            return self._passed(do, is_write=session.has_written)

        def write() -> None:
            server = self.servers[session.port]
            before, greeting = server.people, server.greeting
            do()
            self._judge(session, Content(before, server.people), has_greeted=greeting != server.greeting)

        return self._passed(write, is_write=True)

    # What must be true

    def _judge(self, session: _Session, content: Content, *, has_greeted: bool) -> None:
        made_by = self.store.run(self._begun.run_id) if self._begun else None
        if self._begun is None or made_by is None:
            self.violations.append("a write before the record of it")
            return
        if not session.has_written:
            self._judge_registration(session, is_restore=bool(made_by.snapshot), has_greeted=has_greeted)
            session.has_written = True
        if not content.is_guarded:
            return
        self.pushed.append(made_by.id)
        bound = self._bound.get(made_by.id)
        if bound is None or content != bound.content:
            self.violations.append(f"{len(content.before)} to {len(content.after)} users is covered by {bound}")

    def _judge_registration(self, session: _Session, *, is_restore: bool, has_greeted: bool) -> None:
        """The first write of a push goes by the registration as it is then."""
        backup = self.store.backup("b1")
        if backup is None or backup.port != session.port or not backup.enabled or backup.report_only:
            self.violations.append(f"a write to a backup that is registered as {backup}")
        elif not is_restore and backup.paused:
            self.violations.append("a write to a paused backup")
        elif not is_restore and (backup.rules or self.store.settings().rules) and has_greeted:
            self.violations.append("a write of what a rule keeps")

    def check(self) -> None:
        """What is stored lets nothing through but what was given last and has not ended."""
        backup = self.store.backup("b1")
        for snapshot in ("", *(entry.key for entry in self.snapshots.of_backup("b1"))):
            approval = self.services.approval(backup) if backup else None
            in_force = approval.in_force(snapshot) if approval else None
            if in_force and (self._given is None or in_force != self._given.approval):
                self.violations.append(f"{in_force} is still in force")
        assert not self.violations, "; ".join(self.violations)


@dataclass(frozen=True)
class _Servers:
    """``fleet.servers.Servers`` of one invocation."""

    fleet: ApprovedPushes

    @contextmanager
    def primary(self, primary: Primary, *_: object) -> Iterator[FleetServer]:
        with self.fleet.opened(primary) as server:
            yield server

    @contextmanager
    def backup(self, backup: Backup, *_: object) -> Iterator[FleetServer]:
        with self.fleet.opened(backup) as server:
            yield server

    def is_same(self, one: tuple[str, int], other: tuple[str, int], *_: object) -> bool:
        return one == other
