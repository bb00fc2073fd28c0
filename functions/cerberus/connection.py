"""How a connection is made: checked address, TLS, checked certificate. There is no other one.

Failures up to the end of the handshake are given their reason here, where it
is known which step failed.
"""

import http.client
import selectors
import socket
import ssl
from dataclasses import dataclass
from typing import cast

from cerberus.address_policy import AddressPolicy
from cerberus.sockets import WatchedSocket
from cerberus.tls import Trust
from common.deadline import Deadline
from common.errors import Failure, Reason

_NAME_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h

_SHORTEST = 0.001  # seconds; a socket takes 0 for "do not wait at all"


def bounded(seconds: float, deadline: Deadline) -> float:
    """``seconds``, or what is left until ``deadline`` if that is less; raises Failure(DEADLINE) if nothing is."""
    deadline.check()
    return max(_SHORTEST, min(seconds, deadline.remaining()))


@dataclass
class Route:
    """The way to one server, which stays the same once it was found.

    A name may have the addresses of several machines, and its addresses may
    change. What was learnt of the machine behind one address says nothing of
    another one: so the first ``address`` that took a connection is the only
    one from then on.
    """

    host: str
    port: int
    policy: AddressPolicy
    address: str | None = None

    def dial(self, *, timeout: float, deadline: Deadline) -> socket.socket:
        """A TCP connection to the address found before, else to the first one of the host that answers.

        ``timeout`` (seconds) holds for each address. Raises Failure with
        NAME_NOT_RESOLVED, ADDRESS_FORBIDDEN, CONNECTION_REFUSED, CONNECT_TIMEOUT,
        CONNECTION_FAILED or DEADLINE.
        """
        failure = Failure(Reason.NAME_NOT_RESOLVED, "the host name does not resolve")
        for address in self.policy.candidates(self.address or self.host, self.port, deadline=deadline):
            wait = bounded(timeout, deadline)
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


def handshake(
    raw: socket.socket, context: ssl.SSLContext, host: str, *, timeout: float, deadline: Deadline
) -> WatchedSocket:
    """TLS over ``raw``, for ``host``; closes it on failure.

    Raises Failure with CERTIFICATE_UNTRUSTED, TLS_FAILED, CONNECT_TIMEOUT, CONNECTION_CLOSED or DEADLINE.
    """
    try:
        raw.settimeout(bounded(timeout, deadline))
        return cast(WatchedSocket, context.wrap_socket(raw, server_hostname=host.rstrip(".")))
    except Failure as late:
        failure = late
    except ssl.SSLCertVerificationError as error:
        failure = Failure(Reason.CERTIFICATE_UNTRUSTED, f"the certificate is not trusted: {_complaint(error)}")
    except TimeoutError:
        failure = Failure(Reason.CONNECT_TIMEOUT, "no answer during the TLS handshake")
    except ssl.SSLError:
        failure = Failure(Reason.TLS_FAILED, "the TLS handshake failed")
    except OSError:
        failure = Failure(Reason.CONNECTION_CLOSED, "the connection was closed during the TLS handshake")
    raw.close()
    raise failure


def certificate_of(connection: ssl.SSLSocket) -> bytes:
    """The peer's certificate in DER, proved or not."""
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        raise Failure(Reason.TLS_FAILED, "the server has no certificate")
    return certificate


def _complaint(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _NAME_MISMATCH:
        return "it is not valid for this host"
    return error.verify_message


class CheckedConnection(http.client.HTTPConnection):
    """One connection to one server; when ``connect`` returns, address and certificate have been checked.

    ``timeout`` (seconds) is for each step of connecting, ``read_timeout`` for
    each wait after that; neither lasts beyond the deadline. ``attempts`` counts
    the attempts to connect; ``certificate`` (DER) is the one that was accepted
    last, None before the first.
    """

    default_port = http.client.HTTPS_PORT

    def __init__(self, route: Route, *, trust: Trust, timeout: float, read_timeout: float, deadline: Deadline) -> None:
        super().__init__(route.host, route.port, timeout=timeout)
        self.attempts = 0
        self.certificate: bytes | None = None
        self._route = route
        self._trust = trust
        self._deadline = deadline
        self._connect_timeout = timeout
        self._read_timeout = read_timeout

    def connect(self) -> None:
        """Make the connection. Raises what ``Route.dial`` and ``handshake`` raise, and CERTIFICATE_PIN_MISMATCH."""
        self.attempts += 1
        raw = self._route.dial(timeout=self._connect_timeout, deadline=self._deadline)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secure = handshake(
            raw, self._trust.context(), self._route.host, timeout=self._connect_timeout, deadline=self._deadline
        )
        try:
            certificate = certificate_of(secure)
            self._trust.accept(certificate)
        except Failure:
            secure.close()
            raise
        self.certificate = certificate
        secure.patience = self._patience
        self.sock = secure

    def close_if_dropped(self) -> None:
        """Close a kept connection of which the server has already closed its end: nothing is sent into it."""
        if self.sock is not None and _readable(self.sock):
            self.close()

    def _patience(self) -> float:
        return bounded(self._read_timeout, self._deadline)


def _readable(idle: socket.socket) -> bool:
    """Whether something has arrived where nothing was asked for: the end of the connection, mostly."""
    with selectors.DefaultSelector() as selector:
        selector.register(idle, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))
