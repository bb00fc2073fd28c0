"""Between any two calls of a push backup, primary or settings can change: nothing is written by what was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import FakeRuntime
from local.fakes.world import World
from registry.fleet_records import Primary, SyncSettings
from registry.store_rules import primary_as_named
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.run_records import BackupResult

PARTS = ("settings", "accounts", "event_rules")
WRITES = ["write_settings", "write_accounts", "write_event_rules"]
LAST_CALL = 40
"""No backup here is asked more."""


class Push:
    """A push of three parts to ``b1``; before its call number ``at`` something happens, unless that is a write."""

    def __init__(self, happens: Callable[[Push], object], at: int, *, queued: bool) -> None:
        self.world, self.queue = World(runtime=FakeRuntime()), MemoryQueue()
        self.store = self.world.store
        self.stack_primary = replace(self.primary, of_stack=True, version=0)
        self.store.save_primary(self.stack_primary)
        self.store.save_settings(SyncSettings(parts=PARTS))
        self.server = self.world.servers.by_id["b1"]
        self.server.greeting, self.server.people = "moin", ("anna", "boris")
        self.server.content["event_rules"] = '<rules><rule name="mail"/></rules>'
        self.world.servers.by_id[PRIMARY_ID].content["event_rules"] = '<rules><rule name="mail" on="1"/></rules>'
        self._happens, self._at = happens, at
        self.happened: int | None = None
        """How many writes there were when it happened, None when it has not."""
        self.refused: list[str] = []
        self.server.on_call = self._called
        context = self.context(self.stack_primary)
        if queued:
            context = replace(context, fan_out=FanOutTerms(self.queue, above=0, seconds=3600))
        run(RunRequest(Trigger.SCHEDULE, ("b1",)), context, self.deadline)
        if queued:
            self.work(context)
        self.server.on_call = lambda _: None

    @property
    def primary(self) -> Primary:
        primary = self.store.primary()
        assert primary
        return primary

    @property
    def deadline(self) -> Deadline:
        return Deadline(600, self.world.runtime.monotonic)

    def context(self, stack_primary: Primary) -> RunContext:
        return replace(self.world.context, primary=stack_primary)

    def work(self, context: RunContext) -> None:
        ends_at = self.world.runtime.now().replace(hour=13)
        process_batch(self.queue.messages, context, self.deadline, ends_at)

    def _called(self, call: str) -> None:
        if len(self.server.calls) >= self._at and self.happened is None and not call.startswith("write_"):
            self.happened = len(self.server.writes)
            try:
                self._happens(self)
            except Failure as failure:
                self.refused.append(failure.reason)

    @property
    def result(self) -> BackupResult:
        (run_id,) = [one.id for one in self.store.runs(limit=9) if one.status != "not_run"]
        result = self.store.result("b1", run_id)
        assert result
        return result


def removed(push: Push) -> None:
    push.store.delete_backup("b1")


def moved(push: Push) -> None:
    push.world.update("b1", host="other.example")


def registered_anew(push: Push) -> None:
    backup = push.store.backup("b1")
    assert backup
    push.store.delete_backup("b1")
    push.store.add_backup(backup)


def named_by_the_stack(push: Push) -> None:
    """Somebody deploys, and the next invocation begins while the run is under way."""
    context = push.context(Primary(*push.server.address))
    assert run(RunRequest(Trigger.SCHEDULE), context, push.deadline).run.reason == Reason.LEASE_HELD


@pytest.mark.parametrize("queued", [False, True], ids=["one invocation", "fan-out"])
@pytest.mark.parametrize("happens", [removed, moved, registered_anew, named_by_the_stack])
def test_whatever_makes_it_another_server_nothing_more_is_written(
    happens: Callable[[Push], object], queued: bool
) -> None:
    written = set()
    for call in range(1, LAST_CALL):
        push = Push(happens, call, queued=queued)
        if push.happened is None:
            assert push.server.writes == WRITES
            break
        assert len(push.server.writes) == push.happened, call
        if push.happened < len(WRITES):
            expected = "primary_replaced" if happens is named_by_the_stack else "registration_changed"
            assert (push.result.status, push.result.reason) == ("incomplete", expected)
        written.add(push.happened)
    assert written == {0, 1, 2, 3}


@pytest.mark.parametrize("queued", [False, True], ids=["one invocation", "fan-out"])
def test_the_server_that_a_run_writes_to_does_not_become_the_primary(queued: bool) -> None:
    def set_as_primary(push: Push) -> None:
        named = Primary(*push.server.address)
        now = push.world.runtime.now()
        changed = primary_as_named(named, push.primary, "it was set", now)
        push.store.delete_backup("b1")
        push.store.save_primary(changed, now=now)

    for call in range(1, LAST_CALL, 3):
        push = Push(set_as_primary, call, queued=queued)
        if push.happened is not None:
            assert (push.refused, len(push.server.writes)) == ([Reason.LEASE_HELD], push.happened)


@pytest.mark.parametrize("queued", [False, True], ids=["one invocation", "fan-out"])
def test_no_push_begins_under_settings_of_the_fleet_that_have_changed(queued: bool) -> None:
    def stricter(push: Push) -> None:
        push.store.save_settings(replace(push.store.settings(), block_widened_access=True, rules=("greeting",)))

    reasons = set()
    for call in range(1, LAST_CALL):
        push = Push(stricter, call, queued=queued)
        if push.happened == 0:
            assert push.server.writes == []
            assert (push.result.status, push.result.reason) == ("incomplete", "settings_changed")
        else:  # what has begun is finished
            assert push.server.writes == WRITES
        reasons.add(push.result.reason)
    assert reasons == {"settings_changed", ""}


def test_a_worker_of_a_later_deployment_ends_what_was_queued_for_another_primary() -> None:
    push = Push(lambda _: None, LAST_CALL, queued=False)
    push.world.runtime.advance(3600)  # type: ignore[attr-defined] # the clock of this test
    push.server.greeting = "changed since"
    context = replace(push.context(push.stack_primary), fan_out=FanOutTerms(push.queue, above=0, seconds=3600))
    before = len(push.server.writes)
    run(RunRequest(Trigger.SCHEDULE, ("b1",)), context, push.deadline)
    push.work(push.context(Primary("main2.example", 443)))
    assert len(push.server.writes) == before
    status = push.store.history("b1", limit=1)[0]
    assert (status.status, status.reason) == ("incomplete", "primary_replaced")
    assert push.primary.held
