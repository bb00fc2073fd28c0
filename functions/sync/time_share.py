"""How the time of a run is divided: in which order its backups are served, and how long each may take.

Runs with too little time still get to every backup, and a slow server uses up
its own time and nobody else's: it can answer a byte at a time, or send what
takes long to compare. No single wait is too long then, and all together use up
the run. So each backup has a share of the run's time, and all that is done for
it takes place within. A backup that uses up its share has failed, and comes
behind those of the same run in the next one.
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
"""Seconds that each backup has, however many there are: to read and write one, and to prove access after settings."""
MOST = 0.5
"""The share of the run's time that no backup goes beyond, however few there are. A worker of a fan-out, who begins
nothing in the second half of its time, grants each as much."""
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


@dataclass(frozen=True)
class TimeShare:
    """The time of one backup. ``seconds`` is how long it is, None where the run itself, until ``run``, ends first."""

    deadline: Deadline
    run: Deadline
    seconds: float | None

    def charge(self, outcome: Outcome) -> Outcome:
        """The outcome; where only the backup's own time has ended, it is the backup that failed, and not the run."""
        if outcome.reason is not Reason.DEADLINE or self.seconds is None or self.run.remaining() <= 0:
            return outcome
        parts = tuple(
            replace(part, reason=Reason.TOO_SLOW) if part.reason is Reason.DEADLINE else part for part in outcome.parts
        )
        share = f"it used up its share of the run's time, {self.seconds:.0f} seconds"
        message = f"{outcome.message}; {share}" if outcome.message else share
        return replace(outcome, status=Status.FAILED, reason=Reason.TOO_SLOW, message=message, parts=parts)


class TimeShares:
    """Hands out the time of a run to backups of which ``at_a_time`` are served side by side.

    What is left is divided by the rounds that are left, so that backups that are
    quickly done leave their time to those behind them. From ``LEAST`` to ``MOST``. In a short run
    ``MOST`` is less: one that had all of it while others wait would end the run, and come first again in the next one.
    """

    def __init__(self, deadline: Deadline, at_a_time: int) -> None:
        self._deadline = deadline
        self._at_a_time = at_a_time
        self._lock = Lock()
        self._together: set[str] = set()
        self._alone: set[str] = set()
        self._half = deadline.remaining() * MOST

    def expect(self, together: Iterable[str], alone: Iterable[str] = ()) -> None:
        """These backups are to be served side by side, and these ``alone``, each of which is a round by itself."""
        with self._lock:
            self._together.update(together)
            self._alone.update(alone)

    def take(self, backup_id: str) -> TimeShare:
        """The share of a backup whose turn has come. May be called by several threads."""
        with self._lock:
            rounds = max(1, ceil(len(self._together) / self._at_a_time) + len(self._alone))
        self.forgo(backup_id)
        left = self._deadline.remaining()
        most = self._half if rounds > 1 else max(LEAST, self._half)
        seconds = min(max(LEAST, left / rounds), most)
        return TimeShare(self._deadline.share(seconds), self._deadline, seconds if seconds < left else None)

    def forgo(self, backup_id: str) -> None:
        """This backup takes no time any more: what it would have had is for those behind it."""
        with self._lock:
            self._together.discard(backup_id)
            self._alone.discard(backup_id)
