"""Trying a registered backup."""

from admin_api.checking import check_backup
from admin_api.parameters import BackupIdParameter
from admin_api.routing import new_router
from admin_api.schemas import CheckReport
from admin_api.services import Injected
from common.reasons import Failure, Reason

router = new_router()


@router.post("/backups/<backup_id>/check", summary="Try a backup", tags=["backups"], operation_id="checkBackup")
def try_backup(backup_id: BackupIdParameter, services: Injected) -> CheckReport:
    """Try every requirement on a backup now, those in comparison with the primary included."""
    backup = services.store.backup(backup_id)
    if backup is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
    return check_backup(backup, services)
