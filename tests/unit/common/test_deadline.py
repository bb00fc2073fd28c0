"""The time that is left."""

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_runs_out_and_never_becomes_negative() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    assert deadline.remaining() == 10
    clock.now += 4
    assert deadline.remaining() == 6
    clock.now += 100
    assert deadline.remaining() == 0


def test_a_check_passes_while_more_than_the_need_is_left() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    deadline.check()
    deadline.check(need=9.5)
    clock.now += 5
    for need in (5, 6):
        with pytest.raises(Failure) as failure:
            deadline.check(need)
        assert failure.value.reason is Reason.DEADLINE
    deadline.check(4.9)
    clock.now += 5
    with pytest.raises(Failure):
        deadline.check()


def test_the_clock_of_the_machine_is_used_when_none_is_given() -> None:
    assert 0 < Deadline(60).remaining() <= 60
