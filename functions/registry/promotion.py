"""A backup takes the primary's place: what becomes of both registrations."""

from dataclasses import dataclass, replace
from datetime import datetime

from common.errors import Failure, Reason
from registry.models import Backup, Primary
from registry.store_rules import address_key


@dataclass(frozen=True)
class Promotion:
    """One change of the registry, to be made as a whole or not at all.

    ``old`` and ``backup`` are the primary and the backup as they were seen; at
    any other version of either nothing is changed. ``primary`` and ``former``
    are what takes their places. An ``old`` of version 0 is not stored: it is the
    one of the stack's parameters.
    """

    old: Primary
    backup: Backup
    primary: Primary
    former: Backup


def promotion(old: Primary, backup: Backup, former_id: str, why: str, at: datetime) -> Promotion:
    """The promotion of ``backup``; the old primary becomes a disabled backup with the id ``former_id``.

    Each server keeps its address, trust and secret. ``why`` is the reason for
    pushing nothing until somebody resumes. Raises Failure(SAME_AS_PRIMARY) when
    both are registered with one address.
    """
    if address_key(old.host, old.port) == address_key(backup.host, backup.port):
        raise Failure(Reason.SAME_AS_PRIMARY, f"{backup.id} has the primary's own host and port")
    primary = Primary(
        host=backup.host,
        port=backup.port,
        trust=backup.trust,
        secret=backup.secret_id,
        term=old.term + 1,
        held=why,
        promoted_at=at,
        as_backup=backup,
        version=old.version + 1,
    )
    known = old.as_backup or Backup(former_id, old.host, old.port, created_at=at)
    former = replace(
        known,
        id=former_id,
        host=old.host,
        port=old.port,
        trust=old.trust,
        secret=old.secret_id,
        enabled=False,
        paused="",
        updated_at=at,
        version=1,
    )
    return Promotion(old, backup, primary, former)
