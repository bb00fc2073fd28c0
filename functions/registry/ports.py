"""The registry as the rest of the product sees it.

Implementations: DynamoDB and Secrets Manager for AWS, dictionaries for tests.
Both pass the same tests. Every method may raise ``common.reasons.Failure``
with REGISTRY_UNAVAILABLE.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from registry.models import (
    Backup,
    BackupResult,
    Credentials,
    Lease,
    Primary,
    PrimaryBaseline,
    Run,
    SyncSettings,
)


class Store(Protocol):
    """Registrations, settings, runs, results and the lease."""

    def primary(self) -> Primary | None: ...
    def save_primary(self, primary: Primary, *, expected_version: int | None = None) -> Primary: ...

    def settings(self) -> SyncSettings:
        """The stored settings, or the defaults when none were stored."""
        ...

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings: ...

    def backups(self) -> tuple[Backup, ...]:
        """All registrations, in the order of their ids."""
        ...

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        """Id and complaint of each stored registration that cannot be understood: one bad row stops nobody else."""
        ...

    def backup(self, backup_id: str) -> Backup | None: ...

    def add_backup(self, backup: Backup) -> Backup:
        """Store a new registration. Raises AlreadyRegistered for the same id or the same host and port."""
        ...

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        """Replace a registration. Raises VersionConflict when it was changed by someone else meanwhile."""
        ...

    def delete_backup(self, backup_id: str, *, expected_version: int | None = None) -> None:
        """Remove a registration and its last status; its history stays."""
        ...

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        """Take the lease if it is free or has expired; None when another owner holds it."""
        ...

    def release_lease(self, owner: str) -> bool:
        """Give the lease back; False, and no change, when ``owner`` no longer holds it."""
        ...

    def lease(self) -> Lease | None: ...

    def save_run(self, run: Run) -> None: ...
    def run(self, run_id: str) -> Run | None: ...
    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        """Newest first; ``before`` is the id after which a page goes on."""
        ...

    def record_result(self, result: BackupResult, *, lease_owner: str) -> None:
        """Store a result in the run, in the backup's history and as its last status, all or nothing.

        Raises Failure(LEASE_LOST) when ``lease_owner`` no longer holds the lease.
        """
        ...

    def results(self, run_id: str) -> tuple[BackupResult, ...]: ...
    def history(self, backup_id: str, *, limit: int, before: str | None = None) -> tuple[BackupResult, ...]:
        """Newest first; ``before`` is a run's id."""
        ...

    def status(self, backup_id: str) -> BackupResult | None:
        """The last result; ``pushed_at`` and ``verified_at`` are the newest known ones."""
        ...

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]: ...

    def baseline(self) -> PrimaryBaseline | None: ...
    def save_baseline(self, baseline: PrimaryBaseline) -> None: ...


class CredentialStore(Protocol):
    """One secret per server: ``primary`` or a backup's id."""

    def get(self, server_id: str) -> Credentials:
        """Raises Failure(CREDENTIALS_MISSING) when there are none or they cannot be understood."""
        ...

    def put(self, server_id: str, credentials: Credentials) -> None: ...

    def delete(self, server_id: str) -> None:
        """Schedule deletion with a recovery window. A secret that is not there is fine."""
        ...


class AlreadyRegistered(Exception):
    """There is a registration with this id, or with this host and port. ``existing`` is its id."""

    def __init__(self, existing: str) -> None:
        super().__init__(f"already registered as {existing}")
        self.existing = existing


class VersionConflict(Exception):
    """The stored version is not the expected one."""
