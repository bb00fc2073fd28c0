"""What replication needs of a server, in product terms.

The Protocols of this module are all that this room knows of the outside. A
server that is only read (the primary) is a ``ReadableServer``: there is no
method on it that could change anything.

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
    """A server as far as it can be read. The primary is never more than this."""

    @property
    def label(self) -> str:
        """How messages name this server, for example ``backup-2 (files2.example:8443)``."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as registered."""

    @property
    def list_room(self) -> int:
        """Bytes that the parser's tree of a list of users or groups may take."""

    def facts(self) -> ServerFacts: ...
    def security(self) -> Security:
        """The typed answers about SOAP and TLS alone: one small call that needs a log-in."""

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
    """A backup. Writers return nothing; a server that answers false raises WRITE_REFUSED.

    That a writer returned proves only that the server said so.
    """

    @property
    def deadline(self) -> Deadline:
        """When the calls of this server must have ended; it holds for no other server."""

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
        """The facts again, over a new connection and with a new log-in: proof that the way in still exists."""

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        """Make changed listeners durable; ``settings`` is the server's own present document."""


class Snapshots(Protocol):
    """Keeps what a backup held before it is written to."""

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        """Store dumps of parts by the parts' names, and what the server says of itself; the snapshot's key.

        Raises Failure.
        """
