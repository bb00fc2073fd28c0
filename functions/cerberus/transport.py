"""Posts requests to one server over HTTPS, and returns a complete reply or raises Failure.

No exception of requests, urllib3, ssl or socket leaves this module, because its text can contain data that was sent or
received.
"""

import base64
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import urllib3.exceptions
from requests import PreparedRequest, Request, RequestException
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.connection import HTTPException

from cerberus.checked_connection import CheckedAdapter, Dialer, Peer
from cerberus.endpoint import Endpoint
from common.budgets import too_large
from common.deadline import Deadline
from common.errors import Failure, Reason

PATH = "/service/cerberusftpservice"
"""The path of a Cerberus server's SOAP service."""

_CHUNK = 16 * 1024  # the size of one TLS record
_HEADERS = {"User-Agent": "synchronization-manager", "Accept": "*/*", "Accept-Encoding": "identity"}
_FRAMINGS = ("", "identity", "chunked")
"""The Transfer-Encoding values for which urllib3 and http.client agree on the end of a reply."""
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""The content codings that a server built with gSOAP may use although the request does not accept them, if compression
is switched on in gSOAP (``http_response`` in stdsoap2.cpp).
"""
_EITHER_HEAD = 32 + zlib.MAX_WBITS
"""With this setting, zlib detects from the data whether the format is gzip or zlib."""
_INFLATED = 256 * 1024  # bytes per piece

_LIBRARY_ERRORS = (RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)
"""The exceptions that requests raises, or passes on from the libraries below it."""
_TIMEOUTS = (TimeoutError, urllib3.exceptions.TimeoutError)
_CLOSED_EARLY = "the server closed the connection before its reply was complete"
_TWO_LENGTHS = "the answer states two lengths that differ"
_DISCONNECTS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Reply:
    """A complete reply. ``body`` is never shown by repr."""

    status: int
    content_type: str
    body: bytes | bytearray = field(repr=False)


class _Inflater:
    """Decompresses one reply in pieces as it arrives, so that the caller can stop at a limit."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_EITHER_HEAD)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Decompress a further chunk, into pieces of at most ``_INFLATED`` bytes. Raises Failure(REPLY_MALFORMED)."""
        while chunk:
            if self._inflater.eof:
                raise _malformed("is followed by something else")
            yield self._step(chunk)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def end(self) -> Iterator[bytes]:
        """The decompressed data that is left after the last chunk. Raises Failure(REPLY_MALFORMED) if the reply is
        truncated.
        """
        while not self._inflater.eof:
            piece = self._step(b"")
            if not piece:
                raise _malformed("was cut")
            yield piece

    def _step(self, chunk: bytes) -> bytes:
        try:
            return self._inflater.decompress(chunk, _INFLATED)
        except zlib.error:
            failure = _malformed("is damaged")
        raise failure


def _malformed(complaint: str) -> Failure:
    return Failure(Reason.REPLY_MALFORMED, f"the compressed reply {complaint}")


class Transport:
    """Posts to one server through ``dialer``.

    Only the thread that used a transport first may use it. The caller must ``close`` it.
    """

    def __init__(self, endpoint: Endpoint, deadline: Deadline, dialer: Dialer) -> None:
        self._endpoint = endpoint
        self._deadline = deadline
        self._owner: int | None = None
        self._peer = Peer(dialer, endpoint.trust, endpoint.timeouts, endpoint.budgets.reply_limit, deadline)
        self._adapter = CheckedAdapter(self._peer)
        # Made once, because requests differ only in headers and body. The host in the URL is ignored: the adapter
        # connects to the checked address.
        self._request = Request("POST", f"https://cerberus{PATH}").prepare()

    @property
    def certificate(self) -> bytes | None:
        """The last accepted certificate (DER), None before the first connection."""
        return self._peer.certificate

    def close(self) -> None:
        """Close the connection; the next post opens another one."""
        self._adapter.close()

    def post(
        self,
        body: Sequence[bytes],
        headers: Mapping[str, str],
        *,
        limit: int,
        repeatable: bool,
        basic: tuple[str, str] | None = None,
    ) -> Reply:
        """Send the pieces of ``body`` and read the whole reply, whatever its status, up to ``limit`` bytes.

        ``cerberus.soap`` decides what a 401 means. A server may close a reused connection before it has sent a complete
        head. Then a ``repeatable`` request is sent once more, over a new connection. ``basic`` adds Basic
        authentication. Raises Failure with a connection reason, REDIRECT_REFUSED, REPLY_TOO_LARGE or DEADLINE, and
        RuntimeError in a second thread.
        """
        self._check_thread()
        self._peer.reply_limit = limit
        sent = {**_HEADERS, **headers, "Content-Length": str(sum(map(len, body))), **_basic_auth(basic)}
        request = self._prepared(sent, packed(body))
        attempts = self._peer.attempts
        try:
            response = self._send(request)
        except Failure as failure:
            # Without a new connection attempt, the request went over a reused connection.
            was_kept = failure.reason is Reason.CONNECTION_CLOSED and attempts == self._peer.attempts
            if not (was_kept and repeatable):
                raise
            response = None
        return self._read(self._send(request) if response is None else response)

    def _check_thread(self) -> None:
        current = threading.get_ident()
        self._owner = self._owner or current
        if self._owner != current:
            raise RuntimeError("a client belongs to the thread that used it first")

    def _prepared(self, headers: Mapping[str, str], body: Any) -> PreparedRequest:
        """The request with ``headers`` and ``body``. The body may be a list of pieces: ``requests`` passes a list on
        unchanged, although its type hints do not include one.
        """
        self._request.headers = CaseInsensitiveDict(headers)
        self._request.body = body
        return self._request

    def _send(self, request: PreparedRequest) -> HTTPResponse:
        self._deadline.check()
        waits = self._endpoint.timeouts
        try:
            response: HTTPResponse = self._adapter.send(request, stream=True, timeout=(waits.connect, waits.read)).raw
        except _LIBRARY_ERRORS as error:
            failure = self._as_failure(error, Reason.HTTP_ERROR, "the answer is not HTTP")
        else:
            return response
        raise failure

    def _read(self, response: HTTPResponse) -> Reply:
        try:
            return self._reply(response)
        except _LIBRARY_ERRORS as error:
            failure = self._as_failure(error, Reason.CONNECTION_CLOSED, _CLOSED_EARLY)
        finally:
            response.close()  # after an incomplete reply, this closes the connection too
        raise failure

    def _reply(self, response: HTTPResponse) -> Reply:
        if response.status < 200:
            # urllib3 returns an interim reply other than 100 as the reply. The next request would then get the real
            # reply.
            raise Failure(Reason.HTTP_ERROR, f"the server answered with an interim reply, HTTP {response.status}")
        if 300 <= response.status < 400:
            raise Failure(Reason.REDIRECT_REFUSED, f"the server answered with a redirect, HTTP {response.status}")
        headers = response.headers
        coding = headers.get("Content-Encoding", "identity").strip().lower()
        if coding != "identity" and coding not in _CODINGS:
            raise Failure(Reason.NOT_SOAP, "the answer is compressed in a way that is not understood")
        if headers.get("Transfer-Encoding", "").lower() not in _FRAMINGS:
            raise Failure(Reason.HTTP_ERROR, "the answer has a transfer encoding that was not asked for")
        if len(set(headers.getlist("Content-Length"))) > 1:
            raise Failure(Reason.HTTP_ERROR, _TWO_LENGTHS)
        kinds = headers.getlist("Content-Type")
        body = self._body(response, _Inflater() if coding in _CODINGS else None)
        return Reply(response.status, kinds[0] if kinds else "", body)

    def _body(self, response: HTTPResponse, inflater: _Inflater | None) -> bytearray:
        """The decompressed body. The buffer grows with the received data and is not allocated from the declared length,
        which the server could exaggerate.
        """
        limit, length = self._peer.reply_limit, response.length_remaining
        if length is not None and length > limit:
            raise too_large("the reply", limit)
        body, received = bytearray(), 0
        while chunk := response.read1(min(_CHUNK, limit - received + 1)):
            received += len(chunk)
            for piece in inflater.pieces(chunk) if inflater else (chunk,):
                body += piece
                if max(len(body), received) > limit:
                    raise too_large("the reply, inflated," if inflater else "the reply", limit)
        if length is not None and received < length:
            raise Failure(Reason.CONNECTION_CLOSED, _CLOSED_EARLY)
        is_framed = length is not None or response.headers.get("Transfer-Encoding")
        if not received and response.status == HTTPStatus.OK and not is_framed:
            raise Failure(Reason.CONNECTION_CLOSED, _CLOSED_EARLY)  # even the reply's head may be incomplete
        for piece in inflater.end() if inflater and received else ():
            body += piece
            if len(body) > limit:
                raise too_large("the reply, inflated,", limit)
        return body

    def _as_failure(self, error: BaseException, http_reason: Reason, message: str) -> Failure:
        """The failure for a library's exception. Its reason is ``http_reason`` if the exception concerns HTTP. The
        exception's text is dropped.
        """
        origin = _origin(error)
        if isinstance(origin, _TIMEOUTS):
            if self._deadline.remaining() <= 0:
                return Failure(Reason.DEADLINE, "the time of this run was used up while waiting for the server")
            return Failure(Reason.READ_TIMEOUT, "the server went silent")
        if isinstance(origin, _DISCONNECTS):
            return Failure(Reason.CONNECTION_CLOSED, _CLOSED_EARLY)
        if isinstance(origin, ssl.SSLError):
            return Failure(Reason.TLS_FAILED, "the TLS connection broke")
        if isinstance(origin, urllib3.exceptions.InvalidHeader):
            return Failure(Reason.HTTP_ERROR, _TWO_LENGTHS)
        if isinstance(origin, urllib3.exceptions.HTTPError | HTTPException):
            return Failure(http_reason, message)
        return Failure(Reason.CONNECTION_FAILED, "the connection failed")


def _origin(error: BaseException) -> BaseException:
    """The innermost exception. ``requests`` wraps exceptions of ``urllib3``, which wraps those of the standard library,
    each as an argument of the outer exception.
    """
    wrapped = [argument for argument in error.args if isinstance(argument, BaseException)]
    return _origin(wrapped[-1]) if wrapped else error


def packed(pieces: Sequence[bytes]) -> list[bytes]:
    """Combine small pieces for sending; large pieces are not copied.

    Each piece becomes at least one TLS record. Separate small records would be inefficient, and their lengths would
    reveal the lengths of user name and password.
    """
    sent: list[bytes] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < _CHUNK:
            small.append(piece)
        else:
            sent += (b"".join(small), piece)
            small.clear()
    return [*sent, b"".join(small)]


def _basic_auth(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"}
