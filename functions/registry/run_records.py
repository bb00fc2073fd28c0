"""Records of runs: their requests, their results, what they found on the primary, and approvals.

All classes are plain data without secrets.

Times are UTC datetimes with a time zone. Parts, statuses and reasons are strings that replication and common.errors
define; the registry does not interpret them.

A class with a ``FORMAT`` is stored as a record of its own. A change of one of its fields, or of a class that it
contains, must increase that number: see ``registry.serialization``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from common.patterns import Whole
from registry.serialization import formerly

QUEUED = "queued"
"""The status of a run that was requested and has not begun."""

RUN_ID = Whole(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}")


def new_run_id(at: datetime, identifier: str) -> str:
    """An id for a run requested at this time, made unique by a new ``identifier`` of the runtime.

    Ids sort by time.
    """
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{identifier[:8]}"


def is_run_id(text: str) -> bool:
    """Whether this text is a run id with a valid time."""
    try:
        requested_at(text)
    except ValueError:
        return False
    return RUN_ID.fullmatch(text) is not None


def requested_at(run_id: str) -> datetime:
    """The time in UTC at which the run was requested. Raises ValueError if the text is not a run id."""
    return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S.%f%z")


@dataclass(frozen=True)
class PartResult:
    """The result for one part of one backup. The counts are numbers of items, as in a plan (users, rules, settings).

    ``kept_different`` is the number of values that a keep pattern preserves although they differ; the first paths are
    listed.
    """

    part: str
    status: str
    reason: str = ""
    message: str = ""
    added: int = 0
    removed: int = 0
    changed: int = 0
    cause: str = ""
    kept_different: int = 0
    kept_different_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordedFingerprints:
    """The fingerprints of a part when it was last read back from a backup: of the desired and of the actual content."""

    desired: str
    held: str

    @property
    def is_unsure(self) -> bool:
        """Whether the part was written and not read back since. The answer stays the same if another server becomes the
        primary.
        """
        return not (self.desired or self.held)


@dataclass(frozen=True)
class Condition:
    """Facts about a server that will need attention at some time. A field is None if the server did not report it.

    ``native_sync``: its own Synchronization Manager pushes to other servers.
    """

    certificate_ends: datetime | None = None
    licence_ends: datetime | None = None
    native_sync: bool | None = None


@dataclass(frozen=True)
class BackupResult:
    """The result of one run for one backup. ``registration`` is the backup's registration at that time.

    ``pushed_at`` and ``verified_at`` are None if this run did not push or verify; the backup's status then keeps the
    older times. ``snapshot`` is the key of the backup's content before the first write. ``fingerprints`` are by part;
    the backup's status also keeps older ones. ``basis`` is a digest of everything that the verification depends on,
    empty if the backup was not verified. ``failures`` is 1 or 0 in a result, and the number of consecutive failures in
    the backup's status. ``harmed``: the backup was rolled back after a push, or is unreachable since one. None in
    ``failures``, ``harmed`` or ``condition`` means that the run found nothing out; the status keeps the known value.
    The same applies to ``settings_before``, the key of the snapshot from before new settings whose proof of access is
    pending; it is empty if no proof is pending. ``term`` and ``source`` identify the primary that the backup was
    compared with (``Primary.source``). ``approved_parts``, in an interim result, maps each part that was approved, or
    has the requested hash, to the hash of its change. A worker that takes over the push in the same run may write
    exactly these changes. ``approved_by`` are the principals whose approval the push used, empty if it used none.
    """

    FORMAT: ClassVar[int] = 4

    backup_id: str
    run_id: str
    status: str
    attempted_at: datetime
    reason: str = ""
    message: str = ""
    pushed_at: datetime | None = None
    verified_at: datetime | None = None
    duration: float = 0.0
    parts: tuple[PartResult, ...] = ()
    warnings: tuple[str, ...] = ()
    plan_hash: str = ""
    snapshot: str = ""
    fingerprints: Mapping[str, RecordedFingerprints] = field(default_factory=dict, metadata=formerly("seen"))
    basis: str = ""
    term: int = 0
    failures: int | None = None
    harmed: bool | None = None
    condition: Condition = Condition()
    settings_before: str | None = None
    registration: str = ""
    source: str = ""
    approved_parts: Mapping[str, str] = field(default_factory=dict)
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A notice about something that happened in a run and did not end the run."""

    reason: str
    message: str


@dataclass(frozen=True)
class Run:
    """The record of one run. ``finished_at`` None means that the run is queued, in progress or was killed.

    ``term`` and ``source`` are the primary's; ``held``: the run writes nothing, because another server has become the
    primary and nobody has confirmed this yet.

    ``primary`` has the facts about the primary's certificate, licence and native sync, None if the run did not read it.

    ``new_run_id`` creates ids, which sort by time: runs and histories are listed by them. ``snapshot`` is the key of
    the snapshot to restore, empty for a replication. ``plan_hash`` is the hash of the plan that the run was asked to
    carry out, empty for any plan: a backup with another plan is not written to. ``same_machine``: a person confirmed
    that a snapshot of an earlier registration is of the machine that is registered now. ``state`` is the fingerprint of
    the primary's state that the run read, empty if it did not read the primary. ``requester_verified``: the management
    API has queued the run, so ``requested_by`` is the actual requester. Otherwise ``requested_by`` is copied from the
    event, in which anybody who may invoke the function can write any name.
    """

    FORMAT: ClassVar[int] = 4

    id: str
    trigger: str
    started_at: datetime
    requested_by: str = ""
    requested_backups: tuple[str, ...] = ()
    dry_run: bool = False
    snapshot: str = ""
    plan_hash: str = ""
    status: str = "running"
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    term: int = 0
    held: bool = False
    primary: Condition | None = None
    source: str = ""
    same_machine: bool = False
    state: str = ""
    accept_primary: bool = False
    requester_verified: bool = False


@dataclass(frozen=True)
class FanOut:
    """How the backups of a queued run are processed.

    ``owner`` is the token of the run's lease, which the workers use and which ends at ``ends_at``. ``state`` is the key
    of the stored state of the primary, or of the snapshot to restore; ``label``, ``host`` and ``port`` identify the
    server. ``users``, ``groups`` and ``settings`` are the numbers of items in the state.
    """

    FORMAT: ClassVar[int] = 1

    run_id: str
    owner: str
    ends_at: datetime
    state: str
    label: str
    host: str
    port: int
    users: int
    groups: int
    settings: int


@dataclass(frozen=True)
class ServedNow:
    """The marker of a backup that a run is processing. The marker is removed at the end of the processing, unless the
    process dies.

    ``registration`` and ``version`` are from the backup's registration at that time. ``deaths`` is the number of
    earlier processes that died while they processed this registration.
    """

    FORMAT: ClassVar[int] = 1

    backup_id: str
    run_id: str
    registration: str
    version: int
    deaths: int = 0


class Claim(StrEnum):
    """Whether a worker may process an open backup."""

    MINE = "mine"
    HELD = "held"
    """Another worker has claimed the backup, and that claim has not ended."""
    CLOSED = "closed"
    """The backup is not open: it was never queued, or already has its result."""


@dataclass(frozen=True)
class PrimaryBaseline:
    """The primary when a backup was last verified: its size, and a fingerprint of its content.

    ``settings`` is the number of values in the primary's settings.

    The fingerprint is from the last run over the whole fleet, empty if there was none. ``term`` and ``source`` identify
    the primary at that time.
    """

    FORMAT: ClassVar[int] = 2

    users: int
    groups: int
    at: datetime
    run_id: str
    fingerprint: str = ""
    settings: int = 0
    term: int = 0
    source: str = ""


@dataclass(frozen=True)
class AcceptedPart:
    """A person's acceptance of exactly the content with this ``fingerprint``, for one part of the primary.

    ``reason`` and ``message`` say what would have stopped the run, ``run_id`` is that run, and ``accepted_by`` is its
    requester, empty if unknown. ``requester_verified`` as in ``Run``.
    """

    fingerprint: str
    reason: str
    message: str
    accepted_by: str
    at: datetime
    run_id: str
    requester_verified: bool = False


@dataclass(frozen=True)
class PrimaryAcceptance:
    """The accepted parts of the primary, whose content looks like a mistake.

    The acceptance of a part is removed as soon as a run finds different content in that part. ``term`` and ``source``
    identify the primary at that time.
    """

    FORMAT: ClassVar[int] = 2

    parts: Mapping[str, AcceptedPart]
    term: int = 0
    source: str = ""


@dataclass(frozen=True)
class KeptState:
    """One state of the primary, for the period in which every run found it unchanged.

    A state that returns later is stored once and listed twice. ``digest`` is the key of the stored state; ``parts`` has
    a fingerprint of each part that was read. ``server`` is the primary's ``host:port`` at that time, ``version`` its
    product version, and ``size`` the size of its documents in bytes. The state can be restored between ``kept_at`` and
    ``kept_until``.
    """

    FORMAT: ClassVar[int] = 1

    digest: str
    server: str
    version: str
    parts: Mapping[str, str]
    size: int
    users: int
    groups: int
    first_run_id: str
    first_seen_at: datetime
    last_run_id: str
    last_seen_at: datetime
    kept_at: datetime
    kept_until: datetime


@dataclass(frozen=True)
class Approval:
    """A person's approval of exactly one plan, for one push. The approval is void as soon as a server changes.

    The first write to the backup ends it in the same transaction that records the write, whichever run writes.

    ``term`` and ``source`` identify the primary, and ``registration`` the backup: the approval is void for other
    servers. ``snapshot`` is the key of the snapshot that the plan restores, empty for a replication: runs with another
    purpose do not use the approval. ``agreed`` are the other people who count as approvers: those who approved earlier,
    and those who requested the run that made the plan. ``ends_at`` is when it expires, None for an approval of an older
    version.
    """

    FORMAT: ClassVar[int] = 5

    backup_id: str
    plan_hash: str
    approved_by: str
    at: datetime
    term: int = 0
    registration: str = ""
    source: str = ""
    snapshot: str = ""
    agreed: tuple[str, ...] = ()
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Lease:
    """The right to run. ``owner`` is the holder's token; ``expires_at`` is a point in time, not a duration."""

    owner: str
    expires_at: datetime
