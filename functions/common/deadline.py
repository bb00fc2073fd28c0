"""How much time is left, for waiting and for computing.

Whoever waits for a server is given a ``Deadline``. Comparing what a server has
sent waits for nobody: so whoever serves a backup says until when with
``computing_until``, and the loops over elements, which all work on a document
passes through, ask now and then (``step``).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from common.errors import Failure, Reason

STEPS_BETWEEN_LOOKS = 500
"""Steps of a loop from one look at the clock to the next: some milliseconds."""
_SHORTEST = 0.001  # seconds; a socket takes 0 for "do not wait at all"


class Deadline:
    """A point in time after which no remote call may start.

    ``seconds`` is the time from now on. ``clock`` is a runtime's ``monotonic``: it returns seconds and only moves
    forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def share(self, seconds: float) -> "Deadline":
        """A deadline of its own for one of several: so many seconds from now, and never later than this one."""
        return Deadline(min(seconds, self._end - self._clock()), self._clock)

    @contextmanager
    def reserving(self, seconds: float) -> Iterator[None]:
        """Everything inside ends this much earlier, so that the time is left for what must follow in any case."""
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
        """``seconds``, or what is left if that is less, for one wait. Raises Failure(DEADLINE) if nothing is left."""
        self.check()
        return max(_SHORTEST, min(seconds, self.remaining()))


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
