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
BASELINE                PRIMARY                    PrimaryBaseline
STATE                   first run's id             KeptState
RUN                     run's id                   Run
UNFINISHED              run's id                   that this run has begun and is not finished
FANOUT                  run's id                   FanOut
OPEN# + run's id        backup's id                that it waits in the queue; who serves it, and until when
RESULT# + run's id      backup's id                BackupResult
HISTORY# + backup's id  run's id                   BackupResult
AUDIT# + year-month     time # request's id        AuditRecord, see ``registry.audit``
======================  =========================  ==============================================

RUN, RESULT#, HISTORY#, STATE and AUDIT# rows, and those of a run under way, have
``expires_at``, the table's TTL attribute, in seconds since 1970. DynamoDB
removes rows some time after it; nothing else depends on it, the lease least of
all.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import batched, islice
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.models import (
    Approval,
    Backup,
    BackupResult,
    Claim,
    FanOut,
    KeptState,
    Lease,
    Primary,
    PrimaryBaseline,
    Run,
    SyncSettings,
)
from registry.serialization import Row, UnreadableRow, from_row, time_text, to_row
from registry.store import AlreadyRegistered, VersionConflict
from registry.store_rules import (
    Promotion,
    address_key,
    capped_result,
    capped_run,
    claim_lost,
    lease_held,
    merged_status,
)
from registry.table import TRANSACTION_LIMIT, Check, ConditionsFailed, Delete, Put, Table, unchanged

if TYPE_CHECKING:  # stubs are not in the Lambda package
    from _typeshed import DataclassInstance
    from mypy_boto3_dynamodb import DynamoDBClient

_LOGGER = logging.getLogger(__name__)

_PRIMARY = ("PRIMARY", "SERVER")
_SETTINGS = ("SETTINGS", "SYNC")
_LEASE = ("LEASE", "LEASE")
_BASELINE = ("BASELINE", "PRIMARY")
_BACKUP = "BACKUP"
_ADDRESS = "ADDRESS"
_STATUS = "STATUS"
_APPROVAL = "APPROVAL"
_RUN = "RUN"
_UNFINISHED = "UNFINISHED"
_FAN_OUT = "FANOUT"
_STATE = "STATE"
_STATUS_ATTEMPTS = 3


class DynamoStore:
    """``registry.store.Store`` on a DynamoDB table. May be shared by threads.

    Runs, their results and histories are kept for ``history_days`` days.
    """

    def __init__(self, table_name: str, client: "DynamoDBClient", runtime: Runtime, history_days: int = 90) -> None:
        self._table = Table(table_name, client, runtime)
        self._kept = timedelta(days=history_days)

    # Primary and settings

    def primary(self) -> Primary | None:
        return self._single(Primary, _PRIMARY)

    def save_primary(self, primary: Primary, *, expected_version: int | None = None) -> Primary:
        return self._save(primary, _PRIMARY, expected_version)

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        old, backup, former = promotion.old, promotion.backup, promotion.former
        as_seen = Attr("version").eq(old.version) if old.version else Attr("pk").not_exists()
        try:
            self._table.transact(
                Check(*_LEASE, _free(now)),
                Put({**_keys(*_PRIMARY), **to_row(promotion.primary)}, as_seen),
                Delete(_BACKUP, backup.id, Attr("version").eq(backup.version)),
                Put(_backup_row(former), Attr("pk").not_exists()),
                Put(_address_row(former), Attr("pk").not_exists()),
                *(Delete(_ADDRESS, held) for held in self._addresses(backup.id)),
                Delete(_STATUS, backup.id),
                Delete(_STATUS, former.id),
            )
        except ConditionsFailed as failed:
            if 0 in failed.found:
                raise lease_held(failed.found[0]["held_until"]) from None
            if failed.found.keys() & {1, 2}:
                raise VersionConflict from None
            raise AlreadyRegistered(former.id if 3 in failed.found else failed.found[4]["backup_id"]) from None

    def settings(self) -> SyncSettings:
        return self._single(SyncSettings, _SETTINGS) or SyncSettings()

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings:
        return self._save(settings, _SETTINGS, expected_version)

    # Backups

    def backups(self) -> tuple[Backup, ...]:
        return tuple(found for _, found in self._registrations() if isinstance(found, Backup))

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (backup_id, str(found)) for backup_id, found in self._registrations() if isinstance(found, UnreadableRow)
        )

    def backup(self, backup_id: str) -> Backup | None:
        return self._single(Backup, (_BACKUP, backup_id))

    def add_backup(self, backup: Backup) -> Backup:
        added = replace(backup, version=1)
        try:
            self._table.transact(
                Put(_backup_row(added), Attr("pk").not_exists()),
                Put(_address_row(added), Attr("pk").not_exists()),
                Delete(_STATUS, added.id),  # a late result of a former registration is not this one's
            )
        except ConditionsFailed as failed:
            raise AlreadyRegistered(added.id if 0 in failed.found else failed.found[1]["backup_id"]) from None
        return added

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        found = self._registered(backup.id)
        updated = replace(backup, version=_next_version(found, expected_version))
        address = _address_row(updated)
        try:
            self._table.transact(
                Put(_backup_row(updated), unchanged(found, "version")),
                Put(address, Attr("pk").not_exists() | Attr("backup_id").eq(updated.id)),
                *(Delete(_ADDRESS, held) for held in self._addresses(updated.id) if held != address["sk"]),
            )
        except ConditionsFailed as failed:
            if 0 in failed.found:
                raise VersionConflict from None
            raise AlreadyRegistered(failed.found[1]["backup_id"]) from None
        return updated

    def delete_backup(self, backup_id: str, *, expected_version: int | None = None) -> str:
        found = self._registered(backup_id)
        _next_version(found, expected_version)
        try:
            self._table.transact(
                Delete(_BACKUP, backup_id, unchanged(found, "version")),
                *(Delete(_ADDRESS, held) for held in self._addresses(backup_id)),
                Delete(_STATUS, backup_id),
            )
        except ConditionsFailed:
            raise VersionConflict from None
        secret = found.get("secret")
        return secret if isinstance(secret, str) and secret else backup_id

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
    # Free, expired and mine are told apart in the write's own condition, by the
    # absolute end in the row. There is no heartbeat and no waiting to see one, and
    # DynamoDB's TTL plays no part. Clocks of two holders may differ by less than
    # the margin that the caller adds to the longest run.

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        mine = Attr("held_by").eq(owner)
        row = {**_keys(*_LEASE), "held_by": owner, "held_until": time_text(expires_at)}
        try:
            self._table.transact(Put(row, _free(now) | mine))
        except ConditionsFailed:
            return None
        return Lease(owner, expires_at)

    def release_lease(self, owner: str) -> bool:
        try:
            self._table.transact(Delete(*_LEASE, Attr("held_by").eq(owner)))
        except ConditionsFailed:
            return False
        return True

    def lease(self) -> Lease | None:
        row = self._table.get(*_LEASE)
        if row is None:
            return None
        return _read(Lease, {"owner": row.get("held_by"), "expires_at": row.get("held_until")}, _LEASE)

    # Runs and results

    def save_run(self, run: Run) -> None:
        self._table.put(self._run_row(run))

    def begin_run(self, run: Run) -> None:
        marker = {**_keys(_UNFINISHED, run.id), **self._expiry(run.started_at)}
        self._table.transact(Put(self._run_row(run)), Put(marker))

    def finish_run(self, run: Run) -> bool:
        unfinished = Attr("finished_at").not_exists()
        try:
            self._table.transact(Put(self._run_row(run), unfinished), Delete(_UNFINISHED, run.id))
        except ConditionsFailed:
            return False
        return True

    def unfinished_runs(self) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(_UNFINISHED))

    def run(self, run_id: str) -> Run | None:
        return self._single(Run, (_RUN, run_id))

    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        return self._newest(Run, _RUN, limit, before)

    def record_result(
        self, result: BackupResult, *, lease_owner: str, final: bool = True, claim: str | None = None
    ) -> None:
        result = capped_result(result)
        close = _closing if final else _claimed
        bound = [] if claim is None else [close(result.run_id, result.backup_id, claim)]
        kept = {**to_row(result), **self._expiry(result.attempted_at)}
        for _ in range(_STATUS_ATTEMPTS):
            found = self._table.get(_STATUS, result.backup_id)
            known = next(_readable(BackupResult, [found] if found else []), None)
            status = merged_status(known, result)
            try:
                self._table.transact(
                    Check(*_LEASE, Attr("held_by").eq(lease_owner)),
                    *bound,
                    *([Put({**_keys(f"RESULT#{result.run_id}", result.backup_id), **kept})] if final else []),
                    Put({**_keys(f"HISTORY#{result.backup_id}", result.run_id), **kept}),
                    Put(
                        {
                            **_keys(_STATUS, result.backup_id),
                            **to_row(status),
                            "revision": _number(found, "revision") + 1,
                        },
                        unchanged(found, "revision"),
                    ),
                )
            except ConditionsFailed as failed:
                if 0 in failed.found:
                    raise Failure(Reason.LEASE_LOST, "another run has taken over; this result was not stored") from None
                if bound and 1 in failed.found:
                    raise claim_lost(result.backup_id) from None
                continue  # the status has changed since it was read
            return
        raise Failure(Reason.REGISTRY_UNAVAILABLE, f"the status of {result.backup_id} kept changing")

    # Backups that wait in the queue

    # An open backup is one row. Whoever serves it writes a claim into it, with an
    # absolute end that lies after its own; whoever records its result removes the
    # row in the same transaction, on the condition that the claim is still its
    # own. So a message that is delivered twice, at once or after the death of who
    # had it, leads to one result, and the run is done when no row is left.

    def fan_out(self, run_id: str) -> FanOut | None:
        return self._single(FanOut, (_FAN_OUT, run_id))

    def begin_fan_out(self, fan_out: FanOut, backup_ids: Iterable[str]) -> None:
        expiry = self._expiry(fan_out.ends_at)
        rows = [{**_keys(f"OPEN#{fan_out.run_id}", backup_id), **expiry} for backup_id in backup_ids]
        rows.append({**_keys(_FAN_OUT, fan_out.run_id), **to_row(fan_out), **expiry})
        for some in batched(rows, TRANSACTION_LIMIT):
            self._table.transact(*map(Put, some))

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        return tuple(row["sk"] for row in self._table.rows(f"OPEN#{run_id}"))

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        free = Attr("held_until").not_exists() | Attr("held_until").lte(time_text(now)) | Attr("held_by").eq(claim)
        row = {**_keys(f"OPEN#{run_id}", backup_id), "held_by": claim, "held_until": time_text(until)}
        try:
            self._table.transact(Put({**row, **self._expiry(until)}, Attr("pk").exists() & free))
        except ConditionsFailed as failed:
            return Claim.HELD if failed.found[0] else Claim.CLOSED
        return Claim.MINE

    def leave_out(self, run_id: str, backup_id: str, claim: str) -> None:
        try:
            self._table.transact(_closing(run_id, backup_id, claim))
        except ConditionsFailed:
            raise claim_lost(backup_id) from None

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        return tuple(_readable(BackupResult, self._table.rows(f"RESULT#{run_id}")))

    def history(self, backup_id: str, *, limit: int, before: str | None = None) -> tuple[BackupResult, ...]:
        return self._newest(BackupResult, f"HISTORY#{backup_id}", limit, before)

    def status(self, backup_id: str) -> BackupResult | None:
        return self._single(BackupResult, (_STATUS, backup_id))

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        if backup_ids is None:
            rows = self._table.rows(_STATUS)
        else:
            rows = (row for backup_id in backup_ids if (row := self._table.get(_STATUS, backup_id)))
        return {result.backup_id: result for result in _readable(BackupResult, rows)}

    def approve(self, approval: Approval) -> None:
        self._table.put({**_keys(_APPROVAL, approval.backup_id), **to_row(approval)})

    def approval(self, backup_id: str) -> Approval | None:
        return self._single(Approval, (_APPROVAL, backup_id))

    def baseline(self) -> PrimaryBaseline | None:
        return self._single(PrimaryBaseline, _BASELINE)

    def save_baseline(self, baseline: PrimaryBaseline) -> None:
        self._table.put({**_keys(*_BASELINE), **to_row(baseline)})

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        return self._newest(KeptState, _STATE, limit, before)

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        expiry = {"expires_at": int(state.kept_until.timestamp())}
        try:
            self._table.transact(
                Check(*_LEASE, Attr("held_by").eq(lease_owner)),
                Put({**_keys(_STATE, state.first_run_id), **to_row(state), **expiry}),
            )
        except ConditionsFailed:
            raise Failure(Reason.LEASE_LOST, "another run has taken over; this state was not stored") from None

    # How it is done

    def _run_row(self, run: Run) -> Row:
        run = capped_run(run)
        return {**_keys(_RUN, run.id), **to_row(run), **self._expiry(run.started_at)}

    def _single[Model: "DataclassInstance"](self, model: type[Model], keys: tuple[str, str]) -> Model | None:
        row = self._table.get(*keys)
        return None if row is None else _read(model, row, keys)

    def _save[Versioned: (Primary, SyncSettings)](
        self, record: Versioned, keys: tuple[str, str], expected_version: int | None
    ) -> Versioned:
        found = self._table.get(*keys)
        saved = replace(record, version=_next_version(found, expected_version))
        try:
            self._table.transact(Put({**_keys(*keys), **to_row(saved)}, unchanged(found, "version")))
        except ConditionsFailed:
            raise VersionConflict from None
        return saved

    def _registrations(self) -> Iterator[tuple[str, Backup | UnreadableRow]]:
        for row in self._table.rows(_BACKUP):
            try:
                backup = from_row(Backup, row)
                if backup.id != row["sk"]:
                    raise UnreadableRow("id: Input should be the row's sort key")  # noqa: TRY301 # one way to report
            except UnreadableRow as unreadable:
                yield row["sk"], unreadable
            else:
                yield row["sk"], backup

    def _registered(self, backup_id: str) -> Row:
        row = self._table.get(_BACKUP, backup_id)
        if row is None:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        return row

    def _addresses(self, backup_id: str) -> list[str]:
        """What the address rows say the backup holds, because its own row may be unreadable.

        Read after the backup's row they are up to date whenever that row's version still is.
        """
        return [row["sk"] for row in self._table.rows(_ADDRESS) if row["backup_id"] == backup_id]

    def _newest[Model: "DataclassInstance"](
        self, model: type[Model], pk: str, limit: int, before: str | None
    ) -> tuple[Model, ...]:
        rows = self._table.rows(pk, newest_first=True, before=before, page=limit)
        return tuple(islice(_readable(model, rows), limit))

    def _expiry(self, time: datetime) -> Row:
        return {"expires_at": int((time + self._kept).timestamp())}


def _free(now: datetime) -> ConditionBase:
    """That nobody holds the lease at ``now``."""
    return Attr("held_until").not_exists() | Attr("held_until").lte(time_text(now))


def _keys(pk: str, sk: str) -> Row:
    return {"pk": pk, "sk": sk}


def _claimed(run_id: str, backup_id: str, claim: str) -> Check:
    return Check(f"OPEN#{run_id}", backup_id, Attr("held_by").eq(claim))


def _closing(run_id: str, backup_id: str, claim: str) -> Delete:
    return Delete(f"OPEN#{run_id}", backup_id, Attr("held_by").eq(claim))


def _backup_row(backup: Backup) -> Row:
    return {**_keys(_BACKUP, backup.id), **to_row(backup)}


def _address_row(backup: Backup) -> Row:
    return {**_keys(_ADDRESS, address_key(backup.host, backup.port)), "backup_id": backup.id}


def _next_version(found: Row | None, expected_version: int | None) -> int:
    version = _number(found, "version")
    if expected_version not in (None, version):
        raise VersionConflict
    return version + 1


def _number(row: Row | None, attribute: str) -> int:
    value = (row or {}).get(attribute)
    return int(value) if isinstance(value, Decimal) else 0


def _read[Model: "DataclassInstance"](model: type[Model], row: Row, keys: tuple[str, str]) -> Model:
    try:
        return from_row(model, row)
    except UnreadableRow as unreadable:
        raise Failure(
            Reason.RECORD_UNREADABLE, f"the stored row {keys[0]} / {keys[1]} cannot be understood: {unreadable}"
        ) from None


def _readable[Model: "DataclassInstance"](model: type[Model], rows: Iterable[Row]) -> Iterator[Model]:
    """The records of all rows that can be understood; the others are logged, for one must not hide the rest."""
    for row in rows:
        try:
            yield from_row(model, row)
        except UnreadableRow as unreadable:
            _LOGGER.warning("the stored row %s / %s cannot be understood: %s", row["pk"], row["sk"], unreadable)
