"""Time limits for work in a request, shorter than the caller's time-out.

API Gateway times out after 29 seconds. Connections obey a deadline; code that reads the store or makes a plan does not,
so it runs in a separate thread.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from cerberus.address_policy import AddressPolicy, check_host
from cerberus.same_server import Address, all_addresses, same_server
from common.deadline import Deadline, computing_until
from common.errors import Failure, Reason, suppressed
from common.hosts import canonical_host
from common.runtime import UNFINISHED, Runtime

_WORKERS = 16


def side_by_side[Result](
    works: Iterable[Callable[[], Result]], seconds: float, *, late: Result, runtime: Runtime
) -> list[Result]:
    """Call ``works`` in parallel; each that is unfinished after ``seconds`` is abandoned and has the result ``late``.

    An exception of a call is raised to the caller of this function.
    """
    results = runtime.run_parallel(list(works), max_workers=_WORKERS, timeout=seconds)
    return [late if result is UNFINISHED else result for result in results]


def in_time[Result](do: Callable[[Deadline], Result], seconds: float, runtime: Runtime, *, late: Failure) -> Result:
    """Return the result of ``do``, which receives a deadline of ``seconds``. Raises ``late`` if it takes longer.

    The computation of ``do`` also ends at the deadline, so that it takes no time from the next request.
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
    """For each host, the failure that forbids connections to it, None if they are allowed.

    A name that does not resolve, or not within ``seconds``, is allowed: it may be registered before it exists, and
    every connection checks it again.
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
    """Decides which of many servers are the same, by their addresses; each host is resolved once."""

    def __init__(self, hosts: Iterable[str], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0) -> None:
        deadline = Deadline(seconds, runtime.monotonic)

        def all_of(host: str) -> frozenset[str]:
            with suppressed(Reason.DEADLINE):
                return all_addresses(host, addresses, deadline)
            return frozenset()

        names = list(dict.fromkeys(map(canonical_host, hosts)))
        works = [partial(all_of, name) for name in names]
        held = side_by_side(works, seconds + 1, late=frozenset[str](), runtime=runtime)
        self._addresses_of = dict(zip(names, held, strict=True))

    def __call__(self, one: Address, other: Address) -> bool:
        """Whether both have the same port, and hosts that are spelled alike or share an address."""
        if one[1] != other[1]:
            return False
        host, other_host = canonical_host(one[0]), canonical_host(other[0])
        return host == other_host or not self._addresses_of[host].isdisjoint(self._addresses_of[other_host])


def leads_to(one: Address, other: Address, addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0) -> bool:
    """Whether both addresses belong to one server; called before a password is sent to ``one``.

    Raises Failure(DEADLINE) if their addresses cannot be resolved in time; then no log-in may follow.
    """
    return same_server(one, other, addresses, Deadline(seconds, runtime.monotonic))


def same_servers(
    one: Address, others: Sequence[Address], addresses: AddressPolicy, runtime: Runtime, seconds: float = 5.0
) -> list[bool]:
    """For each of the other servers, whether it is the same as ``one``, by the addresses resolved in time."""
    candidates = [other for other, port in others if port == one[1]]
    host = canonical_host(one[0])
    if not candidates or any(canonical_host(other) == host for other in candidates):
        return [port == one[1] and canonical_host(other) == host for other, port in others]
    same = SameServers([host, *candidates], addresses, runtime, seconds)
    return [same(one, other) for other in others]
