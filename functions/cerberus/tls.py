"""The three ways to check a server's certificate: system roots, a CA bundle, or pinned fingerprints.

The check cannot be switched off. The code that opens a connection calls ``handshake`` with
``context()``, and then ``accept()`` before anything is sent.
"""

import hashlib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import certifi

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.patterns import Whole, Within

MAX_PINS = 2
"""Maximum number of pinned fingerprints: one for the certificate in use, and one for its successor."""

_FINGERPRINT = Whole(r"[0-9a-f]{64}")
_SEPARATORS = Within(r"[:\s]")
_NAME_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h
CERTIFICATE_MARK = "BEGIN CERTIFICATE"
KEY_MARK = "PRIVATE KEY"
"""A CA bundle must contain ``CERTIFICATE_MARK`` and must not contain ``KEY_MARK``."""


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a DER certificate, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


@dataclass(frozen=True)
class SystemRoots:
    """Trust in public certification authorities, as the installed package ``certifi`` lists them.

    The variables SSL_CERT_FILE, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE have no effect.
    """

    def context(self) -> ssl.SSLContext:
        return _public_roots()

    def accept(self, certificate: bytes) -> None:
        """Nothing to do: the handshake has checked the certificate."""


@dataclass(frozen=True)
class CaBundle:
    """Trust in the certification authorities in ``pem``, instead of the public ones. The text may also contain the
    self-signed certificate of a server.

    Raises Failure(REGISTRATION_INVALID) unless the text contains certificates and no private key.
    """

    pem: str

    def __post_init__(self) -> None:
        if KEY_MARK in self.pem:
            raise Failure(Reason.REGISTRATION_INVALID, "the CA bundle holds a private key")
        if CERTIFICATE_MARK not in self.pem:
            raise Failure(Reason.REGISTRATION_INVALID, "the CA bundle holds no PEM certificate")
        self.context()

    def context(self) -> ssl.SSLContext:
        return _own_roots(self.pem)

    def accept(self, certificate: bytes) -> None:
        """Nothing to do: the handshake has checked the certificate."""


@dataclass(frozen=True)
class Pins:
    """Trust in a server's certificate if its SHA-256 fingerprint is one of ``fingerprints``, which are one or two.

    Colons, blanks and upper case are accepted and removed. A pin covers the whole certificate, so its issuer, dates and
    host name are not checked. Raises Failure(REGISTRATION_INVALID).
    """

    fingerprints: tuple[str, ...]

    def __post_init__(self) -> None:
        plain = tuple(_SEPARATORS.sub("", pin).lower() for pin in self.fingerprints)
        if not 1 <= len(plain) <= MAX_PINS:
            raise Failure(Reason.REGISTRATION_INVALID, f"between 1 and {MAX_PINS} fingerprints can be pinned")
        if not all(_FINGERPRINT.fullmatch(pin) for pin in plain):
            raise Failure(Reason.REGISTRATION_INVALID, "a pinned fingerprint is a SHA-256 of 64 hexadecimal digits")
        object.__setattr__(self, "fingerprints", plain)

    def context(self) -> ssl.SSLContext:
        return unproven()

    def accept(self, certificate: bytes) -> None:
        """Raise Failure(CERTIFICATE_PIN_MISMATCH) for any other certificate."""
        if fingerprint(certificate) not in self.fingerprints:
            raise Failure(Reason.CERTIFICATE_PIN_MISMATCH, "the certificate has none of the pinned fingerprints")


Trust = SystemRoots | CaBundle | Pins


class BoundedSocket(ssl.SSLSocket):
    """A TLS socket whose waits are limited by its owner.

    Before every wait the socket asks ``wait_limit`` how many seconds the wait may last. A socket's own time-out is
    counted between bytes, so a peer that sends slowly could block the caller indefinitely. ``wait_limit`` may raise an
    exception; it is None until the owner sets it. A time-out that a library sets on the socket is replaced before the
    next wait.

    ``received`` is the number of bytes received from the peer.
    """

    wait_limit: Callable[[], float] | None = None
    received = 0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self._limit()
        count = super().recv_into(buffer, nbytes, flags)
        self.received += count
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        self._limit()
        return super().send(data, flags)

    def _limit(self) -> None:
        if self.wait_limit is not None:
            self.settimeout(self.wait_limit())


def handshake(
    raw: socket.socket, context: ssl.SSLContext, host: str, *, timeout: float, deadline: Deadline
) -> BoundedSocket:
    """Make a TLS connection over ``raw`` for ``host``; close ``raw`` on failure.

    Raises Failure with CERTIFICATE_UNTRUSTED, TLS_FAILED, CONNECT_TIMEOUT, CONNECTION_CLOSED or DEADLINE.
    """
    secure: ssl.SSLSocket | None = None
    try:
        raw.settimeout(deadline.bounded(timeout))
        secure = context.wrap_socket(raw, server_hostname=host.rstrip("."), do_handshake_on_connect=False)
        _say_hello(secure)
        secure.settimeout(deadline.bounded(timeout))  # waiting for the first bytes has used some of the time
        secure.do_handshake()
        return cast(BoundedSocket, secure)
    except Failure as refused:
        failure = refused
    except ssl.SSLCertVerificationError as error:
        failure = Failure(Reason.CERTIFICATE_UNTRUSTED, f"the certificate is not trusted: {_complaint(error)}")
    except TimeoutError:
        failure = Failure(Reason.CONNECT_TIMEOUT, "no answer during the TLS handshake")
        if deadline.remaining() <= 0:
            failure = Failure(Reason.DEADLINE, "the time of this run was used up during the TLS handshake")
    except ssl.SSLError as error:
        failure = Failure(Reason.TLS_FAILED, _NO_TLS if error.reason == _NO_RECORD else "the TLS handshake failed")
    except OSError:
        failure = Failure(Reason.CONNECTION_CLOSED, "the connection was closed during the TLS handshake")
    (secure or raw).close()
    raise failure


_HTTP = b"HTTP/"
_NO_RECORD = "WRONG_VERSION_NUMBER"
"""The reason that OpenSSL gives for an answer that does not begin like TLS."""
_NO_TLS = "the port answers in plain HTTP or another protocol, not in HTTPS"


def _say_hello(secure: ssl.SSLSocket) -> None:
    """Begin the handshake and check the first bytes of the answer. Raises Failure(TLS_FAILED) if plain HTTP answers.

    OpenSSL would report an answer in plain HTTP only as not being TLS; it still does so if the answer arrives before
    this check. When the answer is checked, only the TLS greeting has been sent.
    """
    wait = secure.gettimeout()
    secure.settimeout(0)
    with suppress(ssl.SSLWantReadError):
        secure.do_handshake()  # sends the greeting; there is no answer yet
    secure.settimeout(wait)
    # MSG_PEEK leaves the bytes for the handshake. SSLSocket does not permit it, so the method of its base class is
    # used.
    if socket.socket.recv(secure, len(_HTTP), socket.MSG_PEEK) == _HTTP:
        raise Failure(Reason.TLS_FAILED, "the port answers in plain HTTP, not in HTTPS")


def certificate_of(connection: ssl.SSLSocket) -> bytes:
    """The peer's certificate in DER, checked or not."""
    certificate = connection.getpeercert(binary_form=True)
    if certificate is None:
        raise Failure(Reason.TLS_FAILED, "the server has no certificate")
    return certificate


def _complaint(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _NAME_MISMATCH:
        return "it is not valid for this host"
    return error.verify_message


@cache
def unproven() -> ssl.SSLContext:
    """A TLS context that checks no certificate.

    The context is only for pins, which are compared right after the handshake, and for reading a certificate without
    sending anything. Nothing else may use it.
    """
    context = _client()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@cache
def _public_roots() -> ssl.SSLContext:
    context = _client()
    context.load_verify_locations(cafile=certifi.where())
    return context


@lru_cache(maxsize=256)
def _own_roots(pem: str) -> ssl.SSLContext:
    context = _client()
    # Text around the certificates may be in any language, but OpenSSL accepts only ASCII. OpenSSL skips such text.
    ascii_only = pem.removeprefix("\ufeff").encode("ascii", "replace").decode()
    try:
        context.load_verify_locations(cadata=ascii_only)
    except (ssl.SSLError, ValueError):
        readable = False
    else:
        readable = True
    if not readable:
        raise Failure(Reason.REGISTRATION_INVALID, "the CA bundle cannot be read")
    # Every certificate in the bundle is trusted, even if it is not self-signed or not marked as an authority.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def _client() -> ssl.SSLContext:
    """A TLS context that checks chain and host name, requires TLS 1.2 or newer, and ignores the environment.

    ``ssl.create_default_context`` is not used: it writes session keys to a file if SSLKEYLOGFILE is set, and its checks
    differ between versions of Python.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = BoundedSocket
    return context
