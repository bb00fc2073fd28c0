"""The registry's store in dictionaries."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from threading import RLock

from local.fakes.registrations import Registrations, next_version
from registry.fleet_records import Backup, DiscardedSecret, LogIn, Primary, SyncSettings
from registry.run_records import (
    QUEUED,
    Approval,
    BackupResult,
    Claim,
    FanOut,
    KeptState,
    Lease,
    PrimaryAcceptance,
    PrimaryBaseline,
    Run,
    ServedNow,
)
from registry.store import VersionConflict
from registry.store_rules import (
    Promotion,
    PushConditions,
    approval_changed,
    capped_result,
    capped_run,
    claim_lost,
    lease_held,
    lease_lost,
    merged_status,
    primary_replaced,
    registration_changed,
    registration_gone,
    settings_changed,
)


class MemoryStore:
    """``registry.store.Store`` without AWS; nothing outlives the object. May be shared by threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._primary: Primary | None = None
        self._settings = SyncSettings()
        self._registered = Registrations()
        self._lease: Lease | None = None
        self._runs: dict[str, Run] = {}
        self._unfinished: set[str] = set()
        self._fan_outs: dict[str, FanOut] = {}
        self._served: dict[str, ServedNow] = {}
        # A claim and its end, by run's and backup's id.
        self._open: dict[tuple[str, str], tuple[str, datetime] | None] = {}
        self._queued: dict[tuple[str, str], str] = {}  # the registration of each open backup
        self._results: dict[tuple[str, str], BackupResult] = {}  # by run's id and backup's id
        self._readings: dict[str, tuple[str, datetime]] = {}  # claim and its end, by address
        self._log_ins: dict[str, LogIn] = {}  # by secret's id
        self._baseline: PrimaryBaseline | None = None
        self._acceptance: PrimaryAcceptance | None = None
        self._states: dict[str, KeptState] = {}  # by first run's id

    def primary(self) -> Primary | None:
        return self._primary

    def save_primary(
        self, primary: Primary, *, expected_version: int | None = None, now: datetime | None = None
    ) -> Primary:
        with self._lock:
            stored = self._primary
            saved = replace(primary, version=next_version(stored.version if stored else 0, expected_version))
            if not (primary.of_stack or (stored and stored.source == primary.source)):
                self._refuse_under_lease(now)
            self._primary = saved
            return saved

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        with self._lock:
            self._refuse_under_lease(now)
            if promotion.old.version != (self._primary.version if self._primary else 0):
                raise VersionConflict
            self._registered.promote(promotion)
            self._primary = promotion.primary

    def settings(self) -> SyncSettings:
        return self._settings

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings:
        with self._lock:
            self._settings = replace(settings, version=next_version(self._settings.version, expected_version))
            return self._settings

    def backups(self) -> tuple[Backup, ...]:
        with self._lock:
            return tuple(backup for _, backup in sorted(self._registered.backups.items()))

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        return ()  # what is kept as objects can always be understood

    def backup(self, backup_id: str) -> Backup | None:
        return self._registered.backups.get(backup_id)

    def registration(self, backup_id: str) -> str | None:
        with self._lock:
            return self._registered.registration(backup_id)

    def add_backup(self, backup: Backup) -> Backup:
        with self._lock:
            return self._registered.add(backup)

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        with self._lock:
            return self._registered.update(backup, expected_version)

    def delete_backup(self, backup_id: str, *, expected: Backup | None = None) -> None:
        with self._lock:
            self._registered.delete(backup_id, expected)

    def discarded_secrets(self) -> tuple[DiscardedSecret, ...]:
        with self._lock:
            return tuple(one for _, one in sorted(self._registered.discarded.items()))

    def end_discarded(self, secret_id: str) -> None:
        with self._lock:
            self._registered.discarded.pop(secret_id, None)

    def begin_reading(self, address: str, claim: str, *, now: datetime, until: datetime) -> datetime | None:
        with self._lock:
            held = self._readings.get(address)
            if held and held[1] > now:
                return held[1]
            self._readings[address] = (claim, until)
            return None

    def end_reading(self, address: str, claim: str) -> None:
        with self._lock:
            if self._readings.get(address, ("",))[0] == claim:
                del self._readings[address]

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        with self._lock:
            held = self._lease
            if held and held.owner != owner and held.expires_at > now:
                return None
            self._lease = Lease(owner, expires_at)
            return self._lease

    def release_lease(self, owner: str) -> bool:
        with self._lock:
            if not self._holds_lease(owner):
                return False
            self._lease = None
            return True

    def lease(self) -> Lease | None:
        return self._lease

    def queue_run(self, run: Run) -> None:
        with self._lock:
            self._runs[run.id] = capped_run(run)
            self._unfinished.add(run.id)

    def begin_run(self, run: Run) -> bool:
        with self._lock:
            if self._has_begun(run.id):
                return False
            self._runs[run.id] = capped_run(run)
            self._unfinished.add(run.id)
            return True

    def save_run(self, run: Run) -> bool:
        with self._lock:
            if self._is_finished(run.id):
                return False
            self._runs[run.id] = capped_run(run)
            return True

    def finish_run(self, run: Run, *, begun: bool = True) -> bool:
        with self._lock:
            if self._is_finished(run.id) if begun else self._has_begun(run.id):
                return False
            self._runs[run.id] = capped_run(run)
            self._unfinished.discard(run.id)
            return True

    def unfinished_runs(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(sorted(self._unfinished))

    def run(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        with self._lock:
            ids = _newest(self._runs, limit, before)
            return tuple(self._runs[run_id] for run_id in ids)

    def record_result(
        self,
        result: BackupResult,
        *,
        lease_owner: str,
        claim: str | None = None,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        with self._lock:
            self._check_rights(result, lease_owner, claim)
            self._record(result, late=late)
            if ends_approval and self._registered.registration(result.backup_id) == result.registration:
                self._registered.approvals.pop(result.backup_id, None)
            if claim is not None:
                del self._open[result.run_id, result.backup_id]

    def begin_push(
        self, result: BackupResult, conditions: PushConditions, *, lease_owner: str, claim: str | None = None
    ) -> None:
        with self._lock:
            self._check_rights(result, lease_owner, claim)
            backup = self._registered.backups.get(result.backup_id)
            if backup is None or backup.registration != result.registration:
                raise registration_gone(result.backup_id)
            if backup.version != conditions.version:
                raise registration_changed(result.backup_id)
            if self._primary and self._primary.term != result.term:
                raise primary_replaced()
            if self._registered.approvals.get(result.backup_id) != conditions.approval:
                raise approval_changed(result.backup_id)
            if self._settings.version != conditions.settings_version:
                raise settings_changed()
            self._record(result)
            self._registered.approvals.pop(result.backup_id, None)
            if conditions.left_as:
                self._registered.backups[result.backup_id] = conditions.left_as

    def _record(self, result: BackupResult, *, late: bool = False) -> None:
        result = capped_result(result)
        self._results[result.run_id, result.backup_id] = result
        if self._registered.registration(result.backup_id) == result.registration:
            self._registered.statuses[result.backup_id] = merged_status(
                self._registered.statuses.get(result.backup_id), result, late=late
            )

    def _check_rights(self, result: BackupResult, lease_owner: str, claim: str | None) -> None:
        self._check_lease(lease_owner)
        if claim is not None:
            self._check_claim((result.run_id, result.backup_id), claim)

    def fan_out(self, run_id: str) -> FanOut | None:
        return self._fan_outs.get(run_id)

    def begin_fan_out(self, fan_out: FanOut, backups: Iterable[Backup]) -> None:
        with self._lock:
            self._fan_outs[fan_out.run_id] = fan_out
            for backup in backups:
                self._open[fan_out.run_id, backup.id] = None
                self._queued[fan_out.run_id, backup.id] = backup.registration

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        with self._lock:
            return tuple(backup_id for run, backup_id in sorted(self._open) if run == run_id)

    def open_registration(self, run_id: str, backup_id: str) -> str | None:
        with self._lock:
            return self._queued[run_id, backup_id] if (run_id, backup_id) in self._open else None

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        with self._lock:
            if (run_id, backup_id) not in self._open:
                return Claim.CLOSED
            held = self._open[run_id, backup_id]
            if held is not None and held[0] != claim and held[1] > now:
                return Claim.HELD
            self._open[run_id, backup_id] = (claim, until)
            return Claim.MINE

    def served_now(self) -> dict[str, ServedNow]:
        with self._lock:
            return dict(sorted(self._served.items()))

    def begin_serving(self, served: ServedNow) -> None:
        with self._lock:
            self._served[served.backup_id] = served

    def end_serving(self, backup_id: str, run_id: str) -> None:
        with self._lock:
            if backup_id in self._served and self._served[backup_id].run_id == run_id:
                del self._served[backup_id]

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        with self._lock:
            return tuple(result for key, result in sorted(self._results.items()) if key[0] == run_id)

    def result(self, backup_id: str, run_id: str) -> BackupResult | None:
        return self._results.get((run_id, backup_id))

    def history(
        self, backup_id: str, *, limit: int, before: str | None = None, registration: str | None = None
    ) -> tuple[BackupResult, ...]:
        with self._lock:
            runs = (
                run_id
                for (run_id, backup), result in self._results.items()
                if backup == backup_id and registration in (None, result.registration)
            )
            return tuple(self._results[run_id, backup_id] for run_id in _newest(runs, limit, before))

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:  # noqa: ARG002 # as above
        return ()

    def status(self, backup_id: str) -> BackupResult | None:
        return self._registered.statuses.get(backup_id)

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        with self._lock:
            wanted = self._registered.statuses if backup_ids is None else backup_ids
            return {
                backup_id: self._registered.statuses[backup_id]
                for backup_id in wanted
                if backup_id in self._registered.statuses
            }

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        return ()

    def approve(
        self,
        approval: Approval,
        *,
        expected_version: int | None = None,
        seconds: Approval | None = None,
        last: BackupResult | None = None,
    ) -> None:
        with self._lock:
            self._registered.approve(approval, expected_version, seconds, last)

    def approval(self, backup_id: str) -> Approval | None:
        return self._registered.approvals.get(backup_id)

    def withdraw_approval(self, approval: Approval) -> None:
        with self._lock:
            if self._registered.approvals.get(approval.backup_id) == approval:
                del self._registered.approvals[approval.backup_id]

    def log_in(self, secret_id: str) -> LogIn | None:
        return self._log_ins.get(secret_id)

    def record_log_in(self, log_in: LogIn) -> bool:
        with self._lock:
            used = self._log_ins.get(log_in.secret_id)
            if used and used.version == log_in.version and used.destination != log_in.destination:
                return False
            self._log_ins[log_in.secret_id] = log_in
            return True

    def baseline(self) -> PrimaryBaseline | None:
        return self._baseline

    def save_baseline(self, baseline: PrimaryBaseline, *, lease_owner: str) -> None:
        with self._lock:
            self._check_lease(lease_owner)
            self._baseline = baseline

    def acceptance(self) -> PrimaryAcceptance | None:
        return self._acceptance

    def save_acceptance(self, acceptance: PrimaryAcceptance, *, lease_owner: str) -> None:
        with self._lock:
            self._check_lease(lease_owner)
            self._acceptance = acceptance

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        with self._lock:
            return tuple(self._states[run_id] for run_id in _newest(self._states, limit, before))

    def newest_state(self) -> KeptState | None:
        return next(iter(self.states(limit=1)), None)

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        with self._lock:
            self._check_lease(lease_owner)
            self._states[state.first_run_id] = state

    def _refuse_under_lease(self, now: datetime | None) -> None:
        if self._lease and (now is None or self._lease.expires_at > now):
            raise lease_held(self._lease)

    def _has_begun(self, run_id: str) -> bool:
        return run_id in self._runs and self._runs[run_id].status != QUEUED

    def _is_finished(self, run_id: str) -> bool:
        return run_id in self._runs and self._runs[run_id].finished_at is not None

    def _check_claim(self, key: tuple[str, str], claim: str) -> None:
        held = self._open.get(key)
        if held is None or held[0] != claim:
            raise claim_lost(key[1])

    def _check_lease(self, owner: str) -> None:
        if not self._holds_lease(owner):
            raise lease_lost()

    def _holds_lease(self, owner: str) -> bool:
        return self._lease is not None and self._lease.owner == owner


def _newest(ids: Iterable[str], limit: int, before: str | None) -> list[str]:
    return sorted((one for one in ids if before is None or one < before), reverse=True)[:limit]
