"""Which approval holds for a backup, and what the guards let through by it."""

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
    """An approval that is not void: of the registered backup, beside the present primary, and not too old.

    ``missing`` people have to approve the same plan before it lets anything through; by the settings of now.
    """

    given: Approval
    missing: int
    ends_at: datetime

    @classmethod
    def of(cls, valid: Approval, settings: SyncSettings) -> "CurrentApproval":
        """What an approval is worth that is not void."""
        return cls(valid, 0 if is_agreed(valid, settings) else 1, end_of(valid, settings))

    def in_force(self, snapshot: str = "") -> Approval | None:
        """The approval if it lets through putting back ``snapshot``, a key, or a replication if that is empty."""
        return self.given if not self.missing and self.given.snapshot == snapshot else None


def current_approval(
    given: Approval | None, backup: Backup, of: Primary | Run | None, settings: SyncSettings, now: datetime
) -> CurrentApproval | None:
    """What the stored approval of a backup is worth now: the one rule for runs, plans and the API.

    None for none, and for one that is void: of another registration of the backup, of another primary than ``of``, or
    too old.
    """
    valid = of_primary(of_registration(given, backup.registration), of)
    if valid is None or is_expired(valid, settings, now):
        return None
    return CurrentApproval.of(valid, settings)


def is_expired(approval: Approval, settings: SyncSettings, now: datetime) -> bool:
    """Whether an approval was given so long ago that it lets nothing through any more."""
    return now >= end_of(approval, settings)


def end_of(approval: Approval, settings: SyncSettings) -> datetime:
    """When an approval ends, unless something ends it before.

    That was settled when it was given: longer hours in the settings bring none back, shorter ones end it sooner.
    """
    by_settings = end_if_given(approval.at, settings)
    return min(by_settings, approval.ends_at or by_settings)


def end_if_given(at: datetime, settings: SyncSettings) -> datetime:
    """When an approval that is given then ends."""
    return at + timedelta(hours=settings.approval_hours)


def guard_of(
    settings: SyncSettings, in_force: Approval | None, expected: str = "", begun: BackupResult | None = None
) -> Guard:
    """What must not go through to a backup unseen, and the plan whose approval is ``in_force``, if any.

    ``expected`` is the hash of the plan that a run was asked to carry out. It approves nothing: who may
    start runs is not who may approve.
    ``begun`` is what this run stored before it first wrote to the backup, None when it has not yet.
    """
    return Guard(
        limits=Limits(**asdict(settings.limits)) if settings.limits else Limits(),
        block_widened_access=settings.block_widened_access,
        approved=in_force.plan_hash if in_force else "",
        expected=expected,
        begun={PartName(name): part for name, part in begun.approved_parts.items()} if begun else {},
    )
