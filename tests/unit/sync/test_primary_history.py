"""The history of the primary: what is kept, when anew, and that a failure to keep it stops nothing."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.runtime import WallClockRuntime
from local.fakes.snapshots import MemorySnapshots
from registry.run_records import KeptState
from registry.snapshots import SnapshotContent, primary_key
from replication.model import PartName, Status
from sync.events import RunRequest, Trigger
from sync.results import Report, RunStatus
from sync.run import run

DAY = timedelta(days=1)
RETENTION = 90


@dataclass
class History:
    """A world whose time a test moves, and runs over it."""

    world: Any
    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def run(self, *backups: str, after: timedelta = timedelta(minutes=15), **asked: Any) -> Report:
        self.now += after
        context = replace(self.world.context, snapshot_days=RETENTION, runtime=WallClockRuntime(lambda: self.now))
        return run(RunRequest(Trigger.SCHEDULE, backups=backups, **asked), context, Deadline(600, monotonic))

    @property
    def states(self) -> tuple[KeptState, ...]:
        states: tuple[KeptState, ...] = self.world.store.states(limit=100)
        return states

    @property
    def kept(self) -> list[str]:
        return [key for key in self.world.snapshots.stored if key.startswith("primary/")]

    @property
    def primary(self) -> Any:
        return self.world.servers.by_id[PRIMARY_ID]


@pytest.fixture
def history(world: Any) -> History:
    return History(world)


def test_a_first_run_keeps_what_the_primary_holds(history: History) -> None:
    report = history.run()
    (state,) = history.states
    assert (state.first_run_id, state.last_run_id) == (report.run.id, report.run.id)
    assert (state.users, state.groups, state.version, state.server) == (3, 2, "12.11.5.0", "127.0.0.1:1")
    assert (state.kept_at, state.kept_until) == (history.now, history.now + RETENTION * DAY)
    kept = history.world.snapshots.load(primary_key(state.digest)).content
    assert set(kept.parts) == set(state.parts) == set(PartName) - {PartName.LISTENERS}
    assert kept.facts == history.primary.server_facts
    assert "anna" in kept.parts["accounts"]
    assert state.size == sum(len(text.encode()) for text in kept.parts.values())
    assert report.run.notices == ()


def test_a_state_that_is_found_again_is_kept_once_and_its_end_moves(history: History) -> None:
    first = history.run()
    last = history.run()
    (state,) = history.states
    assert (state.first_run_id, state.last_run_id, state.last_seen_at) == (first.run.id, last.run.id, history.now)
    assert state.kept_at < history.now
    assert len(history.kept) == 1


def test_a_dry_run_and_a_refused_one_keep_the_state_as_well(history: History) -> None:
    history.run(dry_run=True)
    history.run()
    history.primary.people = ("anna",)
    assert history.run().run.reason == Reason.PRIMARY_SHRUNK
    assert [state.users for state in history.states] == [1, 3]


def test_a_state_that_comes_back_is_listed_twice_and_kept_once(history: History) -> None:
    history.run()
    history.primary.greeting = "good evening"
    history.run()
    history.primary.greeting = "hello"
    history.run()
    digests = [state.digest for state in history.states]
    assert digests[0] == digests[2] != digests[1]
    assert len(history.kept) == 2


def test_the_state_in_force_is_stored_again_before_the_bucket_expires_it(history: History) -> None:
    history.run()
    (first,) = history.states
    history.world.snapshots.stored.clear()
    history.run(after=RETENTION * DAY / 2 - timedelta(hours=1))
    assert history.kept == []
    history.run(after=timedelta(hours=1))
    (state,) = history.states
    assert history.kept == [primary_key(state.digest)]
    assert (state.first_run_id, state.kept_at) == (first.first_run_id, history.now)


def test_a_run_that_reads_fewer_parts_finds_the_same_state_and_never_stores_less_in_its_place(
    history: History,
) -> None:
    history.world.update("b1", parts=("accounts",))
    history.run()
    (whole,) = history.states
    history.run("b1", after=RETENTION * DAY * 0.75)
    (state,) = history.states
    assert (state.parts, state.kept_at) == (whole.parts, whole.kept_at)
    assert state.last_seen_at == history.now
    assert len(history.world.snapshots.load(primary_key(state.digest)).content.parts) > 1


def test_a_run_that_reads_fewer_parts_and_finds_a_change_keeps_what_it_has_read(history: History) -> None:
    history.world.update("b1", parts=("accounts",))
    history.run()
    history.primary.people = ("anna", "boris", "chen", "dana")
    history.run("b1")
    newest, _ = history.states
    assert set(newest.parts) == {"accounts"}


def test_another_server_begins_another_entry(history: History) -> None:
    history.run()
    history.primary.address = ("127.0.0.1", 77)
    history.run()
    assert [state.server for state in history.states] == ["127.0.0.1:77", "127.0.0.1:1"]


class Full(MemorySnapshots):
    """A bucket that takes no state of the primary."""

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "S3 PutObject failed: SlowDown")


def test_a_state_that_cannot_be_kept_stops_nothing_and_is_told(history: History) -> None:
    history.world.snapshots = Full()
    history.world.servers.by_id["b1"].people = ("anna", "boris")
    report = history.run()
    assert report.run.status == RunStatus.SUCCEEDED
    assert {result.status for result in report.results} == {Status.UPDATED, Status.IN_SYNC}
    (notice,) = report.run.notices
    assert notice.reason == Reason.STATE_NOT_KEPT
    assert notice.message == "the primary's state was not stored: S3 PutObject failed: SlowDown"
    assert history.world.store.run(report.run.id).notices == report.run.notices
    assert history.states == ()


def test_what_could_not_be_kept_is_kept_by_the_next_run(history: History) -> None:
    history.world.snapshots = Full()
    history.run()
    history.world.snapshots = MemorySnapshots()
    assert history.run().run.notices == ()
    assert len(history.kept) == len(history.states) == 1
