"""The HTTPS server: one listening socket, one thread per connection, any number of servers in a process."""

import base64
import binascii
import gzip
import socket
import threading
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from local.cerberus import contract, soap
from local.cerberus.certificates import Identity, self_signed
from local.cerberus.faults import Active, Fault, FaultPlan, Kind
from local.cerberus.operations import WRITES
from local.cerberus.soap import Behaviour, Reply
from local.cerberus.state import ServerState, Snapshot

HOST = "127.0.0.1"
_BACKLOG = 128
_IDLE_SECONDS = 60.0
_MAX_KEEP_ALIVE = 100
_WSDL_NOTICE = b"<!DOCTYPE html><html><body><h1>Service description</h1><p>See your installation.</p></body></html>"
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>"


@dataclass(frozen=True)
class Options:
    """The behaviour of a server. ``latency`` is in seconds per call; ``wsdl_notice``: a GET of the WSDL returns a
    page.
    """

    behaviour: Behaviour = field(default_factory=Behaviour)
    latency: float = 0.0
    wsdl_notice: bool = False


@dataclass(frozen=True)
class Request:
    """One received request.

    ``operation`` is empty if the request names no operation of the contract. ``at`` is in seconds since the epoch,
    ``size`` in bytes. ``basic``: the request had an Authorization header. ``connection`` numbers the connections of
    this server.
    """

    operation: str
    at: float
    size: int
    basic: bool
    connection: int
    path: str
    content_type: str

    @property
    def writes(self) -> bool:
        """Whether the request's operation changes something."""
        return self.operation in WRITES


class RunningServer(ABC):
    """A server on 127.0.0.1, in this process or in its own, as a context manager that stops it."""

    port: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        return HOST

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}{contract.PATHS[0]}"

    @property
    @abstractmethod
    def requests(self) -> list[Request]:
        """The requests since the start or ``forget_requests``, in order."""

    @property
    def writes(self) -> list[Request]:
        """The requests of write operations, whatever their result."""
        return [request for request in self.requests if request.writes]

    @abstractmethod
    def stop(self) -> None: ...


class LocalServer(RunningServer):
    """A server in this process, which starts when its context is entered.

    ``port`` 0 selects a free port, which stays reserved until the end, even while connections are refused.
    """

    def __init__(
        self,
        state: ServerState,
        *,
        identity: Identity | None = None,
        options: Options | None = None,
        port: int = 0,
    ) -> None:
        self.state = state
        self.identity = identity or self_signed()
        self.options = options or Options()
        self.faults = FaultPlan()
        self.port = port
        self.service = soap.Service(state, self.options.behaviour)
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._connections: set[socket.socket] = set()
        self._count = 0
        self._socket: socket.socket | None = None
        self._refusing = False
        self._context = self.identity.server_context()

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def fingerprint(self) -> str:
        return self.identity.fingerprint

    @property
    def ca_pem(self) -> str:
        return self.identity.ca_pem

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def forget_requests(self) -> None:
        with self._lock:
            self._requests.clear()

    def snapshot(self) -> Snapshot:
        return self.state.snapshot()

    def fault(self, kind: Kind, operation: str = "*", **details: Any) -> None:
        """Add one fault; the keywords are those of ``Fault``."""
        self.faults.add(Fault(kind, operation, **details))

    def clear_faults(self) -> None:
        """Remove all faults and accept connections again."""
        self.faults.clear()
        self.accept_connections()

    def start(self) -> None:
        self.stopped.clear()
        self._socket = _bound(self.port)
        self.port = self._socket.getsockname()[1]
        self._refusing = False
        self._listen(self._socket)

    def stop(self) -> None:
        """Close everything at once. Pending replies are abandoned."""
        self.stopped.set()
        with self._lock:
            self._close_socket()
        self._end_connections()

    def refuse_connections(self) -> None:
        """Close the port but keep its number: the operating system refuses connections."""
        with self._lock:
            if self._refusing or self._socket is None:
                return
            self._refusing = True
            self._close_socket()
            self._socket = _bound(self.port)  # the socket is bound but does not listen
        self._end_connections()

    def accept_connections(self) -> None:
        """Undo ``refuse_connections``."""
        with self._lock:
            if self._refusing and self._socket is not None:
                self._refusing = False
                self._listen(self._socket)

    def record(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def _listen(self, listener: socket.socket) -> None:
        listener.listen(_BACKLOG)
        threading.Thread(target=self._accept, args=(listener,), name=f"accept-{self.port}", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return  # shut down
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        connection.settimeout(_IDLE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            secured = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        except OSError:
            connection.close()
            return
        with secured:
            with self._lock:
                self._count += 1
                number = self._count
                self._connections.add(secured)
            try:
                if not self.stopped.is_set():
                    secured.do_handshake()
                    _handler(self, number)(secured, address, None)
            except OSError:
                pass  # the client went away, refused the certificate, or the server stopped
            finally:
                with self._lock:
                    self._connections.discard(secured)

    def _close_socket(self) -> None:
        if self._socket is not None:
            _shut(self._socket)
            self._socket.close()
            self._socket = None

    def _end_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut(connection)


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


def _shut(connection: socket.socket) -> None:
    """Wake threads that wait on this socket, and end the connection."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the connection had ended already


class _Dropped(Exception):
    """The connection ends without a (complete) reply."""


def _handler(server: LocalServer, number: int) -> Callable[..., BaseHTTPRequestHandler]:
    """A request handler class for one connection of one server."""
    return type("Handler", (_Handler,), {"local": server, "number": number, "served": 0})


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests and sends replies until either side closes it."""

    protocol_version = "HTTP/1.1"
    local: LocalServer
    number: int
    served: int

    def version_string(self) -> str:
        return "gSOAP/2.8"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name in the standard library
        """Print nothing: requests are recorded instead."""

    def do_GET(self) -> None:
        if self.local.options.wsdl_notice and self.path.partition("?")[0] == contract.PATHS[1]:
            self._send(Reply(200, "text/html; charset=utf-8", (_WSDL_NOTICE,)), Active())
            return
        self._send(_method_refused(), Active())

    def do_PUT(self) -> None:
        self._send(_method_refused(), Active())

    def do_POST(self) -> None:
        try:
            self._exchange()
        except _Dropped:
            self.close_connection = True
            _shut(self.connection)

    def _exchange(self) -> None:
        body = self._read_body()
        if self.path.partition("?")[0] not in contract.PATHS:
            self._send(Reply(404, "text/html; charset=utf-8", (_PAGE,), close=True), Active())
            return
        message = soap.parse(body)
        self.local.record(
            Request(
                operation=message.operation,
                at=time.time(),
                size=len(body),
                basic="Authorization" in self.headers,
                connection=self.number,
                path=self.path,
                content_type=self.headers.get("Content-Type", ""),
            )
        )
        active = self.local.faults.take(message.operation)
        self._wait(self.local.options.latency + (slow.seconds if (slow := active.get(Kind.SLOW)) else 0.0))
        if Kind.REFUSE in active:
            self.local.refuse_connections()
            raise _Dropped
        if Kind.CLOSE_BEFORE_REPLY in active:
            raise _Dropped
        reply = self._instead(active) or self.local.service.answer(message, active)
        if Kind.CLOSE_AFTER_STORING in active:
            raise _Dropped
        self._send(reply, active)

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.local.stopped.wait(seconds):
            raise _Dropped

    def _instead(self, active: Active) -> Reply | None:
        """The reply of an intermediate machine, or of a server that does not carry out the operation."""
        fault = active.first_of((Kind.BASIC_NEVER, Kind.BASIC_REQUIRED, Kind.HTML, Kind.REDIRECT, Kind.HTTP_500))
        if fault is None:
            return None
        if fault.kind is Kind.HTML:
            return Reply(200, "text/html; charset=utf-8", (_PAGE,))
        if fault.kind is Kind.REDIRECT:
            target = fault.text or "https://elsewhere.example/service"
            return Reply(302, "text/html", (b"",), {"Location": target}, close=True)
        if fault.kind is Kind.HTTP_500:
            return Reply(500, "text/plain", (b"Internal Server Error",), close=True)
        if fault.kind is Kind.BASIC_REQUIRED and self._basic_accepted():
            return None
        return Reply(401, "text/html", (b"",), {"WWW-Authenticate": 'Basic realm="gSOAP Web Service"'}, close=True)

    def _basic_accepted(self) -> bool:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.local.state.accepts(user, password)

    def _read_body(self) -> bytes:
        """The whole decoded body. An invalid body ends the connection."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        zipped = self.headers.get("Content-Encoding", "").lower() == "gzip"
        try:
            body = self._read_chunks() if chunked else self._read_exactly(int(self.headers.get("Content-Length", "0")))
            return gzip.decompress(body) if zipped else body
        except (ValueError, EOFError, gzip.BadGzipFile, zlib.error):
            raise _Dropped from None

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self._read_exactly(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _read_exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) < size:
            raise _Dropped
        return data

    def _send(self, reply: Reply, active: Active) -> None:
        type(self).served += 1
        close = reply.close or self.served >= _MAX_KEEP_ALIVE or self.request_version == "HTTP/1.0"
        close = close or self.headers.get("Connection", "").lower() == "close"
        content_type = "text/html" if Kind.WRONG_CONTENT_TYPE in active else reply.content_type
        length = sum(len(piece) for piece in reply.body)
        promise = active.get(Kind.PROMISE)
        self.send_response(reply.status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(promise.size or 256 * 1024 * 1024 if promise else length))
        if (Kind.GZIP in active or Kind.BOMB in active) and reply.status == HTTPStatus.OK:
            self.send_header("Content-Encoding", "gzip")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if close:
            self.send_header("Connection", "close")
        else:
            self.send_header("Connection", "keep-alive")
            self.send_header("Keep-Alive", f"timeout={_IDLE_SECONDS:.0f}, max={_MAX_KEEP_ALIVE}")
        self.close_connection = close
        self.end_headers()
        self._send_body(reply.body, length, active)

    def _send_body(self, pieces: tuple[bytes, ...], length: int, active: Active) -> None:
        if Kind.CLOSE_MID_REPLY in active:
            self.wfile.write(b"".join(pieces)[: length // 2])
            raise _Dropped
        if drip := active.get(Kind.DRIP):
            body, step = b"".join(pieces), drip.size or 1
            for start in range(0, length, step):
                self.wfile.write(body[start : start + step])
                self._wait(drip.seconds)
            return
        for piece in pieces:
            self.wfile.write(piece)
        if Kind.PROMISE in active:
            raise _Dropped


def _method_refused() -> Reply:
    return soap.fault_reply(soap.Shape.SOAP_12, "HTTP method not implemented", status=405)
