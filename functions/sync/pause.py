"""Pauses and restores: a restore pauses the backup that it writes to, and keeps a pause that a person made."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from common.errors import Failure, Reason
from common.patterns import whole
from common.runtime import Runtime
from registry.fleet_records import Backup
from registry.run_records import Run, is_run_id
from registry.snapshots import is_key
from registry.store import Store, VersionConflict
from registry.store_rules import registration_changed, registration_gone

_LISTED = 20
"""Maximum number of backups that a notice names."""
_BY_RESTORE = (
    whole(r"the run (?P<run>\S+) restores (?P<key>[^\s;]+); its result says what came of it"),
    whole(r"(?P<key>\S+) was put back by the run (?P<run>\S+)"),  # of earlier versions
)


def paused_for(run: Run) -> str:
    """The text of the reason for a pause that a restore makes. It stays true if the run dies at any moment."""
    return f"the run {run.id} restores {run.snapshot}; its result says what came of it"


def may_be_written_to(backup: Backup, run: Run) -> bool:
    """Whether the run may write to a backup with this registration.

    A paused backup is restored only if the run names it: a restore over all backups skips it. A pause made by this same
    run does not count, so that the successor of a dead worker continues.
    """
    if run.dry_run or run.held or backup.report_only:
        return False
    if not backup.paused:
        return True
    return bool(run.snapshot) and (backup.id in run.requested_backups or backup.paused == paused_for(run))


def why_not_written_to(backup: Backup) -> str:
    """Why a run only looks at this backup, as a clause; empty if the run may write to it."""
    if backup.report_only:
        return "it has report_only"
    return f"it is paused ({backup.paused})" if backup.paused else ""


def left_alone(backups: Iterable[Backup], run: Run) -> Failure | None:
    """The notice of a restore about the backups that it does not write to, None if there are none."""
    left = [backup for backup in backups if not may_be_written_to(backup, run)]
    if not run.snapshot or run.dry_run or run.held or not left:
        return None
    ids = ", ".join(backup.id for backup in left[:_LISTED]) + (", ..." if len(left) > _LISTED else "")
    is_paused = any(not backup.report_only for backup in left)
    why = "paused and not named, or have report_only" if is_paused else "only reported on"
    reason = Reason.BACKUP_PAUSED if is_paused else Reason.BACKUP_REPORT_ONLY
    return Failure(reason, f"nothing is restored to the backups that are {why}: {ids}")


def refuse_report_only(backups: Iterable[Backup], run: Run) -> None:
    """Raise Failure(BACKUP_REPORT_ONLY) if a restore names a backup that is never written to."""
    for backup in backups:
        if run.snapshot and not run.dry_run and backup.report_only and backup.id in run.requested_backups:
            raise Failure(Reason.BACKUP_REPORT_ONLY, f"the backup {backup.id!r} is only reported on")


def paused_by_restore(backup: Backup, run: Run, now: datetime) -> Backup:
    """The backup's registration with the pause that a restore makes; the same object if nothing changes.

    A person's pause keeps its reason; the reason of an earlier restore is replaced.
    """
    why = paused_for(run)
    if backup.paused == why or (backup.paused and not _is_by_restore(backup.paused)):
        return backup
    return replace(backup, paused=why, updated_at=now)


def pause(backup: Backup, run: Run, store: Store, runtime: Runtime) -> Backup:
    """Pause a backup that already has the content to restore; return its new registration.

    Raises Failure(REGISTRATION_CHANGED) if the stored registration differs from ``backup``.
    """
    paused = paused_by_restore(backup, run, runtime.now())
    if paused is backup:
        return backup
    try:
        return store.update_backup(paused, expected_version=backup.version)
    except VersionConflict:
        raise registration_changed(backup.id) from None
    except Failure as failure:
        raise registration_gone(backup.id) if failure.reason is Reason.UNKNOWN_BACKUP else failure from None


def _is_by_restore(why: str) -> bool:
    """Whether this reason for a pause was written by a restore."""
    matches = filter(None, (pattern.fullmatch(why) for pattern in _BY_RESTORE))
    return any(is_key(match["key"]) and is_run_id(match["run"]) for match in matches)
