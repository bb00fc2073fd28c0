"""Rows that somebody holds until a time: the lease, backups that wait in the queue, servers that are read."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure
from registry.rows import known_format, read_row
from registry.run_records import Lease
from registry.serialization import Row, time_text
from registry.store_rules import lease_held
from registry.table import ConditionsFailed, Put, Table, unchanged

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

# An open backup is one row. Whoever serves it writes a claim into it, with an
# absolute end that lies after its own; whoever records its result removes the
# row in the same transaction, on the condition that the claim is still its
# own. So a message that is delivered twice, at once or after the death of who
# had it, leads to one result, and the run is done when no row is left.


@dataclass(frozen=True)
class LeaseRow:
    """The right to run. The table's own ``expires_at`` would remove it, so its end has another name."""

    FORMAT: ClassVar[int] = 1

    held_by: str
    held_until: datetime


@dataclass(frozen=True)
class ReadingRow:
    """Who reads a server for an answer of the management API, and until when at the latest."""

    FORMAT: ClassVar[int] = 1

    held_by: str
    held_until: datetime


@dataclass(frozen=True)
class OpenBackupRow:
    """A backup that waits in the queue, as it was registered when it was queued.

    Who serves it, and until when; nobody: both are None.
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
    """Write a row that holds something if it is free, or if the time of its holder is over.

    Otherwise what stands in the way, empty when nothing is stored. What
    cannot be understood is not free: it raises Failure(RECORD_UNREADABLE).
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


def lease_is_free(now: datetime | None) -> ConditionBase:
    """That nobody holds the lease at ``now``; None is not known: then no lease may be there."""
    none_is_there = Attr("pk").not_exists()
    if now is None:
        return none_is_there
    return none_is_there | (known_format(LeaseRow) & Attr("held_until").lte(time_text(now)))


def lease_in_the_way(row: Row) -> Failure:
    """What to raise when the lease's row is not free. Raises Failure(RECORD_UNREADABLE)."""
    held = read_row(LeaseRow, row)
    return lease_held(Lease(held.held_by, held.held_until))
