"""Settings of the whole fleet, with limits and schedule."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from admin_api.schemas.fields import LEFT_OUT, Model, Parts, RuleList, whole_number
from common.plain_text import PLAIN
from fleet.people import ROLE_PATTERN
from registry.schedule import MAX_INTERVAL

_MAX_ROLES = 50
Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(whole_number)]
Share = Annotated[
    float,
    Field(ge=0, le=1, description="Rounded to six digits after the point."),
    AfterValidator(lambda share: round(share, 6)),
]


Interval = Annotated[int, Field(ge=1, le=MAX_INTERVAL), BeforeValidator(whole_number)]
ConnectTimeout = Annotated[float, Field(ge=0.5, le=60, description="Seconds.")]
ReadTimeout = Annotated[float, Field(ge=1, le=600, description="Seconds.")]
ReplyLimit = Annotated[int, Field(ge=1, le=1024), BeforeValidator(whole_number)]
BlocksWidenedAccess = Annotated[bool, Field(description="Changes that widen access wait for an approval.")]
ApprovalByAnother = Annotated[
    bool,
    Field(
        description=(
            "An approval needs two people. The person who requested the run counts as one of them. If no person "
            "requested it, or the requester is not certain, two people have to approve."
        )
    ),
]
VerificationMinutes = Annotated[
    int,
    Field(
        ge=0,
        le=10080,
        description=(
            "For this time after a verification, a run does not read a backup if nothing has changed on the primary; "
            "it only checks that the backup answers. A change by hand on the backup is found later by up to this "
            "time. 0: every run reads and verifies every backup."
        ),
    ),
    BeforeValidator(whole_number),
]
PersonalRoles = Annotated[
    list[Annotated[str, Field(pattern=ROLE_PATTERN, max_length=600)]],
    Field(
        max_length=_MAX_ROLES,
        description=(
            "ARNs of IAM roles whose trust policy sets the session name to the name of the IAM user. All sessions of "
            "any other role count as one person."
        ),
    ),
]
ApprovalHours = Annotated[
    int, Field(ge=1, le=720, description="Hours after which an unused approval expires."), BeforeValidator(whole_number)
]


class LimitsView(Model):
    """How many users, and how many groups, one push may remove or disable before it needs an approval.

    A push is blocked if the number exceeds both the floor and the share of the backup's entries, or exceeds the
    maximum.
    """

    removal_floor: Count
    removal_share: Share
    removal_maximum: Count
    disabling_floor: Count
    disabling_share: Share
    disabling_maximum: Count


class NewSyncSettings(Model):
    """All settings. A null ``interval_minutes`` leaves the EventBridge rule's schedule as it is.

    Null ``limits``, and limits equal to the product's defaults, mean the defaults.
    """

    enabled: bool
    interval_minutes: Interval | None
    on_change_polling: bool
    parts: Parts | None
    rules: RuleList
    replicate_auto_block_list: bool
    limits: LimitsView | None
    block_widened_access: BlocksWidenedAccess
    approval_by_another: ApprovalByAnother
    connect_timeout: ConnectTimeout
    read_timeout: ReadTimeout
    reply_limit_mb: ReplyLimit
    full_verification_minutes: VerificationMinutes = 0
    personal_roles: PersonalRoles = []
    approval_hours: ApprovalHours = 24
    schedule_notes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]],
        Field(max_length=5, description="No effect; accepted so that clients can send a reply back."),
    ] = []


class SyncSettingsChange(Model):
    """The settings to change; omitted fields are kept. Lists and ``limits`` are replaced as a whole.

    Null ``limits`` mean the product's defaults, null ``parts`` the usual parts.
    """

    enabled: bool = LEFT_OUT
    interval_minutes: Interval = LEFT_OUT
    on_change_polling: bool = LEFT_OUT
    parts: Parts | None = None
    rules: RuleList = LEFT_OUT
    replicate_auto_block_list: bool = LEFT_OUT
    limits: LimitsView | None = None
    block_widened_access: BlocksWidenedAccess = LEFT_OUT
    approval_by_another: ApprovalByAnother = LEFT_OUT
    connect_timeout: ConnectTimeout = LEFT_OUT
    read_timeout: ReadTimeout = LEFT_OUT
    reply_limit_mb: ReplyLimit = LEFT_OUT
    full_verification_minutes: VerificationMinutes = LEFT_OUT
    personal_roles: PersonalRoles = LEFT_OUT
    approval_hours: ApprovalHours = LEFT_OUT


class SyncSettingsView(Model):
    """The settings of the whole fleet, and the schedule of the EventBridge rules; a client can PUT this document back.

    ``interval_minutes`` is null while the rule has a schedule other than an interval that can be set here.
    ``schedule_notes`` describe irregularities of the rules: a missing rule, which counts as off, or an unusual
    schedule.
    """

    enabled: bool
    interval_minutes: int | None
    on_change_polling: bool
    parts: list[str] | None
    rules: list[str]
    replicate_auto_block_list: bool
    limits: LimitsView
    block_widened_access: bool
    approval_by_another: bool
    connect_timeout: float
    read_timeout: float
    reply_limit_mb: int
    full_verification_minutes: int
    personal_roles: list[str]
    approval_hours: int
    schedule_notes: list[str]
