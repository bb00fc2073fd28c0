"""Log lines and metrics of a run. Called from threads; metrics are emitted at the end, by one."""

from collections import Counter
from dataclasses import asdict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric

from registry.models import BackupResult, Run
from replication.model import PrimaryState, Status
from replication.preservation import RULES_VERSION
from sync.concluding import Report, RunStatus

_METRIC_OF_STATUS = {
    Status.IN_SYNC: "BackupsInSync",
    Status.UPDATED: "BackupsUpdated",
    Status.DRIFTED: "BackupsDrifted",
    Status.BLOCKED: "BackupsBlocked",
    Status.ROLLED_BACK: "BackupsRolledBack",
    Status.FAILED: "BackupsFailed",
    Status.INCOMPLETE: "BackupsIncomplete",
}


class LoggedProgress:
    """Writes one structured line for every step. Everything a line holds is a name, a number or a reason."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def started(self, run: Run) -> None:
        self._logger.info(
            "run started", extra={"run_id": run.id, "trigger": run.trigger, "rules_version": RULES_VERSION}
        )

    def primary_read(self, run: Run, primary: PrimaryState) -> None:
        self._logger.info(
            "primary read",
            extra={"run_id": run.id, "server": primary.label, "users": primary.users, "groups": primary.groups},
        )

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        level = self._logger.warning if result.reason else self._logger.info
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
        if run.status == RunStatus.FAILED:
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


def emit_metrics(report: Report) -> None:
    """Emit the run's figures, and one count per reason with the reason as its dimension.

    Namespace and service come from the environment, as Powertools reads them.
    """
    run = report.run
    figures = EphemeralMetrics()
    figures.add_metric("RunsFinished", MetricUnit.Count, int(run.status != RunStatus.NOT_RUN))
    figures.add_metric("RunsFailed", MetricUnit.Count, int(run.status == RunStatus.FAILED))
    if run.finished_at is not None:
        figures.add_metric("RunDuration", MetricUnit.Seconds, (run.finished_at - run.started_at).total_seconds())
    for status, name in _METRIC_OF_STATUS.items():
        figures.add_metric(name, MetricUnit.Count, run.counts.get(status, 0))
    figures.flush_metrics()
    noticed = (notice.reason for notice in run.notices)
    failed = (result.reason for result in report.results)
    reasons = Counter(reason for reason in (run.reason, *noticed, *failed) if reason)
    for reason, count in reasons.items():
        with single_metric(name="Failures", unit=MetricUnit.Count, value=count) as metric:
            metric.add_dimension(name="reason", value=reason)
