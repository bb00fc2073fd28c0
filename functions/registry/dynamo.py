"""The store in one DynamoDB table.

``registry.table`` lists all kinds of rows. Operations that need several rows and conditions are in other modules:
``registrations`` for registrations and approvals, ``recorded_results`` for results, and ``claims`` for rows that are
held until a certain time.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, islice, takewhile
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from common.runtime import Runtime
from registry import registrations
from registry.claims import LeaseRow, OpenBackupRow, ReadingRow, lease_in_the_way, nobody_holds_lease, take
from registry.fleet_records import Backup, DiscardedSecret, LogIn, Primary, SyncSettings
from registry.recorded_results import ResultRecorder, results_of
from registry.registrations import ending, is_at, registration_in
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
from registry.serialization import Row, Stored, to_row
from registry.store import VersionConflict
from registry.store_rules import Promotion, PushConditions, capped_run, lease_lost
from registry.table import (
    ACCEPTANCE,
    APPROVAL,
    BACKUP,
    BASELINE,
    DISCARDED,
    FAN_OUT,
    LEASE,
    LOG_IN,
    PRIMARY,
    READING,
    RUN,
    SERVED,
    SETTINGS,
    STATE,
    STATUS,
    TRANSACTION_LIMIT,
    UNFINISHED,
    Check,
    ConditionsFailed,
    Delete,
    Put,
    Table,
    UnfinishedRow,
    expiry,
    keys,
    known_format,
    next_version,
    read_row,
    readable,
    unchanged,
    unreadable_rows,
)

if TYPE_CHECKING:  # stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

_NOT_FINISHED = Attr("finished_at").not_exists()
_NOT_BEGUN = Attr("pk").not_exists() | Attr("status").eq(QUEUED)


class DynamoStore:
    """``registry.store.Store`` in a DynamoDB table. Threads may share it.

    Runs, results and histories are stored for ``history_days`` days.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient", runtime: Runtime, history_days: int = 90) -> None:
        self._table = Table(table_name, client, runtime)
        self._runtime = runtime
        self._kept = timedelta(days=history_days)
        self._recorder = ResultRecorder(self._table, self._kept)

    # Primary and settings

    def primary(self) -> Primary | None:
        return self._single(Primary, PRIMARY)

    def save_primary(
        self, primary: Primary, *, expected_version: int | None = None, now: datetime | None = None
    ) -> Primary:
        stored = self._table.get(*PRIMARY)
        saved = replace(primary, version=next_version(stored, expected_version))
        row = Put({**keys(*PRIMARY), **to_row(saved)}, unchanged(stored, "version"))
        stays = primary.of_stack or (stored is not None and is_at(stored, primary))
        if not stays:
            self.lease()  # raises for an unreadable lease, as in promote
        try:
            self._table.transact(row, *([] if stays else [Check(*LEASE, nobody_holds_lease(now))]))
        except ConditionsFailed as failed:
            if 0 not in failed.rows:
                raise lease_in_the_way(failed.rows[1]) from None
            raise VersionConflict from None
        return saved

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        self.lease()  # raises for an unreadable lease, which a run of a newer version may hold
        registrations.promote(self._table, promotion, self._registered_anew(promotion.former), now)

    def settings(self) -> SyncSettings:
        return self._single(SyncSettings, SETTINGS) or SyncSettings()

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings:
        stored = self._table.get(*SETTINGS)
        saved = replace(settings, version=next_version(stored, expected_version))
        if not self._made(Put({**keys(*SETTINGS), **to_row(saved)}, unchanged(stored, "version"))):
            raise VersionConflict
        return saved

    # Backups

    def backups(self) -> tuple[Backup, ...]:
        return tuple(readable(Backup, (row for row in self._table.rows(BACKUP) if not _is_misplaced(row))))

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        rows = tuple(self._table.rows(BACKUP))
        complaints = {row["sk"]: "id: differs from the row's sort key" for row in rows if _is_misplaced(row)}
        complaints |= dict(unreadable_rows(Backup, rows))
        return tuple(sorted(complaints.items()))

    def backup(self, backup_id: str) -> Backup | None:
        return self._single(Backup, (BACKUP, backup_id))

    def registration(self, backup_id: str) -> str | None:
        row = self._table.get(BACKUP, backup_id)
        return None if row is None else registration_in(row)

    def add_backup(self, backup: Backup) -> Backup:
        return registrations.add(self._table, self._registered_anew(backup))

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        return registrations.update(self._table, backup, expected_version, self._runtime.new_id)

    def delete_backup(self, backup_id: str, *, expected: Backup | None = None) -> None:
        registrations.delete(self._table, backup_id, expected)

    def discarded_secrets(self) -> tuple[DiscardedSecret, ...]:
        return tuple(readable(DiscardedSecret, self._table.rows(DISCARDED)))

    def end_discarded(self, secret_id: str) -> None:
        self._table.transact(Delete(DISCARDED, secret_id))

    def begin_reading(self, address: str, claim: str, *, now: datetime, until: datetime) -> datetime | None:
        row = {**keys(READING, address), **to_row(ReadingRow(claim, until)), **expiry(until)}
        in_the_way = take(self._table, row, Attr("pk").not_exists(), ReadingRow, now)
        return read_row(ReadingRow, in_the_way).held_until if in_the_way else None

    def end_reading(self, address: str, claim: str) -> None:
        self._made(Delete(READING, address, Attr("held_by").eq(claim)))

    # The lease

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        row = {**keys(*LEASE), **to_row(LeaseRow(owner, expires_at))}
        in_the_way = take(self._table, row, Attr("pk").not_exists() | Attr("held_by").eq(owner), LeaseRow, now)
        return Lease(owner, expires_at) if in_the_way is None else None

    def release_lease(self, owner: str) -> bool:
        return self._made(Delete(*LEASE, Attr("held_by").eq(owner)))

    def lease(self) -> Lease | None:
        row = self._single(LeaseRow, LEASE)
        return Lease(row.held_by, row.held_until) if row else None

    # Runs and results

    def queue_run(self, run: Run) -> None:
        self._table.transact(Put(self._run_row(run)), Put(self._marker(run)))

    def begin_run(self, run: Run) -> bool:
        return self._made(Put(self._run_row(run), _NOT_BEGUN), Put(self._marker(run)))

    def save_run(self, run: Run) -> bool:
        return self._made(Put(self._run_row(run), _NOT_FINISHED))

    def finish_run(self, run: Run, *, begun: bool = True) -> bool:
        return self._made(Put(self._run_row(run), _NOT_FINISHED if begun else _NOT_BEGUN), Delete(UNFINISHED, run.id))

    def unfinished_runs(self) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(UNFINISHED))

    def run(self, run_id: str) -> Run | None:
        return self._single(Run, (RUN, run_id))

    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        return self._newest(Run, RUN, limit, before)

    def record_result(
        self,
        result: BackupResult,
        *,
        lease_owner: str,
        claim: str | None = None,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        self._recorder.record(result, None, lease_owner, claim, late=late, ends_approval=ends_approval)

    def begin_push(
        self, result: BackupResult, conditions: PushConditions, *, lease_owner: str, claim: str | None = None
    ) -> None:
        self._recorder.record(result, conditions, lease_owner, claim)

    # Backups that wait in the queue

    def fan_out(self, run_id: str) -> FanOut | None:
        return self._single(FanOut, (FAN_OUT, run_id))

    def begin_fan_out(self, fan_out: FanOut, backups: Iterable[Backup]) -> None:
        end = self._expiry(fan_out.ends_at)
        rows = [
            {
                **keys(f"OPEN#{fan_out.run_id}", backup.id),
                **to_row(OpenBackupRow(registration=backup.registration)),
                **end,
            }
            for backup in backups
        ]
        rows.append({**keys(FAN_OUT, fan_out.run_id), **to_row(fan_out), **end})
        for some in batched(rows, TRANSACTION_LIMIT):
            self._table.transact(*map(Put, some))

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(f"OPEN#{run_id}"))

    def open_registration(self, run_id: str, backup_id: str) -> str | None:
        stored = self._single(OpenBackupRow, (f"OPEN#{run_id}", backup_id))
        return stored.registration if stored else None

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        registration = self.open_registration(run_id, backup_id)  # the row's registration never changes
        if registration is None:
            return Claim.CLOSED
        claimed = OpenBackupRow(claim, until, registration)
        row = {**keys(f"OPEN#{run_id}", backup_id), **to_row(claimed), **self._expiry(until)}
        unclaimed = Attr("held_by").not_exists() & Attr("held_until").not_exists() & known_format(OpenBackupRow)
        free = Attr("pk").exists() & (unclaimed | Attr("held_by").eq(claim))
        in_the_way = take(self._table, row, free, OpenBackupRow, now)
        if in_the_way is None:
            return Claim.MINE
        return Claim.HELD if in_the_way else Claim.CLOSED

    def served_now(self) -> dict[str, ServedNow]:
        return {one.backup_id: one for one in readable(ServedNow, self._table.rows(SERVED))}

    def begin_serving(self, served: ServedNow) -> None:
        self._table.transact(Put({**keys(SERVED, served.backup_id), **to_row(served)}))

    def end_serving(self, backup_id: str, run_id: str) -> None:
        self._made(Delete(SERVED, backup_id, Attr("pk").not_exists() | Attr("run_id").eq(run_id)))

    # Stored results

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        return tuple(results_of(run_id, self._table.rows(f"RESULT#{run_id}")))

    def result(self, backup_id: str, run_id: str) -> BackupResult | None:
        return self._single(BackupResult, (f"HISTORY#{backup_id}", run_id))

    def history(
        self, backup_id: str, *, limit: int, before: str | None = None, registration: str | None = None
    ) -> tuple[BackupResult, ...]:
        rows = self._table.rows(f"HISTORY#{backup_id}", newest_first=True, before=before, page=limit)
        results = readable(BackupResult, rows)
        return tuple(islice((one for one in results if registration in (None, one.registration)), limit))

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:
        newest = takewhile(lambda row: row["sk"] >= since, self._table.rows(f"HISTORY#{backup_id}", newest_first=True))
        return tuple(run_id for run_id, _ in unreadable_rows(BackupResult, newest))

    def status(self, backup_id: str) -> BackupResult | None:
        return self._single(BackupResult, (STATUS, backup_id))

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        if backup_ids is None:
            rows = self._table.rows(STATUS)
        else:
            rows = (row for backup_id in backup_ids if (row := self._table.get(STATUS, backup_id)))
        return {result.backup_id: result for result in readable(BackupResult, rows)}

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        return tuple(unreadable_rows(BackupResult, self._table.rows(STATUS)))

    # Approvals and log-ins

    def approve(
        self,
        approval: Approval,
        *,
        expected_version: int | None = None,
        seconds: Approval | None = None,
        last: BackupResult | None = None,
    ) -> None:
        registrations.approve(self._table, approval, expected_version, seconds, last)

    def approval(self, backup_id: str) -> Approval | None:
        return self._single(Approval, (APPROVAL, backup_id))

    def withdraw_approval(self, approval: Approval) -> None:
        self._made(ending(approval))  # nothing happens if the approval was replaced or removed

    def log_in(self, secret_id: str) -> LogIn | None:
        return self._single(LogIn, (LOG_IN, secret_id))

    def record_log_in(self, log_in: LogIn) -> bool:
        is_for_another = Attr("version").eq(log_in.version) & Attr("destination").ne(log_in.destination)
        return self._made(Put({**keys(LOG_IN, log_in.secret_id), **to_row(log_in)}, ~is_for_another))

    # The primary's baseline, acceptance and states

    def baseline(self) -> PrimaryBaseline | None:
        return self._single(PrimaryBaseline, BASELINE)

    def save_baseline(self, baseline: PrimaryBaseline, *, lease_owner: str) -> None:
        self._put_under(lease_owner, {**keys(*BASELINE), **to_row(baseline)})

    def acceptance(self) -> PrimaryAcceptance | None:
        return self._single(PrimaryAcceptance, ACCEPTANCE)

    def save_acceptance(self, acceptance: PrimaryAcceptance, *, lease_owner: str) -> None:
        self._put_under(lease_owner, {**keys(*ACCEPTANCE), **to_row(acceptance)})

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        return self._newest(KeptState, STATE, limit, before)

    def newest_state(self) -> KeptState | None:
        row = next(self._table.rows(STATE, newest_first=True, page=1), None)
        return None if row is None else read_row(KeptState, row)

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        self._put_under(lease_owner, {**keys(STATE, state.first_run_id), **to_row(state), **expiry(state.kept_until)})

    # Shared by the methods above

    def _put_under(self, lease_owner: str, row: Row) -> None:
        """Write a row if ``lease_owner`` holds the lease. Raises Failure(LEASE_LOST)."""
        if not self._made(Check(*LEASE, Attr("held_by").eq(lease_owner)), Put(row)):
            raise lease_lost()

    def _made(self, *writes: Put | Delete | Check) -> bool:
        """Whether the writes succeeded; False if a condition failed."""
        try:
            self._table.transact(*writes)
        except ConditionsFailed:
            return False
        return True

    def _marker(self, run: Run) -> Row:
        return {**keys(UNFINISHED, run.id), **to_row(UnfinishedRow()), **self._expiry(run.started_at)}

    def _run_row(self, run: Run) -> Row:
        run = capped_run(run)
        return {**keys(RUN, run.id), **to_row(run), **self._expiry(run.started_at)}

    def _registered_anew(self, backup: Backup) -> Backup:
        return replace(backup, version=1, registration=self._runtime.new_id())

    def _single[Model: Stored](self, model: type[Model], key: tuple[str, str]) -> Model | None:
        row = self._table.get(*key)
        return None if row is None else read_row(model, row)

    def _newest[Model: Stored](self, model: type[Model], pk: str, limit: int, before: str | None) -> tuple[Model, ...]:
        rows = self._table.rows(pk, newest_first=True, before=before, page=limit)
        return tuple(islice(readable(model, rows), limit))

    def _expiry(self, time: datetime) -> Row:
        return expiry(time + self._kept)


def _is_misplaced(row: Row) -> bool:
    return bool(row.get("id") != row["sk"])
