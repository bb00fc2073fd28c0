"""The policy for the addresses that connections may use.

A registered host name is untrusted input, and the addresses it resolves to can change at any time. So the policy is
applied when connecting, to every address that the name resolves to; the connection then uses a checked address and does
not resolve the name again.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.patterns import Whole
from common.runtime import UNFINISHED, Runtime

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEVER: tuple[Network, ...] = tuple(
    # Where AWS serves credentials and metadata (EC2 instance metadata, container and pod credentials).
    ip_network(block)
    for block in ("169.254.169.0/24", "169.254.170.0/24", "fd00:ec2::/32")
)
_PRIVATE: tuple[Network, ...] = tuple(
    # RFC 1918, RFC 6598 (shared address space, in use in VPCs) and RFC 4193: where backup servers mostly are.
    ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6 addresses of NAT64 gateways (RFC 6052). Their last 32 bits are an IPv4 address."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""IPv6 addresses of local NAT64 gateways (RFC 8215). Where the IPv4 address is in them depends on the length of the
prefix that the network's operator has chosen.
"""
_IPV6_UNICAST = IPv6Network("2000::/3")
"""The addresses that IANA allocates as global unicast."""
_NO_SERVERS: tuple[Network, ...] = tuple(
    # Special-purpose addresses in IANA's registries that Python's ``is_global`` accepts as ordinary: AS112 name
    # servers (RFC 7534, 7535), multicast tunnels (RFC 7450), relays of 6to4 (RFC 7526), protocols and identifiers of
    # the IETF (RFC 2928, 6890, 7343, 9374), and documentation (RFC 9637).
    ip_network(block)
    for block in (
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.175.48.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The values of bits 64 to 95 that mark an ISATAP address (RFC 5214). Its last 32 bits are the IPv4 address to which a
router forwards its packets.
"""
_IPV4_COMPATIBLE = IPv6Network("::/96")
HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?"
"""The pattern of a host name or an IPv4 address, for a match of the whole text."""
_HOST = Whole(HOST_NAME)
_GROUP, _OCTET = "[0-9A-Fa-f]{1,4}", "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LAST = rf"({_GROUP}:{_GROUP}|{_OCTET}(\.{_OCTET}){{3}})"
IPV6_ADDRESS = "|".join(
    (
        rf"({_GROUP}:){{6}}{_LAST}",
        *(rf"(({_GROUP}:){{0,{before}}}{_GROUP})?::({_GROUP}:){{{4 - before}}}{_LAST}" for before in range(5)),
        rf"::({_GROUP}:){{5}}{_LAST}",
        rf"(({_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        rf"(({_GROUP}:){{0,6}}{_GROUP})?::",
    )
)
"""The pattern of an IPv6 address without a zone (RFC 3986, appendix A), for a match of the whole text."""
MAX_HOST = 253
"""Maximum length of a host name, RFC 1035."""


@dataclass(frozen=True)
class AddressPolicy:
    """Permits public and private unicast addresses, and those in ``allowed_networks``.

    Loopback, link-local, multicast, unspecified, reserved and documentation addresses are rejected unless they are in
    an allowed network; the addresses that serve credentials inside AWS are always rejected. If an IPv6 address contains
    an IPv4 address, both must be permitted. An IPv4-mapped or NAT64 address is treated as its IPv4 address alone.
    ``runtime`` runs the system's resolver.
    """

    runtime: Runtime = field(repr=False, compare=False)
    allowed_networks: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, networks: Iterable[str], runtime: Runtime) -> "AddressPolicy":
        """A policy for allowed networks in CIDR notation. Raises Failure(CONFIGURATION_INVALID)."""
        try:
            return cls(runtime, tuple(ip_network(network) for network in networks))
        except ValueError:
            raise Failure(Reason.CONFIGURATION_INVALID, "an allowed network is not in CIDR form") from None

    def permits(self, address: Address) -> bool:
        """Whether a connection to ``address`` is permitted."""
        forms = tuple(_forms(address))
        if any(form in network for form in (*forms, *_locally_embedded(address)) for network in _NEVER):
            return False
        return all(self._permits_one(form) for form in forms)

    def candidates(self, host: str, port: int, *, deadline: Deadline) -> tuple[str, ...]:
        """The addresses of ``host`` in the resolver's order, all of them permitted.

        Raises Failure(NAME_NOT_RESOLVED), Failure(DEADLINE) or, if any address is not permitted,
        Failure(ADDRESS_FORBIDDEN).
        """
        addresses = _resolve(host, port, deadline, self.runtime)
        if not addresses:
            raise Failure(Reason.NAME_NOT_RESOLVED, "the host name does not resolve")
        if not all(self.permits(ip_address(address)) for address in addresses):
            raise Failure(
                Reason.ADDRESS_FORBIDDEN, "the host resolves to an address to which the product never connects"
            )
        return addresses

    def resolve(self, host: str, deadline: Deadline) -> tuple[str, ...]:
        """The addresses of ``host``, permitted or not; empty if it does not resolve.

        Raises Failure(NAME_NOT_RESOLVED) or Failure(DEADLINE) if the resolver takes too long.
        """
        return _resolve(host, 0, deadline, self.runtime)

    def _permits_one(self, address: Address) -> bool:
        if any(address in network for network in self.allowed_networks):
            return True
        if any(address in network for network in _PRIVATE):
            return True
        if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
            return False
        if any(address in network for network in _NO_SERVERS):
            return False
        return address.is_global and not (address.is_multicast or address.is_reserved)


def checked_host(host: str) -> str:
    """``host`` if it is a valid host name or address, without scheme, port or path.

    Raises Failure(REGISTRATION_INVALID).
    """
    if len(host) <= MAX_HOST and (_HOST.fullmatch(host) or _is_ipv6(host)):
        return host
    raise Failure(Reason.REGISTRATION_INVALID, "the host is neither a host name nor an address")


def check_host(host: str, policy: AddressPolicy, deadline: Deadline) -> None:
    """Reject, at registration, a host to which a connection would be rejected.

    The resolved addresses are checked, so other spellings of an address (octal, decimal) are recognised. Raises Failure
    with REGISTRATION_INVALID, NAME_NOT_RESOLVED, DEADLINE or ADDRESS_FORBIDDEN.
    """
    policy.candidates(checked_host(host), 0, deadline=deadline)


_LONGEST_LOOK_UP = 30.0
"""Time-out for resolving a name, in seconds. The system's resolver needs this time to give up three unresponsive name
servers.
"""


def _resolve(host: str, port: int, deadline: Deadline, runtime: Runtime) -> tuple[str, ...]:
    """The distinct addresses of ``host``.

    The system's resolver has no time-out and cannot be interrupted, so it runs in its own thread, which is abandoned
    when the time is up. An address in its usual form needs no resolver.
    """
    with contextlib.suppress(ValueError):
        return (str(ip_address(host)),)

    def ask() -> tuple[str, ...]:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError):  # ValueError: a name that cannot be encoded
            return ()
        return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))

    addresses = runtime.run_with_timeout(ask, min(_LONGEST_LOOK_UP, deadline.remaining()))
    if addresses is UNFINISHED:
        deadline.check()
        raise Failure(Reason.NAME_NOT_RESOLVED, "the resolver did not answer in time")
    return addresses


def _is_ipv6(host: str) -> bool:
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False


def _forms(address: Address) -> Iterator[Address]:
    """The addresses to check for a connection to ``address``. For an IPv4-mapped or NAT64 address, only its IPv4
    address is checked; for any other IPv6 address, itself and any IPv4 address embedded in it.
    """
    if isinstance(address, IPv4Address):
        yield address
        return
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None or address in _NAT64:
        yield low
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    if is_isatap or (address in _IPV4_COMPATIBLE and int(address) > 1):
        yield low


def _locally_embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a local NAT64 gateway could extract from ``address``, for each prefix length of RFC
    6052.
    """
    if address not in _LOCAL_NAT64:
        return
    octets = address.packed
    without_ninth = octets[:8] + octets[9:]  # RFC 6052 skips bits 64 to 71
    for first in (6, 7, 8):
        yield IPv4Address(without_ninth[first : first + 4])
    yield IPv4Address(octets[12:])
