"""Where the primary is: what a change replaces, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from registry.fleet_records import Primary
from registry.run_records import AcceptedPart, PrimaryAcceptance

RUN_ID = "20260301T120000.000000Z-0badc0de"
PINS = {"mode": "pins", "fingerprints": ["ab" * 32]}
NAMED = {"host": "main.example", "port": 443}
BODY = {"host": "main.example", "port": 443, "username": "admin", "password": "PLANTED-old", "tls": PINS}


@pytest.fixture
def registered(world: Any) -> Any:
    assert world.call("PUT", "/primary", BODY).status == 200
    return world


def test_a_new_password_alone_changes_nothing_else(registered: Any) -> None:
    before = registered.store.primary()
    answer = registered.call("PATCH", "/primary", {"password": "PLANTED-new"})
    assert answer.status == 200
    after = registered.store.primary()
    assert (after.host, after.port, after.trust) == (before.host, before.port, before.trust)
    assert (after.term, after.held) == (before.term, "")
    stored = registered.credentials.stored("primary")
    assert (stored.username, stored.password) == ("admin", "PLANTED-new")


def test_put_replaces_trust_that_it_does_not_name(registered: Any) -> None:
    assert registered.call("PUT", "/primary", NAMED | {"password": "PLANTED-old"}).status == 200
    assert registered.store.primary().trust.pins == ()


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("other", [{"host": "other.example"}, {"port": 444}])
def test_another_address_is_held_until_somebody_resumes(registered: Any, method: str, other: dict[str, Any]) -> None:
    body = (BODY if method == "PUT" else {"password": "PLANTED-old"}) | other
    answer = registered.call(method, "/primary", body)
    assert answer.status == 200
    assert "the primary was set to" in answer.body["primary"]["held"]
    assert registered.store.primary().term == 1
    assert registered.call("POST", "/primary/resume").body["held"] == ""


@pytest.mark.parametrize(("host", "is_held"), [("main.example", False), ("other.example", True)])
def test_one_that_the_parameters_of_the_stack_no_longer_name_is_still_what_was_pushed_from(
    world: Any, host: str, *, is_held: bool
) -> None:
    world.store.save_primary(Primary("main.example", 443, of_stack=True))
    answer = world.call("PUT", "/primary", BODY | {"host": host})
    assert answer.status == 200
    assert (bool(answer.body["primary"]["held"]), world.store.primary().term) == (is_held, int(is_held))


def test_the_same_address_is_not_held(registered: Any) -> None:
    assert registered.call("PUT", "/primary", BODY | {"tls": {"mode": "system"}}).body["primary"]["held"] == ""
    assert registered.store.primary().term == 0


def test_a_change_of_an_older_version_is_refused(registered: Any) -> None:
    assert registered.call("PATCH", "/primary", {"port": 444, "password": "PLANTED-new"}, If_Match='"1"').status == 200
    assert registered.call("PATCH", "/primary", {"port": 445, "password": "PLANTED-new"}, If_Match='"1"').status == 412


def test_there_must_be_one(world: Any) -> None:
    assert world.call("PATCH", "/primary", {"port": 444}).status == 404


def test_what_was_accepted_of_it_is_shown_until_it_is_another_server(registered: Any) -> None:
    assert registered.call("GET", "/primary").body["accepted"] == []
    store, now = registered.store, registered.now
    assert store.acquire_lease("a run", now=now, expires_at=now)
    part = AcceptedPart("ab" * 32, "primary_shrunk", "it holds 2 users", "ann", now, RUN_ID)
    primary = store.primary()
    store.save_acceptance(PrimaryAcceptance({"accounts": part}, primary.term, primary.source), lease_owner="a run")
    (shown,) = registered.call("GET", "/primary").body["accepted"]
    assert shown == {
        "part": "accounts",
        "reason": "primary_shrunk",
        "message": "it holds 2 users",
        "accepted_by": "ann",
        "requester_verified": False,
        "at": shown["at"],
        "run_id": RUN_ID,
    }
    registered.call("PATCH", "/primary", {"password": "PLANTED-new"})
    assert registered.call("GET", "/primary").body["accepted"] == [shown]
    registered.call("PATCH", "/primary", {"port": 444, "password": "PLANTED-new"})
    registered.call("PATCH", "/primary", {"port": 443, "password": "PLANTED-new"})
    assert registered.call("GET", "/primary").body["accepted"] == []
