"""The destination of a stored password: one address, and one way to check the identity of the server there.

The secret itself contains its destination, because table rows and secrets cannot be changed in one transaction. A
process may die between the two changes. Even then a password is sent only to the destination in its secret, not to
another one in the registration.

This module is separate from ``registry.credentials``, because the API and the trial program compare destinations
without reading a secret.
"""

import hashlib

from common.errors import Failure, Reason
from registry.fleet_records import Backup, Primary, TlsTrust, address_key


def destination_of(server: Primary | Backup) -> str:
    """The address and trust of a registration as one readable text.

    Differences in the spelling of the host, in the format or order of fingerprints, and in line ends do not change the
    text.
    """
    return f"{address_key(server.host, server.port)} {_trust_text(server.trust)}"


def password_needed(stored: str, wanted: str) -> Failure:
    """The failure for a stored password that was given for another destination."""
    return Failure(Reason.PASSWORD_NEEDED, f"the stored password was given for {stored}, not for {wanted}")


def _trust_text(trust: TlsTrust) -> str:
    pins = sorted({"".join(pin.replace(":", "").split()).lower() for pin in trust.pins})
    texts = [f"pin:{pin}" for pin in pins]
    if trust.ca_pem:
        # No other white space is ignored, because a line break can turn a comment into a certificate.
        bundle = trust.ca_pem.replace("\r\n", "\n").rstrip("\n")
        texts.insert(0, f"ca:{hashlib.sha256(bundle.encode()).hexdigest()}")
    return " ".join(texts) or "public-roots"
