"""Waiting no longer than the one who asks does.

API Gateway gives up after 29 seconds. Connections keep to a deadline by
themselves; what reads the store or makes a plan does not, so it runs beside.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NoReturn

from cerberus.address_policy import AddressPolicy, check_host
from cerberus.same_server import Address, all_addresses
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.hosts import canonical_host
from common.runtime import UNFINISHED, Runtime

_WORKERS = 16


def side_by_side[Result](
    works: Iterable[Callable[[], Result]], seconds: float, *, late: Callable[[], Result], runtime: Runtime
) -> list[Result]:
    """Do all ``works`` at the same time; what is not done after ``seconds`` is given up and has the result ``late()``.

    What a work raises is raised here.
    """
    results = runtime.run_parallel(list(works), max_workers=_WORKERS, timeout=seconds)
    return [late() if result is UNFINISHED else result for result in results]


def in_time[Result](
    do: Callable[[Deadline], Result], seconds: float, runtime: Runtime, *, late: Callable[[], NoReturn]
) -> Result:
    """What ``do`` gives within a deadline of so many seconds; otherwise ``late`` raises what that means."""
    deadline = Deadline(seconds, runtime.monotonic)
    try:
        (result,) = side_by_side([partial(do, deadline)], seconds + 1, late=late, runtime=runtime)
    except Failure as failure:
        if failure.reason is Reason.DEADLINE:
            late()
        raise
    return result


def address_problems(
    hosts: Iterable[str], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0
) -> list[Failure | None]:
    """For each host why nobody may connect to it, None when somebody may.

    A name that does not resolve, or not within ``seconds``, is no reason: it
    may be registered before it exists, and is looked at again at every
    connection.
    """
    deadline = Deadline(seconds, runtime.monotonic)

    def problem(host: str) -> Failure | None:
        try:
            check_host(host, addresses, deadline)
        except Failure as failure:
            return None if failure.reason in (Reason.NAME_NOT_RESOLVED, Reason.DEADLINE) else failure
        return None

    return side_by_side([partial(problem, host) for host in hosts], seconds + 1, late=lambda: None, runtime=runtime)


def same_servers(
    one: Address, others: Sequence[Address], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0
) -> list[bool]:
    """For each of several servers whether it is the same as ``one``, as far as their addresses tell in time."""
    deadline = Deadline(seconds, runtime.monotonic)

    def all_of(host: str) -> frozenset[str]:
        try:
            return all_addresses(host, addresses, deadline)
        except Failure as failure:
            if failure.reason is Reason.DEADLINE:
                return frozenset()
            raise

    host = canonical_host(one[0])
    alike = [port == one[1] and canonical_host(other) == host for other, port in others]
    if any(alike) or all(port != one[1] for _, port in others) or not (host_addresses := all_of(host)):
        return alike
    works = [partial(all_of, other) if port == one[1] else frozenset[str] for other, port in others]
    held = side_by_side(works, seconds + 1, late=frozenset[str], runtime=runtime)
    return [not host_addresses.isdisjoint(addresses_of) for addresses_of in held]
