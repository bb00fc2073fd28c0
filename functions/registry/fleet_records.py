"""Records of the fleet: registered servers, their log-ins, and the settings that apply to all backups.

All classes are plain data. Only ``Credentials`` contains secrets, and it is not stored in the table.

Times are UTC datetimes with a time zone. Parts and rules are strings that replication and common.errors define; the
registry does not interpret them.

A class with a ``FORMAT`` is stored as a record of its own. A change of one of its fields, or of a class that it
contains, must increase that number: see ``registry.serialization``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from common.errors import Failure, Reason
from common.hosts import canonical_host


def address_key(host: str, port: int) -> str:
    """The key that must be unique among registrations; it ignores the spelling of the host."""
    return f"{canonical_host(host)}#{port}"


@dataclass(frozen=True)
class TlsTrust:
    """How a server's certificate is checked.

    If neither field is set, the system's roots are used. ``ca_pem`` replaces those roots. ``pins`` are one or two
    SHA-256 fingerprints of 64 hexadecimal digits each.
    """

    ca_pem: str = ""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backup:
    """One registered backup.

    ``parts`` None means the parts chosen in the fleet's settings. ``rules`` are keep patterns in addition to those of
    the fleet's settings. ``report_only``: differences are reported and never repaired. ``paused`` is the reason for a
    pause, during which nothing is written; it is empty if the backup is not paused. ``version`` is increased by the
    store at each change and prevents lost updates. The caller sets ``created_at`` and ``updated_at``. ``secret`` is the
    id of its credentials, empty if that is the backup's own id.

    ``registration`` identifies the server behind the id. The store creates a new identifier when an id is registered
    and when host or port change: results, approvals and snapshots of another registration belong to another server.
    """

    FORMAT: ClassVar[int] = 2

    id: str
    host: str
    port: int
    trust: TlsTrust = TlsTrust()
    enabled: bool = True
    parts: tuple[str, ...] | None = None
    rules: tuple[str, ...] = ()
    report_only: bool = False
    paused: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    secret: str = ""
    registration: str = ""
    version: int = 0

    @property
    def secret_id(self) -> str:
        """The id of the server's credentials, which stays the same when the server is promoted or demoted."""
        return self.secret or self.id


PRIMARY_SECRET = "primary"  # noqa: S105 - an id, not a secret
"""The id of the secret that the stack creates for the first primary. No backup may have this id."""


@dataclass(frozen=True)
class Primary:
    """The primary's registration. ``secret`` is the id of its credentials.

    ``term`` counts the servers that have been the primary: results and approvals of an earlier term are void, because
    they concern another server. ``since`` is when this server became the primary, None for the first one.
    ``promoted_at`` is the time of the last promotion. ``held`` is the reason why nothing is pushed until somebody
    resumes, empty if runs push. ``as_backup`` is the server's registration from before its promotion, used if it
    becomes a backup again. ``of_stack``: the stack's parameters name this primary and nobody has registered it. The
    record is then stored so that a change of the parameters is noticed.
    """

    FORMAT: ClassVar[int] = 3

    host: str
    port: int
    trust: TlsTrust = TlsTrust()
    secret: str = PRIMARY_SECRET
    term: int = 0
    held: str = ""
    promoted_at: datetime | None = None
    as_backup: Backup | None = None
    since: datetime | None = None
    of_stack: bool = False
    version: int = 0

    @property
    def secret_id(self) -> str:
        """The id of the primary's credentials."""
        return self.secret

    @property
    def source(self) -> str:
        """The primary's address in the form that results and approvals contain."""
        return address_key(self.host, self.port)


@dataclass(frozen=True)
class PushLimits:
    """How much one push may remove or disable; replication interprets the numbers."""

    removal_floor: int
    removal_share: float
    removal_maximum: int
    disabling_floor: int
    disabling_share: float
    disabling_maximum: int


@dataclass(frozen=True)
class SyncSettings:
    """The settings for the whole fleet. The interval is not stored here, but in the EventBridge rule.

    None in ``parts`` or ``limits`` means the product's defaults. ``block_widened_access``: a change that widens access
    waits for an approval. ``approval_by_another``: an approval needs two people, one of whom may be the requester of
    the run. ``personal_roles`` are the ARNs of roles whose sessions identify people, see ``fleet.people``. Time-outs
    are in seconds. ``full_verification_minutes``: if nothing has changed, a backup is not read again for this time
    after a verification; 0 means that every run verifies. ``approval_hours`` is how long an approval is valid.
    """

    FORMAT: ClassVar[int] = 3

    parts: tuple[str, ...] | None = None
    rules: tuple[str, ...] = ()
    replicate_auto_block_list: bool = False
    limits: PushLimits | None = None
    block_widened_access: bool = False
    approval_by_another: bool = False
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    reply_limit_mb: int = 256
    full_verification_minutes: int = 0
    personal_roles: tuple[str, ...] = ()
    approval_hours: int = 24
    version: int = 0


@dataclass(frozen=True)
class LogIn:
    """The state of the log-in with one ``version`` of a secret.

    ``destination`` is the server to which the password was sent first. The password may be sent to no other server.
    ``refused_at`` is when the server last refused it, None if it did not.
    """

    FORMAT: ClassVar[int] = 1

    secret_id: str
    version: str
    destination: str
    refused_at: datetime | None = None


@dataclass(frozen=True)
class DiscardedSecret:
    """A secret that is still to be deleted, because the registration of ``backup_id`` was removed."""

    FORMAT: ClassVar[int] = 1

    secret_id: str
    backup_id: str


@dataclass(frozen=True)
class Credentials:
    """User name and password of a server's primary administrator. Its repr shows neither of them.

    ``destination`` is the server that they are for (``destination_of``), empty if the secret does not name it.
    ``version`` is the version of the secret, empty for credentials that are to be stored.
    """

    username: str = field(repr=False)
    password: str = field(repr=False)
    destination: str = ""
    version: str = field(default="", compare=False)


def destination_of(server: Primary | Backup) -> str:
    """The destination of a stored password as one readable text: one address, and one way to check who answers there.

    The secret itself contains its destination, because table rows and secrets cannot be changed in one transaction. A
    process may die between the two changes. Even then a password is sent only to the destination in its secret, not to
    another one in the registration.

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
