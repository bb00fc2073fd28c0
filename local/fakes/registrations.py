"""Registrations of the store in dictionaries, with the status and the approval that go with each.

As ``registry.registrations`` does in the table: every change is made as a
whole or not at all. Whoever calls holds the store's lock.
"""

from dataclasses import replace
from itertools import count

from common.errors import Failure, Reason
from registry.fleet_records import Backup, DiscardedSecret, address_key
from registry.run_records import Approval, BackupResult
from registry.store import AlreadyRegistered, VersionConflict
from registry.store_rules import Promotion, registration_gone


class Registrations:
    """What is known by backup's id; the secrets that are still to be deleted by their own."""

    def __init__(self) -> None:
        self.backups: dict[str, Backup] = {}
        self.statuses: dict[str, BackupResult] = {}
        self.approvals: dict[str, Approval] = {}
        self.discarded: dict[str, DiscardedSecret] = {}
        self._numbers = count(1)

    def registration(self, backup_id: str) -> str | None:
        return self.backups[backup_id].registration if backup_id in self.backups else None

    def promote(self, promotion: Promotion) -> None:
        """Register the former primary in the place of the backup."""
        backup, former = promotion.backup, promotion.former
        registered = self.backups.get(backup.id)
        if registered is None or _seen(registered) != _seen(backup):
            raise VersionConflict
        if former.id in self.backups:
            raise AlreadyRegistered(former.id)
        self._refuse_shared_address(former)
        del self.backups[backup.id]
        self.backups[former.id] = self._registered_anew(former)
        for server_id in (backup.id, former.id):
            self._forget(server_id)

    def add(self, backup: Backup) -> Backup:
        if backup.id in self.backups:
            raise AlreadyRegistered(backup.id)
        self._refuse_shared_address(backup)
        self._forget(backup.id)
        added = self.backups[backup.id] = self._registered_anew(backup)
        return added

    def update(self, backup: Backup, expected_version: int | None) -> Backup:
        stored = self._registered(backup.id)
        if expected_version is not None and backup.registration != stored.registration:
            raise VersionConflict
        version = next_version(stored.version, expected_version)
        self._refuse_shared_address(backup)
        if address_key(stored.host, stored.port) != address_key(backup.host, backup.port):
            updated = replace(self._registered_anew(backup), version=version)
            self._forget(backup.id)
        else:
            updated = replace(backup, version=version, registration=stored.registration)
        if stored.trust != backup.trust:
            self.approvals.pop(backup.id, None)
        self.backups[backup.id] = updated
        return updated

    def delete(self, backup_id: str, expected: Backup | None) -> None:
        registered = self._registered(backup_id)
        if expected and _seen(expected) != _seen(registered):
            raise VersionConflict
        del self.backups[backup_id]
        self._forget(backup_id)
        self.discarded[registered.secret_id] = DiscardedSecret(registered.secret_id, backup_id)

    def approve(
        self, approval: Approval, expected_version: int | None, seconds: Approval | None, last: BackupResult | None
    ) -> None:
        registered = self.backups.get(approval.backup_id)
        if registered is None or registered.registration != approval.registration:
            raise registration_gone(approval.backup_id)
        next_version(registered.version, expected_version)
        if seconds and self.approvals.get(approval.backup_id) != seconds:
            raise VersionConflict
        status = self.statuses.get(approval.backup_id)
        if last and (status is None or status.run_id != last.run_id):
            raise VersionConflict
        self.approvals[approval.backup_id] = approval

    def _registered(self, backup_id: str) -> Backup:
        if backup_id not in self.backups:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        return self.backups[backup_id]

    def _registered_anew(self, backup: Backup) -> Backup:
        return replace(backup, version=1, registration=f"registration-{next(self._numbers)}")

    def _forget(self, backup_id: str) -> None:
        """Drop what goes with a registration."""
        self.statuses.pop(backup_id, None)
        self.approvals.pop(backup_id, None)

    def _refuse_shared_address(self, backup: Backup) -> None:
        address = address_key(backup.host, backup.port)
        for other in self.backups.values():
            if other.id != backup.id and address_key(other.host, other.port) == address:
                raise AlreadyRegistered(other.id)


def next_version(stored: int, expected: int | None) -> int:
    """The version after ``stored``. Raises VersionConflict when that is not the expected one."""
    if expected not in (None, stored):
        raise VersionConflict
    return stored + 1


def _seen(backup: Backup) -> tuple[str, int]:
    """A registration and its version: another one with the same id has versions of its own."""
    return backup.registration, backup.version
