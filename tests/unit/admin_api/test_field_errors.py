"""Errors of fields are in words: no regular expression, no phrase of a library, nothing of the request."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from admin_api.field_errors import _FORMS, _OTHER, in_words
from local.build import ROOT
from local.fakes.management_api import ApiWorld
from replication.model import PartName

PARTS = [str(part) for part in PartName]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
LIBRARY = re.compile(
    r"should|Input|valid (?:string|integer|dictionary|boolean)|Value error|\\|\[\^|\^|\$|\{\d", re.ASCII
)
WRONG: tuple[Any, ...] = (
    None,
    1.5,
    -1,
    10**9,
    True,
    "",
    "\x07",
    "PLANTED \u202e/",
    "P" * 100_000,
    [],
    [1],
    {},
    {"PLANTED": 1},
)


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all below it; references are not followed, because each is visited by itself."""
    if isinstance(schema, dict):
        yield schema
        for one in schema.values():
            yield from schemas(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from schemas(one)


def bodies() -> Iterator[tuple[str, str, str]]:
    """Every route with a body: the method, a path, and the name of the body's schema."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                name = content["schema"]["$ref"].rpartition("/")[2]
                yield method.upper(), re.sub(r"\{\w+\}", "ftp2", path), name


BODIES = list(bodies())


def reasons(answer: Any) -> list[str]:
    return [error["reason"] for error in answer.body.get("errors", ())]


@pytest.mark.parametrize(("method", "path", "name"), BODIES)
def test_whatever_is_wrong_in_a_field_is_said_in_words(world: ApiWorld, method: str, path: str, name: str) -> None:
    fields = DOCUMENT["components"]["schemas"][name]["properties"]
    texts: list[str] = []
    for field in (*fields, "PLANTED_unknown"):
        for wrong in WRONG:
            answer = world.call(method, path, {field: wrong})
            if answer.status == 422:
                texts += reasons(answer)
                assert "PLANTED" not in " ".join(reasons(answer))
    assert texts
    assert [text for text in texts if LIBRARY.search(text)] == []
    assert _OTHER not in texts


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("id", "FTP3", "Use small letters, digits and hyphens, for example ftp3"),
        (
            "host",
            "https://ftp2.example",
            "Use a host name or an address, without a scheme, port or path, for example ftp2.example.com",
        ),
        ("port", 70000, "Use at most 65535"),
        ("port", "8443", "Use a whole number, without quotes"),
        ("enabled", "yes", "Use true or false, without quotes"),
        (
            "parts",
            ["people"],
            f"Use {', '.join(map(repr, PARTS[:-1]))} or {PARTS[-1]!r}",
        ),
        ("tls", {"mode": "none"}, "Use one of the modes system, ca and pins"),
        (
            "tls",
            {"mode": "pins", "fingerprints": ["abc"]},
            "A SHA-256 fingerprint has 64 hexadecimal digits, with or without colons",
        ),
        ("tags", {"a b": ""}, "The name of a tag has up to 128 letters, digits and characters of _.:/=+@-"),
        ("user", "admin", "There is no field of this name"),
    ],
)
def test_the_words_say_what_to_write_instead(world: ApiWorld, field: str, wrong: Any, words: str) -> None:
    body = {"host": "ftp2.example", "port": 8443, "username": "admin", "password": "PLANTED", field: wrong}
    assert words in reasons(world.call("POST", "/backups", body))


@pytest.mark.parametrize(
    "target",
    [
        "/backups?limit=0",
        "/backups?limit=x",
        "/backups?next=A",
        "/sync-runs?next=A",
        "/backups/FTP",
        "/sync-runs/x",
        "/primary/states/x/diff",
    ],
)
def test_parameters_are_answered_in_words_too(world: ApiWorld, target: str) -> None:
    answer = world.call("GET", target)
    assert answer.status == 422
    assert reasons(answer)
    assert [text for text in reasons(answer) if LIBRARY.search(text) or text == _OTHER] == []


def test_every_form_of_a_request_has_its_words() -> None:
    in_requests = [DOCUMENT["components"]["schemas"][name] for _, _, name in BODIES]
    parameters = [
        parameter
        for methods in DOCUMENT["paths"].values()
        for one in methods.values()
        for parameter in one.get("parameters", ())
    ]
    forms = {
        schema["pattern"] for schema in schemas([in_requests, parameters]) if isinstance(schema.get("pattern"), str)
    }
    checked_by_the_product = {form for form in forms if form not in _FORMS}
    # The forms of hosts, certificates and keep patterns are checked by functions with messages of their own.
    assert len(checked_by_the_product) <= 5, checked_by_the_product


def test_an_error_of_a_kind_that_nobody_knows_says_where_to_look() -> None:
    assert in_words({"type": "new_kind", "msg": "PLANTED"}) == _OTHER
    assert in_words({"type": "less_than_equal", "msg": "PLANTED"}) == _OTHER
