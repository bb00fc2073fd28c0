"""After a promotion: runs only look until somebody means the new direction, and nothing of the old one counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.build import ROOT
from local.fakes.runtime import WallClockRuntime
from registry.fleet_records import Primary
from registry.run_records import Approval, BackupResult, PrimaryBaseline, new_run_id
from registry.snapshots import SnapshotContent, primary_key
from registry.store import VersionConflict
from registry.store_rules import primary_as_named, promotion
from replication.model import Status
from sync.events import RunRequest, Trigger
from sync.poll import look_at_primary
from sync.run import run
from tests.support.asked_runs import asked as asked_run
from tests.support.registrations import as_registered, remember_baseline

if TYPE_CHECKING:
    from sync.results import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Turned:
    """A world in which ``b1`` has just been promoted; ``old`` is the former primary. Time is a test's to move."""

    world: Any
    now: datetime = NOON

    def promote(self, backup_id: str, former_id: str) -> None:
        store, servers = self.world.store, self.world.servers.by_id
        before, backup = store.primary(), store.backup(backup_id)
        made = promotion(before, backup, former_id, f"{backup_id} was made the primary", self.now)
        store.promote(made, now=self.now)
        servers[former_id], servers[PRIMARY_ID] = servers[PRIMARY_ID], servers[backup_id]

    def run(self, *backups: str, trigger: Trigger = Trigger.SCHEDULE, **asked: Any) -> Report:
        """A run of any kind; one that a person starts is queued by the management API first."""
        self.now += MINUTE
        request = RunRequest(trigger, backups=backups, **asked)
        if trigger in (Trigger.ON_DEMAND, Trigger.RESTORE) and not request.run_id:
            request = asked_run(request, self.world.store, self.now)
        return self.invoke(request)

    def invoke(self, request: RunRequest) -> Report:
        """The function is invoked, by whomever."""
        context = replace(self.world.context, runtime=WallClockRuntime(lambda: self.now))
        return run(request, context, Deadline(600, monotonic))

    @property
    def held(self) -> str:
        primary: Primary = self.world.store.primary()
        return primary.held

    def writes(self) -> dict[str, list[str]]:
        return {name: server.writes for name, server in self.world.servers.by_id.items() if server.writes}


@pytest.fixture
def turned(world: Any) -> Turned:
    made = Turned(world)
    made.promote("b1", "old")
    world.servers.by_id[PRIMARY_ID].people = ("anna", "boris", "chen", "dana")
    return made


def statuses(report: Report) -> dict[str, str]:
    return {result.backup_id: result.status for result in report.results}


def test_a_scheduled_run_looks_and_pushes_nothing_and_says_why(turned: Turned) -> None:
    report = turned.run()
    assert statuses(report) == {"b2": Status.DRIFTED, "b3": Status.DRIFTED}
    assert turned.writes() == {}
    assert [(notice.reason, notice.message) for notice in report.run.notices] == [
        (Reason.PUSHES_HELD, "b1 was made the primary")
    ]
    assert (report.run.term, report.run.held) == (1, True)
    assert turned.held


def test_neither_does_one_that_a_look_for_changes_has_started(turned: Turned) -> None:
    turned.run(trigger=Trigger.CHANGE)
    assert turned.writes() == {}


def test_a_run_that_a_person_asks_for_pushes_and_ends_the_hold(turned: Turned) -> None:
    report = turned.run(trigger=Trigger.ON_DEMAND)
    assert statuses(report) == {"b2": Status.UPDATED, "b3": Status.UPDATED}
    assert (report.run.notices, turned.held) == ((), "")
    turned.world.servers.by_id["b2"].people = ("anna",)
    assert statuses(turned.run()) == {"b2": Status.UPDATED, "b3": Status.IN_SYNC}


def test_a_run_over_named_backups_pushes_to_them_and_the_hold_stays(turned: Turned) -> None:
    assert statuses(turned.run("b2", trigger=Trigger.ON_DEMAND)) == {"b2": Status.UPDATED}
    assert turned.held
    assert statuses(turned.run()) == {"b2": Status.IN_SYNC, "b3": Status.DRIFTED}


def test_a_dry_run_ends_nothing(turned: Turned) -> None:
    report = turned.run(trigger=Trigger.ON_DEMAND, dry_run=True)
    assert (report.run.notices, turned.writes()) == ((), {})
    assert turned.held


def test_a_run_that_was_asked_for_before_the_promotion_only_looks(turned: Turned) -> None:
    early = asked_run(RunRequest(Trigger.ON_DEMAND), turned.world.store, NOON - MINUTE)
    report = turned.invoke(early)
    assert statuses(report) == {"b2": Status.DRIFTED, "b3": Status.DRIFTED}
    assert turned.writes() == {}
    assert turned.held
    late = asked_run(RunRequest(Trigger.ON_DEMAND), turned.world.store, NOON + MINUTE)
    turned.now += MINUTE
    assert statuses(turned.invoke(late))["b2"] == Status.UPDATED


@pytest.mark.parametrize(("asked", "status"), [(-MINUTE, Status.DRIFTED), (MINUTE, Status.RESTORED)])
def test_what_was_there_before_is_put_back_when_it_was_asked_for_since_and_the_hold_stays(
    world: Any, asked: timedelta, status: Status
) -> None:
    turned = Turned(world)
    world.servers.by_id["b2"].people = ("anna",)
    (snapshot,) = [result.snapshot for result in turned.run().results if result.snapshot]
    turned.now = NOON
    turned.promote("b1", "old")
    request = RunRequest(Trigger.RESTORE, ("b2",), snapshot=snapshot)
    turned.now += MINUTE
    report = turned.invoke(asked_run(request, world.store, NOON + asked))
    assert statuses(report) == {"b2": status}
    assert turned.held


def test_a_run_that_cannot_read_the_new_primary_leaves_the_hold(turned: Turned) -> None:
    def refuse(_: str) -> None:
        raise Failure(Reason.CONNECTION_REFUSED, "refused")

    turned.world.servers.by_id[PRIMARY_ID].on_call = refuse
    assert turned.run(trigger=Trigger.ON_DEMAND).run.reason == Reason.CONNECTION_REFUSED
    assert turned.held


def test_a_hold_that_cannot_be_ended_stops_no_push_and_is_told(turned: Turned, monkeypatch: Any) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise VersionConflict

    monkeypatch.setattr(turned.world.store, "save_primary", refuse)
    report = turned.run(trigger=Trigger.ON_DEMAND)
    assert statuses(report) == {"b2": Status.UPDATED, "b3": Status.UPDATED}
    assert [notice.reason for notice in report.run.notices] == [Reason.PUSHES_HELD]


def test_the_former_primary_is_left_alone_and_made_equal_once_it_is_enabled(turned: Turned) -> None:
    turned.run(trigger=Trigger.ON_DEMAND)
    assert "old" not in turned.writes()
    turned.world.update("old", enabled=True)
    assert statuses(turned.run())["old"] == Status.UPDATED
    assert turned.world.servers.by_id["old"].people == ("anna", "boris", "chen", "dana")


def test_each_server_is_logged_in_to_with_its_own_credentials(turned: Turned) -> None:
    for name in ("primary", "b1", "b2", "b3"):
        credentials = turned.world.credentials.stored(name)
        turned.world.credentials.put(name, replace(credentials, username=f"user of {name}"))
    turned.world.update("old", enabled=True)
    turned.run()
    assert set(turned.world.servers.used) == {
        (PRIMARY_ID, "user of b1"),
        ("old", "user of primary"),
        ("b2", "user of b2"),
        ("b3", "user of b3"),
    }


def test_the_old_primarys_size_is_no_reason_to_stop_and_the_new_ones_is(world: Any) -> None:
    turned = Turned(world)
    world.servers.by_id["b1"].people = ("anna",)
    remember_baseline(world.store, PrimaryBaseline(100, 2, NOON, "r0"))
    turned.promote("b1", "old")
    assert turned.run(trigger=Trigger.ON_DEMAND).run.reason == ""
    world.servers.by_id[PRIMARY_ID].people = ("anna", *(f"user{number}" for number in range(9)))
    turned.run()
    baseline = world.store.baseline()
    assert (baseline.users, baseline.term) == (10, 1)
    world.servers.by_id[PRIMARY_ID].people = ("anna",)
    assert turned.run().run.reason == Reason.PRIMARY_SHRUNK


def test_an_approval_of_before_lets_nothing_through(world: Any) -> None:
    turned = Turned(world)
    everybody = tuple(f"user{number}" for number in range(40))
    for name in (PRIMARY_ID, "b1", "b2", "b3"):
        world.servers.by_id[name].people = everybody
    world.servers.by_id["b1"].people = everybody[:20]
    turned.promote("b1", "old")
    (blocked, _) = turned.run(trigger=Trigger.ON_DEMAND).results
    assert blocked.status == Status.BLOCKED
    approval = Approval(blocked.backup_id, blocked.plan_hash, "alex", turned.now, term=0)
    approval = as_registered(approval, world.store)
    world.store.approve(approval)
    assert statuses(turned.run())[blocked.backup_id] == Status.BLOCKED
    world.store.approve(replace(approval, term=1))
    assert statuses(turned.run())[blocked.backup_id] == Status.UPDATED


def test_a_pending_proof_of_access_outlives_a_promotion(world: Any) -> None:
    turned = Turned(world)
    facts = world.servers.by_id["b2"].server_facts
    before = replace(facts, security=replace(facts.security, soap_port=1))
    key = world.snapshots.keep_backup("b2", new_run_id(NOON, "0badc0de"), SnapshotContent({"settings": ""}, before))
    world.store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
    begun = BackupResult("b2", "r0", Status.INCOMPLETE, NOON, settings_before=key)
    world.store.record_result(as_registered(begun, world.store), lease_owner="me")
    world.store.release_lease("me")
    turned.promote("b1", "old")
    assert statuses(turned.run(trigger=Trigger.ON_DEMAND))["b2"] == Status.BLOCKED


def test_a_promotion_between_a_look_and_its_run_is_what_the_run_goes_by(world: Any) -> None:
    turned = Turned(world)
    turned.run()
    world.servers.by_id[PRIMARY_ID].greeting = "of the old one"
    assert look_at_primary(world.context, Deadline(600, monotonic)).is_run_needed
    turned.promote("b1", "old")
    world.store.save_primary(replace(world.store.primary(), held=""))
    report = run(RunRequest(Trigger.CHANGE), world.context, Deadline(600, monotonic))
    assert statuses(report) == {"b2": Status.IN_SYNC, "b3": Status.IN_SYNC}
    assert turned.writes() == {}


def test_looks_for_changes_wait_for_a_verified_run_under_the_new_primary(turned: Turned) -> None:
    remember_baseline(turned.world.store, PrimaryBaseline(3, 2, NOON, "r0", fingerprint="0f"))
    assert not look_at_primary(turned.world.context, Deadline(600, monotonic)).is_run_needed
    turned.run(trigger=Trigger.ON_DEMAND)
    turned.world.servers.by_id[PRIMARY_ID].greeting = "good day"
    assert look_at_primary(turned.world.context, Deadline(600, monotonic)).is_run_needed


def test_while_pushes_are_held_looks_at_an_unchanged_primary_start_no_further_run(turned: Turned) -> None:
    def look() -> bool:
        return look_at_primary(turned.world.context, Deadline(600, monotonic)).is_run_needed

    servers = turned.world.servers.by_id
    servers["b2"].people = servers[PRIMARY_ID].people
    assert statuses(turned.run()) == {"b2": Status.IN_SYNC, "b3": Status.DRIFTED}
    assert not look()
    servers[PRIMARY_ID].greeting = "good day"
    assert look()
    turned.run(trigger=Trigger.CHANGE)
    assert not look()
    turned.world.store.save_primary(replace(turned.world.store.primary(), held=""))
    assert look(), "what a held run did not push is pushed now"
    assert statuses(turned.run(trigger=Trigger.CHANGE)) == {"b2": Status.UPDATED, "b3": Status.UPDATED}
    assert not look()


def test_a_promotion_while_a_run_holds_the_lease_is_refused_and_the_run_pushes_from_where_it_began(world: Any) -> None:
    turned = Turned(world)
    world.servers.by_id["b2"].people = ("anna",)
    refused: list[Reason] = []

    def promote_meanwhile(method: str) -> None:
        if method == "write_accounts":
            with pytest.raises(Failure) as failed:
                turned.promote("b1", "old")
            refused.append(failed.value.reason)
            assert f"the run {world.store.unfinished_runs()[0]} is under way" in failed.value.message

    world.servers.by_id["b2"].on_call = promote_meanwhile
    assert statuses(turned.run())["b2"] == Status.UPDATED
    assert refused == [Reason.LEASE_HELD]
    turned.promote("b1", "old")


def test_another_primary_is_not_pushed_from_by_the_schedule_until_somebody_asks(world: Any) -> None:
    turned = Turned(world)
    turned.run()
    other = replace(world.store.primary(), host="other.example")
    world.store.save_primary(primary_as_named(other, world.store.primary(), "it was set to other.example", NOON))
    world.give_log_in(PRIMARY_ID)
    world.servers.by_id[PRIMARY_ID].people = ("anna", "boris", "chen", "dana")
    report = turned.run()
    assert [notice.reason for notice in report.run.notices] == [Reason.PUSHES_HELD]
    assert {result.status for result in report.results} == {"drifted"}
    assert {result.status for result in turned.run(trigger=Trigger.ON_DEMAND).results} == {"updated"}
    assert world.store.primary().held == ""


WHOLE = RunRequest(Trigger.ON_DEMAND)
IN_A_HOLD = {
    "the schedule, or a look for changes": (RunRequest(Trigger.SCHEDULE), False),
    "`POST /sync-runs`": (WHOLE, True),
    '`POST /sync-runs` with `"dry_run": true`': (replace(WHOLE, dry_run=True), True),
    "`POST /sync-runs` with `backups`": (replace(WHOLE, backups=("b2",)), True),
    "`POST /sync-runs` with `state`": (RunRequest(Trigger.RESTORE), True),
    "one of these that was asked for before the primary changed": (WHOLE, True),
    "an invocation of the sync function, whatever it names": (replace(WHOLE, requested_by="ann"), False),
}
"""The runs of the page's table, and whether the management API is asked for them."""


def _table() -> dict[str, tuple[str, str]]:
    page = (ROOT / "docs" / "registrations.md").read_text("utf-8").partition("## While runs only look\n")[2]
    rows = [line.strip("| ").split(" | ") for line in page.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return {run: (writes, ends) for run, writes, ends in rows[2:]}


def test_the_page_has_every_way_to_start_a_run_during_a_hold() -> None:
    assert set(_table()) == set(IN_A_HOLD)


@pytest.mark.parametrize("name", IN_A_HOLD)
def test_what_a_run_does_during_a_hold_is_as_the_page_says(world: Any, name: str) -> None:
    turned = Turned(world)
    turned.run()
    (state,) = world.store.states(limit=1)
    turned.promote("b1", "old")
    for server_id in ("b2", "b3"):
        world.servers.by_id[server_id].people = ("anna", "boris", "chen", "dana")
    request, is_asked = IN_A_HOLD[name]
    if request.trigger is Trigger.RESTORE:
        request = replace(request, snapshot=primary_key(state.digest))
    if is_asked:
        before = "before" in name
        request = asked_run(request, world.store, turned.now - MINUTE if before else turned.now + MINUTE)
    turned.now += 2 * MINUTE
    turned.invoke(request)
    written = {"b2", "b3"} & set(turned.writes())
    assert ({0: "no", 1: "these", 2: "yes"}[len(written)], "no" if turned.held else "yes") == _table()[name]
