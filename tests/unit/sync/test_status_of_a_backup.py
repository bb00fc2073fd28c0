"""What stays known of a backup when a run does not get to it, and what is counted when one fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import TickingRuntime
from local.fakes.world import World
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run

if TYPE_CHECKING:
    from registry.run_records import BackupResult
    from sync.results import Report

DOWN = Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")


@pytest.fixture
def world() -> World:
    return World(runtime=TickingRuntime())


def start(world: World) -> Report:
    world.store.acquire_lease("nobody", now=world.runtime.now(), expires_at=world.runtime.now())
    return run(RunRequest(Trigger.SCHEDULE), world.context, Deadline(600, world.runtime.monotonic))


def status(world: World, backup_id: str = "b1") -> BackupResult:
    last_result = world.store.status(backup_id)
    assert last_result is not None
    return last_result


def test_a_run_that_fails_as_a_whole_leaves_a_blocked_backup_blocked(world: World) -> None:
    world.servers.by_id["b1"].people = tuple("abcdefgh")
    start(world)
    before = status(world)
    assert (before.status, bool(before.plan_hash)) == ("blocked", True)
    world.servers.by_id["primary"].failures = {("facts", 0): DOWN}
    assert start(world).results[0].reason == Reason.RUN_ABORTED
    assert status(world) == before
    assert world.store.history("b1", limit=1)[0].reason == Reason.RUN_ABORTED


def test_a_run_without_time_for_it_leaves_it_as_it_was(world: World) -> None:
    start(world)
    before = status(world)
    report = run(RunRequest(Trigger.SCHEDULE), world.context, Deadline(0.5, world.runtime.monotonic))
    assert {result.reason for result in report.results} <= {Reason.RUN_ABORTED, Reason.DEADLINE}
    assert status(world) == before


@pytest.mark.parametrize("reason", [Reason.WRITE_REFUSED, Reason.CONNECTION_REFUSED])
def test_a_backup_that_refuses_every_write_has_one_failure_more_after_each_run(world: World, reason: Reason) -> None:
    server = world.servers.by_id["b1"]
    server.greeting = "moin"
    server.failures = {("write_settings", 0): Failure(reason, "refused")}
    counted = []
    for _ in range(3):
        start(world)
        counted.append(status(world).failures)
    assert counted == [1, 2, 3]


@pytest.mark.parametrize("what_follows", [Failure(Reason.DEADLINE, "no time"), DOWN, RuntimeError()])
def test_what_a_dead_worker_had_begun_is_not_forgotten_by_who_cannot_go_on(
    world: World, what_follows: Exception
) -> None:
    queue = MemoryQueue()
    context = replace(world.context, fan_out=FanOutTerms(queue, above=0, seconds=3600))
    server = world.servers.by_id["b1"]
    server.greeting = "moin"
    report = run(RunRequest(Trigger.SCHEDULE), context, Deadline(600, world.runtime.monotonic))

    class Died(BaseException):
        pass

    def raises(method: str, error: BaseException) -> None:
        def on_call(call: str) -> None:
            if call == method:
                raise error

        server.on_call = on_call

    def work() -> None:
        ends_at = world.runtime.now() + timedelta(seconds=60)
        process_batch(queue.messages[:1], context, Deadline(50, world.runtime.monotonic), ends_at)

    raises("write_settings", Died())
    with pytest.raises(Died):
        work()
    begun = world.store.result("b1", report.run.id)
    assert begun
    assert begun.reason == Reason.INTERRUPTED
    raises("facts", what_follows)
    world.runtime.sleep(60)
    work()
    (result,) = world.store.results(report.run.id)
    assert (result.snapshot, result.parts) == (begun.snapshot, begun.parts)
    assert status(world).snapshot == begun.snapshot
