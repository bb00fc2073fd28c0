"""The run over the fleet: who is served, in which order, and what is recorded when something gives way."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import RotatedCredentials
from local.fakes.runtime import HangingRuntime, WallClockRuntime
from local.fakes.store import MemoryStore
from registry.fleet_records import Primary, SyncSettings
from registry.run_records import QUEUED, BackupResult, Lease, PrimaryBaseline, Run, new_run_id
from sync.events import RunRequest, Trigger
from sync.run import run
from tests.support.registrations import as_registered, remember_baseline

if TYPE_CHECKING:
    from local.fakes.world import World
    from sync.results import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def sync_run(world: World, *backups: str, seconds: float = 600.0, accept_primary: bool = False) -> Report:
    return run(
        RunRequest(Trigger.ON_DEMAND, backups, accept_primary=accept_primary),
        world.context,
        Deadline(seconds, world.runtime.monotonic),
    )


def outcomes(report: Report) -> dict[str, str]:
    return {result.backup_id: f"{result.status}:{result.reason}".rstrip(":") for result in report.results}


def failing(*methods: str, error: Exception) -> object:
    def on_call(method: str) -> None:
        if method in methods:
            raise error

    return on_call


class TestWhoIsServed:
    def test_all_enabled_backups_by_default(self, world: World) -> None:
        world.update("b2", enabled=False)
        assert outcomes(sync_run(world)) == {"b1": "in_sync", "b3": "in_sync"}

    def test_only_those_that_are_named(self, world: World) -> None:
        assert outcomes(sync_run(world, "b3")) == {"b3": "in_sync"}
        assert world.servers.by_id["b1"].calls == []

    @pytest.mark.parametrize(("named", "reason"), [("nobody", Reason.UNKNOWN_BACKUP), ("b2", Reason.BACKUP_DISABLED)])
    def test_one_that_is_unknown_or_disabled_ends_the_run_before_anything_is_done(
        self, world: World, named: str, reason: Reason
    ) -> None:
        world.update("b2", enabled=False)
        report = sync_run(world, "b1", named)
        assert (report.run.status, report.run.reason) == ("failed", reason)
        assert world.servers.used == []

    def test_no_backup_at_all_is_no_error(self, world: World) -> None:
        for backup_id in ("b1", "b2", "b3"):
            world.update(backup_id, enabled=False)
        report = sync_run(world)
        assert (report.run.status, report.run.reason) == ("not_run", Reason.NO_BACKUPS)
        assert world.servers.used == []

    def test_the_incomplete_come_first_then_those_whose_last_attempt_is_longest_ago(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fleet.at_a_time.MAX_WORKERS", 1)
        world.store.acquire_lease("before", now=NOON, expires_at=NOON)
        for backup_id, status, attempted in (
            ("b1", "in_sync", NOON),
            ("b2", "in_sync", NOON - timedelta(hours=1)),
            ("b3", "incomplete", NOON + timedelta(hours=1)),
        ):
            result = BackupResult(backup_id, "0", status, attempted_at=attempted)
            world.store.record_result(as_registered(result, world.store), lease_owner="before")
        sync_run(world)
        assert [server_id for server_id, _ in world.servers.used] == ["primary", "b3", "b2", "b1"]


class TestPolicy:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"parts": ("nonsense",)}, Reason.REGISTRATION_INVALID),
            ({"parts": ()}, Reason.REGISTRATION_INVALID),
            ({"rules": ("a//b",)}, Reason.CONFIGURATION_INVALID),
        ],
    )
    def test_a_registration_that_makes_no_sense_stops_its_own_backup_alone(
        self, world: World, changes: dict[str, object], reason: Reason
    ) -> None:
        world.update("b2", **changes)
        report = sync_run(world)
        assert outcomes(report) == {"b1": "in_sync", "b2": f"failed:{reason}", "b3": "in_sync"}
        assert report.run.status == "partial"
        assert world.servers.by_id["b2"].calls == []

    def test_rules_of_fleet_and_backup_add_up(self, world: World) -> None:
        world.store.save_settings(SyncSettings(rules=("nothing-else",)))
        world.update("b2", rules=("greeting",))
        world.servers.by_id["b1"].greeting = world.servers.by_id["b2"].greeting = "moin"
        assert outcomes(sync_run(world)) == {"b1": "updated", "b2": "in_sync", "b3": "in_sync"}

    def test_only_parts_that_somebody_gets_are_read_from_the_primary(self, world: World) -> None:
        for backup_id in ("b1", "b2", "b3"):
            world.update(backup_id, parts=("settings",))
        report = sync_run(world)
        assert report.run.status == "succeeded"
        assert "users" not in world.servers.by_id["primary"].calls
        baseline = world.store.baseline()
        assert baseline is not None
        assert (baseline.users, baseline.groups) == (0, 0)


class TestThePrimary:
    def test_the_one_of_the_stack_is_used_when_none_is_registered(self, world: World) -> None:
        world.store = MemoryStore()
        context = replace(world.context, primary=Primary("127.0.0.1", 1))
        report = run(RunRequest(Trigger.SCHEDULE), context, Deadline(600, monotonic))
        assert report.run.reason == Reason.NO_BACKUPS

    def test_a_run_without_any_is_failed(self, world: World) -> None:
        store = MemoryStore()
        for backup in world.store.backups():
            store.add_backup(backup)
        world.store = store
        report = sync_run(world)
        assert (report.run.status, report.run.reason) == ("failed", Reason.PRIMARY_NOT_REGISTERED)
        assert set(outcomes(report).values()) == {"incomplete:run_aborted"}

    def test_what_cannot_be_foreseen_while_reading_it_ends_the_run_and_its_text_goes_no_further(
        self, world: World
    ) -> None:
        world.servers.by_id["primary"].on_call = failing("users", error=ValueError("PLANTED"))  # type: ignore[assignment]
        report = sync_run(world)
        assert (report.run.status, report.run.reason) == ("failed", Reason.INTERNAL_ERROR)
        assert "ValueError" in report.run.message
        assert "test_run.py" in report.run.message
        assert "PLANTED" not in repr(report) + repr(vars(world.store))
        assert outcomes(report) == dict.fromkeys(("b1", "b2", "b3"), "incomplete:run_aborted")
        assert world.store.run(report.run.id) == report.run
        assert world.store.lease() is None

    @pytest.mark.parametrize(
        ("before", "now", "shrunk"),
        [(6, 3, True), (6, 4, False), (2, 1, False), (4, 2, True), (3, 1, True), (1, 1, False)],
    )
    def test_half_as_many_users_as_last_time_is_an_error(
        self, world: World, before: int, now: int, shrunk: bool
    ) -> None:
        remember_baseline(world.store, PrimaryBaseline(before, 2, NOON, "r0"))
        for server in world.servers.by_id.values():
            server.people = tuple(f"user{number}" for number in range(now))
        report = sync_run(world)
        assert report.run.reason == (Reason.PRIMARY_SHRUNK if shrunk else "")
        baseline = world.store.baseline()
        assert baseline is not None
        assert baseline.users == (before if shrunk else now)

    def test_half_as_many_settings_are_one_too(self, world: World) -> None:
        remember_baseline(world.store, PrimaryBaseline(0, 0, NOON, "r0", settings=4))
        assert sync_run(world).run.reason == Reason.PRIMARY_SHRUNK

    def test_half_as_many_groups_is_one_too(self, world: World) -> None:
        remember_baseline(world.store, PrimaryBaseline(3, 4, NOON, "r0"))
        assert sync_run(world).run.reason == Reason.PRIMARY_SHRUNK
        assert sync_run(world, accept_primary=True).run.status == "succeeded"
        assert sync_run(world).run.status == "succeeded"  # the accepted size is the new measure

    def test_the_measure_is_not_moved_by_a_run_that_verified_nothing(self, world: World) -> None:
        for backup_id in ("b1", "b2", "b3"):
            world.servers.by_id[backup_id].on_call = failing(  # type: ignore[assignment]
                "facts", error=Failure(Reason.READ_TIMEOUT, "silent")
            )
        sync_run(world)
        assert world.store.baseline() is None


class TestIndependence:
    def test_an_error_in_the_program_while_serving_one_stops_nobody_else(self, world: World) -> None:
        world.servers.by_id["b2"].on_call = failing("users", error=KeyError("PLANTED"))  # type: ignore[assignment]
        report = sync_run(world)
        assert outcomes(report) == {"b1": "in_sync", "b2": "failed:internal_error", "b3": "in_sync"}
        assert "PLANTED" not in repr(report) + repr(world.notes.faults) + repr(vars(world.store))
        assert "test_run.py" in world.notes.faults["b2"]

    def test_missing_credentials_stop_one_backup_alone(self, world: World) -> None:
        world.credentials.delete("b1")
        report = sync_run(world)
        assert outcomes(report) == {"b1": "failed:credentials_missing", "b2": "in_sync", "b3": "in_sync"}

    def test_one_that_hangs_while_it_is_written_to_keeps_the_key_of_its_snapshot(self, world: World) -> None:
        runtime = world.runtime = HangingRuntime()
        world.servers.by_id["b2"].greeting = "Drifted"

        def hang(call: str) -> None:
            if call == "write_settings":
                runtime.hang()

        world.servers.by_id["b2"].on_call = hang
        report = sync_run(world)
        stored = world.store.results(report.run.id)[1]
        runtime.release()
        assert (stored.backup_id, stored.status, stored.reason) == ("b2", "incomplete", "interrupted")
        assert stored.snapshot in world.snapshots.stored

    def test_a_fault_of_the_program_while_one_is_written_to_keeps_the_key_of_its_snapshot(self, world: World) -> None:
        def fail(call: str) -> None:
            if call == "write_settings":
                raise RuntimeError

        world.servers.by_id["b2"].greeting = "Drifted"
        world.servers.by_id["b2"].on_call = fail
        report = sync_run(world)
        stored = world.store.results(report.run.id)[1]
        assert (stored.status, stored.reason) == ("failed", "internal_error")
        assert stored.snapshot in world.snapshots.stored

    def test_one_that_hangs_past_the_deadline_is_recorded_and_does_not_hold_the_run(self, world: World) -> None:
        runtime = world.runtime = HangingRuntime()
        gone = threading.Event()

        def hang(_: str) -> None:
            runtime.hang()
            gone.set()

        world.servers.by_id["b2"].on_call = hang
        report = sync_run(world)
        assert outcomes(report) == {"b1": "in_sync", "b2": "incomplete:deadline", "b3": "in_sync"}
        assert not gone.is_set()
        stored = world.store.status("b2")
        runtime.release()
        assert gone.wait(30)
        assert stored is not None
        assert stored.reason == Reason.DEADLINE

    def test_what_one_that_was_given_up_says_later_is_not_stored(self, world: World) -> None:
        runtime = world.runtime = HangingRuntime()
        reported = threading.Event()
        world.servers.by_id["b2"].on_call = lambda _: runtime.hang()
        step = world.notes.backup_done

        def backup_done(run: Run, result: BackupResult, fault: str) -> None:
            step(run, result, fault)
            if result.reason == Reason.LEASE_LOST:
                reported.set()

        world.notes.backup_done = backup_done  # type: ignore[method-assign]
        report = sync_run(world, "b2")
        runtime.release()
        assert reported.wait(30)
        assert world.store.results(report.run.id)[0].reason == Reason.DEADLINE


class TestRecords:
    def test_every_step_is_told_in_its_order(self, world: World) -> None:
        sync_run(world, "b1")
        assert world.notes.steps == ["started", "primary_read", "b1 in_sync", "finished succeeded"]

    def test_results_stand_when_the_measure_cannot_be_kept(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def save_baseline(_: PrimaryBaseline, **__: str) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

        monkeypatch.setattr(world.store, "save_baseline", save_baseline)
        world.servers.by_id["b1"].people = ("anna",)
        report = sync_run(world)
        assert outcomes(report) == {"b1": "updated", "b2": "in_sync", "b3": "in_sync"}
        assert (report.run.status, report.run.reason) == ("partial", Reason.REGISTRY_UNAVAILABLE)
        status = world.store.status("b1")
        assert status is not None
        assert status.status == "updated"

    def test_a_result_that_cannot_be_recorded_is_a_failure_of_that_backup(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = world.store.record_result

        def record_result(result: BackupResult, **how: Any) -> None:
            if result.backup_id == "b2":
                raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")
            record(result, **how)

        monkeypatch.setattr(world.store, "record_result", record_result)
        report = sync_run(world)
        assert outcomes(report) == {"b1": "in_sync", "b2": "failed:registry_unavailable", "b3": "in_sync"}
        assert report.run.counts["failed"] == 1

    def test_run_ids_sort_in_the_order_of_time(self, world: World) -> None:
        context = world.context
        moments = [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(hours=1), NOON + timedelta(days=30)]

        def run_at(moment: datetime) -> str:
            return run(
                RunRequest(Trigger.SCHEDULE),
                replace(context, runtime=WallClockRuntime(lambda: moment)),
                Deadline(600, monotonic),
            ).run.id

        ids = [run_at(moment) for moment in moments]
        assert ids == sorted(ids)

    def test_who_asked_for_what_is_kept(self, world: World) -> None:
        request = RunRequest(Trigger.ON_DEMAND, ("b1",), requested_by="arn:someone")
        stored = world.store.run(run(request, world.context, Deadline(600, monotonic)).run.id)
        assert stored is not None
        assert (stored.trigger, stored.requested_by, stored.requested_backups) == ("on_demand", "arn:someone", ("b1",))


class UnreadableRows(MemoryStore):
    """A store with a registration that nobody can read."""

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        return (("b9", "port: Input should be a valid integer"),)


class TestUnreadableRegistrations:
    @pytest.fixture(autouse=True)
    def spoilt(self, world: World) -> None:
        store = UnreadableRows()
        for backup in world.store.backups():
            store.add_backup(backup)
        store.save_primary(Primary("127.0.0.1", 1))
        world.store = store

    def test_one_is_recorded_and_stops_nobody_else(self, world: World) -> None:
        report = sync_run(world)
        assert outcomes(report) == {
            **dict.fromkeys(("b1", "b2", "b3"), "in_sync"),
            "b9": "failed:record_unreadable",
        }
        assert report.run.status == "partial"

    def test_one_counts_also_when_the_primary_fails(self, world: World) -> None:
        world.servers.by_id["primary"].on_call = failing(  # type: ignore[assignment]
            "facts", error=Failure(Reason.READ_TIMEOUT, "silent")
        )
        report = sync_run(world)
        assert report.run.counts == {
            "in_sync": 0,
            "updated": 0,
            "drifted": 0,
            "blocked": 0,
            "rolled_back": 0,
            "failed": 1,
            "incomplete": 3,
            "restored": 0,
        }

    def test_one_that_is_asked_for_by_name_is_not_called_unknown(self, world: World) -> None:
        report = sync_run(world, "b9")
        assert (report.run.status, report.run.reason) == ("failed", Reason.RECORD_UNREADABLE)

    def test_one_alone_is_not_nothing_to_do(self, world: World) -> None:
        for backup_id in ("b1", "b2", "b3"):
            world.update(backup_id, enabled=False)
        report = sync_run(world)
        assert report.run.status == "partial"
        assert outcomes(report) == {"b9": "failed:record_unreadable"}
        assert world.servers.used == []


class TestTheLease:
    def test_a_run_that_finds_it_taken_does_nothing_and_says_so(self, world: World) -> None:
        now = datetime.now(UTC)
        end = now + timedelta(minutes=5)
        other = new_run_id(now, "0badc0de")
        world.store.acquire_lease(f"{other}/1", now=now, expires_at=end)
        report = sync_run(world)
        assert (report.run.status, report.run.reason) == ("not_run", Reason.LEASE_HELD)
        until = f"{end:%Y-%m-%d %H:%M:%S} UTC"
        assert report.run.message == f"the run {other} is under way; its lease ends at {until} at the latest"
        assert world.servers.used == []
        assert world.store.run(report.run.id) == report.run
        assert world.store.lease() == Lease(f"{other}/1", end)

    def test_it_is_given_back_also_when_the_registry_fails_in_between(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def begin_run(_: Run) -> bool:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

        monkeypatch.setattr(world.store, "begin_run", begin_run)
        with pytest.raises(Failure) as caught:
            sync_run(world)
        assert caught.value.reason is Reason.REGISTRY_UNAVAILABLE
        assert world.store.lease() is None


def test_the_id_of_a_time_that_has_not_come_is_refused(world: World) -> None:
    request = RunRequest(Trigger.ON_DEMAND, run_id=new_run_id(datetime.now(UTC) + timedelta(days=1), "0badc0de"))
    with pytest.raises(Failure) as caught:
        run(request, world.context, Deadline(600, monotonic))
    assert caught.value.reason is Reason.EVENT_INVALID
    assert (world.store.runs(limit=10), world.store.lease()) == ((), None)


class TestAnEventDeliveredTwice:
    """Events for functions are delivered at least once; those of the API bring the run's id along."""

    @staticmethod
    def queued(world: World) -> RunRequest:
        request = RunRequest(Trigger.ON_DEMAND, run_id=new_run_id(datetime.now(UTC), "0badc0de"))
        world.store.save_run(Run(request.run_id, "on_demand", datetime.now(UTC), status=QUEUED))
        return request

    def test_a_run_that_was_queued_is_done(self, world: World) -> None:
        request = self.queued(world)
        report = run(request, world.context, Deadline(600, monotonic))
        assert (report.run.id, report.run.status) == (request.run_id, "succeeded")
        assert world.store.run(request.run_id) == report.run

    def test_the_second_time_nothing_is_done_and_the_record_of_the_first_stands(self, world: World) -> None:
        request = self.queued(world)
        world.servers.by_id["b1"].people = ("anna",)
        first = run(request, world.context, Deadline(600, monotonic))
        world.servers.used.clear()
        second = run(request, world.context, Deadline(600, monotonic))
        assert (second.run.status, second.run.reason) == ("not_run", Reason.ALREADY_STARTED)
        assert world.servers.used == []
        assert world.store.run(request.run_id) == first.run
        assert {result.status for result in world.store.results(request.run_id)} == {"updated", "in_sync"}

    def test_nor_does_it_touch_the_record_of_a_first_that_is_under_way(self, world: World) -> None:
        request = self.queued(world)
        seen: list[str] = []

        def meanwhile(_: str) -> None:
            if not seen:
                second = run(request, world.context, Deadline(600, monotonic))
                stored = world.store.run(request.run_id)
                assert stored is not None
                seen.extend((second.run.reason, stored.status))

        world.servers.by_id["primary"].on_call = meanwhile
        assert run(request, world.context, Deadline(600, monotonic)).run.status == "succeeded"
        assert seen == [Reason.ALREADY_STARTED, "running"]


class TestCredentials:
    def test_a_log_in_that_is_refused_is_tried_again_with_changed_credentials(self, world: World) -> None:
        world.credentials = RotatedCredentials()
        world.servers.wrong_users = {"old"}
        report = sync_run(world, "b1")
        assert outcomes(report) == {"b1": "in_sync"}
        assert world.servers.used == [("primary", "old"), ("primary", "new"), ("b1", "old"), ("b1", "new")]

    def test_unchanged_credentials_are_not_tried_twice(self, world: World) -> None:
        world.servers.wrong_users = {"admin"}
        report = sync_run(world, "b1")
        assert report.run.reason == Reason.AUTHENTICATION_FAILED
        assert world.servers.used == [("primary", "admin")]


def test_a_lease_that_cannot_be_given_back_does_not_undo_what_the_run_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_owner: str) -> bool:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "DynamoDB failed")

    monkeypatch.setattr(world.store, "release_lease", fail)
    report = run(RunRequest(Trigger.ON_DEMAND), world.context, Deadline(600, monotonic))
    assert report.run.status == "succeeded"
