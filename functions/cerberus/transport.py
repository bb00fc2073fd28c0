"""One HTTPS session with one server: posts a request, gives back a complete reply or a reason.

This is the border that no exception of requests, urllib3, ssl or socket
crosses: their texts can hold what was sent or received.
"""

import http.client
import logging
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import requests
import urllib3.exceptions
from requests.auth import HTTPBasicAuth

from cerberus.connection import CheckedAdapter, Route, bounded
from cerberus.endpoint import Endpoint
from common.deadline import Deadline
from common.reasons import Failure, Reason

PATH = "/service/cerberusftpservice"
"""Where a Cerberus server answers SOAP."""

_CHUNK = 64 * 1024
_CLOSED = (
    http.client.IncompleteRead,
    http.client.RemoteDisconnected,
    urllib3.exceptions.IncompleteRead,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)

# Never below these levels, whatever the root logger is set to: at DEBUG these libraries tell more than may be
# logged, and urllib3.connection warns of headers it cannot read by quoting them.
for _name, _level in (
    ("requests", logging.WARNING),
    ("urllib3", logging.WARNING),
    ("urllib3.connectionpool", logging.WARNING),
    ("urllib3.connection", logging.ERROR),
):
    logging.getLogger(_name).setLevel(_level)


@dataclass(frozen=True)
class Reply:
    """A complete answer. ``body`` is never shown by repr."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


class Transport:
    """Posts to one server, by ``route``.

    Belongs to the thread that uses it first; close it, or use it in a ``with`` statement.
    """

    def __init__(self, endpoint: Endpoint, deadline: Deadline, route: Route) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._owner: int | None = None
        self._adapter = CheckedAdapter(
            route, trust=endpoint.trust, deadline=deadline, read_timeout=endpoint.timeouts.read
        )
        self._session = _Session()
        self._session.adapters.clear()
        self._session.mount("https://", self._adapter)
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self._url = f"https://{host}:{endpoint.port}{PATH}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def certificate(self) -> bytes | None:
        """The certificate (DER) that was accepted last, None before the first connection."""
        return self._adapter.certificate

    def close(self) -> None:
        """Close the connection; the next post would open another one."""
        self._session.close()

    def post(
        self, body: bytes, headers: Mapping[str, str], *, repeatable: bool, basic: tuple[str, str] | None = None
    ) -> Reply:
        """Send ``body`` and read the whole answer, whatever its status.

        A kept connection that the server closed before it answered anything is
        replaced once if ``repeatable``. ``basic`` adds Basic authentication.
        Raises Failure with a reason of the connection, REDIRECT_REFUSED,
        REPLY_TOO_LARGE or DEADLINE, and RuntimeError in a second thread.
        """
        self._claim()
        request = self._session.prepare_request(
            requests.Request("POST", self._url, data=body, headers=dict(headers), auth=_basic_auth(basic))
        )
        connections = self._adapter.connections
        try:
            response = self._send(request)
        except Failure as failure:
            stale = failure.reason is Reason.CONNECTION_CLOSED and connections == self._adapter.connections
            if not (stale and repeatable):
                raise
            response = None
        return self._read(self._send(request) if response is None else response)

    def _claim(self) -> None:
        current = threading.get_ident()
        self._owner = self._owner or current
        if self._owner != current:
            raise RuntimeError("a client belongs to the thread that used it first")

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        timeouts = self._endpoint.timeouts
        wait = (bounded(timeouts.connect, self._deadline), bounded(timeouts.read, self._deadline))
        try:
            return self._session.send(request, timeout=wait, stream=True, allow_redirects=False)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = self._explain(error)
        raise failure

    def _read(self, response: requests.Response) -> Reply:
        try:
            if response.is_redirect or 300 <= response.status_code < 400:
                raise Failure(
                    Reason.REDIRECT_REFUSED, f"the server answered with a redirect, HTTP {response.status_code}"
                )
            body = self._body(response)
            return Reply(response.status_code, response.headers.get("Content-Type", ""), body)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = self._explain(error)
        finally:
            response.close()
        raise failure

    def _body(self, response: requests.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failure(Reason.NOT_SOAP, "the answer is compressed although that was not asked for")
        limit = self._endpoint.reply_limit
        length = response.raw.length_remaining  # of the Content-Length header; None when there is none
        if length is not None and length > limit:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(min(_CHUNK, limit - size + 1), decode_content=False):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> Failure:
        return Failure(
            Reason.REPLY_TOO_LARGE, f"the reply is larger than the limit of {self._endpoint.reply_limit} bytes"
        )

    def _explain(self, error: BaseException) -> Failure:
        """The reason for what a library raised. Nothing of its text is kept."""
        origins = tuple(_origins(error))

        def caused_by(*kinds: type[BaseException]) -> bool:
            return any(isinstance(origin, kinds) for origin in origins)

        if caused_by(TimeoutError, urllib3.exceptions.TimeoutError):
            if self._deadline.remaining() <= 0:
                return Failure(Reason.DEADLINE, "the time of this run was used up while waiting for the server")
            return Failure(Reason.READ_TIMEOUT, "the server went silent")
        if caused_by(*_CLOSED):
            return Failure(Reason.CONNECTION_CLOSED, "the server closed the connection before its reply was complete")
        if caused_by(ssl.SSLError):
            return Failure(Reason.TLS_FAILED, "the TLS connection broke")
        if caused_by(http.client.HTTPException, requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader):
            return Failure(Reason.HTTP_ERROR, "the answer is not HTTP")
        return Failure(Reason.CONNECTION_FAILED, "the connection failed")


class _Session(requests.Session):
    """Takes nothing from the environment and follows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, CA bundles or .netrc
        self.headers.clear()
        self.headers.update({"User-Agent": "synchronization-manager", "Accept-Encoding": "identity"})

    def get_redirect_target(self, _: requests.Response) -> None:
        """None, always: even without following it, requests would read a redirect's body, of whatever size."""


def _basic_auth(credentials: tuple[str, str] | None) -> HTTPBasicAuth | None:
    if credentials is None:
        return None
    user, password = credentials
    return HTTPBasicAuth(user.encode(), password.encode())


def _origins(error: BaseException) -> Iterator[BaseException]:
    """``error`` and every exception that it was raised for or that it carries."""
    pending: list[Any] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
