"""The kinds of rows in the table, and the handling of unreadable rows.

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
READING                 host, folded # port        ReadingRow: which request reads a server, until when
UNFINISHED              run's id                   that this run was asked for or has begun, and is not finished
FANOUT                  run's id                   FanOut
SERVED                  backup's id                ServedNow, the marker of a backup being processed
OPEN# + run's id        backup's id                that it waits in the queue; as what, who serves it, and until when
RESULT# + run's id      backup's id                BackupResult
HISTORY# + backup's id  run's id                   BackupResult
AUDIT# + year-month     time # request's id …      AuditRecord, see ``registry.audit``
DIGEST# + key           of a snapshot: its digest  that it was kept, see ``registry.snapshot_digests``
DIGESTS                 SINCE                      DigestsSince, the time of the first digest
======================  =========================  ==============================================

STATUS and APPROVAL belong to the registration in the BACKUP row. A transaction that changes the registration to another
server removes both rows, and a transaction that writes one of them checks the registration.

RUN, RESULT#, HISTORY#, STATE, AUDIT# and DIGEST# rows, and the rows of a run in progress, have ``expires_at``, the
table's TTL attribute, in seconds since 1970. DynamoDB removes a row some time after the time in ``expires_at``. Nothing
else depends on that removal, not even the lease.

Reading a single unreadable row is a failure. In a list an unreadable row must not hide the others: it is logged and
omitted.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from boto3.dynamodb.conditions import Attr, ConditionBase

from common.errors import Failure, Reason
from registry.serialization import FORMAT_FIELD, Row, Stored, Unreadable, from_row
from registry.store import VersionConflict

_LOGGER = logging.getLogger(__name__)

PRIMARY = ("PRIMARY", "SERVER")
SETTINGS = ("SETTINGS", "SYNC")
LEASE = ("LEASE", "LEASE")
BASELINE = ("BASELINE", "PRIMARY")
ACCEPTANCE = ("ACCEPTANCE", "PRIMARY")
BACKUP = "BACKUP"
ADDRESS = "ADDRESS"
STATUS = "STATUS"
APPROVAL = "APPROVAL"
LOG_IN = "LOGIN"
DISCARDED = "DISCARDED"
READING = "READING"
RUN = "RUN"
UNFINISHED = "UNFINISHED"
FAN_OUT = "FANOUT"
STATE = "STATE"
SERVED = "SERVED"

REVISION = "revision"
"""A counter of the writes to a status, which prevents lost updates."""

_BESIDE = frozenset({"pk", "sk", "expires_at", REVISION})
"""Attributes that belong to the table and not to a record."""


@dataclass(frozen=True)
class AddressRow:
    """The owner of an address."""

    FORMAT: ClassVar[int] = 1

    backup_id: str


@dataclass(frozen=True)
class UnfinishedRow:
    """A marker that a run has begun and is not finished. The run's id is in its key."""

    FORMAT: ClassVar[int] = 1


def keys(pk: str, sk: str) -> Row:
    """The key attributes of a row."""
    return {"pk": pk, "sk": sk}


def number(row: Row | None, attribute: str) -> int:
    """A counter in a row, 0 if it is absent. The rest of the row may be unreadable."""
    value = (row or {}).get(attribute)
    return int(value) if isinstance(value, Decimal) else 0


def next_version(stored: Row | None, expected_version: int | None) -> int:
    """The version of the row that replaces ``stored``. Raises VersionConflict if the stored version is not the expected
    one.
    """
    version = number(stored, "version")
    if expected_version not in (None, version):
        raise VersionConflict
    return version + 1


def expiry(time: datetime) -> Row:
    """The attribute that makes DynamoDB remove a row some time after ``time``."""
    return {"expires_at": int(time.timestamp())}


def read_row[Model: Stored](model: type[Model], row: Row) -> Model:
    """The record in a row. Raises Failure(RECORD_UNREADABLE) that names row and attribute."""
    try:
        return from_row(model, row, _BESIDE)
    except Unreadable as unreadable:
        raise Failure(Reason.RECORD_UNREADABLE, _complaint(row, unreadable)) from None


def readable[Model: Stored](model: type[Model], rows: Iterable[Row]) -> Iterator[Model]:
    """The records of all readable rows; the others are logged."""
    for row in rows:
        try:
            yield from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            _LOGGER.warning("%s", _complaint(row, unreadable))


def unreadable_rows(model: type[Stored], rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """The sort key and the complaint of each unreadable row."""
    for row in rows:
        try:
            from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            yield row["sk"], str(unreadable)


def known_format(model: type[Stored]) -> ConditionBase:
    """The condition that a stored row, if there is one, has a known format."""
    return Attr(FORMAT_FIELD).not_exists() | Attr(FORMAT_FIELD).is_in(list(range(1, model.FORMAT + 1)))


def counts(attribute: str, value: int) -> ConditionBase:
    """The condition that a counter in an existing row has this value. In an older format the counter may be absent,
    which counts as 0.
    """
    return Attr(attribute).eq(value) | Attr(attribute).not_exists() if value == 0 else Attr(attribute).eq(value)


def _complaint(row: Row, unreadable: Unreadable) -> str:
    return f"the stored row {row['pk']} / {row['sk']} cannot be understood: {unreadable}"
