"""Runs over more backups than one invocation can process: the backups are queued, and later invocations process them.

The run extends its lease to cover that work, and stores the state that it read from the primary. An invocation that
receives queue messages claims each backup, processes it and records its result. A message is finished when its backup
is no longer open, or when its run is over, unknown or has lost the lease. All other messages are delivered again; a
message for which there was no time is sent again as a new message, because its delivery was not an attempt.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.deadline import Deadline
from common.errors import Failure, Reason, defect_of
from fleet.primary import remember_stack_primary
from fleet.restore_source import RestoreSource, check_state
from registry.backup_queue import Message
from registry.fleet_records import Backup
from registry.run_records import BackupResult, FanOut, Run
from registry.snapshots import SnapshotContent
from replication.model import PrimaryState
from replication.primary import dump, earlier_state, fingerprint
from sync.backup_runner import BackupRunner
from sync.context import FanOutTerms, RunContext
from sync.deadly_backups import left_by_the_dead
from sync.results import Report, ResultRecorder, conclude

SHARE_OF_TIME = 0.8
"""The fraction of the remaining time that a run may plan to use. Servers may be slower than last time."""


def is_needed(
    terms: FanOutTerms,
    backups: Sequence[Backup],
    statuses: Mapping[str, BackupResult],
    at_a_time: int,
    deadline: Deadline,
) -> bool:
    """Whether there are too many backups for one invocation, or they took too long last time.

    Backups that fit into one parallel round are not queued.
    """
    if len(backups) > terms.above:
        return True
    durations = (statuses[backup.id].duration for backup in backups if backup.id in statuses)
    return len(backups) > at_a_time and sum(durations) / at_a_time > deadline.remaining() * SHARE_OF_TIME


def begin_fan_out(runner: BackupRunner, terms: FanOutTerms, backups: Sequence[Backup]) -> FanOut:
    """Store what workers need to process these backups, and extend the lease. Nothing is queued yet. Raises
    Failure.
    """
    recorder, primary = runner.recorder, runner.primary
    context, run = recorder.context, recorder.run
    state = run.snapshot or context.snapshots.keep_primary(
        fingerprint(primary), SnapshotContent(dump(primary), primary.facts)
    )
    now = context.runtime.now()
    ends_at = now + timedelta(seconds=terms.seconds)
    if context.store.acquire_lease(recorder.owner, now=now, expires_at=ends_at) is None:
        raise Failure(Reason.LEASE_LOST, "another run has taken over before the backups were queued")
    if not context.store.save_run(run):  # stores the run's notices
        raise Failure(Reason.LEASE_LOST, "another run has ended this one before the backups were queued")
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
    context.store.begin_fan_out(fan_out, backups)
    return fan_out


def enqueue_backups(
    runner: BackupRunner, terms: FanOutTerms, fan_out: FanOut, backups: Sequence[Backup]
) -> Report | None:
    """Queue the backups in order. Returns the run's report if the run ends here, None if workers continue it.

    A backup that the queue refuses is recorded as incomplete. If that cannot be recorded, the backup stays open, and
    the next run that gets the lease finishes it; no Failure is raised, because a worker may already be writing.
    """
    context, run = runner.recorder.context, runner.recorder.run
    refused = terms.queue.send([Message(run.id, backup.id) for backup in backups])
    context.progress.queued(run, len(backups) - len(refused))
    return _record_refused(runner.recorder, fan_out, runner.primary, refused) if refused else None


def _record_refused(
    recorder: ResultRecorder, fan_out: FanOut, primary: PrimaryState, refused: Mapping[Message, str]
) -> Report | None:
    context, run = recorder.context, recorder.run
    try:
        for message, why in refused.items():
            if recorder.claim(message.backup_id):
                not_queued = Failure(Reason.NOT_QUEUED, f"it could not be queued: {why}")
                queued_as = context.store.open_registration(run.id, message.backup_id)
                recorder.record_failure(message.backup_id, queued_as or "", not_queued)
        return conclude_if_done(context, fan_out, run, primary)
    except Failure as failure:
        for message in refused:
            context.progress.not_served(run.id, message.backup_id, failure)
        return None


def conclude_if_done(context: RunContext, fan_out: FanOut, run: Run, primary: PrimaryState) -> Report | None:
    """End a run if none of its backups is open, and release its lease; None if a backup is still open.

    Repeating this is harmless: only one record is kept. Raises Failure.
    """
    if context.store.open_backups(run.id):
        return None
    report = conclude(context, run, fan_out.owner, primary, context.store.results(run.id))
    context.store.release_lease(fan_out.owner)
    return report


_NO_TIME = "this invocation has no time left for the backup; another one processes it"

LATEST_START = 0.5
"""The fraction of an invocation's time after which it begins to serve no further backup. The rest of the time is for
the backups that it has begun.
"""


@dataclass(frozen=True)
class BatchResult:
    """The result of processing a batch: the messages to deliver again, and the reports of finished runs."""

    again: frozenset[Message] = frozenset()
    reports: tuple[Report, ...] = ()


def process_batch(
    messages: Sequence[Message], context: RunContext, deadline: Deadline, ends_at: datetime
) -> BatchResult:
    """Process the backups that the messages name. ``ends_at`` is when this invocation is terminated."""
    again: set[Message] = set()
    untried: set[Message] = set()
    reports: list[Report] = []
    for run_id in dict.fromkeys(message.run_id for message in messages):
        own = [message.backup_id for message in messages if message.run_id == run_id]
        try:
            unserved, report = _of_run(run_id, list(dict.fromkeys(own)), context, deadline, ends_at)
        except Exception as error:  # noqa: BLE001 - a defect in processing one run must not stop the others
            failure = Failure(Reason.INTERNAL_ERROR, f"the program failed ({defect_of(error)})")
            for backup_id in own:
                context.progress.not_served(run_id, backup_id, error if isinstance(error, Failure) else failure)
            unserved, report = _Unserved(set(own)), None
        again |= {Message(run_id, backup_id) for backup_id in own if backup_id in unserved.open - unserved.untried}
        untried |= {Message(run_id, backup_id) for backup_id in own if backup_id in unserved.open & unserved.untried}
        reports += [report] if report else []
    return BatchResult(frozenset(again | _not_requeued(untried, context)), tuple(reports))


def _not_requeued(messages: Collection[Message], context: RunContext) -> set[Message]:
    """Send messages again as new ones, because SQS drops a message after too many deliveries; return those that the
    queue rejected.

    If this process dies now, both copies are delivered, which is harmless because a backup is claimed before it is
    processed.
    """
    if not messages or context.fan_out is None:
        return set(messages)
    return set(context.fan_out.queue.send(sorted(messages, key=lambda message: (message.run_id, message.backup_id))))


@dataclass(frozen=True)
class _Unserved:
    """Backups of one run that are still open, and those that were not tried for lack of time."""

    open: Set[str] = frozenset()
    untried: Set[str] = frozenset()


def _of_run(
    run_id: str, backup_ids: list[str], context: RunContext, deadline: Deadline, ends_at: datetime
) -> tuple[_Unserved, Report | None]:
    """Process backups of one run; return those to deliver again, and the run's report if the run is finished. Raises
    Failure.
    """
    run, fan_out = context.store.run(run_id), context.store.fan_out(run_id)
    if run is None or fan_out is None:
        for backup_id in backup_ids:
            context.progress.not_served(
                run_id, backup_id, Failure(Reason.UNKNOWN_RUN, "the record of its run no longer exists")
            )
        return _Unserved(), None
    remember_stack_primary(context.store, context.primary)  # a primary that changed since the run began ends the run
    if run.finished_at is not None:
        context.store.release_lease(fan_out.owner)  # the process that ended the run may have died before doing it
        return _Unserved(), None
    loaded = _loaded(fan_out, context)
    untried = _Share(context, run, fan_out, loaded, deadline, ends_at).serve(backup_ids)
    if not _holds_lease(context, fan_out):  # the next run records the open backups, so these messages are done
        return _Unserved(), None
    still_open = set(context.store.open_backups(run_id))
    report = None if still_open else conclude_if_done(context, fan_out, run, loaded.state)
    return _Unserved(still_open, untried), report


def _holds_lease(context: RunContext, fan_out: FanOut) -> bool:
    lease = context.store.lease()
    return lease is not None and lease.owner == fan_out.owner and lease.expires_at > context.runtime.now()


class _Share:
    """The backups of one run that one invocation processes."""

    def __init__(
        self,
        context: RunContext,
        run: Run,
        fan_out: FanOut,
        loaded: RestoreSource,
        deadline: Deadline,
        ends_at: datetime,
    ) -> None:
        self._context = context
        self._run = run
        self._fan_out = fan_out
        self._deadline = deadline
        self._ends_at = ends_at
        self._needed = deadline.remaining() * LATEST_START
        self._tried: set[str] = set()
        self._begun: dict[str, str] = {}  # registrations by backup id
        self._recorder = ResultRecorder(context, run, fan_out.owner)
        self._runner = BackupRunner(
            self._recorder,
            context.store.settings(),
            context.store.status,
            loaded.state,
            deadline,
            loaded if run.snapshot else None,
            left_by_the_dead(context.store),
        )

    def serve(self, backup_ids: Sequence[str]) -> Set[str]:
        """Process the backups that are open and not claimed elsewhere; return those that were not tried for lack of
        time.
        """
        # Some of these may be in work by another process. Such backups cannot be claimed, so they are left out below.
        alone = [backup_id for backup_id in backup_ids if backup_id in self._runner.served]
        together = [backup_id for backup_id in backup_ids if backup_id not in alone]
        self._runner.shares.expect(together, alone)
        _, late = self._runner.in_parallel(together, self._serve)
        for backup_id in alone:
            late += self._runner.in_parallel([backup_id], self._serve)[1]
        for backup_id in late:
            if backup_id in self._begun:
                self._runner.cut_off(backup_id, self._begun[backup_id])
            else:  # not begun here, and maybe in work elsewhere
                self._context.progress.not_served(self._run.id, backup_id, Failure(Reason.DEADLINE, _NO_TIME))
        return set(backup_ids) - self._tried

    def _serve(self, backup_id: str) -> None:
        try:
            if self._may_be_served(backup_id):
                self._serve_claimed(backup_id)
            else:
                self._runner.shares.forgo(backup_id)
        except Failure as failure:
            self._context.progress.not_served(self._run.id, backup_id, failure)

    def _may_be_served(self, backup_id: str) -> bool:
        """Claim the backup, after a check that the run still holds the lease: nothing may be written without it."""
        if self._deadline.remaining() < self._needed:
            raise Failure(Reason.DEADLINE, _NO_TIME)
        self._tried.add(backup_id)
        if not _holds_lease(self._context, self._fan_out):
            raise Failure(Reason.LEASE_LOST, "its run has lost the lease")
        return self._recorder.claim(backup_id, until=self._ends_at)

    def _serve_claimed(self, backup_id: str) -> None:
        if self._fan_out.ends_at < self._ends_at:  # the lease could end before this process ends
            self._recorder.settle(backup_id, Failure(Reason.DEADLINE, "the time of its run was used up"))
            return
        store = self._context.store
        queued_as = store.open_registration(self._run.id, backup_id) or ""
        try:
            store.status(backup_id)  # an unreadable status may contain what is needed to undo an earlier push
        except Failure as failure:
            if failure.reason is not Reason.RECORD_UNREADABLE:
                raise
            self._recorder.record_failure(backup_id, queued_as, failure)
            return
        self._begun[backup_id] = queued_as
        self._runner.serve(backup_id, queued_as)


def _loaded(fan_out: FanOut, context: RunContext) -> RestoreSource:
    """The primary's state that the run stored, or its restore source; a process loads it once. Raises Failure."""
    if fan_out not in context.loaded:
        context.loaded.clear()  # an older run's state is not needed again
        content = context.snapshots.load(fan_out.state).content
        state = earlier_state(content.parts, content.facts, (fan_out.host, fan_out.port), fan_out.label)
        check_state(fan_out.state, state)
        state = replace(state, users=fan_out.users, groups=fan_out.groups, settings=fan_out.settings)
        context.loaded[fan_out] = RestoreSource(fan_out.state, content, state)
    return context.loaded[fan_out]
