"""The store in one DynamoDB table.

======================  =========================  ==============================================
pk                      sk                         what
======================  =========================  ==============================================
PRIMARY                 SERVER                     Primary
SETTINGS                SYNC                       SyncSettings
BACKUP                  backup's id                Backup
ADDRESS                 host, folded # port        whose address this is: makes addresses unique
STATUS                  backup's id                BackupResult, the last one
APPROVAL                backup's id                Approval, the last one
LEASE                   LEASE                      owner and end of the right to run
LOGIN                   secret's id                LogIn, of one version of the secret
DISCARDED               secret's id                DiscardedSecret, as long as it is not deleted
BASELINE                PRIMARY                    PrimaryBaseline
ACCEPTANCE              PRIMARY                    PrimaryAcceptance
STATE                   first run's id             KeptState
RUN                     run's id                   Run
READING                 host, folded # port        who reads a server for an answer, and until when
UNFINISHED              run's id                   that this run was asked for or has begun, and is not finished
FANOUT                  run's id                   FanOut
OPEN# + run's id        backup's id                that it waits in the queue; as what, who serves it, and until when
RESULT# + run's id      backup's id                BackupResult
HISTORY# + backup's id  run's id                   BackupResult
AUDIT# + year-month     time # request's id …      AuditRecord, see ``registry.audit``
DIGEST# + key           of a snapshot: its digest  that it was kept, see ``registry.snapshot_digests``
DIGESTS                 SINCE                      DigestsSince, of those
======================  =========================  ==============================================

STATUS and APPROVAL are of the registration in the BACKUP row: whoever changes
that one to another server removes both in the same transaction, and whoever
writes one of them checks it.

RUN, RESULT#, HISTORY#, STATE, AUDIT# and DIGEST# rows, and those of a run under way, have
``expires_at``, the table's TTL attribute, in seconds since 1970. DynamoDB
removes rows some time after it; nothing else depends on it, the lease least of
all.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched, islice, takewhile
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.fleet_records import Backup, DiscardedSecret, LogIn, Primary, SyncSettings, address_key
from registry.rows import (
    REVISION,
    AddressRow,
    LeaseRow,
    OpenBackupRow,
    ReadingRow,
    UnfinishedRow,
    keys,
    known_format,
    number,
    read_row,
    readable,
    unreadable_rows,
)
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
    requested_at,
)
from registry.serialization import Row, Stored, time_text, to_row
from registry.store import AlreadyRegistered, VersionConflict
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
from registry.table import TRANSACTION_LIMIT, Check, ConditionsFailed, Delete, Put, Table, unchanged

if TYPE_CHECKING:  # stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

_PRIMARY = ("PRIMARY", "SERVER")
_SETTINGS = ("SETTINGS", "SYNC")
_LEASE = ("LEASE", "LEASE")
_BASELINE = ("BASELINE", "PRIMARY")
_ACCEPTANCE = ("ACCEPTANCE", "PRIMARY")
_BACKUP = "BACKUP"
_ADDRESS = "ADDRESS"
_STATUS = "STATUS"
_APPROVAL = "APPROVAL"
_OF_A_REGISTRATION = (_STATUS, _APPROVAL)
"""What goes with a registration."""
_LOG_IN = "LOGIN"
_DISCARDED = "DISCARDED"
_READING = "READING"
_RUN = "RUN"
_UNFINISHED = "UNFINISHED"
_FAN_OUT = "FANOUT"
_STATE = "STATE"
_SERVED = "SERVED"
_STATUS_ATTEMPTS = 4
_NOT_FINISHED = Attr("finished_at").not_exists()
_NOT_BEGUN = Attr("pk").not_exists() | Attr("status").eq(QUEUED)
_FAILED = "failed"
"""The status of a result that cannot be understood."""
_MAY_REPLACE = known_format(BackupResult)
"""A result of a newer version stays: what it kept of a backup must not be lost."""


class DynamoStore:
    """``registry.store.Store`` on a DynamoDB table. May be shared by threads.

    Runs, their results and histories are kept for ``history_days`` days.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient", runtime: Runtime, history_days: int = 90) -> None:
        self._table = Table(table_name, client, runtime)
        self._runtime = runtime
        self._kept = timedelta(days=history_days)

    # Primary and settings

    def primary(self) -> Primary | None:
        return self._single(Primary, _PRIMARY)

    def save_primary(
        self, primary: Primary, *, expected_version: int | None = None, now: datetime | None = None
    ) -> Primary:
        stored = self._table.get(*_PRIMARY)
        saved = replace(primary, version=_next_version(stored, expected_version))
        row = Put({**keys(*_PRIMARY), **to_row(saved)}, unchanged(stored, "version"))
        stays = primary.of_stack or (stored is not None and _is_at(stored, primary))
        if not stays:
            self.lease()  # as below
        try:
            self._table.transact(row, *([] if stays else [Check(*_LEASE, _free(now))]))
        except ConditionsFailed as failed:
            if 0 not in failed.rows:
                raise _lease_in_the_way(failed.rows[1]) from None
            raise VersionConflict from None
        return saved

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        self.lease()  # a run of a newer version may be under way under one that cannot be understood
        old, backup, former = promotion.old, promotion.backup, self._registered_anew(promotion.former)
        as_seen = Attr("version").eq(old.version) if old.version else Attr("pk").not_exists()
        try:
            self._table.transact(
                Check(*_LEASE, _free(now)),
                Put({**keys(*_PRIMARY), **to_row(promotion.primary)}, as_seen),
                Delete(_BACKUP, backup.id, _registered_as(backup.registration, backup.version)),
                Put(_backup_row(former), Attr("pk").not_exists()),
                Put(_address_row(former), Attr("pk").not_exists()),
                *self._releases(backup.id),
                *(Delete(kind, one.id) for one in (backup, former) for kind in _OF_A_REGISTRATION),
            )
        except ConditionsFailed as failed:
            if 0 in failed.rows:
                raise _lease_in_the_way(failed.rows[0]) from None
            if failed.rows.keys() & {1, 2}:
                raise VersionConflict from None
            raise AlreadyRegistered(former.id if 3 in failed.rows else _owner_in_the_way(failed)) from None

    def settings(self) -> SyncSettings:
        return self._single(SyncSettings, _SETTINGS) or SyncSettings()

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings:
        stored = self._table.get(*_SETTINGS)
        saved = replace(settings, version=_next_version(stored, expected_version))
        if not self._made(Put({**keys(*_SETTINGS), **to_row(saved)}, unchanged(stored, "version"))):
            raise VersionConflict
        return saved

    # Backups

    def backups(self) -> tuple[Backup, ...]:
        rows = (row for row in self._table.rows(_BACKUP) if not _is_misplaced(row))
        return tuple(readable(Backup, rows))

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        rows = tuple(self._table.rows(_BACKUP))
        complaints = {row["sk"]: "id: should be the row's sort key" for row in rows if _is_misplaced(row)}
        complaints |= dict(unreadable_rows(Backup, rows))
        return tuple(sorted(complaints.items()))

    def backup(self, backup_id: str) -> Backup | None:
        return self._single(Backup, (_BACKUP, backup_id))

    def registration(self, backup_id: str) -> str | None:
        row = self._table.get(_BACKUP, backup_id)
        return None if row is None else _registration_in(row)

    def add_backup(self, backup: Backup) -> Backup:
        added = self._registered_anew(backup)
        try:
            self._table.transact(
                Put(_backup_row(added), Attr("pk").not_exists()),
                Put(_address_row(added), Attr("pk").not_exists()),
                *(Delete(kind, added.id) for kind in _OF_A_REGISTRATION),
            )
        except ConditionsFailed as failed:
            raise AlreadyRegistered(added.id if 0 in failed.rows else _owner_in_the_way(failed)) from None
        return added

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        stored = self._registered(backup.id)
        if expected_version is not None and backup.registration != _registration_in(stored):
            raise VersionConflict
        stays, is_trusted_alike = _is_at(stored, backup), stored.get("trust") == _backup_row(backup)["trust"]
        updated = replace(
            backup,
            version=_next_version(stored, expected_version),
            registration=_registration_in(stored) if stays else self._runtime.new_id(),
        )
        void = [] if stays and is_trusted_alike else [_APPROVAL] if stays else _OF_A_REGISTRATION
        address = _address_row(updated)
        try:
            self._table.transact(
                Put(_backup_row(updated), _unchanged(stored)),
                Put(address, Attr("pk").not_exists() | (Attr("backup_id").eq(updated.id) & known_format(AddressRow))),
                *self._releases(updated.id, but=address["sk"]),
                *(Delete(kind, updated.id) for kind in void),
            )
        except ConditionsFailed as failed:
            if 0 in failed.rows:
                raise VersionConflict from None
            raise AlreadyRegistered(_owner_in_the_way(failed)) from None
        return updated

    def delete_backup(self, backup_id: str, *, expected: Backup | None = None) -> None:
        stored = self._registered(backup_id)
        if expected and (expected.registration, expected.version) != (
            _registration_in(stored),
            number(stored, "version"),
        ):
            raise VersionConflict
        secret = stored.get("secret")
        discarded = DiscardedSecret(secret if isinstance(secret, str) and secret else backup_id, backup_id)
        try:
            self._table.transact(
                Delete(_BACKUP, backup_id, _unchanged(stored)),
                Put({**keys(_DISCARDED, discarded.secret_id), **to_row(discarded)}),
                *self._releases(backup_id),
                *(Delete(kind, backup_id) for kind in _OF_A_REGISTRATION),
            )
        except ConditionsFailed as failed:
            if 0 not in failed.rows:
                _owner_in_the_way(failed)
            raise VersionConflict from None

    def discarded_secrets(self) -> tuple[DiscardedSecret, ...]:
        return tuple(readable(DiscardedSecret, self._table.rows(_DISCARDED)))

    def end_discarded(self, secret_id: str) -> None:
        self._table.transact(Delete(_DISCARDED, secret_id))

    def begin_reading(self, address: str, claim: str, *, now: datetime, until: datetime) -> datetime | None:
        row = {**keys(_READING, address), **to_row(ReadingRow(claim, until)), "expires_at": int(until.timestamp())}
        in_the_way = self._take(row, Attr("pk").not_exists(), ReadingRow, now)
        return read_row(ReadingRow, in_the_way).held_until if in_the_way else None

    def end_reading(self, address: str, claim: str) -> None:
        self._made(Delete(_READING, address, Attr("held_by").eq(claim)))

    # The lease

    # The states of the lease's row, along one line of time:
    #
    #   no row --acquire(A)--> A holds ---release(A)--> no row
    #                            |
    #                            | A is killed: nothing is written, the row stays
    #                            v
    #               now < held_until: acquire(B) fails, A's results are stored
    #               held_until <= now: A's results are still stored until
    #                            |     somebody takes the lease, for nobody else works
    #                            | acquire(B)
    #                            v
    #                         B holds: acquire(A), release(A) and record_result by A
    #                                  fail, should A come back from a long pause
    #
    # Free and mine are told apart in the write's own condition. Expired follows from
    # the absolute end in the row that the condition has met, and then only this
    # very row is overwritten. There is no heartbeat and no waiting to see one, and
    # DynamoDB's TTL plays no part. Clocks of two holders may differ by less than
    # the margin that the caller adds to the longest run.

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        row = {**keys(*_LEASE), **to_row(LeaseRow(owner, expires_at))}
        free = Attr("pk").not_exists()
        in_the_way = self._take(row, free | Attr("held_by").eq(owner), LeaseRow, now)
        return Lease(owner, expires_at) if in_the_way is None else None

    def release_lease(self, owner: str) -> bool:
        return self._made(Delete(*_LEASE, Attr("held_by").eq(owner)))

    def lease(self) -> Lease | None:
        row = self._single(LeaseRow, _LEASE)
        return Lease(row.held_by, row.held_until) if row else None

    # Runs and results

    def queue_run(self, run: Run) -> None:
        self._table.transact(Put(self._run_row(run)), Put(self._marker(run)))

    def begin_run(self, run: Run) -> bool:
        return self._made(Put(self._run_row(run), _NOT_BEGUN), Put(self._marker(run)))

    def save_run(self, run: Run) -> bool:
        return self._made(Put(self._run_row(run), _NOT_FINISHED))

    def finish_run(self, run: Run, *, begun: bool = True) -> bool:
        record = Put(self._run_row(run), _NOT_FINISHED if begun else _NOT_BEGUN)
        return self._made(record, Delete(_UNFINISHED, run.id))

    def unfinished_runs(self) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(_UNFINISHED))

    def run(self, run_id: str) -> Run | None:
        return self._single(Run, (_RUN, run_id))

    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        return self._newest(Run, _RUN, limit, before)

    def record_result(
        self,
        result: BackupResult,
        *,
        lease_owner: str,
        claim: str | None = None,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        self._record(result, None, lease_owner, claim, late=late, ends_approval=ends_approval)

    def begin_push(
        self, result: BackupResult, conditions: PushConditions, *, lease_owner: str, claim: str | None = None
    ) -> None:
        self._record(result, conditions, lease_owner, claim)

    def _record(
        self,
        result: BackupResult,
        conditions: PushConditions | None,
        lease_owner: str,
        claim: str | None,
        *,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        """Store a result; with ``conditions`` that of before the first write."""
        result = capped_result(result)
        final = conditions is None
        close = _closing if final else _claimed
        bound = [] if claim is None else [close(result.run_id, result.backup_id, claim)]
        record = {**to_row(result), **self._expiry(result.attempted_at)}
        kept = [
            Put({**keys(f"RESULT#{result.run_id}", result.backup_id), **record}, _MAY_REPLACE),
            Put({**keys(f"HISTORY#{result.backup_id}", result.run_id), **record}, _MAY_REPLACE),
        ]
        written = [Check(*_LEASE, Attr("held_by").eq(lease_owner)), *bound, *kept]
        as_read = [] if conditions is None else _as_read(result, conditions)
        is_registered = True
        for _ in range(_STATUS_ATTEMPTS):
            unless_moved = _registered_as(result.registration, conditions.version if conditions else None)
            registered: Check | Put = Check(_BACKUP, result.backup_id, unless_moved if is_registered else ~unless_moved)
            if conditions and conditions.left_as:
                registered = Put(_backup_row(conditions.left_as), unless_moved)
            status = self._status_after(result, final=final, late=late) if is_registered else []
            ended = [Delete(_APPROVAL, result.backup_id)] if ends_approval and is_registered else []
            try:
                self._table.transact(*written, registered, *as_read, *status, *ended)
            except ConditionsFailed as failed:
                if 0 in failed.rows:
                    raise lease_lost() from None
                if bound and 1 in failed.rows:
                    raise claim_lost(result.backup_id) from None
                for position, row in failed.rows.items():
                    if position < len(written):
                        read_row(BackupResult, row)  # raises: a newer version has written it
                if not final:
                    _raise_what_changed(result, failed, len(written))
                elif len(written) in failed.rows:
                    is_registered = not is_registered
                continue  # the status or the registration has changed since it was read
            return
        raise Failure(Reason.REGISTRY_UNAVAILABLE, f"the status of {result.backup_id} kept changing")

    def _status_after(self, result: BackupResult, *, final: bool, late: bool) -> list[Put]:
        """What to write as the backup's status.

        One that cannot be understood stays: the key of a snapshot or a pending
        proof of access may be in it. A result goes without it then; a push does not begin.
        """
        stored = self._table.get(_STATUS, result.backup_id)
        try:
            previous = read_row(BackupResult, stored) if stored else None
        except Failure:
            if not final:
                raise
            return []
        row = {**keys(_STATUS, result.backup_id), **to_row(merged_status(previous, result, late=late))}
        return [Put({**row, REVISION: number(stored, REVISION) + 1}, unchanged(stored, REVISION))]

    # Backups that wait in the queue

    # An open backup is one row. Whoever serves it writes a claim into it, with an
    # absolute end that lies after its own; whoever records its result removes the
    # row in the same transaction, on the condition that the claim is still its
    # own. So a message that is delivered twice, at once or after the death of who
    # had it, leads to one result, and the run is done when no row is left.

    def fan_out(self, run_id: str) -> FanOut | None:
        return self._single(FanOut, (_FAN_OUT, run_id))

    def begin_fan_out(self, fan_out: FanOut, backups: Iterable[Backup]) -> None:
        expiry = self._expiry(fan_out.ends_at)
        rows = [
            {
                **keys(f"OPEN#{fan_out.run_id}", backup.id),
                **to_row(OpenBackupRow(registration=backup.registration)),
                **expiry,
            }
            for backup in backups
        ]
        rows.append({**keys(_FAN_OUT, fan_out.run_id), **to_row(fan_out), **expiry})
        for some in batched(rows, TRANSACTION_LIMIT):
            self._table.transact(*map(Put, some))

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(f"OPEN#{run_id}"))

    def open_registration(self, run_id: str, backup_id: str) -> str | None:
        stored = self._single(OpenBackupRow, (f"OPEN#{run_id}", backup_id))
        return stored.registration if stored else None

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        registration = self.open_registration(run_id, backup_id)  # it does not change as long as the row is there
        if registration is None:
            return Claim.CLOSED
        claimed = OpenBackupRow(claim, until, registration)
        row = {**keys(f"OPEN#{run_id}", backup_id), **to_row(claimed), **self._expiry(until)}
        unclaimed = Attr("held_by").not_exists() & Attr("held_until").not_exists() & known_format(OpenBackupRow)
        free = Attr("pk").exists() & (unclaimed | Attr("held_by").eq(claim))
        in_the_way = self._take(row, free, OpenBackupRow, now)
        if in_the_way is None:
            return Claim.MINE
        return Claim.HELD if in_the_way else Claim.CLOSED

    def served_now(self) -> dict[str, ServedNow]:
        return {one.backup_id: one for one in readable(ServedNow, self._table.rows(_SERVED))}

    def begin_serving(self, served: ServedNow) -> None:
        self._table.transact(Put({**keys(_SERVED, served.backup_id), **to_row(served)}))

    def end_serving(self, backup_id: str, run_id: str) -> None:
        with suppress(ConditionsFailed):
            is_same = Attr("pk").not_exists() | Attr("run_id").eq(run_id)
            self._table.transact(Delete(_SERVED, backup_id, is_same))

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        return tuple(_results(run_id, self._table.rows(f"RESULT#{run_id}")))

    def result(self, backup_id: str, run_id: str) -> BackupResult | None:
        return self._single(BackupResult, (f"HISTORY#{backup_id}", run_id))

    def history(
        self, backup_id: str, *, limit: int, before: str | None = None, registration: str | None = None
    ) -> tuple[BackupResult, ...]:
        rows = self._table.rows(f"HISTORY#{backup_id}", newest_first=True, before=before, page=limit)
        results = readable(BackupResult, rows)
        return tuple(islice((one for one in results if registration in (None, one.registration)), limit))

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:
        rows = self._table.rows(f"HISTORY#{backup_id}", newest_first=True)
        newest = takewhile(lambda row: row["sk"] >= since, rows)
        return tuple(run_id for run_id, _ in unreadable_rows(BackupResult, newest))

    def status(self, backup_id: str) -> BackupResult | None:
        return self._single(BackupResult, (_STATUS, backup_id))

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        if backup_ids is None:
            rows = self._table.rows(_STATUS)
        else:
            rows = (row for backup_id in backup_ids if (row := self._table.get(_STATUS, backup_id)))
        return {result.backup_id: result for result in readable(BackupResult, rows)}

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        return tuple(unreadable_rows(BackupResult, self._table.rows(_STATUS)))

    def approve(
        self,
        approval: Approval,
        *,
        expected_version: int | None = None,
        seconds: Approval | None = None,
        last: BackupResult | None = None,
    ) -> None:
        as_seen = _registered_as(approval.registration, expected_version)
        row = {**keys(_APPROVAL, approval.backup_id), **to_row(approval)}
        try:
            self._table.transact(
                Check(_BACKUP, approval.backup_id, as_seen),
                Put(row, _is_this(seconds) if seconds else None),
                *([Check(_STATUS, approval.backup_id, Attr("run_id").eq(last.run_id))] if last else []),
            )
        except ConditionsFailed as failed:
            if 0 not in failed.rows:
                raise VersionConflict from None
            if failed.rows[0] and _registration_in(failed.rows[0]) == approval.registration:
                raise VersionConflict from None
            raise registration_gone(approval.backup_id) from None

    def approval(self, backup_id: str) -> Approval | None:
        return self._single(Approval, (_APPROVAL, backup_id))

    def withdraw_approval(self, approval: Approval) -> None:
        with suppress(ConditionsFailed):  # another one has taken its place, or it is gone
            self._table.transact(_ending(approval))

    def log_in(self, secret_id: str) -> LogIn | None:
        return self._single(LogIn, (_LOG_IN, secret_id))

    def record_log_in(self, log_in: LogIn) -> bool:
        is_for_another = Attr("version").eq(log_in.version) & Attr("destination").ne(log_in.destination)
        return self._made(Put({**keys(_LOG_IN, log_in.secret_id), **to_row(log_in)}, ~is_for_another))

    def baseline(self) -> PrimaryBaseline | None:
        return self._single(PrimaryBaseline, _BASELINE)

    def save_baseline(self, baseline: PrimaryBaseline, *, lease_owner: str) -> None:
        self._put_under(lease_owner, {**keys(*_BASELINE), **to_row(baseline)})

    def acceptance(self) -> PrimaryAcceptance | None:
        return self._single(PrimaryAcceptance, _ACCEPTANCE)

    def save_acceptance(self, acceptance: PrimaryAcceptance, *, lease_owner: str) -> None:
        self._put_under(lease_owner, {**keys(*_ACCEPTANCE), **to_row(acceptance)})

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        return self._newest(KeptState, _STATE, limit, before)

    def newest_state(self) -> KeptState | None:
        row = next(self._table.rows(_STATE, newest_first=True, page=1), None)
        return None if row is None else read_row(KeptState, row)

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        expiry = {"expires_at": int(state.kept_until.timestamp())}
        self._put_under(lease_owner, {**keys(_STATE, state.first_run_id), **to_row(state), **expiry})

    # How it is done

    def _put_under(self, lease_owner: str, row: Row) -> None:
        """Write what is remembered of the primary. Raises Failure(LEASE_LOST)."""
        if not self._made(Check(*_LEASE, Attr("held_by").eq(lease_owner)), Put(row)):
            raise lease_lost()

    def _made(self, *writes: Put | Delete | Check) -> bool:
        """Whether the writes were made; False when a condition was not met."""
        try:
            self._table.transact(*writes)
        except ConditionsFailed:
            return False
        return True

    def _marker(self, run: Run) -> Row:
        return {**keys(_UNFINISHED, run.id), **to_row(UnfinishedRow()), **self._expiry(run.started_at)}

    def _run_row(self, run: Run) -> Row:
        run = capped_run(run)
        return {**keys(_RUN, run.id), **to_row(run), **self._expiry(run.started_at)}

    def _take(
        self,
        row: Row,
        free: ConditionBase,
        model: type[LeaseRow] | type[OpenBackupRow] | type[ReadingRow],
        now: datetime,
    ) -> Row | None:
        """Write a row that holds something if it is free, or if the time of its holder is over.

        Otherwise what stands in the way, empty when nothing is stored. What
        cannot be understood is not free: it raises Failure(RECORD_UNREADABLE).
        """
        try:
            self._table.transact(Put(row, free))
        except ConditionsFailed as failed:
            stored = failed.rows[0]
        else:
            return None
        if not stored:
            return stored
        holder = read_row(model, stored)
        if holder.held_until is None or holder.held_until > now:
            return stored
        try:
            self._table.transact(Put(row, unchanged(stored, "held_by") & unchanged(stored, "held_until")))
        except ConditionsFailed as failed:
            return failed.rows[0]
        return None

    def _registered_anew(self, backup: Backup) -> Backup:
        return replace(backup, version=1, registration=self._runtime.new_id())

    def _single[Model: Stored](self, model: type[Model], key: tuple[str, str]) -> Model | None:
        row = self._table.get(*key)
        return None if row is None else read_row(model, row)

    def _registered(self, backup_id: str) -> Row:
        row = self._table.get(_BACKUP, backup_id)
        if row is None:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        return row

    def _releases(self, backup_id: str, *, but: str = "") -> list[Delete]:
        """The removal of every address that the backup owns, except ``but``, unless a newer version wrote the row.

        By the address rows, because the backup's own may be unreadable. Read
        after it they are up to date whenever its version still is.
        """
        owned = (row["sk"] for row in self._table.rows(_ADDRESS) if row.get("backup_id") == backup_id)
        return [Delete(_ADDRESS, address, known_format(AddressRow)) for address in owned if address != but]

    def _newest[Model: Stored](self, model: type[Model], pk: str, limit: int, before: str | None) -> tuple[Model, ...]:
        rows = self._table.rows(pk, newest_first=True, before=before, page=limit)
        return tuple(islice(readable(model, rows), limit))

    def _expiry(self, time: datetime) -> Row:
        return {"expires_at": int((time + self._kept).timestamp())}


def _free(now: datetime | None) -> ConditionBase:
    """That nobody holds the lease at ``now``; None is not known: then no lease may be there."""
    none_is_there = Attr("pk").not_exists()
    if now is None:
        return none_is_there
    return none_is_there | (known_format(LeaseRow) & Attr("held_until").lte(time_text(now)))


def _lease_in_the_way(row: Row) -> Failure:
    held = read_row(LeaseRow, row)
    return lease_held(Lease(held.held_by, held.held_until))


def _claimed(run_id: str, backup_id: str, claim: str) -> Check:
    return Check(f"OPEN#{run_id}", backup_id, Attr("held_by").eq(claim))


def _closing(run_id: str, backup_id: str, claim: str) -> Delete:
    return Delete(f"OPEN#{run_id}", backup_id, Attr("held_by").eq(claim))


def _unchanged(registered: Row) -> ConditionBase:
    """That a registration is the one that was read: another one with the same id has versions of its own."""
    return unchanged(registered, "version") & unchanged(registered, "registration")


def _registered_as(registration: str, version: int | None = None) -> ConditionBase:
    """That a backup is registered so. Before registrations could be told apart, rows had no such attribute."""
    named = Attr("registration").eq(registration)
    same = named if registration else Attr("pk").exists() & (named | Attr("registration").not_exists())
    return same if version is None else same & _counts("version", version)


def _as_read(result: BackupResult, conditions: PushConditions) -> list[Check | Delete]:
    """That primary, approval and settings are those that a run has read; its first write ends the approval."""
    approval = conditions.approval
    none_given = Check(_APPROVAL, result.backup_id, Attr("pk").not_exists())
    return [
        Check(*_PRIMARY, _term_is(result.term)),
        _ending(approval) if approval else none_given,
        Check(*_SETTINGS, _counts("version", conditions.settings_version)),
    ]


def _ending(approval: Approval) -> Delete:
    return Delete(_APPROVAL, approval.backup_id, _is_this(approval))


def _raise_what_changed(result: BackupResult, failed: ConditionsFailed, position: int) -> None:
    """Raise Failure for what is not as it was read; ``position`` is that of the check of the registration."""
    registered = failed.rows.get(position)
    if registered is not None:
        is_same = bool(registered) and _registration_in(registered) == result.registration
        raise (registration_changed if is_same else registration_gone)(result.backup_id) from None
    if position + 1 in failed.rows:
        raise primary_replaced() from None
    if position + 2 in failed.rows:
        raise approval_changed(result.backup_id) from None
    if position + 3 in failed.rows:
        raise settings_changed() from None


def _term_is(term: int) -> ConditionBase:
    """That the registered primary is of this term. None is registered as long as the stack's is in use."""
    return Attr("pk").not_exists() | _counts("term", term)


def _counts(attribute: str, number: int) -> ConditionBase:
    """That a counter of a row that is there has this value. An older format may lack it: that is 0."""
    return Attr(attribute).eq(number) | Attr(attribute).not_exists() if number == 0 else Attr(attribute).eq(number)


def _registration_in(backup_row: Row) -> str:
    """The registration of a row that may be unreadable."""
    return str(backup_row.get("registration", ""))


def _is_at(row: Row, server: Backup | Primary) -> bool:
    """Whether a registration, which may be unreadable, has the host and port of ``server``."""
    host = row.get("host")
    return isinstance(host, str) and address_key(host, number(row, "port")) == address_key(server.host, server.port)


def _backup_row(backup: Backup) -> Row:
    return {**keys(_BACKUP, backup.id), **to_row(backup)}


def _address_row(backup: Backup) -> Row:
    return {**keys(_ADDRESS, address_key(backup.host, backup.port)), **to_row(AddressRow(backup.id))}


def _next_version(stored: Row | None, expected_version: int | None) -> int:
    version = number(stored, "version")
    if expected_version not in (None, version):
        raise VersionConflict
    return version + 1


def _owner_in_the_way(failed: ConditionsFailed) -> str:
    """Who owns an address that a transaction needed. Raises Failure(RECORD_UNREADABLE) for a row of a newer version."""
    owners = [read_row(AddressRow, row).backup_id for row in failed.rows.values() if row.get("pk") == _ADDRESS]
    return owners[0] if owners else ""


def _is_this(approval: Approval) -> ConditionBase:
    """The condition that this approval is the one that is stored."""
    row = to_row(approval)
    return Attr("plan_hash").eq(row["plan_hash"]) & Attr("at").eq(row["at"])


def _is_misplaced(row: Row) -> bool:
    return bool(row.get("id") != row["sk"])


def _results(run_id: str, rows: Iterable[Row]) -> Iterator[BackupResult]:
    """The results of a run. One that cannot be understood is a failure: a run without it would look better."""
    for row in rows:
        try:
            yield read_row(BackupResult, row)
        except Failure as failure:
            yield BackupResult(row["sk"], run_id, _FAILED, requested_at(run_id), failure.reason, failure.message)
