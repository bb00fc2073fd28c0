"""Whoever changes where a password goes gives it again, and leaves a record of it."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import Failure, Reason
from registry.audit import AuditRecord
from registry.fleet_records import Credentials

PINS = {"mode": "pins", "fingerprints": ["ab" * 32]}
BODY = {"host": "a.example", "port": 443, "username": "admin", "password": "PLANTED-first", "tls": PINS}
FORMER = f"a.example#443 pin:{'ab' * 32}"
CHANGES: list[dict[str, Any]] = [
    {"host": "b.example"},
    {"port": 8443},
    {"tls": {"mode": "system"}},
    {"tls": {"mode": "pins", "fingerprints": ["ab" * 32, "cd" * 32]}},
    {"tls": {"mode": "pins", "fingerprints": ["cd" * 32]}},
]
REQUESTS = [("PATCH", "/backups/ftp2"), ("PATCH", "/primary"), ("PUT", "/primary")]


@pytest.fixture(params=REQUESTS, ids=lambda request: " ".join(request))
def target(request: pytest.FixtureRequest, world: Any) -> tuple[str, str, dict[str, Any]]:
    """How a registration with a password is changed, and the fields that such a request has to have."""
    method, path = request.param
    if path == "/primary":
        assert world.call("PUT", "/primary", BODY).status == 200
    else:
        assert world.call("POST", "/backups", {"id": "ftp2", **BODY}).status == 201
    return method, path, {name: BODY[name] for name in ("host", "port", "tls")} if method == "PUT" else {}


def registered(world: Any, path: str) -> Any:
    return world.store.primary() if path == "/primary" else world.store.backup("ftp2")


def stored(world: Any, path: str) -> Credentials:
    credentials: Credentials = world.credentials.stored(registered(world, path).secret_id)
    return credentials


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("half", [{}, {"username": "root"}], ids=str)
def test_another_destination_needs_the_password(
    world: Any, target: tuple[str, str, dict[str, Any]], change: dict[str, Any], half: dict[str, Any]
) -> None:
    method, path, needed = target
    before = registered(world, path)
    answer = world.call(method, path, needed | change | half)
    assert (answer.status, answer.body["reason"]) == (409, "password_needed")
    assert answer.body["errors"][0]["field"] == "password"
    assert registered(world, path) == before
    record = world.audit.records[-1]
    assert (record.status, record.former_destination) == (409, FORMER)
    assert record.destination not in ("", FORMER)

    given = needed | change | half | {"password": "PLANTED-second"}
    assert world.call(method, path, given).status == 200
    assert (stored(world, path).password, stored(world, path).destination) == ("PLANTED-second", record.destination)
    assert (world.audit.records[-1].status, world.audit.records[-1].destination) == (200, record.destination)
    assert "PLANTED" not in str(world.audit.records)


@pytest.mark.parametrize(
    "change", [{"host": "A.example."}, {"tls": {"mode": "pins", "fingerprints": ["AB" * 32]}}], ids=str
)
def test_another_spelling_does_not(world: Any, target: tuple[str, str, dict[str, Any]], change: dict[str, Any]) -> None:
    method, path, needed = target
    assert world.call(method, path, needed | change).status == 200
    assert stored(world, path).password == "PLANTED-first"
    assert world.audit.records[-1].destination == ""


def test_neither_does_a_new_user_name(world: Any, target: tuple[str, str, dict[str, Any]]) -> None:
    method, path, needed = target
    assert world.call(method, path, needed | {"username": "root"}).status == 200
    assert (stored(world, path).username, stored(world, path).password) == ("root", "PLANTED-first")


def test_a_password_that_was_stored_by_hand_is_for_where_the_server_is_registered(
    world: Any, target: tuple[str, str, dict[str, Any]]
) -> None:
    method, path, needed = target
    world.credentials.put(registered(world, path).secret_id, Credentials("admin", "PLANTED-by-hand"))
    answer = world.call(method, path, needed | {"host": "b.example"})
    assert (answer.status, answer.body["reason"]) == (409, "password_needed")
    assert world.call(method, path, needed | {"tls": PINS}).status == 200


def test_without_a_stored_password_a_registration_may_move(world: Any, target: tuple[str, str, dict[str, Any]]) -> None:
    method, path, needed = target
    world.credentials.delete(registered(world, path).secret_id)
    assert world.call(method, path, needed | {"host": "b.example"}).status == 200


def test_a_change_whose_password_could_not_be_stored_is_finished_by_repeating_it(
    world: Any, target: tuple[str, str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In between the former password goes nowhere: it is for the former destination."""
    method, path, needed = target

    def put(*_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "Secrets Manager PutSecretValue failed: InternalServiceError")

    monkeypatch.setattr(world.credentials, "put", put)
    change = needed | {"host": "b.example", "password": "PLANTED-second"}
    assert world.call(method, path, change).status == 503
    with pytest.raises(Failure) as caught:
        world.services().log_ins.permitted(registered(world, path))
    assert caught.value.reason is Reason.PASSWORD_NEEDED
    monkeypatch.undo()
    assert world.call(method, path, change).status == 200
    assert stored(world, path).password == "PLANTED-second"


class Killed(BaseException):
    """Lambda ends the function."""


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_where_a_password_goes_is_recorded_before_anything_is_changed(
    world: Any,
    target: tuple[str, str, dict[str, Any]],
    change: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method, path, needed = target

    def die(*_: object, **__: object) -> None:
        raise Killed

    for change_of_the_store in ("update_backup", "save_primary"):
        monkeypatch.setattr(world.store, change_of_the_store, die)
    with pytest.raises(Killed):
        world.call(method, path, needed | change | {"password": "PLANTED-second"})
    last = world.audit.all_records[-1]
    assert (last.status, last.resource, last.former_destination) == (0, path, FORMER)
    assert last.destination not in ("", FORMER)


def test_what_cannot_be_recorded_is_not_changed(
    world: Any, target: tuple[str, str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path, needed = target
    before, write = registered(world, path), world.audit.write

    def refuse_destinations(record: AuditRecord) -> None:
        if record.destination and not record.status:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "no answer")
        write(record)

    monkeypatch.setattr(world.audit, "write", refuse_destinations)
    answer = world.call(method, path, needed | {"host": "b.example", "password": "PLANTED-second"})
    assert answer.status == 503
    assert registered(world, path) == before
