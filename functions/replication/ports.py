"""What replication needs of a server, in product terms.

The two Protocols are all that this room knows of the outside. A server that
is only read (the primary) is a ``ReadableServer``: there is no method on it
that could change anything.

Every method may raise ``common.reasons.Failure``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


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
    """What a server tells of its licence. Dates are in the server's own unit; 0 means not told."""

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
    """Everything a server says of itself that checks are made on."""

    version: Version
    hostname: str
    licence: Licence
    features: Features
    security: Security


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

    document: str
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


class ReadableServer(Protocol):
    """A server as far as it can be read. The primary is never more than this."""

    @property
    def label(self) -> str:
        """How messages name this server, for example ``backup-2 (files2.example:8443)``."""
        ...

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as registered."""
        ...

    def facts(self) -> ServerFacts: ...
    def user_names(self) -> tuple[str, ...]: ...
    def group_names(self) -> tuple[str, ...]: ...
    def settings(self) -> str: ...
    def authentication(self) -> Authentication: ...
    def users(self) -> str: ...
    def groups(self) -> str: ...
    def event_rules(self) -> str: ...
    def mime_mappings(self) -> tuple[MimeMapping, ...]: ...
    def blocked_addresses(self) -> str: ...
    def auto_blocked_addresses(self) -> str: ...
    def account_requests(self) -> str: ...
    def listeners(self) -> tuple[Listener, ...]: ...


class WritableServer(ReadableServer, Protocol):
    """A backup. Writers return nothing; a server that answers false raises WRITE_REFUSED.

    That a writer returned proves only that the server said so.
    """

    def write_settings(self, document: str) -> None: ...
    def write_authentication(self, authentication: Authentication) -> None: ...
    def write_accounts(self, users: str, groups: str) -> None: ...
    def write_event_rules(self, document: str) -> None: ...
    def write_mime_mappings(self, mappings: tuple[MimeMapping, ...]) -> None: ...
    def write_block_lists(self, manual: str, automatic: str) -> None: ...
    def write_account_requests(self, document: str) -> None: ...
    def write_listener(self, listener: Listener) -> None:
        """Change the options of the listener with this id."""
        ...

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: str) -> None:
        """Make changed listeners durable; ``settings`` is the server's own present document."""
        ...
