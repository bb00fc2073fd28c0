"""Converts dataclasses to plain values and table rows, and back, by the types of their fields.

The supported types are few: text, booleans, numbers, datetimes with a zone, other dataclasses, ``tuple[X, ...]``,
``Mapping[str, X]``, and each of these or None. Values are not converted: text is not a number, a number is not a
boolean, and a time needs a zone. A library for this conversion takes longer to import than everything else a run does
before its first call.

A record is a dataclass that is stored by itself. Each record contains the number of its format (``Stored.FORMAT``), and
its reader supports that number and all earlier ones. A newer number, an unknown field and a missing field are rejected:
an older version of the product must not replace what it does not understand by a default.

- A record without a number was stored before records had numbers. It is read as format 0.
- A field that an older format lacks gets its default.
- A renamed field declares its former names (``formerly``) and is read under any of them. A record with two names of one
  field is rejected.

To change what is stored:

1. Change the field. A new one has a default that means what older records
   meant. A name is never used again for something else.
2. Raise ``FORMAT`` of every class that stores this field: ``tests/unit/registry/test_format_fixtures.py`` compares it
   with the newest fixture.
3. Give the field a value in ``local/format_fixtures.py`` and run that program.
   The program adds a file for the new format and never changes one that is there.

A row is a flat mapping of attribute names to the types of DynamoDB: text, booleans, integers, Decimal, lists and
mappings. Attributes that are None are omitted.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, Union, get_args, get_origin, get_type_hints

_TOO_LARGE = 2**64
_SMALLEST = 1e-100
"""Smaller numbers are stored as 0: no measured value is so small, and DynamoDB rejects values below 1e-130."""

FORMAT_FIELD = "format"
"""The field with the format's number in a stored record."""

_FORMERLY = "formerly"
_SHOWN_NAME = 50
"""Maximum number of characters of an unknown field's name in a complaint."""


class Stored(Protocol):
    """A dataclass that is stored by itself. ``FORMAT`` is the number of the format that is written."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    FORMAT: ClassVar[int]


class Unreadable(ValueError):
    """A value has the wrong type or form. The message names fields and complaints, never values."""

    def __init__(self, where: str, complaint: str) -> None:
        super().__init__(f"{where}: {complaint}")


type _Reader = Callable[[Any, str], Any]


def formerly(*names: str) -> Mapping[str, tuple[str, ...]]:
    """The ``metadata`` of a field that has other names in older formats."""
    return {_FORMERLY: names}


def numbered(record: Stored) -> dict[str, Any]:
    """The record as plain values, with its format's number."""
    return {FORMAT_FIELD: record.FORMAT, **plain(record)}


def plain(value: Any) -> Any:
    """Convert ``value`` to dictionaries, lists and simple values; datetimes stay datetimes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def read[Model: Stored](model: type[Model], value: object) -> Model:
    """The record in a mapping. Raises Unreadable."""
    if not isinstance(value, Mapping):
        raise Unreadable("it", "should be a mapping")
    number = _format_of(value, model.FORMAT)
    content = {name: inner for name, inner in value.items() if name != FORMAT_FIELD}
    record: Model = _reader(model, number == model.FORMAT)(content, "")
    return record


def _format_of(value: Mapping[str, Any], newest: int) -> int:
    if FORMAT_FIELD not in value:
        return 0
    number = _integer(value[FORMAT_FIELD], FORMAT_FIELD)
    if not 1 <= number <= newest:
        raise Unreadable(
            FORMAT_FIELD, f"{str(number)[:_SHOWN_NAME]} is not known here; the newest known one is {newest}"
        )
    return number


@cache
def _reader(kind: Any, complete: bool) -> _Reader:
    """The function that reads a type. ``complete``: only fields that may be None can be absent."""
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, complete)
    origin, arguments = get_origin(kind), get_args(kind)
    if _is_optional(kind):
        return _optional(_reader(arguments[0], complete))
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _sequence(_reader(arguments[0], complete))
    if origin is Mapping and arguments[0] is str:
        return _mapping(_reader(arguments[1], complete))
    raise TypeError(f"no field can be of the type {kind}")


def _is_optional(kind: Any) -> bool:
    arguments = get_args(kind)
    return get_origin(kind) in (UnionType, Union) and len(arguments) == 2 and arguments[1] is NoneType


def _record(model: type[Any], complete: bool) -> _Reader:
    # The readers of fields are made at first use, because models may contain one another.
    hints = get_type_hints(model)
    own = fields(model)
    names = [(stored, one.name) for one in own for stored in (one.name, *one.metadata.get(_FORMERLY, ()))]
    field_of = dict(names)
    if len(field_of) < len(names) or FORMAT_FIELD in field_of:
        raise TypeError(f"{model.__name__} uses the name of a field twice, or {FORMAT_FIELD!r}")
    required = [one.name for one in own if _is_required(one, hints[one.name], complete)]

    def read_record(value: Any, where: str) -> Any:
        if isinstance(value, model):
            return value
        if not isinstance(value, Mapping):
            raise Unreadable(where or "it", "should be a mapping")
        for unknown in sorted(value.keys() - field_of):
            shown = ascii(unknown[:_SHOWN_NAME]).strip("'\"")
            raise Unreadable(_inside(where, shown), "is not known here; a newer version may have written it")
        values: dict[str, Any] = {}
        for stored, content in value.items():
            name = field_of[stored]
            inside = _inside(where, name)
            if name in values:
                raise Unreadable(inside, "is there twice, also under a former name")
            values[name] = _reader(hints[name], complete)(content, inside)
        for name in required:
            if name not in values:
                raise Unreadable(_inside(where, name), "is missing")
        return model(**values)

    return read_record


def _is_required(field: Field[Any], kind: Any, complete: bool) -> bool:
    if complete:
        return not _is_optional(kind)
    return field.default is MISSING and field.default_factory is MISSING


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _optional(reader: _Reader) -> _Reader:
    return lambda value, where: None if value is None else reader(value, where)


def _sequence(reader: _Reader) -> _Reader:
    def read_sequence(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Unreadable(where, "should be a list")
        return tuple(reader(inner, f"{where}.{index}") for index, inner in enumerate(value))

    return read_sequence


def _mapping(reader: _Reader) -> _Reader:
    def read_mapping(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Unreadable(where, "should be a mapping of texts")
        return {key: reader(inner, f"{where}.(value)") for key, inner in value.items()}  # the key may be any text

    return read_mapping


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(where, "should be a text")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise Unreadable(where, "should be true or false")
    return value


def _integer(value: Any, where: str) -> int:
    if isinstance(value, float) or not _is_bounded(value) or value != int(value):
        raise Unreadable(where, "should be a whole number")
    return int(value)


def _number(value: Any, where: str) -> float:
    if not _is_bounded(value):
        raise Unreadable(where, "should be a number")
    return float(value)


def _is_bounded(value: Any) -> bool:
    """Whether the value is a number of at most 64 bits. A larger number costs time and memory, and can overflow a
    float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    if not isinstance(value, int) and not isfinite(value):  # isfinite fails for a huge int
        return False
    return -_TOO_LARGE < value < _TOO_LARGE


def _time(value: Any, where: str) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):  # the error's text would quote the value
        time = None
    if time is None or time.tzinfo is None:
        raise Unreadable(where, "should be a time with a zone")
    return time


_SIMPLE: dict[Any, _Reader] = {str: _text, bool: _truth, int: _integer, float: _number, datetime: _time}


type Row = dict[str, Any]


def to_row(record: Stored) -> Row:
    """The attributes of a record, including its format's number. Raises ValueError for a time without a zone."""
    row: Row = _storable(numbered(record))
    return row


def from_row[Model: Stored](model: type[Model], row: Mapping[str, Any], beside: Iterable[str] = ()) -> Model:
    """The record in ``row``. ``beside`` are attributes that belong to the table. Raises Unreadable."""
    return read(model, {name: value for name, value in row.items() if name not in beside})


def time_text(time: datetime) -> str:
    """``time`` in UTC as text of fixed length, so that texts sort like the times."""
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _decimal(value: float) -> Decimal:
    """The number as a Decimal that DynamoDB accepts: 0, or at least 1e-130. Raises ValueError for a number that could
    not be read back.
    """
    if not _is_bounded(value):
        raise ValueError("a number of more than 64 bits cannot be stored")
    return Decimal(0) if abs(value) < _SMALLEST else Decimal(repr(value))  # reads back as the same number


def _storable(value: Any) -> Any:
    match value:
        case datetime():
            return time_text(value)
        case float():
            return _decimal(value)
        case Mapping():
            return {key: _storable(content) for key, content in value.items() if content is not None}
        case list() | tuple():
            return [_storable(content) for content in value]
        case _:
            return value
