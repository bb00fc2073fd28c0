"""Rows of the table: what they hold beside a record, and what happens when one cannot be understood.

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

_LOGGER = logging.getLogger(__name__)

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


def keys(pk: str, sk: str) -> Row:
    """The two attributes under which a row is found."""
    return {"pk": pk, "sk": sk}


def number(row: Row | None, attribute: str) -> int:
    """A counter of a row, 0 when it has none. The rest of the row may be unreadable."""
    value = (row or {}).get(attribute)
    return int(value) if isinstance(value, Decimal) else 0


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


def _complaint(row: Row, unreadable: Unreadable) -> str:
    return f"the stored row {row['pk']} / {row['sk']} cannot be understood: {unreadable}"
