"""The time that computing may take: loops over what a server chose look at the clock.

Waiting for a server ends with the deadline by itself. Comparing what it has
sent does not: so whoever serves a backup says until when, and the loops
over elements, which all work on a document passes through, ask now and then.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from common.deadline import Deadline

STEPS_BETWEEN_LOOKS = 500
"""Steps of a loop from one look at the clock to the next: some milliseconds."""


class _Effort:
    """What one thread has done since its last look at the clock."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.left = STEPS_BETWEEN_LOOKS


_CURRENT: ContextVar[_Effort | None] = ContextVar("effort", default=None)


@contextmanager
def computing_until(deadline: Deadline) -> Iterator[None]:
    """What this thread computes inside ends with the deadline: ``step`` raises Failure(DEADLINE)."""
    before = _CURRENT.set(_Effort(deadline))
    try:
        yield
    finally:
        _CURRENT.reset(before)


def step() -> None:
    """One step of a loop. Raises Failure(DEADLINE) once the time is up, where somebody has set one."""
    effort = _CURRENT.get()
    if effort is not None:
        effort.left -= 1
        if effort.left <= 0:
            effort.deadline.check()
            effort.left = STEPS_BETWEEN_LOOKS
