"""One run over the fleet.

    lease -> settings and backups -> the primary, once and completely
          -> every backup, in parallel -> a result for each -> the record

A run with too many backups for one invocation is queued instead: see ``sync.fan_out``.

This module does not depend on how servers are contacted or where records are stored.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from common.deadline import Deadline
from common.errors import Failure, Reason, places
from fleet.primary import parts_of, remember_stack_primary
from fleet.primary_guard import check_meant_in_run
from fleet.restore_source import RestoreSource
from registry.fleet_records import Backup, Primary, SyncSettings
from registry.run_records import QUEUED, BackupResult, FanOut, Notice, Run, new_run_id, requested_at
from registry.store import Store, VersionConflict
from registry.store_rules import lease_held, lease_token
from replication.model import PrimaryState
from replication.primary import fingerprint
from sync.backup_runner import BackupRunner
from sync.context import RunContext
from sync.deadly_backups import apart, left_by_the_dead
from sync.events import RunRequest
from sync.fan_out import begin_fan_out, enqueue_backups, is_needed
from sync.primary_history import keep_state
from sync.push_conditions import left_alone, refuse_report_only
from sync.results import Report, ResultRecorder, RunStatus, conclude, finish
from sync.time_share import in_turn

_CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clock that made a run's id may be ahead of this clock."""


def run(
    request: RunRequest,
    context: RunContext,
    deadline: Deadline,
    *,
    unread: Failure | None = None,
) -> Report:
    """Carry out one run, or record why it was not done. The report says what happened.

    ``unread`` is why a look at the primary has just failed; the primary is then not contacted again.

    Raises Failure(REGISTRY_UNAVAILABLE) if the lease or the run's record cannot be written. Raises
    Failure(EVENT_INVALID) for a run id with a time in the future, because its records would stay the newest. The same
    failure is raised for the id of a run that was queued with other parameters.
    """
    started_at = context.runtime.now()
    if request.run_id and requested_at(request.run_id) > started_at + _CLOCKS_DIFFER:
        raise Failure(Reason.EVENT_INVALID, "the field run_id contains a time in the future")
    record = Run(
        id=request.run_id or new_run_id(started_at, context.runtime.new_id()),
        trigger=request.trigger,
        started_at=started_at,
        requested_by=request.requested_by,
        requested_backups=request.backups,
        dry_run=request.dry_run,
        snapshot=request.snapshot,
        plan_hash=request.plan_hash,
        same_machine=request.same_machine,
        accept_primary=request.accept_primary,
        status=QUEUED,
    )
    if request.run_id:
        record = as_queued(record, context.store.run(request.run_id))
    expires_at = started_at + timedelta(seconds=context.lease_seconds)
    owner = lease_token(record.id, context.runtime.new_id())
    if context.store.acquire_lease(owner, now=started_at, expires_at=expires_at) is None:
        record = _with_stack_primary_noticed(record, context)
        held = lease_held(context.store.lease())
        report = finish(context, record, RunStatus.NOT_RUN, held.reason, held.message)
        return report if report.recorded else _again(record, context)
    record = replace(record, status=RunStatus.RUNNING)
    fleet = _Fleet(request, context, deadline, ResultRecorder(context, record, owner), unread)
    try:
        return fleet.run() if context.store.begin_run(record) else _again(record, context)
    finally:
        if fleet.fan_out is None:  # workers write to queued backups under this lease, so it is kept for them
            with suppress(Failure):  # a lease that cannot be released expires by itself, and all results are recorded
                context.store.release_lease(owner)


def _with_stack_primary_noticed(record: Run, context: RunContext) -> Run:
    """Store a changed primary of the stack's parameters, so that the run under way, which began with the old
    parameters, stops.

    Returns the record, with a notice if that could not be stored.
    """
    try:
        remember_stack_primary(context.store, context.primary)
    except Failure as failure:
        return with_notice(
            record, Failure(failure.reason, f"the primary of the stack's parameters was not stored: {failure.message}")
        )
    return record


_ASKED = (
    "trigger",
    "requested_by",
    "requested_backups",
    "dry_run",
    "accept_primary",
    "snapshot",
    "plan_hash",
    "same_machine",
)
"""The fields of a run's record that an event contains."""


def as_queued(asked: Run, stored: Run | None) -> Run:
    """The run that an event requests, with the verified requester that the management API stored when it queued the
    run.

    An event alone does not prove who requested the run: anybody who may invoke the function can write any name and any
    queued run's id. Raises Failure(EVENT_INVALID) if the queued run has other parameters; the queued run then still
    waits.
    """
    if stored is None or stored.status != QUEUED:
        return asked
    for name in _ASKED:
        if getattr(asked, name) != getattr(stored, name):
            raise Failure(Reason.EVENT_INVALID, f"the run {asked.id} was queued with another {name} than the event's")
    return replace(asked, requester_verified=stored.requester_verified)


def _again(record: Run, context: RunContext) -> Report:
    """Report that this run has already begun or ended. Nothing is stored: the record under this id belongs to the first
    invocation.
    """
    done = replace(
        record, status=RunStatus.NOT_RUN, reason=Reason.ALREADY_STARTED, message="the run had already begun or ended"
    )
    context.progress.finished(done)
    return Report(done)


class _Fleet:
    """One run that holds the lease over its backups."""

    def __init__(
        self,
        request: RunRequest,
        context: RunContext,
        deadline: Deadline,
        recorder: ResultRecorder,
        unread: Failure | None,
    ) -> None:
        self._request = request
        self._context = context
        self._store = context.store
        self._deadline = deadline
        self._recorder = recorder
        self._unread = unread
        self.fan_out: FanOut | None = None
        """Set when the backups are about to be queued; from then on the workers continue the run."""

    def run(self) -> Report:
        self._context.progress.started(self._record)
        self._notice(*finish_dead_runs(self._context, self._recorder))
        chosen: list[Backup] = []
        results: list[BackupResult] = []
        try:
            settings = self._store.settings()
            statuses = self._store.statuses()
            unreadable = dict(self._store.unreadable_backups())
            chosen = choose(self._request.backups, self._store.backups(), unreadable, statuses, self._record.id)
            unknown = dict(self._store.unreadable_statuses())
            registered = remember_stack_primary(self._store, self._context.primary)
            self._tell(apply_promotion_hold(self._record, registered))
            refuse_report_only(chosen, self._record)
            self._notice(left_alone(chosen, self._record))
            if not self._request.backups:
                results = [self._refuse(backup_id, "registration", why) for backup_id, why in unreadable.items()]
            # An unreadable status may contain what is needed to undo a push, so its backup is not written to.
            results += [self._refuse(one.id, "last result", unknown[one.id]) for one in chosen if one.id in unknown]
            chosen = [one for one in chosen if one.id not in unknown]
            if not chosen and not results:
                message = "no backup is registered and enabled"
                return finish(self._context, self._record, RunStatus.NOT_RUN, Reason.NO_BACKUPS, message, [])
            if not chosen:
                return finish(self._context, self._record, RunStatus.PARTIAL, results=results)
            if self._request.snapshot:
                restore_source = RestoreSource.load(self._context.snapshots, self._request.snapshot, registered)
                primary = restore_source.state
            else:
                restore_source = None
                primary = self._read_primary(chosen, settings)
                self._notice(end_hold(self._store, self._record, registered))
            served = left_by_the_dead(self._store)
            runner = BackupRunner(
                self._recorder, settings, statuses.get, primary, self._deadline, restore_source, served
            )
            chosen = [backup for some in apart(chosen, served) for backup in some]
            terms = self._context.fan_out
            if terms and is_needed(terms, chosen, statuses, runner.at_a_time, self._deadline):
                self.fan_out = begin_fan_out(runner, terms, chosen)
        except Failure as failure:
            return self._abort(chosen, results, failure)
        except Exception as error:  # noqa: BLE001 - the error's text may quote a reply
            message = f"the program failed ({type(error).__name__}: {places(error)})"
            return self._abort(chosen, results, Failure(Reason.INTERNAL_ERROR, message))
        if terms and self.fan_out:
            return enqueue_backups(runner, terms, self.fan_out, chosen) or Report(self._record, tuple(results))
        results += runner.serve_all(chosen)
        return conclude(self._context, self._record, self._recorder.owner, primary, results)

    def _abort(self, chosen: Sequence[Backup], results: list[BackupResult], failure: Failure) -> Report:
        """End the run before any backup was touched, and record a result for each backup."""
        aborted = Failure(Reason.RUN_ABORTED, f"nothing was done: {failure}")
        results = results + [self._recorder.record_failure(one.id, one.registration, aborted) for one in chosen]
        return finish(self._context, self._record, RunStatus.FAILED, failure.reason, str(failure), results)

    @property
    def _record(self) -> Run:
        return self._recorder.run

    def _tell(self, record: Run) -> None:
        """Replace the record in memory with an extended one, which is stored when the run ends."""
        self._recorder = replace(self._recorder, run=record)

    def _notice(self, *failures: Failure | None) -> None:
        for failure in filter(None, failures):
            self._tell(with_notice(self._record, failure))

    def _refuse(self, backup_id: str, what: str, complaint: str) -> BackupResult:
        failure = Failure(Reason.RECORD_UNREADABLE, f"its {what} cannot be understood: {complaint}")
        return self._recorder.record_failure(backup_id, self._store.registration(backup_id) or "", failure)

    def _read_primary(self, chosen: Sequence[Backup], settings: SyncSettings) -> PrimaryState:
        """Read the primary with every part that a chosen backup receives, and reject content that looks like a
        mistake.
        """
        if self._unread:
            raise self._unread
        primary = self._context.source.read(parts_of(chosen, settings), settings, self._deadline)
        self._tell(replace(self._record, state=fingerprint(primary)))
        self._context.progress.primary_read(self._record, primary)
        self._notice(*primary.unread.values(), *primary.doubts)
        # A state that is rejected below is stored too: a person then compares it with the state before.
        self._notice(keep_state(primary, self._recorder))
        check_meant_in_run(
            self._record,
            primary,
            self._store,
            # A person who accepted the primary before it was replaced has seen another server.
            accepts=self._request.accept_primary and not self._record.held,
            lease_owner=self._recorder.owner,
            at=self._context.runtime.now(),
        )
        return primary


def choose(
    requested: Sequence[str],
    registered: Sequence[Backup],
    unreadable: Mapping[str, str],
    statuses: Mapping[str, BackupResult],
    run_id: str,
) -> list[Backup]:
    """The backups to process, in processing order; an empty ``requested`` means all enabled backups.

    ``unreadable`` has the registrations that cannot be read, ``statuses`` the last results. Raises Failure if a
    requested backup cannot be processed: a typing error must not look like a success.
    """
    backups = {backup.id: backup for backup in registered}
    for backup_id in requested:
        if backup_id in unreadable:
            raise Failure(Reason.RECORD_UNREADABLE, f"the registration of {backup_id!r} cannot be read")
        if backup_id not in backups:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered with the id {backup_id!r}")
        if not backups[backup_id].enabled:
            raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id!r} is disabled")
    wanted = [backups[backup_id] for backup_id in requested or backups if backups[backup_id].enabled]
    return in_turn(wanted, statuses, run_id)


def apply_promotion_hold(run: Run, primary: Primary | None) -> Run:
    """The run with the primary's term. While pushes are on hold after a change of the primary, the run may not push and
    gets a notice.
    """
    if primary is None:
        return run
    held = bool(primary.held) and not _asked_since(run, primary)
    run = replace(run, term=primary.term, source=primary.source, held=held)
    return with_notice(run, Failure(Reason.PUSHES_HELD, primary.held)) if held else run


def end_hold(store: Store, run: Run, primary: Primary | None) -> Failure | None:
    """End the hold on pushes if the run covers the whole fleet and was requested after the primary changed.

    Restoring an older state of the primary does not end the hold. Returns why the hold could not be ended, None if it
    was ended or there was none.
    """
    means_it = not (run.requested_backups or run.dry_run or run.snapshot)
    if primary is None or not primary.held or not means_it or not _asked_since(run, primary):
        return None
    try:
        store.save_primary(replace(primary, held=""), expected_version=primary.version)
    except VersionConflict:
        return Failure(
            Reason.PUSHES_HELD, "the primary's registration was changed meanwhile, so the hold was not ended"
        )
    except Failure as failure:
        return Failure(Reason.PUSHES_HELD, f"the hold could not be ended: {failure.message}")
    return None


def with_notice(run: Run, failure: Failure) -> Run:
    """The run with one more notice. A notice does not end the run."""
    return replace(run, notices=(*run.notices, Notice(failure.reason, failure.message)))


def _asked_since(run: Run, primary: Primary) -> bool:
    """Whether a person requested this run through the management API, after the primary changed.

    The event may have waited since before the change. A run that the API has not queued does not count: it may come
    from another schedule, a retry, or anybody who may invoke the function.
    """
    return run.requester_verified and not (primary.since and requested_at(run.id) < primary.since)


_CUT_OFF = "the run was killed before it finished; work without a recorded result is unknown"
_NEVER_BEGAN = "the run's event was dropped or failed before the run began; nothing was done"
_LIFE_OF_AN_EVENT = timedelta(hours=6)
"""Lambda drops an asynchronous event after at most this time."""


def finish_dead_runs(context: RunContext, recorder: ResultRecorder) -> list[Failure]:
    """Finish the record of every other run that can no longer finish itself; return the failures, which do not stop
    this run.

    The holder of the lease, the ``recorder``'s owner, is the only active run. So all other runs that have begun are
    dead, and so are the claims on their backups. A queued run may still begin, until Lambda drops its event.
    """
    failures = []
    others = [run_id for run_id in context.store.unfinished_runs() if run_id != recorder.run.id]
    for run_id in others:
        try:
            run = context.store.run(run_id)
            if run is None:
                continue  # the record has expired, and its ``UNFINISHED`` row will expire too
            if run.status != QUEUED:
                _finish_dead(replace(recorder, run=run, claims={}, begun={}, recorded={}))
            elif run.started_at + _LIFE_OF_AN_EVENT <= context.runtime.now():
                finish(context, run, RunStatus.FAILED, Reason.EVENT_DROPPED, _NEVER_BEGAN)
        except Failure as failure:
            failures.append(Failure(failure.reason, f"the run {run_id} could not be finished: {failure.message}"))
    return failures


def _finish_dead(recorder: ResultRecorder) -> None:
    context, run = recorder.context, recorder.run
    cut_off = Failure(Reason.RUN_CUT_OFF, "the run ended before it had a result for this backup")
    for backup_id in context.store.open_backups(run.id):
        if recorder.claim(backup_id):
            recorder.settle(backup_id, cut_off, late=True)
    results = context.store.results(run.id)
    finish(context, run, RunStatus.PARTIAL if results else RunStatus.FAILED, Reason.RUN_CUT_OFF, _CUT_OFF, results)
