"""The order in which a run serves its backups, so that runs with too little time still get to every one of them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from registry.fleet_records import Backup
from registry.run_records import BackupResult
from registry.store_rules import tells_of_the_run_alone
from replication.model import Status

_NEVER = datetime.min.replace(tzinfo=UTC)
_TURN = {str(Status.INCOMPLETE): 0, str(Status.FAILED): 2}
"""Of backups that one run has tried: those that it was not done with come first, and those that failed last."""


def in_turn(backups: Iterable[Backup], statuses: Mapping[str, BackupResult], run_id: str) -> list[Backup]:
    """The backups in the order in which the run serves them; ``statuses`` are the last results by the backups' ids.

    The longer ago the run is that last tried a backup, the sooner it is served. A run that did not get to a backup
    leaves its status as it was, so what one run did not reach comes first in the next one, whatever it was before.
    Of two that the same run tried, one that failed comes later: silent servers would take all workers, run after run.
    What a run has tried whose clock was ahead comes first, not last until that time.
    """
    return sorted(backups, key=lambda backup: (*_last_tried(statuses.get(backup.id), run_id), backup.id))


def _last_tried(last: BackupResult | None, run_id: str) -> tuple[str, int, datetime]:
    """The run that last tried it, empty for none, which sorts by time; its turn among those of that run; and when."""
    if last is None or tells_of_the_run_alone(last) or last.run_id > run_id:
        return "", 0, last.attempted_at if last else _NEVER
    return last.run_id, _TURN.get(last.status, 1), last.attempted_at
