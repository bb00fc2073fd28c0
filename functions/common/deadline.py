"""How much time is left, as one object that is handed down to whoever waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.errors import Failure, Reason

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
