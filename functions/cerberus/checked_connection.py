"""The connection that requests uses: it dials a checked address and checks the certificate before a byte is sent.

requests and urllib3 speak HTTP. This module replaces their connection through
the methods they offer for it: ``connect`` of urllib3's connection, and those
of requests' adapter that choose a connection, a trust and a path. Nothing is
taken from the environment, a URL or an earlier reply. The adapter is used
without a Session, which would follow redirects, keep cookies and read .netrc.
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

# urllib3 warns of headers that it cannot read, and quotes them.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

_LARGEST_HEAD = 1024 * 1024
"""Bytes that may come before a reply's body, interim replies included; their number is limited by nothing else."""


_SILENT_ADDRESSES = 3
"""Addresses of one name that may be silent, one after the other, before the name counts as silent."""


@dataclass
class Dialer:
    """Dials one server. After the first connection every later one uses the same ``address``.

    A name may have the addresses of several machines, and its addresses may
    change. What was learnt of the machine behind one address says nothing of
    another one. ``not_at`` is a server that this one must not turn out to be:
    a name that answers in turn can have led elsewhere when somebody compared.
    """

    host: str
    port: int
    policy: AddressPolicy
    not_at: Address | None = None
    address: str | None = None

    def dial(self, *, timeout: float, deadline: Deadline) -> socket.socket:
        """A TCP connection to the address found before, else to the first one of the host that answers.

        ``timeout`` (seconds) holds for each address, and three times as much for all of
        them, however many the name has. Raises Failure with NAME_NOT_RESOLVED, ADDRESS_FORBIDDEN,
        SAME_AS_PRIMARY, CONNECTION_REFUSED, CONNECT_TIMEOUT, CONNECTION_FAILED or DEADLINE.
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
        """Raise Failure(SAME_AS_PRIMARY) when one of these addresses is the server's that must not be dialed."""
        if self.not_at is None or self.not_at[1] != self.port:
            return
        if not all_addresses(self.not_at[0], self.policy, deadline).isdisjoint(map(canonical_host, candidates)):
            raise Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself; nobody has logged in")


@dataclass
class Peer:
    """One server as connections are made to it, and what they learn of it.

    ``reply_limit`` is the most that the body of a reply may hold, in bytes.
    ``attempts`` counts the attempts to connect; ``certificate`` (DER) is the
    one that was accepted last, None before the first.
    """

    dialer: Dialer
    trust: Trust
    timeouts: Timeouts
    reply_limit: int
    deadline: Deadline
    attempts: int = 0
    certificate: bytes | None = None

    def connect(self) -> BoundedSocket:
        """A connection. Raises what ``Dialer.dial`` and ``handshake`` raise, and CERTIFICATE_PIN_MISMATCH."""
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
    """urllib3's connection; when ``connect`` returns, address and certificate have been checked.

    No wait for the server is longer than ``peer.timeouts.read``, and none
    lasts beyond the deadline, whatever time-outs urllib3 sets. The bytes of a
    reply are counted as they arrive, those around its body included: chunk
    extensions and trailers have no limit in HTTP.
    """

    def __init__(self, host: str, port: int | None = None, *, peer: Peer, **settings: Any) -> None:
        super().__init__(host, port, **settings)
        self._peer = peer
        self._head_limit: int | None = None
        self._reply_limit: int | None = None

    @override
    def connect(self) -> None:
        """Make the connection. Raises what ``Peer.connect`` raises."""
        secure = self._peer.connect()
        secure.wait_limit = self._wait_limit
        self.sock = secure
        self.is_verified = True  # by the system's roots, the own CA or a pin; urllib3 warns unless it is set

    @property
    @override
    def is_connected(self) -> bool:
        """Whether it can take a request: it is open, and nothing has arrived that nobody asked for."""
        unread = isinstance(self.sock, BoundedSocket) and self.sock.pending()
        return super().is_connected and not unread

    @override
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # so does urllib3: http.client gives another one
        """The reply as soon as its head is there.

        Raises Failure(HTTP_ERROR) if the head does not end. Reading the body raises Failure(REPLY_TOO_LARGE) when the
        server sends more than a head and twice the body's limit.
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
            raise Failure(Reason.HTTP_ERROR, "the head of the reply does not end")
        if self._reply_limit is not None and self._received() > self._reply_limit:
            raise Failure(Reason.REPLY_TOO_LARGE, "what the server sends around the reply does not end")
        return self._peer.deadline.bounded(self._peer.timeouts.read)


class CheckedPool(HTTPSConnectionPool):
    """Keeps the one connection that there is with a server."""

    ConnectionCls = CheckedConnection


class CheckedAdapter(HTTPAdapter):
    """requests' adapter for one server, whatever host a URL names: one kept connection, never through a proxy.

    urllib3 repeats nothing. For the thread that uses it first; ``close`` it.
    """

    def __init__(self, peer: Peer) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(False))
        self._peer = peer
        self._pool = self._new_pool()

    @override
    def close(self) -> None:
        """Close the connection; the next request would open another one."""
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
        """The one there is."""
        return self._pool

    @override
    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Choose no CA file: ``Peer.connect`` decides on the certificate."""

    @override
    def request_url(self, request: PreparedRequest, proxies: Mapping[str, str] | None) -> str:
        """The path alone, as there is no proxy that would need the whole URL."""
        return request.path_url

    @override
    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        """The status, and the open reply as ``raw``. Cookies and encodings are not looked at."""
        response = Response()
        response.request = req
        response.status_code = resp.status
        response.raw = resp
        return response

    def _new_pool(self) -> CheckedPool:
        return CheckedPool(self._peer.dialer.host, self._peer.dialer.port, maxsize=1, peer=self._peer)
