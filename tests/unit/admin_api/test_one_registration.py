"""One server has one registration, however its address is spelled; the second is refused before anybody logs in."""

from __future__ import annotations

from typing import Any

import pytest

from cerberus.address_policy import AddressPolicy
from common.errors import Failure, Reason

PRIMARY = {"host": "main.example", "port": 8443, "username": "admin", "password": "PLANTED-primary"}
SPELLINGS = ("main.example", "MAIN.example.", "alias.example", "10.0.0.1", "10.1", "0xa.0.0.1", "167772161")


@pytest.fixture
def fleet(world: Any, register: Any) -> Any:
    """A primary and a backup whose names resolve, and an alias of each."""
    world.names = {
        "main.example": ["10.0.0.1"],
        "alias.example": ["10.0.0.9", "10.0.0.1"],
        "ftp2.example": ["10.0.0.2"],
        "second.example": ["10.0.0.2"],
        "free.example": ["10.0.0.3"],
        **{host: ["10.0.0.1"] for host in ("10.1", "0xa.0.0.1", "167772161")},
    }
    assert world.call("PUT", "/primary", PRIMARY).status == 200
    assert register(id="ftp2").status == 201
    return world


@pytest.mark.parametrize("host", SPELLINGS)
def test_the_primary_is_no_backup(fleet: Any, register: Any, host: str) -> None:
    answer = register(id="again", host=host)
    assert (answer.status, answer.body["reason"]) == (409, "same_as_primary")
    assert fleet.store.backup("again") is None
    changed = fleet.call("PATCH", "/backups/ftp2", {"host": host})
    assert (changed.status, changed.body["reason"]) == (409, "same_as_primary")
    assert fleet.store.backup("ftp2").host == "ftp2.example"


@pytest.mark.parametrize("host", ["ftp2.example.", "FTP2.example", "second.example", "10.0.0.2"])
def test_a_backup_is_registered_once_and_is_not_the_primary_too(fleet: Any, register: Any, host: str) -> None:
    for answer in (register(id="again", host=host), fleet.call("PATCH", "/primary", {"host": host})):
        assert (answer.status, answer.body["reason"]) == (409, "already_registered")
        assert "ftp2" in answer.body["detail"]
    assert fleet.store.primary().host == "main.example"


def test_another_port_or_host_is_another_server(fleet: Any, register: Any) -> None:
    assert register(id="other-port", host="main.example", port=8444).status == 201
    assert register(id="other-host", host="free.example").status == 201


def test_another_spelling_of_its_own_address_is_no_other_server(fleet: Any) -> None:
    before = fleet.store.backup("ftp2").registration
    assert fleet.call("PATCH", "/backups/ftp2", {"host": "FTP2.example."}).status == 200
    assert fleet.store.backup("ftp2").registration == before
    assert fleet.call("PATCH", "/primary", {"host": "Main.Example."}).body["primary"]["held"] == ""


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("address", "reason"), [("10.0.0.1", "same_as_primary"), ("10.0.0.4", "already_registered")])
def test_one_whose_address_became_anothers_is_not_promoted_and_nobody_logs_in(
    fleet: Any, register: Any, monkeypatch: pytest.MonkeyPatch, address: str, reason: str, *, force: bool
) -> None:
    fleet.names["third.example"] = ["10.0.0.4"]
    assert register(id="ftp3", host="third.example").status == 201
    fleet.names["ftp2.example"] = [address]
    monkeypatch.setattr("admin_api.routes.primary.check_primary", lambda *_, **__: pytest.fail("somebody logs in"))
    answer = fleet.call("POST", "/primary/promote", {"backup_id": "ftp2", "force": force})
    assert (answer.status, answer.body["reason"]) == (409, reason)
    assert fleet.store.primary().host == "main.example"


def test_where_it_is_not_known_in_time_what_an_address_leads_to_nobody_logs_in(
    fleet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: object) -> list[str]:
        raise Failure(Reason.DEADLINE, "the resolver took too long")

    monkeypatch.setattr(AddressPolicy, "resolve", too_slow)
    monkeypatch.setattr("admin_api.checks._look_at", lambda *_, **__: pytest.fail("somebody logs in"))
    answer = fleet.call("POST", "/primary/promote", {"backup_id": "ftp2", "force": True})
    assert (answer.status, answer.body["reason"]) == (424, "deadline")
    report = fleet.call("POST", "/backups/ftp2/check").body
    requirements = {one["id"]: (one["result"], one["reason"]) for one in report["requirements"]}
    assert requirements["not_the_primary"] == ("fail", "name_not_resolved")
    assert requirements["log_in"] == ("skipped", "")
    assert fleet.store.primary().host == "main.example"


def test_an_address_that_became_the_primarys_is_checked_without_a_log_in(fleet: Any) -> None:
    fleet.names["ftp2.example"] = ["10.0.0.1"]
    report = fleet.call("POST", "/backups/ftp2/check").body
    requirements = {one["id"]: (one["result"], one["reason"]) for one in report["requirements"]}
    assert requirements["not_the_primary"] == ("fail", "same_as_primary")
    assert requirements["log_in"] == ("skipped", "")
    plan = fleet.call("GET", "/backups/ftp2/plan")
    assert (plan.status, plan.body["reason"]) == (409, "same_as_primary")
