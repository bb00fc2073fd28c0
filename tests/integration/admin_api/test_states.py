"""The primary's states over the API: listed, compared with one another and with what the primary holds now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from admin_api import plans
from common.deadline import Deadline
from common.runtime import SystemRuntime
from fleet.primary import Source
from fleet.servers import CerberusServers
from local.cerberus import LocalServer, drift
from registry.run_records import KeptState
from registry.snapshots import SnapshotContent
from replication.model import DEFAULT_PARTS
from replication.primary import dump, fingerprint

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Primary:
    """A registered primary whose states a test keeps, as a run does."""

    gateway: Any
    server: LocalServer

    def keep(self) -> str:
        log_ins = self.gateway.services().log_ins
        source = Source(log_ins, CerberusServers(self.gateway.addresses, SystemRuntime()), None)
        state = source.read(DEFAULT_PARTS, self.gateway.store.settings(), Deadline(600, monotonic))
        digest = fingerprint(state)
        self.gateway.snapshots.keep_primary(digest, SnapshotContent(dump(state), state.facts))
        return digest

    def difference(self, target: str) -> dict[str, Any]:
        status, body = self.gateway.call("GET", f"/primary/states/{target}")
        assert status == 200, body
        return dict(body)


@pytest.fixture
def primary(
    gateway: Any, server: Callable[..., LocalServer], registration: Callable[[LocalServer], dict[str, Any]]
) -> Iterator[Primary]:
    with server("primary") as running:
        gateway.call("PUT", "/primary", registration(running))
        yield Primary(gateway, running)


def test_two_states_are_compared_without_asking_any_server(primary: Primary) -> None:
    first = primary.keep()
    drift.set_setting(primary.server.state, "general/welcomeMessage", "New")
    second = primary.keep()
    primary.server.forget_requests()
    difference = primary.difference(f"{first}/diff?to={second}")
    assert primary.server.requests == []
    assert (difference["before"], difference["after"]) == (first, second)
    (item,) = next(part for part in difference["parts"] if part["part"] == "settings")["items"]
    assert (item["fields"][0]["after"], item["kind"]) == ("New", "changed")
    assert f"From state {first}\nto   state {second}\n" in difference["text"]
    back = primary.difference(f"{second}/diff?to={first}")
    assert '-> "New"' in difference["text"]
    assert '"New" -> ' in back["text"]


def test_a_state_is_compared_with_what_the_primary_holds_now(primary: Primary) -> None:
    digest = primary.keep()
    assert "In all: 0 added, 0 changed, 0 removed." in primary.difference(f"{digest}/diff")["text"]
    gone = primary.server.state.names("profiles")[0]
    drift.remove_user(primary.server.state, gone)
    difference = primary.difference(f"{digest}/diff")
    assert difference["after"] is None
    assert f"  - users/{gone}\n" in difference["text"]
    assert primary.server.writes == []


def test_nothing_that_looks_like_a_secret_leaves_although_all_of_them_differ(
    primary: Primary, server: Callable[..., LocalServer], registration: Callable[[LocalServer], dict[str, Any]]
) -> None:
    digest = primary.keep()
    with server("another") as other:
        primary.gateway.call("PUT", "/primary", registration(other))
        for name in other.state.names("profiles"):
            drift.edit_user(other.state, name, "password/@value", "PLANTED-drifted")
        answer = str(primary.gateway.call("GET", f"/primary/states/{digest}/diff"))
    assert "(hidden)" in answer
    for machine in (primary.server.state.machine, other.state.machine):
        for secret in (*machine.secrets, machine.admin_hash, machine.admin_password, "PLANTED"):
            assert secret not in answer


def test_a_state_that_is_not_kept_is_not_found(gateway: Any) -> None:
    status, body = gateway.call("GET", f"/primary/states/{'0f' * 32}/diff?to={'1e' * 32}")
    assert (status, body["reason"]) == (404, "snapshot_missing")
    assert gateway.call("GET", "/primary/states/latest/diff")[0] == 422


def test_a_primary_that_does_not_answer_is_told(
    gateway: Any, server: Callable[..., LocalServer], registration: Callable[[LocalServer], dict[str, Any]]
) -> None:
    with server("primary") as running:
        gateway.call("PUT", "/primary", registration(running))
        digest = Primary(gateway, running).keep()
    status, body = gateway.call("GET", f"/primary/states/{digest}/diff")
    assert (status, body["reason"]) == (424, "connection_refused")


def test_what_takes_too_long_is_told_with_another_way(primary: Primary, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = primary.keep()
    monkeypatch.setattr(plans, "PLAN_SECONDS", 0.0)
    status, body = primary.gateway.call("GET", f"/primary/states/{digest}/diff")
    assert (status, body["reason"]) == (424, "comparison_too_slow")
    assert "dry run" in body["remedy"]


def test_states_are_listed_newest_first_page_by_page(gateway: Any) -> None:
    gateway.store.acquire_lease("me", now=NOON, expires_at=NOON + timedelta(minutes=1))
    state = KeptState("0f" * 32, "h:1", "1.2.3.4", {"accounts": "a"}, 9, 5, 2, "", NOON, "", NOON, NOON, NOON)
    ids = [f"20261122T12000{number}.000000Z-00000000" for number in range(3)]
    for run_id in ids:
        gateway.store.record_state(replace(state, first_run_id=run_id, last_run_id=run_id), lease_owner="me")
    _, first = gateway.call("GET", "/primary/states?limit=2")
    assert [one["first_run_id"] for one in first["states"]] == [ids[2], ids[1]]
    _, second = gateway.call("GET", f"/primary/states?limit=2&next={first['next']}")
    assert ([one["first_run_id"] for one in second["states"]], second["next"]) == ([ids[0]], None)
    assert (second["states"][0]["users"], second["states"][0]["parts"]) == (5, ["accounts"])
