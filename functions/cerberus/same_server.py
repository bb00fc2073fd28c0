"""Decides by their addresses whether two registrations are for the same server, before any log-in.

This module is separate from ``cerberus.address_policy``, because the policy judges a single address, and this module
compares two servers.
"""

from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from common.errors import Reason, suppressed
from common.hosts import canonical_host

type Address = tuple[str, int]
"""A registered host and port."""


def same_server(one: Address, other: Address, addresses: AddressPolicy, deadline: Deadline) -> bool:
    """Whether both have the same port, and hosts that are spelled alike or share an address.

    A name that does not resolve equals only a name with the same spelling. Such a name is harmless: no connection to it
    is possible. Raises Failure(DEADLINE) when the deadline is reached.
    """
    if one[1] != other[1]:
        return False
    if canonical_host(one[0]) == canonical_host(other[0]):
        return True
    resolved = all_addresses(one[0], addresses, deadline)
    return bool(resolved) and not resolved.isdisjoint(all_addresses(other[0], addresses, deadline))


def all_addresses(host: str, addresses: AddressPolicy, deadline: Deadline) -> frozenset[str]:
    """Every address of a host, in canonical form; empty if the host does not resolve. Raises Failure(DEADLINE)."""
    with suppressed(Reason.NAME_NOT_RESOLVED):
        return frozenset(map(canonical_host, addresses.resolve(canonical_host(host), deadline)))
    return frozenset()
