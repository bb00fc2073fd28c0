"""The certificate that a server presents, before it is trusted.

An administrator needs it for pinning, and a warning needs its expiry. Only a TLS handshake is made; no request and no
credentials are sent.
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
"""Maximum number of characters shown of a subject or issuer name."""

_ABOUT_TRUST = (Reason.CERTIFICATE_UNTRUSTED, Reason.CERTIFICATE_PIN_MISMATCH)


@dataclass(frozen=True)
class CertificateFacts:
    """The details of a server's certificate. ``fingerprint`` is its SHA-256 as 64 lower-case hexadecimal digits.

    ``trusted`` says whether the server's registered trust settings accept the certificate; ``complaint`` says why not.
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
    """Read the certificate of ``host``. ``timeout`` is in seconds, for each step.

    Raises Failure if connecting or TLS fails. A certificate that is not trusted raises nothing.
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
    """The expiry of a DER certificate; None for a certificate that TLS accepts but the X.509 parser does not."""
    try:
        return facts_of(certificate).not_after
    except Failure:
        return None


def facts_of(certificate: bytes, complaint: str = "") -> CertificateFacts:
    """The details of a DER certificate. Its names are untrusted text: control characters are replaced and long names
    truncated.

    Raises Failure(TLS_FAILED) for a certificate that TLS accepts but the X.509 parser does not.
    """
    from cryptography import x509  # imported here: slow to load, and only needed after an answer

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
