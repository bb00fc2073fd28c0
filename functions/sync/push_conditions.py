"""The conditions of the first write to a backup: its registration, its approval and the settings must still be as they
were read.

    the backup's turn -> registration ---> approval, plan ---> record before the first write
                         (read again)                          if all are still so; the approval ends with it

So a run does not write to a backup that somebody pauses, changes or removes meanwhile, and not with settings that were
changed meanwhile. The first write uses up the approval, so it cannot allow a second push if the run dies. The record
before the first write also pauses a backup that a restore writes to, and keeps a pause that a person made. Between two
parts of a push, the run checks that backup and primary are still the same servers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from common.errors import Failure, Reason
from common.patterns import Whole
from common.runtime import Runtime
from fleet.approvals import current_approval, is_expired
from registry.fleet_records import Backup, SyncSettings
from registry.run_records import Approval, BackupResult, Run, is_run_id
from registry.snapshots import is_key
from registry.store import Store, VersionConflict
from registry.store_rules import PushConditions, primary_replaced, registration_changed, registration_gone
from replication.model import Outcome, Status
from sync.results import ResultRecorder

_LISTED = 20
"""Maximum number of backups that a notice names."""
_BY_RESTORE = (
    Whole(r"the run (?P<run>\S+) restores (?P<key>[^\s;]+); its result says what came of it"),
    Whole(r"(?P<key>\S+) was put back by the run (?P<run>\S+)"),  # of earlier versions
)


def paused_for(run: Run) -> str:
    """The text of the reason for a pause that a restore makes. The text stays true if the run dies at any moment."""
    return f"the run {run.id} restores {run.snapshot}; its result says what came of it"


def may_be_written_to(backup: Backup, run: Run) -> bool:
    """Whether the run may write to a backup with this registration.

    A paused backup is restored only if the run names it: a restore over all backups skips it. A pause that the run
    itself made does not count, so that the successor of a dead worker continues.
    """
    if run.dry_run or run.held or backup.report_only:
        return False
    if not backup.paused:
        return True
    return bool(run.snapshot) and (backup.id in run.requested_backups or backup.paused == paused_for(run))


def why_not_written_to(backup: Backup) -> str:
    """Why a run only looks at this backup, as a clause; empty if the run may write to it."""
    if backup.report_only:
        return "it has report_only"
    return f"it is paused ({backup.paused})" if backup.paused else ""


def left_alone(backups: Iterable[Backup], run: Run) -> Failure | None:
    """The notice of a restore about the backups that it does not write to, None if there are none."""
    left = [backup for backup in backups if not may_be_written_to(backup, run)]
    if not run.snapshot or run.dry_run or run.held or not left:
        return None
    ids = ", ".join(backup.id for backup in left[:_LISTED]) + (", ..." if len(left) > _LISTED else "")
    is_paused = any(not backup.report_only for backup in left)
    why = "paused and not named, or have report_only" if is_paused else "set to report_only"
    reason = Reason.BACKUP_PAUSED if is_paused else Reason.BACKUP_REPORT_ONLY
    return Failure(reason, f"nothing is restored to the backups that are {why}: {ids}")


def refuse_report_only(backups: Iterable[Backup], run: Run) -> None:
    """Raise Failure(BACKUP_REPORT_ONLY) if a restore names a backup that is never written to."""
    for backup in backups:
        if run.snapshot and not run.dry_run and backup.report_only and backup.id in run.requested_backups:
            raise Failure(Reason.BACKUP_REPORT_ONLY, f"{backup.id!r} has report_only, so nothing is written to it")


def paused_by_restore(backup: Backup, run: Run, now: datetime) -> Backup:
    """The backup's registration with the pause that a restore makes; the same object if nothing changes.

    A person's pause keeps its reason; the reason of an earlier restore is replaced.
    """
    why = paused_for(run)
    if backup.paused == why or (backup.paused and not _is_by_restore(backup.paused)):
        return backup
    return replace(backup, paused=why, updated_at=now)


def pause(backup: Backup, run: Run, store: Store, runtime: Runtime) -> Backup:
    """Pause a backup that already has the content to restore; return its new registration.

    Raises Failure(REGISTRATION_CHANGED) if the stored registration differs from ``backup``.
    """
    paused = paused_by_restore(backup, run, runtime.now())
    if paused is backup:
        return backup
    try:
        return store.update_backup(paused, expected_version=backup.version)
    except VersionConflict:
        raise registration_changed(backup.id) from None
    except Failure as failure:
        raise registration_gone(backup.id) if failure.reason is Reason.UNKNOWN_BACKUP else failure from None


def _is_by_restore(why: str) -> bool:
    """Whether this reason for a pause was written by a restore."""
    matches = filter(None, (pattern.fullmatch(why) for pattern in _BY_RESTORE))
    return any(is_key(match["key"]) and is_run_id(match["run"]) for match in matches)


def registered_now(recorder: ResultRecorder, backup_id: str, registration: str) -> Backup:
    """The current registration of a backup; ``registration`` is the identifier of the registration that the run has
    chosen.

    Raises Failure(REGISTRATION_CHANGED) if the backup has another registration or is disabled now.
    """
    backup = recorder.context.store.backup(backup_id)
    if backup is None or backup.registration != registration:
        raise registration_gone(backup_id)
    if not backup.enabled:
        raise Failure(Reason.REGISTRATION_CHANGED, f"{backup_id} was disabled after the run began")
    return backup


@dataclass
class Turn:
    """The processing of one backup in a run. ``backup`` is its registration as it was read, or as this run has paused
    it.
    """

    recorder: ResultRecorder
    settings: SyncSettings
    backup: Backup
    given: Approval | None = None
    """The stored approval, whether or not it takes effect."""
    in_force: Approval | None = None
    """The stored approval, if it takes effect for this run."""
    begun: BackupResult | None = None
    """The interim result that this run stored before its first write, if a worker that had the backup before has died.
    """

    def approval(self) -> Approval | None:
        """Read the stored approval; return it if it takes effect. Raises Failure."""
        run, runtime = self.recorder.run, self.recorder.context.runtime
        self.given = self.recorder.context.store.approval(self.backup.id)
        current = current_approval(self.given, self.backup, run, self.settings, runtime.now())
        self.in_force = current.in_force(run.snapshot) if current else None
        return self.in_force

    def begin(self, outcome: Outcome, started: datetime) -> None:
        """Store the interim result in case the run is killed, end the approval, and pause a backup that a restore
        writes to.

        Raises Failure if the interim result cannot be stored, or if a record that the run has read has changed; then
        nothing may be written.
        """
        run, backup = self.recorder.run, self.backup
        after = paused_by_restore(backup, run, self.recorder.context.runtime.now()) if run.snapshot else backup
        paused = after if after is not backup else None
        conditions = PushConditions(backup.version, self.given, self.settings.version, paused)
        self.recorder.begin(backup, outcome, started, conditions, self._approvers(outcome))
        if paused:
            self.backup = replace(paused, version=backup.version + 1)

    def check_target(self) -> None:
        """Raise Failure unless backup and primary are still the same servers; called between two parts."""
        store, run = self.recorder.context.store, self.recorder.run
        primary = store.primary()
        if primary and primary.term != run.term:
            raise primary_replaced()
        if store.registration(self.backup.id) != self.backup.registration:
            raise registration_gone(self.backup.id)

    def pause(self) -> None:
        """Pause a backup that already has the content to restore. Raises Failure as the function ``pause`` of this
        module does.
        """
        context = self.recorder.context
        self.backup = pause(self.backup, self.recorder.run, context.store, context.runtime)

    def end_approval(self, outcome: Outcome) -> Outcome:
        """Remove an approval that is void and that no write has ended; return the outcome with warnings about it."""
        if outcome.status is Status.RESTORED:
            self.recorder.restored.add(self.backup.id)
        given = self.given
        if given is None:
            return outcome
        has_written = self.backup.id in self.recorder.begun
        is_too_old = self.in_force is None and is_expired(given, self.settings, self.recorder.context.runtime.now())
        warnings = []
        if is_too_old:
            when = f"it was given at {given.at:%Y-%m-%d %H:%M} UTC"
            warnings.append(f"{_name(given)} has expired: {when}. Approve the plan anew if it is still meant.")
        elif has_written and self.in_force is None:
            warnings.append(f"{_name(given)} has ended without being used, because the backup was written to.")
        if not has_written and (is_too_old or self._is_void(given, outcome)):
            try:
                self.recorder.context.store.withdraw_approval(given)
            except Failure as failure:
                warnings.append(f"{_name(given)} was not removed: {failure.message}.")
        return replace(outcome, warnings=(*outcome.warnings, *warnings))

    def _approvers(self, outcome: Outcome) -> tuple[str, ...]:
        """The people who approved the plan that is about to be carried out; empty if nobody has.

        The first write ends the approval, so for a push that is taken over, the approvers come from the interim result.
        """
        before = self.begun.approved_by if self.begun else ()
        approval = self.in_force
        if approval is None or approval.plan_hash != outcome.plan_hash:
            return before
        return tuple(dict.fromkeys((*before, approval.approved_by, *approval.agreed)))

    def _is_void(self, given: Approval, outcome: Outcome) -> bool:
        """Whether the approval has no further use: the plan has changed, there is nothing to do, or the backup was
        restored.
        """
        run = self.recorder.run
        is_outdated = outcome.reason is Reason.PLAN_NOT_CURRENT and not run.plan_hash
        if given.snapshot == run.snapshot and (is_outdated or outcome.status is Status.IN_SYNC):
            return True
        return outcome.status is Status.RESTORED


def _name(approval: Approval) -> str:
    return f"The approval of {approval.plan_hash} by {approval.approved_by}"
