"""The rows of the table: of which kinds they are, and what happens when one cannot be understood.

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
SERVED                  backup's id                ServedNow, who serves it or did when a process died
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

A row that was asked for alone and cannot be understood is a failure. In a list
it must not hide the others: it is logged and left out.
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
"""Counts the writes of a status, so that none is lost."""

_BESIDE = frozenset({"pk", "sk", "expires_at", REVISION})
"""Attributes that are the table's own and no part of a record."""


@dataclass(frozen=True)
class AddressRow:
    """Whose address this is."""

    FORMAT: ClassVar[int] = 1

    backup_id: str


@dataclass(frozen=True)
class UnfinishedRow:
    """A run has begun and is not finished. Its key says which."""

    FORMAT: ClassVar[int] = 1


def keys(pk: str, sk: str) -> Row:
    """The two attributes under which a row is found."""
    return {"pk": pk, "sk": sk}


def number(row: Row | None, attribute: str) -> int:
    """A counter of a row, 0 when it has none. The rest of the row may be unreadable."""
    value = (row or {}).get(attribute)
    return int(value) if isinstance(value, Decimal) else 0


def next_version(stored: Row | None, expected_version: int | None) -> int:
    """The version of what takes the place of ``stored``. Raises VersionConflict when it is not the expected one."""
    version = number(stored, "version")
    if expected_version not in (None, version):
        raise VersionConflict
    return version + 1


def expiry(time: datetime) -> Row:
    """The attribute by which DynamoDB removes a row some time after ``time``."""
    return {"expires_at": int(time.timestamp())}


def read_row[Model: Stored](model: type[Model], row: Row) -> Model:
    """The record of a row. Raises Failure(RECORD_UNREADABLE) that names row and attribute."""
    try:
        return from_row(model, row, _BESIDE)
    except Unreadable as unreadable:
        raise Failure(Reason.RECORD_UNREADABLE, _complaint(row, unreadable)) from None


def readable[Model: Stored](model: type[Model], rows: Iterable[Row]) -> Iterator[Model]:
    """The records of all rows that can be understood; the others are logged."""
    for row in rows:
        try:
            yield from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            _LOGGER.warning("%s", _complaint(row, unreadable))


def unreadable_rows(model: type[Stored], rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Sort key and complaint of each row that cannot be understood."""
    for row in rows:
        try:
            from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            yield row["sk"], str(unreadable)


def known_format(model: type[Stored]) -> ConditionBase:
    """The condition that a stored row, if there is one, is of a format that is known here."""
    return Attr(FORMAT_FIELD).not_exists() | Attr(FORMAT_FIELD).is_in(list(range(1, model.FORMAT + 1)))


def counts(attribute: str, value: int) -> ConditionBase:
    """That a counter of a row that is there has this value. An older format may lack it: that is 0."""
    return Attr(attribute).eq(value) | Attr(attribute).not_exists() if value == 0 else Attr(attribute).eq(value)


def _complaint(row: Row, unreadable: Unreadable) -> str:
    return f"the stored row {row['pk']} / {row['sk']} cannot be understood: {unreadable}"
