"""Whatever registration or settings the API takes fits into a row of DynamoDB: what is too large is refused as such."""

import json
from collections.abc import Callable
from typing import Any

import certifi
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.fakes.management_api import Answer, ApiWorld
from registry.serialization import Row, to_row

DYNAMODB_TAKES = 400 * 1024
"""Bytes of a row, names of its attributes included, by AWS' documentation."""
CERTIFICATE = certifi.contents().partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
CERTIFICATE = f"-----BEGIN CERTIFICATE-----{CERTIFICATE}-----END CERTIFICATE-----\n"
CHARACTERS = st.sampled_from(["a", "é", "東", "𠮷"])
"""Of one to four bytes."""


def size_of(row: Row) -> int:
    """At least as many bytes as DynamoDB counts: what marks lists and texts in JSON takes more room than there."""
    return len(json.dumps(row, ensure_ascii=False, default=str).encode())


def bundle(characters: int, character: str) -> str:
    return (CERTIFICATE + character * characters)[:characters]


def send(world: ApiWorld, method: str, path: str, body: object) -> Answer:
    """Send a body whose characters are not escaped, so that it has no more bytes than they."""
    return world.send(method, path, json.dumps(body, ensure_ascii=False))


@given(
    characters=st.integers(0, 70_000),
    of_bundle=CHARACTERS,
    rules=st.integers(0, 200),
    of_rules=CHARACTERS,
    tags=st.integers(0, 50),
    of_tags=CHARACTERS,
)
@example(characters=60_000, of_bundle="𠮷", rules=200, of_rules="𠮷", tags=50, of_tags="𠮷")
@example(characters=16_900, of_bundle="𠮷", rules=200, of_rules="𠮷", tags=50, of_tags="𠮷")
@example(characters=65_536, of_bundle="a", rules=200, of_rules="𠮷", tags=50, of_tags="𠮷")
@settings(max_examples=30)
def test_every_registration_that_is_taken_fits_into_a_row(
    world: ApiWorld,
    register: Callable[..., Answer],
    characters: int,
    of_bundle: str,
    rules: int,
    of_rules: str,
    tags: int,
    of_tags: str,
) -> None:
    changes: list[dict[str, Any]] = [
        {"rules": [f"{number}{of_rules * 256}"[:256] for number in range(rules)]},
        {"tags": {f"{number}{'k' * 128}"[:128]: of_tags * 256 for number in range(tags)}},
    ]
    if characters:
        trust = {"mode": "ca", "ca_pem": bundle(characters, of_bundle)}
        changes.append({"tls": trust, "password": "PLANTED-first"})
    register(id="large")
    for change in changes:  # one after the other: a single request may have 256 KiB
        answer = send(world, "PATCH", "/backups/large", change)
        assert answer.status in (200, 413, 422), answer.body
        if answer.status == 422:
            assert "tls" in change
    for row in map(to_row, world.store.backups()):
        assert size_of(row) < DYNAMODB_TAKES
    assert world.call("DELETE", "/backups/large").status == 204


def test_the_longest_settings_that_are_taken_fit_into_a_row(world: ApiWorld) -> None:
    most = [f"{number}{'𠮷' * 256}"[:256] for number in range(200)]
    roles = [f"arn:aws:iam::123456789012:role/{'p' * 400}/{number}" for number in range(50)]
    for change in ({"rules": most}, {"personal_roles": roles}):
        assert (
            send(world, "PUT", "/sync-settings", {**world.call("GET", "/sync-settings").body, **change}).status == 200
        )
    assert size_of(to_row(world.store.settings())) < DYNAMODB_TAKES
