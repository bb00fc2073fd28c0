"""Serving backups: the one way in which a backup is replicated to in a run, and in which its result is recorded."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.faults import places
from fleet.primary import guard_of, known_parts, policy_of, unproved_settings
from fleet.restore_source import Earlier
from fleet.servers import with_credentials
from registry.models import Backup, BackupResult, Claim, Credentials, Run, SyncSettings
from registry.snapshots import Held, SnapshotStore
from registry.store_rules import of_term
from replication.model import Outcome, Policy, PrimaryState, Status
from replication.ports import ServerFacts
from replication.replicate import Restore, replicate
from sync.context import Surroundings
from sync.pausing import pause
from sync.results import failed_outcome, result_of
from sync.verification import basis_of, is_recent, look_briefly
from sync.workers import size_of, workers

GRACE = 2.0
"""Seconds after the deadline in which backups that were under way may still record that they were cut off."""

_TO_RECORD = timedelta(minutes=1)


@dataclass(frozen=True)
class Recorder:
    """Records results in a run, for as long as ``owner`` holds the lease.

    ``claims`` are those on open backups, by id: a result of such a backup is
    only recorded for as long as the claim on it holds. ``begun`` is what was
    stored before the first write, of backups whose end is not recorded yet.
    """

    around: Surroundings
    run: Run
    owner: str
    claims: dict[str, str] = field(default_factory=dict)
    begun: dict[str, Outcome] = field(default_factory=dict)

    def claim(self, backup_id: str, *, until: datetime | None = None) -> bool:
        """Claim an open backup; False when somebody else has, or when it is not open. Raises Failure.

        ``until`` None is long enough to record something of it.
        """
        claim, now = uuid.uuid4().hex, self.around.now()
        until = until or now + _TO_RECORD
        if self.around.store.claim_backup(self.run.id, backup_id, claim, now=now, until=until) is not Claim.MINE:
            return False
        self.claims[backup_id] = claim
        return True

    def record(
        self, backup_id: str, outcome: Outcome, started: datetime | None = None, fault: str = ""
    ) -> BackupResult:
        """Store what came of a backup and tell of it. A result that cannot be stored says so instead.

        ``started`` None means that it was not tried. ``fault`` as in ``Progress.backup_done``.
        """
        finished = self.around.now()
        result = result_of(outcome, backup_id=backup_id, run=self.run, started=started or finished, finished=finished)
        try:
            self.around.store.record_result(result, lease_owner=self.owner, claim=self.claims.get(backup_id))
        except Failure as failure:
            result = replace(
                result, status=Status.FAILED, reason=failure.reason, message=f"not recorded: {failure.message}"
            )
        self.around.progress.backup_done(self.run, result, fault)
        return result

    def settle(self, backup_id: str, failure: Failure) -> None:
        """Record of a claimed backup that nobody serves any more what was stored before its first write, if it was.

        Otherwise that it was not served, and why. Raises Failure.
        """
        store = self.around.store
        begun = next((found for found in store.history(backup_id, limit=1) if found.run_id == self.run.id), None)
        if begun is None:
            self.record(backup_id, failed_outcome(failure))
            return
        store.record_result(begun, lease_owner=self.owner, claim=self.claims.get(backup_id))
        self.around.progress.backup_done(self.run, begun, "")

    def begin(self, backup_id: str, outcome: Outcome, started: datetime) -> None:
        """Store what is true of a backup if the run is killed now. Raises Failure: then it must not be written to."""
        now = self.around.now()
        result = result_of(outcome, backup_id=backup_id, run=self.run, started=started, finished=now)
        self.around.store.record_result(result, lease_owner=self.owner, final=False, claim=self.claims.get(backup_id))
        self.begun[backup_id] = outcome


@dataclass(frozen=True)
class Serving:
    """Serves the backups of one run from one state of the primary, or with what is put back.

    ``last`` gives the last result of a backup by its id, None when there is none.
    ``earlier`` is what ``primary`` was made of where it is put back.
    """

    recorder: Recorder
    settings: SyncSettings
    last: Callable[[str], BackupResult | None]
    primary: PrimaryState
    deadline: Deadline
    earlier: Earlier | None = None

    @cached_property
    def at_a_time(self) -> int:
        """How many backups are served side by side."""
        return workers(self._around.memory_megabytes, size_of(self.primary))

    def serve_all(self, backups: Sequence[Backup]) -> list[BackupResult]:
        """Serve backups in parallel, in their order, until the deadline; a result for each."""
        done, late = self.in_parallel(backups, self.serve)
        return done + [self.cut_off(backup.id) for backup in late]

    def in_parallel[Item, Result](
        self, items: Sequence[Item], do: Callable[[Item], Result]
    ) -> tuple[list[Result], list[Item]]:
        """Do something for each item until the deadline: the results, and the items that were not done by then."""
        executor = ThreadPoolExecutor(max_workers=min(self.at_a_time, len(items)), thread_name_prefix="backup")
        futures = {executor.submit(do, item): item for item in items}
        # Every remote call ends with the deadline by itself; the grace is for recording that it did.
        done, late = wait(futures, timeout=self.deadline.remaining() + GRACE)
        executor.shutdown(wait=False, cancel_futures=True)
        return [future.result() for future in done], [futures[future] for future in late]

    def cut_off(self, backup_id: str) -> BackupResult:
        """Record that the deadline came before a backup was done; one that is being written to says so."""
        late = failed_outcome(Failure(Reason.DEADLINE, "the run ended before it was done"))
        return self.recorder.record(backup_id, self.recorder.begun.get(backup_id, late))

    def serve(self, backup: Backup) -> BackupResult:
        """Replicate to one backup and record what came of it, whatever that is."""
        started = self._around.now()
        fault = ""
        try:
            outcome = self._replicate(backup, started)
        except Failure as failure:
            outcome = failed_outcome(failure)
        except Exception as error:  # noqa: BLE001 - an error in the program while serving one must not stop the others
            fault = places(error)
            outcome = failed_outcome(Failure(Reason.INTERNAL_ERROR, f"the program failed ({type(error).__name__})"))
        if not outcome.snapshot:  # how to undo what was begun must not be lost
            outcome = replace(outcome, snapshot=self._begun_with(backup.id))
        return self.recorder.record(backup.id, outcome, started, fault)

    def _begun_with(self, backup_id: str) -> str:
        """What was kept of the backup before this run first wrote to it, here or where a killed process had it."""
        if backup_id in self.recorder.begun:
            return self.recorder.begun[backup_id].snapshot
        last = self.last(backup_id)
        return last.snapshot if last and last.run_id == self.recorder.run.id else ""

    def _replicate(self, backup: Backup, started: datetime) -> Outcome:
        policy = (self.earlier.policy if self.earlier else policy_of)(backup, self.settings)
        if isinstance(policy, Failure):
            raise policy
        return with_credentials(
            self._around.credentials,
            backup.secret_id,
            lambda credentials: self._attempt(backup, policy, credentials, started),
            lambda outcome: outcome.reason is Reason.AUTHENTICATION_FAILED and outcome.pushed_at is None,
        )

    def _attempt(self, backup: Backup, policy: Policy, credentials: Credentials, started: datetime) -> Outcome:
        self.deadline.check()
        run = self.recorder.run
        with self._around.servers.backup(backup, credentials, self.settings, self.deadline) as server:
            basis = "" if self.earlier else basis_of(self.primary, backup, policy, run.term)
            last = of_term(self.last(backup.id), run.term)
            if last and basis and is_recent(last, basis, backup, run, self.settings, started):
                try:
                    brief = look_briefly(server, last)
                except Failure as failure:
                    return failed_outcome(failure.at(server.label))
                if brief:
                    return brief
            outcome = replicate(
                self.primary,
                server,
                policy,
                snapshots=_BackupSnapshots(self._around.snapshots, backup.id, run.id, self._facts_of_primary, policy),
                now=self._around.now,
                guard=guard_of(self.settings, of_term(self._around.store.approval(backup.id), run.term)),
                known=known_parts(last),
                unproved=unproved_settings(last, self._around.snapshots),
                write=not (run.dry_run or run.held or backup.report_only or (backup.paused and not self.earlier)),
                begin=lambda outcome: self.recorder.begin(backup.id, outcome, started),
                restore=self._restore(backup, self.earlier) if self.earlier else None,
            )
        if self.earlier:
            return _told(outcome, self.earlier, run)
        return replace(outcome, basis=basis) if outcome.verified_at else outcome

    def _restore(self, backup: Backup, earlier: Earlier) -> Restore:
        why = f"{earlier.key} was put back by the run {self.recorder.run.id}"
        then = earlier.held.facts if earlier.owner else None
        return Restore(earlier.check, lambda: pause(backup.id, why, self._around.store, self._around.now), then)

    @property
    def _facts_of_primary(self) -> ServerFacts | None:
        if self.earlier and self.earlier.owner:
            return self.earlier.held.primary
        return self.primary.facts

    @property
    def _around(self) -> Surroundings:
        return self.recorder.around


def _told(outcome: Outcome, earlier: Earlier, run: Run) -> Outcome:
    """The outcome of a restore with what was put back, and what follows from it."""
    if outcome.status is not Status.RESTORED:
        return outcome
    what = "it holds that already" if run.dry_run else "nothing is written to it until it is resumed"
    return replace(outcome, message=f"{earlier.key}: {what}")


@dataclass(frozen=True)
class _BackupSnapshots:
    """Keeps what one backup held before one run wrote to it."""

    store: SnapshotStore
    backup_id: str
    run_id: str
    primary: ServerFacts | None
    policy: Policy

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        held = Held(parts, facts, self.primary, self.policy.replicate_auto_block_list)
        return self.store.keep_backup(self.backup_id, self.run_id, held)
