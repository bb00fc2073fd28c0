"""Dataclasses to plain values and rows of a table, and back, by the types of their fields.

A small subset, and strict: text, truth, numbers, aware times, other
dataclasses, ``tuple[X, ...]``, ``Mapping[str, X]``, and each of these or None.
Nothing is guessed: text is no number, a number is no truth, a time has a zone.
A library for this takes longer to load than everything else a run does before
its first call.

A row is a flat mapping of attribute names to what DynamoDB can hold: text,
booleans, whole numbers, Decimal, lists and mappings. Attributes that are None
are left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from _typeshed import DataclassInstance


class Unreadable(ValueError):
    """A value does not fit. The text names fields and complaints, never values."""

    def __init__(self, where: str, complaint: str) -> None:
        super().__init__(f"{where}: {complaint}")


type _Reader = Callable[[Any, str], Any]


def plain(value: Any) -> Any:
    """``value`` as dictionaries, lists and what these can hold; times stay times."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def read[Model: "DataclassInstance"](model: type[Model], value: object) -> Model:
    """The ``model`` that a mapping holds; what the model does not know is ignored. Raises Unreadable."""
    record: Model = _reader(model)(value, "")
    return record


@cache
def _reader(kind: Any) -> _Reader:
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (UnionType, Union) and len(arguments) == 2 and arguments[1] is NoneType:
        return _optional(_reader(arguments[0]))
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _sequence(_reader(arguments[0]))
    if origin is Mapping and arguments[0] is str:
        return _mapping(_reader(arguments[1]))
    raise TypeError(f"no field can be of the type {kind}")


def _record(model: type[Any]) -> _Reader:
    hints = get_type_hints(model)
    # Of a field that is a model itself, what reads it is found only when needed: models may refer to one another.
    known = [
        (field.name, hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(model)
    ]

    def read_record(value: Any, where: str) -> Any:
        if isinstance(value, model):
            return value
        if not isinstance(value, Mapping):
            raise Unreadable(where or "it", "should be a mapping")
        found = {}
        for name, kind, required in known:
            inside = f"{where}.{name}" if where else name
            if name in value:
                found[name] = _reader(kind)(value[name], inside)
            elif required:
                raise Unreadable(inside, "is missing")
        return model(**found)

    return read_record


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
        return {key: reader(inner, f"{where}.(value)") for key, inner in value.items()}  # a key may be anybody's text

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
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not isfinite(value) or value != int(value):
        raise Unreadable(where, "should be a whole number")
    return int(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not isfinite(value):
        raise Unreadable(where, "should be a number")
    return float(value)


def _time(value: Any, where: str) -> datetime:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):  # its text would quote the value
        time = None
    if time is None or time.tzinfo is None:
        raise Unreadable(where, "should be a time with a zone")
    return time


_SIMPLE: dict[Any, _Reader] = {str: _text, bool: _truth, int: _integer, float: _number, datetime: _time}


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
