"""The log lines and metrics of a run; each metric has a name, a unit, dimensions and a meaning.

The alarms and the dashboard in the template use these metric names; a test compares them. Every metric has the
dimension ``service``, the stack's name, so that metrics of two stacks in one account stay separate.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from common.errors import Failure, Reason, contained
from registry.run_records import BackupResult, Run
from registry.store_rules import of_primary, urgent_first
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
class Metric[Source]:
    """The definition of one metric. ``figure`` returns None if the value is unknown; ``dimensions`` are added to
    ``service``.
    """

    name: str
    meaning: str
    figure: Callable[[Source], float | None]
    unit: MetricUnit = MetricUnit.Count
    dimensions: tuple[str, ...] = ()


def _of_status(status: Status) -> Callable[[Report], float]:
    return lambda report: report.run.counts.get(status, 0)


def _duration(report: Report) -> float:
    run = report.run
    return (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0.0


def _items_changed(report: Report) -> float:
    parts = (part for result in report.results for part in result.parts if part.status == PartStatus.PUSHED)
    return sum(part.added + part.removed + part.changed for part in parts)


def _with_primary(figure: Callable[[FleetHealth], float | None]) -> Callable[[FleetHealth], float | None]:
    """Emit no value if the primary is unknown: the worst value of the backups alone could be too good."""
    return lambda health: None if health.primary is None else figure(health)


RUNS_FINISHED = Metric[Report](
    "RunsFinished", "1 for a run that ended, whatever its result", lambda report: _is_own(report.run)
)
OF_RUN = (
    Metric[Report](
        "RunsFailed",
        "1 for a run that ended before any backup was touched",
        lambda report: report.run.status == RunStatus.FAILED,
    ),
    Metric("RunDuration", "from the start of a run to its record", _duration, MetricUnit.Seconds),
    Metric("ItemsChanged", "users, groups, rules and values that a run added, removed or changed", _items_changed),
    Metric("BackupsInSync", "found equal", _of_status(Status.IN_SYNC)),
    Metric("BackupsUpdated", "were written to, read back and found equal", _of_status(Status.UPDATED)),
    Metric("BackupsDrifted", "differ, and the run was not meant to write", _of_status(Status.DRIFTED)),
    Metric("BackupsBlocked", "the guards stopped some parts", _of_status(Status.BLOCKED)),
    Metric("BackupsRolledBack", "new settings were rolled back", _of_status(Status.ROLLED_BACK)),
    Metric("BackupsFailed", "could not be made equal", _of_status(Status.FAILED)),
    Metric("BackupsIncomplete", "the run could not reach or finish them", _of_status(Status.INCOMPLETE)),
    Metric("BackupsRestored", "were restored to earlier content", _of_status(Status.RESTORED)),
)
"""The metrics of one run."""

OF_FLEET = (
    Metric[FleetHealth](
        "LongestUnverifiedMinutes",
        "minutes since the backup with the oldest verification was found equal",
        lambda health: health.longest_unverified,
        MetricUnit.NoUnit,
    ),
    Metric[FleetHealth](
        "MostFailuresInARow",
        "largest number of consecutive failed runs of any backup",
        lambda health: health.most_failures,
    ),
    Metric[FleetHealth]("BlockedNow", "backups that wait for an approval", lambda health: health.blocked),
    Metric[FleetHealth](
        "HarmedNow",
        "backups whose settings were rolled back, that are unreachable since a push, or whose status is unreadable",
        lambda health: health.harmed,
    ),
    Metric(
        "FewestCertificateDays",
        "days until the first certificate of primary or backups ends",
        _with_primary(lambda health: health.fewest_certificate_days),
        MetricUnit.NoUnit,
    ),
    Metric(
        "FewestLicenceDays",
        "days until the first licence of primary or backups ends",
        _with_primary(lambda health: health.fewest_licence_days),
        MetricUnit.NoUnit,
    ),
    Metric(
        "NativeSyncsOn",
        "servers whose own Synchronization Manager pushes to others",
        _with_primary(lambda health: health.native_syncs),
    ),
)
"""The metrics of the whole fleet after a run.

CloudWatch cannot create an alarm for each backup that is registered later. So each metric is the worst value of all
backups, and one fixed alarm on it covers every backup. The metrics are also emitted for a healthy fleet, otherwise no
alarm would end.
"""

OF_BACKUP = (
    Metric[BackupHealth](
        "UnverifiedMinutes",
        "since it was last found equal",
        lambda backup: backup.unverified,
        MetricUnit.NoUnit,
        (BACKUP,),
    ),
    Metric[BackupHealth](
        "FailuresInARow",
        "failed runs since the last that did not fail",
        lambda backup: backup.failures,
        dimensions=(BACKUP,),
    ),
    Metric[BackupHealth](
        "CertificateDays",
        "until its certificate ends",
        lambda backup: backup.certificate_days,
        MetricUnit.NoUnit,
        (BACKUP,),
    ),
    Metric[BackupHealth](
        "LicenceDays", "until its licence ends", lambda backup: backup.licence_days, MetricUnit.NoUnit, (BACKUP,)
    ),
)
FAILURES = Metric[int](
    "Failures", "runs and backups that ended with this reason", lambda count: count, dimensions=(REASON,)
)
METRICS: tuple[Metric[Any], ...] = (RUNS_FINISHED, *OF_RUN, *OF_FLEET, *OF_BACKUP, FAILURES)

_OF_ANOTHER_RUN = (Reason.LEASE_HELD, Reason.ALREADY_STARTED)
"""Reasons of runs without metrics of their own, because the run that holds the lease emits them."""


def _is_own(run: Run) -> bool:
    return run.reason not in _OF_ANOTHER_RUN


class LoggedProgress:
    """Writes one structured log line for every step. The fields of a line contain only names, numbers and reasons."""

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
                "notices": [asdict(notice) for notice in urgent_first(run.notices)],
            },
        )


def emit_metrics(report: Report, context: RunContext) -> None:
    """Emit the metrics of the run, of the fleet as it is now, and of each of its first backups.

    Each combination of dimensions costs money, so only the first ``backups_with_metrics`` backups, in the order of
    their ids, have their own metrics. Powertools reads namespace and service from the environment. Raises Failure if
    some metrics cannot be computed; all others have been emitted by then.
    """
    printer = _Printer()
    printer.contain("the metrics of the run", lambda: _emit_run(report, printer))
    printer.contain("the metrics of the fleet", lambda: _emit_fleet(report.run, context, printer))
    if printer.missing:
        raise Failure(printer.missing[0].reason, "; ".join(one.message for one in printer.missing))


def _emit_run(report: Report, printer: "_Printer") -> None:
    run = report.run
    printer.emit((RUNS_FINISHED, *(OF_RUN if _is_own(run) else ())), report)
    noticed = (notice.reason for notice in run.notices)
    failed = (result.reason for result in report.results)
    for reason, count in Counter(reason for reason in (run.reason, *noticed, *failed) if reason).items():
        printer.emit((FAILURES,), count, {REASON: reason})


def _emit_fleet(run: Run, context: RunContext, printer: "_Printer") -> None:
    if not _is_own(run):
        return
    registered = context.known_primary
    of_this_primary = of_primary(run, registered)  # another primary may have replaced it during the run
    condition = of_this_primary.primary if of_this_primary else None
    health = fleet_health_of(context.store, condition, context.runtime.now(), registered)
    printer.emit(OF_FLEET, health)
    for backup in health.backups[: context.backups_with_metrics]:
        emit = partial(printer.emit, OF_BACKUP, backup, {BACKUP: backup.id}, status=backup.status, reason=backup.reason)
        printer.contain(f"the metrics of {backup.id}", emit)


class _Printer:
    """Emits metrics. The failures of metrics that cannot be computed are in ``missing``; all others are emitted."""

    def __init__(self) -> None:
        self.missing: list[Failure] = []

    def contain(self, what: str, work: Callable[[], None]) -> None:
        contained(work, lambda defect: self.missing.append(defect.of(what)))

    def emit[Source](
        self,
        metrics: Sequence[Metric[Source]],
        source: Source,
        dimensions: Mapping[str, str] | None = None,
        **properties: str,
    ) -> None:
        """Print one document in CloudWatch's embedded metric format, which may hold 100 metrics and 30 dimensions."""
        blob, before = EphemeralMetrics(), len(self.missing)
        for metric in metrics:
            self.contain(f"the metric {metric.name}", partial(_add, blob, metric, source))
        if len(self.missing) - before == len(metrics):
            return
        for name, text in (dimensions or {}).items():
            blob.add_dimension(name, text)
        for name, text in properties.items():
            blob.add_metadata(name, text)
        blob.flush_metrics()


def _add[Source](blob: EphemeralMetrics, metric: Metric[Source], source: Source) -> None:
    figure = metric.figure(source)
    if figure is not None:
        blob.add_metric(metric.name, metric.unit, round(figure, 3))
