"""Rows that a process holds until a certain time: the lease, open backups in the queue, and servers that are being
read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure
from registry.run_records import Lease
from registry.serialization import Row, time_text
from registry.store_rules import lease_held
from registry.table import ConditionsFailed, Put, Table, known_format, read_row, unchanged

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
# The first write succeeds only if the lease is free or already the caller's own. If that write fails, the stored row
# has the absolute end of the lease. After that end the row is overwritten, on the condition that it is still the same
# row. Nobody renews a lease or waits for its renewal, and DynamoDB's TTL plays no part. The clocks of two holders may
# differ by less than the margin that the caller adds to the longest run.

# Each open backup is one row. A worker that processes it writes a claim into the
# row; the claim ends at a fixed time, after the worker itself has ended. The
# transaction that records the result removes the row, on the condition that the
# claim is still the worker's own. So a message that is delivered twice leads to
# one result, even if a worker died. The run is finished when no row is left.


@dataclass(frozen=True)
class LeaseRow:
    """The row of the lease, which is the right to run. The lease's end is not called ``expires_at``, because DynamoDB
    would remove the row at that time.
    """

    FORMAT: ClassVar[int] = 1

    held_by: str
    held_until: datetime


@dataclass(frozen=True)
class ReadingRow:
    """The row of a server that a request of the management API is reading, with the time at which reading ends."""

    FORMAT: ClassVar[int] = 1

    held_by: str
    held_until: datetime


@dataclass(frozen=True)
class OpenBackupRow:
    """A backup that waits in the queue, with its registration at the time of queueing.

    ``held_by`` and ``held_until`` are the claim of the worker that processes it, both None without a claim.
    """

    FORMAT: ClassVar[int] = 2

    held_by: str | None = None
    held_until: datetime | None = None
    registration: str = ""


def take(
    table: Table,
    row: Row,
    free: ConditionBase,
    model: type[LeaseRow | OpenBackupRow | ReadingRow],
    now: datetime,
) -> Row | None:
    """Write a row that makes its writer the holder of something, if ``free`` is true or the previous holder's time is
    over.

    Returns None on success, otherwise the row in the way, empty if no row is stored. An unreadable row is not free: it
    raises Failure(RECORD_UNREADABLE).
    """
    try:
        table.transact(Put(row, free))
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
        table.transact(Put(row, unchanged(stored, "held_by") & unchanged(stored, "held_until")))
    except ConditionsFailed as failed:
        return failed.rows[0]
    return None


def nobody_holds_lease(now: datetime | None) -> ConditionBase:
    """The condition for changes of registrations, that no run holds the lease at ``now``; with None, that no lease
    exists.

    A run takes the lease by another condition: see ``registry.dynamo.DynamoStore.acquire_lease``.
    """
    none_is_there = Attr("pk").not_exists()
    if now is None:
        return none_is_there
    return none_is_there | (known_format(LeaseRow) & Attr("held_until").lte(time_text(now)))


def lease_in_the_way(row: Row) -> Failure:
    """The failure to raise if the lease's row is not free. Raises Failure(RECORD_UNREADABLE)."""
    held = read_row(LeaseRow, row)
    return lease_held(Lease(held.held_by, held.held_until))
