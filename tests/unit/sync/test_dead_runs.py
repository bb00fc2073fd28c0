"""Runs that were killed: the next one gives them their end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import Killed, WallClockRuntime
from registry.run_records import QUEUED, BackupResult, Run
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run
from tests.support.registrations import as_registered, begin_push

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.fakes.servers import FleetServer
    from local.fakes.world import World
    from sync.results import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def start(world: World, at: datetime, queue: MemoryQueue | None = None) -> Report:
    terms = FanOutTerms(queue, above=1, seconds=3600) if queue else None
    context = replace(world.context, runtime=WallClockRuntime(lambda: at), fan_out=terms)
    return run(RunRequest(Trigger.SCHEDULE), context, Deadline(600, monotonic))


def oldest(world: World) -> Run:
    return world.store.runs(limit=10)[-1]


def begun_by_a_worker(world: World) -> BackupResult:
    """What is stored of a backup of a fanned out run when its worker has begun to write."""
    start(world, NOON, MemoryQueue())
    run_id, lease = oldest(world).id, world.store.lease()
    assert lease
    world.store.claim_backup(run_id, "b1", "a worker", now=NOON, until=NOON + timedelta(minutes=1))
    begun = BackupResult("b1", run_id, "incomplete", NOON, reason=Reason.INTERRUPTED, snapshot="a snapshot")
    begun = as_registered(begun, world.store)
    begin_push(world.store, begun, lease_owner=lease.owner, claim="a worker")
    return begun


def killed(world: World, monkeypatch: pytest.MonkeyPatch, method: str, *, after: int = 0) -> Run:
    """A run that is killed at a call of the store, after so many of them; the lease is not given back."""
    original: Callable[..., Any] = getattr(world.store, method)
    calls = 0

    def dies(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Killed
        return original(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, method, dies)
        patch.setattr(world.store, "release_lease", lambda _: True)
        with pytest.raises(Killed):
            start(world, NOON)
    return oldest(world)


LATER = NOON + timedelta(minutes=2)  # after the lease of 60 seconds


def test_a_run_that_was_killed_before_any_result_is_recorded_as_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = killed(world, monkeypatch, "baseline")
    assert (dead.status, dead.finished_at) == ("running", None)
    assert start(world, LATER).run.status == "succeeded"
    assert (oldest(world).status, oldest(world).reason) == ("failed", Reason.RUN_CUT_OFF)
    assert oldest(world).finished_at == LATER
    assert world.store.unfinished_runs() == ()


def test_and_as_partial_with_the_results_that_it_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.at_a_time.MAX_WORKERS", 1)
    killed(world, monkeypatch, "record_result", after=1)
    start(world, LATER)
    assert (oldest(world).status, oldest(world).reason) == ("partial", Reason.RUN_CUT_OFF)
    assert oldest(world).counts["in_sync"] == 1
    assert [result.backup_id for result in world.store.results(oldest(world).id)] == ["b1"]


def test_nobody_touches_a_run_whose_lease_still_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = killed(world, monkeypatch, "baseline")
    assert start(world, NOON + timedelta(seconds=59)).run.reason == Reason.LEASE_HELD
    assert oldest(world) == dead


def test_what_waited_in_the_queue_is_incomplete_and_comes_first(world: World) -> None:
    queue = MemoryQueue()
    start(world, NOON, queue)
    context = replace(world.context, runtime=WallClockRuntime(lambda: NOON))
    process_batch([queue.messages[1]], context, Deadline(600, monotonic), NOON + timedelta(seconds=60))
    queue.messages.clear()  # as if all had gone to the dead-letter queue

    report = start(world, NOON + timedelta(hours=1), queue)
    results = {result.backup_id: f"{result.status}:{result.reason}" for result in world.store.results(oldest(world).id)}
    assert results == {"b1": "incomplete:run_cut_off", "b2": "in_sync:", "b3": "incomplete:run_cut_off"}
    assert (oldest(world).status, oldest(world).reason) == ("partial", Reason.RUN_CUT_OFF)
    assert oldest(world).counts["incomplete"] == 2
    assert report.run.status == "running"
    assert [message.backup_id for message in queue.messages] == ["b1", "b3", "b2"]


def test_a_late_message_of_it_touches_no_server(world: World) -> None:
    queue = MemoryQueue()
    start(world, NOON, queue)
    late = list(queue.messages)
    later = NOON + timedelta(hours=2)
    start(world, later)
    used = list(world.servers.used)
    context = replace(world.context, runtime=WallClockRuntime(lambda: later))
    assert process_batch(late, context, Deadline(600, monotonic), later + timedelta(seconds=60)).again == frozenset()
    assert world.servers.used == used


def test_what_was_stored_before_the_first_write_is_what_remains_of_a_backup(world: World) -> None:
    begun = begun_by_a_worker(world)
    run_id = begun.run_id

    start(world, NOON + timedelta(hours=1))
    assert world.store.results(run_id)[0] == begun
    assert [result.reason for result in world.store.results(run_id)] == ["interrupted", "run_cut_off", "run_cut_off"]


def test_what_is_recorded_late_of_a_dead_run_moves_no_status_of_a_later_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run after it could not record its end, and has served the backup itself."""
    dead = begun_by_a_worker(world).run_id
    record = world.store.record_result

    def fails_for_the_dead(result: BackupResult, **how: Any) -> None:
        if result.run_id == dead:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "not now")
        record(result, **how)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "record_result", fails_for_the_dead)
        served = start(world, NOON + timedelta(hours=1)).run.id
    status = world.store.status("b1")
    assert status
    assert (status.run_id, status.status) == (served, "in_sync")
    world.add_backup("b4")  # so that the next run serves one alone
    for backup_id in ("b1", "b2", "b3"):
        world.update(backup_id, enabled=False)
    start(world, NOON + timedelta(hours=2))
    assert world.store.unfinished_runs() == ()
    status = world.store.status("b1")
    assert status
    assert (status.run_id, status.status) == (served, "in_sync")


def test_a_run_that_is_only_queued_is_not_dead(world: World) -> None:
    world.store.save_run(Run("20260301T110000.000000Z-0badc0de", "on_demand", NOON, status=QUEUED))
    start(world, LATER)
    assert oldest(world).status == QUEUED


def test_a_run_whose_event_was_dropped_has_an_end_that_says_so(world: World) -> None:
    asked = Run("20260301T120000.000000Z-0badc0de", "on_demand", NOON, status=QUEUED)
    world.store.queue_run(asked)
    for hours, expected in ((5, QUEUED), (6, "failed")):
        start(world, NOON + timedelta(hours=hours))
        assert oldest(world).status == expected
    assert (oldest(world).reason, world.store.unfinished_runs()) == (Reason.EVENT_DROPPED, ())
    late = RunRequest(Trigger.ON_DEMAND, run_id=asked.id)
    used = list(world.servers.used)
    report = run(late, world.context, Deadline(600, monotonic))
    assert (report.run.reason, world.servers.used) == (Reason.ALREADY_STARTED, used)
    assert oldest(world).reason == Reason.EVENT_DROPPED


def test_a_dead_run_keeps_what_it_had_begun_although_a_newer_run_was_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finishing the older run failed when the newer one began."""
    begun = begun_by_a_worker(world)
    run_id = begun.run_id
    with monkeypatch.context() as patch:
        patch.setattr(world.store, "run", failing)
        start(world, NOON + timedelta(hours=1))
    newer = world.store.status("b1")
    start(world, NOON + timedelta(hours=2))
    assert world.store.results(run_id)[0] == begun
    assert [result.reason for result in world.store.results(run_id)] == ["interrupted", "run_cut_off", "run_cut_off"]
    assert newer
    assert newer.status == "in_sync"
    assert all(status.status == "in_sync" for status in world.store.statuses().values())


def failing(_: str) -> Run | None:
    raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")


def test_one_that_cannot_be_finished_stops_nothing_and_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = killed(world, monkeypatch, "baseline")
    stored_run = world.store.run

    def unreadable(run_id: str) -> Run | None:
        if run_id == dead.id:
            raise Failure(Reason.RECORD_UNREADABLE, "no trigger")
        return stored_run(run_id)

    monkeypatch.setattr(world.store, "run", unreadable)
    report = start(world, LATER)
    assert report.run.status == "succeeded"
    assert [(notice.reason, dead.id in notice.message) for notice in report.run.notices] == [
        (Reason.RECORD_UNREADABLE, True)
    ]


def test_a_run_that_comes_back_from_the_dead_does_not_change_its_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long pause of its process, say: by the time it goes on, another run has taken over."""
    finish = world.store.finish_run
    seen: list[Report] = []

    def paused(run: Run, *, begun: bool) -> bool:
        monkeypatch.setattr(world.store, "finish_run", finish)
        seen.append(start(world, LATER))
        return finish(run, begun=begun)

    monkeypatch.setattr(world.store, "finish_run", paused)
    report = start(world, NOON)
    assert not report.recorded
    assert seen[0].recorded
    assert oldest(world).reason == Reason.RUN_CUT_OFF


@pytest.mark.parametrize("reason", [Reason.CONNECTION_REFUSED, Reason.READ_TIMEOUT, Reason.AUTHENTICATION_FAILED])
def test_a_server_that_lets_nobody_in_since_a_killed_run_wrote_its_settings_is_locked_out(
    world: World, reason: Reason
) -> None:
    server = world.servers.by_id["b1"]
    world.servers.by_id[PRIMARY_ID].greeting = "which locks everybody out of b1"
    kill_at(server, "fresh_facts")
    with pytest.raises(Killed):
        start(world, NOON)
    before = world.store.status("b1")
    assert before
    assert before.settings_before == before.snapshot != ""

    server.on_call = lambda _: refuse(reason)
    start(world, LATER)
    locked_out = world.store.status("b1")
    assert locked_out
    assert locked_out.reason == Reason.ACCESS_LOST
    assert reason in locked_out.message
    assert before.snapshot in locked_out.message
    assert (locked_out.harmed, locked_out.settings_before) == (True, before.snapshot)

    server.on_call = lambda _: None
    world.give_log_in("b1")
    start(world, LATER + timedelta(minutes=2))
    again = world.store.status("b1")
    assert again
    assert (again.status, again.settings_before) == ("in_sync", "")


def test_a_server_that_is_off_without_new_settings_is_not_locked_out(world: World) -> None:
    world.servers.by_id["b1"].on_call = lambda _: refuse(Reason.CONNECTION_REFUSED)
    start(world, NOON)
    last = world.store.status("b1")
    assert last
    assert last.reason == Reason.CONNECTION_REFUSED


def kill_at(server: FleetServer, method: str) -> None:
    """The process dies at this call."""

    def called(name: str) -> None:
        if name == method:
            raise Killed

    server.on_call = called


def refuse(reason: Reason) -> None:
    raise Failure(reason, "it does not let anybody in")
