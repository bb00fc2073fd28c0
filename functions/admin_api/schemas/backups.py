"""Backups: what a registration takes, and how it is shown with its last result and its approval."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.fields import BackupId, Parts, ReportOnly, RuleList, Tags
from admin_api.schemas.model import LEFT_OUT, Model
from admin_api.schemas.plans import ApprovalView
from admin_api.schemas.servers import CheckReport, Host, Password, Port, SecureOnly, SystemTrust, Trust, UserName
from common.plain_text import PLAIN


class NewBackup(SecureOnly):
    """A backup to register. Without an id it gets one that begins with the host's name."""

    id: BackupId = LEFT_OUT
    host: Host
    port: Port
    username: UserName
    password: Password
    enabled: bool = True
    report_only: ReportOnly = False
    tls: Trust = SystemTrust(mode="system")
    parts: Annotated[Parts | None, Field(description="Null: as in the settings.")] = None
    rules: RuleList = []
    tags: Tags = {}


class BackupChange(SecureOnly):
    """What is to change; what is left out stays. Lists and tags are replaced as a whole.

    409 when only one of user name and password is given and the other is not stored. With another host, port or
    trust the password is needed: 409 ``password_needed`` without it.
    """

    host: Host = LEFT_OUT
    port: Port = LEFT_OUT
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    enabled: bool = LEFT_OUT
    report_only: ReportOnly = LEFT_OUT
    tls: Trust = LEFT_OUT
    parts: Annotated[Parts | None, Field(description="Null: as in the settings.")] = None
    rules: RuleList = LEFT_OUT
    tags: Tags = LEFT_OUT


class LastResult(Model):
    """What the last run did to a backup; the two times are the newest known ones.

    There is none before a run has looked at the server that is registered now beside the primary that is now.

    ``plan_hash`` is what an approval names: the hash of the plan or, where a part of it was stopped, of what is left.
    Empty when nothing differed.
    """

    run_id: str
    status: str
    reason: str
    message: str
    remedy: str
    attempted_at: datetime
    pushed_at: datetime | None
    verified_at: datetime | None
    plan_hash: str
    snapshot: str


class BackupSummary(Model):
    """A registered backup in a list. ``paused`` says why nothing is written to it, empty when it is not paused.

    ``created_at`` is when the server at this host and port was registered.
    """

    id: str
    host: str
    port: int
    secure_connection: Literal[True] = True
    enabled: bool
    report_only: bool
    paused: str
    tls: Trust
    parts: list[str] | None
    rules: list[str]
    tags: dict[str, str]
    created_at: datetime | None
    updated_at: datetime | None
    version: int
    last_result: LastResult | None


class BackupView(BackupSummary):
    """A registered backup. ``username`` is null while no credentials are stored.

    ``secret`` is what the name of its secret ends with. ``approval`` is null when no run could go by one.
    """

    username: str | None
    secret: str
    approval: ApprovalView | None


class UnreadableBackup(Model):
    """A stored registration, or the last result of a backup, that cannot be understood; why is in ``complaint``."""

    id: str
    complaint: str


class BackupPage(Model):
    """Some of the backups, in the order of their ids. ``next`` leads to more.

    A page is shorter than its limit where its entries are large. Of records that cannot be understood some are listed,
    and others counted.
    """

    backups: list[BackupSummary]
    unreadable: list[UnreadableBackup]
    more_unreadable: int
    next: str | None


class RegisteredBackup(Model):
    """The backup as stored, and what a check of it says."""

    backup: BackupView
    check: CheckReport


class Pause(Model):
    """Why nothing is to be written to the backup for the time being."""

    why: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]
