"""The end of a run: what it came to, what is remembered of the primary, the record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from common.errors import Failure, Reason
from registry.models import BackupResult, PrimaryBaseline, Run
from registry.store_rules import of_term
from replication.model import PartName, PrimaryState, Status
from replication.primary import fingerprint
from sync.context import Surroundings
from sync.results import condition_of, status_counts


class RunStatus(StrEnum):
    """What a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """Every backup was dealt with as asked."""
    PARTIAL = "partial"
    """Some backups failed or were not reached."""
    FAILED = "failed"
    """The run ended before any backup was touched."""
    NOT_RUN = "not_run"
    """There was nothing to do, or another run was doing it."""


_GOOD = frozenset({Status.IN_SYNC, Status.UPDATED, Status.DRIFTED, Status.RESTORED})


@dataclass(frozen=True)
class Report:
    """What came of a run. ``recorded`` False: somebody else had ended it before, and that record stands."""

    run: Run
    results: tuple[BackupResult, ...] = ()
    recorded: bool = True


def conclude(around: Surroundings, run: Run, primary: PrimaryState, results: Sequence[BackupResult]) -> Report:
    """End a run in which every backup has a result, and remember what the primary held."""
    if not run.snapshot:  # of what is put back nothing follows for the primary as it is
        run = replace(run, primary=condition_of(primary.facts, around.now()))
    good = all(result.status in _GOOD for result in results)
    # Nothing else that a run may have to say is as urgent as a server that nobody can log in to.
    results = sorted(results, key=lambda result: result.reason != Reason.ACCESS_LOST)
    lost = ", ".join(result.backup_id for result in results if result.reason == Reason.ACCESS_LOST)
    complaints = [Failure(Reason.ACCESS_LOST, f"nobody may be able to log in any more: {lost}")] if lost else []
    try:
        if any(result.verified_at for result in results):
            around.store.save_baseline(_baseline(around, run, primary))
    except Failure as failure:
        complaints.append(Failure(failure.reason, f"what the primary held was not remembered: {failure.message}"))
    if complaints:
        message = "; ".join(complaint.message for complaint in complaints)
        return finish(around, run, RunStatus.PARTIAL, complaints[0].reason, message, results)
    return finish(around, run, RunStatus.SUCCEEDED if good else RunStatus.PARTIAL, results=results)


def finish(
    around: Surroundings,
    run: Run,
    status: RunStatus,
    reason: Reason | None = None,
    message: str = "",
    results: Sequence[BackupResult] | None = None,
) -> Report:
    """Store the run's record in its final form and tell of it. Raises Failure(REGISTRY_UNAVAILABLE)."""
    done = replace(
        run,
        status=status,
        reason=reason or "",
        message=message,
        finished_at=around.now(),
        counts={} if results is None else status_counts(results),
    )
    recorded = around.store.finish_run(done)
    if recorded:
        around.progress.finished(done)
    return Report(done, tuple(results or ()), recorded)


def _baseline(around: Surroundings, run: Run, primary: PrimaryState) -> PrimaryBaseline:
    """What to remember of the primary; of what this run did not read, the older figures.

    That it has not changed since can only be said of a run over the whole fleet.
    """
    now = around.now()
    known = of_term(around.store.baseline(), run.term) or PrimaryBaseline(0, 0, now, run.id)
    accounts, settings = PartName.ACCOUNTS in primary.states, PartName.SETTINGS in primary.states
    partial = run.requested_backups or run.dry_run or run.held
    return PrimaryBaseline(
        users=primary.users if accounts else known.users,
        groups=primary.groups if accounts else known.groups,
        settings=primary.settings if settings else known.settings,
        at=now,
        run_id=run.id,
        fingerprint=known.fingerprint if partial else fingerprint(primary),
        term=run.term,
    )
