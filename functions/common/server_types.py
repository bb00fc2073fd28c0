"""What a server reports and takes, as plain values that every room may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

type Content = str | bytes
"""A document: as text, or as the UTF-8 of it. Text with other than Latin letters takes up to four times the room."""


def as_bytes(content: Content) -> bytes:
    """The document in UTF-8. What no UTF-8 can say stays recognisably wrong."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def as_text(content: Content) -> str:
    """The document as text."""
    return content if isinstance(content, str) else content.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, order=True)
class Version:
    """A four-part product version; compared part by part as numbers."""

    major: int
    minor: int
    maintenance: int
    build: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.maintenance}.{self.build}"


@dataclass(frozen=True)
class Licence:
    """What a server reports about its licence. Dates are in the server's own unit; 0 means not reported."""

    valid: bool
    name: str = ""
    company: str = ""
    edition: str = ""
    issued: int = 0
    installed: int = 0
    days_left: int = 0
    error: str = ""


@dataclass(frozen=True)
class Features:
    """What the edition offers, as far as parts depend on it."""

    server_sync: bool
    directory_authentication: bool
    events: bool
    edition_code: int = 0


@dataclass(frozen=True)
class Security:
    """The typed answers about SOAP and TLS that must survive every push."""

    soap_enabled: bool
    soap_secure: bool
    soap_port: int
    tls_key_type: str
    tls_key_bits: int


@dataclass(frozen=True)
class ServerFacts:
    """Everything a server says of itself that checks are made on.

    ``certificate_ends`` is of the certificate it showed, ``native_sync`` whether
    its own Synchronization Manager pushes to anybody; None where the server did not report it.
    """

    version: Version
    hostname: str
    licence: Licence
    features: Features
    security: Security
    certificate_ends: datetime | None = None
    native_sync: bool | None = None


@dataclass(frozen=True)
class AuthenticationSource:
    """One entry of the typed list beside the authentication document."""

    enabled: bool
    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Authentication:
    """AD and LDAP sources: the document and the typed list, which travel together."""

    document: Content
    sources: tuple[AuthenticationSource, ...] = ()


@dataclass(frozen=True)
class MimeMapping:
    """A file extension and the media type it is served as."""

    extension: str
    type: str


@dataclass(frozen=True)
class Listener:
    """One listener (the SOAP API calls it an interface).

    ``protocol`` is the server's own number. ``options`` holds the option
    fields by their contract names; ``passiveSettings`` is a nested mapping. A
    field the server left out is absent from the mapping.
    """

    id: int
    address: str
    protocol: int
    options: Mapping[str, object] = field(default_factory=dict)
