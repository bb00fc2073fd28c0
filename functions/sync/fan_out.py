"""A fleet too large for one invocation: its backups are queued, and later invocations serve them.

The run hands its lease on, with an end that covers the work, and keeps what it
has read of the primary. An invocation that gets messages of the queue claims
each backup, serves it, and records its result. A message is done exactly when
its backup is no longer open, so no invocation answers for a single message:
what is still open when it ends is delivered again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.restore_source import Earlier
from registry.backup_queue import Message
from registry.models import Backup, BackupResult, FanOut, Run
from registry.snapshots import Held, SnapshotStore
from replication.model import PrimaryState
from replication.primary import dump, fingerprint
from replication.restore import earlier_state
from sync.backup_runner import Serving
from sync.context import FanOutTerms, Surroundings
from sync.result_recorder import Recorder
from sync.results import Report, conclude, failed_outcome

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


LATEST_START = 0.5
"""The share of its time after which an invocation starts no backup: each has at least the rest for itself."""


@dataclass(frozen=True)
class Worked:
    """What came of some messages: those to be delivered again, and the runs that are done with it."""

    again: frozenset[Message] = frozenset()
    reports: tuple[Report, ...] = ()


def work_off(messages: Sequence[Message], around: Surroundings, deadline: Deadline, ends_at: datetime) -> Worked:
    """Serve the backups that the messages name. ``ends_at`` is when this process ends, whatever happens."""
    again: set[Message] = set()
    reports: list[Report] = []
    for run_id in dict.fromkeys(message.run_id for message in messages):
        own = [message.backup_id for message in messages if message.run_id == run_id]
        try:
            still_open, report = _of_run(run_id, list(dict.fromkeys(own)), around, deadline, ends_at)
        except Failure as failure:
            for backup_id in own:
                around.progress.not_served(run_id, backup_id, failure)
            still_open, report = set(own), None
        again |= {Message(run_id, backup_id) for backup_id in own if backup_id in still_open}
        reports += [report] if report else []
    return Worked(frozenset(again), tuple(reports))


def _of_run(
    run_id: str, backup_ids: list[str], around: Surroundings, deadline: Deadline, ends_at: datetime
) -> tuple[set[str], Report | None]:
    """Serve backups of one run: which are to come again, and the run's report if it is done. Raises Failure."""
    run, fan_out = around.store.run(run_id), around.store.fan_out(run_id)
    if run is None or fan_out is None:
        for backup_id in backup_ids:
            around.progress.not_served(run_id, backup_id, Failure(Reason.UNKNOWN_RUN, "its run is not known any more"))
        return set(), None
    if run.finished_at is not None:
        around.store.release_lease(fan_out.owner)  # whoever has ended it may have been killed just then
        return set(), None
    loaded = _loaded(fan_out, around.snapshots)
    _Share(around, run, fan_out, loaded, deadline, ends_at).serve(backup_ids)
    if not _holds_lease(around, fan_out):  # the next run records what is open, and these messages are void
        return set(), None
    still_open = set(around.store.open_backups(run_id))
    return still_open, None if still_open else conclude_if_done(around, fan_out, run, loaded.state)


def _holds_lease(around: Surroundings, fan_out: FanOut) -> bool:
    lease = around.store.lease()
    return lease is not None and lease.owner == fan_out.owner and lease.expires_at > around.now()


class _Share:
    """Backups of one run in one invocation."""

    def __init__(
        self,
        around: Surroundings,
        run: Run,
        fan_out: FanOut,
        loaded: Earlier,
        deadline: Deadline,
        ends_at: datetime,
    ) -> None:
        self._around = around
        self._run = run
        self._fan_out = fan_out
        self._deadline = deadline
        self._ends_at = ends_at
        self._needed = deadline.remaining() * LATEST_START
        self._recorder = Recorder(around, run, fan_out.owner)
        self._serving = Serving(
            self._recorder,
            around.store.settings(),
            lambda backup_id: around.store.statuses([backup_id]).get(backup_id),
            loaded.state,
            deadline,
            loaded if run.snapshot else None,
        )

    def serve(self, backup_ids: Sequence[str]) -> None:
        """Serve those that are still open, not claimed by somebody else, and for which there is time."""
        _, late = self._serving.in_parallel(backup_ids, self._serve)
        for backup_id in late:
            self._serving.cut_off(backup_id)

    def _serve(self, backup_id: str) -> None:
        try:
            if self._may_be_served(backup_id):
                self._serve_claimed(backup_id)
        except Failure as failure:
            self._around.progress.not_served(self._run.id, backup_id, failure)

    def _may_be_served(self, backup_id: str) -> bool:
        """Whether it is ours to serve: asked before each, because nothing may be written without the lease."""
        if self._deadline.remaining() < self._needed:
            raise Failure(Reason.DEADLINE, "this invocation has no time left for it; another one will")
        if not _holds_lease(self._around, self._fan_out):
            raise Failure(Reason.LEASE_LOST, "its run has lost the lease")
        return self._recorder.claim(backup_id, until=self._ends_at)

    def _serve_claimed(self, backup_id: str) -> None:
        if self._fan_out.ends_at < self._ends_at:  # the lease could end before this process does
            self._recorder.settle(backup_id, Failure(Reason.DEADLINE, "the time of its run was used up"))
            return
        try:
            backup = self._around.store.backup(backup_id)
        except Failure as failure:
            if failure.reason is not Reason.RECORD_UNREADABLE:
                raise
            self._recorder.record(backup_id, failed_outcome(failure))
            return
        if backup is None or not backup.enabled:
            self._leave_out(backup_id, Reason.BACKUP_DISABLED if backup else Reason.UNKNOWN_BACKUP)
            return
        self._serving.serve(backup)

    def _leave_out(self, backup_id: str, reason: Reason) -> None:
        """What is not registered or enabled any more has no result, as in a run that began later."""
        self._around.store.leave_out(self._run.id, backup_id, self._recorder.claims[backup_id])
        failure = Failure(reason, "it was disabled or deleted while it waited in the queue")
        self._around.progress.not_served(self._run.id, backup_id, failure)


def _loaded(fan_out: FanOut, snapshots: SnapshotStore) -> Earlier:
    """The primary as the run has read it, or what it puts back; one process loads it once. Raises Failure."""
    if fan_out not in _LOADED:
        _LOADED.clear()  # it can be large, and that of an older run is not needed again
        held = snapshots.load(fan_out.state).held
        state = earlier_state(held.parts, held.facts, (fan_out.host, fan_out.port), fan_out.label)
        state = replace(state, users=fan_out.users, groups=fan_out.groups, settings=fan_out.settings)
        _LOADED[fan_out] = Earlier(fan_out.state, held, state)
    return _LOADED[fan_out]


_LOADED: dict[FanOut, Earlier] = {}
