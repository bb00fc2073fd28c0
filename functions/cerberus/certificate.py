"""What certificate a server shows, before anybody trusts it.

For an administrator who is about to pin it, and for warning of its end. A
handshake is made and nothing is sent, neither request nor credentials.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime

from cerberus.address_policy import AddressPolicy, checked_host
from cerberus.checked_connection import Dialer
from cerberus.tls import Trust, certificate_of, fingerprint, handshake, unproven
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.plain_text import made_plain

LONGEST_NAME = 1_000
"""Characters that are shown of the name of a subject or an issuer."""

_ABOUT_TRUST = (Reason.CERTIFICATE_UNTRUSTED, Reason.CERTIFICATE_PIN_MISMATCH)


@dataclass(frozen=True)
class CertificateFacts:
    """A server's certificate as shown. ``fingerprint`` is its SHA-256, 64 lower-case hex digits.

    ``trusted`` says whether the given trust accepts it, ``complaint`` why not.
    """

    subject: str
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    trusted: bool
    complaint: str = ""


def inspect_certificate(
    host: str, port: int, *, trust: Trust, addresses: AddressPolicy, timeout: float, deadline: Deadline
) -> CertificateFacts:
    """Look at the certificate of ``host``. ``timeout`` in seconds, for each step.

    Raises Failure with a reason of connecting or of TLS, never for lack of trust.
    """
    dialer = Dialer(checked_host(host), port, addresses)

    def shown(context: ssl.SSLContext) -> bytes:
        raw = dialer.dial(timeout=timeout, deadline=deadline)
        with handshake(raw, context, host, timeout=timeout, deadline=deadline) as connection:
            return certificate_of(connection)

    certificate = shown(unproven())
    complaint = ""
    try:
        trust.accept(shown(trust.context()))
    except Failure as failure:
        if failure.reason not in _ABOUT_TRUST:
            raise
        complaint = failure.message
    return facts_of(certificate, complaint)


def end_of(certificate: bytes) -> datetime | None:
    """When a DER certificate ends; None for one that TLS takes and the X.509 reader does not."""
    try:
        return facts_of(certificate).not_after
    except Failure:
        return None


def facts_of(certificate: bytes, complaint: str = "") -> CertificateFacts:
    """What a DER certificate says of itself. Its names are foreign texts: no character of them acts, and they are cut.

    Raises Failure(TLS_FAILED) for a certificate that TLS takes and the X.509 reader does not.
    """
    from cryptography import x509  # takes long to load, and is wanted only once a server has answered

    try:
        read = x509.load_der_x509_certificate(certificate)
        return CertificateFacts(
            subject=made_plain(read.subject.rfc4514_string(), LONGEST_NAME),
            issuer=made_plain(read.issuer.rfc4514_string(), LONGEST_NAME),
            fingerprint=fingerprint(certificate),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
            trusted=not complaint,
            complaint=complaint,
        )
    except (ValueError, x509.InvalidVersion):
        raise Failure(Reason.TLS_FAILED, "the server's certificate cannot be read") from None
