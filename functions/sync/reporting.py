"""The log lines of a run, and its metrics: their names, units, dimensions and meaning.

The template's alarms and dashboard read the metrics by these names; a test
holds the two together. Every metric has the dimension ``service``, which is
the stack's name, so that two stacks of an account do not mix.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from common.errors import Failure, Reason
from registry.models import BackupResult, Run
from replication.documents.keep_list import RULES_VERSION
from replication.model import PartStatus, PrimaryState, Status
from sync.context import RunContext
from sync.fleet_health import BackupHealth, FleetHealth, fleet_health_of
from sync.results import Report, RunStatus

NAMESPACE = "CerberusSync"
SERVICE = "service"
BACKUP = "backup"
REASON = "reason"


@dataclass(frozen=True)
class Metric:
    """One metric. ``dimensions`` come beside ``service``."""

    name: str
    meaning: str
    unit: MetricUnit = MetricUnit.Count
    dimensions: tuple[str, ...] = ()


# ---------------------------------------------------------------- what one run did
RUNS_FINISHED = Metric("RunsFinished", "1 for a run that came to its end, whatever it found")
RUNS_FAILED = Metric("RunsFailed", "1 for a run that ended before any backup was touched")
RUN_DURATION = Metric("RunDuration", "from the start of a run to its record", MetricUnit.Seconds)
ITEMS_CHANGED = Metric("ItemsChanged", "users, groups, rules and values that a run added, removed or changed")
BACKUPS_IN_SYNC = Metric("BackupsInSync", "found equal")
BACKUPS_UPDATED = Metric("BackupsUpdated", "written to, read back, equal")
BACKUPS_DRIFTED = Metric("BackupsDrifted", "differ, and were only looked at")
BACKUPS_BLOCKED = Metric("BackupsBlocked", "the guards stopped some of it")
BACKUPS_ROLLED_BACK = Metric("BackupsRolledBack", "new settings were put back")
BACKUPS_FAILED = Metric("BackupsFailed", "could not be made equal")
BACKUPS_INCOMPLETE = Metric("BackupsIncomplete", "the run could not get to them, or not through")
BACKUPS_RESTORED = Metric("BackupsRestored", "hold again what was there before")

# ---------------------------------------------------------------- how the whole fleet is after it
# CloudWatch has no alarm for a backup that is registered later on. So each of
# these is the worst of all backups: one fixed alarm on it rings for any of
# them. They are emitted on a healthy fleet as well, or no alarm would end.
LONGEST_UNVERIFIED = Metric(
    "LongestUnverifiedMinutes", "minutes since the backup that waits longest was found equal", MetricUnit.NoUnit
)
MOST_FAILURES = Metric("MostFailuresInARow", "failed runs in a row of the backup that has most")
BLOCKED_NOW = Metric("BlockedNow", "backups that wait for an approval")
HARMED_NOW = Metric(
    "HarmedNow",
    "backups whose settings were put back, that cannot be reached since a push, or whose status cannot be understood",
)
FEWEST_CERTIFICATE_DAYS = Metric(
    "FewestCertificateDays", "days until the first certificate of primary or backups ends", MetricUnit.NoUnit
)
FEWEST_LICENCE_DAYS = Metric(
    "FewestLicenceDays", "days until the first licence of primary or backups ends", MetricUnit.NoUnit
)
NATIVE_SYNCS = Metric("NativeSyncsOn", "servers whose own Synchronization Manager pushes to others")

# ---------------------------------------------------------------- one backup
UNVERIFIED = Metric("UnverifiedMinutes", "since it was last found equal", MetricUnit.NoUnit, (BACKUP,))
FAILURES_IN_A_ROW = Metric("FailuresInARow", "failed runs since the last that did not fail", dimensions=(BACKUP,))
CERTIFICATE_DAYS = Metric("CertificateDays", "until its certificate ends", MetricUnit.NoUnit, (BACKUP,))
LICENCE_DAYS = Metric("LicenceDays", "until its licence ends", MetricUnit.NoUnit, (BACKUP,))

# ---------------------------------------------------------------- one reason
FAILURES = Metric("Failures", "runs and backups that ended with this reason", dimensions=(REASON,))

METRICS = tuple(value for value in globals().values() if isinstance(value, Metric))


_METRIC_OF_STATUS = {
    Status.IN_SYNC: BACKUPS_IN_SYNC,
    Status.UPDATED: BACKUPS_UPDATED,
    Status.DRIFTED: BACKUPS_DRIFTED,
    Status.BLOCKED: BACKUPS_BLOCKED,
    Status.ROLLED_BACK: BACKUPS_ROLLED_BACK,
    Status.FAILED: BACKUPS_FAILED,
    Status.INCOMPLETE: BACKUPS_INCOMPLETE,
    Status.RESTORED: BACKUPS_RESTORED,
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


def emit_metrics(report: Report, context: RunContext) -> None:
    """Print the figures of the run, of the fleet as it is now, and of each of its first backups.

    A metric costs by its dimensions, so only the first ``backups_with_metrics``
    backups, in the order of their ids, have figures of their own. Namespace and service
    come from the environment, as Powertools reads them. Raises Failure when
    the registry cannot be read; what the run itself did is then out already.
    """
    run = report.run
    own = run.reason not in _OF_ANOTHER_RUN
    _print(_of_run(report) if own else {RUNS_FINISHED: 0})
    noticed = (notice.reason for notice in run.notices)
    failed = (result.reason for result in report.results)
    reasons = Counter(reason for reason in (run.reason, *noticed, *failed) if reason)
    for reason, count in reasons.items():
        _print({FAILURES: count}, {REASON: reason})
    if own:
        health = fleet_health_of(context.store, run.primary, context.runtime.now(), context.known_primary)
        _print(_of_fleet(health))
        for backup in health.backups[: context.backups_with_metrics]:
            _print(_of_backup(backup), {BACKUP: backup.id}, status=backup.status, reason=backup.reason)


def _of_run(report: Report) -> Figures:
    run = report.run
    duration = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0
    parts = (part for result in report.results for part in result.parts if part.status == PartStatus.PUSHED)
    return {
        RUNS_FINISHED: 1,
        RUNS_FAILED: run.status == RunStatus.FAILED,
        RUN_DURATION: duration,
        ITEMS_CHANGED: sum(part.added + part.removed + part.changed for part in parts),
        **{metric: run.counts.get(status, 0) for status, metric in _METRIC_OF_STATUS.items()},
    }


def _of_fleet(health: FleetHealth) -> Figures:
    figures: Figures = {
        LONGEST_UNVERIFIED: health.longest_unverified,
        MOST_FAILURES: health.most_failures,
        BLOCKED_NOW: health.blocked,
        HARMED_NOW: health.harmed,
    }
    if health.primary is None:
        return figures  # without the primary the rest would look better than it is
    return {
        **figures,
        NATIVE_SYNCS: health.native_syncs,
        **_known(FEWEST_CERTIFICATE_DAYS, health.fewest_certificate_days),
        **_known(FEWEST_LICENCE_DAYS, health.fewest_licence_days),
    }


def _of_backup(backup: BackupHealth) -> Figures:
    return {
        UNVERIFIED: backup.unverified,
        FAILURES_IN_A_ROW: backup.failures,
        **_known(CERTIFICATE_DAYS, backup.certificate_days),
        **_known(LICENCE_DAYS, backup.licence_days),
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
