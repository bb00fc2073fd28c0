"""What every runtime does alike: the machine's, and the one that a test decides."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from common.runtime import UNFINISHED, Runtime, SystemRuntime
from local.fakes.runtime import NOON, FakeRuntime, Killed, WallClockRuntime


@pytest.fixture(params=[SystemRuntime, FakeRuntime, lambda: WallClockRuntime(lambda: NOON)])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    made: Runtime = request.param()
    return made


def giving[Result](result: Result) -> Callable[[], Result]:
    return lambda: result


def test_the_wall_clock_is_in_utc(runtime: Runtime) -> None:
    assert runtime.now().utcoffset() == timedelta(0)


def test_sleeping_takes_time_on_the_monotonic_clock(runtime: Runtime) -> None:
    before = runtime.monotonic()
    runtime.sleep(0.01)
    assert runtime.monotonic() - before >= 0.01


@pytest.mark.parametrize("draw", ["new_id", "new_token"])
def test_identifiers_and_tokens_are_long_and_new(runtime: Runtime, draw: str) -> None:
    drawn = [getattr(runtime, draw)() for _ in range(1000)]
    assert {len(one) for one in drawn} == {32}
    assert all(int(one, 16) >= 0 for one in drawn)
    assert len(set(drawn)) == 1000
    assert len({one[:8] for one in drawn}) > 990


def test_random_numbers_lie_in_their_range(runtime: Runtime) -> None:
    assert all(2 <= runtime.uniform(2, 3) <= 3 for _ in range(100))


class TestRunParallel:
    def test_results_come_in_the_order_of_the_works(self, runtime: Runtime) -> None:
        works = [giving(number) for number in range(50)]
        assert runtime.run_parallel(works, max_workers=7, timeout=60) == list(range(50))

    def test_no_work_gives_no_result(self, runtime: Runtime) -> None:
        assert runtime.run_parallel([], max_workers=4, timeout=60) == []

    def test_works_begin_in_their_order(self, runtime: Runtime) -> None:
        begun: list[int] = []
        works = [lambda number=number: begun.append(number) for number in range(20)]
        runtime.run_parallel(works, max_workers=1, timeout=60)
        assert begun == list(range(20))

    def test_what_a_work_raises_is_raised_when_all_have_ended(self, runtime: Runtime) -> None:
        done = threading.Event()

        def fail() -> None:
            raise LookupError("planted")

        with pytest.raises(LookupError, match="planted"):
            runtime.run_parallel([fail, done.set], max_workers=2, timeout=60)
        assert done.is_set()


def test_the_machine_does_several_works_at_a_time_and_no_more_than_it_may() -> None:
    both = threading.Barrier(2, timeout=20)
    lock = threading.Lock()
    running: list[int] = []
    most: list[int] = []

    def work() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        both.wait()
        with lock:
            running.pop()

    SystemRuntime().run_parallel([work] * 6, max_workers=2, timeout=60)
    assert max(most) == 2


def test_the_machine_leaves_behind_what_is_not_done_in_time_and_begins_nothing_more() -> None:
    release = threading.Event()
    begun: list[str] = []

    def hang() -> str:
        begun.append("hanging")
        release.wait(20)
        return "late"

    def waiting() -> str:
        begun.append("waiting")
        return "never"

    try:
        results = SystemRuntime().run_parallel([giving("early"), hang, waiting], max_workers=1, timeout=0.2)
    finally:
        release.set()
    assert results == ["early", UNFINISHED, UNFINISHED]
    assert begun == ["hanging"]


def test_the_machine_waits_no_longer_than_it_may_for_one_work() -> None:
    release = threading.Event()
    try:
        assert SystemRuntime().run_with_timeout(lambda: release.wait(20), 0.05) is UNFINISHED
    finally:
        release.set()


def test_one_work_gives_its_result_or_what_it_raises(runtime: Runtime) -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    assert runtime.run_with_timeout(giving("done"), 60) == "done"
    with pytest.raises(TimeoutError, match="its own"):
        runtime.run_with_timeout(fail, 60)


class TestTheFake:
    def test_two_of_one_seed_say_the_same(self) -> None:
        one, other, another = FakeRuntime(seed=1), FakeRuntime(seed=1), FakeRuntime(seed=2)
        draws: list[Callable[[FakeRuntime], object]] = [
            FakeRuntime.new_id,
            FakeRuntime.new_token,
            lambda runtime: runtime.uniform(0, 1),
        ]
        for draw in draws:
            assert draw(one) == draw(other) != draw(another)

    def test_tokens_do_not_change_the_identifiers_that_follow(self) -> None:
        one, other = FakeRuntime(), FakeRuntime()
        one.new_token()
        one.uniform(0, 1)
        assert one.new_id() == other.new_id()

    def test_its_clocks_move_together_and_only_by_hand(self) -> None:
        runtime = FakeRuntime(datetime(2026, 1, 1, tzinfo=UTC))
        runtime.sleep(2.5)
        runtime.advance(60)
        assert runtime.now() == datetime(2026, 1, 1, 0, 1, 2, 500_000, tzinfo=UTC)
        assert runtime.monotonic() == 62.5
        assert runtime.sleeps == [2.5]

    def test_its_works_run_in_the_thread_that_asks(self) -> None:
        assert (
            FakeRuntime().run_parallel([threading.get_ident] * 3, max_workers=3, timeout=1)
            == [threading.get_ident()] * 3
        )

    def test_a_work_that_ends_too_late_on_its_clock_is_unfinished_and_none_follows(self) -> None:
        runtime = FakeRuntime()
        begun: list[float] = []

        def slow() -> float:
            begun.append(runtime.monotonic())
            runtime.advance(4)
            return runtime.monotonic()

        assert runtime.run_parallel([slow] * 5, max_workers=5, timeout=10) == [4, 8, UNFINISHED, UNFINISHED, UNFINISHED]
        assert begun == [0, 4, 8]

    def test_the_end_of_a_process_that_is_played_ends_all_works(self) -> None:
        begun: list[str] = []

        def dies() -> None:
            raise Killed

        with pytest.raises(Killed):
            FakeRuntime().run_parallel([dies, lambda: begun.append("next")], max_workers=2, timeout=10)
        assert begun == []
