"""Each fault of the connection and of HTTP does what it says."""

import base64
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from local.cerberus.faults import Kind
from local.cerberus.server import LocalServer

type Connect = Callable[..., AbstractContextManager[http.client.HTTPSConnection]]
type Post = Callable[..., Any]

CLEAR_RULES = "<x:dataXml/>"
LONG = 60
"""Seconds that nobody waits here."""


@pytest.fixture
def connection(server: LocalServer, connect: Connect) -> Iterator[http.client.HTTPSConnection]:
    with connect(server) as opened:
        yield opened


def rules(server: LocalServer) -> str:
    return server.state.document("event_rules")


def test_a_refusing_server_is_reached_again_at_the_same_port(server: LocalServer, connect: Connect, post: Post) -> None:
    port = server.port
    server.refuse_connections()
    with connect(server) as connection, pytest.raises(ConnectionRefusedError):
        connection.connect()
    server.clear_faults()
    with connect(server) as connection:
        assert post(connection, "GetHostname").status == 200
    assert server.port == port


def test_refusing_can_begin_with_a_call(
    server: LocalServer, connection: http.client.HTTPSConnection, connect: Connect, post: Post
) -> None:
    before = rules(server)
    server.fault(Kind.REFUSE, "SetEventRules")
    assert post(connection, "GetEventRules").status == 200
    with pytest.raises(http.client.RemoteDisconnected):
        post(connection, "SetEventRules", CLEAR_RULES)
    with connect(server) as another, pytest.raises(ConnectionRefusedError):
        another.connect()
    assert rules(server) == before


def test_closed_before_the_reply_and_nothing_stored(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    before = rules(server)
    server.fault(Kind.CLOSE_BEFORE_REPLY)
    with pytest.raises(http.client.RemoteDisconnected):
        post(connection, "SetEventRules", CLEAR_RULES)
    assert rules(server) == before


def test_closed_after_storing(server: LocalServer, connection: http.client.HTTPSConnection, post: Post) -> None:
    server.fault(Kind.CLOSE_AFTER_STORING)
    with pytest.raises(http.client.RemoteDisconnected):
        post(connection, "SetEventRules", CLEAR_RULES)
    assert "rule " not in rules(server)


def test_closed_in_the_middle_of_the_reply(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.CLOSE_MID_REPLY, "GetProfiles")
    with pytest.raises(http.client.IncompleteRead) as caught:
        post(connection, "GetProfiles")
    assert abs(len(caught.value.partial) - (caught.value.expected or 0)) <= 1


def test_slow_once(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    really_wait = server.stopped.wait

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return really_wait(seconds)

    monkeypatch.setattr(server.stopped, "wait", wait)
    server.fault(Kind.SLOW, seconds=0.2, times=1)
    start = time.monotonic()
    assert post(connection, "GetHostname").status == 200
    assert time.monotonic() - start >= 0.2
    assert post(connection, "GetHostname").status == 200
    assert waits == [0.2]


def test_a_dripping_reply_arrives_whole_and_late(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    whole = post(connection, "GetHostname").body
    server.fault(Kind.DRIP, seconds=0.05, size=100)
    start = time.monotonic()
    assert post(connection, "GetHostname").body == whole
    assert time.monotonic() - start > 0.05 * (len(whole) // 100)


def test_stopping_does_not_wait_for_slow_answers(server: LocalServer, connect: Connect, post: Post) -> None:
    server.fault(Kind.SLOW, seconds=LONG)
    with connect(server, timeout=0.5) as connection, pytest.raises(TimeoutError):
        post(connection, "GetHostname")
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < LONG / 2


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "start"),
    [
        (Kind.HTML, 200, "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        (Kind.HTTP_500, 500, "text/plain", b"Internal"),
        (Kind.REDIRECT, 302, "text/html", b""),
    ],
)
def test_another_answer_instead_and_nothing_stored(
    server: LocalServer,
    connection: http.client.HTTPSConnection,
    post: Post,
    kind: Kind,
    status: int,
    content_type: str,
    start: bytes,
) -> None:
    before = rules(server)
    server.fault(kind, text="https://127.0.0.1:1/x" if kind is Kind.REDIRECT else "")
    reply = post(connection, "SetEventRules", CLEAR_RULES)

    assert (reply.status, reply.headers["Content-Type"]) == (status, content_type)
    assert reply.body.startswith(start)
    assert reply.headers.get("Location") == ("https://127.0.0.1:1/x" if kind is Kind.REDIRECT else None)
    assert rules(server) == before


def test_a_wrong_content_type_with_a_good_body(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    good = post(connection, "GetHostname")
    server.fault(Kind.WRONG_CONTENT_TYPE)
    reply = post(connection, "GetHostname")

    assert reply.headers["Content-Type"] == "text/html"
    assert reply.body == good.body


def test_an_empty_body_and_a_cut_one_have_a_length_that_fits(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.EMPTY_BODY, "GetGroups")
    server.fault(Kind.TRUNCATED_XML, "GetProfiles")
    empty, cut = post(connection, "GetGroups"), post(connection, "GetProfiles")

    assert (empty.status, empty.body, empty.headers["Content-Length"]) == (200, b"", "0")
    assert cut.headers["Content-Length"] == str(len(cut.body))
    assert not cut.body.endswith(b"Envelope>")


def test_an_oversize_reply_comes_whole(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.OVERSIZE, size=3_000_000)

    assert len(post(connection, "GetHostname").body) == 3_000_000


def test_basic_is_asked_for_and_accepted_on_the_repeat(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.BASIC_REQUIRED)
    machine = server.state.machine
    first = post(connection, "GetHostname")
    token = base64.b64encode(f"{machine.admin_user}:{machine.admin_password}".encode()).decode()
    right = post(connection, "GetHostname", headers={"Authorization": f"Basic {token}"})
    wrong = post(connection, "GetHostname", headers={"Authorization": "Basic eDp5"})

    assert (first.status, right.status, wrong.status) == (401, 200, 401)
    assert first.headers["WWW-Authenticate"].startswith("Basic ")


def test_basic_can_be_asked_for_for_ever(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.BASIC_NEVER)
    machine = server.state.machine
    token = base64.b64encode(f"{machine.admin_user}:{machine.admin_password}".encode()).decode()

    assert post(connection, "GetHostname", headers={"Authorization": f"Basic {token}"}).status == 401


def test_a_fault_from_the_second_call_on_leaves_the_first_alone(
    server: LocalServer, connection: http.client.HTTPSConnection, post: Post
) -> None:
    server.fault(Kind.HTTP_500, "GetGroups", first=2, times=1)

    assert [post(connection, "GetGroups").status for _ in range(3)] == [200, 500, 200]
