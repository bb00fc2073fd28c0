"""Registering a backup: its id, its secret, and both stored or neither."""

from dataclasses import replace

from admin_api.dependencies import Services
from admin_api.timeouts import same_servers
from common.errors import Failure, Reason
from common.patterns import within
from common.runtime import Runtime
from fleet.servers import PRIMARY_ID
from registry.destination import destination_of
from registry.models import Backup, Credentials
from registry.store import AlreadyRegistered


def register(backup: Backup, username: str, password: str, services: Services) -> Backup:
    """Store a registration, and the credentials that were given for it.

    The registration comes first: were it the other way round, one that is
    refused because the id is taken would have replaced the other's password.
    """
    added = services.store.add_backup(replace(backup, secret=_own_secret(backup.id, services)))
    try:
        services.credentials.put(added.secret_id, Credentials(username, password, destination_of(added)))
    except Failure:
        services.store.delete_backup(added.id)
        raise
    return added


def refuse_known_server(host: str, port: int, services: Services, *, but: str = "") -> None:
    """Refuse a second registration of one server, however its address is spelled, before anybody logs in to it.

    ``but`` is the id of the registration that is changed. Raises
    Failure(SAME_AS_PRIMARY), or AlreadyRegistered for a backup's address.
    """
    primary = None if but == PRIMARY_ID else services.primary()
    backups = [backup for backup in services.store.backups() if backup.id != but]
    others = [(primary.host, primary.port)] if primary else []
    others += [(backup.host, backup.port) for backup in backups]
    same = same_servers((host, port), others, services.addresses, services.runtime)
    if primary and same.pop(0):
        raise Failure(Reason.SAME_AS_PRIMARY, "host and port lead to the primary itself; nothing was changed")
    for backup, is_same in zip(backups, same, strict=True):
        if is_same:
            raise AlreadyRegistered(backup.id)


def new_backup_id(host: str, runtime: Runtime) -> str:
    """An id that tells the host and is most likely free."""
    return f"{plain_id(host)}-{runtime.new_id()[:6]}"


_NO_LETTERS = within(r"[^a-z0-9]+")


def plain_id(host: str) -> str:
    """The host's name as an id."""
    return _NO_LETTERS.sub("-", host.casefold()).strip("-")[:50] or "backup"


def _own_secret(backup_id: str, services: Services) -> str:
    """The backup's id, unless another server has that secret: a promoted backup takes it along, and its id is free.

    Backups are read before the primary, so that one which is promoted meanwhile is seen in one of the two places.
    """
    servers = (*services.store.backups(), services.primary())
    taken = {server.secret_id for server in servers if server}
    return f"{backup_id[:50]}-{services.runtime.new_id()[:8]}" if backup_id in taken else backup_id
