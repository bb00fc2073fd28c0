"""One canonical spelling for each host: two texts that a resolver treats alike are the same host.

This module is separate from ``cerberus.address_policy``, because registrations and guards compare hosts too, without
resolving them.
"""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses of NAT64 gateways (RFC 6052). Their last 32 bits are an IPv4 address."""


def canonical_host(host: str) -> str:
    """The host in lower case without a trailing dot; an IP address in the format of the standard library.

    ``127.1``, ``0x7f.0.0.1`` and ``2130706433`` are ``127.0.0.1`` for every resolver, and so is ``::ffff:127.0.0.1``
    for every network.
    """
    plain = host.casefold().removesuffix(".")
    with suppress(ValueError):
        return str(_unwrapped(ip_address(plain)))
    with suppress(OSError, ValueError):
        return str(IPv4Address(socket.inet_aton(plain)))
    return plain


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in an IPv4-mapped or NAT64 address; any other address unchanged."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
