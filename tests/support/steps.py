"""How much work something is, counted in steps, where seconds would say how busy the machine is."""

import sys
from collections.abc import Callable


def steps(work: Callable[[], object]) -> int:
    """How many calls ``work`` makes, of Python functions and of C functions. The same at every run."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


_TOOL = 4
"""A number for ``sys.monitoring`` that no debugger, profiler or coverage tool has."""


def rounds(work: Callable[[], object]) -> int:
    """How many calls ``work`` makes, and how many rounds its loops go, those that call nothing included."""
    count = 0

    def seen(*_: object) -> None:
        nonlocal count
        count += 1

    monitoring = sys.monitoring
    events = (monitoring.events.CALL, monitoring.events.PY_RESUME, monitoring.events.JUMP, monitoring.events.BRANCH)
    monitoring.use_tool_id(_TOOL, "rounds")
    try:
        for event in events:
            monitoring.register_callback(_TOOL, event, seen)
        monitoring.set_events(_TOOL, sum(events))
        work()
    finally:
        monitoring.set_events(_TOOL, monitoring.events.NO_EVENTS)
        monitoring.free_tool_id(_TOOL)
    return count


def assert_linear(
    work: Callable[[int], object], size: int, *, count: Callable[[Callable[[], object]], int] = steps
) -> None:
    """Twice the size takes about twice the steps. What is only prepared once is prepared before."""
    work(size)
    once, twice = count(lambda: work(size)), count(lambda: work(2 * size))
    assert twice < 2.3 * once, f"{size}: {once} steps, {2 * size}: {twice} steps"
