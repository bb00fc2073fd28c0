"""One run over the fleet.

    lease -> settings and backups -> the primary, once and completely
          -> every backup, in parallel -> a result for each -> the record

A fleet too large for this is handed out instead: see ``sync.fan_out``.

Nothing here knows how a server is talked to or where records are kept.
"""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from common.deadline import Deadline
from common.errors import Failure, Reason
from common.faults import places
from fleet.primary import check_not_shrunk, parts_of, policy_of
from fleet.restore_source import Earlier
from registry.models import QUEUED, Backup, BackupResult, Run, SyncSettings, new_run_id
from registry.store import Store
from registry.store_rules import of_term
from replication.model import Policy, PrimaryState
from sync.backup_runner import Recorder, Serving
from sync.choosing import choose
from sync.concluding import Report, RunStatus, conclude, finish
from sync.context import Surroundings
from sync.direction import end_hold, facing, noted
from sync.events import RunRequest
from sync.fan_out import hand_out, is_needed
from sync.primary_history import keep_state
from sync.results import failed_outcome
from sync.unfinished import finish_dead_runs


def run(
    request: RunRequest,
    surroundings: Surroundings,
    deadline: Deadline,
    *,
    seen: PrimaryState | Failure | None = None,
) -> Report:
    """Do one run, or record why it was not done. What happened is in the report; Failure means it could not be told.

    ``seen`` is what a look at the primary has just given, which then is not read again.
    Raises Failure(REGISTRY_UNAVAILABLE) when lease or record cannot be written.
    """
    started_at = surroundings.now()
    record = Run(
        id=request.run_id or new_run_id(started_at),
        trigger=request.trigger,
        started_at=started_at,
        requested_by=request.requested_by,
        requested_backups=request.backups,
        dry_run=request.dry_run,
        snapshot=request.snapshot,
        status=RunStatus.RUNNING,
    )
    expires_at = started_at + timedelta(seconds=surroundings.lease_seconds)
    # Not the run's id alone: an event that is delivered twice brings the same id to two executions.
    owner = f"{record.id}/{uuid.uuid4().hex}"
    if surroundings.store.acquire_lease(owner, now=started_at, expires_at=expires_at) is None:
        if _was_started(request, surroundings.store):
            return Report(_again(record, surroundings))
        return finish(surroundings, record, RunStatus.NOT_RUN, Reason.LEASE_HELD, "another run is under way")
    handed_out = False
    try:
        if _was_started(request, surroundings.store):
            return Report(_again(record, surroundings))
        report = _Fleet(request, surroundings, deadline, Recorder(surroundings, record, owner), seen).run()
        handed_out = report.run.status == RunStatus.RUNNING
        return report
    finally:
        if not handed_out:
            with suppress(Failure):  # one that is not given back expires by itself; what the run did is recorded
                surroundings.store.release_lease(owner)


def _was_started(request: RunRequest, store: Store) -> bool:
    """Whether the event was delivered before: a run that comes with its id has been queued under it, and no more."""
    known = store.run(request.run_id) if request.run_id else None
    return known is not None and known.status != QUEUED


def _again(record: Run, surroundings: Surroundings) -> Run:
    """Say that an event was delivered twice. It is not stored: the record under this id is of the first time."""
    message = "the event was delivered before"
    done = replace(record, status=RunStatus.NOT_RUN, reason=Reason.ALREADY_STARTED, message=message)
    surroundings.progress.finished(done)
    return done


class _Fleet:
    """One run that holds the lease."""

    def __init__(
        self,
        request: RunRequest,
        surroundings: Surroundings,
        deadline: Deadline,
        recorder: Recorder,
        seen: PrimaryState | Failure | None,
    ) -> None:
        self._request = request
        self._around = surroundings
        self._store = surroundings.store
        self._deadline = deadline
        self._recorder = recorder
        self._record = recorder.run
        self._seen = seen

    def run(self) -> Report:
        failures = finish_dead_runs(self._around, self._recorder.owner)
        self._store.begin_run(self._record)
        self._around.progress.started(self._record)
        for failure in failures:
            self._tell(noted(self._record, failure))
        chosen: list[Backup] = []
        results: list[BackupResult] = []
        try:
            settings = self._store.settings()
            statuses = self._store.statuses()
            unreadable = dict(self._store.unreadable_backups())
            chosen = choose(self._request.backups, self._store.backups(), unreadable, statuses)
            registered = self._around.known_primary
            self._tell(facing(self._record, self._request, registered))
            if not self._request.backups:
                results = [self._refuse(backup_id, complaint) for backup_id, complaint in unreadable.items()]
            if not chosen and not results:
                message = "no backup is registered and enabled"
                return finish(self._around, self._record, RunStatus.NOT_RUN, Reason.NO_BACKUPS, message, [])
            if not chosen:
                return finish(self._around, self._record, RunStatus.PARTIAL, results=results)
            if self._request.snapshot:
                earlier = Earlier.load(self._around.snapshots, self._request.snapshot, registered)
                primary = earlier.state
            else:
                earlier = None
                primary = self._read_primary([policy_of(backup, settings) for backup in chosen], settings)
                if unended := end_hold(self._store, self._request, registered):
                    self._tell(noted(self._record, unended))
            serving = Serving(self._recorder, settings, statuses.get, primary, self._deadline, earlier)
            terms = self._around.fan_out
            if terms and is_needed(terms, chosen, statuses, serving.at_a_time, self._deadline):
                return hand_out(serving, terms, chosen, results)
        except Failure as failure:
            return self._abort(chosen, results, failure)
        except Exception as error:  # noqa: BLE001 - its text could hold content of a reply: it goes no further
            message = f"the program failed ({type(error).__name__}: {places(error)})"
            return self._abort(chosen, results, Failure(Reason.INTERNAL_ERROR, message))
        results += serving.serve_all(chosen)
        return conclude(self._around, self._record, primary, results)

    def _abort(self, chosen: Sequence[Backup], results: list[BackupResult], failure: Failure) -> Report:
        """End the run before any backup was touched, with a result for each that would have been."""
        aborted = failed_outcome(Failure(Reason.RUN_ABORTED, f"nothing was done: {failure}"))
        results = results + [self._recorder.record(backup.id, aborted) for backup in chosen]
        return finish(self._around, self._record, RunStatus.FAILED, failure.reason, str(failure), results)

    def _tell(self, record: Run) -> None:
        """Go on with more in the record: it is stored when the run ends."""
        self._record = record
        self._recorder = replace(self._recorder, run=record)

    def _refuse(self, backup_id: str, complaint: str) -> BackupResult:
        failure = Failure(Reason.RECORD_UNREADABLE, f"its registration cannot be read: {complaint}")
        return self._recorder.record(backup_id, failed_outcome(failure))

    def _read_primary(self, policies: Iterable[Policy | Failure], settings: SyncSettings) -> PrimaryState:
        """The primary with every part that any backup is to get, and not suspiciously small."""
        accepted = self._request.accept_primary
        if isinstance(self._seen, Failure):
            raise self._seen
        primary = self._seen
        source = self._around.source
        # A promotion after the look has made another server the primary.
        if primary is None or primary.address != (source.primary.host, source.primary.port):
            primary = source.read(parts_of(policies), settings, self._deadline, accept_empty=accepted)
        self._around.progress.primary_read(self._record, primary)
        # Also what is refused below: how it differs from the state before is what then has to be looked into.
        unkept = keep_state(primary, self._recorder)
        if unkept:
            self._tell(noted(self._record, unkept))
        if not accepted:
            check_not_shrunk(primary, of_term(self._store.baseline(), self._record.term))
        return primary
