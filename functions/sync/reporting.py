"""Log lines and metrics of a run. Called from threads; metrics are emitted at the end, by one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from common.errors import Failure, Reason
from registry.models import BackupResult, Run
from replication.documents.merge import RULES_VERSION
from replication.model import PartStatus, PrimaryState, Status
from sync import metrics
from sync.concluding import Report, RunStatus
from sync.context import Surroundings
from sync.fleet_health import BackupStanding, Standing, standing_of
from sync.metrics import Metric

_METRIC_OF_STATUS = {
    Status.IN_SYNC: metrics.BACKUPS_IN_SYNC,
    Status.UPDATED: metrics.BACKUPS_UPDATED,
    Status.DRIFTED: metrics.BACKUPS_DRIFTED,
    Status.BLOCKED: metrics.BACKUPS_BLOCKED,
    Status.ROLLED_BACK: metrics.BACKUPS_ROLLED_BACK,
    Status.FAILED: metrics.BACKUPS_FAILED,
    Status.INCOMPLETE: metrics.BACKUPS_INCOMPLETE,
    Status.RESTORED: metrics.BACKUPS_RESTORED,
}
_OF_ANOTHER_RUN = (Reason.LEASE_HELD, Reason.ALREADY_STARTED)
"""What there is to tell, the run that holds the lease tells."""

type Figures = dict[Metric, float]


class LoggedProgress:
    """Writes one structured line for every step. Everything a line holds is a name, a number or a reason."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def started(self, run: Run) -> None:
        self._logger.info(
            "run started",
            extra={
                "run_id": run.id,
                "trigger": run.trigger,
                "rules_version": RULES_VERSION,
                **({"snapshot": run.snapshot} if run.snapshot else {}),
            },
        )

    def primary_read(self, run: Run, primary: PrimaryState) -> None:
        self._logger.info(
            "primary read",
            extra={"run_id": run.id, "server": primary.label, "users": primary.users, "groups": primary.groups},
        )

    def queued(self, run: Run, backups: int) -> None:
        self._logger.info("backups queued", extra={"run_id": run.id, "backups": backups})

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        self._logger.warning(
            "backup not served",
            extra={"run_id": run_id, "backup": backup_id, "reason": failure.reason, "detail": failure.message},
        )

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        level = self._logger.warning if result.reason else self._logger.info
        if result.reason == Reason.ACCESS_LOST:
            level = self._logger.error
        level(
            "backup done",
            extra={
                "run_id": run.id,
                "backup": result.backup_id,
                "status": result.status,
                "reason": result.reason,
                "detail": result.message,
                "seconds": round(result.duration, 3),
                "parts": {part.part: part.status for part in result.parts},
                "warnings": list(result.warnings),
                **({"fault": fault} if fault else {}),
            },
        )

    def finished(self, run: Run) -> None:
        level = self._logger.warning if run.notices else self._logger.info
        if run.status == RunStatus.FAILED or run.reason == Reason.ACCESS_LOST:
            level = self._logger.error
        level(
            "run finished",
            extra={
                "run_id": run.id,
                "status": run.status,
                "reason": run.reason,
                "detail": run.message,
                "counts": dict(run.counts),
                "notices": [asdict(notice) for notice in run.notices],
            },
        )


def emit_metrics(report: Report, around: Surroundings) -> None:
    """Print the figures of the run, of the fleet as it is now, and of each of its first backups.

    A metric costs by its dimensions, so only the first ``backups_with_metrics``
    backups, in the order of their ids, have figures of their own. Namespace and service
    come from the environment, as Powertools reads them. Raises Failure when
    the registry cannot be read; what the run itself did is then out already.
    """
    run = report.run
    own = run.reason not in _OF_ANOTHER_RUN
    _print(_of_run(report) if own else {metrics.RUNS_FINISHED: 0})
    noticed = (notice.reason for notice in run.notices)
    failed = (result.reason for result in report.results)
    reasons = Counter(reason for reason in (run.reason, *noticed, *failed) if reason)
    for reason, count in reasons.items():
        _print({metrics.FAILURES: count}, {metrics.REASON: reason})
    if own:
        standing = standing_of(around.store, run.primary, around.now())
        _print(_of_fleet(standing))
        for backup in standing.backups[: around.backups_with_metrics]:
            _print(_of_backup(backup), {metrics.BACKUP: backup.id}, status=backup.status, reason=backup.reason)


def _of_run(report: Report) -> Figures:
    run = report.run
    duration = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    parts = (part for result in report.results for part in result.parts if part.status == PartStatus.PUSHED)
    return {
        metrics.RUNS_FINISHED: 1,
        metrics.RUNS_FAILED: run.status == RunStatus.FAILED,
        metrics.RUN_DURATION: duration,
        metrics.ITEMS_CHANGED: sum(part.added + part.removed + part.changed for part in parts),
        **{metric: run.counts.get(status, 0) for status, metric in _METRIC_OF_STATUS.items()},
    }


def _of_fleet(standing: Standing) -> Figures:
    figures: Figures = {
        metrics.LONGEST_UNVERIFIED: standing.longest_unverified,
        metrics.MOST_FAILURES: standing.most_failures,
        metrics.BLOCKED_NOW: standing.blocked,
        metrics.HARMED_NOW: standing.harmed,
    }
    if standing.primary is None:
        return figures  # without the primary the rest would look better than it is
    return {
        **figures,
        metrics.NATIVE_SYNCS: standing.native_syncs,
        **_known(metrics.FEWEST_CERTIFICATE_DAYS, standing.fewest_certificate_days),
        **_known(metrics.FEWEST_LICENCE_DAYS, standing.fewest_licence_days),
    }


def _of_backup(backup: BackupStanding) -> Figures:
    return {
        metrics.UNVERIFIED: backup.unverified,
        metrics.FAILURES_IN_A_ROW: backup.failures,
        **_known(metrics.CERTIFICATE_DAYS, backup.certificate_days),
        **_known(metrics.LICENCE_DAYS, backup.licence_days),
    }


def _known(metric: Metric, value: float | None) -> Figures:
    return {} if value is None else {metric: value}


def _print(figures: Figures, dimensions: Mapping[str, str] | None = None, **properties: str) -> None:
    """Print one blob of CloudWatch's embedded metric format; it may hold 100 metrics and 30 dimensions."""
    blob = EphemeralMetrics()
    for metric, value in figures.items():
        blob.add_metric(metric.name, metric.unit, round(value, 3))
    for name, text in (dimensions or {}).items():
        blob.add_dimension(name, text)
    for name, text in properties.items():
        blob.add_metadata(name, text)
    blob.flush_metrics()
