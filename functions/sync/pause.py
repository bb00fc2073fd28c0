"""Pauses and restores: a pause that a person made stays, and a backup that gets something back is paused by that."""

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
"""Backups that a notice names."""
_BY_RESTORE = (
    whole(r"the run (?P<run>\S+) restores (?P<key>[^\s;]+); its result says what came of it"),
    whole(r"(?P<key>\S+) was put back by the run (?P<run>\S+)"),  # of earlier versions
)


def paused_for(run: Run) -> str:
    """Why a backup is paused that gets something back: true before the first write, after it, and after a death."""
    return f"the run {run.id} restores {run.snapshot}; its result says what came of it"


def may_be_written_to(backup: Backup, run: Run) -> bool:
    """Whether the run may write to a backup as it is registered.

    A paused backup gets back only what it was named for: a state that goes over
    the whole fleet leaves it alone. The pause that the run itself has made does
    not count: whoever takes over from a dead worker goes on.
    """
    if run.dry_run or run.held or backup.report_only:
        return False
    if not backup.paused:
        return True
    return bool(run.snapshot) and (backup.id in run.requested_backups or backup.paused == paused_for(run))


def why_not_written_to(backup: Backup) -> str:
    """Why a run that writes to others only looks at this backup, a half-sentence; empty when nothing speaks against."""
    if backup.report_only:
        return "it is only reported on"
    return f"it is paused ({backup.paused})" if backup.paused else ""


def left_alone(backups: Iterable[Backup], run: Run) -> Failure | None:
    """What a restore has to tell of the backups that it only looks at, None when there are none."""
    left = [backup for backup in backups if not may_be_written_to(backup, run)]
    if not run.snapshot or run.dry_run or run.held or not left:
        return None
    ids = ", ".join(backup.id for backup in left[:_LISTED]) + (", ..." if len(left) > _LISTED else "")
    is_paused = any(not backup.report_only for backup in left)
    why = "paused and not named, or only reported on" if is_paused else "only reported on"
    reason = Reason.BACKUP_PAUSED if is_paused else Reason.BACKUP_REPORT_ONLY
    return Failure(reason, f"nothing is put back on the backups that are {why}: {ids}")


def refuse_report_only(backups: Iterable[Backup], run: Run) -> None:
    """Raise Failure(BACKUP_REPORT_ONLY) when something is to be put back on a named backup that is never written to."""
    for backup in backups:
        if run.snapshot and not run.dry_run and backup.report_only and backup.id in run.requested_backups:
            raise Failure(Reason.BACKUP_REPORT_ONLY, f"the backup {backup.id!r} is only reported on")


def paused_by_restore(backup: Backup, run: Run, now: datetime) -> Backup:
    """The registration of a backup that gets something back, as it is to be stored; itself when that changes nothing.

    A person's pause and its reason stay; that of an earlier restore gives way to this one's.
    """
    why = paused_for(run)
    if backup.paused == why or (backup.paused and not _is_by_restore(backup.paused)):
        return backup
    return replace(backup, paused=why, updated_at=now)


def pause(backup: Backup, run: Run, store: Store, runtime: Runtime) -> Backup:
    """Pause a backup that holds already what it gets back; its registration as it is then.

    Raises Failure(REGISTRATION_CHANGED) when anything of ``backup`` has changed since it was read.
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
    """Whether a restore has given this reason for a pause."""
    matches = filter(None, (pattern.fullmatch(why) for pattern in _BY_RESTORE))
    return any(is_key(match["key"]) and is_run_id(match["run"]) for match in matches)
