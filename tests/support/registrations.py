"""What a run or a person would store of the backup as it is registered: results, approvals, a first write."""

from dataclasses import replace

from registry.run_records import Approval, BackupResult, PrimaryBaseline
from registry.store import Store
from registry.store_rules import PushConditions


def as_registered[Record: (Approval, BackupResult)](record: Record, store: Store) -> Record:
    """``record`` of the registration that the store has under its id now."""
    return replace(record, registration=store.registration(record.backup_id) or "")


def begin_push(store: Store, result: BackupResult, *, lease_owner: str, claim: str | None = None) -> None:
    """Record that a push begins, by a run that has just read registration and approval."""
    backup = store.backup(result.backup_id)
    approval, settings = store.approval(result.backup_id), store.settings()
    conditions = PushConditions(backup.version if backup else 0, approval, settings.version)
    store.begin_push(result, conditions, lease_owner=lease_owner, claim=claim)


def remember_baseline(store: Store, baseline: PrimaryBaseline) -> None:
    """Store what a run has found of the primary, as that run did."""
    assert store.acquire_lease("before", now=baseline.at, expires_at=baseline.at)
    store.save_baseline(baseline, lease_owner="before")
    store.release_lease("before")
