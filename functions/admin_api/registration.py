"""Registering a backup: its id, its secret, and both stored or neither."""

import re
from dataclasses import replace

from admin_api.dependencies import Services
from common.errors import Failure
from common.runtime import Runtime
from registry.models import Backup, Credentials


def register(backup: Backup, credentials: Credentials, services: Services) -> Backup:
    """Store registration and credentials.

    The registration comes first: were it the other way round, one that is
    refused because the id is taken would have replaced the other's password.
    """
    added = services.store.add_backup(replace(backup, secret=_own_secret(backup.id, services)))
    try:
        services.credentials.put(added.secret_id, credentials)
    except Failure:
        services.store.delete_backup(added.id)
        raise
    return added


def new_backup_id(host: str, runtime: Runtime) -> str:
    """An id that tells the host and is most likely free."""
    return f"{plain_id(host)}-{runtime.new_id()[:6]}"


def plain_id(host: str) -> str:
    """The host's name as an id."""
    return re.sub(r"[^a-z0-9]+", "-", host.casefold()).strip("-")[:50] or "backup"


def _own_secret(backup_id: str, services: Services) -> str:
    """The backup's id, unless another server has that secret: a promoted backup takes it along, and its id is free.

    Backups are read before the primary, so that one which is promoted meanwhile is seen in one of the two places.
    """
    servers = (*services.store.backups(), services.primary())
    taken = {server.secret_id for server in servers if server}
    return f"{backup_id[:50]}-{services.runtime.new_id()[:8]}" if backup_id in taken else backup_id
