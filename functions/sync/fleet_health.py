"""The state of the whole fleet after a run, computed from the last result of every backup, for alarms and the
dashboard.

The results of one run are not enough: a run over one backup, or one that failed, must not hide problems of the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.errors import Reason
from registry.fleet_records import Backup, Primary
from registry.run_records import BackupResult, Condition
from registry.store import Store
from registry.store_rules import of_primary, of_registration
from replication.model import Status

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class BackupHealth:
    """The health of one enabled backup. ``unverified`` is the number of minutes since the backup was last found equal
    to the primary, or since backup and primary were both registered.

    ``certificate_days`` and ``licence_days`` are None until the server reports when they end.
    """

    id: str
    status: str
    reason: str
    unverified: float
    failures: int
    harmed: bool
    native_sync: bool
    certificate_days: float | None
    licence_days: float | None
    paused: bool
    report_only: bool


@dataclass(frozen=True)
class FleetHealth:
    """The health of all enabled backups in the order of their ids, and of the primary if this run has read it.

    Disabled backups are left out. A paused backup is handled by a person: only its certificate, its licence and its
    native sync count. A backup with ``report_only`` is not expected to be equal; everything else about it counts.
    """

    backups: tuple[BackupHealth, ...]
    primary: Condition | None
    now: datetime

    @property
    def longest_unverified(self) -> float:
        """Minutes since the backup with the oldest verification was found equal; 0 without backups."""
        return max((backup.unverified for backup in self._tended if not backup.report_only), default=0.0)

    @property
    def most_failures(self) -> int:
        """The largest number of consecutive failed runs of any backup."""
        return max((backup.failures for backup in self._tended), default=0)

    @property
    def blocked(self) -> int:
        """The number of backups that wait for a person: for an approval, or because processes died while they processed
        the backup.
        """
        return sum(backup.status == Status.BLOCKED for backup in self._tended)

    @property
    def harmed(self) -> int:
        """The number of backups whose settings were rolled back, that are unreachable since a push, or whose state is
        unknown.
        """
        return sum(backup.harmed for backup in self._tended)

    @property
    def native_syncs(self) -> int:
        """Servers whose own Synchronization Manager pushes to others, the primary included."""
        of_primary = bool(self.primary and self.primary.native_sync)
        return of_primary + sum(backup.native_sync for backup in self.backups)

    @property
    def fewest_certificate_days(self) -> float | None:
        """Days until the first certificate of any server expires; None if no expiry is known."""
        of_primary = days_until(self.primary.certificate_ends if self.primary else None, self.now)
        return _fewest([of_primary, *(backup.certificate_days for backup in self.backups)])

    @property
    def fewest_licence_days(self) -> float | None:
        """Days until the first licence of any server expires; None if no expiry is known."""
        of_primary = days_until(self.primary.licence_ends if self.primary else None, self.now)
        return _fewest([of_primary, *(backup.licence_days for backup in self.backups)])

    @property
    def _tended(self) -> Iterator[BackupHealth]:
        return (backup for backup in self.backups if not backup.paused)


def fleet_health_of(store: Store, primary: Condition | None, now: datetime, registered: Primary | None) -> FleetHealth:
    """The health of all backups according to the registry; ``registered`` is the primary that they should equal. Raises
    Failure.
    """
    statuses, unreadable = store.statuses(), dict(store.unreadable_statuses())
    readable = {
        backup.id: _health(backup, of_registration(statuses.get(backup.id), backup.registration), now, registered)
        for backup in store.backups()
        if backup.enabled
    }
    # Only the id of an unreadable registration is known. The backup still counts.
    broken = {
        backup_id: _health(Backup(backup_id, "", 0), statuses.get(backup_id), now, registered)
        for backup_id, _ in store.unreadable_backups()
    }
    backups = readable | broken
    # A backup with an unreadable last result counts as failed and harmed, so that no alarm ends by mistake.
    backups |= {
        backup_id: replace(
            backups[backup_id], status=Status.FAILED, reason=Reason.RECORD_UNREADABLE, failures=1, harmed=True
        )
        for backup_id in backups.keys() & unreadable
    }
    return FleetHealth(tuple(backups[backup_id] for backup_id in sorted(backups)), primary, now)


def days_until(end: datetime | None, now: datetime) -> float | None:
    """Days until ``end``, negative after it; None if ``end`` is None."""
    return None if end is None else (end - now) / _DAY


def _health(backup: Backup, last: BackupResult | None, now: datetime, registered: Primary | None) -> BackupHealth:
    """``last`` is the result for the current registration; if that run had another primary, only the result's facts
    about the server count.
    """
    compared = of_primary(last, registered)
    condition = last.condition if last else Condition()
    known_since = max(filter(None, (backup.created_at, registered.since if registered else None)), default=now)
    return BackupHealth(
        id=backup.id,
        status=compared.status if compared else "",
        reason=compared.reason if compared else "",
        unverified=(now - ((compared.verified_at if compared else None) or known_since)) / _MINUTE,
        failures=(last.failures if last else None) or 0,
        harmed=bool(last and last.harmed),
        native_sync=bool(condition.native_sync),
        certificate_days=days_until(condition.certificate_ends, now),
        licence_days=days_until(condition.licence_ends, now),
        paused=bool(backup.paused),
        report_only=backup.report_only,
    )


def _fewest(days: Iterable[float | None]) -> float | None:
    return min((number for number in days if number is not None), default=None)
