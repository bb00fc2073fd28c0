"""What a stored password is for: one address, and one way to tell that the right server answers there.

The secret itself says it, because rows of the table and secrets cannot be
changed in one step: whatever stands in a registration, and whoever died while
it was changed, a password is sent only where its own secret says.

Separate from ``registry.credentials``, because the API and a trial compare destinations without reading a secret.
"""

import hashlib

from common.errors import Failure, Reason
from registry.fleet_records import Backup, Primary, TlsTrust, address_key


def destination_of(server: Primary | Backup) -> str:
    """Address and trust of a registration as one text, for people to read as well.

    How host, fingerprints and line ends are spelled, and the order of fingerprints, makes no other destination.
    """
    return f"{address_key(server.host, server.port)} {_trust_text(server.trust)}"


def password_needed(stored: str, wanted: str) -> Failure:
    """What is raised when the stored password was given for another destination than it is wanted for."""
    return Failure(Reason.PASSWORD_NEEDED, f"the stored password was given for {stored}, not for {wanted}")


def _trust_text(trust: TlsTrust) -> str:
    pins = sorted({"".join(pin.replace(":", "").split()).lower() for pin in trust.pins})
    texts = [f"pin:{pin}" for pin in pins]
    if trust.ca_pem:
        # Nothing else of the white space is taken for nothing: a line break makes a certificate of a comment.
        bundle = trust.ca_pem.replace("\r\n", "\n").rstrip("\n")
        texts.insert(0, f"ca:{hashlib.sha256(bundle.encode()).hexdigest()}")
    return " ".join(texts) or "public-roots"
