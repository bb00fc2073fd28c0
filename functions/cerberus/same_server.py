"""Whether two registrations lead to one server: told by their addresses, before anybody logs in.

Separate from ``cerberus.address_policy``, because that judges one address, and this compares two
servers that may both be dialed.
"""

from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.hosts import canonical_host

type Address = tuple[str, int]
"""Host and port as registered."""


def same_server(one: Address, other: Address, addresses: AddressPolicy, deadline: Deadline) -> bool:
    """Whether both have one port, and hosts that are spelled alike or resolve to a common address.

    A name that does not resolve is only as it is spelled: nobody can connect to
    it either. Raises Failure(DEADLINE) when the resolver takes too long.
    """
    if one[1] != other[1]:
        return False
    if canonical_host(one[0]) == canonical_host(other[0]):
        return True
    resolved = all_addresses(one[0], addresses, deadline)
    return bool(resolved) and not resolved.isdisjoint(all_addresses(other[0], addresses, deadline))


def all_addresses(host: str, addresses: AddressPolicy, deadline: Deadline) -> frozenset[str]:
    """Every address of a host in its one spelling; none when it does not resolve. Raises Failure(DEADLINE)."""
    try:
        return frozenset(map(canonical_host, addresses.resolve(canonical_host(host), deadline)))
    except Failure as failure:
        if failure.reason is Reason.NAME_NOT_RESOLVED:
            return frozenset()
        raise
