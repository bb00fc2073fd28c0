"""Putting back: a backup's own snapshot, exactly, and an older state of the primary; over real HTTPS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import Kind, Machine, drift, kept_machine_values, replicable_differences
from replication.model import PartName
from sync.events import Trigger, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cerberus import Snapshot
    from local.cerberus.state import ServerState
    from registry.fleet_records import Backup
    from sync.results import Report
    from tests.integration.sync.conftest import Fleet

EVERYTHING = tuple(part.value for part in PartName)
OVERRIDDEN = "general/passiveAddress"


def restore(fleet: Fleet, key: str, *backups: str, **more: Any) -> Report:
    return fleet.run(*backups, trigger=Trigger.RESTORE, snapshot=key, **more)


def backup_of(fleet: Fleet, backup_id: str = "b1") -> Backup:
    registered = fleet.store.backup(backup_id)
    assert registered is not None
    return registered


def resume(fleet: Fleet, *backups: str) -> None:
    for backup_id in backups:
        fleet.store.update_backup(replace(backup_of(fleet, backup_id), paused=""))


@pytest.fixture
def pushed(make_fleet: Callable[..., Fleet]) -> tuple[Fleet, Snapshot, str]:
    """A backup that differed in every part and was pushed to; what it held before, and the snapshot's key."""
    fleet = make_fleet("b1")
    fleet.store.update_backup(replace(backup_of(fleet), parts=EVERYTHING))
    fleet.configure(replicate_auto_block_list=True)
    state = fleet.servers["b1"].state
    drift.everywhere(state)
    drift.auto_block(state, "198.51.100.9")
    drift.set_listener_option(state, 0, 21, "companyName", "Another company")
    before = fleet.servers["b1"].snapshot()
    fleet.run()
    assert fleet.statuses() == {"b1": "updated"}
    assert replicable_differences(fleet.primary.snapshot(), fleet.servers["b1"].snapshot(), EVERYTHING) == []
    assert fleet.servers["b1"].snapshot() != before
    return fleet, before, fleet.result("b1").snapshot


def test_a_backup_gets_back_exactly_what_it_held_in_every_part(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, before, key = pushed
    asked, fingerprints = len(fleet.primary.requests), dict(fleet.result("b1").fingerprints)
    report = restore(fleet, key, "b1", requested_by="an administrator")
    assert fleet.statuses() == {"b1": "restored"}
    assert fleet.servers["b1"].snapshot() == before
    assert (report.run.status, report.run.trigger, report.run.snapshot) == ("succeeded", "restore", key)
    assert report.run.requested_by == "an administrator"
    assert report.run.primary is None  # it was not read
    result = fleet.result("b1")
    assert (result.verified_at, dict(result.fingerprints)) == (None, fingerprints)
    assert result.pushed_at is not None
    assert key in result.message
    assert 0 < len(fleet.primary.requests) - asked < 10, "it is asked who it is, and nothing else"
    undo = fleet.snapshots.load(result.snapshot)
    assert set(undo.content.parts) == set(EVERYTHING)
    assert undo.content.primary == fleet.snapshots.load(key).content.primary


def test_machine_specific_values_go_back_too(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("b1")
    state = fleet.servers["b1"].state
    drift.set_setting(state, "general/welcomeMessage", "Drifted")
    before = state.document("settings")
    fleet.run()
    key = fleet.result("b1").snapshot
    drift.set_setting(state, "ssl/certificate/path", "C:\\lost\\server.crt")
    restore(fleet, key, "b1")
    # The place of a certificate is what nobody puts back unseen.
    assert fleet.statuses() == {"b1": "blocked:machine_specific_unruled"}
    assert state.document("settings") != before
    fleet.approve()
    restore(fleet, key, "b1")
    assert fleet.statuses() == {"b1": "restored"}
    assert state.document("settings") == before


def test_only_the_parts_of_the_snapshot_are_touched_and_what_addresses_were_blocked_since_stays(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet("b1")
    state = fleet.servers["b1"].state
    drift.block(state, "192.0.2.99")
    fleet.run()
    drift.auto_block(state, "198.51.100.10")
    drift.set_mime(state, "pdf", "text/plain")
    fleet.forget()
    restore(fleet, fleet.result("b1").snapshot, "b1")
    assert fleet.writes("b1") == ["SaveBlockList"]
    assert "192.0.2.99" in state.document("ip_block_list")
    assert "198.51.100.10" in state.document("auto_block_list")


def test_no_run_undoes_it_until_it_is_resumed_and_then_the_cause_is_told(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, before, key = pushed
    restore(fleet, key, "b1")
    assert key in backup_of(fleet).paused
    fleet.forget()
    fleet.run()
    assert fleet.statuses() == {"b1": "drifted"}
    assert fleet.writes("b1") == []
    assert fleet.servers["b1"].snapshot() == before
    assert fleet.parts("b1")["settings"].cause == "backup_edited"
    resume(fleet, "b1")
    fleet.run()
    assert fleet.statuses() == {"b1": "updated"}
    assert replicable_differences(fleet.primary.snapshot(), fleet.servers["b1"].snapshot(), EVERYTHING) == []


def test_what_was_verified_before_is_not_claimed_of_what_was_put_back(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    verified, baseline = fleet.result("b1").verified_at, fleet.store.baseline()
    restore(fleet, key, "b1")
    last = fleet.store.status("b1")
    assert last is not None
    assert (last.status, last.verified_at) == ("restored", verified)
    assert fleet.store.baseline() == baseline


def test_the_pause_comes_before_the_first_write(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    fleet.servers["b1"].fault(Kind.CLOSE_BEFORE_REPLY, "SaveConfiguration")
    restore(fleet, key, "b1")
    assert fleet.statuses()["b1"].startswith("failed:")
    assert key in backup_of(fleet).paused


def test_without_a_pause_nothing_is_written(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    fleet.progress.on_started = lambda: fleet.store.delete_backup("b1")
    fleet.forget()
    restore(fleet, key, "b1")
    assert fleet.writes("b1") == []


def test_a_dry_run_tells_the_plan_and_neither_writes_nor_pauses(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    fleet.forget()
    restore(fleet, key, "b1", dry_run=True)
    assert fleet.statuses() == {"b1": "drifted"}
    assert fleet.result("b1").plan_hash
    assert (fleet.writes("b1"), backup_of(fleet).paused) == ([], "")


def test_what_the_guards_stop_is_put_back_whole_or_not_at_all(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet("b1", users=20)
    state = fleet.servers["b1"].state
    removed = state.names("profiles")[:5]
    for name in removed:
        drift.remove_user(state, name)
    drift.set_mime(state, "pdf", "text/plain")
    before = fleet.servers["b1"].snapshot()
    fleet.run()
    key = fleet.result("b1").snapshot
    fleet.forget()
    report = restore(fleet, key, "b1")
    assert fleet.statuses() == {"b1": "blocked:removes_too_much"}
    assert report.run.status == "partial"
    assert fleet.parts("b1")["accounts"].removed == 5
    assert "5 of 20 users" in fleet.result("b1").message
    assert (fleet.writes("b1"), backup_of(fleet).paused) == ([], "")
    fleet.approve()
    restore(fleet, key, "b1")
    assert fleet.statuses() == {"b1": "restored"}
    assert fleet.servers["b1"].snapshot() == before


def test_answers_about_soap_may_become_again_what_they_were_in_the_snapshot(make_fleet: Callable[..., Fleet]) -> None:
    fleet, state, key = _spoilt(make_fleet, {"remote/soap/port": "9999"})
    before = fleet.snapshots.load(key).content.facts.security.soap_port
    restore(fleet, key, "b1")
    fleet.approve()
    restore(fleet, key, "b1")
    assert fleet.statuses() == {"b1": "restored"}
    assert state.setting("remote/soap/port") == str(before)


def test_the_log_in_of_the_snapshots_time_may_lose_access_which_is_said(make_fleet: Callable[..., Fleet]) -> None:
    new = Machine.named("b1", admin_password="PLANTEDADMINPASSWORD-NEW")
    fleet, _, key = _spoilt(make_fleet, {"remote/remoteAdmin/account/@passwordHash": new.admin_hash})
    fleet.log_in("b1", new.admin_user, new.admin_password)
    restore(fleet, key, "b1")
    fleet.approve()
    restore(fleet, key, "b1")
    # With the log-in of today nothing more can be done on that server.
    assert fleet.statuses() == {"b1": "failed:access_lost"}


def _spoilt(make_fleet: Callable[..., Fleet], settings: dict[str, str]) -> tuple[Fleet, ServerState, str]:
    """A backup that was pushed to and then edited, with the key of its snapshot."""
    fleet = make_fleet("b1")
    state = fleet.servers["b1"].state
    drift.set_setting(state, "general/welcomeMessage", "Drifted")
    fleet.run()
    for path, value in settings.items():
        drift.set_setting(state, path, value)
    return fleet, state, fleet.result("b1").snapshot


@pytest.mark.parametrize("write", ["SaveConfiguration", "SaveProfiles", "SetEventRules", "SaveBlockList"])
def test_after_the_server_failed_in_the_middle_the_same_restore_converges(
    pushed: tuple[Fleet, Snapshot, str], write: str
) -> None:
    fleet, before, key = pushed
    fleet.servers["b1"].fault(Kind.CLOSE_AFTER_STORING, write, times=1)
    restore(fleet, key, "b1")
    assert fleet.statuses()["b1"].startswith("failed:")
    fleet.run()  # a scheduled one in between
    assert fleet.statuses()["b1"] == "drifted"
    restore(fleet, key, "b1")
    assert fleet.statuses() == {"b1": "restored"}
    assert fleet.servers["b1"].snapshot() == before


def test_one_that_holds_it_already_is_paused_and_not_written_to(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    restore(fleet, key, "b1")
    resume(fleet, "b1")
    fleet.forget()
    restore(fleet, key, "b1")
    # Whether listeners that are equal outlive a restart is not known of them: they are made to.
    assert (fleet.statuses(), fleet.writes("b1")) == ({"b1": "restored"}, ["CommitSettings"])
    assert backup_of(fleet).paused


def test_while_another_run_holds_the_lease_nothing_is_done(pushed: tuple[Fleet, Snapshot, str]) -> None:
    fleet, _, key = pushed
    now = fleet.clock()
    fleet.forget()
    assert fleet.store.acquire_lease("another", now=now, expires_at=now.replace(year=now.year + 1))
    report = restore(fleet, key, "b1")
    assert (report.run.status, report.run.reason) == ("not_run", "lease_held")
    assert (fleet.writes("b1"), backup_of(fleet).paused) == ([], "")


class TestWhatIsRefused:
    def test_a_snapshot_that_is_gone(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        fleet.snapshots.stored.clear()
        self._refused(fleet, key, "snapshot_missing")

    def test_a_damaged_one(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        fleet.snapshots.stored[key] = fleet.snapshots.stored[key][:-1000]
        self._refused(fleet, key, "snapshot_altered")

    def test_one_that_was_put_under_another_backups_key(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        content = json.loads(fleet.snapshots.stored[key])
        fleet.snapshots.put(key, json.dumps(content | {"origin": "b2"}).encode())
        self._refused(fleet, key, "snapshot_unreadable")

    def test_one_of_another_machine(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        fleet.servers["b1"].state.machine = replace(fleet.servers["b1"].state.machine, host="other.files.example")
        self._refused_backup(fleet, key, "failed:snapshot_unfit")

    def test_one_of_another_major_version(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        state = fleet.servers["b1"].state
        state.version = (state.version[0] + 1, *state.version[1:])
        self._refused_backup(fleet, key, "failed:snapshot_unfit")

    def test_one_for_a_server_that_is_the_primary_now(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        primary, server = fleet.store.primary(), fleet.servers["b1"]
        assert primary is not None
        fleet.store.save_primary(replace(primary, port=server.port))
        self._refused_backup(fleet, key, "failed:same_as_primary")

    @pytest.mark.parametrize(("answers", "was_read"), [(True, True), (True, False), (False, True)])
    def test_one_for_the_present_primary_under_another_name(
        self, pushed: tuple[Fleet, Snapshot, str], answers: bool, was_read: bool
    ) -> None:
        """The backup's machine is the primary now, at an address that does not show it."""
        fleet, _, key = pushed
        twin = fleet.add_backup("twin", state=fleet.servers["b1"].state)
        registered, primary = fleet.store.backup("twin"), fleet.store.primary()
        assert registered is not None
        assert primary is not None
        fleet.store.delete_backup("twin")
        moved = replace(primary, host=registered.host, port=registered.port, trust=registered.trust, secret="twin")
        fleet.store.save_primary(moved)
        if was_read:
            fleet.run()  # what the primary says of itself is known from then on
        if not answers:
            twin.stop()
        self._refused_backup(fleet, key, "failed:same_as_primary")

    def test_one_whose_primary_does_not_answer_warns(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, before, key = pushed
        fleet.primary.stop()
        restore(fleet, key, "b1")
        assert fleet.statuses() == {"b1": "restored"}
        assert fleet.servers["b1"].snapshot() == before
        assert any("could not be asked for its identity" in warning for warning in fleet.result("b1").warnings)

    def test_an_address_that_leads_to_the_primary(self, pushed: tuple[Fleet, Snapshot, str]) -> None:
        fleet, _, key = pushed
        backup = backup_of(fleet)
        fleet.servers["b1"].stop()
        machine = fleet.primary.state.machine
        fleet.log_in("b1", machine.admin_user, machine.admin_password)
        primary = fleet.primary
        moved = replace(
            backup, host="localhost", port=primary.port, trust=replace(backup.trust, pins=(primary.fingerprint,))
        )
        fleet.store.update_backup(moved)
        restore(fleet, key, "b1", same_machine=True)
        assert fleet.statuses() == {"b1": "failed:same_as_primary"}

    def _refused(self, fleet: Fleet, key: str, reason: str) -> None:
        fleet.forget()
        report = restore(fleet, key, "b1")
        assert (report.run.status, report.run.reason) == ("failed", reason)
        assert fleet.statuses() == {"b1": "incomplete:run_aborted"}
        assert (fleet.writes("b1"), backup_of(fleet).paused) == ([], "")

    def _refused_backup(self, fleet: Fleet, key: str, status: str) -> None:
        fleet.forget()
        restore(fleet, key, "b1")
        assert fleet.statuses() == {"b1": status}
        assert (fleet.writes("b1"), backup_of(fleet).paused) == ([], "")


class TestAnOlderStateOfThePrimary:
    def test_goes_to_the_whole_fleet_which_keeps_its_machines_values_and_is_paused(self, fleet: Fleet) -> None:
        fleet.run()
        key = f"primary/{fleet.store.states(limit=1)[0].digest}"
        older = fleet.primary.snapshot()
        machines = {name: fleet.servers[name].snapshot() for name in ("b1", "b2")}
        drift.set_setting(fleet.primary.state, "general/welcomeMessage", "Wrong")
        drift.remove_rule(fleet.primary.state, "Rule 1")
        fleet.run()
        assert fleet.statuses() == {"b1": "updated", "b2": "updated"}
        report = restore(fleet, key)
        assert fleet.statuses() == {"b1": "restored", "b2": "restored"}
        assert report.run.status == "succeeded"
        for name, before in machines.items():
            now = fleet.servers[name].snapshot()
            assert replicable_differences(older, now) == []
            assert kept_machine_values(before, now) == []
            assert key in backup_of(fleet, name).paused
        fleet.forget()
        fleet.run()
        assert fleet.statuses() == {"b1": "drifted", "b2": "drifted"}
        assert fleet.all_writes() == []
        resume(fleet, "b1")
        fleet.run()
        assert fleet.statuses() == {"b1": "updated", "b2": "drifted"}

    def test_goes_to_the_named_backups_alone_while_the_primary_is_down(self, fleet: Fleet) -> None:
        fleet.run()
        key = f"primary/{fleet.store.states(limit=1)[0].digest}"
        drift.set_setting(fleet.primary.state, "general/welcomeMessage", "Wrong")
        fleet.run()
        fleet.primary.refuse_connections()
        restore(fleet, key, "b2")
        assert fleet.statuses() == {"b2": "restored"}
        assert backup_of(fleet, "b1").paused == ""

    def test_touches_only_parts_that_are_chosen_and_kept(self, fleet: Fleet) -> None:
        fleet.run()
        key = f"primary/{fleet.store.states(limit=1)[0].digest}"
        fleet.store.update_backup(replace(backup_of(fleet, "b1"), parts=("mime_mappings", "listeners")))
        fleet.store.update_backup(replace(backup_of(fleet, "b2"), parts=("listeners",)))
        drift.set_mime(fleet.primary.state, "pdf", "text/plain")
        fleet.run()
        restore(fleet, key)
        assert fleet.statuses() == {"b1": "restored", "b2": "failed:snapshot_unfit"}
        assert set(fleet.parts("b1")) == {"mime_mappings"}

    def test_what_the_guards_stop_waits_for_an_approval(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet("b1", users=20)
        fleet.run()
        key = f"primary/{fleet.store.states(limit=1)[0].digest}"
        for number in range(5):
            drift.add_user(fleet.primary.state, f"added-{number}")
        fleet.run()
        restore(fleet, key)
        assert fleet.statuses() == {"b1": "blocked:removes_too_much"}
        fleet.approve()
        restore(fleet, key)
        assert fleet.statuses() == {"b1": "restored"}


def test_the_event_of_a_restore_is_the_request_that_these_tests_make(pushed: tuple[Fleet, Snapshot, str]) -> None:
    _, _, key = pushed
    request = read_request({"action": "restore", "snapshot": key})
    assert (request.trigger, request.backups, request.snapshot) == (Trigger.RESTORE, ("b1",), key)
