"""Results of backups and how they are recorded, and the end of a run: its status and the primary's baseline.

A result is stored only while the run holds the lease. For a claimed backup of a queued run, the worker must also still
hold the claim.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import REASONS_OF_THE_RUN, Failure, Reason
from common.server_types import ServerFacts
from registry.fleet_records import Backup
from registry.run_records import (
    QUEUED,
    BackupResult,
    Claim,
    Condition,
    PartResult,
    PrimaryBaseline,
    RecordedFingerprints,
    Run,
)
from registry.store_rules import PushConditions, of_primary, of_registration, tells_of_the_run_alone
from replication.model import Outcome, PartName, PartOutcome, PrimaryState, Status
from replication.primary import fingerprint
from sync.context import RunContext

_MANY_DAYS = 36_500
"""The maximum number of days that is stored: a server can report any number. This maximum also represents a licence
that never expires.
"""


def result_of(
    outcome: Outcome, *, backup_id: str, registration: str, run: Run, started: datetime, finished: datetime
) -> BackupResult:
    """The result of one backup, registered as ``registration``, in one run. Each message in it starts with the backup's
    id.
    """
    return BackupResult(
        backup_id=backup_id,
        run_id=run.id,
        status=outcome.status,
        attempted_at=started,
        reason=outcome.reason or "",
        message=_naming(backup_id, outcome.message),
        pushed_at=outcome.pushed_at,
        verified_at=outcome.verified_at,
        duration=(finished - started).total_seconds(),
        parts=tuple(_part(part, backup_id) for part in outcome.parts),
        warnings=outcome.warnings,
        plan_hash=outcome.plan_hash,
        snapshot=outcome.snapshot,
        fingerprints={
            part.part: RecordedFingerprints(part.fingerprints.desired, part.fingerprints.held)
            for part in outcome.parts
            if part.fingerprints
        },
        basis=outcome.basis,
        failures=_failures(outcome),
        harmed=_harmed(outcome),
        condition=condition_of(outcome.facts, finished) if outcome.facts else Condition(),
        settings_before=outcome.settings_before,
        term=run.term,
        source=run.source,
        registration=registration,
        approved_parts={str(name): part for name, part in outcome.approved_parts.items()},
    )


def condition_of(facts: ServerFacts, now: datetime) -> Condition:
    """The facts about a server's certificate, licence and native sync that are stored.

    A valid licence without ``days_left`` never expires, and an invalid one has expired. In both cases an expiry date is
    stored, because a missing value would keep the previous date, and its alarm, in force.
    """
    days = min(facts.licence.days_left, _MANY_DAYS)
    if days <= 0:
        days = _MANY_DAYS if facts.licence.valid else 0
    return Condition(
        certificate_ends=facts.certificate_ends,
        licence_ends=now + timedelta(days=days),
        native_sync=facts.native_sync,
    )


def _failures(outcome: Outcome) -> int | None:
    """The number of failures to add, 0 or 1; None for a run that was cut short and so says nothing about the backup."""
    if outcome.status is Status.INCOMPLETE:
        return None
    return int(outcome.status in (Status.FAILED, Status.ROLLED_BACK))


def _harmed(outcome: Outcome) -> bool | None:
    """Whether the run may have made the backup unusable; None if unknown. A later failure does not end such harm."""
    if outcome.status is Status.ROLLED_BACK or outcome.reason in (Reason.ACCESS_LOST, Reason.ROLLBACK_NOT_EFFECTIVE):
        return True
    is_unknown = outcome.status in (Status.FAILED, Status.INCOMPLETE) or outcome.reason is Reason.ENDS_RUNS
    return None if is_unknown else False


def _naming(backup_id: str, message: str) -> str:
    """The message, prefixed with the backup's id unless it already begins with it."""
    begins_with_it = message.startswith(backup_id) and message[len(backup_id) : len(backup_id) + 1] in ("", ":", " ")
    return f"{backup_id}: {message}" if message and not begins_with_it else message


def _part(outcome: PartOutcome, backup_id: str) -> PartResult:
    return PartResult(
        part=outcome.part,
        status=outcome.status,
        reason=outcome.reason or "",
        message=_naming(backup_id, outcome.message),
        added=len(outcome.changes.added),
        removed=len(outcome.changes.removed),
        changed=len(outcome.changes.changed),
        cause=outcome.cause or "",
        kept_different=outcome.kept.count,
        kept_different_paths=outcome.kept.paths,
    )


def failed_outcome(failure: Failure) -> Outcome:
    """The outcome of a backup that could not be tried."""
    status = Status.INCOMPLETE if failure.reason in REASONS_OF_THE_RUN else Status.FAILED
    return Outcome(status, failure.reason, failure.message)


def with_begun(result: BackupResult, begun: BackupResult) -> BackupResult:
    """The result of a backup, completed from the interim result that its run stored before the first write.

    The successor of a dead worker may not reach the backup: then the interim result is the only information.
    """
    if tells_of_the_run_alone(result):
        return begun
    return replace(
        result,
        snapshot=result.snapshot or begun.snapshot,
        parts=result.parts or begun.parts,
        approved_by=begun.approved_by,
    )


def _not_recorded(result: BackupResult, failure: Failure) -> BackupResult:
    return replace(result, status=Status.FAILED, reason=failure.reason, message=f"not recorded: {failure.message}")


def status_counts(results: Iterable[BackupResult]) -> dict[str, int]:
    """The number of backups with each status; every status is present, so that a zero is visible."""
    return {status.value: 0 for status in Status} | dict(Counter(result.status for result in results))


_TO_RECORD = timedelta(minutes=1)


@dataclass(frozen=True)
class ResultRecorder:
    """Records the results of a run while ``owner`` holds the lease.

    ``claims`` are the claims on open backups, by id: the result of such a backup is recorded only while its claim is
    held. ``begun`` has the interim results of backups whose final result is not recorded yet. ``recorded`` has the
    results that were stored. ``restored`` has the backups that were restored: recording their results ends their
    approvals, including those given meanwhile.
    """

    context: RunContext
    run: Run
    owner: str
    claims: dict[str, str] = field(default_factory=dict)
    begun: dict[str, BackupResult] = field(default_factory=dict)
    recorded: dict[str, BackupResult] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)

    def claim(self, backup_id: str, *, until: datetime | None = None) -> bool:
        """Claim an open backup; False if it is claimed by another process, or not open. Raises Failure.

        ``until`` None means long enough to record a result.
        """
        claim, now = self.context.runtime.new_id(), self.context.runtime.now()
        until = until or now + _TO_RECORD
        if self.context.store.claim_backup(self.run.id, backup_id, claim, now=now, until=until) is not Claim.MINE:
            return False
        self.claims[backup_id] = claim
        return True

    def new_result(
        self, backup_id: str, registration: str, outcome: Outcome, started: datetime | None = None
    ) -> BackupResult:
        """The result of a backup in the form in which it is stored.

        ``registration`` is the registration of the server that the run contacted. ``started`` None means that the
        backup was not tried.
        """
        finished = self.context.runtime.now()
        return result_of(
            outcome,
            backup_id=backup_id,
            registration=registration,
            run=self.run,
            started=started or finished,
            finished=finished,
        )

    def record(self, result: BackupResult, fault: str = "") -> BackupResult:
        """Store a result and report it; if it cannot be stored, the reported result says so.

        ``fault`` is the stack trace of an unexpected error, or empty.
        """
        try:
            self._store(result)
        except Failure as failure:
            result = _not_recorded(result, failure)
        self.context.progress.backup_done(self.run, result, fault)
        return result

    def interim(self, backup_id: str, registration: str) -> BackupResult | None:
        """The interim result that this run stored before its first write to the backup, in this process or in a killed
        one. Raises Failure.
        """
        if backup_id in self.begun:
            return self.begun[backup_id]
        if backup_id not in self.claims:  # no other process can have served it in this run
            return None
        # The status cannot replace this result: it may be removed with a registration, or be of another run.
        return of_registration(self.context.store.result(backup_id, self.run.id), registration)

    def record_failure(self, backup_id: str, registration: str, failure: Failure) -> BackupResult:
        """Record why a backup was not tried.

        If this run has begun to write to it, even in a killed process, the interim result says more and is recorded. If
        that result cannot be read, nothing is recorded: a claimed backup stays open.
        """
        result = self.new_result(backup_id, registration, failed_outcome(failure))
        try:
            begun = self.interim(backup_id, registration)
        except Failure as unread:
            result = _not_recorded(result, unread)
            self.context.progress.backup_done(self.run, result, "")
            return result
        return self.record(with_begun(result, begun) if begun else result)

    def settle(self, backup_id: str, failure: Failure, *, late: bool = False) -> None:
        """Finish a claimed backup whose worker died: record the interim result from before its first push, if any.

        Without an interim result, record that the backup was not processed, and why. ``late``: the run itself is dead,
        and newer runs may have recorded results since. If Failure is raised, the backup is still open.
        """
        store = self.context.store
        result = store.result(backup_id, self.run.id)
        if result is None:
            queued_as = store.open_registration(self.run.id, backup_id) or ""
            result = self.new_result(backup_id, queued_as, failed_outcome(failure))
        self._store(result, late=late)
        self.context.progress.backup_done(self.run, result, "")

    def _store(self, result: BackupResult, *, late: bool = False) -> None:
        self.context.store.record_result(
            result,
            lease_owner=self.owner,
            claim=self.claims.get(result.backup_id),
            late=late,
            ends_approval=result.backup_id in self.restored,
        )
        self.recorded[result.backup_id] = result

    def begin(
        self,
        backup: Backup,
        outcome: Outcome,
        started: datetime,
        conditions: PushConditions,
        approved_by: tuple[str, ...] = (),
    ) -> None:
        """Store the interim result that is true if the run is killed now. If Failure is raised, the backup must not be
        written to.
        """
        result = self.new_result(backup.id, backup.registration, outcome, started)
        result = replace(result, approved_by=approved_by)
        self.context.store.begin_push(result, conditions, lease_owner=self.owner, claim=self.claims.get(backup.id))
        self.begun[backup.id] = result


class RunStatus(StrEnum):
    """The status of a run that has begun. A run that has not begun has the status ``registry.run_records.QUEUED``."""

    RUNNING = "running"
    """The run is under way, or its backups wait in the queue."""
    SUCCEEDED = "succeeded"
    """Every backup is equal, was updated, or differs without a write being intended."""
    PARTIAL = "partial"
    """Some backup failed, was blocked, rolled back or not reached; or the primary's baseline could not be stored."""
    FAILED = "failed"
    """The run ended before any backup was touched."""
    NOT_RUN = "not_run"
    """There was nothing to do, or another run was in progress."""


_GOOD = frozenset({Status.IN_SYNC, Status.UPDATED, Status.DRIFTED, Status.RESTORED})


@dataclass(frozen=True)
class Report:
    """The record and results of a run. ``recorded`` False means that another process ended the run first, and that
    process's record is kept.
    """

    run: Run
    results: tuple[BackupResult, ...] = ()
    recorded: bool = True


def conclude(
    context: RunContext, run: Run, owner: str, primary: PrimaryState, results: Sequence[BackupResult]
) -> Report:
    """End a run in which every backup has a result, and store the primary's baseline; ``owner`` holds the lease."""
    if not run.snapshot:  # restored content says nothing about the present primary
        run = replace(run, primary=condition_of(primary.facts, context.runtime.now()))
    good = all(result.status in _GOOD for result in results)
    # A server that nobody can log in to is the most urgent message, so it comes first.
    results = sorted(results, key=lambda result: result.reason != Reason.ACCESS_LOST)
    lost = ", ".join(result.backup_id for result in results if result.reason == Reason.ACCESS_LOST)
    complaints = [Failure(Reason.ACCESS_LOST, f"nobody may be able to log in any more: {lost}")] if lost else []
    try:
        # A dry run may have read a primary that looks like a mistake, so it stores no baseline.
        if not run.dry_run and any(result.verified_at for result in results):
            context.store.save_baseline(_baseline(context, run, primary), lease_owner=owner)
    except Failure as failure:
        complaints.append(Failure(failure.reason, f"the primary's baseline was not stored: {failure.message}"))
    if complaints:
        message = "; ".join(complaint.message for complaint in complaints)
        return finish(context, run, RunStatus.PARTIAL, complaints[0].reason, message, results)
    return finish(context, run, RunStatus.SUCCEEDED if good else RunStatus.PARTIAL, results=results)


def finish(
    context: RunContext,
    run: Run,
    status: RunStatus,
    reason: Reason | None = None,
    message: str = "",
    results: Sequence[BackupResult] | None = None,
) -> Report:
    """Store the run's final record and report it. Raises Failure(REGISTRY_UNAVAILABLE).

    If ``run`` is only queued but has begun meanwhile, its end is not stored.
    """
    done = replace(
        run,
        status=status,
        reason=reason or "",
        message=message,
        finished_at=context.runtime.now(),
        counts={} if results is None else status_counts(results),
    )
    recorded = context.store.finish_run(done, begun=run.status != QUEUED)
    if recorded:
        context.progress.finished(done)
    return Report(done, tuple(results or ()), recorded)


def _baseline(context: RunContext, run: Run, primary: PrimaryState) -> PrimaryBaseline:
    """The baseline of the primary; for parts that this run did not read, the previous figures.

    Only a run over the whole fleet updates the fingerprint that later looks for changes compare with.
    """
    now = context.runtime.now()
    previous = of_primary(context.store.baseline(), run) or PrimaryBaseline(0, 0, now, run.id)
    accounts, settings = PartName.ACCOUNTS in primary.states, PartName.SETTINGS in primary.states
    partial = run.requested_backups or run.held
    return PrimaryBaseline(
        users=primary.users if accounts else previous.users,
        groups=primary.groups if accounts else previous.groups,
        settings=primary.settings if settings else previous.settings,
        at=now,
        run_id=run.id,
        fingerprint=previous.fingerprint if partial else fingerprint(primary),
        term=run.term,
        source=run.source,
    )
