"""A backup that ends the process that serves it ends two runs at the most, and keeps nobody from being verified."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import Unfinished
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import FakeRuntime, Killed
from local.fakes.world import World
from registry.run_records import ServedNow
from replication.model import Status
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.results import Report
from sync.run import run

LEASE = 60
NAMES = ("b1", "b2", "b3", "b4", "b5")


class CountingRuntime(FakeRuntime):
    """Remembers how many works it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[int] = []

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        self.at_once.append(len(works))
        return super().run_parallel(works, max_workers=max_workers, timeout=timeout)


class Fleet:
    """Runs over backups of which some kill the process; with a queue each run is fanned out."""

    def __init__(self, *, fan_out: bool = False) -> None:
        self.runtime = CountingRuntime()
        self.world = World(runtime=self.runtime)
        self.world.add_backup("b4")
        self.world.add_backup("b5")
        self.queue = MemoryQueue() if fan_out else None

    @property
    def context(self) -> RunContext:
        terms = FanOutTerms(self.queue, above=0, seconds=900) if self.queue else None
        return replace(self.world.context, fan_out=terms, lease_seconds=LEASE)

    def kill(self, *backup_ids: str) -> None:
        def die(_: str) -> None:
            raise Killed

        for backup_id in NAMES:
            self.world.servers.by_id[backup_id].on_call = die if backup_id in backup_ids else lambda _: None

    def run(self, *named: str) -> Report | None:
        """A run, None when its process dies; what is queued is delivered until nothing is left, or five times."""
        self.runtime.advance(1_000)
        self.world.servers.used.clear()
        request = RunRequest(Trigger.ON_DEMAND if named else Trigger.SCHEDULE, backups=named)
        report = None
        with suppress(Killed):
            report = run(request, self.context, Deadline(LEASE - 10, self.runtime.monotonic))
        for _ in range(5 if self.queue else 0):
            with suppress(Killed):
                self.deliver()
            self.runtime.advance(LEASE + 10)
        return report

    def deliver(self) -> None:
        messages = [message for message in self.queue.messages if message] if self.queue else []
        ends_at = self.runtime.now() + timedelta(seconds=LEASE)
        process_batch(messages, self.context, Deadline(LEASE - 10, self.runtime.monotonic), ends_at)

    @property
    def served(self) -> list[str]:
        return [name for name, _ in self.world.servers.used if name in NAMES]

    def status(self, backup_id: str) -> tuple[str, str]:
        result = self.world.store.status(backup_id)
        return (result.status, result.reason) if result else ("", "")

    def is_verified(self, backup_id: str) -> bool:
        result = self.world.store.status(backup_id)
        return bool(result and result.verified_at)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_the_second_run_serves_it_alone_and_last_and_the_third_one_not_at_all(fleet: Fleet) -> None:
    fleet.kill("b2")
    assert fleet.run() is None
    assert fleet.run() is None
    assert fleet.served[-1] == "b2"
    assert all(map(fleet.is_verified, {*NAMES} - {"b2"}))
    report = fleet.run()
    assert report is not None
    assert "b2" not in fleet.served
    assert fleet.status("b2") == (Status.BLOCKED, Reason.ENDS_RUNS)
    assert len(report.results) == len(NAMES)
    message = next(result.message for result in report.results if result.backup_id == "b2")
    assert "b2 (127.0.0.1:" in message


def test_of_one_that_is_locked_out_and_then_not_tried_again_the_lock_out_is_still_told(fleet: Fleet) -> None:
    server = fleet.world.servers.by_id["b2"]
    fleet.world.servers.by_id[PRIMARY_ID].greeting = "which locks everybody out of b2"
    server.on_call = lambda call: _die() if call == "fresh_facts" else None
    assert fleet.run() is None
    server.on_call = lambda _: _refuse()
    fleet.run()
    assert fleet.status("b2") == (Status.FAILED, Reason.ACCESS_LOST)
    fleet.kill("b2")
    for _ in range(3):
        fleet.run()
    status = fleet.world.store.status("b2")
    assert status is not None
    assert (status.reason, status.harmed) == (Reason.ENDS_RUNS, True)
    assert status.settings_before
    assert f"nobody may be able to log in to it; the settings before are in {status.settings_before}" in status.message


def _die() -> None:
    raise Killed


def _refuse() -> None:
    raise Failure(Reason.CONNECTION_REFUSED, "it does not let anybody in")


@pytest.mark.parametrize("by_name", [True, False])
def test_a_person_has_it_served_again(fleet: Fleet, *, by_name: bool) -> None:
    fleet.kill("b2")
    for _ in range(3):
        fleet.run()
    fleet.kill()
    assert fleet.run() is not None
    assert fleet.status("b2") == (Status.BLOCKED, Reason.ENDS_RUNS)
    if by_name:
        fleet.run("b2")
    else:
        fleet.world.update("b2", tags={"looked": "at"})
        fleet.run()
    assert fleet.is_verified("b2")
    fleet.run()
    assert fleet.world.store.served_now() == {}


def test_one_that_a_person_has_tried_again_and_that_ends_a_run_again_stays_stopped(fleet: Fleet) -> None:
    fleet.kill("b2")
    for _ in range(3):
        fleet.run()
    assert fleet.run("b2") is None
    report = fleet.run()
    assert report is not None
    assert fleet.status("b2") == (Status.BLOCKED, Reason.ENDS_RUNS)


@pytest.mark.parametrize("deaths", [1, 2])
def test_one_whose_registration_was_changed_gets_one_more_try_and_alone(fleet: Fleet, deaths: int) -> None:
    fleet.kill("b2")
    for _ in range(deaths + 1):
        fleet.run()
    fleet.world.update("b2", tags={"looked": "at"})
    fleet.runtime.at_once.clear()
    fleet.run()
    assert fleet.served[-1] == "b2"
    assert fleet.runtime.at_once[-1] == 1
    assert fleet.run() is not None
    assert fleet.status("b2") == (Status.BLOCKED, Reason.ENDS_RUNS)


def test_one_that_was_only_served_beside_it_is_served_alone_once(fleet: Fleet) -> None:
    registered = {backup.id: backup for backup in fleet.world.store.backups()}
    for backup_id in ("b1", "b2"):
        one = registered[backup_id]
        fleet.world.store.begin_serving(ServedNow(backup_id, "dead", one.registration, one.version))
    assert fleet.run() is not None
    assert fleet.served[-2:] == ["b1", "b2"]
    assert fleet.runtime.at_once == [3, 1, 1]
    assert all(map(fleet.is_verified, NAMES))
    assert fleet.world.store.served_now() == {}


@pytest.mark.parametrize("fan_out", [False, True])
def test_a_record_of_serving_that_cannot_be_removed_is_no_death(
    monkeypatch: pytest.MonkeyPatch, *, fan_out: bool
) -> None:
    fleet = Fleet(fan_out=fan_out)

    def refused(*_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "no answer")

    monkeypatch.setattr(fleet.world.store, "end_serving", refused)
    for _ in range(4):
        assert fleet.run() is not None
        assert {fleet.status(name)[0] for name in NAMES} <= {Status.IN_SYNC, Status.UPDATED}
    assert set(fleet.world.store.served_now()) == set(NAMES)
    if not fan_out:
        assert set(fleet.runtime.at_once) == {len(NAMES)}


@given(deadly=st.sets(st.sampled_from(NAMES)), fan_out=st.booleans())
def test_all_others_are_verified_and_runs_end_again(deadly: set[str], fan_out: bool) -> None:
    fleet = Fleet(fan_out=fan_out)
    fleet.kill(*deadly)
    for _ in range(2 * len(deadly) + 2):
        fleet.run()
    assert {name for name in NAMES if fleet.is_verified(name)} == {*NAMES} - deadly
    assert all(fleet.status(name) == (Status.BLOCKED, Reason.ENDS_RUNS) for name in deadly)
    assert fleet.world.store.runs(limit=1)[0].finished_at is not None
