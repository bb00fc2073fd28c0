"""The conditions of the first write to a backup: its registration, its approval and the settings must still be as they
were read.

    the backup's turn -> registration ---> approval, plan ---> record before the first write
                         (read again)                          if all are still so; the approval ends with it

So a run does not write to a backup that somebody pauses, changes or removes meanwhile, and not with settings that were
changed meanwhile. The first write uses up the approval, so it cannot allow a second push if the run dies. The same
record pauses a backup that a restore writes to. Between two parts of a push, the run checks that backup and primary are
still the same servers.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from common.errors import Failure, Reason
from fleet.approvals import current_approval, is_expired
from registry.fleet_records import Backup, SyncSettings
from registry.run_records import Approval, BackupResult
from registry.store_rules import PushConditions, primary_replaced, registration_gone
from replication.model import Outcome, Status
from sync.pause import pause, paused_by_restore
from sync.result_recorder import ResultRecorder


def registered_now(recorder: ResultRecorder, backup_id: str, registration: str) -> Backup:
    """The current registration of a backup; ``registration`` is the one that the run has chosen.

    Raises Failure(REGISTRATION_CHANGED) if it differs or is disabled now.
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
    """The interim result that this run stored before its first write, if a worker died that had the backup before."""

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

        Raises Failure if that cannot be stored or something has changed since it was read; then nothing may be written.
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
        """Pause a backup that already has the content to restore. Raises Failure as ``sync.pause.pause``."""
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
