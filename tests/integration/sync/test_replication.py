"""Backups become what the primary is, in every part, and stay themselves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import Machine, documents, drift, kept_machine_values, replicable_differences
from local.cerberus.compare import PARTS
from local.cerberus.machine import SECTIONS
from replication.model import PartName, PartStatus

if TYPE_CHECKING:  # fixtures come by name; only their types are imported
    from collections.abc import Callable

    from local.cerberus.faults import Active
    from local.cerberus.soap import Message, Reply
    from tests.integration.sync.conftest import Evidence, Fleet

ALL_PARTS = tuple(part.value for part in PartName)
WRITER_OF_PART = {
    "settings": ["SaveConfiguration"],
    "authentication": ["SetAuthenticationList"],
    "accounts": ["SaveProfiles"],
    "event_rules": ["SetEventRules"],
    "mime_mappings": ["SaveMimeMappings"],
    "ip_block_lists": ["SaveBlockList"],
    "account_requests": ["SetRequestedAccounts"],
    "listeners": ["ModifyInterface", "CommitSettings"],
}
DRIFT_OF_PART: dict[str, Callable[[Any], None]] = {
    "settings": lambda state: drift.set_setting(state, "general/welcomeMessage", "Drifted"),
    "authentication": lambda state: drift.enable_source(state, "Partners"),
    "accounts": lambda state: drift.add_user(state, "made-by-hand"),
    "event_rules": lambda state: drift.edit_rule(state, "Rule 2", "action", "delete"),
    "mime_mappings": lambda state: drift.remove_mime(state, "pdf"),
    "ip_block_lists": lambda state: drift.block(state, "192.0.2.254"),
    "account_requests": lambda state: drift.add_request(state, "drifted"),
    "listeners": lambda state: drift.set_listener_option(state, 3, 443, "connectionLimit", 7),
}


def assert_equal(fleet: Fleet, backup_id: str, parts: tuple[str, ...] = PARTS) -> None:
    """By the stand-in's own comparison, which shares nothing with the product."""
    after = fleet.servers[backup_id].snapshot()
    assert replicable_differences(fleet.primary.snapshot(), after, parts) == []
    assert kept_machine_values(fleet.before[backup_id], after, parts) == []


@pytest.mark.parametrize("registry", ["memory", "aws"], indirect=True)
class TestAWholeRun:
    def test_every_part_of_a_drifted_backup_is_replicated(self, fleet: Fleet) -> None:
        fleet.configure(parts=ALL_PARTS)
        drifted = fleet.servers["b1"].state
        drift.everywhere(drifted)
        drift.set_listener_option(drifted, 3, 443, "connectionLimit", 7)
        assert {d.part for d in replicable_differences(fleet.primary.snapshot(), drifted.snapshot(), ALL_PARTS)} == {
            *ALL_PARTS
        }

        report = fleet.run()

        assert report.run.status == "succeeded"
        assert fleet.statuses() == {"b1": "updated", "b2": "in_sync"}
        assert_equal(fleet, "b1", ALL_PARTS)
        assert_equal(fleet, "b2", ALL_PARTS)
        assert fleet.writes("b1") == [operation for part in ALL_PARTS for operation in WRITER_OF_PART[part]]
        assert fleet.writes("b2") == []
        assert {part.status for part in fleet.result("b1").parts} == {PartStatus.PUSHED}

    def test_a_second_run_writes_nothing_to_any_server(self, fleet: Fleet) -> None:
        fleet.configure(parts=ALL_PARTS)
        drift.everywhere(fleet.servers["b1"].state)
        fleet.run()
        fleet.forget()

        fleet.run()

        assert fleet.statuses() == {"b1": "in_sync", "b2": "in_sync"}
        assert fleet.all_writes() == []

    def test_what_was_done_and_seen_is_recorded(self, fleet: Fleet) -> None:
        state = fleet.servers["b1"].state
        drift.add_user(state, "made-by-hand")
        drift.remove_user(state, "user000001")
        drift.edit_group(state, fleet.primary.state.names("groups")[0], "@isDisabled", "true")
        first = fleet.run().run
        changed = fleet.parts("b1")["accounts"]
        assert (changed.added, changed.removed, changed.changed) == (1, 1, 1)
        pushed = fleet.result("b1")
        assert pushed.pushed_at is not None
        assert pushed.verified_at is not None
        assert pushed.pushed_at <= pushed.verified_at
        assert fleet.result("b2").pushed_at is None
        assert fleet.result("b2").verified_at is not None

        fleet.run()

        status = fleet.store.status("b1")
        assert status is not None
        assert status.status == "in_sync"
        assert status.pushed_at == pushed.pushed_at  # the last push stays known
        assert status.verified_at is not None
        assert status.verified_at > pushed.verified_at
        stored = fleet.store.run(first.id)
        assert stored is not None
        assert stored.counts == {
            "in_sync": 1,
            "updated": 1,
            "drifted": 0,
            "blocked": 0,
            "rolled_back": 0,
            "failed": 0,
            "incomplete": 0,
            "restored": 0,
        }
        assert stored.finished_at is not None
        assert fleet.store.lease() is None
        baseline = fleet.store.baseline()
        assert baseline is not None
        assert (baseline.users, baseline.groups) == (8, 3)


class TestParts:
    @pytest.mark.parametrize("part", ALL_PARTS)
    def test_a_difference_in_one_part_is_repaired_by_that_parts_writers_alone(self, fleet: Fleet, part: str) -> None:
        fleet.configure(parts=ALL_PARTS)
        DRIFT_OF_PART[part](fleet.servers["b1"].state)
        fleet.run()
        assert fleet.writes("b1") == WRITER_OF_PART[part]
        assert {name for name, result in fleet.parts("b1").items() if result.status == PartStatus.PUSHED} == {part}
        assert_equal(fleet, "b1", ALL_PARTS)

    def test_listeners_are_left_alone_unless_asked_for(self, fleet: Fleet) -> None:
        DRIFT_OF_PART["listeners"](fleet.servers["b1"].state)
        fleet.before["b1"] = fleet.servers["b1"].snapshot()
        fleet.run()
        assert fleet.statuses()["b1"] == "in_sync"
        assert "listeners" not in fleet.parts("b1")
        assert_equal(fleet, "b1")

    def test_a_backups_own_choice_of_parts_counts_more_than_the_fleets(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet()
        fleet.add_backup("b1", registration={"parts": ("mime_mappings",)})
        drift.everywhere(fleet.servers["b1"].state)
        fleet.run()
        assert fleet.writes("b1") == ["SaveMimeMappings"]
        assert list(fleet.parts("b1")) == ["mime_mappings"]

    def test_the_automatic_block_list_stays_the_backups_own(self, fleet: Fleet) -> None:
        state = fleet.servers["b1"].state
        drift.block(state, "192.0.2.254")
        drift.auto_block(state, "198.51.100.250")
        fleet.before["b1"] = fleet.servers["b1"].snapshot()
        fleet.run()
        assert fleet.writes("b1") == ["SaveBlockList"]
        assert_equal(fleet, "b1")

    def test_an_address_that_is_blocked_automatically_during_the_run_stays_blocked(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = fleet.servers["b1"]
        drift.everywhere(server.state)
        answer = server.service.answer

        def meanwhile(message: Message, active: Active) -> Reply:
            if message.operation == "SaveMimeMappings":  # all has been read by now, the block lists are written next
                drift.auto_block(server.state, "198.51.100.250")
            return answer(message, active)

        monkeypatch.setattr(server.service, "answer", meanwhile)
        fleet.run()
        assert fleet.statuses()["b1"] == "updated"
        assert "198.51.100.250" in server.state.document("auto_block_list")

    def test_the_automatic_block_list_is_replicated_when_asked_for(self, fleet: Fleet) -> None:
        fleet.configure(replicate_auto_block_list=True)
        drift.auto_block(fleet.primary.state, "198.51.100.250")
        fleet.run()
        assert fleet.statuses() == {"b1": "updated", "b2": "updated"}
        for backup_id in ("b1", "b2"):
            assert_equal(fleet, backup_id, (*PARTS, "auto_block_list"))
        fleet.forget()
        fleet.run()
        assert fleet.all_writes() == []

    def test_log_ins_of_users_are_no_difference(self, fleet: Fleet) -> None:
        drift.log_in(fleet.servers["b1"].state, "user000001")
        fleet.run()
        assert fleet.statuses()["b1"] == "in_sync"


class TestMachineValues:
    @pytest.mark.parametrize("section", SECTIONS)
    def test_a_section_survives_in_every_style(self, fleet: Fleet, section: str) -> None:
        paths = documents.MACHINE_SETTINGS[section]
        own = documents.parse(fleet.before["b1"].documents["settings"])
        assert all(documents.find(own, documents.attribute_of(path)[0]) is not None for path in paths)
        drift.set_setting(fleet.servers["b1"].state, "general/welcomeMessage", "Drifted")
        fleet.run()
        assert fleet.statuses()["b1"] == "updated"
        after = documents.flatten(documents.parse(fleet.servers["b1"].snapshot().documents["settings"]))
        before = documents.flatten(own)
        kept = [path for path in before if any(path == p or path.startswith(f"{p}/") for p in paths)]
        assert len(kept) >= len(paths)
        assert {path: after.get(path) == before[path] for path in kept} == dict.fromkeys(kept, True)
        assert_equal(fleet, "b1")

    @pytest.mark.parametrize("section", SECTIONS)
    def test_a_section_that_the_backup_lacks_does_not_come_over(
        self, make_fleet: Callable[..., Fleet], section: str
    ) -> None:
        fleet = make_fleet()
        machine = Machine.named("b1", absent=(section,))
        fleet.add_backup("b1", state=fleet.state(machine))
        drift.set_setting(fleet.servers["b1"].state, "general/welcomeMessage", "Drifted")
        fleet.run()
        assert fleet.statuses()["b1"] == "updated"
        after = documents.parse(fleet.servers["b1"].snapshot().documents["settings"])
        assert [path for path in documents.MACHINE_SETTINGS[section] if documents.get(after, path) is not None] == []
        assert_equal(fleet, "b1")
        fleet.forget()
        fleet.run()
        assert fleet.all_writes() == []

    @pytest.mark.parametrize("section", SECTIONS)
    def test_a_section_that_the_primary_lacks_is_not_taken_away(
        self, make_fleet: Callable[..., Fleet], section: str
    ) -> None:
        fleet = make_fleet("b1")
        for path in documents.MACHINE_SETTINGS[section]:
            drift.remove_setting(fleet.primary.state, path)
        drift.set_setting(fleet.primary.state, "general/welcomeMessage", "New")
        fleet.run()
        if section == "license":  # the server itself tells that it has none
            assert fleet.reports[-1].run.reason == "licence_invalid"
            return
        assert fleet.statuses()["b1"] == "updated"
        assert_equal(fleet, "b1")

    def test_nothing_of_the_machine_changes_when_every_section_is_absent(
        self, make_fleet: Callable[..., Fleet]
    ) -> None:
        fleet = make_fleet()
        fleet.add_backup("b1", state=fleet.state(Machine.named("b1", absent=SECTIONS)))
        drift.everywhere(fleet.servers["b1"].state)
        fleet.run()
        assert fleet.statuses()["b1"] == "updated"
        assert_equal(fleet, "b1")


class TestDryRun:
    def test_differences_are_named_and_nothing_is_written(self, fleet: Fleet) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        report = fleet.run(dry_run=True)
        assert report.run.status == "succeeded"
        assert fleet.statuses() == {"b1": "drifted", "b2": "in_sync"}
        assert {part.status for part in fleet.result("b1").parts} == {PartStatus.DIFFERENT}
        assert fleet.result("b1").verified_at is None
        assert fleet.all_writes() == []


class TestSecrets:
    def test_what_is_planted_is_really_there_to_be_let_out(self, fleet: Fleet, evidence: Evidence) -> None:
        held = "".join("".join(server.snapshot().documents.values()) for server in fleet.servers.values())
        held += repr(fleet.primary.snapshot().interfaces)
        log_ins = [secret for secret in evidence.planted if secret not in held]
        assert len(evidence.planted) == 3 + 3 * 6
        assert len(log_ins) == 3 * 2  # passwords and their base64 form; the servers hold hashes

    @pytest.mark.parametrize("place", ["log", "extra field", "exception", "suppressed exception", "stdout", "report"])
    def test_a_secret_that_gets_out_is_found(self, evidence: Evidence, place: str) -> None:
        watch = type(evidence)()
        watch.plant("secret", "PLANTEDMARKER")
        let_out(watch, place, "PLANTEDMARKER")
        assert watch.leaks() != []
        assert "PLANTEDMARKER" not in repr(watch.leaks())


def let_out(watch: Evidence, place: str, secret: str) -> None:
    if place == "log":
        watch.emit(logging.LogRecord("x", logging.DEBUG, __file__, 1, "said %s", (secret,), None))
    elif place == "extra field":
        record = logging.LogRecord("x", logging.DEBUG, __file__, 1, "said", (), None)
        record.__dict__["detail"] = secret
        watch.emit(record)
    elif place == "exception":
        watch.add_error(ValueError(secret))
    elif place == "suppressed exception":
        hidden = ValueError("nothing")
        hidden.__context__, hidden.__suppress_context__ = KeyError(secret), True
        watch.add_error(hidden)
    else:
        watch.add(place, f"a {secret} b")


def test_the_automatic_list_goes_over_in_every_run_where_that_is_asked_for(fleet: Fleet) -> None:
    fleet.configure(replicate_auto_block_list=True)
    fleet.run()
    drift.auto_block(fleet.primary.state, "198.51.100.77")
    fleet.run()
    assert fleet.statuses() == {"b1": "updated", "b2": "updated"}
    assert "198.51.100.77" in fleet.servers["b1"].state.document("auto_block_list")


def test_what_a_backup_held_before_is_kept_exactly_and_an_equal_one_needs_no_snapshot(fleet: Fleet) -> None:
    drift.everywhere(fleet.servers["b1"].state)
    before = fleet.servers["b1"].state.document("settings")
    fleet.run()
    kept = fleet.snapshots.load(fleet.result("b1").snapshot)
    assert kept.origin == "b1"
    assert kept.content.parts["settings"] == before
    assert kept.content.facts.hostname == fleet.servers["b1"].state.machine.host
    assert kept.content.primary is not None
    assert kept.content.primary.hostname == fleet.primary.state.machine.host
    assert set(kept.content.parts) == {name for name, part in fleet.parts("b1").items() if part.status == "pushed"}
    assert fleet.result("b2").snapshot == ""
