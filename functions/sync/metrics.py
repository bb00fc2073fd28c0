"""The metrics of a deployment: their names, units, dimensions and meaning, in one place.

The template's alarms and dashboard read them by these names; a test holds the
two together. Every metric has the dimension ``service``, which is the stack's
name, so that two stacks of an account do not mix.
"""

from dataclasses import dataclass

from aws_lambda_powertools.metrics import MetricUnit

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
BACKUPS_BLOCKED = Metric("BackupsBlocked", "the brake stopped some of it")
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
HARMED_NOW = Metric("HarmedNow", "backups whose settings were put back, or that cannot be reached since a push")
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
