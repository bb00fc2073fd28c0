"""From what replication says of a backup to what the registry remembers of it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from common.errors import Failure, Reason
from common.server_types import ServerFacts
from registry.models import BackupResult, Condition, PartResult, Run, SeenPart
from replication.model import Outcome, PartOutcome, Status

_MANY_DAYS = 36_500
"""What a server counts as days left can be any number; nobody needs to know of more than a century."""
_NOT_REACHED = (Reason.DEADLINE, Reason.RUN_ABORTED, Reason.NOT_QUEUED, Reason.RUN_CUT_OFF)
"""Reasons that lie with the run and not with the backup."""


def result_of(outcome: Outcome, *, backup_id: str, run: Run, started: datetime, finished: datetime) -> BackupResult:
    """The record of one backup in one run."""
    return BackupResult(
        backup_id=backup_id,
        run_id=run.id,
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
        basis=outcome.basis,
        failures=_failures(outcome),
        harmed=_harmed(outcome),
        condition=condition_of(outcome.facts, finished) if outcome.facts else Condition(),
        settings_before=outcome.settings_before,
        term=run.term,
    )


def condition_of(facts: ServerFacts, now: datetime) -> Condition:
    """What is to be remembered of a server's condition. Days of a licence count only as long as there are any."""
    days = min(facts.licence.days_left, _MANY_DAYS)
    return Condition(
        certificate_ends=facts.certificate_ends,
        licence_ends=now + timedelta(days=days) if days > 0 else None,
        native_sync=facts.native_sync,
    )


def _failures(outcome: Outcome) -> int | None:
    """A run that was cut short says nothing of the backup it did not get through with."""
    if outcome.status is Status.INCOMPLETE:
        return None
    return int(outcome.status in (Status.FAILED, Status.ROLLED_BACK))


def _harmed(outcome: Outcome) -> bool | None:
    """Harm lasts until the backup answers again: a failure that follows it does not end it."""
    if outcome.status is Status.ROLLED_BACK or outcome.reason is Reason.ACCESS_LOST:
        return True
    return None if outcome.status in (Status.FAILED, Status.INCOMPLETE) else False


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


def failed_outcome(failure: Failure) -> Outcome:
    """The outcome of a backup that could not even be tried."""
    status = Status.INCOMPLETE if failure.reason in _NOT_REACHED else Status.FAILED
    return Outcome(status, failure.reason, failure.message)


def status_counts(results: Iterable[BackupResult]) -> dict[str, int]:
    """How many backups ended in which status; every status is there, so that a zero is seen as a zero."""
    return {status.value: 0 for status in Status} | dict(Counter(result.status for result in results))
