"""Backups: the fields of a registration, and how it is shown with its last result and its approval."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas.fields import LEFT_OUT, BackupId, Model, Parts, ReportOnly, RuleList, Tags
from admin_api.schemas.plans import ApprovalView
from admin_api.schemas.runs import ResultSummary
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
from common.plain_text import PLAIN


class NewBackup(SecureOnly):
    """A backup to register. An omitted id is generated from the host's name."""

    id: BackupId = LEFT_OUT
    host: Host
    port: Port
    username: UserName
    password: Password
    enabled: bool = True
    report_only: ReportOnly = False
    tls: Trust = SystemTrust(mode="system")
    parts: Annotated[Parts | None, Field(description="Null means the value in the settings of the fleet.")] = None
    rules: RuleList = []
    tags: Tags = {}


class BackupChange(ServerChange):
    """The fields to change; omitted fields are kept. Lists and tags are replaced as a whole.

    409 if only user name or only password is given and the other is not stored. A change of host, port or trust
    requires the password: 409 ``password_needed`` without it.
    """

    enabled: bool = LEFT_OUT
    report_only: ReportOnly = LEFT_OUT
    parts: Annotated[Parts | None, Field(description="Null means the value in the settings of the fleet.")] = None
    rules: RuleList = LEFT_OUT
    tags: Tags = LEFT_OUT


class LastResult(ResultSummary):
    """The last run's result for a backup; ``pushed_at`` and ``verified_at`` are the latest known times.

    The last result is null until a run has compared the registered server with the current primary.

    ``plan_hash`` is the hash to approve: of the plan or, if some of its parts were blocked, of the remaining plan. The
    hash is empty if nothing differed.
    """


class BackupSummary(Model):
    """A registered backup in a list. ``paused`` is the reason for a pause, empty if the backup is not paused.

    ``created_at`` is the time when the server at this host and port was registered.
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

    ``secret`` is the last part of the name of its secret. ``approval`` is null if there is no valid approval.
    """

    username: str | None
    secret: str
    approval: ApprovalView | None


class UnreadableBackup(Model):
    """A stored registration or last result of a backup that cannot be read; ``complaint`` says why."""

    id: str
    complaint: str


class BackupPage(Model):
    """A page of the backups, in the order of their ids. ``next`` is the parameter for the next page.

    A page with large entries is shorter than its limit. Some unreadable records are listed, and the others counted.
    """

    backups: list[BackupSummary]
    unreadable: list[UnreadableBackup]
    more_unreadable: int
    next: str | None


class RegisteredBackup(Model):
    """The backup as stored, and the result of its check."""

    backup: BackupView
    check: CheckReport


class Pause(Model):
    """The reason why nothing is to be written to the backup for the time being."""

    why: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]
