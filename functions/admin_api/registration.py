"""Registration and removal of a backup: its id, its secret, and the rule that both are stored or neither."""

from contextlib import suppress
from dataclasses import replace

from admin_api.dependencies import Services
from admin_api.timeouts import same_servers
from common.errors import Failure, Reason
from common.patterns import Within
from common.runtime import Runtime
from fleet.servers import PRIMARY_ID
from registry.fleet_records import Backup, Credentials, destination_of
from registry.store import AlreadyRegistered


def register(backup: Backup, username: str, password: str, services: Services) -> Backup:
    """Store a registration with the credentials that were given for it.

    The registration is stored first: otherwise, a registration that is rejected because its id is taken would have
    replaced the other backup's password.
    """
    secret_id = _own_secret(backup.id, services)
    services.log_ins.retire(secret_id)
    added = services.store.add_backup(replace(backup, secret=secret_id))
    try:
        services.credentials.put(added.secret_id, Credentials(username, password, destination_of(added)))
    except Failure:  # the secret may have been stored before the failure
        services.store.delete_backup(added.id)
        with suppress(Failure):
            delete_discarded(services, added.id)
        raise
    with suppress(Failure):  # if a secret remains, the next request deletes it
        delete_discarded(services)
    return added


def is_half_removed(backup_id: str, services: Services) -> bool:
    """Whether a registration was removed but its secret is not deleted yet."""
    is_discarding = any(one.backup_id == backup_id for one in services.store.discarded_secrets())
    return is_discarding and services.store.registration(backup_id) is None


def delete_discarded(services: Services, backup_id: str = "") -> None:
    """Delete the secrets of removed registrations. Raises Failure if a secret of ``backup_id`` cannot be deleted."""
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


def registered_as(host: str, port: int, services: Services) -> str:
    """The id of the registered server at this address, however it is spelled; empty if there is none."""
    try:
        refuse_known_server(host, port, services)
    except AlreadyRegistered as registered:
        return registered.existing
    except Failure as failure:
        if failure.reason is Reason.SAME_AS_PRIMARY:
            return PRIMARY_ID
        raise
    return ""


def refuse_known_server(host: str, port: int, services: Services, *, but: str = "") -> None:
    """Reject a second registration of the same server, however its address is spelled, before any log-in.

    ``but`` is the id of the registration that is being changed. Raises Failure(SAME_AS_PRIMARY), or AlreadyRegistered
    for the address of another backup.
    """
    primary = None if but == PRIMARY_ID else services.primary()
    backups = [backup for backup in services.store.backups() if backup.id != but]
    others = [(primary.host, primary.port)] if primary else []
    others += [(backup.host, backup.port) for backup in backups]
    same = same_servers((host, port), others, services.addresses, services.runtime)
    if primary and same.pop(0):
        raise Failure(Reason.SAME_AS_PRIMARY, "host and port are those of the primary itself; nothing was changed")
    for backup, is_same in zip(backups, same, strict=True):
        if is_same:
            raise AlreadyRegistered(backup.id)


def new_backup_id(host: str, runtime: Runtime) -> str:
    """An id that is derived from the host and most likely free."""
    return f"{plain_id(host)}-{runtime.new_id()[:6]}"


_NO_LETTERS = Within(r"[^a-z0-9]+")


def plain_id(host: str) -> str:
    """The host name converted to a valid id."""
    return _NO_LETTERS.sub("-", host.casefold()).strip("-")[:50] or "backup"


def _own_secret(backup_id: str, services: Services) -> str:
    """The secret's id: the backup's id, unless another server uses that secret or it is still to be deleted.

    A promoted backup keeps its secret, while its id becomes free.
    """
    taken = _secrets_in_use(services) | {one.secret_id for one in services.store.discarded_secrets()}
    return f"{backup_id[:50]}-{services.runtime.new_id()[:8]}" if backup_id in taken else backup_id


def _secrets_in_use(services: Services) -> set[str]:
    """The ids of all secrets in use; backups are read before the primary, so that a backup promoted meanwhile is not
    missed.
    """
    return {server.secret_id for server in (*services.store.backups(), services.primary()) if server}
