"""A fleet too large for one invocation: queued by the run, served from the queue, concluded by whoever comes last."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import FakeRuntime, HangingRuntime, Killed, WallClockRuntime
from registry.backup_queue import Message
from registry.fleet_records import Backup, Credentials, SyncSettings
from registry.run_records import BackupResult, Claim, Run
from registry.snapshots import primary_key
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import is_needed, process_batch
from sync.run import run
from tests.support.borders import Border
from tests.support.registrations import as_registered, begin_push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from common.runtime import Runtime
    from local.fakes.servers import FleetServer
    from local.fakes.world import World
    from registry.snapshots import Snapshot
    from sync.context import RunContext
    from sync.fan_out import BatchResult
    from sync.results import Report

LIFE = 60.0
"""Seconds that a worker's process may live."""
HOUR = 3600


class Fleet:
    """A world with a queue. The clock stands still unless it is moved."""

    def __init__(self, world: World, above: int = 2) -> None:
        self.world = world
        self.queue = MemoryQueue()
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.terms = FanOutTerms(self.queue, above, HOUR)
        self.runtime: Runtime = WallClockRuntime(lambda: self.time)

    @property
    def context(self) -> RunContext:
        return replace(self.world.context, fan_out=self.terms, runtime=self.runtime)

    def start(self, *backups: str, **request: Any) -> Report:
        return run(RunRequest(Trigger.ON_DEMAND, backups, **request), self.context, self.deadline(600))

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self.runtime.monotonic)

    def work(self, messages: Sequence[Message] | None = None, seconds: float = 600.0) -> BatchResult:
        return process_batch(
            self.queue.messages if messages is None else messages,
            self.context,
            self.deadline(seconds),
            self.runtime.now() + timedelta(seconds=LIFE),
        )

    def deliver(self, seconds: float = 600.0) -> BatchResult:
        """Take the next messages from the queue and serve them."""
        taken = self.queue.messages[:10]
        del self.queue.messages[:10]
        return self.work(taken, seconds)

    def message(self, backup_id: str) -> Message:
        (message,) = [message for message in self.queue.messages if message.backup_id == backup_id]
        return message

    def only_run(self) -> Run:
        (run,) = self.world.store.runs(limit=10)
        return run

    def statuses(self) -> dict[str, str]:
        return {
            result.backup_id: f"{result.status}:{result.reason}".rstrip(":")
            for result in self.world.store.results(self.only_run().id)
        }

    def server(self, backup_id: str) -> FleetServer:
        return self.world.servers.by_id[backup_id]


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


ALL_IN_SYNC = {"b1": "in_sync", "b2": "in_sync", "b3": "in_sync"}
CHANGED = "incomplete:registration_changed"


class TestWhenItIsNeeded:
    @staticmethod
    def needed(count: int, *, above: int, durations: Sequence[float] = (), at_a_time: int = 2) -> bool:
        backups = [Backup(f"b{number}", "host", number) for number in range(count)]
        statuses = {
            f"b{number}": BackupResult(f"b{number}", "r", "in_sync", datetime.now(UTC), duration=duration)
            for number, duration in enumerate(durations)
        }
        return is_needed(
            FanOutTerms(MemoryQueue(), above, HOUR), backups, statuses, at_a_time, Deadline(100, monotonic)
        )

    def test_above_so_many_backups(self) -> None:
        assert not self.needed(5, above=5)
        assert self.needed(6, above=5)

    def test_when_they_took_longer_last_time_than_there_is_time_now(self) -> None:
        assert not self.needed(4, above=9, durations=[39, 39, 39, 39])
        assert self.needed(4, above=9, durations=[41, 41, 41, 41])

    def test_not_for_backups_that_are_served_side_by_side_anyway(self) -> None:
        assert not self.needed(2, above=9, durations=[900, 900])

    def test_never_without_a_queue(self, world: World) -> None:
        assert run(RunRequest(Trigger.SCHEDULE), world.context, Deadline(600, monotonic)).run.status == "succeeded"


class TestHandingOut:
    def test_the_run_ends_its_invocation_with_all_backups_queued_and_none_touched(self, fleet: Fleet) -> None:
        report = fleet.start()
        assert (report.run.status, report.run.finished_at, report.results) == ("running", None, ())
        assert [message.backup_id for message in fleet.queue.messages] == ["b1", "b2", "b3"]
        assert fleet.world.store.open_backups(report.run.id) == ("b1", "b2", "b3")
        assert [server_id for server_id, _ in fleet.world.servers.used] == ["primary"]

    def test_those_that_were_tried_longest_ago_come_first(self, fleet: Fleet) -> None:
        store = fleet.world.store
        store.acquire_lease("before", now=fleet.time, expires_at=fleet.time)
        for backup_id, run_id in (("b1", "1"), ("b3", "0")):
            result = BackupResult(backup_id, run_id, "in_sync", fleet.time)
            store.record_result(as_registered(result, store), lease_owner="before")
        fleet.start()
        assert [message.backup_id for message in fleet.queue.messages] == ["b2", "b3", "b1"]

    def test_the_lease_is_handed_on_with_an_end_that_covers_the_work(self, fleet: Fleet) -> None:
        fleet.start()
        lease = fleet.world.store.lease()
        assert lease is not None
        assert lease.expires_at == fleet.time + timedelta(hours=1)
        fan_out = fleet.world.store.fan_out(fleet.only_run().id)
        assert fan_out is not None
        assert (fan_out.owner, fan_out.ends_at) == (lease.owner, lease.expires_at)

    def test_a_run_that_comes_meanwhile_is_not_run(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.time += timedelta(minutes=59)
        again = fleet.start()
        assert (again.run.status, again.run.reason) == ("not_run", Reason.LEASE_HELD)

    def test_no_message_holds_more_than_two_ids(self, fleet: Fleet) -> None:
        fleet.start()
        run_id = fleet.only_run().id
        assert [Message.read(message.text()) for message in fleet.queue.messages] == fleet.queue.messages
        assert fleet.queue.messages[0].text() == f'{{"format": 1, "run_id": "{run_id}", "backup_id": "b1"}}'

    def test_what_the_queue_does_not_take_is_incomplete_and_the_rest_goes_on(self, fleet: Fleet) -> None:
        fleet.queue.refused = {"b2"}
        report = fleet.start()
        assert report.run.status == "running"
        assert fleet.statuses() == {"b2": "incomplete:not_queued"}
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "incomplete:not_queued"}
        assert fleet.only_run().status == "partial"

    def test_a_queue_that_takes_nothing_ends_the_run(self, fleet: Fleet) -> None:
        fleet.queue.refused = {"b1", "b2", "b3"}
        report = fleet.start()
        assert (report.run.status, report.run.counts["incomplete"]) == ("partial", 3)
        assert fleet.world.store.lease() is None

    @pytest.mark.parametrize("method", ["claim_backup", "record_result", "open_backups", "results", "finish_run"])
    @pytest.mark.parametrize("refused", [{"b2"}, {"b1", "b2", "b3"}])
    def test_once_messages_are_out_no_failure_ends_the_run_over_their_heads(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, method: str, refused: set[str]
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

        fleet.queue.refused = refused
        with monkeypatch.context() as patch:
            patch.setattr(fleet.world.store, method, broken)
            assert fleet.start().run.status == "running"
        assert set(fleet.statuses().values()) <= {"incomplete:not_queued"}
        assert fleet.world.store.lease() is not None
        fleet.work()
        assert {name: status for name, status in fleet.statuses().items() if name not in refused} == {
            name: status for name, status in ALL_IN_SYNC.items() if name not in refused
        }
        fleet.time += timedelta(seconds=2 * HOUR)
        fleet.queue.refused = set()
        first = fleet.only_run().id
        fleet.start()
        ended = fleet.world.store.run(first)
        assert ended is not None
        assert (ended.status, ended.finished_at is None) == ("partial", False)
        results = fleet.world.store.results(first)
        assert {result.backup_id for result in results} == set(ALL_IN_SYNC)
        assert {result.reason for result in results if result.backup_id in refused} <= {"not_queued", "run_cut_off"}

    def test_not_even_a_defect_in_queueing_gives_the_lease_back_or_records_that_nothing_was_done(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def defect(messages: Sequence[Message]) -> None:
            fleet.queue.messages += messages[:1]
            raise RuntimeError

        monkeypatch.setattr(fleet.queue, "send", defect)
        with pytest.raises(RuntimeError):
            fleet.start()
        assert (fleet.only_run().status, fleet.statuses()) == ("running", {})
        fleet.work()
        assert fleet.statuses() == {"b1": "in_sync"}

    def test_a_state_that_cannot_be_kept_ends_the_run_before_anything_is_queued(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> str:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "no bucket")

        monkeypatch.setattr(fleet.world.snapshots, "keep_primary", broken)
        report = fleet.start()
        assert (report.run.status, report.run.reason) == ("failed", Reason.REGISTRY_UNAVAILABLE)
        assert set(fleet.statuses().values()) == {"incomplete:run_aborted"}
        assert fleet.queue.messages == []
        assert fleet.world.store.lease() is None


class TestBackupRunner:
    def test_the_last_one_concludes_the_run_and_gives_the_lease_back(self, fleet: Fleet) -> None:
        fleet.start()
        batch = fleet.work()
        assert batch.again == frozenset()
        (report,) = batch.reports
        assert report.recorded
        assert fleet.statuses() == ALL_IN_SYNC
        assert (fleet.only_run().status, fleet.only_run().counts["in_sync"]) == ("succeeded", 3)
        assert fleet.only_run() == report.run
        assert fleet.world.store.lease() is None
        baseline = fleet.world.store.baseline()
        assert baseline is not None
        assert (baseline.users, baseline.groups, baseline.run_id) == (3, 2, report.run.id)
        assert baseline.fingerprint

    def test_it_remembers_of_the_primary_what_a_run_in_one_invocation_does(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work()
        by_queue = fleet.world.store.baseline()
        run(RunRequest(Trigger.ON_DEMAND), replace(fleet.context, fan_out=None), Deadline(600, monotonic))
        at_once = fleet.world.store.baseline()
        assert by_queue
        assert at_once
        assert replace(by_queue, run_id="") == replace(at_once, run_id="")

    def test_what_is_served_in_shares_is_concluded_once(self, fleet: Fleet) -> None:
        fleet.start()
        shares = [fleet.work([message]) for message in fleet.queue.messages]
        assert [len(batch.reports) for batch in shares] == [0, 0, 1]
        assert fleet.world.notes.steps.count("finished succeeded") == 1

    def test_a_backup_that_differs_is_made_equal(self, fleet: Fleet) -> None:
        fleet.server("b2").greeting = "moin"
        fleet.start()
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "updated"}
        assert fleet.server("b2").greeting == "hello"

    def test_a_dry_run_writes_nothing_from_the_queue_either(self, fleet: Fleet) -> None:
        fleet.server("b2").greeting = "moin"
        fleet.start(dry_run=True)
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "drifted"}
        assert fleet.server("b2").writes == []

    def test_named_backups_go_through_the_queue_alike(self, world: World) -> None:
        fleet = Fleet(world, above=1)
        fleet.start("b3", "b1")
        fleet.work()
        assert fleet.statuses() == {"b1": "in_sync", "b3": "in_sync"}

    def test_the_primary_is_not_asked_again(self, fleet: Fleet) -> None:
        fleet.start()
        before = list(fleet.server("primary").calls)
        fleet.work()
        assert fleet.server("primary").calls == before

    def test_the_state_is_loaded_once_by_one_process(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        loaded: list[str] = []
        load = fleet.world.snapshots.load

        def counted(key: str) -> Snapshot:
            loaded.append(key)
            return load(key)

        monkeypatch.setattr(fleet.world.snapshots, "load", counted)
        fleet.start()
        for message in fleet.queue.messages:
            fleet.work([message])
        assert len(loaded) == 1

    def test_settings_are_those_of_now(self, fleet: Fleet) -> None:
        fleet.server("b2").greeting = "moin"
        fleet.start()
        fleet.world.store.save_settings(replace(fleet.world.store.settings(), rules=("greeting",)))
        fleet.work()
        assert fleet.statuses() == ALL_IN_SYNC

    def test_a_backup_that_is_paused_meanwhile_is_not_written_to(self, fleet: Fleet) -> None:
        fleet.server("b2").greeting = "moin"
        fleet.start()
        fleet.world.update("b2", paused="somebody works on it")
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "drifted"}
        assert fleet.server("b2").writes == []

    def test_one_that_is_disabled_or_deleted_meanwhile_is_not_asked_and_its_result_says_so(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.world.update("b1", enabled=False)
        fleet.world.store.delete_backup("b2")
        batch = fleet.work()
        assert batch.again == frozenset()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b1": CHANGED, "b2": CHANGED}
        assert fleet.only_run().status == "partial"
        first, second, _ = fleet.world.store.results(fleet.only_run().id)
        assert first.message == "b1 was disabled after the run began"
        assert second.message.startswith("b2 was removed, or its host or port changed")
        assert fleet.server("b1").calls == fleet.server("b2").calls == []

    def test_one_that_is_another_server_meanwhile_is_not_asked_until_the_next_run(self, fleet: Fleet) -> None:
        fleet.server("b1").greeting = fleet.server("b2").greeting = "moin"
        fleet.start()
        fleet.world.update("b1", port=99)
        second = fleet.world.store.backup("b2")
        assert second
        fleet.world.store.delete_backup("b2")
        fleet.world.store.add_backup(second)
        assert fleet.work().again == frozenset()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b1": CHANGED, "b2": CHANGED}
        assert set(fleet.world.store.statuses()) == {"b3"}
        assert fleet.server("b1").calls == fleet.server("b2").calls == []

    def test_what_a_dead_worker_had_begun_on_the_former_server_is_its_result(self, fleet: Fleet) -> None:
        fleet.start()
        lease, run_id = fleet.world.store.lease(), fleet.only_run().id
        assert lease
        fleet.world.store.claim_backup(run_id, "b1", "dead", now=fleet.time, until=fleet.time)
        begun = BackupResult("b1", run_id, "incomplete", fleet.time, Reason.INTERRUPTED, snapshot="a snapshot")
        begun = as_registered(begun, fleet.world.store)
        begin_push(fleet.world.store, begun, lease_owner=lease.owner, claim="dead")
        fleet.world.update("b1", port=99)
        fleet.work()
        assert fleet.world.store.results(run_id)[0] == begun
        assert fleet.world.store.status("b1") is None
        assert fleet.server("b1").calls == []

    def test_a_backup_without_credentials_stops_nobody_else(self, fleet: Fleet) -> None:
        fleet.world.credentials.delete("b1")
        fleet.start()
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b1": "failed:credentials_missing"}

    def test_what_was_seen_of_a_backup_before_tells_why_it_differs(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work()
        fleet.queue.messages.clear()
        fleet.server("b2").greeting = "moin"
        fleet.time += timedelta(minutes=1)
        fleet.start()
        fleet.work()
        status = fleet.world.store.status("b2")
        assert status
        assert {part.part: part.cause for part in status.parts if part.cause} == {"settings": "backup_edited"}

    def test_a_run_that_may_only_look_after_a_promotion_only_looks_from_the_queue_too(self, fleet: Fleet) -> None:
        primary = fleet.world.store.primary()
        assert primary
        fleet.world.store.save_primary(replace(primary, held="the direction has turned"))
        fleet.server("b2").greeting = "moin"
        run(RunRequest(Trigger.SCHEDULE), fleet.context, Deadline(600, monotonic))
        fleet.work()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "drifted"}
        assert fleet.server("b2").writes == []
        assert [notice.reason for notice in fleet.only_run().notices] == [Reason.PUSHES_HELD]

    def test_an_older_state_of_the_primary_is_put_back_through_the_queue(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work()
        fleet.queue.messages.clear()
        (state,) = fleet.world.store.states(limit=10)
        for name in ALL_IN_SYNC:
            fleet.server(name).greeting = "moin"
        fleet.server("primary").greeting = "servus"
        fleet.time += timedelta(minutes=1)
        request = RunRequest(Trigger.RESTORE, snapshot=primary_key(state.digest))
        report = run(request, fleet.context, Deadline(600, monotonic))
        assert report.run.status == "running"
        fleet.work()
        results = fleet.world.store.results(report.run.id)
        assert {result.backup_id: result.status for result in results} == dict.fromkeys(ALL_IN_SYNC, "restored")
        assert {fleet.server(name).greeting for name in ALL_IN_SYNC} == {"hello"}
        assert all(backup.paused for backup in fleet.world.store.backups())

    def test_new_credentials_are_used(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.world.credentials.put("b1", Credentials("new", "password"))
        fleet.work()
        assert ("b1", "new") in fleet.world.servers.used


class TestNoneTwice:
    def test_a_message_that_is_delivered_again_is_done_without_work(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work([fleet.message("b1")])
        calls = list(fleet.server("b1").calls)
        batch = fleet.work([fleet.message("b1")])
        assert batch.again == frozenset()
        assert fleet.server("b1").calls == calls

    def test_and_so_is_one_of_a_run_that_is_over(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work()
        used = list(fleet.world.servers.used)
        batch = fleet.work()
        assert (batch.again, batch.reports) == (frozenset(), ())
        assert fleet.world.servers.used == used
        assert fleet.world.notes.steps.count("finished succeeded") == 1

    def test_of_two_who_have_the_same_message_at_once_one_serves_and_the_other_gives_it_back(
        self, fleet: Fleet
    ) -> None:
        fleet.start()
        inside, go_on = threading.Event(), threading.Event()

        def wait(method: str) -> None:
            if method == "facts":
                inside.set()
                assert go_on.wait(30)

        fleet.server("b1").on_call = wait
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(fleet.work, [fleet.message("b1")])
            assert inside.wait(30)
            second = fleet.work([fleet.message("b1")])
            go_on.set()
            assert first.result().again == frozenset()
        assert second.again == {fleet.message("b1")}
        assert fleet.server("b1").calls.count("facts") == 1
        assert [step for step in fleet.world.notes.steps if step.startswith("b1")] == ["b1 in_sync"]

    def test_who_is_overtaken_while_it_reads_writes_nothing(self, fleet: Fleet) -> None:
        """A process that stands still for longer than its claim, say: somebody else has the backup by then."""
        fleet.start()
        run_id = fleet.only_run().id

        def overtake(method: str) -> None:
            if method == "settings":
                fleet.server("b1").on_call = lambda _: None
                later = fleet.time + timedelta(seconds=LIFE)
                store = fleet.world.store
                assert store.claim_backup(run_id, "b1", "other", now=later, until=later) is Claim.MINE

        fleet.server("b1").greeting = "moin"
        fleet.server("b1").on_call = overtake
        assert fleet.work([fleet.message("b1")]).again == {fleet.message("b1")}
        assert fleet.server("b1").writes == []
        assert fleet.statuses() == {}

    def test_the_same_message_twice_in_one_delivery_is_served_once(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.work([fleet.message("b1"), fleet.message("b1")])
        assert fleet.server("b1").calls.count("facts") == 1

    def test_the_last_two_results_at_the_same_time_make_one_record(self, fleet: Fleet) -> None:
        for _ in range(20):
            fleet.queue.messages.clear()
            report = fleet.start()
            fleet.work([fleet.message("b3")])
            together = threading.Barrier(2)

            def meet(method: str, together: threading.Barrier = together) -> None:
                if method == "facts":
                    together.wait(30)

            fleet.server("b1").on_call = fleet.server("b2").on_call = meet
            with ThreadPoolExecutor(2) as pool:
                batch = list(pool.map(lambda name: fleet.work([fleet.message(name)]), ("b1", "b2")))
            recorded = [report for one in batch for report in one.reports if report.recorded]
            assert len(recorded) == 1
            run = fleet.world.store.run(report.run.id)
            assert run
            assert (run.status, run.counts["in_sync"]) == ("succeeded", 3)
            assert fleet.world.store.lease() is None


class TestAPartChosenWhileTheyWait:
    def test_leaves_the_backup_unverified_and_the_next_run_reads_it(self, fleet: Fleet) -> None:
        fleet.world.store.save_settings(SyncSettings(parts=("settings",)))
        fleet.start()
        fleet.world.store.save_settings(SyncSettings(parts=("settings", "event_rules")))
        fleet.work()
        result = fleet.world.store.results(fleet.only_run().id)[0]
        assert (result.status, result.reason, result.verified_at) == ("incomplete", "part_not_read", None)
        assert "event_rules" in result.message
        assert {part.part: part.status for part in result.parts} == {
            "settings": "unchanged",
            "event_rules": "not_read",
        }
        assert fleet.only_run().status == "partial"

        fleet.queue.messages.clear()
        fleet.time += timedelta(minutes=5)
        report = fleet.start()
        fleet.work()
        assert [one.status for one in fleet.world.store.results(report.run.id)] == ["in_sync"] * 3


class TestDeath:
    """A worker that is killed: its claims stay until they end, and its messages come again."""

    def killed_at(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, method: str, *, before: bool, messages: Sequence[Message]
    ) -> None:
        store = fleet.world.store
        original: Callable[..., Any] = getattr(store, method)

        def dies(*given: Any, **named: Any) -> Any:
            if not before:
                original(*given, **named)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(store, method, dies)
            with pytest.raises(Killed):
                fleet.work(messages)

    def test_before_its_result_was_recorded_the_backup_is_served_again_after_its_claim_has_ended(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        self.killed_at(fleet, monkeypatch, "record_result", before=True, messages=[fleet.message("b1")])
        assert fleet.work().again == {fleet.message("b1")}, "somebody may still be at it"
        fleet.time += timedelta(seconds=LIFE)
        assert fleet.work([fleet.message("b1")]).again == frozenset()
        assert fleet.statuses() == ALL_IN_SYNC
        assert fleet.only_run().status == "succeeded"

    def test_how_to_undo_what_it_had_written_is_in_the_result_of_who_comes_after(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.server("b1").greeting = "moin"
        fleet.start()
        record = fleet.world.store.record_result

        def dies(result: BackupResult, **how: Any) -> None:
            if how.get("final", True):
                raise Killed
            record(result, **how)

        with monkeypatch.context() as patch:
            patch.setattr(fleet.world.store, "record_result", dies)
            with pytest.raises(Killed):
                fleet.work([fleet.message("b1")])
        assert fleet.server("b1").greeting == "hello", "it was written to"
        fleet.time += timedelta(seconds=LIFE)
        fleet.work()
        (result, *_) = fleet.world.store.results(fleet.only_run().id)
        assert (result.backup_id, result.status) == ("b1", "in_sync")
        assert "moin" in fleet.world.snapshots.load(result.snapshot).content.parts["settings"]

    def test_and_so_it_is_when_no_time_is_left_for_it(self, fleet: Fleet) -> None:
        fleet.start()
        lease, run_id = fleet.world.store.lease(), fleet.only_run().id
        assert lease
        fleet.world.store.claim_backup(run_id, "b1", "dead", now=fleet.time, until=fleet.time)
        begun = BackupResult("b1", run_id, "incomplete", fleet.time, Reason.INTERRUPTED, snapshot="a snapshot")
        begun = as_registered(begun, fleet.world.store)
        begin_push(fleet.world.store, begun, lease_owner=lease.owner, claim="dead")
        fleet.time += timedelta(seconds=HOUR - 1)
        fleet.work()
        assert fleet.world.store.results(run_id)[0] == begun
        assert set(fleet.statuses().values()) == {"incomplete:interrupted", "incomplete:deadline"}

    def test_and_so_it_is_when_who_comes_after_may_not_serve_it(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        lease, run_id = fleet.world.store.lease(), fleet.only_run().id
        assert lease
        fleet.world.store.claim_backup(run_id, "b1", "dead", now=fleet.time, until=fleet.time)
        begun = BackupResult("b1", run_id, "incomplete", fleet.time, Reason.INTERRUPTED, snapshot="a snapshot")
        begun = as_registered(begun, fleet.world.store)
        begin_push(fleet.world.store, begun, lease_owner=lease.owner, claim="dead")
        fleet.time += timedelta(seconds=LIFE)

        def unreadable(_: str) -> BackupResult:
            raise Failure(Reason.RECORD_UNREADABLE, "its last result is of a newer version")

        monkeypatch.setattr(fleet.world.store, "status", unreadable)
        fleet.work([fleet.message("b1")])
        (result, *_) = fleet.world.store.results(run_id)
        assert (result.reason, result.snapshot) == (Reason.RECORD_UNREADABLE, "a snapshot")

    def test_after_its_result_was_recorded_it_is_not_served_again(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        self.killed_at(fleet, monkeypatch, "record_result", before=False, messages=[fleet.message("b1")])
        calls = list(fleet.server("b1").calls)
        assert fleet.work().again == frozenset()
        assert fleet.server("b1").calls == calls
        assert fleet.statuses() == ALL_IN_SYNC

    @pytest.mark.parametrize("method", ["open_backups", "results", "save_baseline", "finish_run"])
    def test_before_it_concluded_its_message_concludes_when_it_comes_again(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        fleet.start()
        self.killed_at(fleet, monkeypatch, method, before=True, messages=fleet.queue.messages)
        assert fleet.only_run().finished_at is None
        batch = fleet.work([fleet.message("b3")])
        assert len(batch.reports) == 1
        assert (fleet.only_run().status, fleet.only_run().counts["in_sync"]) == ("succeeded", 3)
        assert fleet.world.store.lease() is None
        assert fleet.server("b3").calls.count("facts") == 1

    def test_before_it_gave_the_lease_back_its_message_does_that_when_it_comes_again(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        self.killed_at(fleet, monkeypatch, "release_lease", before=True, messages=fleet.queue.messages)
        assert fleet.world.store.lease() is not None
        batch = fleet.work([fleet.message("b3")])
        assert (batch.again, batch.reports) == (frozenset(), ())
        assert fleet.world.store.lease() is None


class TestTheLease:
    def test_without_it_no_server_is_touched_and_the_messages_are_dropped(self, fleet: Fleet) -> None:
        fleet.start()
        lease = fleet.world.store.lease()
        assert lease
        fleet.world.store.release_lease(lease.owner)
        batch = fleet.work()
        assert (batch.again, batch.reports) == (frozenset(), ())
        assert [server_id for server_id, _ in fleet.world.servers.used] == ["primary"]
        assert {f"{name} not served: lease_lost" for name in ("b1", "b2", "b3")} <= set(fleet.world.notes.steps)

    def test_it_is_asked_for_before_each_backup(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fleet.at_a_time.MAX_WORKERS", 1)
        fleet.start()

        def take_away(method: str) -> None:
            lease = fleet.world.store.lease()
            if method == "facts" and lease:
                fleet.world.store.release_lease(lease.owner)

        fleet.server("b1").on_call = take_away
        fleet.server("b1").greeting = "moin"
        batch = fleet.work()
        assert batch.again == frozenset()
        assert fleet.server("b1").writes == []
        assert fleet.server("b2").calls == fleet.server("b3").calls == []
        assert fleet.statuses() == {}

    def test_when_it_could_end_before_the_process_the_backups_are_incomplete_and_the_run_is_done(
        self, fleet: Fleet
    ) -> None:
        fleet.start()
        fleet.time += timedelta(seconds=HOUR - LIFE + 1)
        batch = fleet.work()
        assert batch.again == frozenset()
        assert fleet.statuses() == dict.fromkeys(ALL_IN_SYNC, "incomplete:deadline")
        assert fleet.only_run().status == "partial"
        assert [server_id for server_id, _ in fleet.world.servers.used] == ["primary"]

    def test_one_second_earlier_they_are_served(self, fleet: Fleet) -> None:
        fleet.start()
        fleet.time += timedelta(seconds=HOUR - LIFE)
        fleet.work()
        assert fleet.statuses() == ALL_IN_SYNC


class TestTheTimeOfAnInvocation:
    def test_what_it_does_not_begin_in_its_first_half_comes_again(self, fleet: Fleet) -> None:
        fleet.runtime = runtime = FakeRuntime(fleet.time)
        fleet.start()
        fleet.server("b1").on_call = lambda method: runtime.advance(6 if method == "facts" else 0)
        assert fleet.deliver(seconds=10).again == frozenset()
        assert [message.backup_id for message in fleet.queue.messages] == ["b2", "b3"]
        assert fleet.statuses() == {"b1": "in_sync"}
        assert fleet.deliver().again == frozenset()
        assert fleet.statuses() == ALL_IN_SYNC

    def test_what_cannot_be_queued_anew_is_delivered_again(self, fleet: Fleet) -> None:
        fleet.runtime = runtime = FakeRuntime(fleet.time)
        fleet.start()
        fleet.server("b1").on_call = lambda method: runtime.advance(6 if method == "facts" else 0)
        second, third = fleet.message("b2"), fleet.message("b3")
        fleet.queue.refused = {"b3"}
        assert fleet.deliver(seconds=10).again == {third}
        assert fleet.queue.messages == [second]

    @pytest.mark.parametrize("slow", range(1, 6))
    def test_however_slow_the_servers_are_no_delivery_is_spent_on_a_backup_that_was_not_tried(
        self, fleet: Fleet, slow: int
    ) -> None:
        """As long as a delivery tries one, all of them come to their end, and none is given up untried."""
        for number in range(4, 31):
            fleet.world.add_backup(f"b{number}")
        fleet.runtime = runtime = FakeRuntime(fleet.time)
        for server in fleet.world.servers.by_id.values():
            server.on_call = lambda method: runtime.advance(slow if method == "facts" else 0)
        fleet.start()
        while fleet.queue.messages:
            assert fleet.deliver(seconds=10).again == frozenset()
        assert set(fleet.statuses().values()) == {"in_sync"}
        assert fleet.only_run().status == "succeeded"

    def test_what_hangs_beyond_it_is_recorded_as_incomplete(self, fleet: Fleet) -> None:
        runtime = HangingRuntime(lambda: fleet.time)
        fleet.runtime = runtime
        fleet.start()
        fleet.server("b1").on_call = lambda _: runtime.hang()
        try:
            assert fleet.work().again == frozenset()
            assert fleet.statuses() == {**ALL_IN_SYNC, "b1": "incomplete:deadline"}
            assert fleet.only_run().status == "partial"
        finally:
            runtime.release()

    def test_what_it_never_began_has_no_result_and_comes_again(self, fleet: Fleet) -> None:
        fleet.runtime = runtime = FakeRuntime(fleet.time)
        fleet.start()
        fleet.server("b1").on_call = lambda _: runtime.advance(20)
        assert fleet.deliver(seconds=10).again == frozenset()
        assert [message.backup_id for message in fleet.queue.messages] == ["b2", "b3"]
        assert fleet.statuses() == {"b1": "in_sync"}  # it came late, and is true all the same
        assert [step for step in fleet.world.notes.steps if step.startswith("b1")] == ["b1 in_sync"]
        assert {"b2 not served: deadline", "b3 not served: deadline"} <= set(fleet.world.notes.steps)


class TestTrouble:
    @pytest.mark.parametrize("method", ["run", "fan_out", "lease", "claim_backup", "backup", "settings"])
    def test_a_registry_that_fails_makes_the_messages_come_again(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        fleet.start()

        def broken(*_: object, **__: object) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

        with monkeypatch.context() as patch:
            patch.setattr(fleet.world.store, method, broken)
            assert fleet.work().again == set(fleet.queue.messages)
        assert fleet.statuses() == {}
        fleet.time += timedelta(seconds=LIFE)
        assert fleet.work().again == frozenset()
        assert fleet.statuses() == ALL_IN_SYNC

    def test_a_defect_in_serving_one_run_leaves_the_others_their_messages(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        other = Message("20260301T120000.000000Z-0badc0de", "b1")
        run = fleet.world.store.run

        def defect(run_id: str) -> Run | None:
            if run_id == other.run_id:
                raise RuntimeError
            return run(run_id)

        monkeypatch.setattr(fleet.world.store, "run", defect)
        batch = fleet.work([other, *fleet.queue.messages])
        assert batch.again == {other}
        assert fleet.statuses() == ALL_IN_SYNC

    def test_a_result_that_cannot_be_stored_makes_its_message_come_again(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        record = fleet.world.store.record_result

        def broken(result: BackupResult, **how: Any) -> None:
            if result.backup_id == "b2":
                raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")
            record(result, **how)

        with monkeypatch.context() as patch:
            patch.setattr(fleet.world.store, "record_result", broken)
            batch = fleet.work()
        assert batch.again == {fleet.message("b2")}
        assert batch.reports == ()
        assert fleet.statuses() == {"b1": "in_sync", "b3": "in_sync"}

    def test_between_the_last_answer_of_a_server_and_its_result_nothing_else_can_fail(self, fleet: Fleet) -> None:
        calls: list[str] = []
        fleet.server("b2").greeting = "other"
        fleet.server("b2").on_call = lambda _: calls.clear()
        fleet.start()

        def called(method: str, do: Callable[[], Any], *_: object, **__: object) -> Any:
            calls.append(method)
            return do()

        context = replace(fleet.context, store=Border(fleet.world.store, called))
        ends_at = fleet.runtime.now() + timedelta(seconds=LIFE)
        process_batch([fleet.message("b2")], context, fleet.deadline(600), ends_at)
        assert fleet.statuses() == {"b2": "updated"}
        assert calls[:2] == ["end_serving", "record_result"]

    def test_a_registration_that_cannot_be_read_is_a_failure_of_its_backup(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.start()
        backup = fleet.world.store.backup

        def broken(backup_id: str) -> Backup | None:
            if backup_id == "b2":
                raise Failure(Reason.RECORD_UNREADABLE, "no host")
            return backup(backup_id)

        monkeypatch.setattr(fleet.world.store, "backup", broken)
        assert fleet.work().again == frozenset()
        assert fleet.statuses() == {**ALL_IN_SYNC, "b2": "failed:record_unreadable"}

    def test_a_message_of_a_run_that_nobody_knows_is_dropped(self, fleet: Fleet) -> None:
        batch = fleet.work([Message("20260301T120000.000000Z-00000000", "b1")])
        assert (batch.again, batch.reports) == (frozenset(), ())
        assert fleet.world.notes.steps == ["b1 not served: unknown_run"]

    @pytest.mark.parametrize(
        "body",
        [
            *("", "{}", "[]", "null", '"x"', '{"run_id": 1, "backup_id": "b"}', '{"run_id": "r"}'),
            pytest.param("[" * 200_000, id="deep"),
            pytest.param(f'{{"format": 1{"0" * 400}}}', id="a large format"),
            *('{"format": NaN}', '{"format": 1e400}', '{"format": true}'),
        ],
    )
    def test_a_text_that_is_no_message_is_refused(self, body: str) -> None:
        with pytest.raises(Failure) as failed:
            Message.read(body)
        assert failed.value.reason is Reason.EVENT_INVALID
