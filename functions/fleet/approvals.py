"""Which approval holds for a backup, and what the guards let through by it."""

from dataclasses import asdict
from datetime import datetime, timedelta

from fleet.people import is_agreed
from registry.models import Approval, Backup, BackupResult, Primary, Run, SyncSettings
from registry.store_rules import of_primary, of_registration
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.model import PartName


def approval_in_force(
    given: Approval | None,
    backup: Backup,
    of: Primary | Run | None,
    settings: SyncSettings,
    now: datetime,
    snapshot: str = "",
) -> Approval | None:
    """The stored approval if it holds for putting back ``snapshot``, a key, or for a replication if that is empty.

    It is void for another registration of the backup, beside another primary than ``of``, and beyond its age.
    Whether enough people stand behind it, ``fleet.people`` says.
    """
    current = of_primary(of_registration(given, backup.registration), of)
    if current is None or current.snapshot != snapshot or is_expired(current, settings, now):
        return None
    return current


def is_expired(approval: Approval, settings: SyncSettings, now: datetime) -> bool:
    """Whether an approval was given so long ago that it lets nothing through any more.

    Its end was settled when it was given: longer hours in the settings bring none back, shorter ones end it sooner.
    """
    by_settings = end_of(approval.at, settings)
    return now >= min(by_settings, approval.ends_at or by_settings)


def end_of(given_at: datetime, settings: SyncSettings) -> datetime:
    """When an approval that is given then ends."""
    return given_at + timedelta(hours=settings.approval_hours)


def guard_of(
    settings: SyncSettings, approval: Approval | None, expected: str = "", begun: BackupResult | None = None
) -> Guard:
    """What must not go through to a backup unseen, and the plan that was approved for it, if any.

    ``expected`` is the hash of the plan that a run was asked to carry out. It approves nothing: who may
    start runs is not who may approve.
    ``begun`` is what this run stored before it first wrote to the backup, None when it has not yet.
    """
    return Guard(
        limits=Limits(**asdict(settings.limits)) if settings.limits else Limits(),
        block_widened_access=settings.block_widened_access,
        approved=approval.plan_hash if approval and is_agreed(approval, settings) else "",
        expected=expected,
        begun={PartName(name): part for name, part in begun.approved_parts.items()} if begun else {},
    )
