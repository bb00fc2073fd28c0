"""Runtimes for tests and simulations: one that a test controls completely, and the machine's with other clocks."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from common.runtime import UNFINISHED, SystemRuntime, Unfinished

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Killed(BaseException):
    """Represents the kill of a process: no code of the product catches it."""


class FakeRuntime:
    """A ``common.runtime.Runtime`` without a machine: its time is set by hand, and calls run one after the other.

    Sleeping advances its clocks and takes no time. Parallel calls run one after the other, in order, in the calling
    thread. Identifiers and random numbers depend on ``seed``. ``time`` is the wall clock, and may be set; ``sleeps``
    are the recorded pauses.
    """

    def __init__(self, time: datetime = NOON, *, seed: int = 0) -> None:
        self.time = time
        self.sleeps: list[float] = []
        self._elapsed = 0.0
        # Each kind has its own source, so that the number of draws of one kind does not change the others.
        self._ids = Random(f"{seed} ids")  # noqa: S311 # not for security
        self._tokens = Random(f"{seed} tokens")  # noqa: S311
        self._numbers = Random(f"{seed} numbers")  # noqa: S311

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self.time += timedelta(seconds=seconds)
        self._elapsed += seconds

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    def new_id(self) -> str:
        return f"{self._ids.getrandbits(128):032x}"

    def new_token(self) -> str:
        return f"{self._tokens.getrandbits(128):032x}"

    def uniform(self, low: float, high: float) -> float:
        return self._numbers.uniform(low, high)

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        """Run the calls as the machine does, but one after the other.

        So an Exception ends none of the others; any other BaseException kills the simulated process and is raised at
        once.
        """
        if max_workers < 1:
            raise ValueError("works need at least one worker")
        end = self._elapsed + timeout
        results: list[Result | Unfinished] = []
        errors: list[Exception] = []
        for work in works:
            if self._elapsed > end:
                results.append(UNFINISHED)
                continue
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - raised below, after all calls, as on the machine
                if self._elapsed <= end:
                    errors.append(error)
                results.append(UNFINISHED)
            else:
                results.append(result if self._elapsed <= end else UNFINISHED)
        if errors:
            raise errors[0]
        return results

    def run_with_timeout[Result](self, work: Callable[[], Result], timeout: float) -> Result | Unfinished:
        (result,) = self.run_parallel([work], max_workers=1, timeout=timeout)
        return result


class TickingRuntime(FakeRuntime):
    """A fake runtime whose wall clock advances by ``tick`` seconds at every reading, so that no two times are equal."""

    def __init__(self, time: datetime = NOON, *, tick: float = 1.0) -> None:
        super().__init__(time)
        self._tick = tick

    def now(self) -> datetime:
        self.advance(self._tick)
        return self.time


class WallClockRuntime(SystemRuntime):
    """The machine's own runtime with a different wall clock ``now``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now()


class ShiftedClock:
    """The machine's wall clock, moved ``forward`` by hand; for ``WallClockRuntime``."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def forward(self, **amount: float) -> None:
        """Move the clock by this many seconds, minutes, hours or days."""
        self._offset += timedelta(**amount)


class HangingRuntime(SystemRuntime):
    """The machine's threads with a clock that stands still until only hanging calls are left.

    A call hangs by calling ``hang``. Parallel calls are abandoned when all workers hang, after the whole time-out by
    this clock. So a call is never abandoned only because the machine is busy.
    """

    _BOUND = 60.0
    """Real seconds after which a blocked test fails."""

    def __init__(self, now: Callable[[], datetime] = lambda: NOON) -> None:
        self._now = now
        self._elapsed = 0.0
        self._hanging = 0
        self._changed = threading.Condition()
        self._released = threading.Event()

    def now(self) -> datetime:
        return self._now()

    def monotonic(self) -> float:
        return self._elapsed

    def hang(self) -> None:
        """Block until ``release``."""
        with self._changed:
            self._hanging += 1
            self._changed.notify_all()
        self._released.wait(self._BOUND)

    def release(self) -> None:
        """Release all calls that hang."""
        self._released.set()

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        if not works:
            return []
        executor = ThreadPoolExecutor(max_workers=min(max_workers, len(works)), thread_name_prefix="worker")
        futures = [executor.submit(work) for work in works]
        for future in futures:
            future.add_done_callback(self._ended)
        with self._changed:
            if not self._changed.wait_for(lambda: self._stands_still(futures, max_workers), self._BOUND):
                raise TimeoutError("works neither ended nor hung")
        done = [future.done() for future in futures]
        if not all(done):
            self._elapsed += timeout
        executor.shutdown(wait=False, cancel_futures=True)
        return [future.result() if ended else UNFINISHED for future, ended in zip(futures, done, strict=True)]

    def _ended(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _stands_still(self, futures: Sequence[Future[Any]], max_workers: int) -> bool:
        left = sum(not future.done() for future in futures)
        return min(left, max_workers) == self._hanging
