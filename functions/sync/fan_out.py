"""A fleet too large for one invocation: its backups are queued, and the same code serves them from there.

The run hands its lease on, with an end that covers the work, and keeps what it
has read of the primary for those who go on. See ``sync.share`` for their side.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from common.deadline import Deadline
from common.errors import Failure, Reason
from registry.backup_queue import Message
from registry.models import Backup, BackupResult, FanOut, Run
from registry.snapshots import Held
from replication.model import PrimaryState
from replication.primary import dump, fingerprint
from sync.backup_runner import Serving
from sync.concluding import Report, conclude
from sync.context import FanOutTerms, Surroundings
from sync.results import failed_outcome

SHARE_OF_TIME = 0.8
"""How much of the time left a run may plan to use. Servers are not always as fast as they were."""


def is_needed(
    terms: FanOutTerms,
    backups: Sequence[Backup],
    statuses: Mapping[str, BackupResult],
    at_a_time: int,
    deadline: Deadline,
) -> bool:
    """Whether the backups are too many, or took too long last time, to be served by one invocation.

    What is served side by side anyway gains nothing from a queue.
    """
    if len(backups) > terms.above:
        return True
    known = (statuses[backup.id].duration for backup in backups if backup.id in statuses)
    return len(backups) > at_a_time and sum(known) / at_a_time > deadline.remaining() * SHARE_OF_TIME


def hand_out(
    serving: Serving, terms: FanOutTerms, backups: Sequence[Backup], results: Sequence[BackupResult]
) -> Report:
    """Queue the backups in their order; the run goes on without this invocation.

    ``results`` is what it has of other backups. Raises Failure before anything
    is queued. A backup that the queue does not take is recorded as incomplete.
    """
    recorder, primary = serving.recorder, serving.primary
    around, run = recorder.around, recorder.run
    state = run.snapshot or around.snapshots.keep_primary(fingerprint(primary), Held(dump(primary), primary.facts))
    now = around.now()
    ends_at = now + timedelta(seconds=terms.seconds)
    if around.store.acquire_lease(recorder.owner, now=now, expires_at=ends_at) is None:
        raise Failure(Reason.LEASE_LOST, "another run has taken over before the backups were queued")
    around.store.save_run(run)  # with what is to be told of it so far
    host, port = primary.address
    fan_out = FanOut(
        run_id=run.id,
        owner=recorder.owner,
        ends_at=ends_at,
        state=state,
        label=primary.label,
        host=host,
        port=port,
        users=primary.users,
        groups=primary.groups,
        settings=primary.settings,
    )
    around.store.begin_fan_out(fan_out, [backup.id for backup in backups])
    refused = terms.queue.send([Message(run.id, backup.id) for backup in backups])
    around.progress.queued(run, len(backups) - len(refused))
    for message, why in refused.items():
        if recorder.claim(message.backup_id):
            not_queued = Failure(Reason.NOT_QUEUED, f"it could not be queued: {why}")
            recorder.record(message.backup_id, failed_outcome(not_queued))
    concluded = conclude_if_done(around, fan_out, run, primary) if refused else None
    return concluded or Report(run, tuple(results))


def conclude_if_done(around: Surroundings, fan_out: FanOut, run: Run, primary: PrimaryState) -> Report | None:
    """End a run of which no backup is open any more, and give its lease back; None while one is.

    Doing it twice does no harm: one record stands. Raises Failure.
    """
    if around.store.open_backups(run.id):
        return None
    report = conclude(around, run, primary, around.store.results(run.id))
    around.store.release_lease(fan_out.owner)
    return report
