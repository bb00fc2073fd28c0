"""For what needs real time: more of it on a busy machine, and little where little is enough."""

from collections.abc import Callable

import pytest


def with_enough_time(attempt: Callable[[float], bool], seconds: float) -> None:
    """Try with so many seconds, and with ever more until ``attempt`` says that they were enough."""
    for times in (1, 4, 16, 64):
        if attempt(seconds * times):
            return
    pytest.fail(f"{64 * seconds} seconds were not enough")
