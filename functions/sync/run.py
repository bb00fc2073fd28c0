"""One run over the fleet.

    lease -> settings and backups -> the primary, once and completely
          -> every backup, in parallel -> a result for each -> the record

Nothing here knows how a server is talked to or where records are kept.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from common.deadline import Deadline
from common.faults import places
from common.reasons import Failure, Reason
from registry.models import (
    QUEUED,
    Backup,
    BackupResult,
    Credentials,
    Primary,
    PrimaryBaseline,
    Run,
    SyncSettings,
    new_run_id,
)
from registry.ports import CredentialStore, Store
from registry.snapshots import SnapshotStore
from replication.model import Outcome, PartName, Policy, PrimaryState, Status
from replication.primary import fingerprint
from replication.replicate import replicate
from sync import records
from sync.request import RunRequest
from sync.workers import size_of, workers
from wiring.servers import Servers, with_credentials
from wiring.source import Source, check_not_shrunk, guard_of, known_parts, parts_of, policy_of

GRACE = 2.0
"""Seconds after the deadline in which backups that were under way may still record that they were cut off."""


class RunStatus(StrEnum):
    """What a run is."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """Every backup was dealt with as asked."""
    PARTIAL = "partial"
    """Some backups failed or were not reached."""
    FAILED = "failed"
    """The run ended before any backup was touched."""
    NOT_RUN = "not_run"
    """There was nothing to do, or another run was doing it."""


class Progress(Protocol):
    """Is told what happens, as it happens. Called from several threads."""

    def started(self, run: Run) -> None: ...
    def primary_read(self, run: Run, primary: PrimaryState) -> None: ...
    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        """``fault`` holds the places of an unforeseen error in the program, and is empty otherwise."""
        ...

    def finished(self, run: Run) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a run works with. ``primary`` is the one of the stack's parameters, for when none is registered.

    ``memory_megabytes`` is what the process may take, None where nothing limits it.
    """

    store: Store
    credentials: CredentialStore
    servers: Servers
    progress: Progress
    snapshots: SnapshotStore
    primary: Primary | None
    lease_seconds: int
    memory_megabytes: int | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def source(self) -> Source:
        """The primary, to be read."""
        return Source(self.store, self.credentials, self.servers, self.primary)


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    run: Run
    results: tuple[BackupResult, ...] = ()


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
        status=RunStatus.RUNNING,
    )
    expires_at = started_at + timedelta(seconds=surroundings.lease_seconds)
    # Not the run's id alone: an event that is delivered twice brings the same id to two executions.
    owner = f"{record.id}/{uuid.uuid4().hex}"
    if surroundings.store.acquire_lease(owner, now=started_at, expires_at=expires_at) is None:
        if _was_started(request, surroundings.store):
            return Report(_again(record, surroundings))
        return Report(_finish(record, surroundings, RunStatus.NOT_RUN, Reason.LEASE_HELD, "another run is under way"))
    try:
        if _was_started(request, surroundings.store):
            return Report(_again(record, surroundings))
        return _Fleet(request, surroundings, deadline, record, owner, seen).run()
    finally:
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


def _finish(
    record: Run,
    surroundings: Surroundings,
    status: RunStatus,
    reason: Reason | None = None,
    message: str = "",
    counts: dict[str, int] | None = None,
) -> Run:
    done = replace(
        record,
        status=status,
        reason=reason or "",
        message=message,
        finished_at=surroundings.now(),
        counts=counts or {},
    )
    surroundings.store.save_run(done)
    surroundings.progress.finished(done)
    return done


class _Fleet:
    """One run that holds the lease."""

    def __init__(
        self,
        request: RunRequest,
        surroundings: Surroundings,
        deadline: Deadline,
        record: Run,
        owner: str,
        seen: PrimaryState | Failure | None,
    ) -> None:
        self._request = request
        self._around = surroundings
        self._store = surroundings.store
        self._deadline = deadline
        self._record = record
        self._owner = owner
        self._seen = seen
        self._settings = SyncSettings()
        self._statuses: Mapping[str, BackupResult] = {}

    def run(self) -> Report:
        self._store.save_run(self._record)
        self._around.progress.started(self._record)
        chosen: list[Backup] = []
        results: list[BackupResult] = []
        primary: PrimaryState | None = None
        try:
            self._settings = self._store.settings()
            unreadable = dict(self._store.unreadable_backups())
            chosen = self._choose(unreadable)
            if not self._request.backups:
                results = [self._refuse(backup_id, complaint) for backup_id, complaint in unreadable.items()]
            if not chosen and not results:
                message = "no backup is registered and enabled"
                return Report(self._finish([], RunStatus.NOT_RUN, Reason.NO_BACKUPS, message))
            policies = {backup.id: policy_of(backup, self._settings) for backup in chosen}
            primary = self._read_primary(policies.values()) if chosen else None
        except Failure as failure:
            return self._abort(chosen, results, failure)
        except Exception as error:  # noqa: BLE001 - its text could hold content of a reply: it goes no further
            message = f"the program failed ({type(error).__name__}: {places(error)})"
            return self._abort(chosen, results, Failure(Reason.INTERNAL_ERROR, message))
        if primary is None:
            return Report(self._finish(results, RunStatus.PARTIAL), tuple(results))
        source = primary
        at_a_time = workers(self._around.memory_megabytes, size_of(source))
        results += self._in_parallel(
            chosen, lambda backup: self._serve_one(backup, policies[backup.id], source), at_a_time
        )
        return self._conclude(primary, results)

    def _abort(self, chosen: list[Backup], results: list[BackupResult], failure: Failure) -> Report:
        """End the run before any backup was touched, with a result for each that would have been."""
        aborted = records.failed(Failure(Reason.RUN_ABORTED, f"nothing was done: {failure}"))
        results = results + [self._record_result(backup.id, aborted, self._around.now()) for backup in chosen]
        return Report(self._finish(results, RunStatus.FAILED, failure.reason, str(failure)), tuple(results))

    def _conclude(self, primary: PrimaryState, results: list[BackupResult]) -> Report:
        good = all(result.status in (Status.IN_SYNC, Status.UPDATED, Status.DRIFTED) for result in results)
        try:
            if any(result.verified_at for result in results):
                self._store.save_baseline(self._baseline(primary))
        except Failure as failure:
            message = f"what the primary held was not remembered: {failure.message}"
            return Report(self._finish(results, RunStatus.PARTIAL, failure.reason, message), tuple(results))
        return Report(self._finish(results, RunStatus.SUCCEEDED if good else RunStatus.PARTIAL), tuple(results))

    def _baseline(self, primary: PrimaryState) -> PrimaryBaseline:
        """What to remember of the primary; of what this run did not read, the older figures.

        That it has not changed since can only be said of a run over the whole fleet.
        """
        now = self._around.now()
        known = self._store.baseline() or PrimaryBaseline(0, 0, now, self._record.id)
        accounts, settings = PartName.ACCOUNTS in primary.states, PartName.SETTINGS in primary.states
        partial = self._request.backups or self._request.dry_run
        return PrimaryBaseline(
            users=primary.users if accounts else known.users,
            groups=primary.groups if accounts else known.groups,
            settings=primary.settings if settings else known.settings,
            at=now,
            run_id=self._record.id,
            fingerprint=known.fingerprint if partial else fingerprint(primary),
        )

    def _finish(
        self, results: list[BackupResult], status: RunStatus, reason: Reason | None = None, message: str = ""
    ) -> Run:
        return _finish(self._record, self._around, status, reason, message, records.counts(results))

    def _choose(self, unreadable: Mapping[str, str]) -> list[Backup]:
        """The backups to serve, those that wait longest first. Raises Failure when one was named that cannot be."""
        backups = {backup.id: backup for backup in self._store.backups()}
        for backup_id in self._request.backups:
            if backup_id in unreadable:
                raise Failure(Reason.RECORD_UNREADABLE, f"the registration of {backup_id!r} cannot be read")
            if backup_id not in backups:
                raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered with the id {backup_id!r}")
            if not backups[backup_id].enabled:
                raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id!r} is disabled")
        wanted = self._request.backups or tuple(backups)
        return self._longest_waiting_first([backups[id_] for id_ in wanted if backups[id_].enabled])

    def _longest_waiting_first(self, backups: list[Backup]) -> list[Backup]:
        statuses = self._statuses = self._store.statuses()

        def waiting(backup: Backup) -> tuple[int, datetime, str]:
            # What failed comes last: servers that are silent would take all workers, run after run.
            last = statuses.get(backup.id)
            turn = {str(Status.INCOMPLETE): 0, str(Status.FAILED): 2}.get(last.status if last else "", 1)
            never = datetime.min.replace(tzinfo=UTC)
            return turn, (last.verified_at if last else None) or never, backup.id

        return sorted(backups, key=waiting)

    def _refuse(self, backup_id: str, complaint: str) -> BackupResult:
        failure = Failure(Reason.RECORD_UNREADABLE, f"its registration cannot be read: {complaint}")
        return self._record_result(backup_id, records.failed(failure), self._around.now())

    def _read_primary(self, policies: Iterable[Policy | Failure]) -> PrimaryState:
        """The primary with every part that any backup is to get, and not suspiciously small."""
        accepted = self._request.accept_primary
        if isinstance(self._seen, Failure):
            raise self._seen
        primary = self._seen or self._around.source.read(
            parts_of(policies), self._settings, self._deadline, accept_empty=accepted
        )
        self._around.progress.primary_read(self._record, primary)
        if not accepted:
            check_not_shrunk(primary, self._store.baseline())
        return primary

    def _in_parallel(
        self, backups: list[Backup], serve: Callable[[Backup], BackupResult], at_a_time: int
    ) -> list[BackupResult]:
        executor = ThreadPoolExecutor(max_workers=min(at_a_time, len(backups)), thread_name_prefix="backup")
        futures = {executor.submit(serve, backup): backup for backup in backups}
        # Every remote call ends with the deadline by itself; the grace is for recording that it did.
        done, late = wait(futures, timeout=self._deadline.remaining() + GRACE)
        executor.shutdown(wait=False, cancel_futures=True)
        outcome = records.failed(Failure(Reason.DEADLINE, "the run ended before it was done"))
        return [future.result() for future in done] + [
            self._record_result(futures[future].id, outcome, self._around.now()) for future in late
        ]

    def _serve_one(self, backup: Backup, policy: Policy | Failure, primary: PrimaryState) -> BackupResult:
        started = self._around.now()
        fault = ""
        try:
            outcome = self._replicate(backup, policy, primary) if isinstance(policy, Policy) else records.failed(policy)
        except Failure as failure:
            outcome = records.failed(failure)
        except Exception as error:  # noqa: BLE001 - an error in the program while serving one must not stop the others
            fault = places(error)
            outcome = records.failed(Failure(Reason.INTERNAL_ERROR, f"the program failed ({type(error).__name__})"))
        return self._record_result(backup.id, outcome, started, fault)

    def _replicate(self, backup: Backup, policy: Policy, primary: PrimaryState) -> Outcome:
        def attempt(credentials: Credentials) -> Outcome:
            self._deadline.check()
            with self._around.servers.backup(backup, credentials, self._settings, self._deadline) as server:
                return replicate(
                    primary,
                    server,
                    policy,
                    snapshots=_BackupSnapshots(self._around.snapshots, backup.id, self._record.id),
                    now=self._around.now,
                    guard=guard_of(self._settings, self._store.approval(backup.id)),
                    known=known_parts(self._statuses.get(backup.id)),
                    write=not (self._request.dry_run or backup.report_only or backup.paused),
                )

        return with_credentials(
            self._around.credentials,
            backup.id,
            attempt,
            lambda outcome: outcome.reason is Reason.AUTHENTICATION_FAILED and outcome.pushed_at is None,
        )

    def _record_result(self, backup_id: str, outcome: Outcome, started: datetime, fault: str = "") -> BackupResult:
        result = records.result_of(
            outcome, backup_id=backup_id, run_id=self._record.id, started=started, finished=self._around.now()
        )
        try:
            self._store.record_result(result, lease_owner=self._owner)
        except Failure as failure:
            result = replace(
                result, status=Status.FAILED, reason=failure.reason, message=f"not recorded: {failure.message}"
            )
        self._around.progress.backup_done(self._record, result, fault)
        return result


@dataclass(frozen=True)
class _BackupSnapshots:
    """Keeps what one backup held before one run wrote to it."""

    store: SnapshotStore
    backup_id: str
    run_id: str

    def keep(self, parts: Mapping[str, str]) -> str:
        return self.store.keep_backup(self.backup_id, self.run_id, parts)
