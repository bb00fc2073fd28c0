"""Time, chance and threads, as one object that is handed down to whoever needs them.

No other module of ``functions/`` reads a clock, sleeps, draws an identifier or
starts a thread. A test that brings its own runtime decides all of it: two runs
with the same input write the same log to the letter. The entries create the
production runtime.
"""

import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final, Protocol


class Unfinished(Enum):
    """The type of ``UNFINISHED``."""

    UNFINISHED = auto()


UNFINISHED: Final = Unfinished.UNFINISHED
"""In place of a result: the work was not done in time."""


class Runtime(Protocol):
    """What a process gets from the machine it runs on. Durations are in seconds. May be shared by threads."""

    def now(self) -> datetime:
        """The wall clock in UTC. It may jump."""

    def monotonic(self) -> float:
        """A clock that only moves forward, to measure durations. Its zero means nothing."""

    def sleep(self, seconds: float) -> None: ...

    def new_id(self) -> str:
        """A new identifier of 32 hexadecimal digits. Its first digits are as random as the others."""

    def new_token(self) -> str:
        """32 hexadecimal digits that nobody can guess, for use inside the process; never recorded.

        Drawn apart from identifiers, because their number depends on caches and identifiers must be repeatable.
        """

    def uniform(self, low: float, high: float) -> float:
        """A random number that spreads load. It guards nothing."""

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        """Run the works in order, at most ``max_workers`` at a time; results in the same order.

        After ``timeout`` seconds no work begins any more, and nobody waits for
        those under way. What a work raises is raised here.
        """

    def run_with_timeout[Result](self, work: Callable[[], Result], timeout: float) -> Result | Unfinished:
        """Do a work that cannot be interrupted, and wait no longer than ``timeout``.

        A work that is left behind does not keep the process alive. What the work raises is raised here.
        """


class SystemRuntime:
    """``Runtime`` on the machine's own clocks, threads and source of randomness. It has no state."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def new_id(self) -> str:
        return secrets.token_hex(16)

    def new_token(self) -> str:
        return secrets.token_hex(16)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 # it guards nothing

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        if not works:
            return []
        executor = ThreadPoolExecutor(max_workers=min(max_workers, len(works)), thread_name_prefix="worker")
        futures = [executor.submit(work) for work in works]
        done, _ = wait(futures, timeout=timeout)
        executor.shutdown(wait=False, cancel_futures=True)
        return [future.result() if future in done else UNFINISHED for future in futures]

    def run_with_timeout[Result](self, work: Callable[[], Result], timeout: float) -> Result | Unfinished:
        future: Future[Result] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the work was asked for
                future.set_exception(error)

        # Not a pool's thread: the interpreter waits for those before it ends.
        threading.Thread(target=do, name="bounded", daemon=True).start()
        done, _ = wait([future], timeout=timeout)
        return future.result() if done else UNFINISHED
