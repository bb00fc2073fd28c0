"""How the fleet stands after a run, from what is remembered of every backup: what alarms and dashboard read.

Not from the run's own results: a run over one backup, or one that failed, must
not make the others look well.
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
    """One enabled backup. ``unverified`` in minutes since it was found equal to the primary, or both were registered.

    Days are None as long as the server has not reported them.
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
    """All enabled backups, in the order of their ids, and the primary where this run has asked it.

    A disabled backup counts nowhere. A paused one is in somebody's hands: only
    its certificate, its licence and its native sync count. One that is only
    reported on is not expected to be equal; everything else of it counts.
    """

    backups: tuple[BackupHealth, ...]
    primary: Condition | None
    now: datetime

    @property
    def longest_unverified(self) -> float:
        """Minutes since the backup that waits longest was found equal; 0 without backups."""
        return max((backup.unverified for backup in self._tended if not backup.report_only), default=0.0)

    @property
    def most_failures(self) -> int:
        """Failed runs in a row of the backup that has most."""
        return max((backup.failures for backup in self._tended), default=0)

    @property
    def blocked(self) -> int:
        """Backups that wait for an approval."""
        return sum(backup.status == Status.BLOCKED for backup in self._tended)

    @property
    def harmed(self) -> int:
        """Backups whose settings were put back, that cannot be reached since a push, or of which that is not known."""
        return sum(backup.harmed for backup in self._tended)

    @property
    def native_syncs(self) -> int:
        """Servers whose own Synchronization Manager pushes to others, the primary included."""
        of_primary = bool(self.primary and self.primary.native_sync)
        return of_primary + sum(backup.native_sync for backup in self.backups)

    @property
    def fewest_certificate_days(self) -> float | None:
        """Days until the first certificate of all servers ends; None when no end is known."""
        of_primary = days_until(self.primary.certificate_ends if self.primary else None, self.now)
        return _fewest([of_primary, *(backup.certificate_days for backup in self.backups)])

    @property
    def fewest_licence_days(self) -> float | None:
        """Days until the first licence of all servers ends; None when no end is known."""
        of_primary = days_until(self.primary.licence_ends if self.primary else None, self.now)
        return _fewest([of_primary, *(backup.licence_days for backup in self.backups)])

    @property
    def _tended(self) -> Iterator[BackupHealth]:
        return (backup for backup in self.backups if not backup.paused)


def fleet_health_of(store: Store, primary: Condition | None, now: datetime, registered: Primary | None) -> FleetHealth:
    """The fleet as the registry knows it, beside the primary that is ``registered``. Raises Failure."""
    statuses, unreadable = store.statuses(), dict(store.unreadable_statuses())
    readable = {
        backup.id: _health(backup, of_registration(statuses.get(backup.id), backup.registration), now, registered)
        for backup in store.backups()
        if backup.enabled
    }
    # A registration that cannot be read has nothing but an id, and must not be forgotten for that.
    broken = {
        backup_id: _health(Backup(backup_id, "", 0), statuses.get(backup_id), now, registered)
        for backup_id, _ in store.unreadable_backups()
    }
    backups = readable | broken
    backups |= {backup_id: _unknown(backups[backup_id]) for backup_id in backups.keys() & unreadable}
    return FleetHealth(tuple(backups[backup_id] for backup_id in sorted(backups)), primary, now)


def days_until(end: datetime | None, now: datetime) -> float | None:
    """Days until ``end``, negative after it; None when it is not known."""
    return None if end is None else (end - now) / _DAY


def _unknown(backup: BackupHealth) -> BackupHealth:
    """Of a backup whose last result cannot be understood: no alarm may end because nobody knows any more."""
    return replace(backup, status=Status.FAILED, reason=Reason.RECORD_UNREADABLE, failures=1, harmed=True)


def _health(backup: Backup, last: BackupResult | None, now: datetime, registered: Primary | None) -> BackupHealth:
    """``last`` is of the backup as it is registered; beside another primary only what it says of the server holds."""
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
