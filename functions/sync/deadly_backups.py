"""Backups that a process died with: served alone and last, and after the second time not at all until a person says so.

A process that is killed, for lack of memory most of all, records nothing. So
before a backup is served that is stored, and removed when it has its result.
Who takes the lease next finds what a dead process was serving. Of several that
were served side by side nobody knows which one it was: each is served alone.
"""

from collections.abc import Mapping, Sequence

from common.errors import Failure, Reason
from registry.fleet_records import Backup
from registry.run_records import BackupResult, Run, ServedNow
from registry.store import Store
from registry.store_rules import tells_of_the_run_alone
from replication.model import Outcome, Status

MOST_DEATHS = 2
"""Processes that may die while they serve one backup, until a person has looked."""


def left_by_the_dead(store: Store) -> dict[str, ServedNow]:
    """The backups that dead processes were serving, by id, those that living ones are serving among them.

    A row whose backup has its result is no death: it only could not be removed. Raises Failure.
    """
    return {
        backup_id: served
        for backup_id, served in store.served_now().items()
        if not _is_done(store.result(backup_id, served.run_id))
    }


def _is_done(result: BackupResult | None) -> bool:
    """Whether the serving itself has come to an end. What others record of a dead run says nothing of that."""
    return result is not None and result.reason != Reason.INTERRUPTED and not tells_of_the_run_alone(result)


def deaths_of(backup: Backup, served: Mapping[str, ServedNow]) -> int:
    """How many processes have died while they served a backup.

    After a change of its registration it gets another try, alone: the change may not be what it died of.
    """
    last = served.get(backup.id)
    if last is None or last.registration != backup.registration:
        return 0
    return last.deaths + 1 if last.version == backup.version else 1


def apart(backups: Sequence[Backup], served: Mapping[str, ServedNow]) -> tuple[list[Backup], list[Backup]]:
    """The backups that may be served side by side, and those that are served alone, behind them."""
    alone = [backup for backup in backups if deaths_of(backup, served)]
    return [backup for backup in backups if backup not in alone], alone


def stopped(backup: Backup, run: Run, deaths: int) -> Outcome | None:
    """The outcome of a backup that is not served any more; None when it is: a run that names it tries again."""
    if deaths < MOST_DEATHS or backup.id in run.requested_backups:
        return None
    message = (
        f"{deaths} runs ended without a word while they served {backup.id} ({backup.host}:{backup.port}); it is served "
        "again by a run that names it, or once its registration is changed"
    )
    failure = Failure(Reason.ENDS_RUNS, message)
    return Outcome(Status.BLOCKED, failure.reason, failure.message)
