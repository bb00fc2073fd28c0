"""What can go wrong on the way to a server and back, each with its reason."""

import base64
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from cerberus.address_policy import AddressPolicy, check_host
from cerberus.endpoint import OperationBudgets, Timeouts
from cerberus.tls import SystemRoots, handshake
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from tests.support.patience import with_enough_time

CONTENT = "planted-reply-content"
PATIENT = 60.0
"""Seconds that a busy machine never takes for one step."""


@pytest.fixture(autouse=True)
def nothing_leaks_into_logs(caplog: pytest.LogCaptureFixture, wire: SimpleNamespace) -> Iterator[None]:
    """Every test of this module runs with all loggers at DEBUG that let themselves be set by the root."""
    with caplog.at_level(logging.DEBUG):
        yield
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.get_records("call"))
    for planted in (CONTENT, wire.user, wire.password):
        assert planted not in logged


def failing(call: Callable[[], object], wire: SimpleNamespace) -> Failure:
    with pytest.raises(Failure) as caught:
        call()
    failure = caught.value
    assert failure.server == "backup-1 (localhost)"
    error: BaseException | None = failure
    while error is not None:
        for planted in (CONTENT, wire.user, wire.password):
            assert planted not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    return failure


def silence(server: Any, connection: object, request: object) -> None:
    server.stopping.wait(60)


# Connecting


def test_nothing_listening_is_connection_refused(connect: Any, wire: SimpleNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failing(connect(port).users, wire).reason is Reason.CONNECTION_REFUSED


def test_a_silent_handshake_is_a_connect_timeout(connect: Any, wire: SimpleNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = connect(listener.getsockname()[1], timeouts=Timeouts(connect=0.3, read=5))
        assert failing(client.users, wire).reason is Reason.CONNECT_TIMEOUT


def test_a_handshake_that_takes_the_time_of_the_run_is_not_the_servers_fault(
    connect: Any, wire: SimpleNamespace
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = connect(listener.getsockname()[1], timeouts=Timeouts(connect=PATIENT, read=PATIENT), deadline=0.3)
        assert failing(client.users, wire).reason is Reason.DEADLINE


def test_no_answer_to_connecting_is_a_connect_timeout(
    connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_connection(address: object, timeout: float) -> socket.socket:
        assert 0 < timeout <= 0.3
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    client = connect(9, timeouts=Timeouts(connect=0.3, read=5))
    assert failing(client.users, wire).reason is Reason.CONNECT_TIMEOUT


def test_no_route_is_connection_failed(connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_connection(address: object, timeout: float) -> socket.socket:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert failing(connect(9).users, wire).reason is Reason.CONNECTION_FAILED


def test_an_unknown_name_is_not_resolved(connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert failing(connect(9, host="nowhere.example").users, wire).reason is Reason.NAME_NOT_RESOLVED


def test_a_port_that_speaks_plain_http_is_named_as_such(connect: Any, wire: SimpleNamespace) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            with contextlib.suppress(OSError):
                connection.recv(1024)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    failure = failing(connect(listener.getsockname()[1]).users, wire)
    assert (failure.reason, "plain HTTP" in failure.message) == (Reason.TLS_FAILED, True)
    thread.join()


@pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 ready\r\n", b"SSH-2.0-x\r\n"])
def test_a_port_that_speaks_before_it_is_greeted_is_named_as_none_of_https(banner: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(banner)
        deadline = Deadline(60, monotonic)
        with pytest.raises(Failure) as caught:
            handshake(ours, SystemRoots().context(), "ftp.example", timeout=30, deadline=deadline)
    assert (caught.value.reason, "not in HTTPS" in caught.value.message) == (Reason.TLS_FAILED, True)


def test_a_port_that_speaks_no_tls(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(b""), plain=True)
    assert failing(connect(server).users, wire).reason is Reason.TLS_FAILED


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_server_with_nothing_newer_than_tls_1_1(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(wire.users()), tls=ssl.TLSVersion.TLSv1_1)
    assert failing(connect(server).users, wire).reason is Reason.TLS_FAILED
    assert server.received == 0


# Addresses


def test_a_loopback_address_is_never_connected_to_by_default(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(wire.users()))
    for host in ("127.0.0.1", "2130706433", "0177.0.0.1", "localhost"):
        client = connect(server, host=host, addresses=AddressPolicy(SystemRuntime()))
        assert failing(client.users, wire).reason is Reason.ADDRESS_FORBIDDEN
    assert server.connections == 0


def test_a_name_that_answers_otherwise_after_the_check_is_refused_when_connecting(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(wire.always(wire.users()))
    answers = iter(["10.9.8.7", "127.0.0.1", "127.0.0.1"])

    def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    check_host("files.example", AddressPolicy(SystemRuntime()), Deadline(PATIENT, monotonic))
    client = connect(server, host="files.example", addresses=AddressPolicy(SystemRuntime()))
    assert failing(client.users, wire).reason is Reason.ADDRESS_FORBIDDEN
    assert server.connections == 0


def test_the_connection_goes_to_the_address_that_was_checked_and_the_name_is_still_proved(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, certificates: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "files.example" else host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    failure = failing(connect(server, host="files.example").users, wire)
    assert failure.reason is Reason.CERTIFICATE_UNTRUSTED
    assert failure.message.endswith("it is not valid for this host")
    assert asked == ["files.example", "127.0.0.1"]


def test_an_address_that_does_not_answer_gives_way_to_the_next(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(wire.always(wire.users()))
    monkeypatch.setattr(AddressPolicy, "candidates", lambda *_, **__: ("127.0.0.2", "127.0.0.1"))
    assert connect(server).users() == "<users/>"


def resolving(monkeypatch: pytest.MonkeyPatch, name: str, *turns: tuple[str, ...]) -> list[str]:
    """Has ``name`` resolve otherwise each time it is asked for, at last always alike; gives the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        if host != name:
            return real(host, port, *rest, **named)
        asked.append(host)
        turn = turns[min(len(asked), len(turns)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in turn]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_later_connections_go_to_the_address_that_answered_first(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(wire.always(wire.users(), close=True))
    asked = resolving(monkeypatch, "localhost", ("127.0.0.2", "127.0.0.1"), ("127.0.0.2",))
    client = connect(server, host="localhost")
    assert client.users() == "<users/>"
    with socket.create_server(("127.0.0.2", server.port)) as elsewhere:
        elsewhere.setblocking(False)
        assert client.users() == client.users() == "<users/>"
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert server.connections == 3
    assert asked == ["localhost"]


def test_a_repeated_read_goes_to_the_address_that_answered_first(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(closing_after_first(wire))
    resolving(monkeypatch, "localhost", ("127.0.0.1",), ("127.0.0.2",))
    client = connect(server, host="localhost")
    assert [client.users(), client.users()] == ["a", "a"]
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_when_the_address_that_answered_is_gone_no_other_one_is_tried(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(wire.always(wire.users(), close=True))
    resolving(monkeypatch, "localhost", ("127.0.0.1", "127.0.0.2"))
    client = connect(server, host="localhost")
    assert client.users() == "<users/>"
    port = server.port
    server.stopping.set()
    server.listener.shutdown(socket.SHUT_RDWR)
    with socket.create_server(("127.0.0.2", port)) as elsewhere:
        elsewhere.setblocking(False)
        assert failing(client.users, wire).reason is Reason.CONNECTION_REFUSED
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_a_resolver_that_hangs_is_left_at_the_deadline(
    connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, answered = threading.Event(), threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        done.wait(60)
        answered.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    failure = failing(connect(9, host="files.example", deadline=0.3).users, wire)
    assert not answered.is_set()
    done.set()
    assert failure.reason is Reason.DEADLINE


# Silence, closing, size


def test_a_server_that_goes_silent_is_a_read_timeout(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(silence)
    assert failing(connect(server, timeouts=Timeouts(PATIENT, 0.3)).users, wire).reason is Reason.READ_TIMEOUT


def test_a_reply_that_stops_half_way_is_a_read_timeout(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        connection.sendall(wire.users(CONTENT)[:-30])
        server.stopping.wait(60)

    assert failing(connect(serve(script), timeouts=Timeouts(PATIENT, 0.3)).users, wire).reason is Reason.READ_TIMEOUT


@pytest.mark.parametrize("start", [0, 20, 150], ids=["status line", "headers", "body"])
def test_a_dripping_server_is_left_at_the_deadline(serve: Any, connect: Any, wire: SimpleNamespace, start: int) -> None:
    """Each byte comes well within the read time-out; wherever the dripping starts, the deadline holds."""
    reply, whole = wire.users("x" * 1000), threading.Event()

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        connection.sendall(reply[:start])
        for byte in reply[start:]:
            connection.sendall(bytes([byte]))
            if server.stopping.wait(0.05):
                return
        whole.set()

    failure = failing(connect(serve(script), deadline=0.8).users, wire)
    assert failure.reason is Reason.DEADLINE
    assert not whole.is_set()


def test_a_silent_server_is_left_at_the_deadline(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(silence)
    assert failing(connect(server, deadline=0.5).users, wire).reason is Reason.DEADLINE


def test_a_server_that_stops_taking_a_large_request_is_left_at_the_deadline(
    connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.path)

    def is_reached_and_left(seconds: float) -> bool:
        reached, done = threading.Event(), threading.Event()

        def attend() -> None:
            with contextlib.suppress(OSError):  # when the time was used up before
                raw, _ = listener.accept()
                with context.wrap_socket(raw, server_side=True):
                    reached.set()
                    done.wait(PATIENT)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            threading.Thread(target=attend, daemon=True).start()
            client = connect(listener.getsockname()[1], deadline=seconds)
            failure = failing(lambda: client.write_settings("x" * 12_000_000), wire)
            done.set()
        assert failure.reason is Reason.DEADLINE
        return reached.is_set()

    with_enough_time(is_reached_and_left, 1.0)


def test_closing_without_an_answer(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(b"", close=True))
    assert failing(connect(server).users, wire).reason is Reason.CONNECTION_CLOSED
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_closing_before_the_announced_length(serve: Any, connect: Any, wire: SimpleNamespace, cut: int) -> None:
    server = serve(wire.always(wire.users(CONTENT)[:-cut], close=True))
    assert failing(connect(server).users, wire).reason is Reason.CONNECTION_CLOSED


def test_closing_within_a_chunked_reply(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(wire.always(head + b"20\r\n" + CONTENT.encode(), close=True))
    assert failing(connect(server).users, wire).reason is Reason.CONNECTION_CLOSED


def test_a_cut_reply_without_a_length_is_malformed(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    body = wire.answer("GetProfiles", f"<ns1:data>{CONTENT}</ns1:data>").encode()[:-40]
    server = serve(wire.always(b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + body, close=True))
    assert failing(connect(server).users, wire).reason is Reason.REPLY_MALFORMED


def test_an_announced_length_over_the_limit_is_refused_before_it_is_read(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 999999999\r\n\r\n")
        server.stopping.wait(60)

    failure = failing(connect(serve(script), budgets=OperationBudgets(1000)).users, wire)
    assert failure.reason is Reason.REPLY_TOO_LARGE


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_an_unannounced_length_is_counted_against_the_limit(
    serve: Any, connect: Any, wire: SimpleNamespace, head: bytes
) -> None:
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n" if head else b"x" * 1024

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n" + head + b"\r\n")
        while not server.stopping.is_set():
            connection.sendall(chunk)

    failure = failing(connect(serve(script), budgets=OperationBudgets(100_000)).users, wire)
    assert failure.reason is Reason.REPLY_TOO_LARGE


def test_a_reply_of_exactly_the_limit_is_read(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    reply = wire.users("y" * 5000)
    size = len(reply.partition(b"\r\n\r\n")[2])
    server = serve(wire.always(reply))
    assert len(connect(server, budgets=OperationBudgets(size)).users()) == 5000
    assert failing(connect(server, budgets=OperationBudgets(size - 1)).users, wire).reason is Reason.REPLY_TOO_LARGE


def test_a_chunked_reply_is_read(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    body = wire.answer("GetProfiles", "<ns1:data>a</ns1:data>").encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i : i + 50]), body[i : i + 50]) for i in range(0, len(body), 50))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = connect(serve(wire.always(head + chunks + b"0\r\n\r\n")))
    assert (client.users(), client.users()) == ("a", "a")


def test_a_user_list_of_100_mb_is_read(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    size = 100 * 1024 * 1024
    server = serve(wire.always(wire.users("u" * size)))
    assert len(connect(server).users()) == size


# HTTP


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_is_refused_and_neither_followed_nor_read(
    serve: Any, connect: Any, wire: SimpleNamespace, status: int
) -> None:
    elsewhere = serve(wire.always(wire.users()))
    location = f"https://127.0.0.1:{elsewhere.port}/{CONTENT}"

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode())
        server.stopping.wait(60)
        left.set()

    left = threading.Event()
    client = connect(serve(script), budgets=OperationBudgets(1000))
    assert failing(client.users, wire).reason is Reason.REDIRECT_REFUSED
    assert not left.is_set()
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"planted-reply-content\r\n\r\n", Reason.HTTP_ERROR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n12345", Reason.HTTP_ERROR),
        (b"HTTP/1.1 200 OK\r\n" + b"X: planted-reply-content\r\n" * 200 + b"\r\n", Reason.HTTP_ERROR),
        (b"HTTP/1.1 200 OK\r\nX: " + b"planted-reply-content" * 9999 + b"\r\n\r\n", Reason.HTTP_ERROR),
        (b"HTTP/1.1 404 No\r\nContent-Length: 21\r\n\r\nplanted-reply-content", Reason.HTTP_ERROR),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Reason.HTTP_ERROR),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Reason.REPLY_EMPTY),
        (b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\nContent-Type: text/xml\r\n\r\n", Reason.REPLY_EMPTY),
        (
            b"HTTP/1.1 200 OK\r\nplanted-reply-content\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
            Reason.NOT_SOAP,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
            Reason.REPLY_MALFORMED,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 2\r\n\r\n<a", Reason.REPLY_MALFORMED),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 18\r\n\r\n<!DOCTYPE a><a></a",
            Reason.REPLY_FORBIDDEN_XML,
        ),
    ],
)
def test_what_is_no_soap_reply(serve: Any, connect: Any, wire: SimpleNamespace, reply: bytes, reason: Reason) -> None:
    server = serve(wire.always(reply, close=True))
    assert failing(connect(server).users, wire).reason is reason
    assert len(server.requests) == 1


# Log-in


def challenge(wire: SimpleNamespace) -> bytes:
    reply: bytes = wire.http(CONTENT, status=401, content_type="text/html", WWW_Authenticate='Basic realm="x"')
    return reply


def test_credentials_are_in_the_body_and_never_in_a_header_unasked(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    client = connect(server)
    assert client.users() == client.users() == "<users/>"
    for request in server.requests:
        assert "authorization" not in request.headers
        assert f"<ns1:password>{wire.password}".encode() in request.body
        assert request.path == "/service/cerberusftpservice"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-type"].startswith("application/soap+xml; charset=utf-8; action=")
    assert server.connections == 1


def test_a_401_is_answered_with_basic_once_and_every_call_starts_without(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    server = serve(wire.in_turn(challenge(wire), wire.users(), challenge(wire), wire.users()))
    client = connect(server)
    assert client.users() == client.users() == "<users/>"
    token = base64.b64encode(f"{wire.user}:{wire.password}".encode()).decode()
    assert [request.headers.get("authorization") for request in server.requests] == [None, f"Basic {token}"] * 2
    assert server.requests[0].body == server.requests[1].body


def test_after_a_second_401_the_server_is_left_alone(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(challenge(wire)))
    client = connect(server)
    for _ in range(3):
        assert failing(client.users, wire).reason is Reason.AUTHENTICATION_FAILED
    assert failing(lambda: client.write_settings("x"), wire).reason is Reason.AUTHENTICATION_FAILED
    assert len(server.requests) == 2


def test_after_an_authentication_fault_the_server_is_left_alone(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    fault = wire.envelope(
        "<SOAP-ENV:Fault><SOAP-ENV:Reason><SOAP-ENV:Text>Unable to authenticate SOAP request of"
        f" {wire.user} with {wire.password}</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>"
    )
    server = serve(wire.always(wire.http(fault, status=400)))
    client = connect(server)
    for _ in range(3):
        assert failing(client.users, wire).reason is Reason.AUTHENTICATION_FAILED
    assert len(server.requests) == 1


# Keeping connections


def closing_after_first(wire: SimpleNamespace) -> Any:
    """Answers once per connection, and closes the first one as soon as the next request has come on it."""
    seen: set[int] = set()

    def script(_: Any, connection: ssl.SSLSocket, request: Any) -> None:
        if request.connection in seen:
            connection.close()
            return
        seen.add(request.connection)
        name = "GetProfiles" if b"GetProfiles" in request.body else "SaveConfiguration"
        content = "<ns1:data>a</ns1:data>" if name == "GetProfiles" else ""
        connection.sendall(wire.http(wire.answer(name, content)))

    return script


def test_a_read_on_a_kept_connection_that_turns_out_closed_is_repeated_once(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    server = serve(closing_after_first(wire))
    client = connect(server)
    assert [client.users(), client.users()] == ["a", "a"]
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_a_write_on_a_kept_connection_that_turns_out_closed_is_not_repeated(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    server = serve(closing_after_first(wire))
    client = connect(server)
    client.users()
    assert failing(lambda: client.write_settings("x"), wire).reason is Reason.CONNECTION_CLOSED
    assert len(server.requests) == 2


def test_a_connection_the_server_closed_between_calls_is_replaced(
    serve: Any, connect: Any, wire: SimpleNamespace
) -> None:
    closed = threading.Event()

    def script(_: Any, connection: ssl.SSLSocket, __: object) -> None:
        connection.sendall(wire.http(wire.answer("SaveConfiguration")))
        connection.close()
        closed.set()

    server = serve(script)
    client = connect(server)
    client.write_settings("x")
    assert closed.wait(30)
    client.write_settings("x")
    assert [request.connection for request in server.requests] == [0, 1]


def test_a_client_belongs_to_one_thread(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(wire.users()))
    client = connect(server)
    client.users()
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            client.users()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert len(server.requests) == 1


# The environment


def test_the_environment_changes_neither_the_way_nor_the_trust(
    serve: Any,
    connect: Any,
    wire: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    certificates: SimpleNamespace,
    tmp_path: Any,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login netrc-user password netrc-password\n")
    proxy = serve(wire.always(b""), plain=True)
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NETRC", str(netrc))
    good, other = serve(wire.always(wire.users())), serve(wire.always(wire.users()), certificates.other)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, str(certificates.other.path))
    assert connect(good).users() == "<users/>"
    assert "authorization" not in good.requests[0].headers
    assert failing(connect(other).users, wire).reason is Reason.CERTIFICATE_UNTRUSTED
    assert failing(connect(other, trust=SystemRoots()).users, wire).reason is Reason.CERTIFICATE_UNTRUSTED
    assert other.received == 0
    assert proxy.connections == 0
