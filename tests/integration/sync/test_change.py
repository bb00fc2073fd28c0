"""A look at the primary between scheduled runs: what counts as a change, and that backups are left in peace."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from local.cerberus import Kind, drift
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
    return look_at_primary(fleet.context, Deadline(600, monotonic)) is not None


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


def test_a_primary_that_cannot_be_read_counts_as_changed_so_that_a_run_says_why(fleet: Fleet) -> None:
    fleet.run()
    fleet.primary.fault(Kind.HTML)
    assert changed(fleet)


def test_a_refused_log_in_is_recorded_by_the_run_and_not_tried_a_second_time(fleet: Fleet) -> None:
    fleet.run()
    fleet.log_in("primary", "admin", "NOT-THE-PASSWORD")
    asked = len(fleet.primary.requests)
    seen = look_at_primary(fleet.context, Deadline(600, monotonic))
    report = run(RunRequest(Trigger.CHANGE), fleet.context, Deadline(600, monotonic), seen=seen)
    assert (report.run.status, report.run.reason) == ("failed", "authentication_failed")
    assert len(fleet.primary.requests) == asked + 1
