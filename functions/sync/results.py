"""Results of backups, and the end of a run: its status, its record and the primary's baseline."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import REASONS_OF_THE_RUN, Failure, Reason
from common.server_types import ServerFacts
from registry.run_records import QUEUED, BackupResult, Condition, PartResult, PrimaryBaseline, RecordedFingerprints, Run
from registry.store_rules import of_primary, tells_of_the_run_alone
from replication.model import Outcome, PartName, PartOutcome, PrimaryState, Status
from replication.primary import fingerprint
from sync.context import RunContext

_MANY_DAYS = 36_500
"""The maximum number of days that is stored: a server can report any number. It also represents a licence that never
expires.
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

    A valid licence without ``days_left`` never expires, and an invalid one has expired. Both are stored as an expiry
    date, because a missing value would keep the previous date, and its alarm, in force.
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
    return None if outcome.status in (Status.FAILED, Status.INCOMPLETE) else False


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


def status_counts(results: Iterable[BackupResult]) -> dict[str, int]:
    """The number of backups with each status; every status is present, so that a zero is visible."""
    return {status.value: 0 for status in Status} | dict(Counter(result.status for result in results))


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
    """The record and results of a run. ``recorded`` False means that another process ended the run first, and its
    record is kept.
    """

    run: Run
    results: tuple[BackupResult, ...] = ()
    recorded: bool = True


def conclude(
    context: RunContext, run: Run, owner: str, primary: PrimaryState, results: Sequence[BackupResult]
) -> Report:
    """End a run in which every backup has a result, and store the primary's baseline; ``owner`` holds the lease."""
    if not run.snapshot:  # restored content says nothing about the primary now
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
