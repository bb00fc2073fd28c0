"""What a run or a person would store: results and approvals of the backup as it is registered, and the baseline."""

from dataclasses import replace

from registry.models import Approval, BackupResult, PrimaryBaseline
from registry.store import Store


def as_registered[Record: (Approval, BackupResult)](record: Record, store: Store) -> Record:
    """``record`` of the registration that the store has under its id now."""
    return replace(record, registration=store.registration(record.backup_id) or "")


def remember_baseline(store: Store, baseline: PrimaryBaseline) -> None:
    """Store what a run has found of the primary, as that run did."""
    assert store.acquire_lease("before", now=baseline.at, expires_at=baseline.at)
    store.save_baseline(baseline, lease_owner="before")
    store.release_lease("before")
