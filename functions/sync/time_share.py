"""How the time of a run is divided: the order in which its backups are processed, and how long each may take.

Every backup gets its turn, even if runs have too little time. A server can be slow: it answers one byte at a time, or
sends data that takes long to compare. Then no single wait is too long, but all waits together use up the run. So each
backup has a share of the run's time, which limits everything that is done for the backup. A slow server uses up only
its own share. A backup that uses up its share has failed, and comes after the other backups of that run in the next
one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from threading import Lock

from common.deadline import Deadline
from common.errors import Reason
from registry.fleet_records import Backup
from registry.run_records import BackupResult
from registry.store_rules import tells_of_the_run_alone
from replication.model import Outcome, Status

LEAST = 60.0
"""The minimum number of seconds for each backup, enough to read and write it and to prove access after settings."""
MOST = 0.5
"""The maximum fraction of the run's time for one backup."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_TURN = {str(Status.INCOMPLETE): 0, str(Status.FAILED): 2}
"""The rank among the backups that one run tried: unfinished ones come first, failed ones last."""


def in_turn(backups: Iterable[Backup], statuses: Mapping[str, BackupResult], run_id: str) -> list[Backup]:
    """The backups in processing order; ``statuses`` has the last result of each backup by id.

    A backup that was last tried longer ago comes earlier. A run that does not reach a backup leaves its status
    unchanged, so the backup comes first in the next run. Of two backups that the same run tried, one that failed comes
    later: otherwise unresponsive servers would occupy all workers in every run. If a run whose clock was ahead of this
    one tried a backup, the backup comes first. Otherwise it would come last until that time is reached.
    """
    return sorted(backups, key=lambda backup: (*_last_tried(statuses.get(backup.id), run_id), backup.id))


def _last_tried(last: BackupResult | None, run_id: str) -> tuple[str, int, datetime]:
    """The sort key of a backup: the last run that tried it (empty for none), its rank within that run, and the time."""
    if last is None or tells_of_the_run_alone(last) or last.run_id > run_id:
        return "", 0, last.attempted_at if last else _NEVER
    return last.run_id, _TURN.get(last.status, 1), last.attempted_at


@dataclass(frozen=True)
class TimeShare:
    """The time share of one backup. ``seconds`` is its length, None if the run itself, whose deadline is ``run``, ends
    first.
    """

    deadline: Deadline
    run: Deadline
    seconds: float | None

    def charge(self, outcome: Outcome) -> Outcome:
        """The outcome, changed to failed if the backup used up its own share while the run still has time."""
        if outcome.reason is not Reason.DEADLINE or self.seconds is None or self.run.remaining() <= 0:
            return outcome
        parts = tuple(
            replace(part, reason=Reason.TOO_SLOW) if part.reason is Reason.DEADLINE else part for part in outcome.parts
        )
        share = f"it used up its share of the run's time, {self.seconds:.0f} seconds"
        message = f"{outcome.message}; {share}" if outcome.message else share
        return replace(outcome, status=Status.FAILED, reason=Reason.TOO_SLOW, message=message, parts=parts)


class TimeShares:
    """Divides the time of a run among its backups; ``at_a_time`` of them are processed in parallel.

    The remaining time is divided by the remaining rounds, so that backups that finish early leave their time to later
    ones. A share is at least ``LEAST`` and at most ``MOST``. In a short run, while other backups wait, ``MOST``
    overrides ``LEAST``: a backup that used all the time would end the run, and come first again in the next one.
    """

    def __init__(self, deadline: Deadline, at_a_time: int) -> None:
        self._deadline = deadline
        self._at_a_time = at_a_time
        self._lock = Lock()
        self._together: set[str] = set()
        self._alone: set[str] = set()
        self._half = deadline.remaining() * MOST

    def expect(self, together: Iterable[str], alone: Iterable[str] = ()) -> None:
        """Announce the backups to process in parallel, and the backups ``alone``, which take a round each."""
        with self._lock:
            self._together.update(together)
            self._alone.update(alone)

    def take(self, backup_id: str) -> TimeShare:
        """The time share of a backup that is about to be processed. Several threads may call it."""
        with self._lock:
            rounds = max(1, ceil(len(self._together) / self._at_a_time) + len(self._alone))
        self.forgo(backup_id)
        left = self._deadline.remaining()
        most = self._half if rounds > 1 else max(LEAST, self._half)
        seconds = min(max(LEAST, left / rounds), most)
        return TimeShare(self._deadline.share(seconds), self._deadline, seconds if seconds < left else None)

    def forgo(self, backup_id: str) -> None:
        """Release the share of this backup for those that come later."""
        with self._lock:
            self._together.discard(backup_id)
            self._alone.discard(backup_id)
