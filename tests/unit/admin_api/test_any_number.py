"""Whatever number is sent in whatever field of whatever request: it is refused, or kept. No answer is a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from admin_api.app import api
from admin_api.openapi import document
from local.fakes.management_api import ApiWorld

DOCUMENT = document(api)
SCHEMAS = DOCUMENT["components"]["schemas"]
COMPLETE = {"host": "ftp2.example", "port": 8443, "username": "admin", "password": "PLANTED-first"}


def _numbers_in(wire: Any) -> Iterator[str]:
    match wire:
        case {"N": str(number)}:
            yield number
        case dict():
            for inner in wire.values():
                yield from _numbers_in(inner)
        case list():
            for inner in wire:
                yield from _numbers_in(inner)


def _fields(schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to all numbers below a schema."""
    if "$ref" in schema:
        yield from _fields(SCHEMAS[schema["$ref"].rpartition("/")[2]], at)
    for branch in schema.get("anyOf", ()):
        yield from _fields(branch, at)
    if schema.get("type") in ("integer", "number"):
        yield at
    for name, inner in schema.get("properties", {}).items():
        yield from _fields(inner, (*at, name))


def _places() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Method, path and way of every number in every body; the way of a query parameter begins with a question mark."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                for way in dict.fromkeys(_fields(body)):
                    yield method.upper(), path, way
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query" and list(_fields(parameter["schema"])):
                    yield method.upper(), path, (f"?{parameter['name']}",)


PLACES = list(_places())

_JSON_NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(min_value=0, max_value=1500).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(min_value=0, max_value=2).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,60})(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


def test_there_are_numbers_in_bodies_and_in_queries() -> None:
    assert {way[-1] for _, _, way in PLACES} >= {"port", "removal_share", "read_timeout", "interval_minutes", "?limit"}


@pytest.mark.parametrize(("method", "path", "way"), PLACES, ids=[f"{m} {p} {'.'.join(w)}" for m, p, w in PLACES])
@settings(max_examples=40)
@given(number=_JSON_NUMBERS)
@example("5e-324")
@example("1e-131")
@example("1e400")
@example("-0.0")
@example("5.0")
@example("0.1234567890123456789012345678901234567890123456789")
@example("9" * 4000)
@example("9" * 5000)
def test_any_number_is_refused_or_kept(
    world: ApiWorld, method: str, path: str, way: tuple[str, ...], number: str
) -> None:
    world.call("POST", "/backups", COMPLETE | {"id": "ftp2", "host": "ftp1.example"})
    target = path.replace("{backup_id}", "ftp2")
    if way[0].startswith("?"):
        answer = world.call(method, f"{target}{way[0]}={number}")
    else:
        answer = world.send(method, target, _body(world, path, way, number))
    assert answer.status < 500 or answer.body["reason"] == "name_not_resolved", answer.text
    if method == "PUT" and answer.status == 200:
        shown = answer.body
        assert world.call(method, target, shown).body == shown if path == "/sync-settings" else True


def _body(world: ApiWorld, path: str, way: tuple[str, ...], number: str) -> str:
    """A complete body with the number, exactly as it is written, at the end of the way."""
    body: dict[str, Any] = world.call("GET", path).body if path == "/sync-settings" else dict(COMPLETE)
    *above, last = way
    inner = body
    for name in above:
        inner = inner[name]
    inner[last] = "NUMBER"
    return json.dumps(body).replace('"NUMBER"', number)
