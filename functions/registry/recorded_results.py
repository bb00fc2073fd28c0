"""Stores the result of a backup in its run, in its history and as its status, in one transaction."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from boto3.dynamodb.conditions import Attr

from common.errors import Failure, Reason
from registry.registrations import backup_row, ending, registered_as, registration_in
from registry.run_records import BackupResult, requested_at
from registry.serialization import Row, to_row
from registry.store_rules import (
    PushConditions,
    approval_changed,
    capped_result,
    claim_lost,
    lease_lost,
    merged_status,
    primary_replaced,
    registration_changed,
    registration_gone,
    settings_changed,
)
from registry.table import (
    APPROVAL,
    BACKUP,
    LEASE,
    PRIMARY,
    REVISION,
    SETTINGS,
    STATUS,
    Check,
    ConditionsFailed,
    Delete,
    Put,
    Table,
    counts,
    expiry,
    keys,
    known_format,
    number,
    read_row,
    unchanged,
)

_STATUS_ATTEMPTS = 4
_FAILED = "failed"
"""The status of an unreadable result."""
_MAY_REPLACE = known_format(BackupResult)
"""The condition for replacing a stored result: it is not from a newer version of the product. Otherwise the reference
to a snapshot in that result would be lost.
"""


class ResultRecorder:
    """Stores results, which expire after ``kept``."""

    def __init__(self, table: Table, kept: timedelta) -> None:
        self._table = table
        self._kept = kept

    def record(
        self,
        result: BackupResult,
        conditions: PushConditions | None,
        lease_owner: str,
        claim: str | None,
        *,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        """Store a result; with ``conditions`` it is the interim result before the first write.

        See ``registry.store.Store.record_result`` and ``begin_push``.
        """
        result = capped_result(result)
        final = conditions is None
        close = Delete if final else Check
        bound = [] if claim is None else [close(f"OPEN#{result.run_id}", result.backup_id, Attr("held_by").eq(claim))]
        record = {**to_row(result), **expiry(result.attempted_at + self._kept)}
        kept = [
            Put({**keys(f"RESULT#{result.run_id}", result.backup_id), **record}, _MAY_REPLACE),
            Put({**keys(f"HISTORY#{result.backup_id}", result.run_id), **record}, _MAY_REPLACE),
        ]
        written = [Check(*LEASE, Attr("held_by").eq(lease_owner)), *bound, *kept]
        as_read = [] if conditions is None else _as_read(result, conditions)
        is_registered = True
        for _ in range(_STATUS_ATTEMPTS):
            unless_moved = registered_as(result.registration, conditions.version if conditions else None)
            registered: Check | Put = Check(BACKUP, result.backup_id, unless_moved if is_registered else ~unless_moved)
            if conditions and conditions.left_as:
                registered = Put(backup_row(conditions.left_as), unless_moved)
            status = self._status_after(result, final=final, late=late) if is_registered else []
            ended = [Delete(APPROVAL, result.backup_id)] if ends_approval and is_registered else []
            try:
                self._table.transact(*written, registered, *as_read, *status, *ended)
            except ConditionsFailed as failed:
                if 0 in failed.rows:
                    raise lease_lost() from None
                if bound and 1 in failed.rows:
                    raise claim_lost(result.backup_id) from None
                for position, row in failed.rows.items():
                    if position < len(written):
                        read_row(BackupResult, row)  # raises, because a newer version wrote this row
                if not final:
                    _raise_what_changed(result, failed, len(written))
                elif len(written) in failed.rows:
                    is_registered = not is_registered
                continue  # the status or the registration has changed, so try again
            return
        raise Failure(Reason.REGISTRY_UNAVAILABLE, f"the status of {result.backup_id} kept changing")

    def _status_after(self, result: BackupResult, *, final: bool, late: bool) -> list[Put]:
        """The writes that update the backup's status.

        An unreadable status is kept, because it may contain the key of a snapshot or a pending proof of access. A final
        result is then stored without changing the status; an interim result raises Failure, so the push does not begin.
        """
        stored = self._table.get(STATUS, result.backup_id)
        try:
            previous = read_row(BackupResult, stored) if stored else None
        except Failure:
            if not final:
                raise
            return []
        row = {**keys(STATUS, result.backup_id), **to_row(merged_status(previous, result, late=late))}
        return [Put({**row, REVISION: number(stored, REVISION) + 1}, unchanged(stored, REVISION))]


def results_of(run_id: str, rows: Iterable[Row]) -> Iterator[BackupResult]:
    """The results of a run. An unreadable result is returned as failed. If it were omitted, the run would look better
    than it was.
    """
    for row in rows:
        try:
            yield read_row(BackupResult, row)
        except Failure as failure:
            yield BackupResult(row["sk"], run_id, _FAILED, requested_at(run_id), failure.reason, failure.message)


def _as_read(result: BackupResult, conditions: PushConditions) -> list[Check | Delete]:
    """The conditions that primary, approval and settings are unchanged since the run read them; the first write ends
    the approval.
    """
    # The row is absent as long as the primary of the stack's parameters is used.
    is_term = Attr("pk").not_exists() | counts("term", result.term)
    none_given = Check(APPROVAL, result.backup_id, Attr("pk").not_exists())
    return [
        Check(*PRIMARY, is_term),
        ending(conditions.approval) if conditions.approval else none_given,
        Check(*SETTINGS, counts("version", conditions.settings_version)),
    ]


def _raise_what_changed(result: BackupResult, failed: ConditionsFailed, position: int) -> None:
    """Raise Failure for the condition that failed; ``position`` is the index of the registration's check."""
    registered = failed.rows.get(position)
    if registered is not None:
        is_same = bool(registered) and registration_in(registered) == result.registration
        raise (registration_changed if is_same else registration_gone)(result.backup_id) from None
    if position + 1 in failed.rows:
        raise primary_replaced() from None
    if position + 2 in failed.rows:
        raise approval_changed(result.backup_id) from None
    if position + 3 in failed.rows:
        raise settings_changed() from None
