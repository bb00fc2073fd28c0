"""The primary: how it is registered and shown, a backup in its place, and the states that it had."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.backups import BackupSummary
from admin_api.schemas.fields import BackupId
from admin_api.schemas.model import LEFT_OUT, Model
from admin_api.schemas.servers import CheckReport, Host, Password, Port, SecureOnly, SystemTrust, Trust, UserName


class NewPrimary(SecureOnly):
    """The primary. Host, port and trust are replaced as a whole: without ``tls`` by the system's roots.

    User name and password that are left out stay; 409 when only one is given and the other is not stored. With another
    host, port or trust the password is needed: 409 ``password_needed`` without it.
    """

    host: Host
    port: Port
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = SystemTrust(mode="system")


class PrimaryChange(SecureOnly):
    """What is to change of the primary; what is left out stays.

    409 when only one of user name and password is given and the other is not stored. With another host, port or
    trust the password is needed: 409 ``password_needed`` without it.
    """

    host: Host = LEFT_OUT
    port: Port = LEFT_OUT
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = LEFT_OUT


class PrimaryView(Model):
    """The primary. ``source`` is ``stack`` as long as only the stack's parameters name it.

    ``held`` says why nothing is pushed until somebody resumes, empty when it is.
    ``secret`` is what the name of its secret ends with.
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
    """What somebody has accepted of one part of the primary by a run with ``accept_primary``.

    It holds for every later run, until the primary holds something else in this part or is another server.
    ``reason`` and ``message`` say what would have stopped the run. ``requester_verified``: ``accepted_by`` has asked
    this API for that run; otherwise the name is what an invocation of the function said, and proves nothing.
    """

    part: str
    reason: str
    message: str
    accepted_by: str
    requester_verified: bool
    at: datetime
    run_id: str


class PrimaryDetails(PrimaryView):
    """The primary, with what is ``accepted`` of it although it looks like a mistake."""

    accepted: list[AcceptedPartView]


class CheckedPrimary(Model):
    """The primary as stored, and what a check of it says."""

    primary: PrimaryView
    check: CheckReport


class NewPromotion(Model):
    """A backup to make the primary.

    Without ``former_id`` the old primary gets the id that it had when it was a backup, or one of its host's name.
    """

    backup_id: BackupId
    former_id: Annotated[
        BackupId,
        Field(description="What the old primary is called as a backup. Neither `primary` nor the id of a backup."),
    ] = LEFT_OUT
    force: Annotated[bool, Field(description="Whatever speaks against it, it is promoted.")] = False


class PromotionView(Model):
    """Who is the primary now, what became of the old one, and what the new one's check says.

    ``concerns`` are what spoke against it and was overruled; ``warnings`` are to be seen to.
    """

    primary: PrimaryView
    former: BackupSummary
    check: CheckReport
    concerns: list[str]
    warnings: list[str]


class StateView(Model):
    """A state of the primary over a time in which every run found it unchanged.

    ``server`` is the primary of that time. ``size`` is in bytes; ``kept_until`` moves on while it is in force.
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
    """Some of the primary's states, newest first. ``next`` leads to older ones."""

    states: list[StateView]
    next: str | None
