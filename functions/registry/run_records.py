"""What is remembered of runs: what each did, what it found on the primary, and what people let it do.

Plain data, no secrets.

Times are aware datetimes in UTC. Parts, statuses and reasons are the strings that
replication and common.errors define; the registry stores them without
knowing their meaning.

A class with a ``FORMAT`` is stored by itself. Whoever changes a field of it,
or of a class in it, raises that number: see ``registry.serialization``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from common.patterns import whole
from registry.serialization import formerly

QUEUED = "queued"
"""The status of a run that was asked for and has not begun."""

RUN_ID = whole(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}")


def new_run_id(at: datetime, identifier: str) -> str:
    """An id for a run that was asked for at this time, made unique by a new ``identifier`` of the runtime.

    Ids sort in the order of time.
    """
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{identifier[:8]}"


def is_run_id(text: str) -> bool:
    """Whether this is the id of a run: its form, with a time that exists."""
    try:
        requested_at(text)
    except ValueError:
        return False
    return RUN_ID.fullmatch(text) is not None


def requested_at(run_id: str) -> datetime:
    """When the run with this id was asked for, UTC. Raises ValueError for what is no id of a run."""
    return datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S.%f%z")


@dataclass(frozen=True)
class PartResult:
    """What happened to one part of one backup. Counts are of items, as in a plan (users, rules, settings).

    ``kept_different``: how many values a keep pattern hides although they differ; the first of their paths are listed.
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
    """Fingerprints of a part when it was last read back from a backup: what was wanted, and what was held."""

    desired: str
    held: str

    @property
    def is_unsure(self) -> bool:
        """Whether the part was written and not read back since. It is of the server, whatever the primary is."""
        return not (self.desired or self.held)


@dataclass(frozen=True)
class Condition:
    """What a server said of itself that somebody has to see to one day. None: it was not reported.

    ``native_sync``: its own Synchronization Manager pushes to other servers.
    """

    certificate_ends: datetime | None = None
    licence_ends: datetime | None = None
    native_sync: bool | None = None


@dataclass(frozen=True)
class BackupResult:
    """What one run did to one backup. ``registration`` says as what it was registered then.

    ``pushed_at`` and ``verified_at`` are None when this run did not push or
    could not verify; the status that is kept per backup then retains the older times.
    ``snapshot`` is the key of what the backup held before it was written to.
    ``fingerprints`` are by part; the status that is kept per backup retains older ones.
    ``basis`` is a digest of what it was verified against, empty when it was not.
    ``failures`` is 1 or 0 in a result, the number in a row in the status that is kept per backup.
    ``harmed``: it was put back after a push, or cannot be reached since one. None, of both
    and in ``condition``, means that this run has nothing to say of it: what was known stays.
    The same of ``settings_before``, the key of the snapshot from before new settings whose proof
    of access was not heard of; empty when there are no such settings.
    ``term`` and ``source`` say with which primary it was compared, ``Primary.source``.
    ``approved_parts``, in what is stored before the first write: by part, a hash of what goes by an approval or by the
    hash that the run was asked for. Who takes the push over in the same run may write exactly that.
    ``approved_by`` are the principals behind the approval that the push went by, empty when it went by none.
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
    """What an administrator should know of a run although it did not end it."""

    reason: str
    message: str


@dataclass(frozen=True)
class Run:
    """One run over the fleet. ``finished_at`` None means it is queued, under way or was killed.

    ``term`` and ``source`` are the primary's; ``held``: it only looks, because the direction
    has turned and nobody has said yet that the new one is meant.

    ``primary`` is the primary's condition, None when the run did not get so far as to ask it.

    Ids are made by ``new_run_id`` and sort in the order of time: runs and
    histories are listed by them. ``snapshot`` is the key of what is put back,
    empty for a replication. ``plan_hash`` is that of the plan it was asked to
    carry out, empty for whatever the plan is: a backup with another one is not written to.
    ``same_machine``: somebody said that a snapshot of an earlier registration is of
    the machine that is registered now. ``state`` is the fingerprint of what the run
    read of the primary, empty for a run that did not read it. ``requester_verified``: the
    management API has queued it, so ``requested_by`` is who asked; otherwise it is what
    the event says, and whoever may invoke the function may write anybody's name there.
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
    """How the backups of one run are served from the queue.

    ``owner`` is the token of the lease, which the run has handed on and which
    ends at ``ends_at``. ``state`` is the key under which the state of the
    primary is kept, or what is put back; ``label``, ``host`` and ``port`` name the server.
    ``users``, ``groups`` and ``settings`` are how many it holds.
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
    """A backup that a run is serving. It is removed when that ends, unless the process dies with it.

    ``registration`` and ``version`` are of the backup's registration then. ``deaths`` are the processes that have
    died before while they served it, registered so.
    """

    FORMAT: ClassVar[int] = 1

    backup_id: str
    run_id: str
    registration: str
    version: int
    deaths: int = 0


class Claim(StrEnum):
    """Whether somebody may serve an open backup."""

    MINE = "mine"
    HELD = "held"
    """Somebody else has claimed it, and that claim has not ended."""
    CLOSED = "closed"
    """It is not open, or not any more."""


@dataclass(frozen=True)
class PrimaryBaseline:
    """The primary when it was last replicated and verified: how large it was, and a fingerprint of what it held.

    ``settings`` counts the values of its settings.

    The fingerprint is of the last run over the whole fleet, empty before there was one.
    ``term`` and ``source`` are the primary's at that time.
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
    """What a person has accepted of one part of the primary: exactly the content with this ``fingerprint``.

    ``reason`` and ``message`` say what would have stopped the run, ``run_id`` which run it was, and
    ``accepted_by`` who asked for it, empty when it did not say. ``requester_verified`` as in ``Run``.
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
    """What people have accepted of the primary although it looks like a mistake, by part.

    A part is removed as soon as a run finds something else in it. ``term`` and ``source`` are the primary's then.
    """

    FORMAT: ClassVar[int] = 2

    parts: Mapping[str, AcceptedPart]
    term: int = 0
    source: str = ""


@dataclass(frozen=True)
class KeptState:
    """One state of the primary over a time in which every run found it unchanged.

    A state that comes back later is kept once and listed twice. ``digest`` is
    what it is kept under; ``parts`` has a fingerprint of each part that was
    read. ``server`` is the primary's ``host:port`` at that time, ``version``
    what its product said of itself, ``size`` the bytes of its documents.
    Between ``kept_at`` and ``kept_until`` it can be had again.
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
    """Somebody has looked at a plan, and lets exactly that one through, once. Void as soon as a server changes.

    The first write to the backup ends it, whoever writes, in the same step as it is recorded.

    ``term`` and ``source`` are the primary's at that time, ``registration`` is the
    backup's: for another server in either place an approval is void. ``snapshot``
    is the key of what the plan puts back, empty for a replication: runs that do
    something else leave the approval alone. ``agreed`` are the others who stand behind the
    plan: who has approved it before, and who has asked for the run that found it.
    From ``ends_at`` on it lets nothing through, None where that was not said when it was given.
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
    """The right to run. ``owner`` is a token; ``expires_at`` is absolute."""

    owner: str
    expires_at: datetime
