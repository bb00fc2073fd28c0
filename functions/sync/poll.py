"""A look at the primary between two scheduled runs: has anything changed that is replicated?"""

from common.deadline import Deadline
from common.reasons import Failure
from replication.primary import fingerprint
from sync.run import Surroundings
from wiring.source import parts_of, policy_of


def primary_changed(surroundings: Surroundings, deadline: Deadline) -> bool:
    """Whether the primary is not what the last run over the whole fleet read.

    The SOAP API has no call that tells of a change, so the parts are read and
    compared by fingerprint; no backup is asked anything. A primary that cannot
    be read counts as changed: the run that follows says why it cannot.
    """
    settings = surroundings.store.settings()
    policies = [policy_of(backup, settings) for backup in surroundings.store.backups() if backup.enabled]
    if not policies:
        return False
    baseline = surroundings.store.baseline()
    if baseline is None or not baseline.fingerprint:
        return True
    try:
        primary = surroundings.source.read(parts_of(policies), settings, deadline)
    except Failure:
        return True
    return fingerprint(primary) != baseline.fingerprint
