"""Records results: every write requires that the run still holds the lease and the claim."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from common.errors import Failure
from registry.fleet_records import Backup
from registry.run_records import BackupResult, Claim, Run
from registry.store_rules import PushConditions
from replication.model import Outcome, Status
from sync.context import RunContext
from sync.results import failed_outcome, result_of

_TO_RECORD = timedelta(minutes=1)


@dataclass(frozen=True)
class ResultRecorder:
    """Records the results of a run while ``owner`` holds the lease.

    ``claims`` are the claims on open backups, by id: the result of such a backup is recorded only while its claim is
    held. ``begun`` has the interim results of backups whose final result is not recorded yet. ``recorded`` has the
    results that were stored. ``restored`` has the backups that were restored: recording their results ends their
    approvals, including those given meanwhile.
    """

    context: RunContext
    run: Run
    owner: str
    claims: dict[str, str] = field(default_factory=dict)
    begun: dict[str, BackupResult] = field(default_factory=dict)
    recorded: dict[str, BackupResult] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)

    def claim(self, backup_id: str, *, until: datetime | None = None) -> bool:
        """Claim an open backup; False if it is claimed by another process, or not open. Raises Failure.

        ``until`` None means long enough to record a result.
        """
        claim, now = self.context.runtime.new_id(), self.context.runtime.now()
        until = until or now + _TO_RECORD
        if self.context.store.claim_backup(self.run.id, backup_id, claim, now=now, until=until) is not Claim.MINE:
            return False
        self.claims[backup_id] = claim
        return True

    def new_result(
        self, backup_id: str, registration: str, outcome: Outcome, started: datetime | None = None
    ) -> BackupResult:
        """The result of a backup in the form in which it is stored.

        ``registration`` is the registration of the server that the run contacted. ``started`` None means that the
        backup was not tried.
        """
        finished = self.context.runtime.now()
        return result_of(
            outcome,
            backup_id=backup_id,
            registration=registration,
            run=self.run,
            started=started or finished,
            finished=finished,
        )

    def record(self, result: BackupResult, fault: str = "") -> BackupResult:
        """Store a result and report it; if it cannot be stored, the reported result says so.

        ``fault`` as in ``Progress.backup_done``.
        """
        try:
            self._store(result)
        except Failure as failure:
            result = replace(
                result, status=Status.FAILED, reason=failure.reason, message=f"not recorded: {failure.message}"
            )
        self.context.progress.backup_done(self.run, result, fault)
        return result

    def record_failure(self, backup_id: str, registration: str, failure: Failure) -> BackupResult:
        """Record why a backup was not tried."""
        return self.record(self.new_result(backup_id, registration, failed_outcome(failure)))

    def settle(self, backup_id: str, failure: Failure, *, late: bool = False) -> None:
        """Finish a claimed backup whose worker died: record the interim result from before its first push, if any.

        Otherwise record that it was not served, and why. ``late``: the run itself is dead, and newer runs may have
        recorded results since. If Failure is raised, the backup is still open.
        """
        store = self.context.store
        result = store.result(backup_id, self.run.id)
        if result is None:
            queued_as = store.open_registration(self.run.id, backup_id) or ""
            result = self.new_result(backup_id, queued_as, failed_outcome(failure))
        self._store(result, late=late)
        self.context.progress.backup_done(self.run, result, "")

    def _store(self, result: BackupResult, *, late: bool = False) -> None:
        claim = self.claims.get(result.backup_id)
        self.context.store.record_result(
            result,
            lease_owner=self.owner,
            claim=claim,
            late=late,
            ends_approval=result.backup_id in self.restored,
        )
        self.recorded[result.backup_id] = result

    def begin(
        self,
        backup: Backup,
        outcome: Outcome,
        started: datetime,
        conditions: PushConditions,
        approved_by: tuple[str, ...] = (),
    ) -> None:
        """Store the interim result that is true if the run is killed now. If Failure is raised, the backup must not be
        written to.
        """
        result = self.new_result(backup.id, backup.registration, outcome, started)
        result = replace(result, approved_by=approved_by)
        claim = self.claims.get(backup.id)
        self.context.store.begin_push(result, conditions, lease_owner=self.owner, claim=claim)
        self.begun[backup.id] = result
