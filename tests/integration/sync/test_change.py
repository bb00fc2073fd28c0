"""A look at the primary between scheduled runs: what counts as a change, and that backups are left in peace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.cerberus import Kind, drift, replicable_differences
from sync.events import RunRequest, Trigger
from sync.poll import look_at_primary
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sync.conftest import Fleet

CHANGES: dict[str, Callable[[Fleet], None]] = {
    "a user": lambda fleet: drift.edit_user(fleet.primary.state, "user000001", "@email", "new@example.org"),
    "a setting": lambda fleet: drift.set_setting(fleet.primary.state, "general/welcomeMessage", "New"),
    "a source": lambda fleet: drift.enable_source(fleet.primary.state, "Partners"),
    "a rule": lambda fleet: drift.remove_rule(fleet.primary.state, "Rule 1"),
    "a mapping": lambda fleet: drift.set_mime(fleet.primary.state, "pdf", "text/plain"),
    "a blocked address": lambda fleet: drift.block(fleet.primary.state, "192.0.2.200"),
    "a request": lambda fleet: drift.add_request(fleet.primary.state, "guid-new"),
}


def changed(fleet: Fleet) -> bool:
    return look_at_primary(fleet.context, Deadline(600, monotonic)).is_run_needed


def looked(fleet: Fleet) -> str:
    """What a look and the run that it leads to come to: the run's status and reason, or nothing."""
    look = look_at_primary(fleet.context, Deadline(600, monotonic))
    if not look.is_run_needed:
        return ""
    report = run(RunRequest(Trigger.CHANGE), fleet.context, Deadline(600, monotonic), unread=look.unread)
    return f"{report.run.status} {report.run.reason}".strip()


def test_before_the_first_verified_run_there_is_nothing_to_compare_with_and_no_server_is_asked(fleet: Fleet) -> None:
    assert not changed(fleet)
    assert fleet.primary.requests == []


def test_after_a_run_an_unchanged_primary_is_unchanged_and_no_backup_is_asked(fleet: Fleet) -> None:
    fleet.run()
    fleet.forget()
    assert not changed(fleet)
    assert fleet.servers["b1"].requests == []


@pytest.mark.parametrize("what", CHANGES)
def test_each_part_that_changed_is_noticed_until_a_run_has_replicated_it(fleet: Fleet, what: str) -> None:
    fleet.run()
    CHANGES[what](fleet)
    assert changed(fleet)
    fleet.run()
    assert not changed(fleet)


def test_a_log_in_of_a_user_and_an_automatically_blocked_address_are_no_change(fleet: Fleet) -> None:
    fleet.run()
    drift.log_in(fleet.primary.state, "user000001")
    drift.auto_block(fleet.primary.state, "198.51.100.3")
    assert not changed(fleet)


def test_a_run_over_some_backups_or_without_writing_does_not_hide_a_change_from_the_others(fleet: Fleet) -> None:
    fleet.run()
    CHANGES["a user"](fleet)
    fleet.run("b1")
    fleet.run(dry_run=True)
    assert changed(fleet)


def test_a_primary_that_cannot_be_read_is_recorded_once_and_then_left_to_the_schedule(fleet: Fleet) -> None:
    fleet.run()
    fleet.primary.fault(Kind.HTML)
    assert [looked(fleet) for _ in range(3)] == ["failed not_soap", "", ""]


def test_a_refused_log_in_is_recorded_by_the_run_and_not_tried_a_second_time(fleet: Fleet) -> None:
    fleet.run()
    fleet.log_in("primary", "admin", "NOT-THE-PASSWORD")
    asked = len(fleet.primary.requests)
    assert [looked(fleet) for _ in range(3)] == ["failed authentication_failed", "", ""]
    assert len(fleet.primary.requests) == asked + 1


def test_a_run_that_failed_before_it_asked_the_primary_lets_no_look_rest(fleet: Fleet) -> None:
    fleet.run()
    CHANGES["a user"](fleet)
    assert fleet.run("no-such-backup").run.reason == Reason.UNKNOWN_BACKUP
    assert looked(fleet) == "succeeded"


def test_a_restore_that_failed_lets_no_look_rest(fleet: Fleet) -> None:
    fleet.run()
    CHANGES["a user"](fleet)
    missing = RunRequest(Trigger.RESTORE, ("b1",), snapshot="backups/b1/20260301T120000.000000Z-0badc0de.json.gz")
    assert run(missing, fleet.context, Deadline(600, monotonic)).run.status == "failed"
    assert looked(fleet) == "succeeded"


def test_a_run_that_was_not_run_lets_no_look_repeat_a_refused_log_in(fleet: Fleet) -> None:
    fleet.run()
    fleet.log_in("primary", "admin", "NOT-THE-PASSWORD")
    assert looked(fleet) == "failed authentication_failed"
    asked = len(fleet.primary.requests)
    now = fleet.context.runtime.now()
    fleet.store.acquire_lease("another", now=now, expires_at=now + timedelta(minutes=1))
    assert fleet.run().run.reason == Reason.LEASE_HELD
    fleet.store.release_lease("another")
    assert looked(fleet) == ""
    assert len(fleet.primary.requests) == asked


def test_a_registry_that_fails_during_a_look_is_no_failure_of_the_primary(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.run()
    before = fleet.store.runs(limit=10)

    def fail(*_: object, **__: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

    with monkeypatch.context() as patch:
        patch.setattr(fleet.store, "baseline", fail)
        with pytest.raises(Failure, match="throttled"):
            look_at_primary(fleet.context, Deadline(600, monotonic))
    assert fleet.store.runs(limit=10) == before


def out_of_reach(fleet: Fleet) -> None:
    for name in ("b1", "b2"):
        fleet.servers[name].fault(Kind.HTML)


def changed_registrations(**changes: Any) -> Callable[[Fleet], None]:
    def change(fleet: Fleet) -> None:
        for backup in fleet.store.backups():
            fleet.store.update_backup(replace(backup, **changes))

    return change


UNVERIFIED: dict[str, Callable[[Fleet], None]] = {
    "out of reach": out_of_reach,
    "only reported on": changed_registrations(report_only=True),
    "paused": changed_registrations(paused="why"),
}


@pytest.mark.parametrize("why", UNVERIFIED)
def test_a_change_that_no_backup_can_be_verified_against_leads_to_one_run(fleet: Fleet, why: str) -> None:
    fleet.run()
    UNVERIFIED[why](fleet)
    CHANGES["a user"](fleet)
    assert [bool(looked(fleet)) for _ in range(3)] == [True, False, False]
    CHANGES["a setting"](fleet)
    assert [bool(looked(fleet)) for _ in range(3)] == [True, False, False]


def test_what_a_run_pushes_is_what_the_primary_holds_under_its_lease_and_not_what_the_look_saw(fleet: Fleet) -> None:
    fleet.run()
    CHANGES["a user"](fleet)
    assert changed(fleet)
    CHANGES["a setting"](fleet)
    fleet.run()
    run(RunRequest(Trigger.CHANGE), fleet.context, Deadline(600, monotonic))
    assert not changed(fleet)
    assert replicable_differences(fleet.primary.snapshot(), fleet.servers["b1"].snapshot()) == []
