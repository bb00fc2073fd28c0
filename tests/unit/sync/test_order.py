"""The order of a run: however little time runs have, every backup gets its turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.world import World
from registry.fleet_records import Backup
from registry.run_records import BackupResult
from registry.store_rules import merged_status
from replication.model import Status
from sync.events import RunRequest, Trigger
from sync.run import run
from sync.time_share import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 100.0
"""What each backup takes of a run's time, whatever comes of it."""
REFUSED = Failure(Reason.CONNECTION_REFUSED, "it is off")
BACKUPS = ("b1", "b2", "b3", "b4", "b5")


class SlowFleet:
    """Five backups, of which a run has time for some. ``off`` are those that cannot be reached."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime()
        self.world = World(runtime=self.runtime)
        for backup_id in BACKUPS[3:]:
            self.world.add_backup(backup_id)
        self.off: frozenset[str] = frozenset()
        self.tried: list[str] = []
        for backup_id in BACKUPS:
            self.world.servers.by_id[backup_id].on_call = self._asked(backup_id)

    def _asked(self, backup_id: str) -> Callable[[str], object]:
        def on_call(method: str) -> None:
            if method != "facts":
                return
            self.tried.append(backup_id)
            self.runtime.advance(SECONDS)
            if backup_id in self.off:
                raise REFUSED

        return on_call

    def run(self, room: int, *named: str, trigger: Trigger = Trigger.ON_DEMAND) -> list[str]:
        """A run with time for ``room`` backups; those that it has tried."""
        self.tried.clear()
        self.runtime.advance(60)
        deadline = Deadline(SECONDS * room - SECONDS / 2, self.runtime.monotonic)
        run(RunRequest(trigger, named), self.world.context, deadline)
        return list(self.tried)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, frozenset[str]]]:
    """Runs: how many backups each has time for, and which of them are off then."""
    off = st.frozensets(st.sampled_from(BACKUPS))
    return draw(st.lists(st.tuples(st.integers(1, len(BACKUPS)), off), max_size=4))


@given(histories(), st.integers(1, 3), st.frozensets(st.sampled_from(BACKUPS)))
def test_every_backup_is_tried_within_as_many_runs_as_it_takes_to_try_all(
    history: list[tuple[int, frozenset[str]]], room: int, off: frozenset[str]
) -> None:
    fleet = SlowFleet()
    for earlier_room, fleet.off in history:
        fleet.run(earlier_room)
    fleet.off = off
    tried = [fleet.run(room) for _ in range(-(-len(BACKUPS) // room))]
    assert {backup_id for one in tried for backup_id in one} == {*BACKUPS}


@given(st.lists(st.sampled_from(BACKUPS), min_size=3, max_size=3), st.frozensets(st.sampled_from(BACKUPS)))
def test_runs_over_named_backups_in_between_keep_nobody_waiting(named: list[str], off: frozenset[str]) -> None:
    fleet = SlowFleet()
    fleet.off = off
    tried: set[str] = set()
    for backup_id in named:
        tried |= {*fleet.run(1, backup_id), *fleet.run(2)}
    assert tried == {*BACKUPS}


def _orders(fleet: SlowFleet) -> Iterator[list[str]]:
    while True:
        yield fleet.run(len(BACKUPS))


def test_of_those_that_one_run_has_tried_what_failed_comes_last() -> None:
    fleet = SlowFleet()
    fleet.off = frozenset({"b1", "b3"})
    orders = _orders(fleet)
    assert next(orders) == ["b1", "b2", "b3", "b4", "b5"]
    assert next(orders) == ["b2", "b4", "b5", "b1", "b3"]
    assert next(orders) == ["b2", "b4", "b5", "b1", "b3"]


@pytest.mark.parametrize("off", [frozenset(), frozenset({"b5"})], ids=["well", "failed before"])
def test_what_a_run_did_not_get_to_comes_first_in_the_next_one(off: frozenset[str]) -> None:
    fleet = SlowFleet()
    fleet.off = off
    fleet.run(len(BACKUPS))
    assert fleet.run(4) == ["b1", "b2", "b3", "b4"]
    assert fleet.run(1) == ["b5"]


def test_what_a_run_has_tried_whose_clock_was_ahead_waits_for_nothing() -> None:
    """With time for half of the backups in each run, whatever the clock of the first run said."""
    now = datetime(2026, 12, 1, tzinfo=UTC)
    backups = [Backup(f"b{number}", "files.example", number + 1) for number in range(4)]

    def result(backup_id: str, at: datetime) -> BackupResult:
        return BackupResult(backup_id, f"{at:%Y%m%dT%H%M%S.%fZ}-0123abcd", Status.IN_SYNC, at)

    for ahead in ({"b0"}, {"b0", "b3"}, {backup.id for backup in backups}):
        statuses = {backup_id: result(backup_id, now + timedelta(days=365)) for backup_id in ahead}
        for number in range(4):
            at, served = now + timedelta(minutes=15 * number), set()
            for backup in in_turn(backups, statuses, result("", at).run_id)[:2]:
                statuses[backup.id] = merged_status(statuses.get(backup.id), result(backup.id, at))
                served.add(backup.id)
            assert len(served) == 2
        assert all(status.attempted_at < now + timedelta(hours=1) for status in statuses.values())
        assert statuses.keys() == {backup.id for backup in backups}
