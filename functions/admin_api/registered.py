"""A backup that is registered: found by its id, and shown with all that is known of it."""

from aws_lambda_powertools.event_handler import Response

from admin_api import views
from admin_api.dependencies import Services
from admin_api.parameters import username_of
from admin_api.request import etag
from admin_api.schemas import BackupView
from common.errors import Failure, Reason
from registry.models import Backup


def registered_backup(backup_id: str, services: Services) -> Backup:
    """The registration. Raises Failure(UNKNOWN_BACKUP)."""
    backup = services.store.backup(backup_id)
    if backup is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
    return backup


def shown_backup(backup: Backup, services: Services) -> Response[BackupView]:
    """The answer that shows it, with its version as ETag."""
    view = views.backup_view(backup, services.store.status(backup.id), username_of(backup.secret_id, services))
    return Response(200, "application/json", view, {"ETag": etag(backup.version)})
