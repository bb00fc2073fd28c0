"""A look at the primary between two scheduled runs: has anything changed that is replicated?"""

from common.deadline import Deadline
from common.errors import Failure
from fleet.primary import parts_of, policy_of
from registry.store_rules import of_primary
from replication.model import PrimaryState
from replication.primary import fingerprint
from sync.context import RunContext


def look_at_primary(context: RunContext, deadline: Deadline) -> PrimaryState | Failure | None:
    """The primary if it is not what the last run over the whole fleet read, None if nothing has changed.

    The SOAP API has no call that tells of a change, so the parts are read and
    compared by fingerprint; no backup is asked anything. A primary that cannot
    be read gives the failure, for the run to record: it is not read twice,
    because a refused log-in must not be repeated. Before a first run was
    verified there is nothing to compare with, and the schedule takes care.
    """
    settings = context.store.settings()
    policies = [policy_of(backup, settings) for backup in context.store.backups() if backup.enabled]
    baseline = of_primary(context.store.baseline(), context.known_primary)
    if not policies or baseline is None or not baseline.fingerprint:
        return None
    try:
        primary = context.source.read(parts_of(policies), settings, deadline)
    except Failure as failure:
        return failure
    return None if fingerprint(primary) == baseline.fingerprint else primary
