"""For what needs real time: more of it on a busy machine, and little where little is enough."""

import time
from collections.abc import Callable

import pytest

NEVER = 900.0
"""Seconds after which a test gives up: far more than anything takes, on the busiest machine."""


def with_enough_time(attempt: Callable[[float], bool], seconds: float) -> None:
    """Try with so many seconds, and with ever more until ``attempt`` says that they were enough."""
    for times in (1, 4, 16, 64):
        if attempt(seconds * times):
            return
    pytest.fail(f"{64 * seconds} seconds were not enough")


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for the event that another thread or process is about to bring."""
    end = time.monotonic() + NEVER
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"it did not happen within {NEVER:.0f} seconds")
        time.sleep(0.02)
