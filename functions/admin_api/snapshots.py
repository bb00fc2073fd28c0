"""Which snapshot somebody means: by its key, by the run that kept it, or by the digest of a state of the primary."""

import re

from admin_api.dependencies import Services
from admin_api.schemas import DIGEST_PATTERN, RUN_ID_PATTERN
from common.errors import Failure, Reason
from registry.snapshots import PRIMARY, backup_of, primary_key

_DIGEST = re.compile(DIGEST_PATTERN)
_RUN_ID = re.compile(RUN_ID_PATTERN)


def key_for(meant: str, backup_id: str, services: Services) -> str:
    """The key of what is to be put back to this backup.

    Raises Failure: SNAPSHOT_UNFIT for another backup's, SNAPSHOT_MISSING when
    the backup has none like that. Whether a state of the primary is kept is
    found out when it is read.
    """
    if _DIGEST.match(meant):
        return primary_key(meant)
    if meant.startswith(f"{PRIMARY}/"):
        return meant
    owner = backup_of(meant)
    if owner and owner != backup_id:
        raise Failure(Reason.SNAPSHOT_UNFIT, f"the snapshot is of {owner}, and goes back to no other backup")
    for entry in services.snapshots.of_backup(backup_id):
        if meant in (entry.key, entry.run_id):
            return entry.key
    what = f"kept by the run {meant}" if _RUN_ID.match(meant) else meant
    raise Failure(Reason.SNAPSHOT_MISSING, f"{backup_id} has no snapshot {what}")
