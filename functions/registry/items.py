"""Models to rows of a table and back.

A row is a flat mapping of attribute names to what DynamoDB can hold: text,
booleans, whole numbers, Decimal, lists and mappings. Attributes that are None
are left out. Reading ignores attributes it does not know, so that an older
version of the product can read what a newer one has written.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from registry.serialization import Unreadable, plain, read

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

type Row = dict[str, Any]


class UnreadableRow(ValueError):
    """A stored row cannot be understood. The text names attributes and complaints, never values."""


def to_row(record: "DataclassInstance") -> Row:
    """The attributes of a model. Raises ValueError for a time without a zone."""
    row: Row = _storable(plain(record))
    return row


def from_row[Model: "DataclassInstance"](model: type[Model], row: Mapping[str, Any]) -> Model:
    """The ``model`` that ``row`` holds. Raises UnreadableRow."""
    try:
        return read(model, row)
    except Unreadable as unreadable:
        raise UnreadableRow(str(unreadable)) from None


def time_text(time: datetime) -> str:
    """``time`` in UTC, always equally long, so that texts compare like the times they stand for."""
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _storable(value: Any) -> Any:
    match value:
        case datetime():
            return time_text(value)
        case float():
            return Decimal(repr(value))  # the shortest text that reads back as the same number
        case Mapping():
            return {key: _storable(content) for key, content in value.items() if content is not None}
        case list() | tuple():
            return [_storable(content) for content in value]
        case _:
            return value
