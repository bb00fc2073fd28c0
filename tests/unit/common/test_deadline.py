"""The time that is left."""

import pytest

from common.deadline import Deadline
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
