"""Values that servers report and accept, as plain types for all packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

type Content = str | bytes
"""A document, as text or as UTF-8 bytes. A Python string with non-Latin characters takes up to four times as much
memory as the bytes.
"""


def as_bytes(content: Content) -> bytes:
    """The document in UTF-8. A lone surrogate stays recognisably invalid."""
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def as_text(content: Content) -> str:
    """The document as text."""
    return content if isinstance(content, str) else content.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, order=True)
class Version:
    """A product version of four numbers, compared number by number."""

    major: int
    minor: int
    maintenance: int
    build: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.maintenance}.{self.build}"


@dataclass(frozen=True)
class Licence:
    """A server's report about its licence. Dates are in the server's own unit; 0 means not reported."""

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
    """The features of the edition that parts depend on."""

    server_sync: bool
    directory_authentication: bool
    events: bool
    edition_code: int = 0


@dataclass(frozen=True)
class Security:
    """The SOAP and TLS settings that must survive every push."""

    soap_enabled: bool
    soap_secure: bool
    soap_port: int
    tls_key_type: str
    tls_key_bits: int


@dataclass(frozen=True)
class ServerFacts:
    """Everything that a server reports about itself and that checks use.

    ``certificate_ends`` is the expiry of the certificate it presented; ``native_sync`` is whether its own
    Synchronization Manager pushes to other servers. Each of these two is None if the server did not report it.
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
    """One entry of the list of authentication sources that a server returns beside its authentication document."""

    enabled: bool
    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Authentication:
    """AD and LDAP sources: the document and the list of sources, which are read and written together."""

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
