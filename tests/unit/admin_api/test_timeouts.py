"""Who asks gets an answer in time, and nothing that was begun for it goes on beside the next request."""

from collections.abc import Callable
from threading import Event
from typing import Any, NoReturn

import pytest

from admin_api import checks, plans
from admin_api.timeouts import in_time
from common.budgets import AccountSizes
from common.deadline import step
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from fleet.primary import Source
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.servers import FleetServer
from replication.model import DEFAULT_PARTS
from replication.parts.accounts import account_sizes
from replication.primary import read_primary


def test_what_an_answer_computes_ends_with_its_time() -> None:
    has_ended = Event()

    def compute_for_ever(_: object) -> None:
        try:
            while True:
                step()
        finally:
            has_ended.set()

    late = Failure(Reason.PLAN_TOO_SLOW, "it was not done in time")
    with pytest.raises(Failure) as raised:
        in_time(compute_for_ever, 0.01, SystemRuntime(), late=late)
    assert raised.value is late
    assert has_ended.wait(60)


def test_a_plan_takes_no_more_from_a_backup_than_a_run_does(
    world: ApiWorld, register: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("PUT", "/primary", {"host": "p.example", "port": 8443, "username": "admin", "password": "PLANTED-1"})
    register(id="ftp2")
    primary = read_primary(FleetServer("p.example", 8443), DEFAULT_PARTS)
    limits: list[object] = []

    def endpoint_of(*_: object, **given: Any) -> NoReturn:
        limits.append(given["beside"])
        raise Failure(Reason.CONNECTION_REFUSED, "nothing listens there")

    monkeypatch.setattr(Source, "read", lambda *_: primary)
    monkeypatch.setattr(plans, "endpoint_of", endpoint_of)
    assert world.call("GET", "/backups/ftp2/plan").status == 424
    assert limits == [account_sizes(primary)] != [AccountSizes(0, 0)]


def test_a_registration_whose_names_are_not_resolved_in_time_is_made_and_its_check_says_so(
    world: ApiWorld, register: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.call("PUT", "/primary", {"host": "p.example", "port": 8443, "username": "admin", "password": "PLANTED-1"})

    def too_slow(*_: object) -> NoReturn:
        raise Failure(Reason.DEADLINE, "the time was used up")

    monkeypatch.setattr(checks, "leads_to", too_slow)
    answer = register(id="ftp2")
    assert answer.status == 201
    assert answer.headers["Location"] == "/backups/ftp2"
    results = {one["id"]: (one["result"], one["reason"]) for one in answer.body["check"]["requirements"]}
    assert results["not_the_primary"] == ("fail", "name_not_resolved")
    assert results["log_in"] == ("skipped", "")
