"""Clocks for deadlines that are to begin with an event, however long a busy machine takes to come there."""

import threading
from collections.abc import Callable
from time import monotonic


def clock_from(event: threading.Event) -> Callable[[], float]:
    """A clock that stands still until ``event`` is set, and then keeps the machine's time."""
    started: list[float] = []

    def clock() -> float:
        if not event.is_set():
            return 0.0
        if not started:
            started.append(monotonic())
        return monotonic() - started[0]

    return clock
