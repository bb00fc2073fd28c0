"""The registry's interface to the rest of the product.

This package implements the interface with DynamoDB and Secrets Manager; ``local.fakes`` implements it with
dictionaries. Both implementations pass the same tests. Every method may raise ``common.errors.Failure`` with
REGISTRY_UNAVAILABLE.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from registry.fleet_records import Backup, Credentials, DiscardedSecret, LogIn, Primary, SyncSettings
from registry.run_records import (
    Approval,
    BackupResult,
    Claim,
    FanOut,
    KeptState,
    Lease,
    PrimaryAcceptance,
    PrimaryBaseline,
    Run,
    ServedNow,
)
from registry.store_rules import Promotion, PushConditions


class Store(Protocol):
    """Registrations, settings, runs, results and the lease.

    A saved object is returned with its version increased by one. ``expected_version`` is the stored version that the
    caller has seen, 0 for "nothing stored yet"; a different one raises VersionConflict. None means the version at the
    time of the call; a concurrent change still raises VersionConflict.

    Reading a single unreadable record raises Failure(RECORD_UNREADABLE). Lists omit it unless documented otherwise,
    because one record must not hide the others. So a record that a decision depends on must be read singly.
    """

    def primary(self) -> Primary | None: ...
    def save_primary(
        self, primary: Primary, *, expected_version: int | None = None, now: datetime | None = None
    ) -> Primary:
        """Store the primary.

        Raises Failure(LEASE_HELD) if another server would become the primary while a run holds the lease at ``now``,
        because the run may be writing to that server. Without ``now``, an expired lease counts as held. A primary that
        the stack's parameters name is stored without this check, because it is already in effect; the run in progress
        notices the change.
        """

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        """Make a backup the primary, in one transaction.

        Raises Failure(LEASE_HELD) while a run holds the lease at ``now``, and VersionConflict if primary or backup have
        changed. Raises AlreadyRegistered if another backup has the old primary's new id, or its host and port.
        """

    def settings(self) -> SyncSettings:
        """The stored settings, or the defaults if there are none."""

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings: ...

    def backups(self) -> tuple[Backup, ...]:
        """All registrations, in the order of their ids."""

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        """The id and the complaint of each unreadable registration."""

    def backup(self, backup_id: str) -> Backup | None: ...

    def registration(self, backup_id: str) -> str | None:
        """``Backup.registration`` of an id, even if its record is unreadable; None if the id is not registered."""

    def add_backup(self, backup: Backup) -> Backup:
        """Store a new registration. Raises AlreadyRegistered if the id, or host and port, are registered.

        Records of an earlier registration of this id do not apply to it.
        """

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        """Replace a registration, which may be unreadable.

        Another host or port means another server: status and approval are removed, and ``Backup.registration`` is
        replaced. Another trust removes the approval. ``expected_version`` is a version of this ``Backup.registration``:
        versions start at 1 for each registration.

        Raises VersionConflict, AlreadyRegistered if another backup has this host and port, and Failure(UNKNOWN_BACKUP)
        if the id is not registered.
        """

    def delete_backup(self, backup_id: str, *, expected: Backup | None = None) -> None:
        """Remove a registration, its last status and its approval; its history is kept.

        The backup's secret then becomes one of the ``discarded_secrets``. ``expected`` is the registration as it was
        read, None for any.

        Raises VersionConflict, and Failure(UNKNOWN_BACKUP) if the id is not registered.
        """

    def discarded_secrets(self) -> tuple[DiscardedSecret, ...]:
        """The secrets that are still to be deleted because their registrations were removed."""

    def end_discarded(self, secret_id: str) -> None:
        """Remove a secret from ``discarded_secrets``. The record of its destination is kept, because the secret can be
        restored for some days.
        """

    def begin_reading(self, address: str, claim: str, *, now: datetime, until: datetime) -> datetime | None:
        """Claim a server, by its ``address_key``, for one request that reads it. ``claim`` is a token.

        Returns None on success; otherwise the latest end of the existing claim.
        """

    def end_reading(self, address: str, claim: str) -> None:
        """Release a claim. A claim that another request has taken meanwhile is kept."""

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        """Take the lease if it is free or expired at ``now``; None if another owner holds it.

        Taking one's own lease again changes its end. An unreadable lease is never free: it raises
        Failure(RECORD_UNREADABLE).
        """

    def release_lease(self, owner: str) -> bool:
        """Release the lease; False, without a change, if ``owner`` does not hold it."""

    def lease(self) -> Lease | None:
        """The stored lease, even if it has expired; None after its release."""

    # A run is queued or unknown at first, then under way, then finished. It never returns to an earlier state.

    def queue_run(self, run: Run) -> None:
        """Store a requested run under a new id; it belongs to ``unfinished_runs`` until it is finished."""

    def begin_run(self, run: Run) -> bool:
        """Store the record of a run that begins; it belongs to ``unfinished_runs`` until it is finished.

        False, without a change, if a run with this id has already begun or been finished.
        """

    def save_run(self, run: Run) -> bool:
        """Replace the record of a run; False, without a change, if its record is final."""

    def finish_run(self, run: Run, *, begun: bool = True) -> bool:
        """Store the final record of a run; False, without a change, if it already has one.

        ``begun`` False is for a run that never began. In that case also False, without a change, if the run has begun
        meanwhile.
        """

    def unfinished_runs(self) -> tuple[str, ...]:
        """The ids of the runs that were requested or have begun, and are not finished, oldest first."""

    def run(self, run_id: str) -> Run | None: ...
    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        """The runs, newest first, at most ``limit``; ``before`` is the id after which the page starts."""

    def record_result(
        self,
        result: BackupResult,
        *,
        lease_owner: str,
        claim: str | None = None,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        """Store a result in the run, in the backup's history and as its last status, in one transaction.

        The holder of the lease stores its own results, so each is later than those stored before, regardless of clocks.
        ``late`` is for a result of a dead run: it does not replace another run's status. ``ends_approval``: the
        backup's current approval is removed in the same transaction. Recording a result again replaces it. Texts are
        cut to ``store_rules.MESSAGE_LIMIT``, warnings to ``store_rules.WARNING_LIMIT``. Raises Failure(LEASE_LOST),
        without storing anything, if ``lease_owner`` does not hold the lease.

        If the backup's registration differs from the result's, its status is unchanged: the result is stored only in
        the run and in the history.

        With the ``claim`` on an open backup, the same transaction removes the backup from the open ones. Raises
        Failure(CLAIM_LOST), without storing anything, if another worker has the claim.

        An unreadable status is kept. Replacing a result of a newer version raises Failure(RECORD_UNREADABLE).
        """

    def begin_push(
        self, result: BackupResult, conditions: PushConditions, *, lease_owner: str, claim: str | None = None
    ) -> None:
        """Store the interim result before the first write to a backup, and end the approval.

        The interim result is stored as by ``record_result``, but the backup stays open. The interim result is final if
        the run dies. ``conditions`` can pause the backup in the same transaction. Raises Failure, without storing
        anything, if a condition fails: REGISTRATION_CHANGED, APPROVAL_CHANGED, SETTINGS_CHANGED, or PRIMARY_REPLACED
        for another term than the result's; and RECORD_UNREADABLE if the status is unreadable.
        """

    def fan_out(self, run_id: str) -> FanOut | None: ...
    def begin_fan_out(self, fan_out: FanOut, backups: Iterable[Backup]) -> None:
        """Store the parameters of a queued run, and each backup with its registration as open."""

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        """The ids, in their order, of a run's open backups: those that are queued and have no final result yet."""

    def open_registration(self, run_id: str, backup_id: str) -> str | None:
        """``Backup.registration`` when the run queued the backup; None if ``open_backups`` does not name the backup."""

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        """Claim an open backup unless another claim lasts beyond ``now``. ``claim`` is a token.

        An unreadable claim raises Failure(RECORD_UNREADABLE).
        """

    def served_now(self) -> dict[str, ServedNow]:
        """The markers of backups that are being processed, or were when a process died, by id."""

    def begin_serving(self, served: ServedNow) -> None:
        """Store the marker of a backup that is being processed, replacing an earlier one."""

    def end_serving(self, backup_id: str, run_id: str) -> None:
        """Remove the marker, unless another run has replaced it."""

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        """All results of one run, in the order of the backups' ids, including interim results.

        An unreadable result is returned as failed, with the reason RECORD_UNREADABLE. If it were omitted, the run would
        look better than it was.
        """

    def result(self, backup_id: str, run_id: str) -> BackupResult | None:
        """The last result of a backup in a run, which may be the interim result."""

    def history(
        self, backup_id: str, *, limit: int, before: str | None = None, registration: str | None = None
    ) -> tuple[BackupResult, ...]:
        """The results, newest first, at most ``limit``; ``before`` is the id of the run after which the page starts.

        ``registration`` None includes the results of earlier registrations of this id.
        """

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:
        """The ids of the runs from ``since`` on whose result for this backup is unreadable."""

    def status(self, backup_id: str) -> BackupResult | None:
        """The status of a backup: its last result, in which ``pushed_at`` and ``verified_at`` are the latest known
        times.
        """

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        """The last result of each named backup, or of all; backups without one are omitted.

        Name only a few backups: each is read separately.
        """

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        """The backup's id and the complaint for each unreadable last result, which is not the same as no result."""

    def approve(
        self,
        approval: Approval,
        *,
        expected_version: int | None = None,
        seconds: Approval | None = None,
        last: BackupResult | None = None,
    ) -> None:
        """Store an approval; it replaces an earlier one for the same backup.

        Raises Failure(REGISTRATION_CHANGED) if the backup's registration is not the approval's. Raises VersionConflict

        - if the registration's version differs,
        - if the approval that this one ``seconds`` is no longer stored (a used approval must not come back),
        - if ``last`` is given and the backup's status is not ``last``.
        """

    def approval(self, backup_id: str) -> Approval | None: ...

    def withdraw_approval(self, approval: Approval) -> None:
        """Remove a void approval. An approval that has replaced it is kept."""

    def log_in(self, secret_id: str) -> LogIn | None:
        """The record about the log-in with a secret, for the last version of the secret that has a record."""

    def record_log_in(self, log_in: LogIn) -> bool:
        """Replace the record about a log-in; False, without a change, if this version of the secret already has another
        destination.
        """

    def baseline(self) -> PrimaryBaseline | None: ...
    def save_baseline(self, baseline: PrimaryBaseline, *, lease_owner: str) -> None:
        """Store the baseline. Raises Failure(LEASE_LOST), without storing anything, if ``lease_owner`` does not hold
        the lease.
        """

    def acceptance(self) -> PrimaryAcceptance | None: ...
    def save_acceptance(self, acceptance: PrimaryAcceptance, *, lease_owner: str) -> None:
        """Store the acceptance. Raises Failure(LEASE_LOST), without storing anything, if ``lease_owner`` does not hold
        the lease.
        """

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        """The primary's states, newest first, at most ``limit``; ``before`` is the first run's id of the previous
        page's last state.
        """

    def newest_state(self) -> KeptState | None: ...

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        """Store a state, or replace the one with the same first run.

        Raises Failure(LEASE_LOST), without storing anything, if ``lease_owner`` does not hold the lease.
        """


class CredentialStore(Protocol):
    """One secret for each server, by the ``secret_id`` of its registration. ``fleet.log_ins`` decides which credentials
    may be sent.
    """

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:
        """The stored credentials, for sending to ``destination`` (``registry.fleet_records``).

        Raises Failure: PASSWORD_NEEDED if they were given for another destination, CREDENTIALS_MISSING if there are
        none or they are unreadable. ``fresh`` bypasses the cache.
        """

    def username(self, secret_id: str) -> str:
        """The stored user name, read without the cache. Raises Failure(CREDENTIALS_MISSING)."""

    def put(self, secret_id: str, credentials: Credentials) -> None:
        """Create or replace the secret; a secret that is scheduled for deletion is restored."""

    def delete(self, secret_id: str) -> None:
        """Schedule the deletion of a secret, with a recovery period. A missing secret is not an error; the stack's own
        secret is emptied instead.
        """


class AlreadyRegistered(Exception):
    """The id, or the host and port, are already registered. ``existing`` is the id of that registration."""

    def __init__(self, existing: str) -> None:
        super().__init__(f"already registered as {existing}")
        self.existing = existing


class VersionConflict(Exception):
    """The stored version is not the expected one. ``of`` names the changed object, empty if unknown."""

    def __init__(self, of: str = "") -> None:
        super().__init__(f"{of or 'it'} was changed meanwhile")
        self.of = of
