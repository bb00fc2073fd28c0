"""Which addresses are connected to, and which never."""

import re
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cerberus.address_policy import IPV6_ADDRESS, AddressPolicy, check_host, checked_host
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from local.fakes.runtime import FakeRuntime

RUNTIME = FakeRuntime()
EVERYTHING = AddressPolicy.allowing(["0.0.0.0/0", "::/0"], RUNTIME)
SOON = Deadline(5, RUNTIME.monotonic)


def answers(*addresses: str) -> Any:
    def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return getaddrinfo


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "2600:1f18::1",
        "fd12:3456::1",
        "64:ff9b::808:808",
    ],
)
def test_public_and_private_unicast_addresses_are_permitted(address: str) -> None:
    assert AddressPolicy(RUNTIME).permits(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",  # noqa: S104  # an address to refuse, nothing is bound
        "0.1.2.3",
        "169.254.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.1.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1::808:808",  # a local translation: only its operator knows where the IPv4 address is
        "64:ff9b:1:808:8:800::",
        "3fff::1",
        "2002:7f00:1::",
        "2002:a9fe:101::1",
        "2001:0:7f00:1::",
    ],
)
def test_addresses_that_are_no_servers_are_refused_unless_allowed(address: str) -> None:
    assert not AddressPolicy(RUNTIME).permits(ip_address(address))
    assert EVERYTHING.permits(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00:808:808",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_addresses_that_serve_credentials_are_refused_whatever_is_allowed(address: str) -> None:
    assert not AddressPolicy(RUNTIME).permits(ip_address(address))
    assert not EVERYTHING.permits(ip_address(address))


def test_an_allowed_network_adds_just_itself() -> None:
    policy = AddressPolicy.allowing(["127.0.0.0/8"], RUNTIME)
    assert policy.permits(ip_address("127.0.0.1"))
    assert policy.permits(ip_address("::ffff:127.0.0.1"))
    assert not policy.permits(ip_address("::1"))
    assert not policy.permits(ip_address("169.254.1.1"))


def test_a_network_not_in_cidr_form_is_a_configuration_failure() -> None:
    with pytest.raises(Failure) as caught:
        AddressPolicy.allowing(["127.0.0.1/8"], RUNTIME)
    assert caught.value.reason is Reason.CONFIGURATION_INVALID


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0177.0.0.1", "2130706433", "0x7f000001", "127.1", "017700000001", "::1"]
)
def test_every_spelling_of_a_forbidden_address_is_seen_through(host: str) -> None:
    with pytest.raises(Failure) as caught:
        check_host(host, AddressPolicy(RUNTIME), SOON)
    assert caught.value.reason is Reason.ADDRESS_FORBIDDEN


def test_one_forbidden_answer_among_good_ones_forbids_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("8.8.8.8", "169.254.169.254"))
    with pytest.raises(Failure) as caught:
        AddressPolicy(RUNTIME).candidates("name.example", 443, deadline=SOON)
    assert caught.value.reason is Reason.ADDRESS_FORBIDDEN


def test_all_good_answers_are_candidates_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("10.0.0.2", "10.0.0.1", "10.0.0.2"))
    assert AddressPolicy(RUNTIME).candidates("name.example", 443, deadline=SOON) == ("10.0.0.2", "10.0.0.1")


def test_a_name_without_an_answer_is_not_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> Any:
        raise socket.gaierror(-2, "planted resolver text")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(Failure) as caught:
        check_host("name.example", AddressPolicy(RUNTIME), SOON)
    assert caught.value.reason is Reason.NAME_NOT_RESOLVED
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("clock", "reason"), [(time.monotonic, Reason.DEADLINE), (lambda: 0.0, Reason.NAME_NOT_RESOLVED)]
)
def test_a_resolver_that_hangs_is_left_when_the_time_is_used_up(
    monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float], reason: Reason
) -> None:
    """The second clock stands still: then the waiting alone was too long."""
    done = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        done.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        with pytest.raises(Failure) as caught:
            AddressPolicy(SystemRuntime()).candidates("name.example", 443, deadline=Deadline(0.2, clock))
        assert not done.is_set()
    finally:
        done.set()
    assert caught.value.reason is reason


def test_a_resolver_that_takes_longer_than_there_is_time_has_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime()

    def getaddrinfo(*_: object, **__: object) -> Any:
        runtime.advance(6)
        return answers("10.0.0.1")("name.example", 443)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    policy = AddressPolicy(runtime)
    assert policy.candidates("name.example", 443, deadline=Deadline(7, runtime.monotonic)) == ("10.0.0.1",)
    with pytest.raises(Failure) as caught:
        policy.candidates("name.example", 443, deadline=Deadline(5, runtime.monotonic))
    assert caught.value.reason is Reason.DEADLINE


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_a_name_that_cannot_be_encoded_is_not_resolved(host: str) -> None:
    with pytest.raises(Failure) as caught:
        AddressPolicy(RUNTIME).candidates(host, 443, deadline=SOON)
    assert caught.value.reason is Reason.NAME_NOT_RESOLVED


@pytest.mark.parametrize(
    "host", ["files.example", "files.example.", "FILES-2", "under_score.example", "10.0.0.1", "fd00::1"]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert checked_host(host) == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "-a",
        "a/b",
        "a:80",
        "user@a",
        "https://a",
        "a b",
        "a\n",
        "a\x00",
        "[::1]",
        "fe80::1%eth0",
        "a?b",
        "ä.example",
        "a" * 254,
    ],
)
def test_anything_else_is_not_a_host(host: str) -> None:
    with pytest.raises(Failure) as caught:
        checked_host(host)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


GROUP = st.sampled_from(["0", "1", "ab", "FFFF", "0001", "12345", "g", ""])
IPV4 = st.sampled_from(["1.2.3.4", "0.1.0.9", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3"])


@st.composite
def ipv6_like(draw: st.DrawFn) -> str:
    """Texts that are IPv6 addresses or nearly."""
    groups = draw(st.lists(GROUP, max_size=9))
    if draw(st.booleans()):
        groups.append(draw(IPV4))
    if draw(st.booleans()):
        groups.insert(draw(st.integers(0, len(groups))), "")
    return draw(st.sampled_from(["", ":"])) + ":".join(groups) + draw(st.sampled_from(["", ":", "::"]))


@given(text=ipv6_like())
@example(text="::")
@example(text="1::2:3:4:5:6:7")
@example(text="1:2:3:4:5:6:7::")
@example(text="1:2:3")
def test_the_published_form_of_an_ipv6_address_is_what_is_accepted(text: str) -> None:
    assert bool(re.fullmatch(IPV6_ADDRESS, text)) == is_ipv6(text)


def is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


# IANA's registries of special-purpose addresses (RFC 6890) and of multicast, by block, but for those where backups
# mostly are (RFC 1918, RFC 6598, RFC 4193), and for the two that only wrap an IPv4 address.
SPECIAL = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
NOT_GLOBAL_IPV4 = [block for block in SPECIAL if ":" not in block]


@st.composite
def _within(draw: st.DrawFn, blocks: list[str]) -> IPv4Address | IPv6Address:
    network = ip_network(draw(st.sampled_from(blocks)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(_within(SPECIAL))
@example(ip_address("192.0.0.9"))
@example(ip_address("192.0.0.10"))
def test_no_special_purpose_address_is_permitted(address: IPv4Address | IPv6Address) -> None:
    assert not AddressPolicy(SystemRuntime()).permits(address)


@given(
    _within(NOT_GLOBAL_IPV4),
    st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0x5EFE, 0x02005EFE]),
)
def test_a_special_purpose_address_is_seen_inside_ipv6(
    inner: IPv4Address, prefix: str, upper: int, isatap: int
) -> None:
    policy, low = AddressPolicy(SystemRuntime()), int(inner)
    site = int(IPv6Address("2600::")) | (upper & (2**60 - 1)) << 64
    wrapped = (
        int(IPv6Address(prefix)) | low,
        int(IPv6Address("2002::")) | low << 80 | upper & 0xFFFF,
        int(IPv6Address("2001::")) | low << 64 | upper & 0xFFFFFFFF,
        int(IPv6Address("2001::")) | (low ^ 0xFFFFFFFF),
        site | isatap << 32 | low,
        int(IPv6Address("fd00::")) | isatap << 32 | low,
    )
    assert [IPv6Address(one) for one in wrapped if policy.permits(IPv6Address(one))] == []
