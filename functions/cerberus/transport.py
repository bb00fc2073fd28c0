"""One HTTPS connection with one server: posts a request, gives back a complete reply or a reason.

This is the border that no exception of http.client, ssl or socket crosses:
their texts can hold what was sent or received. Nothing is taken from the
environment (proxies, CA bundles, .netrc), and no redirect is followed.
"""

import base64
import http.client
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cerberus.connection import CheckedConnection, Route, bounded
from cerberus.endpoint import Endpoint
from common.deadline import Deadline
from common.errors import Failure, Reason

PATH = "/service/cerberusftpservice"
"""Where a Cerberus server answers SOAP."""

_CHUNK = 16 * 1024  # what TLS sends at a time
_HEADERS = {"User-Agent": "synchronization-manager", "Accept": "*/*", "Accept-Encoding": "identity"}
_CLOSED = (
    http.client.IncompleteRead,
    http.client.RemoteDisconnected,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)


@dataclass(frozen=True)
class Reply:
    """A complete answer. ``body`` is never shown by repr."""

    status: int
    content_type: str
    body: bytes | bytearray = field(repr=False)


class Transport:
    """Posts to one server, by ``route``.

    Belongs to the thread that uses it first; close it, or use it in a ``with`` statement.
    """

    def __init__(self, endpoint: Endpoint, deadline: Deadline, route: Route) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._owner: int | None = None
        self._connection = CheckedConnection(
            route,
            trust=endpoint.trust,
            timeout=endpoint.timeouts.connect,
            read_timeout=endpoint.timeouts.read,
            deadline=deadline,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def certificate(self) -> bytes | None:
        """The certificate (DER) that was accepted last, None before the first connection."""
        return self._connection.certificate

    def close(self) -> None:
        """Close the connection; the next post would open another one."""
        self._connection.close()

    def post(
        self,
        body: Sequence[bytes],
        headers: Mapping[str, str],
        *,
        repeatable: bool,
        basic: tuple[str, str] | None = None,
    ) -> Reply:
        """Send the pieces of ``body`` and read the whole answer, whatever its status.

        A kept connection that the server closed before it answered anything is
        replaced once if ``repeatable``. ``basic`` adds Basic authentication.
        Raises Failure with a reason of the connection, REDIRECT_REFUSED,
        REPLY_TOO_LARGE or DEADLINE, and RuntimeError in a second thread.
        """
        self._claim()
        sent = {**_HEADERS, **headers, "Content-Length": str(sum(map(len, body))), **_basic_auth(basic)}
        attempts = self._connection.attempts
        try:
            response = self._send(body, sent)
        except Failure as failure:
            stale = failure.reason is Reason.CONNECTION_CLOSED and attempts == self._connection.attempts
            if not (stale and repeatable):
                raise
            response = None
        return self._read(self._send(body, sent) if response is None else response)

    def _claim(self) -> None:
        current = threading.get_ident()
        self._owner = self._owner or current
        if self._owner != current:
            raise RuntimeError("a client belongs to the thread that used it first")

    def _send(self, body: Sequence[bytes], headers: Mapping[str, str]) -> http.client.HTTPResponse:
        bounded(self._endpoint.timeouts.read, self._deadline)
        try:
            self._connection.close_if_dropped()
            try:
                self._connection.request("POST", PATH, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                if self._connection.sock is None:
                    raise
                # It may have answered, and closed, without reading to the end.
            return self._connection.getresponse()
        except (http.client.HTTPException, OSError, ValueError) as error:
            failure = self._explain(error)
        except Failure:
            self._connection.close()
            raise
        self._connection.close()
        raise failure

    def _read(self, response: http.client.HTTPResponse) -> Reply:
        complete = False
        try:
            if 300 <= response.status < 400:
                raise Failure(Reason.REDIRECT_REFUSED, f"the server answered with a redirect, HTTP {response.status}")
            body = self._body(response)
            complete = True
            return Reply(response.status, response.headers.get("Content-Type", ""), body)
        except (http.client.HTTPException, OSError, ValueError) as error:
            failure = self._explain(error)
        finally:
            response.close()
            if not complete:  # what is left of the reply would be taken for the next one
                self._connection.close()
        raise failure

    def _body(self, response: http.client.HTTPResponse) -> bytearray:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failure(Reason.NOT_SOAP, "the answer is compressed although that was not asked for")
        if len(set(response.headers.get_all("Content-Length", ()))) > 1:
            raise Failure(Reason.HTTP_ERROR, "the answer has two lengths")
        limit = self._endpoint.reply_limit
        if response.length is not None and response.length > limit:
            raise self._too_large()
        if response.length is not None:
            body = bytearray(response.length)
            missing = response.length - response.readinto(body)
            if missing:
                raise http.client.IncompleteRead(b"", missing)
            return body
        body = bytearray()
        while chunk := response.read1(min(_CHUNK, limit - len(body) + 1)):
            body += chunk
            if len(body) > limit:
                raise self._too_large()
        return body

    def _too_large(self) -> Failure:
        return Failure(
            Reason.REPLY_TOO_LARGE, f"the reply is larger than the limit of {self._endpoint.reply_limit} bytes"
        )

    def _explain(self, error: BaseException) -> Failure:
        """The reason for what a library raised. Nothing of its text is kept."""
        if isinstance(error, TimeoutError):
            if self._deadline.remaining() <= 0:
                return Failure(Reason.DEADLINE, "the time of this run was used up while waiting for the server")
            return Failure(Reason.READ_TIMEOUT, "the server went silent")
        if isinstance(error, _CLOSED):
            return Failure(Reason.CONNECTION_CLOSED, "the server closed the connection before its reply was complete")
        if isinstance(error, ssl.SSLError):
            return Failure(Reason.TLS_FAILED, "the TLS connection broke")
        if isinstance(error, http.client.HTTPException):
            return Failure(Reason.HTTP_ERROR, "the answer is not HTTP")
        return Failure(Reason.CONNECTION_FAILED, "the connection failed")


def _basic_auth(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"}
