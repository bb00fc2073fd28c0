"""From what replication says of a backup to what the registry remembers of it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from common.reasons import Failure, Reason
from registry.models import BackupResult, PartResult, SeenPart
from replication.model import Outcome, PartOutcome, Status


def result_of(outcome: Outcome, *, backup_id: str, run_id: str, started: datetime, finished: datetime) -> BackupResult:
    """The record of one backup in one run."""
    return BackupResult(
        backup_id=backup_id,
        run_id=run_id,
        status=outcome.status,
        attempted_at=started,
        reason=outcome.reason or "",
        message=outcome.message,
        pushed_at=outcome.pushed_at,
        verified_at=outcome.verified_at,
        duration=(finished - started).total_seconds(),
        parts=tuple(_part(part) for part in outcome.parts),
        warnings=outcome.warnings,
        plan_hash=outcome.plan_hash,
        snapshot=outcome.snapshot,
        seen={part.part: SeenPart(part.seen.desired, part.seen.held) for part in outcome.parts if part.seen},
    )


def _part(outcome: PartOutcome) -> PartResult:
    return PartResult(
        part=outcome.part,
        status=outcome.status,
        reason=outcome.reason or "",
        message=outcome.message,
        added=len(outcome.changes.added),
        removed=len(outcome.changes.removed),
        changed=len(outcome.changes.changed),
        cause=outcome.cause or "",
    )


def failed(failure: Failure) -> Outcome:
    """The outcome of a backup that could not even be tried."""
    status = Status.INCOMPLETE if failure.reason in (Reason.DEADLINE, Reason.RUN_ABORTED) else Status.FAILED
    return Outcome(status, failure.reason, failure.message)


def counts(results: Iterable[BackupResult]) -> dict[str, int]:
    """How many backups ended in which status; every status is there, so that a zero is seen as a zero."""
    return {status.value: 0 for status in Status} | dict(Counter(result.status for result in results))
