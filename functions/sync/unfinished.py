"""Runs that ended without a record: their function was killed, or the queue did not deliver all of their backups."""

from common.errors import Failure, Reason
from sync.backup_runner import Recorder
from sync.concluding import RunStatus, finish
from sync.context import Surroundings

_MESSAGE = "it ended before it was done; nothing is known of what it did not record"


def finish_dead_runs(around: Surroundings, owner: str) -> list[Failure]:
    """Give every run that began and has no end its record; the failures in doing so, which stop nothing.

    Whoever holds the lease, ``owner``, is the only one that runs. So all others
    that have not ended are dead, and so are the claims on their backups.
    """
    failures = []
    for run_id in around.store.unfinished_runs():
        try:
            _finish_dead(run_id, around, owner)
        except Failure as failure:
            failures.append(Failure(failure.reason, f"the run {run_id} has no end: {failure.message}"))
    return failures


def _finish_dead(run_id: str, around: Surroundings, owner: str) -> None:
    run = around.store.run(run_id)
    if run is None:
        return  # its record was removed for its age, and the mark will be
    recorder = Recorder(around, run, owner)
    for backup_id in around.store.open_backups(run_id):
        if recorder.claim(backup_id):
            recorder.settle(backup_id, Failure(Reason.RUN_CUT_OFF, "the run ended before it had a result for it"))
    results = around.store.results(run_id)
    status = RunStatus.PARTIAL if results else RunStatus.FAILED
    finish(around, run, status, Reason.RUN_CUT_OFF, _MESSAGE, results)
