"""The transport without a network: what it sends, to whom, and how it stands to the libraries below it."""

from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection

from cerberus.address_policy import AddressPolicy
from cerberus.checked_connection import CheckedAdapter, CheckedConnection, Dialer, Peer
from cerberus.endpoint import Endpoint, Timeouts
from cerberus.tls import SystemRoots
from cerberus.transport import Transport, packed
from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime

LARGE = 16 * 1024
PIECES = st.lists(st.sampled_from([0, 1, 5, 1000, LARGE - 1, LARGE, LARGE + 1]).map(bytes), max_size=12)
HOSTS = st.one_of(
    st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9])?\.?", fullmatch=True),
    st.ip_addresses().map(str),
    st.sampled_from(["0x7f.1", "2130706433", "1.2.3.4.5", "a..b", "a_b.example.", "xn--a", "xn--a.example"]),
)

RUNTIME = FakeRuntime()


class Nowhere(AddressPolicy):
    """Has no address for anybody."""

    def candidates(self, host: str, port: int, *, deadline: Deadline | None = None) -> tuple[str, ...]:
        raise Failure(Reason.ADDRESS_FORBIDDEN, "nowhere")


@given(PIECES)
def test_what_is_sent_are_the_pieces_in_their_order(pieces: list[bytes]) -> None:
    assert b"".join(packed(pieces)) == b"".join(pieces)


@given(PIECES)
def test_a_large_piece_is_sent_without_a_copy(pieces: list[bytes]) -> None:
    sent = {id(piece) for piece in packed(pieces)}
    assert all(id(piece) in sent for piece in pieces if len(piece) >= LARGE)


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_no_length_of_a_small_piece_can_be_told_from_what_is_sent(pieces: list[bytes]) -> None:
    assert packed(pieces) == [b"".join(pieces)]


@given(st.lists(st.sampled_from([1, LARGE]).map(bytes), max_size=12))
def test_no_two_small_pieces_are_sent_one_after_the_other(pieces: list[bytes]) -> None:
    sent = [piece for piece in packed(pieces) if piece]
    assert not any(len(first) < LARGE and len(second) < LARGE for first, second in pairwise(sent))


@given(HOSTS)
def test_every_host_that_can_be_registered_reaches_the_address_policy(host: str) -> None:
    """No library on the way has a narrower notion of a host."""
    nowhere = Nowhere(RUNTIME)
    endpoint = Endpoint("label", host, 8443, ("u", "p"), nowhere)
    transport = Transport(endpoint, Deadline(60, RUNTIME.monotonic), Dialer(host, 8443, nowhere))
    with closing(transport):
        with pytest.raises(Failure) as caught:
            transport.post((b"x",), {}, limit=1024, repeatable=True)
        assert caught.value.reason is Reason.ADDRESS_FORBIDDEN
        assert caught.value.__context__ is None


def test_a_client_can_be_used_again_after_it_was_closed() -> None:
    nowhere = Nowhere(RUNTIME)
    endpoint = Endpoint("label", "files.example", 8443, ("u", "p"), nowhere)
    transport = Transport(endpoint, Deadline(60, RUNTIME.monotonic), Dialer("files.example", 8443, nowhere))
    for _ in range(2):
        with closing(transport), pytest.raises(Failure) as caught:
            transport.post((b"x",), {}, limit=1024, repeatable=True)
        assert caught.value.reason is Reason.ADDRESS_FORBIDDEN


def test_no_attribute_of_ours_hides_one_of_the_libraries() -> None:
    """An update that brings one of the same name is seen here."""
    dialer = Dialer("files.example", 8443, AddressPolicy(RUNTIME))
    peer = Peer(dialer, SystemRoots(), Timeouts(), 1024, Deadline(1, RUNTIME.monotonic))
    theirs, ours = HTTPSConnection("files.example", 8443), CheckedConnection("files.example", 8443, peer=peer)
    assert set(dir(ours)) - set(dir(theirs)) == {"_peer", "_head_limit", "_reply_limit", "_received", "_wait_limit"}
    assert set(dir(CheckedAdapter(peer))) - set(dir(HTTPAdapter())) == {"_peer", "_pool", "_new_pool"}
