"""The guards on backups of every size, and on each kind of push that it stops: what goes through, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cerberus import documents, drift, replicable_differences
from registry.run_records import Approval
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cerberus import ServerState
    from tests.integration.sync.conftest import Fleet

PLENTY = 120.0
"""Seconds for a run over documents of 10,000 users on a busy machine."""


def keep_users(state: ServerState, count: int) -> None:
    """Leave the last ``count`` users, in one step: a document of 10,000 is parsed once."""
    with state.edit("profiles") as tree:
        for user in list(tree)[: len(tree) - count]:
            tree.remove(user)


def disable_users(state: ServerState, count: int) -> None:
    with state.edit("profiles") as tree:
        for user in list(tree)[:count]:
            documents.set_value(user, "isDisabled/@value", "true")


def enable_all(state: ServerState) -> None:
    with state.edit("profiles") as tree:
        for user in tree:
            documents.set_value(user, "isDisabled/@value", "false")


def fleet_of(make_fleet: Callable[..., Fleet], held: int) -> Fleet:
    """A verified fleet of three with ``held`` users each; ``b2`` gets settings alone, and always something new."""
    fleet = make_fleet("b1", users=held)
    fleet.add_backup("b2", registration={"parts": ("settings",)})
    fleet.configure(read_timeout=60)
    fleet.run(seconds=PLENTY)
    assert fleet.statuses() == {"b1": "in_sync", "b2": "in_sync"}
    return fleet


@pytest.mark.parametrize(("held", "may_go"), [(8, 2), (20, 2), (100, 10), (10_000, 100)])
def test_as_many_users_as_the_table_says_may_go_and_one_more_waits_for_an_approval(
    make_fleet: Callable[..., Fleet], held: int, may_go: int
) -> None:
    fleet = fleet_of(make_fleet, held)
    primary, backup = fleet.primary.state, fleet.servers["b1"].state
    full = backup.document("profiles")

    keep_users(primary, held - may_go)
    fleet.run(seconds=PLENTY)
    assert fleet.statuses() == {"b1": "updated", "b2": "in_sync"}
    assert fleet.parts("b1")["accounts"].removed == may_go
    assert len(backup.names("profiles")) == held - may_go

    backup.store("profiles", full)
    keep_users(primary, held - may_go - 1)
    drift.edit_rule(primary, "Rule 2", "action", "delete")
    drift.set_setting(primary, "general/welcomeMessage", "New")
    fleet.run(seconds=PLENTY)
    assert fleet.statuses() == {"b1": "blocked:removes_too_much", "b2": "updated"}
    parts = fleet.parts("b1")
    assert f"it would remove {may_go + 1} of {held} users" in parts["accounts"].message
    assert (parts["accounts"].status, parts["event_rules"].status) == ("blocked", "skipped")
    assert (parts["event_rules"].reason, parts["settings"].status) == ("dependency_failed", "pushed")
    assert backup.document("profiles") == full

    fleet.approve()
    fleet.run(seconds=PLENTY)
    assert fleet.statuses() == {"b1": "updated", "b2": "in_sync"}
    assert len(backup.names("profiles")) == held - may_go - 1
    assert replicable_differences(fleet.primary.snapshot(), fleet.servers["b1"].snapshot()) == []


@pytest.mark.parametrize(("held", "may_be"), [(2, 1), (8, 2), (100, 10)])
def test_as_many_users_as_the_table_says_may_be_disabled(
    make_fleet: Callable[..., Fleet], held: int, may_be: int
) -> None:
    fleet = fleet_of(make_fleet, held)
    for server in (fleet.primary, fleet.servers["b1"]):
        enable_all(server.state)
    disable_users(fleet.primary.state, may_be)
    fleet.run("b1")
    assert fleet.statuses() == {"b1": "updated"}
    enable_all(fleet.servers["b1"].state)
    if held > may_be:
        disable_users(fleet.primary.state, may_be + 1)
        fleet.run("b1")
        assert fleet.statuses() == {"b1": "blocked:disables_too_much"}
        assert f"it would disable {may_be + 1} of {held} users" in fleet.result("b1").message


def test_a_backup_without_users_has_none_to_lose(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("b1")
    keep_users(fleet.servers["b1"].state, 0)
    fleet.run()
    assert fleet.statuses() == {"b1": "updated"}
    assert len(fleet.servers["b1"].state.names("profiles")) == 8


@pytest.mark.parametrize("held", [1, 8, 100])
def test_a_primary_without_users_ends_the_run_and_where_that_is_accepted_each_backup_still_waits(
    make_fleet: Callable[..., Fleet], held: int
) -> None:
    fleet = fleet_of(make_fleet, held)
    keep_users(fleet.primary.state, 0)
    assert fleet.run("b1").run.reason == "primary_empty"
    fleet.run("b1", accept_primary=True)
    assert fleet.statuses() == {"b1": "blocked:part_missing_on_primary"}
    assert f"the primary has no users at all, the backup has {held}" in fleet.result("b1").message
    assert len(fleet.servers["b1"].state.names("profiles")) == held
    fleet.approve()
    fleet.run("b1", accept_primary=True)
    assert fleet.statuses() == {"b1": "updated"}
    assert fleet.servers["b1"].state.names("profiles") == []


def test_on_both_sides_without_users_there_is_nothing_to_do(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("b1")
    for server in fleet.servers.values():
        keep_users(server.state, 0)
    fleet.run(accept_primary=True)
    assert fleet.statuses() == {"b1": "in_sync"}


def no_mime_mappings(state: ServerState) -> None:
    state.mime = []


def no_rules(state: ServerState) -> None:
    with state.edit("event_rules") as tree:
        tree[:] = []


def no_directories(state: ServerState) -> None:
    state.sources = []
    with state.edit("authentication") as tree:
        tree[:] = []


@pytest.mark.parametrize(
    ("part", "empty"),
    [("mime_mappings", no_mime_mappings), ("event_rules", no_rules), ("authentication", no_directories)],
)
def test_a_part_that_the_primary_lacks_is_not_taken_from_a_backup_unseen(
    make_fleet: Callable[..., Fleet], part: str, empty: Callable[[ServerState], None]
) -> None:
    fleet = make_fleet("b1")
    empty(fleet.primary.state)
    drift.set_setting(fleet.primary.state, "general/welcomeMessage", "New")
    before = fleet.servers["b1"].snapshot()
    fleet.run()
    assert fleet.statuses() == {"b1": "blocked:part_missing_on_primary"}
    statuses = {name: outcome.status for name, outcome in fleet.parts("b1").items() if outcome.status != "unchanged"}
    assert statuses == {part: "blocked", "settings": "pushed"}
    left = {each.part for each in replicable_differences(before, fleet.servers["b1"].snapshot())}
    assert left == {"settings"}
    fleet.approve()
    fleet.run()
    assert fleet.statuses() == {"b1": "updated"}
    assert replicable_differences(fleet.primary.snapshot(), fleet.servers["b1"].snapshot()) == []


class TestTheFirstPushToANewBackup:
    """Its settings differ in a place that looks as if each machine had its own, and no rule knows it."""

    PATH = "general/spoolDirectory"

    @pytest.fixture
    def new(self, make_fleet: Callable[..., Fleet]) -> Fleet:
        fleet = make_fleet("b1")
        drift.set_setting(fleet.primary.state, self.PATH, "D:\\primary\\spool")
        drift.set_setting(fleet.servers["b1"].state, self.PATH, "E:\\backup\\spool")
        fleet.run()
        return fleet

    def test_it_waits_and_names_the_place_and_not_the_value(self, new: Fleet) -> None:
        assert new.statuses() == {"b1": "blocked:machine_specific_unruled"}
        assert "spoolDirectory" in new.result("b1").message
        assert "spool\\" not in new.result("b1").message
        assert new.servers["b1"].state.setting(self.PATH) == "E:\\backup\\spool"
        assert "SaveConfiguration" not in new.all_writes()

    def test_with_a_rule_the_backup_keeps_its_own(self, new: Fleet) -> None:
        new.configure(rules=("spool-directory",))
        new.run()
        assert new.statuses() == {"b1": "in_sync"}
        assert new.servers["b1"].state.setting(self.PATH) == "E:\\backup\\spool"

    def test_with_an_approval_it_is_overwritten_and_a_rule_added_later_voids_that(self, new: Fleet) -> None:
        plan = new.result("b1").plan_hash
        approval = as_registered(Approval("b1", plan, "a colleague", new.clock()), new.store)
        new.configure(rules=("something-else",))
        new.store.approve(approval)
        new.run()
        assert new.statuses() == {"b1": "blocked:plan_not_current"}
        new.configure()
        new.store.approve(approval)
        new.run()
        assert new.statuses() == {"b1": "updated"}
        assert new.servers["b1"].state.setting(self.PATH) == "D:\\primary\\spool"
