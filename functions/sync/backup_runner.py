"""Processes backups: replicates to each backup of a run and records its result.

A backup has no result at all if it is disabled, if the run names others, or if the run did not begin (``not_run``,
``event_dropped``). ``sync.run`` decides that.

Otherwise the result of a backup that was not read says why. The reasons, and where each is decided:

- the registration was replaced, removed or disabled (``registration_changed``): ``sync.push_conditions``
- the registration or the last result is unreadable (``record_unreadable``): ``sync.run``, ``sync.fan_out``
- the registry does not answer (``registry_unavailable``): ``registry.table``
- two processes died while they processed the backup (``ends_runs``): ``sync.deadly_backups``
- the registration's parts, keep patterns or trust are invalid (``registration_invalid``): ``fleet.primary.policy_of``,
  ``fleet.servers.trust_of``
- the backup has the primary's address, or is the primary (``same_as_primary``): ``fleet.servers``, ``cerberus``,
  ``replication.guards.preflight``
- the password is missing, for another server, or was refused: ``fleet.log_ins``
- the server cannot be reached, is not trusted, or answers with something else: ``cerberus``
- the server answers, but its version, edition, licence or insecure SOAP does not fit: ``replication.guards.preflight``
- the snapshot to restore does not fit (``snapshot_unfit``, ``snapshot_of_former_server``): ``fleet.restore_source``
- the snapshot of a pending proof of access is unreadable: ``fleet.primary.pending_access_proof_of``
- the program has a defect (``internal_error``): this module
- the time of the run or of the backup is over (``deadline``, ``too_slow``): this module, ``sync.time_share``
- the run never came to the backup (``run_aborted``, ``not_queued``, ``run_cut_off``): ``sync.run``, ``sync.fan_out``
- the backup was verified recently, and is only asked whether it answers: ``may_skip_full_read`` in this module
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial

from common.budgets import AccountSizes
from common.deadline import Deadline, computing_until
from common.errors import Failure, Reason, places
from common.runtime import UNFINISHED
from fleet.approvals import guard_of
from fleet.at_a_time import size_of, workers
from fleet.primary import PresentPrimary, known_parts, pending_access_proof_of, policy_of, present_primary
from fleet.restore_source import RestoreSource
from fleet.servers import refuse_primary
from registry.fleet_records import Backup, Credentials, SyncSettings
from registry.run_records import BackupResult, Run, ServedNow
from registry.snapshots import SnapshotContent
from registry.store_rules import of_primary, of_registration
from replication.documents.canonical import digest
from replication.guards.preflight import ServerAddress
from replication.job import ReplicationJob, Restore
from replication.model import KeptDifferences, Outcome, PartName, PartOutcome, PartStatus, Policy, PrimaryState, Status
from replication.parts import PARTS
from replication.parts.accounts import account_sizes
from replication.ports import ReadableServer, ServerFacts
from replication.replicate import replicate
from replication.settings_write import NO_LOG_IN, lock_out
from sync.context import RunContext
from sync.deadly_backups import apart, deaths_of, is_stopped, stopped
from sync.events import Trigger
from sync.push_conditions import Turn, may_be_written_to, registered_now, why_not_written_to
from sync.results import ResultRecorder, failed_outcome, with_begun
from sync.time_share import TimeShares

GRACE = 2.0
"""Seconds after the deadline in which backups in progress may still record that they were cut off."""


@dataclass(frozen=True)
class BackupRunner:
    """Processes the backups of one run with one state of the primary, or with one restore source.

    ``last`` returns the last result for a backup id, None if there is none. ``restore_source`` is set for a restore;
    ``primary`` was then built from it. ``served`` has the backups that killed processes were working on, by id.
    """

    recorder: ResultRecorder
    settings: SyncSettings
    last: Callable[[str], BackupResult | None]
    primary: PrimaryState
    deadline: Deadline
    restore_source: RestoreSource | None = None
    served: Mapping[str, ServedNow] = field(default_factory=dict)

    @cached_property
    def at_a_time(self) -> int:
        """How many backups are processed in parallel."""
        return workers(self._context.memory_megabytes, size_of(self.primary))

    @cached_property
    def _beside(self) -> AccountSizes | None:
        """The size limits for a backup's lists. The limits do not apply when a backup's own snapshot is restored."""
        is_own = self.restore_source is not None and self.restore_source.owner
        return None if is_own else account_sizes(self.primary)

    @cached_property
    def shares(self) -> TimeShares:
        """The time shares of the backups."""
        return TimeShares(self.deadline, self.at_a_time)

    def serve_all(self, backups: Sequence[Backup]) -> list[BackupResult]:
        """Process backups in order until the deadline: in parallel, except those during which a process died."""
        together, alone = apart(backups, self.served)
        self.shares.expect((backup.id for backup in together), (backup.id for backup in alone))
        results = self._serve_together(together)
        for backup in alone:
            results += self._serve_together([backup])
        return results

    def _serve_together(self, backups: Sequence[Backup]) -> list[BackupResult]:
        done, late = self.in_parallel(backups, self._serve_chosen)
        return done + [self.cut_off(backup.id, backup.registration) for backup in late]

    def in_parallel[Item, Result](
        self, items: Sequence[Item], do: Callable[[Item], Result]
    ) -> tuple[list[Result], list[Item]]:
        """Call ``do`` for each item until the deadline; return the results, and the items that were not finished."""
        results = self._context.runtime.run_parallel(
            [partial(do, item) for item in items],
            max_workers=self.at_a_time,
            # Every remote call ends at the deadline by itself. The grace leaves time for recording that.
            timeout=self.deadline.remaining() + GRACE,
        )
        late = [item for item, result in zip(items, results, strict=True) if result is UNFINISHED]
        return [result for result in results if result is not UNFINISHED], late

    def cut_off(self, backup_id: str, registration: str) -> BackupResult:
        """Record that the deadline came before a backup was finished; if a push had begun, record its interim result.

        A backup whose result was recorded just after the deadline keeps that result.
        """
        recorder = self.recorder
        self._end_serving(backup_id)
        if backup_id in recorder.recorded:
            return recorder.recorded[backup_id]
        return recorder.record_failure(
            backup_id, registration, Failure(Reason.DEADLINE, "the run ended before this backup was finished")
        )

    def _serve_chosen(self, chosen: Backup) -> BackupResult:
        try:
            return self.serve(chosen.id, chosen.registration)
        except Failure as failure:
            return self.recorder.record_failure(chosen.id, chosen.registration, failure)

    def serve(self, backup_id: str, registration: str) -> BackupResult:
        """Replicate to a backup, registered as ``registration``, and record the result of any kind.

        The head of this module lists the reasons why a backup is not read.

        Raises Failure, without having done anything, if the current registration or the last result cannot be read.
        """
        started = self._context.runtime.now()
        fault = ""
        try:
            backup = registered_now(self.recorder, backup_id, registration)
        except Failure as failure:
            if failure.reason not in (Reason.REGISTRATION_CHANGED, Reason.RECORD_UNREADABLE):
                raise
            outcome = failed_outcome(failure)
        else:
            deaths = deaths_of(backup, self.served)
            if is_stopped(backup, self.recorder.run, deaths):
                outcome = stopped(backup, deaths, of_registration(self.last(backup_id), registration))
            else:
                outcome, fault = self._serve(backup, started, deaths)
        finally:
            self.shares.forgo(backup_id)
        result = self.recorder.new_result(backup_id, registration, outcome, started)
        if begun := self.recorder.interim(backup_id, registration):
            result = with_begun(result, begun)
        return self.recorder.record(result, fault)

    def _serve(self, backup: Backup, started: datetime, deaths: int) -> tuple[Outcome, str]:
        """Process a backup within its time share; return the same as ``_outcome``.

        Meanwhile a marker is stored: a later run that finds the marker knows that this process died.

        Raises Failure, without having done anything, if the marker cannot be stored.
        """
        run = self.recorder.run
        self._context.store.begin_serving(ServedNow(backup.id, run.id, backup.registration, backup.version, deaths))
        share = self.shares.take(backup.id)
        with computing_until(share.deadline):
            outcome, fault = self._outcome(backup, started, share.deadline)
        self._end_serving(backup.id)
        return share.charge(outcome), fault

    def _end_serving(self, backup_id: str) -> None:
        with suppress(Failure):  # if the marker stays, the next run processes this backup alone, once
            self._context.store.end_serving(backup_id, self.recorder.run.id)

    def _outcome(self, backup: Backup, started: datetime, deadline: Deadline) -> tuple[Outcome, str]:
        """The outcome of a backup, and the stack trace of an unexpected error, empty if there was none."""
        last: BackupResult | None = None
        try:
            last = of_registration(self.last(backup.id), backup.registration)
            outcome = self._replicate(backup, last, started, deadline)
        except Failure as failure:
            outcome = failed_outcome(failure)
        except Exception as error:  # noqa: BLE001 - an error in the program while serving one must not stop the others
            defect = Failure(Reason.INTERNAL_ERROR, f"the program failed ({type(error).__name__})")
            return failed_outcome(defect), places(error)
        return _with_lock_out_named(outcome, last), ""

    def _replicate(
        self, backup: Backup, registered: BackupResult | None, started: datetime, deadline: Deadline
    ) -> Outcome:
        if self.restore_source:
            self.restore_source.check_registration(backup, same_machine=self.recorder.run.same_machine)
        policy = (self.restore_source.policy if self.restore_source else policy_of)(backup, self.settings)
        refuse_primary(self.primary.address, backup, self._context.servers.is_same, deadline)
        turn = Turn(self.recorder, self.settings, backup)
        return self._context.log_ins.use(
            backup,
            lambda credentials: self._attempt(turn, registered, policy, credentials, started, deadline),
            lambda outcome: outcome.reason is Reason.AUTHENTICATION_FAILED and outcome.pushed_at is None,
        )

    def _attempt(
        self,
        turn: Turn,
        registered: BackupResult | None,
        policy: Policy,
        credentials: Credentials,
        started: datetime,
        deadline: Deadline,
    ) -> Outcome:
        deadline.check()
        run, backup = self.recorder.run, turn.backup
        servers = self._context.servers
        with servers.backup(backup, credentials, self.settings, deadline, self.primary.address, self._beside) as server:
            basis = "" if self.restore_source else basis_of(self.primary, backup, policy, run.term)
            last = of_primary(registered, run)
            if last and basis and may_skip_full_read(last, basis, backup, run, self.settings, started):
                try:
                    brief = liveness_check(server, last)
                except Failure as failure:
                    return failed_outcome(failure.at(server.label))
                if brief:
                    return brief
            approval = turn.approval()
            turn.begun = begun = self.recorder.interim(backup.id, backup.registration)
            write = may_be_written_to(backup, run)
            job = ReplicationJob(
                self.primary,
                policy,
                guard_of(self.settings, approval, run.plan_hash, begun),
                known_parts(registered, run),
                pending_access_proof_of(registered, self._context.snapshots),
                write=write,
                restore=self._restore(turn, self.restore_source) if self.restore_source else None,
            )
            outcome = replicate(
                job,
                server,
                snapshots=_BackupSnapshots(self, backup, policy),
                runtime=self._context.runtime,
                begin=lambda outcome: turn.begin(outcome, started),
                check_target=turn.check_target,
            )
        if outcome.pushed_at and Reason.AUTHENTICATION_FAILED in (
            outcome.reason,
            *(one.reason for one in outcome.parts),
        ):
            self._context.log_ins.remember_refusal(backup, credentials)  # after a push, never repeated
        if write:
            outcome = turn.end_approval(outcome)
        if self.restore_source:
            return _with_restore_message(outcome, self.restore_source, backup, write=write)
        return replace(outcome, basis=basis) if outcome.verified_at else outcome

    def _restore(self, turn: Turn, restore_source: RestoreSource) -> Restore:
        then = restore_source.content.facts if restore_source.owner else None

        def check(facts: ServerFacts, address: ServerAddress, label: str) -> tuple[str, ...]:
            return (*restore_source.check(facts, address, label), *self._present_primary.check(facts, label))

        return Restore(check, turn.pause, then)

    @cached_property
    def _present_primary(self) -> PresentPrimary:
        return present_primary(self._context.source, self._context.snapshots, self.settings, self.deadline)

    @property
    def facts_of_primary(self) -> ServerFacts | None:
        """The facts about the primary that a snapshot stores: a later restore uses them to detect that a server is the
        primary.

        When a backup's own snapshot is restored, these are the facts stored in it; otherwise the primary's current
        facts.
        """
        if self.restore_source and self.restore_source.owner:
            return self.restore_source.content.primary
        return self.primary.facts

    @property
    def _context(self) -> RunContext:
        return self.recorder.context


def _with_lock_out_named(outcome: Outcome, last: BackupResult | None) -> Outcome:
    """The outcome; if no log-in succeeds while the proof of access to new settings is pending, it says so.

    ``last`` is the last result for the backup's registration.
    """
    if outcome.facts or outcome.reason not in NO_LOG_IN or not (last and last.settings_before):
        return outcome
    message = lock_out(outcome.reason, last.settings_before)
    return replace(outcome, status=Status.FAILED, reason=Reason.ACCESS_LOST, message=message)


def _with_restore_message(outcome: Outcome, restore_source: RestoreSource, backup: Backup, *, write: bool) -> Outcome:
    """The outcome of a restore, with a message that names what was restored, or says why nothing was.

    The message omits that the backup stays paused: views show that for as long as it is true.
    """
    if outcome.status is Status.RESTORED:
        return replace(
            outcome, message=f"{'restored from' if write else 'it already has the content of'} {restore_source.key}"
        )
    why = "" if write else why_not_written_to(backup)
    if outcome.status is Status.DRIFTED and why:
        return replace(outcome, message=f"nothing was restored: {why}")
    return outcome


@dataclass(frozen=True)
class _BackupSnapshots:
    """Stores the content of one backup before one run writes to it, as one snapshot.

    After a worker died, its successor may have more to write: the content that the dead worker stored before its first
    write goes into the new snapshot unchanged.
    """

    runner: BackupRunner
    backup: Backup
    policy: Policy

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        recorder, backup = self.runner.recorder, self.backup
        store = recorder.context.snapshots
        content = SnapshotContent(parts, facts, self.runner.facts_of_primary, self.policy.replicate_auto_block_list)
        begun = recorder.interim(backup.id, backup.registration)
        if begun and begun.snapshot:
            content = store.load(begun.snapshot).content.with_later(content)
        return store.keep_backup(backup.id, recorder.run.id, content, backup.registration)


_BY_ITSELF = (Trigger.SCHEDULE, Trigger.CHANGE)
"""The triggers of runs that may skip a full read. A run that a person requests reads every backup, because that person
wants to know the present state.
"""


def basis_of(primary: PrimaryState, backup: Backup, policy: Policy, term: int) -> str:
    """A digest of everything that a verification depends on except the backup's content: a change of it voids the
    verification.

    The digest includes the registration's version: any change of the registration, even one that is reverted, requires
    a full read.
    """
    parts = (
        f"{part.name}={part.fingerprint(primary.states[part.name], policy) if part.name in primary.states else '-'}"
        for part in PARTS
        if part.name in policy.parts
    )
    return digest(
        f"{term} {primary.address} {primary.facts.version} {primary.facts.features} {backup.id} {backup.registration} "
        f"{backup.version} {policy.rules.patterns} {policy.replicate_auto_block_list} {' '.join(parts)}"
    )


def may_skip_full_read(
    last: BackupResult | None, basis: str, backup: Backup, run: Run, settings: SyncSettings, now: datetime
) -> bool:
    """Whether one small request to the backup is enough, instead of reading all of it.

    One request is enough if the backup was verified within ``full_verification_minutes`` against the same ``basis``,
    and the run may write to it. Only a verified result has a basis, so a backup that has failed or drifted since is
    read in full.
    """
    if last is None or last.verified_at is None or last.basis != basis:
        return False
    if run.trigger not in _BY_ITSELF or run.dry_run or run.held or backup.paused or backup.report_only:
        return False
    age = now - last.verified_at
    return timedelta(0) <= age < timedelta(minutes=settings.full_verification_minutes)


def liveness_check(server: ReadableServer, last: BackupResult) -> Outcome | None:
    """Make one small request to the backup; None if the answer is not as expected and a full read is needed.

    ``verified_at`` is not set, because nothing was verified. The other details of the last result are kept. Raises
    Failure.
    """
    if not server.security().soap_secure:
        return None
    names = frozenset(PartName)
    # After a verified result, every part is equal unless the primary's edition does not have the part.
    parts = tuple(
        PartOutcome(
            PartName(part.part),
            PartStatus.NOT_OFFERED if part.status == PartStatus.NOT_OFFERED else PartStatus.UNCHANGED,
            message=part.message,
            kept=KeptDifferences(part.kept_different, part.kept_different_paths),
        )
        for part in last.parts
        if part.part in names
    )
    message = "it answered; it was not read again, because the primary has not changed since it was verified"
    return Outcome(Status.IN_SYNC, message=message, parts=parts, warnings=last.warnings, basis=last.basis)
