"""A backup that got something back is paused before it is written to, so that no run can undo it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from common.errors import Failure, Reason
from registry.store import Store, VersionConflict

_ATTEMPTS = 5


def pause(backup_id: str, why: str, store: Store, now: Callable[[], datetime]) -> None:
    """Pause a backup, whatever else is changed about it meanwhile.

    Raises Failure(UNKNOWN_BACKUP) for one that was removed, BACKUP_DISABLED for
    one that was disabled since the run began, and REGISTRY_UNAVAILABLE when it cannot be stored.
    """
    for _ in range(_ATTEMPTS):
        found = store.backup(backup_id)
        if found is None:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        if not found.enabled:
            raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id!r} is disabled")
        if found.paused == why:
            return
        try:
            store.update_backup(replace(found, paused=why, updated_at=now()), expected_version=found.version)
        except VersionConflict:
            continue
        return
    raise Failure(Reason.REGISTRY_UNAVAILABLE, f"the registration of {backup_id} kept changing")
