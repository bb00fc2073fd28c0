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


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Twice the size takes about twice the steps. What is only prepared once is prepared before."""
    work(size)
    once, twice = steps(lambda: work(size)), steps(lambda: work(2 * size))
    assert twice < 2.3 * once, f"{size}: {once} steps, {2 * size}: {twice} steps"
