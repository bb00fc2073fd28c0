"""The interfaces through which replication uses servers and snapshots.

The package ``replication`` reaches servers and snapshots only through these Protocols. A server that is only read, such
as the primary, is a ``ReadableServer``, which has no method that changes anything.

Every method may raise ``common.errors.Failure``.
"""

from collections.abc import Mapping
from typing import Protocol

from common.deadline import Deadline
from common.server_types import (
    Authentication,
    AuthenticationSource,
    Content,
    Features,
    Licence,
    Listener,
    MimeMapping,
    Security,
    ServerFacts,
    Version,
    as_bytes,
    as_text,
)

__all__ = [
    "Authentication",
    "AuthenticationSource",
    "Content",
    "Features",
    "Licence",
    "Listener",
    "MimeMapping",
    "ReadableServer",
    "Security",
    "ServerFacts",
    "Snapshots",
    "Version",
    "WritableServer",
    "as_bytes",
    "as_text",
]


class ReadableServer(Protocol):
    """A server that can be read. The primary is only ever used through this interface."""

    @property
    def label(self) -> str:
        """The server's name in messages, for example ``backup-2 (files2.example:8443)``."""

    @property
    def address(self) -> tuple[str, int]:
        """The registered host and port."""

    @property
    def list_room(self) -> int:
        """Maximum size in bytes of the parsed tree of a user or group list."""

    def facts(self) -> ServerFacts: ...
    def security(self) -> Security:
        """The SOAP and TLS settings only: one small call that needs a log-in."""

    def user_names(self) -> tuple[str, ...]: ...
    def group_names(self) -> tuple[str, ...]: ...
    def settings(self) -> Content: ...
    def authentication(self) -> Authentication: ...
    def users(self) -> Content: ...
    def groups(self) -> Content: ...
    def event_rules(self) -> Content: ...
    def mime_mappings(self) -> tuple[MimeMapping, ...]: ...
    def blocked_addresses(self) -> Content: ...
    def auto_blocked_addresses(self) -> Content: ...
    def account_requests(self) -> Content: ...
    def listeners(self) -> tuple[Listener, ...]: ...


class WritableServer(ReadableServer, Protocol):
    """A backup, which can also be written to. Write methods return nothing; a server that reports no success raises
    WRITE_REFUSED.

    A write that returns proves only that the server reported success.
    """

    @property
    def deadline(self) -> Deadline:
        """The deadline for calls to this server only."""

    def write_settings(self, document: Content) -> None: ...
    def write_authentication(self, authentication: Authentication) -> None: ...
    def write_accounts(self, users: Content, groups: Content) -> None: ...
    def write_event_rules(self, document: Content) -> None: ...
    def write_mime_mappings(self, mappings: tuple[MimeMapping, ...]) -> None: ...
    def write_block_lists(self, manual: Content, automatic: Content) -> None: ...
    def write_account_requests(self, document: Content) -> None: ...
    def write_listener(self, listener: Listener) -> None:
        """Change the options of the listener with this id."""

    def fresh_facts(self) -> ServerFacts:
        """The facts, read over a new connection with a new log-in, as proof of access."""

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        """Make changed listeners permanent; ``settings`` is the server's own current document."""


class Snapshots(Protocol):
    """Stores the content of a backup before it is written to."""

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        """Store the content of ``parts`` as text, by part name, and the server's facts. Return the snapshot's key.

        Raises Failure.
        """
