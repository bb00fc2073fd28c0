"""Registering and removing a backup: its id, its secret, and both stored or neither."""

from contextlib import suppress
from dataclasses import replace

from admin_api.dependencies import Services
from admin_api.timeouts import same_servers
from common.errors import Failure, Reason
from common.patterns import within
from common.runtime import Runtime
from fleet.servers import PRIMARY_ID
from registry.destination import destination_of
from registry.fleet_records import Backup, Credentials
from registry.store import AlreadyRegistered


def register(backup: Backup, username: str, password: str, services: Services) -> Backup:
    """Store a registration, and the credentials that were given for it.

    The registration comes first: were it the other way round, one that is
    refused because the id is taken would have replaced the other's password.
    """
    secret_id = _own_secret(backup.id, services)
    services.log_ins.retire(secret_id)
    added = services.store.add_backup(replace(backup, secret=secret_id))
    try:
        services.credentials.put(added.secret_id, Credentials(username, password, destination_of(added)))
    except Failure:  # it may have been written all the same
        services.store.delete_backup(added.id)
        with suppress(Failure):
            delete_discarded(services, added.id)
        raise
    with suppress(Failure):  # what an earlier request left is ended by whoever repeats it, or comes next
        delete_discarded(services)
    return added


def is_half_removed(backup_id: str, services: Services) -> bool:
    """Whether a registration was removed, and its secret is still to be deleted."""
    is_discarding = any(one.backup_id == backup_id for one in services.store.discarded_secrets())
    return is_discarding and services.store.registration(backup_id) is None


def delete_discarded(services: Services, backup_id: str = "") -> None:
    """Delete the secrets of removed registrations. Raises Failure for one that cannot be and was of ``backup_id``."""
    failed: Failure | None = None
    for one in services.store.discarded_secrets():
        try:
            if one.secret_id not in _secrets_in_use(services):
                services.credentials.delete(one.secret_id)
            services.store.end_discarded(one.secret_id)
        except Failure as failure:
            failed = failure if one.backup_id == backup_id else failed
    if failed:
        raise failed


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
    """The backup's id, unless that secret is another server's, or still to be deleted.

    A promoted backup takes its secret along, and its id is free.
    """
    taken = _secrets_in_use(services) | {one.secret_id for one in services.store.discarded_secrets()}
    return f"{backup_id[:50]}-{services.runtime.new_id()[:8]}" if backup_id in taken else backup_id


def _secrets_in_use(services: Services) -> set[str]:
    """Backups are read before the primary, so that one which is promoted meanwhile is seen in one of the two places."""
    servers = (*services.store.backups(), services.primary())
    return {server.secret_id for server in servers if server}
