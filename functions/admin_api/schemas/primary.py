"""The primary: its registration, its views, the promotion of a backup, and its stored states."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.backups import BackupSummary
from admin_api.schemas.fields import LEFT_OUT, BackupId, Model
from admin_api.schemas.servers import (
    CheckReport,
    Host,
    Password,
    Port,
    SecureOnly,
    ServerChange,
    SystemTrust,
    Trust,
    UserName,
)


class NewPrimary(SecureOnly):
    """The primary. Host, port and trust are replaced as a whole: without ``tls``, the system's roots are used.

    An omitted user name or password is kept; 409 if only one is given and the other is not stored. A change of host,
    port or trust requires the password: 409 ``password_needed`` without it.
    """

    host: Host
    port: Port
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = SystemTrust(mode="system")


class PrimaryChange(ServerChange):
    """The fields of the primary to change; omitted fields are kept.

    409 if only user name or only password is given and the other is not stored. A change of host, port or trust
    requires the password: 409 ``password_needed`` without it.
    """


class PrimaryView(Model):
    """The primary. ``source`` is ``stack`` while only the stack's parameters name the primary.

    ``held`` is the reason why nothing is pushed until somebody resumes, empty if runs push. ``secret`` is the last part
    of the name of its secret.
    """

    source: Literal["registered", "stack"]
    host: str
    port: int
    secure_connection: Literal[True] = True
    username: str | None
    secret: str
    tls: Trust
    held: str
    promoted_at: datetime | None
    version: int


class AcceptedPartView(Model):
    """The content of one part of the primary that somebody accepted by a run with ``accept_primary``.

    The acceptance applies to every later run, until this part changes or the primary is another server. ``reason`` and
    ``message`` say what would otherwise have stopped the run. ``requester_verified``: ``accepted_by`` requested that
    run through this API; otherwise the name comes from an invocation of the function and proves nothing.
    """

    part: str
    reason: str
    message: str
    accepted_by: str
    requester_verified: bool
    at: datetime
    run_id: str


class PrimaryDetails(PrimaryView):
    """The primary, with the parts of its content that are ``accepted`` although they look like a mistake."""

    accepted: list[AcceptedPartView]


class CheckedPrimary(Model):
    """The primary as stored, and the result of its check."""

    primary: PrimaryView
    check: CheckReport


class NewPromotion(Model):
    """The backup to promote to primary.

    Without ``former_id``, the old primary gets its former id as a backup, or one derived from its host.
    """

    backup_id: BackupId
    former_id: Annotated[
        BackupId,
        Field(description="The id of the old primary as a backup. Neither `primary` nor the id of another backup."),
    ] = LEFT_OUT
    force: Annotated[bool, Field(description="Promotes the backup in spite of all concerns.")] = False


class PromotionView(Model):
    """The new primary with its check, and the old primary as a backup.

    ``concerns`` are the objections that were overruled; ``warnings`` are tasks that remain.
    """

    primary: PrimaryView
    former: BackupSummary
    check: CheckReport
    concerns: list[str]
    warnings: list[str]


class StateView(Model):
    """A state of the primary, for the period in which every run found it unchanged.

    ``server`` is the primary at that time. ``size`` is in bytes; ``kept_until`` is extended while the state is current.
    """

    digest: str
    server: str
    version: str
    parts: list[str]
    size: int
    users: int
    groups: int
    first_seen_at: datetime
    first_run_id: str
    last_seen_at: datetime
    last_run_id: str
    kept_until: datetime


class StatePage(Model):
    """A page of the primary's states, newest first. ``next`` is the parameter for the next page, of older states."""

    states: list[StateView]
    next: str | None
