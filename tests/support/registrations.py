"""Results and approvals as a run or a person would give them: of the backup as it is registered."""

from dataclasses import replace

from registry.models import Approval, BackupResult
from registry.store import Store


def as_registered[Record: (Approval, BackupResult)](record: Record, store: Store) -> Record:
    """``record`` of the registration that the store has under its id now."""
    return replace(record, registration=store.registration(record.backup_id) or "")
