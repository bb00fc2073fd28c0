"""Records that cannot be understood, as an older version finds those of a newer one: what a run does then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import WallClockRuntime
from local.fakes.store import MemoryStore
from local.fakes.world import World
from registry.run_records import BackupResult, Run
from registry.snapshots import SnapshotContent
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.fleet_health import fleet_health_of
from sync.run import run
from tests.support.registrations import as_registered, begin_push

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sync.context import RunContext
    from sync.fan_out import BatchResult
    from sync.results import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN_ID = "20260301T115900.000000Z-0badc0de"
WHY = "format: 2 is not known here; the newest known one is 1"


class PartlyUnreadable(MemoryStore):
    """A store in which nobody understands the statuses of some backups, and the results of ``methods``."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.methods: set[str] = set()

    def __getattribute__(self, name: str) -> object:
        if name not in ("methods", "__dict__") and name in self.__dict__.get("methods", ()):
            raise Failure(Reason.RECORD_UNREADABLE, WHY)
        return super().__getattribute__(name)

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        statuses = super().statuses(backup_ids)
        return {backup_id: statuses[backup_id] for backup_id in statuses.keys() - self.ids}

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        return tuple((backup_id, WHY) for backup_id in sorted(self.ids))

    def status(self, backup_id: str) -> BackupResult | None:
        if backup_id in self.ids:
            raise Failure(Reason.RECORD_UNREADABLE, WHY)
        return super().status(backup_id)


@pytest.fixture
def store() -> PartlyUnreadable:
    return PartlyUnreadable()


@pytest.fixture
def world(store: PartlyUnreadable) -> World:
    return World(store=store)


def at(world: World, time: datetime, queue: MemoryQueue | None = None) -> RunContext:
    terms = FanOutTerms(queue, above=1, seconds=3600) if queue else None
    return replace(world.context, runtime=WallClockRuntime(lambda: time), fan_out=terms)


def deadline() -> Deadline:
    return Deadline(600, WallClockRuntime(lambda: NOON).monotonic)


def start(world: World, *backups: str, queue: MemoryQueue | None = None, snapshot: str = "") -> Report:
    trigger = Trigger.RESTORE if snapshot else Trigger.ON_DEMAND
    return run(RunRequest(trigger, backups, snapshot=snapshot), at(world, NOON, queue), deadline())


def work(world: World, queue: MemoryQueue) -> BatchResult:
    return process_batch(queue.messages, at(world, NOON), deadline(), NOON + timedelta(seconds=60))


def outcomes(results: Iterable[BackupResult]) -> dict[str, str]:
    return {result.backup_id: f"{result.status}:{result.reason}".rstrip(":") for result in results}


class TestStatus:
    """It may say how to undo what was begun, or that nobody has proved yet that new settings let anybody in."""

    @pytest.fixture(autouse=True)
    def spoilt(self, store: PartlyUnreadable) -> None:
        store.ids = {"b2"}

    def test_its_backup_is_not_touched_and_the_others_are_served(self, world: World) -> None:
        world.servers.by_id["primary"].greeting = "hello again"
        report = start(world)
        assert outcomes(report.results) == {"b1": "updated", "b2": "failed:record_unreadable", "b3": "updated"}
        assert report.run.status == "partial"
        assert world.servers.by_id["b2"].calls == []
        (message,) = [result.message for result in report.results if result.backup_id == "b2"]
        assert message == f"b2: its last result cannot be understood: {WHY}"

    def test_nor_when_it_is_asked_for_by_name_or_put_back(self, world: World) -> None:
        content = SnapshotContent({"settings": "<settings/>"}, world.servers.by_id["b2"].facts())
        key = world.snapshots.keep_backup("b2", RUN_ID, content)
        for report in (start(world, "b2"), start(world, "b2", snapshot=key)):
            assert (report.run.status, outcomes(report.results)) == ("partial", {"b2": "failed:record_unreadable"})
        assert world.servers.used == []

    def test_it_is_not_queued(self, world: World) -> None:
        queue = MemoryQueue()
        report = start(world, queue=queue)
        assert [message.backup_id for message in queue.messages] == ["b1", "b3"]
        assert outcomes(world.store.results(report.run.id)) == {"b2": "failed:record_unreadable"}

    def test_what_became_unreadable_in_the_queue_is_not_touched(self, world: World, store: PartlyUnreadable) -> None:
        store.ids = set()
        queue = MemoryQueue()
        run_id = start(world, queue=queue).run.id
        store.ids = {"b2"}
        batch = work(world, queue)
        assert batch.again == frozenset()
        assert outcomes(world.store.results(run_id)) == {
            "b1": "in_sync",
            "b2": "failed:record_unreadable",
            "b3": "in_sync",
        }
        assert world.servers.by_id["b2"].calls == []

    def test_no_alarm_ends_because_of_it(self, world: World) -> None:
        health = fleet_health_of(world.store, None, NOON, world.store.primary())
        assert (health.harmed, health.most_failures) == (1, 1)
        (backup,) = [backup for backup in health.backups if backup.id == "b2"]
        assert (backup.status, backup.reason) == ("failed", Reason.RECORD_UNREADABLE)

    def test_of_a_backup_that_is_gone_or_disabled_it_counts_nowhere(
        self, world: World, store: PartlyUnreadable
    ) -> None:
        world.update("b2", enabled=False)
        store.ids |= {"long-gone"}
        assert fleet_health_of(world.store, None, NOON, world.store.primary()).harmed == 0
        assert outcomes(start(world).results) == {"b1": "in_sync", "b3": "in_sync"}


@pytest.mark.parametrize(
    ("method", "reason", "backups"),
    [
        ("settings", Reason.RECORD_UNREADABLE, "incomplete:run_aborted"),
        ("baseline", Reason.RECORD_UNREADABLE, "incomplete:run_aborted"),
        ("acceptance", Reason.RECORD_UNREADABLE, "incomplete:run_aborted"),
        ("approval", "", "failed:record_unreadable"),
    ],
)
def test_what_decides_over_a_push_is_never_taken_for_a_default(
    world: World, store: PartlyUnreadable, method: str, reason: str, backups: str
) -> None:
    world.servers.by_id["primary"].greeting = "hello again"
    store.methods = {method}
    report = start(world)
    assert report.run.reason == reason
    expected = {} if method == "settings" else dict.fromkeys(("b1", "b2", "b3"), backups)
    assert outcomes(report.results) == expected
    assert [server.writes for server in world.servers.by_id.values()] == [[], [], [], []]


def test_a_lease_is_a_failure_of_the_invocation_and_nothing_is_done(world: World, store: PartlyUnreadable) -> None:
    store.methods = {"acquire_lease"}
    with pytest.raises(Failure) as failed:
        start(world)
    assert failed.value.reason is Reason.RECORD_UNREADABLE
    assert world.servers.used == []


@pytest.mark.parametrize("method", ["run", "fan_out", "lease", "settings"])
def test_what_a_queued_backup_hangs_on_lets_its_message_come_again(
    world: World, store: PartlyUnreadable, method: str
) -> None:
    queue = MemoryQueue()
    start(world, queue=queue)
    used = list(world.servers.used)
    store.methods = {method}
    batch = work(world, queue)
    assert batch.again == frozenset(queue.messages)
    assert world.servers.used == used


def test_the_newest_state_of_the_primary_is_not_passed_over_for_an_older_one(
    world: World, store: PartlyUnreadable
) -> None:
    start(world)
    before = world.store.states(limit=5)
    store.methods = {"newest_state"}
    report = start(world)
    assert [notice.reason for notice in report.run.notices] == [Reason.STATE_NOT_KEPT]
    assert report.run.status == "succeeded"
    assert world.store.states(limit=5) == before


def test_what_a_dead_run_had_begun_is_not_recorded_over(world: World, store: PartlyUnreadable) -> None:
    """The key of what was kept before its first write is in there."""
    queue = MemoryQueue()
    dead = start(world, queue=queue).run
    lease = world.store.lease()
    assert lease
    world.store.claim_backup(dead.id, "b1", "a worker", now=NOON, until=NOON)
    begun = BackupResult("b1", dead.id, "incomplete", NOON, reason=Reason.INTERRUPTED, snapshot="a snapshot")
    begun = as_registered(begun, world.store)
    begin_push(world.store, begun, lease_owner=lease.owner, claim="a worker")
    store.methods = {"result"}
    report = run(RunRequest(Trigger.SCHEDULE), at(world, NOON + timedelta(hours=2)), deadline())
    assert [(notice.reason, dead.id in notice.message) for notice in report.run.notices] == [
        (Reason.RECORD_UNREADABLE, True)
    ]
    assert world.store.history("b1", limit=5)[-1] == begun
    assert dead.id in world.store.unfinished_runs()


def test_a_run_with_a_result_that_nobody_understands_has_not_succeeded(world: World) -> None:
    queue = MemoryQueue()
    run_id = start(world, queue=queue).run.id
    lease = world.store.lease()
    assert lease
    # As the table gives back what a newer version has recorded meanwhile.
    world.store.claim_backup(run_id, "b2", "newer", now=NOON, until=NOON + timedelta(minutes=1))
    unknown = BackupResult("b2", run_id, "failed", NOON, reason=Reason.RECORD_UNREADABLE, message=WHY)
    unknown = as_registered(unknown, world.store)
    world.store.record_result(unknown, lease_owner=lease.owner, claim="newer")
    (report,) = work(world, queue).reports
    assert report.run.status == "partial"
    assert report.run.counts["failed"] == 1


def test_a_run_record_is_only_a_notice_of_the_next_run(world: World, store: PartlyUnreadable) -> None:
    world.store.begin_run(Run(RUN_ID, "schedule", NOON - timedelta(hours=2)))
    store.methods = {"run"}
    report = start(world)
    assert report.run.status == "succeeded"
    assert [notice.reason for notice in report.run.notices] == [Reason.RECORD_UNREADABLE]
