"""Waiting no longer than the one who asks does.

API Gateway gives up after 29 seconds. Connections keep to a deadline by
themselves; the system's resolver does not, so what may call it runs beside.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import NoReturn

from cerberus.address_policy import AddressPolicy, check_host
from common.deadline import Deadline
from common.errors import Failure, Reason

_WORKERS = 16


def side_by_side[Result](
    works: Iterable[Callable[[], Result]], seconds: float, late: Callable[[], Result]
) -> list[Result]:
    """Do all ``works`` at the same time; what is not done after ``seconds`` is given up and has the result ``late()``.

    What a work raises is raised here.
    """
    executor = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="bounded")
    futures: list[Future[Result]] = [executor.submit(work) for work in works]
    wait(futures, timeout=seconds)
    executor.shutdown(wait=False, cancel_futures=True)
    return [future.result() if future.done() and not future.cancelled() else late() for future in futures]


def in_time[Result](do: Callable[[Deadline], Result], seconds: float, late: Callable[[], NoReturn]) -> Result:
    """What ``do`` gives within a deadline of so many seconds; otherwise ``late`` raises what that means."""
    try:
        (result,) = side_by_side([partial(do, Deadline(seconds))], seconds + 1, late=late)
    except Failure as failure:
        if failure.reason is Reason.DEADLINE:
            late()
        raise
    return result


def address_problems(hosts: Iterable[str], addresses: AddressPolicy, seconds: float = 5.0) -> list[Failure | None]:
    """For each host why nobody may connect to it, None when somebody may.

    A name that does not resolve, or not within ``seconds``, is no reason: it
    may be registered before it exists, and is looked at again at every
    connection.
    """

    def problem(host: str) -> Failure | None:
        try:
            check_host(host, addresses)
        except Failure as failure:
            return None if failure.reason is Reason.NAME_NOT_RESOLVED else failure
        return None

    return side_by_side([partial(problem, host) for host in hosts], seconds, late=lambda: None)
