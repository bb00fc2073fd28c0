"""The time limit for waiting and for computing.

Code that waits for a server receives a ``Deadline``. Code that compares received data does not wait, but can take long.
So the code that processes a backup sets a time limit for its thread with ``computing_until``. All loops over XML
elements check this limit regularly with ``step``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from common.errors import Failure, Reason

STEPS_BETWEEN_LOOKS = 500
"""Number of loop iterations between two checks of the deadline, a few milliseconds."""
_SHORTEST = 0.001  # seconds; 0 would make a socket non-blocking


class Deadline:
    """A point in time after which no remote call may start.

    ``seconds`` is the time from now until the deadline. ``clock`` is a runtime's ``monotonic``: it returns seconds and
    only moves forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def share(self, seconds: float) -> "Deadline":
        """A deadline for one of several tasks: ``seconds`` from now, and never later than this one."""
        return Deadline(min(seconds, self._end - self._clock()), self._clock)

    def copy(self) -> "Deadline":
        """A deadline at the same point in time. Time that is reserved in one of the two is not reserved in the
        other.
        """
        return Deadline(self._end - self._clock(), self._clock)

    @contextmanager
    def reserving(self, seconds: float) -> Iterator[None]:
        """Within the block the deadline is ``seconds`` earlier, which reserves that time for mandatory work
        afterwards.
        """
        end = self._end
        self._end -= seconds
        try:
            yield
        finally:
            self._end = end

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    def check(self, need: float = 0.0) -> None:
        """Raise Failure(DEADLINE) unless more than ``need`` seconds are left."""
        if self.remaining() <= need:
            raise Failure(Reason.DEADLINE, "the time of this run was used up")

    def bounded(self, seconds: float) -> float:
        """The time-out for one wait: ``seconds``, or the time left if that is less. Raises Failure(DEADLINE) if nothing
        is left.
        """
        self.check()
        return max(_SHORTEST, min(seconds, self.remaining()))


class _Effort:
    """The loop iterations of one thread since it last checked the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.left = STEPS_BETWEEN_LOOKS


_CURRENT: ContextVar[_Effort | None] = ContextVar("effort", default=None)


@contextmanager
def computing_until(deadline: Deadline) -> Iterator[None]:
    """Limit the computation of this thread inside the block: after the deadline ``step`` raises Failure(DEADLINE)."""
    before = _CURRENT.set(_Effort(deadline))
    try:
        yield
    finally:
        _CURRENT.reset(before)


def step() -> None:
    """Count one iteration of a loop. Raises Failure(DEADLINE) after the deadline, if the thread has one."""
    effort = _CURRENT.get()
    if effort is not None:
        effort.left -= 1
        if effort.left <= 0:
            effort.deadline.check()
            effort.left = STEPS_BETWEEN_LOOKS
