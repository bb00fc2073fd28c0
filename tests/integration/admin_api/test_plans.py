"""Plans made now, of real stand-ins."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from admin_api import plans
from local.cerberus import Kind, LocalServer, Machine, drift, generate
from registry.run_records import Approval, PrimaryBaseline
from tests.support.registrations import as_registered, remember_baseline

USERS = 20


@dataclass
class Pair:
    """A primary and its backup ``b``, registered and equal."""

    gateway: Any
    primary: LocalServer
    backup: LocalServer

    def plan(self) -> dict[str, Any]:
        status, body = self.gateway.call("GET", "/backups/b/plan")
        assert status == 200, body
        return dict(body)

    def part(self, name: str) -> dict[str, Any]:
        return next(dict(part) for part in self.plan()["parts"] if part["part"] == name)

    def remove_users(self, count: int) -> None:
        for name in self.primary.state.names("profiles")[:count]:
            drift.remove_user(self.primary.state, name)


@pytest.fixture
def pair(gateway: Any, registration: Callable[[LocalServer], dict[str, Any]]) -> Iterator[Pair]:
    def made(name: str) -> LocalServer:
        return LocalServer(generate(1, users=USERS, groups=3, machine=Machine.named(name)))

    with made("primary") as primary, made("backup") as backup:
        gateway.call("PUT", "/primary", registration(primary))
        gateway.call("POST", "/backups", {"id": "b", **registration(backup)})
        yield Pair(gateway, primary, backup)


def test_of_equal_servers_there_is_nothing_to_do(pair: Pair) -> None:
    plan = pair.plan()
    assert {part["state"] for part in plan["parts"]} == {"equal"}
    assert (plan["blocked"], plan["widened"], plan["more_widened"]) == ([], [], 0)
    assert "Plan: nothing to do." in plan["text"]
    assert f"Hash: {plan['hash']}" in plan["text"]


def test_a_difference_is_told_by_name_and_nothing_is_written(pair: Pair) -> None:
    drift.set_setting(pair.primary.state, "general/welcomeMessage", "New")
    pair.backup.forget_requests()
    settings = pair.part("settings")
    assert (settings["state"], settings["changed"]) == ("different", 1)
    (field,) = settings["items"][0]["fields"]
    assert (field["after"], field["hidden"]) == ("New", False)
    assert pair.backup.requests
    assert pair.primary.writes == pair.backup.writes == []


def test_what_the_guards_stop_is_told_with_its_numbers(pair: Pair) -> None:
    pair.remove_users(5)
    plan = pair.plan()
    (block,) = plan["blocked"]
    assert (block["part"], block["reason"]) == ("accounts", "removes_too_much")
    assert (block["numbers"]["held"], block["numbers"]["removed"]) == (USERS, 5)
    assert block["message"] in plan["text"]
    assert block["remedy"]
    assert "- users/user000001" in plan["text"]
    assert (pair.part("accounts")["state"], pair.part("accounts")["removed"]) == ("blocked", 5)


def test_entries_that_cannot_be_told_apart_are_blocked_and_not_to_be_approved(pair: Pair) -> None:
    drift.set_setting(pair.primary.state, "sites/site/host", "new.files.example")
    drift.set_setting(pair.backup.state, "sites/site/host", "old.files.example")
    drift.set_setting(pair.backup.state, "sites/site/certificate", "C:\\own.crt")
    pair.remove_users(5)
    plan = pair.plan()
    ambiguous, removed = plan["blocked"]
    assert (ambiguous["part"], ambiguous["reason"]) == ("settings", "entries_ambiguous")
    assert (ambiguous["approvable"], removed["approvable"]) == (False, True)
    assert "/settings/sites/site" in ambiguous["message"]
    pair.gateway.store.approve(
        as_registered(Approval("b", plan["hash"], "a colleague", datetime.now(UTC)), pair.gateway.store)
    )
    assert [block["reason"] for block in pair.plan()["blocked"]] == ["entries_ambiguous"]
    assert pair.part("accounts")["state"] == "different"


def test_the_limits_of_the_settings_hold(pair: Pair) -> None:
    pair.remove_users(1)
    assert pair.plan()["blocked"] == []
    settings = pair.gateway.call("GET", "/sync-settings")[1]
    tight = settings["limits"] | {"removal_floor": 0, "removal_share": 0.0}
    assert pair.gateway.call("PUT", "/sync-settings", settings | {"limits": tight})[0] == 200
    assert pair.plan()["blocked"][0]["reason"] == "removes_too_much"


def test_an_approved_plan_is_stopped_no_more_until_a_side_moves(pair: Pair) -> None:
    pair.remove_users(5)
    pair.gateway.store.approve(
        as_registered(Approval("b", pair.plan()["hash"], "a colleague", datetime.now(UTC)), pair.gateway.store)
    )
    assert pair.plan()["blocked"] == []
    assert pair.part("accounts")["state"] == "different"
    drift.edit_user(pair.backup.state, "user000019", "@email", "moved@example.org")
    assert pair.plan()["blocked"][0]["reason"] == "removes_too_much"


def test_a_plan_that_one_of_two_people_has_approved_says_so_and_stays_stopped(pair: Pair) -> None:
    pair.remove_users(5)
    settings = pair.gateway.call("GET", "/sync-settings")[1]
    pair.gateway.call("PUT", "/sync-settings", settings | {"approval_by_another": True})
    plan_hash, store = pair.plan()["hash"], pair.gateway.store
    ann, bob = (f"arn:aws:iam::123456789012:user/{name}" for name in ("ann", "bob"))
    first = as_registered(Approval("b", plan_hash, ann, datetime.now(UTC)), store)
    store.approve(first)
    plan = pair.plan()
    assert f"{ann} has approved the plan {plan['hash']}; another person has to approve it too." in plan["warnings"]
    assert [block["reason"] for block in plan["blocked"]] == ["removes_too_much"]
    store.approve(replace(first, approved_by=bob, agreed=(ann,)))
    plan = pair.plan()
    assert (plan["blocked"], [warning for warning in plan["warnings"] if "another person" in warning]) == ([], [])


def test_wider_access_is_told_and_blocks_where_that_is_set(pair: Pair) -> None:
    drift.edit_user(pair.backup.state, "user000003", "isDisabled/@value", "true")
    plan = pair.plan()
    assert [(one["kind"], one["item"]) for one in plan["widened"]] == [("account_enabled", "users/user000003")]
    assert plan["blocked"] == []
    settings = pair.gateway.call("GET", "/sync-settings")[1]
    pair.gateway.call("PUT", "/sync-settings", settings | {"block_widened_access": True})
    (block,) = pair.plan()["blocked"]
    assert (block["part"], block["reason"], block["numbers"]) == (
        "accounts",
        "access_widened",
        {"widened": 1, "may_widen": 0},
    )


def test_more_access_increases_than_are_listed_are_counted(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_ACCESS_INCREASES", 1)
    for name in ("user000003", "user000004"):
        drift.edit_user(pair.backup.state, name, "isDisabled/@value", "true")
    plan = pair.plan()
    assert (len(plan["widened"]), plan["more_widened"]) == (1, 1)
    assert "Access becomes wider in 2 places; the first 1 are listed." in plan["text"]


def test_a_plan_too_large_for_an_answer_lists_less_and_counts_the_rest(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.remove_users(15)
    whole = len(json.dumps(pair.plan()["parts"]))
    monkeypatch.setattr(plans, "MAX_ANSWER", whole - 100)
    accounts = pair.part("accounts")
    assert (accounts["removed"], len(accounts["items"]), accounts["more_items"]) == (15, 10, 5)


def test_no_secret_of_either_side_is_in_a_plan(pair: Pair) -> None:
    for name in pair.primary.state.names("profiles")[:4]:
        drift.edit_user(pair.primary.state, name, "password/@value", "PLANTEDHASH-of-another")
    drift.add_user(pair.primary.state, "newcomer", "PLANTEDHASH-of-the-newcomer")
    drift.set_setting(pair.primary.state, "general/welcomeMessage", "New")
    drift.edit_authentication(pair.primary.state, "directory[Partners]/bindPassword", "PLANTEDBINDPASSWORD-of-another")
    plan = pair.plan()
    text = json.dumps(plan)
    assert "(hidden)" in plan["text"]
    assert "newcomer" in text
    for secret in (
        "PLANTED",
        pair.primary.state.machine.admin_password,
        pair.backup.state.machine.admin_password,
        pair.backup.state.machine.admin_hash,
    ):
        assert secret not in text


def test_a_server_that_cannot_be_asked_is_named(pair: Pair) -> None:
    pair.backup.fault(Kind.HTML)
    status, body = pair.gateway.call("GET", "/backups/b/plan")
    assert (status, body["reason"]) == (424, "not_soap")
    assert body["detail"].startswith("b (127.0.0.1:")


def test_a_backup_of_another_version_has_no_plan(pair: Pair) -> None:
    pair.backup.state.version = (12, 11, 7, 0)
    status, body = pair.gateway.call("GET", "/backups/b/plan")
    assert (status, body["reason"]) == (424, "version_mismatch")


def test_a_primary_that_shrank_is_warned_of_because_no_run_would_begin(pair: Pair) -> None:
    store = pair.gateway.store
    remember_baseline(store, PrimaryBaseline(users=USERS * 3, groups=3, at=datetime.now(UTC), run_id="earlier"))
    plan = pair.plan()
    assert any("primary_shrunk" in warning for warning in plan["warnings"])
    assert "No run would begin" in plan["text"]


def test_servers_that_answer_too_slowly_are_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "PLAN_SECONDS", 0.0)
    status, body = pair.gateway.call("GET", "/backups/b/plan")
    assert (status, body["reason"]) == (424, "plan_too_slow")
