"""What requests and answers look like. Every text, number and list has its bounds, and nothing unknown is taken."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Secret,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from cerberus.address_policy import HOST_NAME, IPV6_ADDRESS, MAX_HOST, checked_host
from cerberus.endpoint import MAX_PORT
from cerberus.tls import CERTIFICATE_MARK, KEY_MARK, MAX_PINS, CaBundle
from common.errors import Failure
from common.plain_text import ACTING, PLAIN, PLAIN_OR_EMPTY, is_plain
from fleet.people import ROLE_PATTERN
from fleet.servers import PRIMARY_ID
from registry.schedule import MAX_INTERVAL
from replication.documents.keep_patterns import RULE_FORM, Rules
from replication.model import PartName

ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
RUN_ID_PATTERN = r"^[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"
_RUN = RUN_ID_PATTERN[1:-1]
_DIGEST = DIGEST_PATTERN[1:-1]
SNAPSHOT_PATTERN = (
    rf"^({_RUN}|{_DIGEST}|primary/{_DIGEST}|backups/{ID_PATTERN[1:-1]}/{_RUN}/([a-z0-9-]{{1,63}}/)?[a-z_.]{{1,150}})$"
)
_MAX_BACKUPS = 1000
_MAX_ROLES = 50
_LARGEST_CA_BUNDLE = 65_536
"""Bytes. With the longest lists beside it a registration still fits into a row of DynamoDB, which takes 400 KB."""


def _host(value: str) -> str:
    return str(_accepted(checked_host, value))


def _ca_pem(value: str) -> str:
    if len(value.encode()) > _LARGEST_CA_BUNDLE:  # what stands beside the certificates may be of any characters
        raise ValueError(f"It has more than {_LARGEST_CA_BUNDLE} bytes")
    _accepted(CaBundle, value)
    return value


def _rule(value: str) -> str:
    if not is_plain(value):
        raise ValueError("It holds a control or bidirectional character")
    _accepted(lambda pattern: Rules([pattern]), value)
    return value


def _whole(value: object) -> object:
    """A whole number that was written with a point: in JSON 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _backup_id(value: str) -> str:
    if value == PRIMARY_ID:
        raise ValueError(f"{PRIMARY_ID} is the primary's own id")
    return value


def _accepted(check: Any, value: str) -> object:
    """What ``check`` makes of the value; its Failure as the error that pydantic understands."""
    try:
        return check(value)
    except Failure as failure:
        complaint = failure.message
    raise ValueError(complaint)


Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_HOST,
        pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:_-]*$",
        description=(
            "Host name or address; no URL. It is refused if it resolves to an address that is never connected to, "
            "such as that of the metadata service."
        ),
        json_schema_extra={
            "format": "server-host",
            "anyOf": [
                {"title": "Host name or IPv4 address", "pattern": f"^{HOST_NAME}$"},
                {"title": "IPv6 address", "format": "ipv6", "pattern": f"^({IPV6_ADDRESS})$"},
            ],
        },
    ),
    AfterValidator(_host),
]
Port = Annotated[
    int, Field(ge=1, le=MAX_PORT, description="Port of the server's SOAP service."), BeforeValidator(_whole)
]
UserName = Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
Password = Annotated[
    Secret[Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]],
    Field(
        description="Of the server's primary administrator. Kept in Secrets Manager, and never returned.",
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]
Part = Annotated[PartName, Field(strict=False)]
Parts = Annotated[list[Part], Field(min_length=1, max_length=len(PartName))]
Rule = Annotated[
    str,
    Field(
        min_length=1,
        max_length=256,
        description=(
            "A keep pattern over the paths of the settings: every step between slashes names something. One that "
            "begins with `!/` is an exception: this exact path is replicated all the same. One that can match nothing "
            "is refused."
        ),
        json_schema_extra={"format": "preservation-rule", "pattern": f"^{RULE_FORM}$", "not": {"pattern": ACTING}},
    ),
    AfterValidator(_rule),
]
RuleList = Annotated[
    list[Rule], Field(max_length=200, description="What stays the backup's own, besides the product's own rules.")
]
Tags = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/=+@-]{1,128}$")],
        Annotated[str, StringConstraints(max_length=256, pattern=PLAIN_OR_EMPTY)],
    ],
    Field(max_length=50, description="Free labels.", json_schema_extra={"additionalProperties": False}),
]
ReportOnly = Annotated[bool, Field(description="Differences are reported and never repaired.")]
SnapshotName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        pattern=SNAPSHOT_PATTERN,
        description="The key of a snapshot, the id of the run that kept it, or the digest of a state of the primary.",
    ),
]
BackupId = Annotated[
    str,
    Field(
        pattern=ID_PATTERN,
        max_length=63,
        description=f"Not `{PRIMARY_ID}`, which is the primary's own id.",
        json_schema_extra={"not": {"const": PRIMARY_ID}},
    ),
    AfterValidator(_backup_id),
]


LEFT_OUT: Any = Field(default=None)
"""For a field that may be left out, but not be null. It is None then."""


@dataclass(frozen=True)
class NotBeside:
    """A flag that cannot be true when the field ``other`` is given; that one has to be declared before the flag.

    Both the validator and the JSON schema of a model come from this one declaration.
    """

    other: str
    why: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def _checked(self, flag: bool, info: ValidationInfo) -> bool:
        if flag and info.data.get(self.other) is not None:
            raise ValueError(self.why)
        return flag

    def describe(self, name: str, schema: JsonSchemaValue) -> None:
        """Write it into the schema of the model whose field ``name`` is the flag."""
        beside = schema.setdefault("dependentSchemas", {}).setdefault(self.other, {"properties": {}})
        beside["properties"][name] = {"const": False, "description": self.why}


class Model(BaseModel):
    """Nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Without the default null of fields that cannot be null, and with what excludes each other."""
        schema = handler(core_schema)
        whole = handler.resolve_ref_schema(schema)
        for described in whole.get("properties", {}).values():
            if described.get("default", ...) is None and {"type": "null"} not in described.get("anyOf", ()):
                del described["default"]
        for name, field in cls.model_fields.items():
            for mark in field.metadata:
                if isinstance(mark, NotBeside):
                    mark.describe(name, whole)
        return schema


# ---------------------------------------------------------------- trust


class SystemTrust(Model):
    """By the public certification authorities."""

    mode: Literal["system"]


class CaTrust(Model):
    """By authorities of one's own, in PEM."""

    mode: Literal["ca"]
    ca_pem: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LARGEST_CA_BUNDLE,
            description="Certificates that can be read, and no private key; 65,536 bytes at most.",
            json_schema_extra={
                "format": "pem-certificates",
                "pattern": CERTIFICATE_MARK,
                "not": {"pattern": KEY_MARK},
            },
        ),
        AfterValidator(_ca_pem),
    ]


class PinnedTrust(Model):
    """By the SHA-256 of the certificate itself; the second one is for a renewal."""

    mode: Literal["pins"]
    fingerprints: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$")]],
        Field(min_length=1, max_length=MAX_PINS),
    ]


Trust = Annotated[SystemTrust | CaTrust | PinnedTrust, Field(discriminator="mode")]


# ---------------------------------------------------------------- servers as sent


class _SecureOnly(Model):
    secure_connection: Annotated[
        Literal[True], Field(description="Always true: over plain HTTP the password could be read on the way.")
    ] = True

    @field_validator("secure_connection", mode="before")
    @classmethod
    def _never_plain(cls, value: object) -> object:
        if value is not True:  # the literal alone would take 1 for it
            raise ValueError("It must be true: over plain HTTP the password could be read on the way")
        return value


class NewPrimary(_SecureOnly):
    """The primary. Host, port and trust are replaced as a whole: without ``tls`` by the system's roots.

    User name and password that are left out stay; 409 when only one is given and the other is not stored. With another
    host, port or trust the password is needed: 409 ``password_needed`` without it.
    """

    host: Host
    port: Port
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = SystemTrust(mode="system")


class PrimaryChange(_SecureOnly):
    """What is to change of the primary; what is left out stays.

    409 when only one of user name and password is given and the other is not stored. With another host, port or
    trust the password is needed: 409 ``password_needed`` without it.
    """

    host: Host = LEFT_OUT
    port: Port = LEFT_OUT
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = LEFT_OUT


class NewBackup(_SecureOnly):
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


class BackupChange(_SecureOnly):
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


# ---------------------------------------------------------------- servers as shown


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


class ApprovalView(Model):
    """Who lets which plan through, once, as long as neither server moves.

    ``snapshot`` is the key of what the plan puts back, empty for a replication. ``agreed`` are others who stand behind
    it. ``missing_approvals`` is how many people have to approve the same plan as well before it is ``in_force``.
    """

    backup_id: str
    hash: str
    snapshot: str
    approved_by: str
    agreed: list[str]
    in_force: bool
    missing_approvals: int
    at: datetime
    ends_at: datetime


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


# ---------------------------------------------------------------- checks


class CertificateView(Model):
    """The certificate the server showed. ``fingerprint`` is the SHA-256 to pin, once confirmed out of band."""

    subject: str
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    trusted: bool


class RequirementView(Model):
    """One requirement, tried just now."""

    id: str
    result: Literal["pass", "fail", "warning", "skipped"]
    reason: str
    detail: str
    remedy: str


class CheckReport(Model):
    """All requirements on one server. ``passed``: none failed and none was skipped."""

    server: str
    checked_at: datetime
    passed: bool
    requirements: list[RequirementView]
    certificate: CertificateView | None


class CheckedPrimary(Model):
    """The primary as stored, and what a check of it says."""

    primary: PrimaryView
    check: CheckReport


class RegisteredBackup(Model):
    """The backup as stored, and what a check of it says."""

    backup: BackupView
    check: CheckReport


# ---------------------------------------------------------------- settings


Count = Annotated[int, Field(ge=0, le=1_000_000), BeforeValidator(_whole)]
Share = Annotated[
    float,
    Field(ge=0, le=1, description="Rounded to six digits after the point."),
    AfterValidator(lambda share: round(share, 6)),
]


class LimitsView(Model):
    """How many users, and how many groups, one push may remove or disable before it waits for an approval.

    It is stopped above the floor and above the share of what the backup holds, or above the maximum.
    """

    removal_floor: Count
    removal_share: Share
    removal_maximum: Count
    disabling_floor: Count
    disabling_share: Share
    disabling_maximum: Count


class NewSyncSettings(Model):
    """All settings. A null ``interval_minutes`` leaves the rule's expression as it is.

    Null ``limits``, and those with the numbers of the product's defaults, mean the defaults.
    """

    enabled: bool
    interval_minutes: Annotated[int, Field(ge=1, le=MAX_INTERVAL), BeforeValidator(_whole)] | None
    on_change_polling: bool
    parts: Parts | None
    rules: RuleList
    replicate_auto_block_list: bool
    limits: LimitsView | None
    block_widened_access: Annotated[bool, Field(description="What widens access waits for an approval.")]
    approval_by_another: Annotated[
        bool,
        Field(
            description=(
                "An approval needs two people: somebody approves who did not ask for the run; where no person asked, "
                "or it is not certain who did, two people approve."
            )
        ),
    ]
    connect_timeout: Annotated[float, Field(ge=0.5, le=60, description="Seconds.")]
    read_timeout: Annotated[float, Field(ge=1, le=600, description="Seconds.")]
    reply_limit_mb: Annotated[int, Field(ge=1, le=1024), BeforeValidator(_whole)]
    full_verification_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=10080,
            description=(
                "While nothing changes on the primary, a backup that was verified so recently is only asked whether it "
                "is there, and not read. What is changed on a backup by hand is then noticed so much later. "
                "0: every run reads and verifies."
            ),
        ),
        BeforeValidator(_whole),
    ] = 0
    personal_roles: Annotated[
        list[Annotated[str, Field(pattern=ROLE_PATTERN, max_length=600)]],
        Field(
            max_length=_MAX_ROLES,
            description=(
                "ARNs of IAM roles whose trust policy gives each session the name of who takes it. All sessions of "
                "another role count as one person."
            ),
        ),
    ] = []
    approval_hours: Annotated[
        int,
        Field(ge=1, le=720, description="So long after it was given an approval ends, used or not."),
        BeforeValidator(_whole),
    ] = 24
    schedule_notes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]],
        Field(max_length=5, description="As the answers have it, so that these can be sent again; it changes nothing."),
    ] = []


class SyncSettingsView(Model):
    """What holds for the whole fleet, and the schedule as the rules have it; it can be PUT again as it is.

    ``interval_minutes`` is null while the rule has another expression than an interval that can be set here.
    ``schedule_notes`` say what is odd about the rules: one that is not there, and counts as off, or its expression.
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


# ---------------------------------------------------------------- runs


class NewRun(Model):
    """A run to start. Without ``backups`` it is over the whole fleet; an empty list is refused.

    A dry run writes nothing.

    ``state`` is the digest of an older state of the primary, to go over instead of what it holds now. The primary
    is not read then, so ``accept_primary`` cannot be true beside it. A backup that is paused already gets it only if
    it is named here, and a person's pause stays with its reason. One with ``report_only`` cannot be named.

    ``plan_hash`` is that of the plan of one backup, as it was looked at: no backup with another plan is written to. It
    approves nothing: what the guards stop waits for ``POST /backups/{id}/approve``.
    """

    backups: Annotated[list[BackupId], Field(min_length=1, max_length=_MAX_BACKUPS)] = LEFT_OUT
    dry_run: bool = False
    state: Annotated[str, Field(pattern=DIGEST_PATTERN, description="Not beside a true accept_primary.")] = LEFT_OUT
    accept_primary: Annotated[
        bool,
        Field(
            description=(
                "The primary is meant to be as empty or as small as the run finds it. This is remembered, unless the "
                "run is dry, until the primary holds something else or is another server. Not true beside a state."
            )
        ),
        NotBeside("state", "The primary is not read when an older state of it goes over"),
    ] = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class NewRestore(Model):
    """What to put back: a snapshot of this backup, or a state of the primary. A dry run writes nothing.

    The backup gets it also if it is paused, and a person's pause stays with its reason.
    ``plan_hash`` is that of the plan, as it was looked at: with another one nothing is written. It approves nothing:
    what the guards stop waits for ``POST /backups/{id}/approve``.
    ``same_machine`` says that a snapshot which is ``former`` is of the machine that is registered now.
    """

    snapshot: SnapshotName
    dry_run: bool = False
    same_machine: bool = False
    plan_hash: Annotated[str, Field(pattern=DIGEST_PATTERN)] = LEFT_OUT


class SnapshotView(Model):
    """What was kept of a backup before a run wrote to it. ``at`` is when that run was asked for, ``size`` in bytes.

    ``former``: the id was another registration then, removed since or at another address. It may be another machine.
    """

    key: str
    run_id: str
    at: datetime
    parts: list[str]
    size: int
    former: bool


class SnapshotPage(Model):
    """Some of a backup's snapshots, newest first. ``next`` leads to older ones."""

    snapshots: list[SnapshotView]
    next: str | None


class PartView(Model):
    """What became of one part. ``cause`` says which server has changed since both were equal, empty where none has.

    ``kept_different`` counts the values that a rule keeps although they differ; the first of their paths are listed.
    """

    part: str
    status: str
    reason: str
    message: str
    added: int
    removed: int
    changed: int
    cause: str
    kept_different: int
    kept_different_paths: list[str]


class ResultView(Model):
    """What a run did to a backup. ``duration`` in seconds.

    ``snapshot`` is the key of what the backup held before it was written to, empty when it was not.
    ``approved_by`` are those behind the approval that this push used up, empty when it used none.
    ``former``: the id was another registration then, removed since or at another address.
    """

    backup_id: str
    former: bool
    run_id: str
    status: str
    reason: str
    message: str
    remedy: str
    attempted_at: datetime
    pushed_at: datetime | None
    verified_at: datetime | None
    duration: float
    parts: list[PartView]
    warnings: list[str]
    plan_hash: str
    snapshot: str
    approved_by: list[str]


class NoticeView(Model):
    """What an administrator should know of a run although it did not end it."""

    reason: str
    message: str
    remedy: str


class RunView(Model):
    """A run. ``queued`` until it begins; ``counts`` has the backups by status once it has ended.

    ``snapshot`` is the key of what it puts back, empty for a replication; ``plan_hash`` that of the only plan that it
    carries out, empty for any. ``requester_verified``: ``requested_by`` has asked this API for it; otherwise that is
    what an invocation of the function said, and proves nothing.
    """

    id: str
    trigger: str
    status: str
    reason: str
    message: str
    remedy: str
    dry_run: bool
    requested_by: str
    requester_verified: bool
    requested_backups: list[str]
    snapshot: str
    plan_hash: str
    started_at: datetime
    finished_at: datetime | None
    counts: dict[str, int]
    notices: list[NoticeView]


class Progress(Model):
    """How many backups have a result, of how many."""

    done: int
    total: int


class RunDetails(RunView):
    """A run with its progress, and results of backups that are done: those that need somebody first.

    ``next`` leads to more. While a run is under way, a result that changes between two pages can be on neither.
    """

    progress: Progress
    results: list[ResultView]
    next: str | None


class RunPage(Model):
    """Some of the runs, newest first. ``next`` leads to older ones."""

    runs: list[RunView]
    next: str | None


class HistoryPage(Model):
    """Some of a backup's results, newest first. ``next`` leads to older ones."""

    results: list[ResultView]
    next: str | None


# ---------------------------------------------------------------- the guards


class FieldChangeView(Model):
    """One value of an item. Both values are null where it is ``hidden`` because it looks like a secret."""

    path: str
    kind: str
    before: str | None
    after: str | None
    hidden: bool


class ItemChangeView(Model):
    """One user, group, setting or rule that would come, go or change."""

    kind: str
    key: str
    fields: list[FieldChangeView]
    more_fields: int


class PlannedPartView(Model):
    """One part. ``different``: it is written. ``blocked``: it waits for an approval of the plan. ``undecided``: it
    waits for what the remedy of its reason says, and no approval helps. ``not_written``: ``reason`` says why.

    ``kept`` counts what the rules keep as the backup has it; ``kept_different`` counts the values of it that differ
    from the primary's, or that only one side has.
    """

    part: str
    state: Literal["equal", "different", "blocked", "undecided", "not_written"]
    reason: str | None
    message: str
    added: int
    removed: int
    changed: int
    items: list[ItemChangeView]
    more_items: int
    kept: int
    kept_paths: list[str]
    kept_different: int
    kept_different_paths: list[str]


class BlockView(Model):
    """Why a part waits for a person, with the numbers that stopped it.

    One that is not ``approvable`` waits until its remedy is carried out.
    """

    part: str
    reason: str
    message: str
    remedy: str
    approvable: bool
    numbers: dict[str, int]


class AccessIncreaseView(Model):
    """One thing that would widen access."""

    part: str
    kind: str
    item: str
    path: str


class PlanView(Model):
    """What a run would do to a backup now. ``text`` is the same for people; ``hash`` is what an approval names.

    Lists are bounded; what is not listed is counted. ``exceptions`` are paths that are replicated although a rule
    would keep them: the rules' exceptions that have an effect.
    """

    backup_id: str
    made_at: datetime
    hash: str
    parts: list[PlannedPartView]
    warnings: list[str]
    exceptions: list[str]
    blocked: list[BlockView]
    widened: list[AccessIncreaseView]
    more_widened: int
    text: str


class NewApproval(Model):
    """The plan that was looked at."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The hash of the backup's last result.")]


class Pause(Model):
    """Why nothing is to be written to the backup for the time being."""

    why: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]


# ---------------------------------------------------------------- promotion


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


# ---------------------------------------------------------------- states of the primary


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


class DifferenceView(Model):
    """What leads from one state of the primary to another; ``text`` is the same for people.

    ``after`` is null for what it holds now. Of a part that only one of them has, ``message`` says which.
    """

    before: str
    after: str | None
    made_at: datetime
    parts: list[PlannedPartView]
    text: str


# ---------------------------------------------------------------- import


class ImportRequest(Model):
    """Taking over the list of the primary's own Synchronization Manager. A dry run only shows it.

    ``passwords`` are given by ``host:port``, because the primary does not tell them.
    """

    dry_run: bool = True
    passwords: Annotated[
        dict[Annotated[str, StringConstraints(min_length=3, max_length=MAX_HOST + 6)], Password],
        Field(max_length=_MAX_BACKUPS),
    ] = {}
    tls: Annotated[Trust, Field(description="How the certificates of all imported servers are checked.")] = SystemTrust(
        mode="system"
    )


class ImportedBackup(Model):
    """What becomes, or became, of one entry. ``id`` is that of its registration."""

    host: str
    port: int
    username: str
    enabled: bool
    action: Literal["would_register", "registered", "needs_password", "already_registered", "refused"]
    id: str | None
    detail: str


class NativeSyncView(Model):
    """The primary's own Synchronization Manager."""

    enabled: bool
    interval_minutes: int
    on_change: bool


class ImportReport(Model):
    """What was found on the primary, and what was done about it. ``more`` counts entries that were not looked at."""

    dry_run: bool
    native: NativeSyncView
    warnings: list[str]
    backups: list[ImportedBackup]
    more: int


# ---------------------------------------------------------------- others


class Health(Model):
    """The API answers. ``version`` is the product's, by Semantic Versioning."""

    status: Literal["ok"] = "ok"
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]


class FieldErrorView(Model):
    """What is wrong with one field."""

    field: str
    reason: str


class ProblemView(Model):
    """A problem document (RFC 9457). ``reason`` is the code that records, metrics and log lines use too."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    remedy: str
    errors: list[FieldErrorView]
