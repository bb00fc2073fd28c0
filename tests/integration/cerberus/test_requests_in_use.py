"""What requests and urllib3 could do by themselves, and do not; what a server could do to them, and how it ends."""

import base64
import contextlib
import errno
import gzip
import io
import logging
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberus.address_policy import AddressPolicy
from cerberus.checked_connection import Dialer
from cerberus.endpoint import Endpoint, Timeouts
from cerberus.tls import BoundedSocket, CaBundle, Pins, fingerprint
from cerberus.transport import Reply, Transport
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime

BODY = (b"<a>", b"planted-user", b"</a>")
HEADERS = {"Content-Type": "text/xml"}
LIMIT = 256 * 1024 * 1024
PLANTED = "planted"
RUNTIME = SystemRuntime()


@pytest.fixture(autouse=True)
def nothing_leaks_into_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every test of this module runs with the loggers of all libraries at DEBUG."""
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, "urllib3"),
        caplog.at_level("DEBUG", "requests"),
    ):
        yield
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.get_records("call"))
    assert PLANTED not in logged
    assert base64.b64encode(b"planted").decode()[:9] not in logged


@pytest.fixture
def reach(certificates: SimpleNamespace) -> Iterator[Callable[..., Transport]]:
    """Makes transports: ``reach(server or port, deadline=..., and any field of Endpoint)``."""
    made: list[Transport] = []

    def make(target: Any, *, deadline: float = 20.0, **changes: Any) -> Transport:
        fields: dict[str, Any] = {
            "label": "backup-1",
            "host": "127.0.0.1",
            "port": target if isinstance(target, int) else target.port,
            "credentials": ("planted-user", "planted-password"),
            "trust": CaBundle(certificates.good.pem),
            "timeouts": Timeouts(connect=5.0, read=5.0),
            "addresses": AddressPolicy.allowing(["127.0.0.0/8"], RUNTIME),
        }
        endpoint = Endpoint(**{**fields, **changes})
        made.append(
            Transport(
                endpoint,
                Deadline(deadline, RUNTIME.monotonic),
                Dialer(endpoint.host, endpoint.port, endpoint.addresses),
            )
        )
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def post(transport: Transport, *, repeatable: bool = True, limit: int = LIMIT) -> Reply:
    return transport.post(BODY, HEADERS, limit=limit, repeatable=repeatable)


def refused(transport: Transport, limit: int = LIMIT) -> Failure:
    """The failure of a post, of which nothing that a library or the server said is part."""
    with pytest.raises(Failure) as caught:
        post(transport, limit=limit)
    assert_clean(caught.value)
    return caught.value


def assert_clean(failure: Failure) -> None:
    assert PLANTED not in f"{failure!r} {failure}"
    assert failure.__cause__ is None
    assert failure.__context__ is None


def ok(body: bytes = b"<r/>", *lines: str) -> bytes:
    head = ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Content-Type: text/xml", *lines)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


# What is sent


def test_only_our_own_headers_are_sent(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(ok()))
    assert post(reach(server)) == Reply(200, "text/xml", b"<r/>")
    assert server.requests[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "synchronization-manager",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "text/xml",
        "content-length": "19",
    }
    assert server.requests[0].body == b"<a>planted-user</a>"
    assert server.requests[0].path == "/service/cerberusftpservice"


def test_an_ipv6_address_is_named_in_brackets(
    serve: Any, reach: Any, wire: SimpleNamespace, certificates: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(wire.always(ok()))
    real = socket.create_connection
    dialled: list[str] = []

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address[0])
        return real(("127.0.0.1", address[1]), timeout=timeout)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert post(reach(server, host="fd00::1", trust=Pins((fingerprint(certificates.good.der),)))).status == 200
    assert dialled == ["fd00::1"]
    assert server.requests[0].headers["host"] == f"[fd00::1]:{server.port}"


def test_no_record_of_tls_tells_how_long_a_secret_is(
    serve: Any, reach: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    real = BoundedSocket.send

    def send(self: BoundedSocket, data: Any, flags: int = 0) -> int:
        sent.append(len(data))
        return real(self, data, flags)

    monkeypatch.setattr(BoundedSocket, "send", send)
    post(reach(serve(wire.always(ok()))))
    assert len(sent) == 2
    assert sent[1] == len(b"".join(BODY))


def test_a_large_piece_is_sent_among_small_ones(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(ok()))
    pieces = (b"a", b"b" * 3_000_000, b"c", b"d" * 20_000, b"")
    reach(server).post(pieces, HEADERS, limit=LIMIT, repeatable=False)
    assert server.requests[0].body == b"".join(pieces)
    assert "transfer-encoding" not in server.requests[0].headers


# What is left alone


def test_a_cookie_is_not_sent_back(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(ok(b"<r/>", "Set-Cookie: planted=planted; Path=/", "Set-Cookie: b=c")))
    transport = reach(server)
    for _ in range(3):
        post(transport)
    assert server.connections == 1
    assert all("cookie" not in request.headers for request in server.requests)


@pytest.mark.parametrize("scheme", ['Basic realm="planted"', 'Digest realm="planted", nonce="x"', "Negotiate", "NTLM"])
@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_is_given_back_and_not_answered(
    serve: Any,
    reach: Any,
    wire: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    scheme: str,
    status: int,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login planted-user password planted-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    name = "WWW_Authenticate" if status == 401 else "Proxy_Authenticate"
    server = serve(wire.always(wire.http("no", status=status, content_type="text/html", **{name: scheme})))
    assert post(reach(server)) == Reply(status, "text/html", b"no")
    assert len(server.requests) == 1
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused(serve: Any, reach: Any, wire: SimpleNamespace, status: int) -> None:
    elsewhere = serve(wire.always(ok()))
    server = serve(wire.always(wire.http("", status=status, Location=f"https://127.0.0.1:{elsewhere.port}/planted")))
    assert refused(reach(server)).reason is Reason.REDIRECT_REFUSED
    assert (len(server.requests), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", [408, 413, 429, 500, 502, 503, 504])
def test_an_answer_that_asks_for_it_is_not_repeated(serve: Any, reach: Any, wire: SimpleNamespace, status: int) -> None:
    server = serve(wire.always(wire.http("later", status=status, Retry_After="0")))
    assert post(reach(server)).status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nplanted"])
def test_a_broken_new_connection_is_not_repeated(serve: Any, reach: Any, wire: SimpleNamespace, cut: bytes) -> None:
    server = serve(wire.always(cut, close=True))
    transport = reach(server)
    assert refused(transport).reason in (Reason.CONNECTION_CLOSED, Reason.HTTP_ERROR)
    assert (len(server.requests), server.connections) == (1, 1)


def test_a_refused_connection_is_tried_once(reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[object] = []

    def create_connection(address: object, timeout: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError("planted")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    assert refused(reach(9)).reason is Reason.CONNECTION_REFUSED
    assert dialled == [("127.0.0.1", 9)]


def test_the_environment_has_no_say(
    serve: Any,
    reach: Any,
    wire: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    certificates: SimpleNamespace,
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys"
    proxy, server = serve(wire.always(b""), plain=True), serve(wire.always(ok()))
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    for scheme in ("http", "https", "all"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://planted:planted@127.0.0.1:{proxy.port}")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(certificates.other.path))
    not_made_before = CaBundle(f"of {tmp_path}\n{certificates.good.pem}")
    assert post(reach(server, trust=not_made_before)).status == 200
    other = serve(wire.always(ok()), certificates.other)
    assert refused(reach(other, trust=not_made_before)).reason is Reason.CERTIFICATE_UNTRUSTED
    assert (proxy.connections, other.received) == (0, 0)
    assert not keys.exists()


def test_the_request_line_is_all_that_is_logged(
    serve: Any, reach: Any, wire: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(wire.always(ok(b"planted", "X-Planted: planted", "planted")))
    transport = reach(server)
    transport.post(
        BODY, {**HEADERS, "SOAPAction": '"planted"'}, limit=LIMIT, repeatable=True, basic=("planted-user", "planted-pw")
    )
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    logged = [(record.name, record.getMessage()) for record in caplog.records]
    assert logged == [
        ("urllib3.connectionpool", f"Starting new HTTPS connection (1): 127.0.0.1:{server.port}"),
        (
            "urllib3.connectionpool",
            f'https://127.0.0.1:{server.port} "POST /service/cerberusftpservice HTTP/1.1" 200 7',
        ),
    ]


# What a server may answer


def test_a_request_to_go_on_is_passed_over(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(b"HTTP/1.1 100 Continue\r\nX: planted\r\n\r\n" * 3 + ok()))
    transport = reach(server)
    assert [post(transport).body, post(transport).body] == [b"<r/>", b"<r/>"]
    assert server.connections == 1


@pytest.mark.parametrize("status", [101, 102, 103, 199])
def test_no_other_interim_reply_is_taken_for_the_reply(
    serve: Any, reach: Any, wire: SimpleNamespace, status: int
) -> None:
    """The reply that follows it must not become that of the next request."""

    def script(server: Any, connection: ssl.SSLSocket, request: Any) -> None:
        number = len(server.requests)
        if number == 1:
            connection.sendall(f"HTTP/1.1 {status} planted\r\nLink: planted\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            connection.sendall(ok(b"%d" % number))

    server = serve(script)
    transport = reach(server)
    assert refused(transport).reason is Reason.HTTP_ERROR
    assert post(transport).body == b"2"
    assert server.connections == 2


def test_a_flood_of_interim_replies_ends_long_before_the_deadline(
    serve: Any, reach: Any, wire: SimpleNamespace
) -> None:
    sent = 0

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        nonlocal sent
        while not server.stopping.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            sent += 1

    failure = refused(reach(serve(script), deadline=60))
    assert failure.reason is Reason.HTTP_ERROR
    assert failure.message == "the head of the reply has no end"
    assert 1024 * 1024 <= sent * 2500 < 16 * 1024 * 1024


def test_a_head_of_many_long_lines_is_refused(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    """Each line and their number are within what the libraries allow."""
    line = b"X: " + b"planted" * 9000 + b"\r\n"
    server = serve(wire.always(b"HTTP/1.1 200 OK\r\n" + line * 99 + b"\r\n", close=True))
    assert refused(reach(server)).reason is Reason.HTTP_ERROR


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 planted",
        b"HTTP/2 200 planted",
        b"HTTP/2.0 200 planted",
        b"HTTP/1.1 99 planted",
        b"HTTP/1.1 1000 planted",
        b"HTTP/1.1 -200 planted",
        b"HTTP/1.1 2e2 planted",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 planted",
        b"ICY 200 planted",
        b"\x00planted",
        b"\xff\xfe\xfd",
        b"planted" * 10_000,
    ],
    ids=len,
)
def test_an_odd_status_line_is_not_http(serve: Any, reach: Any, wire: SimpleNamespace, head: bytes) -> None:
    server = serve(wire.always(head + b"\r\nContent-Length: 0\r\n\r\n", close=True))
    assert refused(reach(server)).reason is Reason.HTTP_ERROR


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("Content-Length: 4", "Content-Length: 5"), "two lengths"),
        (("Content-Length: 4", "Content-Length: 04"), "two lengths"),
        (("Content-Length: 4, 5",), "two lengths"),
        (("Transfer-Encoding: chunked", "Content-Length: 4", "Content-Length: 5"), "two lengths"),
        (("Transfer-Encoding: gzip, chunked",), "transfer encoding"),
        (("Transfer-Encoding: gzip",), "transfer encoding"),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "transfer encoding"),
    ],
    ids=str,
)
def test_a_reply_whose_end_can_be_seen_at_two_places_is_refused(
    serve: Any, reach: Any, wire: SimpleNamespace, lines: tuple[str, ...], complaint: str
) -> None:
    head = "\r\n".join(("HTTP/1.1 200 OK", "Content-Type: text/xml", *lines)).encode()
    server = serve(wire.always(head + b"\r\n\r\n4\r\n<r/>\r\n0\r\n\r\n", close=True))
    failure = refused(reach(server))
    assert failure.reason is Reason.HTTP_ERROR
    assert complaint in failure.message


@pytest.mark.parametrize(
    "chunks", [b"planted\r\n", b"-4\r\nplan\r\n", b"4;" + b"x" * 70_000 + b"\r\nplan\r\n"], ids=len
)
def test_chunks_that_are_none_end_the_reply(serve: Any, reach: Any, wire: SimpleNamespace, chunks: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(wire.always(head + chunks, close=True))
    assert refused(reach(server)).reason is Reason.CONNECTION_CLOSED


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "401 Unauthorized", "500 Error"])
def test_a_reply_with_an_empty_body_keeps_the_connection(
    serve: Any, reach: Any, wire: SimpleNamespace, status: str
) -> None:
    server = serve(wire.always(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))
    transport = reach(server)
    assert [post(transport).body for _ in range(3)] == [b"", b"", b""]
    assert server.connections == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_head_after_which_nothing_comes_is_no_reply(
    serve: Any, reach: Any, wire: SimpleNamespace, head: bytes
) -> None:
    assert refused(reach(serve(wire.always(head, close=True)))).reason is Reason.CONNECTION_CLOSED


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"0\r\n", b"Planted: trailer\r\n" * 1000),
        (b"", b"1;" + b"x" * 60_000 + b"\r\na\r\n"),
    ],
    ids=["trailers", "chunk extensions"],
)
def test_what_a_server_sends_around_a_reply_has_a_limit(serve: Any, reach: Any, first: bytes, more: bytes) -> None:
    sent = 0

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + first)
        while not server.stopping.is_set():
            connection.sendall(more)
            sent += len(more)

    assert refused(reach(serve(script)), 10_000).reason in (
        Reason.REPLY_TOO_LARGE,
        Reason.CONNECTION_CLOSED,
    )
    assert sent < 20 * 1024 * 1024, "the rest of what it sent was in buffers on the way"


def test_what_follows_a_reply_unasked_is_not_the_next_one(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    """The reply ends where the libraries end their first read, so that TLS keeps the rest."""
    ends = io.DEFAULT_BUFFER_SIZE - len(ok(b"", f"X: {'x' * 10}")) - 3

    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        body = b"%d" % len(server.requests)
        with contextlib.suppress(OSError):
            connection.sendall(ok(body.ljust(ends), f"X: {'x' * 10}") + ok(b"planted"))

    server = serve(script)
    transport = reach(server)
    assert [post(transport).body.strip() for _ in range(3)] == [b"1", b"2", b"3"]
    assert server.connections == 3


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError])
def test_an_answer_before_the_whole_request_was_read_is_read(
    reach: Any, certificates: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """The server answers and hangs up; whether the system keeps its answer is left out of the test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.path)
    answered, done = threading.Event(), threading.Event()
    real = BoundedSocket.send
    sent: list[int] = []

    def send(self: BoundedSocket, data: Any, flags: int = 0) -> int:
        if sent:
            assert answered.wait(10)
            raise error(errno.EPIPE if error is BrokenPipeError else errno.ECONNRESET, "planted")
        sent.append(real(self, data, flags))
        return sent[-1]

    monkeypatch.setattr(BoundedSocket, "send", send)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def attend() -> None:
            raw, _ = listener.accept()
            with context.wrap_socket(raw, server_side=True) as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")
                answered.set()
                done.wait(10)

        thread = threading.Thread(target=attend, daemon=True)
        thread.start()
        transport = reach(listener.getsockname()[1])
        reply = transport.post((b"x" * 100_000,), HEADERS, limit=LIMIT, repeatable=False)
        done.set()
        thread.join(10)
    assert reply == Reply(503, "", b"busy")
    assert len(sent) == 1


def test_a_server_that_takes_a_request_in_drips_is_left_at_the_deadline(
    reach: Any, certificates: SimpleNamespace
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.path)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

        def attend() -> None:
            raw, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
                while not done.wait(0.05) and connection.recv(16384):
                    pass

        thread = threading.Thread(target=attend, daemon=True)
        thread.start()
        transport = reach(listener.getsockname()[1], deadline=1.5)
        began = time.monotonic()
        with pytest.raises(Failure) as caught:
            transport.post((b"x" * 30_000_000,), HEADERS, limit=LIMIT, repeatable=False)
        done.set()
        thread.join(10)
    assert caught.value.reason is Reason.DEADLINE
    assert_clean(caught.value)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("drip", [b"1\r\nx\r\n", b"0\r\n" + b"X: planted\r\n" * 400], ids=["chunks", "trailers"])
def test_a_chunked_reply_in_drips_is_left_at_the_deadline(
    serve: Any, reach: Any, wire: SimpleNamespace, drip: bytes
) -> None:
    def script(server: Any, connection: ssl.SSLSocket, _: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            for byte in drip:
                connection.sendall(bytes([byte]))
                if server.stopping.wait(0.03):
                    return

    began = time.monotonic()
    assert refused(reach(serve(script), deadline=0.8)).reason is Reason.DEADLINE
    assert time.monotonic() - began < 4


# Any answer

LINES = st.sampled_from(
    [
        b"Content-Length: 4", b"Content-Length: 04", b"Content-Length: -1", b"Content-Length: 4, 4",
        b"Content-Length: 9999999999", b"Content-Length: planted", b"Content-Length:", b"Content-Length: 4\x00",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: identity",
        b"Content-Type: text/xml", b"Content-Type: planted\xff", b"Content-Encoding: gzip", b"Set-Cookie: planted=1",
        b"Connection: close", b"Connection: keep-alive", b"Retry-After: planted", b"Location: //planted",
        b" planted", b"planted", b": planted", b"X: planted\r\n folded", b"X:\rplanted", b"Upgrade: h2c",
        b"Content-Type: multipart/mixed; boundary=planted", b"Content-Type: message/rfc822",
    ]
)  # fmt: skip
STATUS = st.one_of(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 planted", b"HTTP/1.1 500 planted"]),
    st.integers(0, 1100).map(lambda status: b"HTTP/1.1 %d planted" % status),
    st.binary(max_size=20),
)
ENDS = st.one_of(
    st.sampled_from([b"<r/>", b"", b"4\r\n<r/>\r\n0\r\n\r\n", b"4\r\n<r", b"z\r\n"]), st.binary(max_size=40)
)
ANSWERS = st.builds(
    lambda status, lines, gap, end: b"\r\n".join((status, *lines)) + gap + end,
    STATUS,
    st.lists(LINES, max_size=6),
    st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n", b""]),
    ENDS,
)


def test_any_answer_is_a_reply_or_a_reason(serve: Any, reach: Any, wire: SimpleNamespace) -> None:
    answer = b""

    def script(_: object, connection: ssl.SSLSocket, __: object) -> None:
        connection.sendall(answer)
        connection.close()

    server = serve(script)
    limit = 1000

    @settings(max_examples=300)
    @given(ANSWERS)
    def holds(generated: bytes) -> None:
        nonlocal answer
        answer = generated
        transport = reach(server)
        try:
            reply = post(transport, limit=limit)
        except Failure as failure:
            assert_clean(failure)
        else:
            assert 200 <= reply.status < 300 or 400 <= reply.status < 1000
            assert len(reply.body) <= limit
        transport.close()

    holds()


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress)]
)
@pytest.mark.parametrize("body", [b"", b"<r/>", b"<r>" + b"planted" * 200_000 + b"</r>"], ids=len)
def test_a_reply_that_is_compressed_unasked_is_read(
    serve: Any, reach: Any, wire: SimpleNamespace, coding: str, compress: Callable[[bytes], bytes], body: bytes
) -> None:
    server = serve(wire.always(ok(compress(body), f"Content-Encoding: {coding}")))
    transport = reach(server)
    assert [post(transport, limit=len(body) + 100).body for _ in range(2)] == [body, body]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (gzip.compress(bytes(100_000_000)), Reason.REPLY_TOO_LARGE),
        (gzip.compress(b"x" * 1001), Reason.REPLY_TOO_LARGE),
        (gzip.compress(gzip.compress(bytes(1_000_000)))[:-9], Reason.REPLY_MALFORMED),
        (gzip.compress(b"planted")[:-1], Reason.REPLY_MALFORMED),
        (gzip.compress(b"planted") + b"planted", Reason.REPLY_MALFORMED),
        (b"planted", Reason.REPLY_MALFORMED),
    ],
    ids=range(6),
)
def test_a_compressed_reply_counts_as_what_it_says(
    serve: Any, reach: Any, wire: SimpleNamespace, body: bytes, reason: Reason
) -> None:
    transport = reach(serve(wire.always(ok(body, "Content-Encoding: gzip"))))
    assert refused(transport, 1000 if reason is Reason.REPLY_TOO_LARGE else LIMIT).reason is reason


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "planted"])
def test_another_compression_is_no_soap(serve: Any, reach: Any, wire: SimpleNamespace, coding: str) -> None:
    assert refused(reach(serve(wire.always(ok(b"x", f"Content-Encoding: {coding}"))))).reason is Reason.NOT_SOAP
