"""The inputs and results of one replication."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from common.errors import Failure, Reason
from replication.documents.keep_patterns import Rules
from replication.ports import ServerFacts


class PartName(StrEnum):
    """The parts of a server's configuration, in the order of writing."""

    SETTINGS = "settings"
    AUTHENTICATION = "authentication"
    ACCOUNTS = "accounts"
    EVENT_RULES = "event_rules"
    MIME_MAPPINGS = "mime_mappings"
    IP_BLOCK_LISTS = "ip_block_lists"
    ACCOUNT_REQUESTS = "account_requests"
    LISTENERS = "listeners"


DEFAULT_PARTS: frozenset[PartName] = frozenset(PartName) - {PartName.LISTENERS}
"""Listeners are bound to addresses of one machine, so they are replicated only if the settings or the registration
choose them.
"""


class Status(StrEnum):
    """The state of a backup after a run, compared with the primary."""

    IN_SYNC = "in_sync"
    """The backup was already equal; nothing was written."""
    UPDATED = "updated"
    """The backup was written to, read back and found equal."""
    DRIFTED = "drifted"
    """The backup differs, and the run was not meant to write."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Parts of the plan, or all of it, were not written: they wait until a person has reviewed the plan."""
    ROLLED_BACK = "rolled_back"
    """New settings made log-in fail or changed the answers about SOAP, TLS or licence, and were undone at once."""
    INCOMPLETE = "incomplete"
    """The run did not reach the backup, or did not finish it."""
    RESTORED = "restored"
    """A restore gave the backup earlier content, its own or the primary's. The primary may have other content by now.
    """


class PartStatus(StrEnum):
    """The result for one part."""

    UNCHANGED = "unchanged"
    PUSHED = "pushed"
    """Written, read back and equal, except for values that the server may have added (the message says so)."""
    DIFFERENT = "different"
    """The part differs, and the run was not meant to write."""
    BLOCKED = "blocked"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The part was not written, because the push was stopped before, or a part that it refers to was not written."""
    NOT_OFFERED = "not_offered"
    """The primary's edition does not have the part, so there is nothing to compare with."""
    NOT_READ = "not_read"
    """The primary has the part, but this run did not read it, so the backup may or may not be equal."""


NOT_DONE = frozenset(PartStatus) - {PartStatus.PUSHED, PartStatus.UNCHANGED, PartStatus.DIFFERENT}
"""Statuses of a part that the backup did not receive; parts that refer to it are not written either."""


NOT_VERIFIED = NOT_DONE - {PartStatus.NOT_OFFERED} | {PartStatus.DIFFERENT}
"""Statuses of a part that prevent the verification of the whole backup."""


@dataclass(frozen=True)
class Policy:
    """The scope of replication to one backup: the chosen parts, and the keep patterns that exempt values.

    ``exact`` is for restoring the backup's own earlier state: all of it is written, including machine-specific values,
    and no keep pattern applies. ``whole``: either all parts are written or none.
    """

    parts: frozenset[PartName] = DEFAULT_PARTS
    rules: Rules = field(default_factory=Rules.standard)
    replicate_auto_block_list: bool = False
    exact: bool = False
    whole: bool = False

    @property
    def source(self) -> str:
        """The name, in messages, of the source whose content the backup receives."""
        return "the snapshot" if self.exact else "the primary"


@dataclass(frozen=True)
class Changes:
    """The changes of a push to a part: labels of items (names, paths, addresses), never their values."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Cause(StrEnum):
    """Why a part differs, found by comparison with what primary and backup contained when they were last equal."""

    PRIMARY_CHANGED = "primary_changed"
    BACKUP_EDITED = "backup_edited"
    BOTH = "both"
    UNKNOWN = "unknown"
    """The part was never found equal before, so there is nothing to compare with."""


@dataclass(frozen=True)
class PartFingerprints:
    """Digests of a part's content at the last read-back: of the content that was desired, and of the content that the
    backup ``held``.
    """

    desired: str
    held: str


WAIT_FOR_A_DECISION = frozenset({Reason.ENTRIES_AMBIGUOUS, Reason.NAMES_UNDECIDED, Reason.ADDITION_WIDENS_ACCESS})
"""An approval does not release a part that waits for one of these reasons: somebody must carry out the remedy."""

UNSURE = PartFingerprints("", "")
"""Recorded in place of a part's fingerprints from the first write of a push until the part is read back."""


LONGEST_SHOWN = 200
"""Maximum number of characters shown of a name, a path or a value."""


def shortened(text: str) -> str:
    """The text as it is shown: a long text is truncated, with its length."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"


LISTED_PATHS = 20
"""Maximum number of paths of kept values in a part's result."""


@dataclass(frozen=True)
class KeptDifferences:
    """The values that keep patterns preserve although they differ: their number, and the first paths."""

    count: int = 0
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Collection[str]) -> "KeptDifferences":
        """The first ``paths`` that fit into a result, each truncated; the rest is counted."""
        return cls(len(paths), tuple(path[:LONGEST_SHOWN] for path in list(paths)[:LISTED_PATHS]))


@dataclass(frozen=True)
class PartOutcome:
    """The result for one part of one backup."""

    part: PartName
    status: PartStatus
    changes: Changes = Changes()
    reason: Reason | None = None
    message: str = ""
    fingerprints: PartFingerprints | None = None
    cause: Cause | None = None
    """The cause of a difference; None for an equal part."""
    kept: KeptDifferences = KeptDifferences()


@dataclass(frozen=True)
class Outcome:
    """The result for one backup. Times are UTC.

    ``pushed_at`` is when the server last acknowledged a write, whether or not it took effect. ``verified_at`` is set
    only if the backup was read after its last write, and every chosen part that the primary has is equal. Values that
    keep patterns preserve, and single values that the server added, may differ.
    """

    status: Status
    reason: Reason | None = None
    message: str = ""
    pushed_at: datetime | None = None
    verified_at: datetime | None = None
    parts: tuple[PartOutcome, ...] = ()
    warnings: tuple[str, ...] = ()
    plan_hash: str = ""
    """The hash of the plan, empty if nothing differed."""
    snapshot: str = ""
    """The key of the backup's content before it was written to."""
    facts: ServerFacts | None = None
    """The facts that the backup reported, None if it could not be reached."""
    basis: str = ""
    """A digest of everything that the verification depends on; empty unless the caller adds one."""
    approved_parts: Mapping[PartName, str] = field(default_factory=dict)
    """The hash of each part that will be written. It is set in the interim result of a push that was approved or
    requested by the plan's hash.
    """
    settings_before: str | None = None
    """The key of the snapshot from before new settings, as long as it is not proved that log-in still works. Empty if
    that is proved.

    None if the run found out nothing about access.
    """


@dataclass(frozen=True)
class PrimaryState:
    """The primary's state, read once and completely. ``states`` are the results of the parts' ``read``."""

    label: str
    address: tuple[str, int]
    facts: ServerFacts
    states: Mapping[PartName, object]
    users: int
    groups: int
    settings: int = 0
    """The number of values in its settings."""
    unread: Mapping[PartName, Failure] = field(default_factory=dict)
    """Parts that could not be read because they contain a character that XML cannot represent. Each failure names the
    place of the character. All other parts are replicated.
    """
    doubts: tuple[Failure, ...] = ()
    """Why the number of users or groups could not be counted a second time."""
