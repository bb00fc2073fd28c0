"""One invocation's share of a run that was fanned out: the backups of the messages that the queue has handed over.

A message is done exactly when its backup is no longer open. So nothing here
answers for a single message: a share that ends in whatever way leaves its
backups open or closed, and those that are open come again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.restore_source import Earlier
from registry.backup_queue import Message
from registry.models import FanOut, Run
from registry.snapshots import SnapshotStore
from replication.restore import earlier_state
from sync.backup_runner import Recorder, Serving
from sync.concluding import Report
from sync.context import Surroundings
from sync.fan_out import conclude_if_done
from sync.results import failed_outcome

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
