"""For any two spellings of one address: they are one server, and two addresses are two."""

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberus.address_policy import AddressPolicy
from cerberus.same_server import same_server
from common.deadline import Deadline
from common.hosts import canonical_host
from local.fakes.runtime import FakeRuntime
from registry.fleet_records import address_key

RUNTIME = FakeRuntime()
ADDRESSES = AddressPolicy(RUNTIME)
IPV4 = st.integers(0x01000000, 0xDFFFFFFF).map(IPv4Address)
IPV6 = st.integers(2**125, 2**126 - 1).map(IPv6Address)
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]([a-z0-9]{0,8}))?", fullmatch=True)


@st.composite
def spelled_ipv4(draw: st.DrawFn, address: IPv4Address) -> str:
    """One of the ways in which people, or attackers, write an IPv4 address."""
    octets = list(address.packed)
    kept = draw(st.integers(1, 4))
    last = int.from_bytes(bytes(octets[kept - 1 :]))
    form = draw(st.sampled_from(["{0}", "{0:#x}", "0{0:o}", "0X{0:X}"]))
    plain = ".".join(form.format(number) for number in (*octets[: kept - 1], last))
    mapped = (f"::ffff:{address}", f"::FFFF:{int(address) >> 16:x}:{int(address) & 0xFFFF:X}", f"64:ff9b::{address}")
    return draw(st.sampled_from([plain, f"{plain}.", str(address), *mapped]))


@st.composite
def spelled_ipv6(draw: st.DrawFn, address: IPv6Address) -> str:
    text = draw(st.sampled_from([str(address), address.exploded]))
    return draw(st.sampled_from([text, text.upper()]))


@st.composite
def spelled_name(draw: st.DrawFn, name: str) -> str:
    letters = "".join(draw(st.sampled_from([letter, letter.upper()])) for letter in name)
    return letters + draw(st.sampled_from(["", "."]))


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Two spellings of one host."""
    kind = draw(st.sampled_from(["ipv4", "ipv6", "name"]))
    if kind == "ipv4":
        ipv4 = draw(IPV4)
        return draw(spelled_ipv4(ipv4)), draw(spelled_ipv4(ipv4))
    if kind == "ipv6":
        ipv6 = draw(IPV6)
        return draw(spelled_ipv6(ipv6)), draw(spelled_ipv6(ipv6))
    name = draw(NAMES)
    return draw(spelled_name(name)), draw(spelled_name(name))


def same(one: tuple[str, int], other: tuple[str, int]) -> bool:
    return same_server(one, other, ADDRESSES, Deadline(5, RUNTIME.monotonic))


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names, to be filled by a test. No other name resolves."""
    resolved: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        if host not in resolved:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, port)) for address in resolved[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolved


@given(spellings(), st.integers(1, 65535), st.integers(1, 65535))
def test_spellings_of_one_host_are_one_server(
    resolver: dict[str, list[str]], hosts: tuple[str, str], port: int, other_port: int
) -> None:
    one, other = hosts
    assert same((one, port), (other, port))
    assert address_key(one, port) == address_key(other, port)
    assert same((one, port), (other, other_port)) == (port == other_port)


@given(st.one_of(st.tuples(IPV4, IPV4), st.tuples(IPV6, IPV6)), st.data())
def test_two_addresses_are_two_servers(pair: tuple[Any, Any], data: st.DataObject) -> None:
    one, other = pair
    spelled = spelled_ipv4 if isinstance(one, IPv4Address) else spelled_ipv6
    hosts = [data.draw(spelled(address)) for address in pair]
    assert same((hosts[0], 443), (hosts[1], 443)) == (one == other)


@given(NAMES, NAMES, st.lists(IPV4, min_size=1, max_size=3), st.lists(IPV4, max_size=3), st.data())
def test_names_that_resolve_to_a_common_address_are_one_server(
    resolver: dict[str, list[str]],
    one: str,
    other: str,
    of_one: list[IPv4Address],
    of_other: list[IPv4Address],
    data: st.DataObject,
) -> None:
    resolver.clear()
    resolver.update({other: list(map(str, of_other)), one: list(map(str, of_one))})
    common = one == other or bool(set(of_one) & set(of_other))
    assert same((one, 443), (other, 443)) == common
    assert same((other, 443), (one, 443)) == common
    assert same((one, 443), (data.draw(spelled_ipv4(of_one[0])), 443))


@given(spellings())
def test_one_spelling_stays_as_it_is(hosts: tuple[str, str]) -> None:
    for host in hosts:
        assert canonical_host(canonical_host(host)) == canonical_host(host)


def test_names_that_do_not_resolve_are_only_as_they_are_spelled(resolver: dict[str, list[str]]) -> None:
    assert resolver == {}
    assert not same(("a.example", 443), ("b.example", 443))
