"""What is remembered of the fleet: registered servers, their log-ins, and the settings that hold for all.

Plain data. Only ``Credentials`` holds secrets, and it is no row of the table.

Times are aware datetimes in UTC. Parts and rules are the strings that
replication and common.errors define; the registry stores them without
knowing their meaning.

A class with a ``FORMAT`` is stored by itself. Whoever changes a field of it,
or of a class in it, raises that number: see ``registry.serialization``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from common.hosts import canonical_host


def address_key(host: str, port: int) -> str:
    """What no two registrations may share, however the host is spelled."""
    return f"{canonical_host(host)}#{port}"


@dataclass(frozen=True)
class TlsTrust:
    """How a server's certificate is checked.

    With neither field set, by the system's roots. ``ca_pem`` replaces those
    roots. ``pins`` are one or two SHA-256 fingerprints, 64 hex digits each.
    """

    ca_pem: str = ""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backup:
    """One registered backup.

    ``parts`` None means: as in the settings. ``rules`` come in addition to
    the deployment's. ``report_only``: differences are reported and never repaired.
    ``paused`` says why nothing is written to it until it is resumed, empty
    when it is not paused. ``version`` counts changes and guards against lost updates;
    the store counts it. The two times are the caller's to set. ``secret`` is the
    id of its credentials, empty when that is the backup's own.

    ``registration`` tells which server this is. The store makes it anew when
    an id is registered and when host or port change: what was found, approved
    or kept under another one is of another server.
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
        """The id of its credentials: they stay where they are when a server changes its place."""
        return self.secret or self.id


PRIMARY_SECRET = "primary"  # noqa: S105 - the id of a secret is none
"""The id of the secret that the stack makes, for the first primary. No backup may be called so."""


@dataclass(frozen=True)
class Primary:
    """Where the primary is. ``secret`` is the id of its credentials.

    ``term`` counts the servers that took this place: what was found or approved
    under an earlier one is void, because it was said of another server.
    ``since`` is when this one took it, None for the first. ``promoted_at`` is
    when the last promotion was. ``held`` says why nothing is pushed until somebody
    resumes, empty when it is. ``as_backup`` is how it was registered before it
    was promoted, for when it becomes a backup again. ``of_stack``: nobody has registered it,
    the stack's parameters name it; it is stored so that another one there is noticed.
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
        """The id of its credentials."""
        return self.secret

    @property
    def source(self) -> str:
        """Its address, as what was found or approved names it."""
        return address_key(self.host, self.port)


@dataclass(frozen=True)
class PushLimits:
    """How much one push may remove or disable; the meaning of the numbers is replication's."""

    removal_floor: int
    removal_share: float
    removal_maximum: int
    disabling_floor: int
    disabling_share: float
    disabling_maximum: int


@dataclass(frozen=True)
class SyncSettings:
    """What holds for the whole fleet. The interval is not here: the EventBridge rule has it.

    ``parts`` and ``limits`` None mean the product's defaults.
    ``block_widened_access``: what widens access waits for an approval.
    ``approval_by_another``: an approval needs two people, of whom one may be who asked for the run.
    ``personal_roles`` are the ARNs of roles in whose sessions people can be told apart, see ``fleet.people``.
    Time-outs in seconds. ``full_verification_minutes``: as long as nothing has
    changed, a backup that was verified so recently is not read again; 0 means
    that every run verifies. ``approval_hours``: so long after it was given an approval ends.
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
    """What became of the log-in with one ``version`` of a secret.

    ``destination`` is where it was sent first, and may be sent again. ``refused_at`` is when the server
    refused it last, None when it did not.
    """

    FORMAT: ClassVar[int] = 1

    secret_id: str
    version: str
    destination: str
    refused_at: datetime | None = None


@dataclass(frozen=True)
class DiscardedSecret:
    """A secret that is still to be deleted, because the registration of ``backup_id`` that it was of is removed."""

    FORMAT: ClassVar[int] = 1

    secret_id: str
    backup_id: str


@dataclass(frozen=True)
class Credentials:
    """User name and password of a server's primary administrator. Its repr shows neither.

    ``destination`` is what they are for (``registry.destination``), empty where the secret does not say it.
    ``version`` is that of the secret; who stores new ones leaves it empty.
    """

    username: str = field(repr=False)
    password: str = field(repr=False)
    destination: str = ""
    version: str = field(default="", compare=False)
