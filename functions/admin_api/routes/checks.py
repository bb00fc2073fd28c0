"""Trying a registered backup."""

from admin_api.checks import check_backup
from admin_api.dependencies import Injected
from admin_api.parameters import BackupIdParameter
from admin_api.registered import registered_backup
from admin_api.routing import new_router
from admin_api.schemas import CheckReport

router = new_router()


@router.post("/backups/<backup_id>/check", summary="Try a backup", tags=["backups"], operation_id="checkBackup")
def try_backup(backup_id: BackupIdParameter, services: Injected) -> CheckReport:
    """Try every requirement on a backup now, those in comparison with the primary included."""
    return check_backup(registered_backup(backup_id, services), services)
