"""Clocks, randomness and threads, as one object that is passed down to the code that needs them.

No other module of ``functions/`` reads a clock, sleeps, draws an identifier or starts a thread. A test that supplies
its own runtime controls all of it: two runs with the same input write identical logs. The Lambda handlers create the
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
"""Returned instead of a result if the work did not finish in time."""


class Runtime(Protocol):
    """The clocks, random numbers and threads of the machine that a process runs on. Durations are in seconds. Threads
    may share one instance.
    """

    def now(self) -> datetime:
        """The wall clock in UTC. The clock may jump."""

    def monotonic(self) -> float:
        """A clock that only moves forward, for measuring durations. Its zero point has no meaning."""

    def sleep(self, seconds: float) -> None: ...

    def new_id(self) -> str:
        """A new identifier of 32 hexadecimal digits. All digits are equally random."""

    def new_token(self) -> str:
        """Thirty-two hexadecimal digits that nobody can guess, for use inside the process; never recorded.

        Tokens are drawn separately from identifiers: the number of tokens depends on caches, while identifiers must be
        repeatable in tests.
        """

    def uniform(self, low: float, high: float) -> float:
        """A random number for spreading load. It is not suitable for security."""

    def run_parallel[Result](
        self, works: Sequence[Callable[[], Result]], *, max_workers: int, timeout: float
    ) -> list[Result | Unfinished]:
        """Call ``works`` in order, at most ``max_workers`` at a time; the results have the same order.

        After ``timeout`` seconds no further call starts, and this method does not wait for calls that are still
        running. An exception of a call is raised here.
        """

    def run_with_timeout[Result](self, work: Callable[[], Result], timeout: float) -> Result | Unfinished:
        """Call ``work``, which cannot be interrupted, and wait at most ``timeout`` seconds for it.

        A call that is still running does not keep the process alive. An exception of the call is raised here.
        """


class SystemRuntime:
    """``Runtime`` with the machine's own clocks, threads and source of randomness. This runtime has no state."""

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
        return random.uniform(low, high)  # noqa: S311 # not for security

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
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                future.set_exception(error)

        # A thread of a pool would delay the end of the process, because the interpreter waits for such threads.
        threading.Thread(target=do, name="bounded", daemon=True).start()
        done, _ = wait([future], timeout=timeout)
        return future.result() if done else UNFINISHED
