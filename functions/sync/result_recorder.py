"""Recording results: every write of a run is on the condition that it still holds the lease and the claim."""

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
    """Records results in a run, for as long as ``owner`` holds the lease.

    ``claims`` are those on open backups, by id: a result of such a backup is
    only recorded for as long as the claim on it holds. ``begun`` is what was
    stored before the first write, of backups whose end is not recorded yet.
    ``recorded`` are the results that were stored. ``restored`` are backups that got something back:
    their results end their approvals, also those that somebody gives meanwhile.
    """

    context: RunContext
    run: Run
    owner: str
    claims: dict[str, str] = field(default_factory=dict)
    begun: dict[str, BackupResult] = field(default_factory=dict)
    recorded: dict[str, BackupResult] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)

    def claim(self, backup_id: str, *, until: datetime | None = None) -> bool:
        """Claim an open backup; False when somebody else has, or when it is not open. Raises Failure.

        ``until`` None is long enough to record something of it.
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
        """What came of a backup, as it is stored.

        ``registration`` is that of the server that was dealt with. ``started`` None means that it was not tried.
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
        """Store a result and tell of it; one that cannot be stored says so.

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
        """Record of a backup why it was not tried."""
        return self.record(self.new_result(backup_id, registration, failed_outcome(failure)))

    def settle(self, backup_id: str, failure: Failure, *, late: bool = False) -> None:
        """Finish a claimed backup whose worker died: record the interim result from before its first push, if any.

        Otherwise record that it was not served, and why. ``late``: the run has died too, and others may have come
        since. Raises Failure: then the backup is still open.
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
        """Store what is true of a backup if the run is killed now. Raises Failure: then it must not be written to."""
        result = self.new_result(backup.id, backup.registration, outcome, started)
        result = replace(result, approved_by=approved_by)
        claim = self.claims.get(backup.id)
        self.context.store.begin_push(result, conditions, lease_owner=self.owner, claim=claim)
        self.begun[backup.id] = result
