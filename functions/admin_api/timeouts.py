"""Waiting no longer than the one who asks does.

API Gateway gives up after 29 seconds. Connections keep to a deadline by
themselves; what reads the store or makes a plan does not, so it runs beside.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from cerberus.address_policy import AddressPolicy, check_host
from cerberus.same_server import Address, all_addresses, same_server
from common.deadline import Deadline, computing_until
from common.errors import Failure, Reason
from common.hosts import canonical_host
from common.runtime import UNFINISHED, Runtime

_WORKERS = 16


def side_by_side[Result](
    works: Iterable[Callable[[], Result]], seconds: float, *, late: Result, runtime: Runtime
) -> list[Result]:
    """Do all ``works`` at the same time; what is not done after ``seconds`` is given up and has the result ``late``.

    What a work raises is raised here.
    """
    results = runtime.run_parallel(list(works), max_workers=_WORKERS, timeout=seconds)
    return [late if result is UNFINISHED else result for result in results]


def in_time[Result](do: Callable[[Deadline], Result], seconds: float, runtime: Runtime, *, late: Failure) -> Result:
    """What ``do`` gives within a deadline of so many seconds. Raises ``late`` when that is over.

    What ``do`` computes ends with the deadline too, so that it takes no time from the request that comes next.
    """
    deadline = Deadline(seconds, runtime.monotonic)

    def compute() -> Result:
        with computing_until(deadline):
            return do(deadline)

    try:
        result = runtime.run_with_timeout(compute, seconds + 1)
    except Failure as failure:
        raise late if failure.reason is Reason.DEADLINE else failure from None
    if result is UNFINISHED:
        raise late
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

    return side_by_side([partial(problem, host) for host in hosts], seconds + 1, late=None, runtime=runtime)


class SameServers:
    """Tells which of many servers are the same, as far as their addresses tell in time; each host is looked up once."""

    def __init__(self, hosts: Iterable[str], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0) -> None:
        deadline = Deadline(seconds, runtime.monotonic)

        def all_of(host: str) -> frozenset[str]:
            try:
                return all_addresses(host, addresses, deadline)
            except Failure as failure:
                if failure.reason is Reason.DEADLINE:
                    return frozenset()
                raise

        names = list(dict.fromkeys(map(canonical_host, hosts)))
        works = [partial(all_of, name) for name in names]
        held = side_by_side(works, seconds + 1, late=frozenset[str](), runtime=runtime)
        self._addresses_of = dict(zip(names, held, strict=True))

    def __call__(self, one: Address, other: Address) -> bool:
        """Whether both have one port, and hosts that are spelled alike or resolve to a common address."""
        if one[1] != other[1]:
            return False
        host, other_host = canonical_host(one[0]), canonical_host(other[0])
        return host == other_host or not self._addresses_of[host].isdisjoint(self._addresses_of[other_host])


def leads_to(one: Address, other: Address, addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0) -> bool:
    """Whether both are one server, asked before a password of ``one`` is sent.

    Raises Failure(DEADLINE) when their addresses are not known in time: then nobody logs in.
    """
    return same_server(one, other, addresses, Deadline(seconds, runtime.monotonic))


def same_servers(
    one: Address, others: Sequence[Address], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0
) -> list[bool]:
    """For each of several servers whether it is the same as ``one``, as far as their addresses tell in time."""
    candidates = [other for other, port in others if port == one[1]]
    host = canonical_host(one[0])
    if not candidates or any(canonical_host(other) == host for other in candidates):
        return [port == one[1] and canonical_host(other) == host for other, port in others]
    same = SameServers([host, *candidates], addresses, runtime, seconds)
    return [same(one, other) for other in others]
