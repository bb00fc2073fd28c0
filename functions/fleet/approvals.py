"""The valid approval of a backup, and the check of a push that lets approved changes through."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from fleet.people import is_agreed
from registry.fleet_records import Backup, Primary, SyncSettings
from registry.run_records import Approval, BackupResult, Run
from registry.store_rules import of_primary, of_registration
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.model import PartName


@dataclass(frozen=True)
class CurrentApproval:
    """An approval that is still valid: given for this registration and the current primary, and not expired.

    ``missing`` is how many more people have to approve the same plan before the approval takes effect, by the current
    settings.
    """

    given: Approval
    missing: int
    ends_at: datetime

    @classmethod
    def of(cls, valid: Approval, settings: SyncSettings) -> "CurrentApproval":
        """The current state of an approval that is not void."""
        return cls(valid, 0 if is_agreed(valid, settings) else 1, end_of(valid, settings))

    def in_force(self, snapshot: str = "") -> Approval | None:
        """The approval, if it takes effect for the restore of ``snapshot``, a key, or for replication if the key is
        empty.
        """
        return self.given if not self.missing and self.given.snapshot == snapshot else None


def current_approval(
    given: Approval | None, backup: Backup, of: Primary | Run | None, settings: SyncSettings, now: datetime
) -> CurrentApproval | None:
    """The stored approval of a backup if it is still valid, otherwise None; runs, plans and the API use this rule.

    An approval is void if it was given for another registration of the backup, for another primary than ``of``, or if
    it has expired.
    """
    valid = of_primary(of_registration(given, backup.registration), of)
    if valid is None or is_expired(valid, settings, now):
        return None
    return CurrentApproval.of(valid, settings)


def is_expired(approval: Approval, settings: SyncSettings, now: datetime) -> bool:
    """Whether an approval has expired and no longer takes effect."""
    return now >= end_of(approval, settings)


def end_of(approval: Approval, settings: SyncSettings) -> datetime:
    """When an approval expires, unless it is ended earlier.

    The expiry is fixed when the approval is given: a later increase of ``approval_hours`` does not extend it, a
    decrease shortens it.
    """
    by_settings = end_if_given(approval.at, settings)
    return min(by_settings, approval.ends_at or by_settings)


def end_if_given(at: datetime, settings: SyncSettings) -> datetime:
    """When an approval given at ``at`` expires."""
    return at + timedelta(hours=settings.approval_hours)


def guard_of(
    settings: SyncSettings, in_force: Approval | None, expected: str = "", begun: BackupResult | None = None
) -> Guard:
    """The guard for a push: the limits, and the hash of the plan whose approval is ``in_force``, if any.

    ``expected`` is the plan hash that a run was asked to carry out. This hash approves nothing, because permission to
    start runs is not permission to approve. ``begun`` is the interim result that this run stored before its first write
    to the backup, None if it has not written.
    """
    return Guard(
        limits=Limits(**asdict(settings.limits)) if settings.limits else Limits(),
        block_widened_access=settings.block_widened_access,
        approved=in_force.plan_hash if in_force else "",
        expected=expected,
        begun={PartName(name): part for name, part in begun.approved_parts.items()} if begun else {},
    )
