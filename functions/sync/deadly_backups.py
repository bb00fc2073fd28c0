"""Finds backups during whose processing a process died, so that such a backup cannot stop runs over all others.

Such a backup is processed alone and last. After a second process died with the same backup, it is not processed until a
person acts.

A process that is killed, usually for lack of memory, records nothing. So a marker is stored before a backup is
processed, and removed when the backup has its result. The next holder of the lease finds the markers of a killed
process. If that process was working on several backups in parallel, nobody knows which one killed it, so each of them
is then processed alone.
"""

from collections.abc import Mapping, Sequence

from common.errors import Reason
from registry.fleet_records import Backup
from registry.run_records import BackupResult, Run, ServedNow
from registry.store import Store
from registry.store_rules import tells_of_the_run_alone
from replication.model import Outcome, Status

MOST_DEATHS = 2
"""The number of processes that may die while they process one backup, before a person has to look."""


def left_by_the_dead(store: Store) -> dict[str, ServedNow]:
    """The backups with a marker, by id: those of killed processes, and those that running processes are working on.

    A marker whose backup already has its result is not counted: only the removal of the marker failed. Raises Failure.
    """
    return {
        backup_id: served
        for backup_id, served in store.served_now().items()
        if not _is_done(store.result(backup_id, served.run_id))
    }


def _is_done(result: BackupResult | None) -> bool:
    """Whether processing of the backup finished. The interim result from before the first write does not count, nor
    does a result that only says that the run did not reach or compare the backup.
    """
    return result is not None and result.reason != Reason.INTERRUPTED and not tells_of_the_run_alone(result)


def deaths_of(backup: Backup, served: Mapping[str, ServedNow]) -> int:
    """How many processes have died while they processed a backup.

    After its registration is changed, the backup gets another attempt, alone, because the change may have removed the
    cause.
    """
    last = served.get(backup.id)
    if last is None or last.registration != backup.registration:
        return 0
    return last.deaths + 1 if last.version == backup.version else 1


def apart(backups: Sequence[Backup], served: Mapping[str, ServedNow]) -> tuple[list[Backup], list[Backup]]:
    """The backups that may be processed in parallel, and those that must be processed alone afterwards."""
    alone = [backup for backup in backups if deaths_of(backup, served)]
    return [backup for backup in backups if backup not in alone], alone


def is_stopped(backup: Backup, run: Run, deaths: int) -> bool:
    """Whether a backup is not processed, because too many processes died during it.

    A run that names the backup processes it all the same.
    """
    return deaths >= MOST_DEATHS and backup.id not in run.requested_backups


def stopped(backup: Backup, deaths: int, last: BackupResult | None) -> Outcome:
    """The outcome of a backup that is not processed. ``last`` is the last result for its registration.

    One of the killed processes may have written settings to the backup that let nobody in. The outcome says so.
    """
    message = (
        f"{deaths} runs were killed while they processed {backup.id} ({backup.host}:{backup.port}); it is processed "
        "again by a run that names it, or once its registration is changed"
    )
    if last and last.settings_before:
        message += (
            "; new settings were written to it and access was not proved since, so nobody may be able to log in to it; "
            f"the settings before are in {last.settings_before}"
        )
    return Outcome(Status.BLOCKED, Reason.ENDS_RUNS, message)
