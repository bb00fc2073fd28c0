"""The connection that ``requests`` uses: it connects to a checked address and checks the certificate before sending
anything.

``requests`` and ``urllib3`` implement HTTP. This module replaces their connection through public extension points. In
``urllib3`` that is the connection's ``connect``. In ``requests`` it is the adapter's methods that choose a connection,
a CA file and a path. No address, trust or path comes from the environment or an earlier reply. The adapter is used
without a Session, which would follow redirects, store cookies and read .netrc.
"""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, override

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.util import Retry

from cerberus.address_policy import AddressPolicy
from cerberus.endpoint import Timeouts
from cerberus.same_server import Address, all_addresses
from cerberus.tls import BoundedSocket, Trust, certificate_of, handshake
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.hosts import canonical_host

# urllib3's warnings about unreadable headers quote the headers, so they are switched off.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

_LARGEST_HEAD = 1024 * 1024
"""Maximum number of bytes before a reply's body. They include interim replies, which have no limit of their own."""


_SILENT_ADDRESSES = 3
"""Maximum number of unresponsive addresses of one name that are tried before the name counts as unresponsive."""


@dataclass
class Dialer:
    """Opens TCP connections to one server. After the first connection, all later ones use the same ``address``.

    A name may resolve to several machines, and its addresses may change. Facts about the machine at one address do not
    apply to the machine at another. ``not_at`` is the primary, to which a backup's connection must not lead. It is
    compared at each connection, because a name with alternating addresses may have resolved differently before.
    """

    host: str
    port: int
    policy: AddressPolicy
    not_at: Address | None = None
    address: str | None = None

    def dial(self, *, timeout: float, deadline: Deadline) -> socket.socket:
        """A TCP connection to the address used before, otherwise to the first address of the host that answers.

        ``timeout`` (seconds) limits the attempt at each address; three times this time limits all attempts together.
        Raises Failure with NAME_NOT_RESOLVED, ADDRESS_FORBIDDEN, SAME_AS_PRIMARY, CONNECTION_REFUSED, CONNECT_TIMEOUT,
        CONNECTION_FAILED or DEADLINE.
        """
        failure = Failure(Reason.NAME_NOT_RESOLVED, "the host name does not resolve")
        candidates = self.policy.candidates(self.address or self.host, self.port, deadline=deadline)
        self._refuse_other(candidates, deadline)
        attempts = deadline.share(_SILENT_ADDRESSES * timeout)
        for address in candidates:
            if attempts.remaining() <= 0:
                break
            wait = attempts.bounded(timeout)
            try:
                raw = socket.create_connection((address, self.port), timeout=wait)
            except TimeoutError:
                failure = Failure(Reason.CONNECT_TIMEOUT, "no answer to the attempt to connect")
            except ConnectionRefusedError:
                failure = Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")
            except OSError:
                failure = Failure(Reason.CONNECTION_FAILED, "there is no way to the server's address")
            else:
                self.address = address
                return raw
        deadline.check()
        raise failure

    def _refuse_other(self, candidates: tuple[str, ...], deadline: Deadline) -> None:
        """Raise Failure(SAME_AS_PRIMARY) if one of ``candidates`` is an address of the primary, ``not_at``."""
        if self.not_at is None or self.not_at[1] != self.port:
            return
        if not all_addresses(self.not_at[0], self.policy, deadline).isdisjoint(map(canonical_host, candidates)):
            raise Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself; nobody has logged in")


@dataclass
class Peer:
    """The connection parameters of one server, and the results of its connections.

    ``reply_limit`` is the maximum size of a reply's body in bytes. ``attempts`` is the number of connection attempts;
    ``certificate`` (DER) is the last accepted one, None before the first.
    """

    dialer: Dialer
    trust: Trust
    timeouts: Timeouts
    reply_limit: int
    deadline: Deadline
    attempts: int = 0
    certificate: bytes | None = None

    def connect(self) -> BoundedSocket:
        """Open a connection. Raises the failures of ``Dialer.dial`` and ``handshake``, and CERTIFICATE_PIN_MISMATCH."""
        self.attempts += 1
        wait, host = self.timeouts.connect, self.dialer.host
        raw = self.dialer.dial(timeout=wait, deadline=self.deadline)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secure = handshake(raw, self.trust.context(), host, timeout=wait, deadline=self.deadline)
        try:
            certificate = certificate_of(secure)
            self.trust.accept(certificate)
        except Failure:
            secure.close()
            raise
        self.certificate = certificate
        return secure


class CheckedConnection(HTTPSConnection):
    """A connection of ``urllib3``; when ``connect`` returns, address and certificate have been checked.

    No wait for the server is longer than ``peer.timeouts.read`` or lasts beyond the deadline, whatever time-outs
    ``urllib3`` sets. All received bytes are counted, not only the body: HTTP does not limit chunk extensions and
    trailers.
    """

    def __init__(self, host: str, port: int | None = None, *, peer: Peer, **settings: Any) -> None:
        super().__init__(host, port, **settings)
        self._peer = peer
        self._head_limit: int | None = None
        self._reply_limit: int | None = None

    @override
    def connect(self) -> None:
        """Open the connection. Raises the failures of ``Peer.connect``."""
        secure = self._peer.connect()
        secure.wait_limit = self._wait_limit
        self.sock = secure
        self.is_verified = True  # the certificate was checked above; without this flag urllib3 warns

    @property
    @override
    def is_connected(self) -> bool:
        """Whether the connection can send a request: it is open, and no unrequested data has arrived."""
        unread = isinstance(self.sock, BoundedSocket) and self.sock.pending()
        return super().is_connected and not unread

    @override
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 overrides the type too
        """The reply as soon as its head has arrived.

        Raises Failure(HTTP_ERROR) if the head is longer than 1 MiB. Reading the body raises Failure(REPLY_TOO_LARGE) if
        the server sends more bytes than 1 MiB and twice the body's limit.
        """
        self._head_limit = self._received() + _LARGEST_HEAD
        self._reply_limit = self._head_limit + 2 * self._peer.reply_limit
        try:
            return super().getresponse()
        finally:
            self._head_limit = None

    def _received(self) -> int:
        return self.sock.received if isinstance(self.sock, BoundedSocket) else 0

    def _wait_limit(self) -> float:
        if self._head_limit is not None and self._received() > self._head_limit:
            raise Failure(Reason.HTTP_ERROR, "the head of the reply has no end")
        if self._reply_limit is not None and self._received() > self._reply_limit:
            raise Failure(Reason.REPLY_TOO_LARGE, "the bytes that the server sends around the reply have no end")
        return self._peer.deadline.bounded(self._peer.timeouts.read)


class CheckedPool(HTTPSConnectionPool):
    """A pool with one connection to one server."""

    ConnectionCls = CheckedConnection


class CheckedAdapter(HTTPAdapter):
    """An adapter for ``requests`` that always connects to one server, over one reused connection, never through a
    proxy.

    Requests are never retried. Only the thread that used the adapter first may use it. The caller must ``close`` it.
    """

    def __init__(self, peer: Peer) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(False))
        self._peer = peer
        self._pool = self._new_pool()

    @override
    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        super().close()
        self._pool.close()
        self._pool = self._new_pool()

    @override
    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: tuple[str, str] | str | None = None,
    ) -> CheckedPool:
        """The pool of the only server."""
        return self._pool

    @override
    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Set no CA file: ``Peer.connect`` checks the certificate."""

    @override
    def request_url(self, request: PreparedRequest, proxies: Mapping[str, str] | None) -> str:
        """The path only, because no proxy needs the whole URL."""
        return request.path_url

    @override
    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        """The response with the status, and the unread reply as ``raw``. Cookies and encodings are ignored."""
        response = Response()
        response.request = req
        response.status_code = resp.status
        response.raw = resp
        return response

    def _new_pool(self) -> CheckedPool:
        return CheckedPool(self._peer.dialer.host, self._peer.dialer.port, maxsize=1, peer=self._peer)
