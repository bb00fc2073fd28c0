"""What one replication is asked for, what it decides, and what came of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from common.errors import Failure, Reason
from replication.documents.keep_patterns import Rules
from replication.ports import ServerFacts


class PartName(StrEnum):
    """The parts of a server's configuration, in the order in which they are written."""

    SETTINGS = "settings"
    AUTHENTICATION = "authentication"
    ACCOUNTS = "accounts"
    EVENT_RULES = "event_rules"
    MIME_MAPPINGS = "mime_mappings"
    IP_BLOCK_LISTS = "ip_block_lists"
    ACCOUNT_REQUESTS = "account_requests"
    LISTENERS = "listeners"


DEFAULT_PARTS: frozenset[PartName] = frozenset(PartName) - {PartName.LISTENERS}
"""Listeners are bound to addresses of one machine: they are replicated only where somebody asked for it."""


class Status(StrEnum):
    """What a backup is, after a run, compared with the primary."""

    IN_SYNC = "in_sync"
    """It was equal already; nothing was written."""
    UPDATED = "updated"
    """It was written to, read back and found equal."""
    DRIFTED = "drifted"
    """It differs, and the run was only to look."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """The guards stopped some of it; the plan waits to be looked at and approved."""
    ROLLED_BACK = "rolled_back"
    """Settings that changed what belongs to the machine were put back at once."""
    INCOMPLETE = "incomplete"
    """The run could not get to it, or not through with it."""
    RESTORED = "restored"
    """It holds again what it, or the primary, held before. That says nothing about the primary as it is."""


class PartStatus(StrEnum):
    """What became of one part."""

    UNCHANGED = "unchanged"
    PUSHED = "pushed"
    """Written, read back, equal but for values a server may have added of its own (the message says so)."""
    DIFFERENT = "different"
    """Differs, and nothing was to be written."""
    BLOCKED = "blocked"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried, because the server or a part that it depends on failed."""
    NOT_OFFERED = "not_offered"
    """The primary's edition does not have it, so there is nothing to be equal to."""
    NOT_READ = "not_read"
    """The primary has it, and this run did not read it: whether the backup is equal is not known."""


NOT_DONE = frozenset(PartStatus) - {PartStatus.PUSHED, PartStatus.UNCHANGED, PartStatus.DIFFERENT}
"""What becomes of a part that the backup does not get; parts that refer to it are not written either."""


NOT_VERIFIED = NOT_DONE - {PartStatus.NOT_OFFERED} | {PartStatus.DIFFERENT}
"""What becomes of a part of a backup that is not verified, whatever becomes of the others."""


@dataclass(frozen=True)
class Policy:
    """What holds for one backup: the chosen parts and the rules of what stays its own.

    ``exact`` is for a source that is the backup's own earlier state: all of it
    goes back, what belongs to the machine included, and no rule holds.
    ``whole``: all parts go through or none does.
    """

    parts: frozenset[PartName] = DEFAULT_PARTS
    rules: Rules = field(default_factory=Rules.standard)
    replicate_auto_block_list: bool = False
    exact: bool = False
    whole: bool = False

    @property
    def source(self) -> str:
        """What messages call that which the backup is to be made equal to."""
        return "the snapshot" if self.exact else "the primary"


@dataclass(frozen=True)
class Changes:
    """What a push would do to a part: labels of items (names, paths, addresses), never their values."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Cause(StrEnum):
    """Why a part differs, derived from what both sides held when it was last found equal."""

    PRIMARY_CHANGED = "primary_changed"
    BACKUP_EDITED = "backup_edited"
    BOTH = "both"
    UNKNOWN = "unknown"
    """It was never found equal before."""


@dataclass(frozen=True)
class PartFingerprints:
    """Fingerprints of a part when it was last read back: what was wanted, and what the backup then held."""

    desired: str
    held: str


WAIT_FOR_A_DECISION = frozenset({Reason.ENTRIES_AMBIGUOUS, Reason.NAMES_UNDECIDED, Reason.ADDITION_WIDENS_ACCESS})
"""Why there is no result for a part that could be approved: its remedy must be carried out."""

UNSURE = PartFingerprints("", "")
"""What is known of a part from the first write on until it was read back."""


LONGEST_SHOWN = 200
"""Characters that are shown of a name, a path or a value."""


def shortened(text: str) -> str:
    """Text as it is shown: of a long one its beginning, and how long it is."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"


LISTED_PATHS = 20
"""Paths of kept values that a result lists of a part."""


@dataclass(frozen=True)
class KeptDifferences:
    """What keep patterns hide although it differs: how many values, and the first of their paths."""

    count: int = 0
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Collection[str]) -> "KeptDifferences":
        """As many of the ``paths`` as a result can hold, each cut to a length; the rest is counted."""
        return cls(len(paths), tuple(path[:LONGEST_SHOWN] for path in list(paths)[:LISTED_PATHS]))


@dataclass(frozen=True)
class PartOutcome:
    """What became of one part of one backup."""

    part: PartName
    status: PartStatus
    changes: Changes = Changes()
    reason: Reason | None = None
    message: str = ""
    fingerprints: PartFingerprints | None = None
    cause: Cause | None = None
    """Set where the part was found to differ."""
    kept: KeptDifferences = KeptDifferences()


@dataclass(frozen=True)
class Outcome:
    """What became of one backup. Times are UTC.

    ``pushed_at`` is when the server last acknowledged a write, whether or not
    it held. ``verified_at`` is set only when every chosen part that the primary
    has was read from the backup after its last write and is equal: but for what
    keep patterns keep, and for single values that the server added by itself.
    """

    status: Status
    reason: Reason | None = None
    message: str = ""
    pushed_at: datetime | None = None
    verified_at: datetime | None = None
    parts: tuple[PartOutcome, ...] = ()
    warnings: tuple[str, ...] = ()
    plan_hash: str = ""
    """Set where something differed."""
    snapshot: str = ""
    """What the backup held before it was written to."""
    facts: ServerFacts | None = None
    """What the backup said of itself, None when it could not be asked."""
    basis: str = ""
    """A digest of what it was verified against, where the caller wants it remembered."""
    approved_parts: Mapping[PartName, str] = field(default_factory=dict)
    """Before the first write of a plan that goes by a hash: by part, what of it is to be written."""
    settings_before: str | None = None
    """The snapshot from before new settings whose proof is not heard of yet, empty when they are proved.

    None when there is nothing to say of it.
    """


@dataclass(frozen=True)
class PrimaryState:
    """The primary, read once and completely. ``states`` are what the parts' ``read`` returned."""

    label: str
    address: tuple[str, int]
    facts: ServerFacts
    states: Mapping[PartName, object]
    users: int
    groups: int
    settings: int = 0
    """How many values its settings hold."""
    unread: Mapping[PartName, Failure] = field(default_factory=dict)
    """Parts that could not be read because of a character in them, and where it is. All others go on."""
    doubts: tuple[Failure, ...] = ()
    """What a cross-check of what was read could not say."""
