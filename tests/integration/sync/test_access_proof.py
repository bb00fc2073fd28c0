"""Settings that would take a backup's way in away, because the rules were emptied and the plan was approved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cerberus.client import BackupClient
from common.errors import Failure, Reason
from local.cerberus import Kind, Machine, drift
from replication.documents import keep_patterns
from replication.documents.keep_list import RULES, Rule
from sync.events import Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.server_types import Content, ServerFacts
    from tests.integration.sync.conftest import Fleet


def without_rules(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, left: tuple[Rule, ...] = ()) -> None:
    """No rule but those ``left`` keeps anything, and somebody has approved the plan that follows from that."""
    monkeypatch.setattr(keep_patterns, "RULES", left)
    drift.set_setting(fleet.primary.state, "general/welcomeMessage", "New")
    drift.add_user(fleet.primary.state, "newcomer")
    fleet.run()
    assert set(fleet.statuses().values()) == {"blocked:machine_specific_unruled"}
    fleet.approve()


class TestValuesOfTheMachineChanged:
    """Both servers have the same administrator, so that a log-in still works with the other's settings."""

    @pytest.fixture
    def fleet(self, make_fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch) -> Fleet:
        fleet = make_fleet()
        machine = Machine.named("b1", admin_password=fleet.primary.state.machine.admin_password)
        fleet.add_backup("b1", state=fleet.state(machine))
        without_rules(fleet, monkeypatch)
        return fleet

    def test_the_settings_are_put_back_exactly_and_nothing_else_is_tried(self, fleet: Fleet) -> None:
        before = fleet.servers["b1"].state.document("settings")
        fleet.forget()
        report = fleet.run()
        assert fleet.statuses() == {"b1": "rolled_back:machine_values_changed"}
        assert fleet.writes("b1") == ["SaveConfiguration", "SaveConfiguration"]
        assert fleet.servers["b1"].state.document("settings") == before
        assert report.run.status == "partial"
        result = fleet.result("b1")
        assert (result.verified_at, fleet.parts("b1")["settings"].status) == (None, "rolled_back")
        assert fleet.snapshots.load(result.snapshot).content.parts["settings"] == before

    def test_with_the_rules_again_the_next_run_pushes_what_may_be_pushed(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.run()
        monkeypatch.undo()
        fleet.run()
        assert fleet.statuses() == {"b1": "updated"}
        assert fleet.servers["b1"].state.setting("general/welcomeMessage") == "New"

    def test_a_reply_that_was_lost_changes_nothing_about_that(self, fleet: Fleet) -> None:
        before = fleet.servers["b1"].state.document("settings")
        fleet.servers["b1"].fault(Kind.CLOSE_AFTER_STORING, "SaveConfiguration", times=1)
        fleet.run()
        assert fleet.statuses() == {"b1": "rolled_back:machine_values_changed"}
        assert fleet.servers["b1"].state.document("settings") == before


class TestTheProofIsNotHeardOf:
    """The rules about SOAP alone are missing, so that the backup takes over the primary's way in."""

    @pytest.fixture
    def fleet(self, make_fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch) -> Fleet:
        fleet = make_fleet("b1")
        others = tuple(rule for rule in RULES if not re.search("soap|remote", rule.pattern))
        without_rules(fleet, monkeypatch, others)
        return fleet

    def test_a_proof_that_was_cut_off_is_made_up_for_by_the_next_run(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = fleet.servers["b1"].state.document("settings")
        self._cut_off(fleet, monkeypatch)
        key = fleet.result("b1").snapshot
        for _ in range(2):  # what is suspected stays suspected
            fleet.run()
            assert fleet.statuses() == {"b1": "blocked:access_not_proved"}
            assert f"restore {key}" in fleet.result("b1").message
            assert fleet.result("b1").verified_at is None
        fleet.run("b1", trigger=Trigger.RESTORE, snapshot=key)
        fleet.approve()
        fleet.run("b1", trigger=Trigger.RESTORE, snapshot=key)
        assert fleet.statuses() == {"b1": "restored"}
        assert fleet.servers["b1"].state.document("settings") == before

    def test_what_is_suspected_goes_through_once_it_was_approved(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._cut_off(fleet, monkeypatch)
        fleet.run()
        assert fleet.statuses() == {"b1": "blocked:access_not_proved"}
        fleet.approve()
        for _ in range(2):
            fleet.run()
            assert fleet.statuses() == {"b1": "in_sync"}

    def test_a_proof_that_comes_too_late_is_no_reason_to_leave_the_settings_there(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = fleet.servers["b1"].state.document("settings")
        answers, fresh_facts = iter([True, False]), BackupClient.fresh_facts

        def late_once(client: BackupClient) -> ServerFacts:
            if next(answers):
                raise Failure(Reason.DEADLINE, "the time is up")
            return fresh_facts(client)

        monkeypatch.setattr(BackupClient, "fresh_facts", late_once)
        fleet.run()
        assert fleet.statuses() == {"b1": "failed:too_slow"}
        assert "the old ones were restored" in fleet.result("b1").message
        assert fleet.servers["b1"].state.document("settings") == before

    def _cut_off(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        """New settings are written, and no call after that comes in time."""
        write = BackupClient.write_settings

        def late(_: BackupClient) -> ServerFacts:
            raise Failure(Reason.DEADLINE, "the time is up")

        def write_and_be_late(client: BackupClient, document: Content) -> None:
            write(client, document)
            patched.setattr(BackupClient, "write_settings", lambda client, _: late(client))

        with monkeypatch.context() as patched:
            patched.setattr(BackupClient, "fresh_facts", late)
            patched.setattr(BackupClient, "write_settings", write_and_be_late)
            fleet.run()
        monkeypatch.undo()  # the rules are there again
        assert fleet.statuses() == {"b1": "failed:access_lost"}


class TestTheLogInIsLost:
    """The primary's administrator is another one, so that nobody can put the settings back from outside."""

    @pytest.fixture
    def fleet(self, make_fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch) -> Fleet:
        fleet = make_fleet("a", "b1")
        without_rules(fleet, monkeypatch)
        fleet.servers["a"].stop()
        return fleet

    def test_it_is_said_first_by_the_run_and_in_its_record(self, fleet: Fleet) -> None:
        report = fleet.run()
        assert fleet.statuses() == {"a": "failed:connection_refused", "b1": "failed:access_lost"}
        assert [result.backup_id for result in report.results] == ["b1", "a"]
        run = fleet.store.run(report.run.id)
        assert run is not None
        assert (run.status, run.reason) == ("partial", "access_lost")
        assert "b1" in run.message
        assert "nobody may be able to log in" in run.message
        assert "restoring the old ones did not help" in fleet.result("b1").message
        assert fleet.result("b1").verified_at is None

    def test_what_it_held_before_is_in_the_snapshot(self, fleet: Fleet) -> None:
        before = fleet.servers["b1"].state.document("settings")
        fleet.run()
        assert fleet.servers["b1"].state.document("settings") != before
        assert fleet.snapshots.load(fleet.result("b1").snapshot).content.parts["settings"] == before
