"""What must be true at every step, and at the end: the product's promises, each with its number.

``Watch`` sees every change of a row in the table and every call to a server, at the moment at which it happens. It
knows what a process has read and written, and compares that with what the records say.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from common.errors import Reason
from registry.backup_queue import Message
from registry.claims import LeaseRow, OpenBackupRow
from registry.fleet_records import Backup, Primary
from registry.run_records import Approval, BackupResult, FanOut, Lease, PrimaryBaseline, Run
from registry.store_rules import run_of_lease, tells_of_the_run_alone
from registry.table import read_row
from tests.simulation.scheduler import Process
from tests.simulation.servers import Session, SimulatedServer, welcomes
from tests.simulation.world import SimulatedWorld

_PLAIN = TypeDeserializer().deserialize
_WRITES = {
    "write_settings": ("settings",),
    "write_accounts": ("users", "groups"),
    "write_listener": ("listeners",),
    "commit_listeners": ("listeners",),
}
_READS = ("settings", "users", "groups", "listeners")
_GOOD = ("in_sync", "updated", "drifted", "restored")
_LOCK_OUT_IS_TOLD = (Reason.ACCESS_LOST, Reason.INTERRUPTED, Reason.ROLLBACK_NOT_EFFECTIVE)

_MAY_LOSE_A_RECORD = {"stall", "get_item", "query", "put_item", "transact_write_items"}

type RowKey = tuple[str, str]


@dataclass
class _ProcessFacts:
    """What one process has read and may do."""

    primary: dict[str, Any] = field(default_factory=dict)
    read: dict[tuple[str, str], Any] = field(default_factory=dict)
    owners: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    """The servers that answered it, by id."""
    primary_read_at: float = 0.0
    """When it read the primary, in seconds of the simulation."""


@dataclass(frozen=True)
class Push:
    """What one run writes to one backup."""

    run_id: str
    backup_id: str


class Watch:
    """Looks at one world. ``violations`` are the broken promises, in the order in which they were noticed."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world
        self.violations: list[str] = []
        self._facts: dict[Process, _ProcessFacts] = defaultdict(_ProcessFacts)
        self._own = {number: server.own for number, server in world.doubles.servers.items()}
        self._primary_of_run: dict[str, dict[str, Any]] = {}
        self._read_at: dict[str, float] = {}
        self._pushed_state_of: dict[int, float] = {}
        self.tried: set[Push] = set()
        """The backups that a worker claimed, by run."""
        self._before: dict[Push, dict[str, Any]] = {}
        self._approved: dict[Push, Approval] = {}
        self._locked_out: set[Push] = set()
        self._pushes_of: dict[Process, set[Push]] = defaultdict(set)
        self._changed: set[tuple[str, str]] = set()
        world.doubles.table.on_change = self._row_changed
        world.scheduler.after_call = self._look_at_changed
        world.scheduler.ended = self._look_at_ended
        world.watch = self

    @property
    def pushes(self) -> str:
        """What was pushed by which run, over what content, by which approval, and what locked everybody out."""
        return f"{self._before} {self._approved} {sorted(map(str, self._locked_out))}"

    def expect(self, number: int, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.violations.append(f"promise {number}: {otherwise}")

    # Servers

    def opened(self, session: Session) -> None:
        """Promise 10: a password goes only to the server it was given for."""
        password, server = session.credentials.password, session.server
        self.expect(10, password.startswith(f"password-of-{server.number}"), f"{password} was sent to {server.label}")

    def called(self, process: Process, session: Session, method: str, answer: Any) -> None:
        """Remember what a process has read."""
        self._facts[process].reached.add(session.registered_id)
        if method in _READS:
            facts = self._facts[process]
            facts.read[session.registered_id, method] = answer
            if isinstance(session.registered, Primary):
                facts.primary[method] = answer
                facts.primary_read_at = self._world.scheduler.clock

    def writing(self, process: Process | None, session: Session, method: str, given: tuple[Any, ...]) -> None:
        """A write is about to be carried out. A ``process`` None has died: its write was on the way."""
        if method not in _WRITES or process is None:
            return
        server = session.server
        store = self._world.store
        primary, lease = store.primary(), store.lease()
        is_primary = primary is not None and self._world.server_of(primary) is server
        self.expect(1, not is_primary, f"{process.name} writes to the primary")
        self._one_writer(process, server, lease)
        push = Push(run_of_lease(lease.owner) if lease else "", session.registered_id)
        self._pushes_of[process].add(push)
        self._way_back(process, push, server, method)
        self._no_older_state(process, push, server)
        if method == "write_accounts":
            self._approval(push, server, _names(given[0]))

    def _one_writer(self, process: Process, server: SimulatedServer, lease: Lease | None) -> None:
        """Promise 5: one writer at a time, the one who holds the lease."""
        owners = self._facts[process].owners
        holds = lease is not None and lease.expires_at > self._world.scheduler.now and lease.owner in owners
        self.expect(5, holds, f"{process.name} writes to {server.label} without the lease")

    def _no_older_state(self, process: Process, push: Push, server: SimulatedServer) -> None:
        """Promise 5: what was read from the primary earlier does not replace what was read later."""
        if self._runs_restore(push.run_id):
            return
        read_at = self._facts[process].primary_read_at or self._read_at.get(push.run_id, 0.0)
        before = self._pushed_state_of.get(server.number, 0.0)
        self.expect(5, read_at >= before, f"{push} replaces a newer state of the primary by an older one")
        self._pushed_state_of[server.number] = max(before, read_at)

    def _way_back(self, process: Process, push: Push, server: SimulatedServer, method: str) -> None:
        """Promise 7: before the first write the run has recorded where the old content is kept, and it is there.

        The old content is what the process has read: nobody can keep what is changed between reading and writing.
        """
        held = self._before.setdefault(push, {})
        for name in _WRITES[method]:
            held.setdefault(name, _kept(self._facts[process].read.get((push.backup_id, name), server.content[name])))
        result = self._world.store.result(push.backup_id, push.run_id)
        self.expect(7, result is not None and bool(result.snapshot), f"{push} writes without a snapshot on record")
        self.expect(11, result is not None, f"{push} writes without a record")

    def _approval(self, push: Push, server: SimulatedServer, users: Any) -> None:
        """Promise 6: a push that removes many people is covered by an approval that this run has used up."""
        if self._runs_restore(push.run_id):
            return
        before = {name.casefold() for name in server.people}
        after = {name.casefold() for name in users}
        removed = len(before - after)
        if (removed > 2 and removed > 0.1 * len(before)) or (before and not before & after):
            approval = self._approved.get(push)
            self.expect(6, approval is not None, f"{push} removes {removed} people without an approval")
            if approval and self._world.store.settings().approval_by_another:
                people = {approval.approved_by, *approval.agreed}
                self.expect(6, len(people) > 1, f"{push} removes {removed} people, approved by {people} alone")

    def written(self, process: Process | None, session: Session, method: str) -> None:
        """A write was carried out. Promise 2: what belongs to the backup's machine stays."""
        server = session.server
        self.expect(2, server.own == self._own[server.number], f"{server.label} has values of another machine")
        if process and method == "write_settings" and not server.is_open():
            lease = self._world.store.lease()
            for push in self._before:
                if lease and push.backup_id == session.registered_id and push.run_id == run_of_lease(lease.owner):
                    self._locked_out.add(push)

    def _runs_restore(self, run_id: str) -> bool:
        run = self._world.store.run(run_id)
        return run is not None and bool(run.snapshot)

    # The table

    def _row_changed(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, key: RowKey) -> None:
        process = self._world.scheduler.acting
        before = _row(old, key)
        after = _row(new, key)
        kind = key[0].partition("#")[0]
        if kind in ("STATUS", "BACKUP"):
            self._changed.add((kind, key[1]))
        if kind == "LEASE":
            self._lease_changed(process, before, after)
        elif kind == "OPEN":
            self._open_changed(process, key, after)
        elif kind == "STATUS" or kind == "RESULT":
            self._result_changed(process, kind, key, before, after)
        elif kind == "FANOUT" and after and process:
            fan_out = read_row(FanOut, after)
            self._primary_of_run[fan_out.run_id] = dict(self._facts[process].primary)
            self._read_at[fan_out.run_id] = self._facts[process].primary_read_at
        elif kind == "APPROVAL" and before and not after:
            self._approval_ended(process, read_row(Approval, before))
        elif kind == "APPROVAL" and process and after:
            self.expect(6, "/approve" in process.name, f"{process.name} gives an approval")
        elif kind == "RUN":
            self._run_changed(process, before, after)
        elif kind == "BASELINE" and process:
            run_id, lease = read_row(PrimaryBaseline, after or {}).run_id, self._world.store.lease()
            holds = lease is not None and run_of_lease(lease.owner) == run_id
            self.expect(5, holds, f"{process.name} stores a baseline of {run_id} without the lease")
        elif kind == "PRIMARY" and before and after:
            self._primary_changed(read_row(Primary, before), read_row(Primary, after))

    def _look_at_changed(self, process: Process) -> None:
        """Look at the rows that a call has changed, when all that it has changed is there."""
        changed, self._changed = self._changed, set()
        for _, backup_id in sorted(changed):
            status, backup = self._world.store.status(backup_id), self._world.store.backup(backup_id)
            if status:
                is_of_it = backup is not None and status.registration == backup.registration
                self.expect(3, is_of_it, f"{backup_id} has the status of another server after {process.name}")
                if backup:
                    self._failures_in_a_row(backup, status)

    def _look_at_ended(self, process: Process) -> None:
        """Promise 11: a process that ends by itself has recorded its pushes, if nothing hit its records."""
        if process.disturbed & _MAY_LOSE_A_RECORD:
            return
        for push in sorted(self._pushes_of[process], key=str):
            result = self._world.store.result(push.backup_id, push.run_id)
            is_open = result is not None and result.reason == Reason.INTERRUPTED
            self.expect(11, not is_open, f"{process.name} has written and recorded no result: {push}")

    def _holds_lease(self, process: Process) -> bool:
        lease = self._world.store.lease()
        return lease is not None and lease.owner in self._facts[process].owners

    def _primary_changed(self, before: Primary, after: Primary) -> None:
        """Promise 1: after a change of direction nothing is pushed before a person says so."""
        if before.source != after.source or before.term != after.term:
            self.expect(1, bool(after.held), f"the primary became {after.source} and pushes are not held")

    def _lease_changed(self, process: Process | None, before: Any, after: Any) -> None:
        if not process or not after:
            return
        lease = read_row(LeaseRow, after)
        self._facts[process].owners.add(lease.held_by)
        if before:
            former = read_row(LeaseRow, before)
            is_own = former.held_by == lease.held_by
            true_now, skew = self._world.scheduler.now, abs(process.skew)
            over = (true_now - former.held_until).total_seconds() >= -skew
            self.expect(5, is_own or over, f"{process.name} takes a lease that lasts until {former.held_until}")

    def _open_changed(self, process: Process | None, key: RowKey, after: Any) -> None:
        if process and after and read_row(OpenBackupRow, after).held_by:
            run_id = key[0].partition("#")[2]
            if process.name.startswith("worker"):  # a later run claims what it gives up
                self.tried.add(Push(run_id, key[1]))
            lease = self._world.store.lease()
            if lease and run_of_lease(lease.owner) == run_id:
                self._facts[process].owners.add(lease.owner)

    def _run_changed(self, process: Process | None, before: Any, after: Any) -> None:
        if not after:
            return
        run = read_row(Run, after)
        if process and run.state:
            self._primary_of_run.setdefault(run.id, dict(self._facts[process].primary))
        if before and read_row(Run, before).finished_at:
            self.expect(5, False, f"the record of {run.id} was final and is replaced")

    def _approval_ended(self, process: Process | None, approval: Approval) -> None:
        lease = self._world.store.lease()
        if process and lease and lease.owner in self._facts[process].owners:
            self._approved[Push(run_of_lease(lease.owner), approval.backup_id)] = approval

    def _result_changed(self, process: Process | None, kind: str, key: RowKey, before: Any, after: Any) -> None:
        old = read_row(BackupResult, before) if before else None
        new = read_row(BackupResult, after) if after else None
        if new is None:
            return
        if kind == "RESULT":
            holds = process is None or self._holds_lease(process)
            self.expect(5, holds, f"{process and process.name} records {new.run_id} without the lease")
            self._lock_out_named(new)
            if new.reason == Reason.INTERRUPTED and new.snapshot and (old is None or old.reason != new.reason):
                self._may_begin(new)
        if new.verified_at and (old is None or old.verified_at != new.verified_at) and kind == "RESULT" and process:
            self._verified(process, new)
        if old is not None:
            self._no_poorer(kind, old, new)
            if kind == "STATUS" and process and old.harmed and not new.harmed and old.registration == new.registration:
                has_looked = new.backup_id in self._facts[process].reached
                self.expect(8, has_looked, f"{process.name} ends the harm of {new.backup_id} and has not asked it")

    def _lock_out_named(self, new: BackupResult) -> None:
        """Promise 8: while nobody can log in since a push, and that is on record, every result calls it so."""
        status = self._world.store.status(new.backup_id)
        backup = self._world.store.backup(new.backup_id)
        is_pending = status is not None and status.registration == new.registration and bool(status.settings_before)
        locked_out = any(push.backup_id == new.backup_id for push in self._locked_out)
        if is_pending and locked_out and backup and not self._world.server_of(backup).is_open():
            is_called_otherwise = new.reason in (Reason.CONNECTION_REFUSED, Reason.AUTHENTICATION_FAILED)
            self.expect(8, not is_called_otherwise, f"the lock-out of {new.backup_id} is called {new.reason}")

    def _may_begin(self, begun: BackupResult) -> None:
        """Promise 5: a push begins only on a registration that lets it, as it is at this moment."""
        backup = self._world.store.backup(begun.backup_id)
        is_same = backup is not None and backup.registration == begun.registration
        self.expect(5, is_same, f"{begun.run_id} begins to write to {begun.backup_id}, which is another registration")
        if backup and is_same:
            may = backup.enabled and not backup.report_only
            may = may and (not backup.paused or self._runs_restore(begun.run_id))
            self.expect(5, may, f"{begun.run_id} begins to write to {backup.id}: {backup}")

    def _verified(self, process: Process, result: BackupResult) -> None:
        """Promise 3: verified means that everything was read back after the last write and is equal."""
        backup = self._world.store.backup(result.backup_id)
        if backup is None or backup.registration != result.registration:
            return
        facts = self._facts[process]
        not_read = [part.part for part in result.parts if part.status not in ("unchanged", "pushed")]
        self.expect(3, not not_read, f"{result.backup_id} is verified, but not {not_read}")
        run_primary = facts.primary or self._primary_of_run.get(result.run_id, {})
        compared: list[tuple[str, Callable[[Any], object]]] = [
            ("settings", _greeting),
            ("users", _names),
            ("groups", _names),
        ]
        if any(part.part == "listeners" for part in result.parts):
            compared.append(("listeners", welcomes))
            is_lasting = facts.read.get((backup.id, "listeners")) == self._world.server_of(backup).lasting
            self.expect(3, is_lasting, f"{result.backup_id} is verified with listeners that a restart loses")
        for name, of in compared:
            held = facts.read.get((backup.id, name))
            if held is None or name not in run_primary:
                self.expect(3, False, f"{result.backup_id} is verified and its {name} were not read")
                continue
            same = of(held) == of(run_primary[name])
            self.expect(3, same, f"{result.backup_id} is verified with other {name}: {of(held)}")

    def _no_poorer(self, kind: str, old: BackupResult, new: BackupResult) -> None:
        """Promise 5: no poorer or older record takes the place of a better one."""
        what = f"{kind.lower()} of {old.backup_id}"
        if tells_of_the_run_alone(new) and not tells_of_the_run_alone(old):
            self.expect(5, False, f"{what}: {old.status} became {new.status} {new.reason}")
        wrote = Push(old.run_id, old.backup_id) in self._before
        if kind == "RESULT" and wrote:
            self.expect(
                7, _parts(old.snapshot) <= _parts(new.snapshot), f"{what}: {old.snapshot} became {new.snapshot}"
            )
        is_same = old.term == new.term and old.source == new.source and old.registration == new.registration
        for moment in ("pushed_at", "verified_at"):
            earlier: datetime | None = getattr(old, moment)
            later: datetime | None = getattr(new, moment)
            if kind == "STATUS" and is_same and earlier and self._world.is_one_clock:
                self.expect(5, later is not None and earlier <= later, f"{what}: {moment} went back")

    # The end

    def look_at_the_end(self) -> None:
        """Look at what everything has led to. Call this when nothing is under way any more."""
        store = self._world.store
        for run in store.runs(limit=99):
            self._true_record(run)
        for push, held in self._before.items():
            result = store.result(push.backup_id, push.run_id)
            self.expect(7, result is not None and bool(result.snapshot), f"{push} names no snapshot")
            if result and result.snapshot:
                parts = self._world.snapshots().load(result.snapshot).content.parts
                kept = " ".join(parts.values()).replace('\\"', '"')
                self.expect(7, all(text in kept for text in held.values()), f"{result.snapshot} lacks the old content")
        for message in self._world.doubles.queue.dead_letters:
            read = Message.read(message.body)
            push = Push(read.run_id, read.backup_id)
            self.expect(11, push in self.tried, f"the message of {push} is given up before anybody tried it")
        for push in self._locked_out:
            result = store.result(push.backup_id, push.run_id)
            reason, text = (result.reason, result.message) if result else ("no result", "")
            is_told = reason in _LOCK_OUT_IS_TOLD or "nobody may be able to log in" in text
            self.expect(8, is_told, f"the lock-out by {push} is called {reason or 'nothing'}")

    def _failures_in_a_row(self, backup: Backup, status: BackupResult) -> None:
        """Promise 12: the number of failures in a row is that of the history."""
        history = self._world.store.history(backup.id, limit=50, registration=backup.registration)
        counted = 0
        for result in sorted(history, key=lambda one: one.attempted_at, reverse=True):
            if result.failures == 0 or (result.term, result.source) != (status.term, status.source):
                break
            counted += result.failures or 0
        if status.failures is not None and self._world.is_one_clock:
            self.expect(12, status.failures >= counted, f"{backup.id} failed {counted} times, told: {status.failures}")

    def _true_record(self, run: Run) -> None:
        """Promise 11: the record of a run says what happened."""
        results = {result.backup_id: result for result in self._world.store.results(run.id)}
        written = {push.backup_id for push in self._before if push.run_id == run.id}
        summary = f"run {run.id} {run.trigger} {run.status} {run.reason}"
        self.expect(11, run.finished_at is not None, f"{summary}: it has no end")
        self.expect(11, written <= results.keys(), f"{summary}: a write is in no result")
        if run.status in ("failed", "not_run"):
            self.expect(11, not written, f"{summary}: it says that nothing was done and has written")
        if run.status == "succeeded":
            self.expect(11, all(one.status in _GOOD for one in results.values()), f"{summary}: not all is good")
        for backup_id in written & results.keys():
            untold = tells_of_the_run_alone(results[backup_id])
            self.expect(11, not untold, f"{summary}: it says that {backup_id} was not reached, and has written to it")


def _row(item: Mapping[str, Any] | None, key: RowKey) -> dict[str, Any] | None:
    return {name: _PLAIN(value) for name, value in item.items()} if item else None


def _parts(key: str) -> set[str]:
    return set(key.rpartition("/")[2].split(".")) if key else set()


def _kept(content: Any) -> Any:
    """A content as a snapshot has it."""
    return json.dumps([asdict(listener) for listener in content]) if isinstance(content, tuple) else content


def _text(content: Any) -> str:
    return content if isinstance(content, str) else bytes(content).decode()


def _greeting(document: Any) -> str:
    return _text(document).partition("<greeting>")[2].partition("</greeting>")[0]


def _names(document: Any) -> tuple[str, ...]:
    return tuple(sorted(piece.partition('"')[0] for piece in _text(document).split('name="')[1:]))
