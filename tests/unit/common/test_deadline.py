"""The time that is left, and that what is computed of a server's content ends with it, as every wait does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import STEPS_BETWEEN_LOOKS, Deadline, computing_until, step
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from local.fakes.runtime import FakeRuntime


def test_time_runs_out_and_never_becomes_negative() -> None:
    runtime = FakeRuntime()
    deadline = Deadline(10, runtime.monotonic)
    assert deadline.remaining() == 10
    runtime.advance(4)
    assert deadline.remaining() == 6
    runtime.advance(100)
    assert deadline.remaining() == 0


def test_a_check_passes_while_more_than_the_need_is_left() -> None:
    runtime = FakeRuntime()
    deadline = Deadline(10, runtime.monotonic)
    deadline.check()
    deadline.check(need=9.5)
    runtime.advance(5)
    for need in (5, 6):
        with pytest.raises(Failure) as failure:
            deadline.check(need)
        assert failure.value.reason is Reason.DEADLINE
    deadline.check(4.9)
    runtime.advance(5)
    with pytest.raises(Failure):
        deadline.check()


def test_time_runs_out_on_the_clock_of_the_machine_too() -> None:
    assert 0 < Deadline(60, SystemRuntime().monotonic).remaining() <= 60


def test_a_wait_is_bounded_by_what_is_left_and_never_zero() -> None:
    runtime = FakeRuntime()
    deadline = Deadline(10, runtime.monotonic)
    assert (deadline.bounded(3), deadline.bounded(30)) == (3, 10)
    runtime.advance(9.99999)
    assert 0 < deadline.bounded(30) <= 0.01
    assert deadline.bounded(0) > 0
    runtime.advance(1)
    with pytest.raises(Failure) as failure:
        deadline.bounded(3)
    assert failure.value.reason is Reason.DEADLINE


def steps_until_it_ends(runtime: FakeRuntime, deadline: Deadline, seconds_for_each: float) -> int:
    with computing_until(deadline):
        for number in range(1_000_000):
            runtime.advance(seconds_for_each)
            try:
                step()
            except Failure as failure:
                if failure.reason is Reason.DEADLINE:
                    return number
    raise AssertionError("it went on")


@given(seconds=st.floats(0, 50), each=st.floats(0.01, 10))
def test_a_loop_ends_soon_after_its_time(seconds: float, each: float) -> None:
    runtime = FakeRuntime()
    done = steps_until_it_ends(runtime, Deadline(seconds, runtime.monotonic), each)
    assert done <= seconds / each + STEPS_BETWEEN_LOOKS


def test_without_a_time_a_loop_goes_on() -> None:
    for _ in range(3 * STEPS_BETWEEN_LOOKS):
        step()


def test_what_is_computed_outside_is_not_bounded_any_more() -> None:
    runtime = FakeRuntime()
    with computing_until(Deadline(0, runtime.monotonic)):
        pass
    for _ in range(3 * STEPS_BETWEEN_LOOKS):
        step()


def test_a_share_ends_no_later_than_the_whole() -> None:
    runtime = FakeRuntime()
    whole = Deadline(10, runtime.monotonic)
    assert (whole.share(3).remaining(), whole.share(30).remaining()) == (3, 10)


def test_time_that_is_set_aside_is_set_aside_of_a_share_too() -> None:
    runtime = FakeRuntime()
    share = Deadline(10, runtime.monotonic).share(8)
    with share.reserving(5):
        assert share.remaining() == 3
    with pytest.raises(Failure), share.reserving(8):
        share.check()
