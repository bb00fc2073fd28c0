"""Which backups a run serves, and in which order."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from common.errors import Failure, Reason
from registry.models import Backup, BackupResult
from replication.model import Status


def choose(
    requested: Sequence[str],
    registered: Sequence[Backup],
    unreadable: Mapping[str, str],
    statuses: Mapping[str, BackupResult],
) -> list[Backup]:
    """The backups to serve, those that wait longest first; none ``requested`` means all that are enabled.

    ``unreadable`` are the registrations that cannot be understood, ``statuses``
    the last results. Raises Failure when one is requested that cannot be served:
    a typing error must not look like a success.
    """
    backups = {backup.id: backup for backup in registered}
    for backup_id in requested:
        if backup_id in unreadable:
            raise Failure(Reason.RECORD_UNREADABLE, f"the registration of {backup_id!r} cannot be read")
        if backup_id not in backups:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered with the id {backup_id!r}")
        if not backups[backup_id].enabled:
            raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id!r} is disabled")
    wanted = [backups[backup_id] for backup_id in requested or backups if backups[backup_id].enabled]
    return sorted(wanted, key=lambda backup: (*_waiting(statuses.get(backup.id)), backup.id))


def _waiting(last: BackupResult | None) -> tuple[int, datetime]:
    # What failed comes last: servers that are silent would take all workers, run after run.
    turn = {str(Status.INCOMPLETE): 0, str(Status.FAILED): 2}.get(last.status if last else "", 1)
    return turn, (last.verified_at if last else None) or datetime.min.replace(tzinfo=UTC)
