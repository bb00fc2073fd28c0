"""A push that would remove, disable or widen too much waits until somebody has approved exactly that plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import drift
from registry.run_records import Approval
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sync.conftest import Fleet


@pytest.fixture
def large(make_fleet: Callable[..., Fleet]) -> Fleet:
    """A fleet in sync, with 20 users."""
    fleet = make_fleet("b1", "b2", users=20)
    fleet.run()
    fleet.forget()
    return fleet


def remove_users(fleet: Fleet, count: int) -> None:
    for name in fleet.primary.state.names("profiles")[:count]:
        drift.remove_user(fleet.primary.state, name)


@pytest.mark.parametrize(("removed", "status"), [(2, "updated"), (3, "blocked:removes_too_much")])
def test_a_few_users_may_go_and_more_are_stopped(large: Fleet, removed: int, status: str) -> None:
    remove_users(large, removed)
    large.run()
    assert large.statuses() == {"b1": status, "b2": status}


def test_what_is_stopped_is_not_written_and_the_rest_goes_on(large: Fleet) -> None:
    remove_users(large, 5)
    drift.set_setting(large.primary.state, "general/welcomeMessage", "New")
    drift.remove_rule(large.primary.state, "Rule 1")
    large.run()
    parts = large.parts("b1")
    assert {name: part.status for name, part in parts.items() if part.status != "unchanged"} == {
        "settings": "pushed",
        "accounts": "blocked",
        "event_rules": "skipped",
    }
    assert parts["accounts"].removed == 5
    assert "SaveProfiles" not in large.all_writes()
    assert large.result("b1").verified_at is None


def test_an_approved_plan_goes_through_in_the_next_run(large: Fleet) -> None:
    remove_users(large, 5)
    large.run()
    large.approve()
    large.run()
    assert large.statuses() == {"b1": "updated", "b2": "updated"}
    assert len(large.servers["b1"].state.names("profiles")) == 15


@pytest.mark.parametrize("side", ["primary", "b1"])
def test_an_approval_is_void_as_soon_as_either_side_has_moved(large: Fleet, side: str) -> None:
    remove_users(large, 5)
    large.run()
    large.approve()
    drift.edit_user(large.servers[side].state, "user000019", "@email", "moved@example.org")
    for status in ("blocked:plan_not_current", "blocked:removes_too_much"):  # the first run ends the approval
        large.run()
        assert large.statuses()["b1"] == status
        assert large.store.approval("b1") is None


def test_an_approval_of_another_backup_or_another_plan_opens_nothing(large: Fleet) -> None:
    remove_users(large, 5)
    large.run()
    large.store.approve(
        as_registered(Approval("b2", large.result("b2").plan_hash, "a colleague", large.clock()), large.store)
    )
    large.store.approve(as_registered(Approval("b1", "0" * 64, "a colleague", large.clock()), large.store))
    large.run()
    assert large.statuses() == {"b1": "blocked:plan_not_current", "b2": "updated"}


def test_wider_access_is_told_and_stopped_only_where_that_is_set(large: Fleet) -> None:
    drift.edit_user(large.servers["b1"].state, "user000003", "isDisabled/@value", "true")
    large.run("b1", dry_run=True)
    assert any("user000003" in warning and "account enabled" in warning for warning in large.result("b1").warnings)
    large.configure(block_widened_access=True)
    large.run("b1")
    assert large.statuses() == {"b1": "blocked:access_widened"}
    assert any("account enabled" in warning for warning in large.result("b1").warnings)
    large.approve()
    large.run("b1")
    assert large.statuses() == {"b1": "updated"}


@pytest.mark.parametrize("registration", [{"report_only": True}, {"paused": "an upgrade is under way"}])
def test_a_backup_that_is_paused_or_only_reported_on_is_looked_at_and_never_written_to(
    make_fleet: Callable[..., Fleet], registration: dict[str, Any]
) -> None:
    fleet = make_fleet("b1")
    fleet.add_backup("b2", registration=registration)
    fleet.run()
    drift.set_setting(fleet.primary.state, "general/welcomeMessage", "New")
    fleet.run()
    assert fleet.statuses() == {"b1": "updated", "b2": "drifted"}
    assert fleet.parts("b2")["settings"].cause == "primary_changed"
    assert fleet.writes("b2") == []
