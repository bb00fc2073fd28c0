"""The registry as the rest of the product sees it.

Implementations: DynamoDB and Secrets Manager here, dictionaries in ``local.fakes``.
Both pass the same tests. Every method may raise ``common.errors.Failure``
with REGISTRY_UNAVAILABLE.
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

    What is saved comes back with a version one higher. ``expected_version``
    is the stored one the caller has seen, 0 for "nothing stored yet"; a
    different one raises VersionConflict. None takes the version found at the
    time of the call; a change at the same moment still raises VersionConflict.

    A stored record that cannot be understood raises Failure(RECORD_UNREADABLE)
    where it was asked for alone. In a list it is left out, where nothing says
    otherwise: one must not hide the others. What a decision hangs on is asked for alone.
    """

    def primary(self) -> Primary | None: ...
    def save_primary(
        self, primary: Primary, *, expected_version: int | None = None, now: datetime | None = None
    ) -> Primary:
        """Store the primary.

        Raises Failure(LEASE_HELD) when that makes another server the primary while a run holds the lease at ``now``:
        the run may be writing to this very server. Without ``now`` a lease that has expired counts as held.
        What the stack's parameters name is the primary already: it is stored at once, and the run under way notices.
        """

    def promote(self, promotion: Promotion, *, now: datetime) -> None:
        """Let a backup take the primary's place, all or nothing.

        Raises Failure(LEASE_HELD) while a run holds the lease at ``now``;
        VersionConflict when primary or backup are not, or no longer, of the
        version that was seen; AlreadyRegistered when another backup has the
        former primary's new id, or its host and port.
        """

    def settings(self) -> SyncSettings:
        """The stored settings, or the defaults when none were stored."""

    def save_settings(self, settings: SyncSettings, *, expected_version: int | None = None) -> SyncSettings: ...

    def backups(self) -> tuple[Backup, ...]:
        """All registrations, in the order of their ids."""

    def unreadable_backups(self) -> tuple[tuple[str, str], ...]:
        """Id and complaint of each stored registration that cannot be understood: one bad row stops nobody else."""

    def backup(self, backup_id: str) -> Backup | None: ...

    def registration(self, backup_id: str) -> str | None:
        """``Backup.registration`` of an id, also of one that cannot be understood; None when there is none."""

    def add_backup(self, backup: Backup) -> Backup:
        """Store a new registration. Raises AlreadyRegistered for the same id or the same host and port.

        Nothing that is known of an earlier one under this id counts for it.
        """

    def update_backup(self, backup: Backup, *, expected_version: int | None = None) -> Backup:
        """Replace a registration, also one that cannot be understood.

        With another host or port it is another server: status and approval go,
        and ``Backup.registration`` is made anew. With another trust the approval goes.
        ``expected_version`` is that of ``Backup.registration``: one that was made anew counts from 1 again.

        Raises VersionConflict, AlreadyRegistered when another one has this host
        and port, Failure(UNKNOWN_BACKUP) when there is none with this id.
        """

    def delete_backup(self, backup_id: str, *, expected: Backup | None = None) -> None:
        """Remove a registration, its last status and its approval; its history stays.

        From then on its secret is one of the ``discarded_secrets``. ``expected`` is the registration as it was read,
        None for whatever it is now.

        Raises VersionConflict, and Failure(UNKNOWN_BACKUP) when there is none with this id.
        """

    def discarded_secrets(self) -> tuple[DiscardedSecret, ...]:
        """What is still to be deleted, since its registration was removed."""

    def end_discarded(self, secret_id: str) -> None:
        """Have a secret to delete no more. Where it was sent stays: for some days it can be restored."""

    def begin_reading(self, address: str, claim: str, *, now: datetime, until: datetime) -> datetime | None:
        """Claim a server for one answer that it is read for, by its ``address_key``. ``claim`` is a token.

        None when it is claimed; otherwise when somebody else's claim ends, at the latest.
        """

    def end_reading(self, address: str, claim: str) -> None:
        """Give a claim back. One that is somebody else's by now stays."""

    def acquire_lease(self, owner: str, *, now: datetime, expires_at: datetime) -> Lease | None:
        """Take the lease if it is free or expired at ``now``; None when another owner holds it.

        Taking one's own lease again moves its end. One that cannot be understood
        is never free: it raises Failure(RECORD_UNREADABLE).
        """

    def release_lease(self, owner: str) -> bool:
        """Give the lease back; False, and no change, when ``owner`` no longer holds it."""

    def lease(self) -> Lease | None:
        """The lease as stored, also when it has expired; None after its release."""

    # A run is asked for, or not known, then under way, then finished. It never goes back.

    def queue_run(self, run: Run) -> None:
        """Store a run that was asked for, under a new id; until it is finished it is one of ``unfinished_runs``."""

    def begin_run(self, run: Run) -> bool:
        """Store the record of a run that begins; until it is finished it is one of ``unfinished_runs``.

        False, and no change, when a run with this id has begun or been finished before.
        """

    def save_run(self, run: Run) -> bool:
        """Replace the record of a run; False, and no change, when it has a final one."""

    def finish_run(self, run: Run, *, begun: bool = True) -> bool:
        """Store the final record of a run; False, and no change, when it has one already.

        ``begun`` False is the end of a run that never began: also False, and no change, when it has begun meanwhile.
        """

    def unfinished_runs(self) -> tuple[str, ...]:
        """The ids of the runs that were asked for or have begun, and have no end, the oldest first."""

    def run(self, run_id: str) -> Run | None: ...
    def runs(self, *, limit: int, before: str | None = None) -> tuple[Run, ...]:
        """Newest first, at most ``limit``; ``before`` is the id after which a page goes on."""

    def record_result(
        self,
        result: BackupResult,
        *,
        lease_owner: str,
        claim: str | None = None,
        late: bool = False,
        ends_approval: bool = False,
    ) -> None:
        """Store a result in the run, in the backup's history and as its last status, all or nothing.

        The holder of the lease stores its own results, so each is later than what was stored before, whatever
        clocks say; ``late`` is what it stores for a run that died before it: another run's status stays.
        ``ends_approval``: the backup's approval ends in the same step, whichever it is by now.
        Recording it again replaces it. Texts are
        cut to ``store_rules.MESSAGE_LIMIT``, warnings to ``store_rules.WARNING_LIMIT``. Raises Failure(LEASE_LOST), and
        stores nothing, when ``lease_owner`` no longer holds the lease.

        A backup that is not registered any more as the result says keeps or has
        another status, or none: the result is only in the run and in the history.

        With the ``claim`` on an open backup, the result closes it in the same
        step. Raises Failure(CLAIM_LOST), and stores nothing, when the claim is
        somebody else's by now.

        A status that cannot be understood stays as it is. One that would replace
        a result of a newer version raises Failure(RECORD_UNREADABLE).
        """

    def begin_push(
        self, result: BackupResult, conditions: PushConditions, *, lease_owner: str, claim: str | None = None
    ) -> None:
        """Store, before the first write to a backup, what is true of it if nothing more is heard; its approval ends.

        It is stored as by ``record_result``, but that the backup stays open. ``conditions`` can pause the backup in
        the same step. Raises Failure, and stores nothing, when what the run goes by is not so any more:
        REGISTRATION_CHANGED, APPROVAL_CHANGED, SETTINGS_CHANGED, or PRIMARY_REPLACED for another
        term than the result's; and RECORD_UNREADABLE when the status cannot be understood.
        """

    def fan_out(self, run_id: str) -> FanOut | None: ...
    def begin_fan_out(self, fan_out: FanOut, backups: Iterable[Backup]) -> None:
        """Remember how a run's backups are served, and that each of them is open, as it is registered."""

    def open_backups(self, run_id: str) -> tuple[str, ...]:
        """The ids of the backups of a run that have no final result, in their order."""

    def open_registration(self, run_id: str, backup_id: str) -> str | None:
        """``Backup.registration`` of an open backup when it was queued; None when it is not open."""

    def claim_backup(self, run_id: str, backup_id: str, claim: str, *, now: datetime, until: datetime) -> Claim:
        """Claim an open backup unless somebody else's claim goes beyond ``now``. ``claim`` is a token.

        A claim that cannot be understood raises Failure(RECORD_UNREADABLE).
        """

    def served_now(self) -> dict[str, ServedNow]:
        """By their ids the backups that are being served, or were when a process died."""

    def begin_serving(self, served: ServedNow) -> None:
        """Remember that a backup is being served; it takes the place of what is remembered of it."""

    def end_serving(self, backup_id: str, run_id: str) -> None:
        """Forget it again, unless another run serves it by now."""

    def results(self, run_id: str) -> tuple[BackupResult, ...]:
        """All results of one run, in the order of the backups' ids, also those of before a first write.

        One that cannot be understood is among them as failed, with the reason
        RECORD_UNREADABLE: a run without it would look better than it was.
        """

    def result(self, backup_id: str, run_id: str) -> BackupResult | None:
        """The last result of a backup in a run, also that of before its first write."""

    def history(
        self, backup_id: str, *, limit: int, before: str | None = None, registration: str | None = None
    ) -> tuple[BackupResult, ...]:
        """Newest first, at most ``limit``; ``before`` is the run's id after which a page goes on.

        ``registration`` None: also those of earlier registrations under this id.
        """

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:
        """The ids of runs, from ``since`` on, whose result of this backup cannot be understood."""

    def status(self, backup_id: str) -> BackupResult | None:
        """The last result; ``pushed_at`` and ``verified_at`` are the newest known ones."""

    def statuses(self, backup_ids: Iterable[str] | None = None) -> dict[str, BackupResult]:
        """The last result of each named backup, or of all; a backup without one is left out.

        Name only a few: each is asked for by itself.
        """

    def unreadable_statuses(self) -> tuple[tuple[str, str], ...]:
        """Backup's id and complaint of each last result that cannot be understood: it is not the same as none."""

    def approve(
        self,
        approval: Approval,
        *,
        expected_version: int | None = None,
        seconds: Approval | None = None,
        last: BackupResult | None = None,
    ) -> None:
        """Remember that a plan was approved; a newer approval for the same backup takes its place.

        Raises Failure(REGISTRATION_CHANGED) when the backup is not, or no
        longer, registered as the approval says, and VersionConflict when it is
        not of the version that was seen, when the approval that this one
        ``seconds`` is not stored any more: what was used up must not come back,
        or when the status is not that of ``last`` any more, if one is given.
        """

    def approval(self, backup_id: str) -> Approval | None: ...

    def withdraw_approval(self, approval: Approval) -> None:
        """Remove an approval that is void. One that has taken its place stays."""

    def log_in(self, secret_id: str) -> LogIn | None:
        """What became of the last version of a secret that anything is remembered of."""

    def record_log_in(self, log_in: LogIn) -> bool:
        """Replace what is remembered; False, and no change, when this version is already for another destination."""

    def baseline(self) -> PrimaryBaseline | None: ...
    def save_baseline(self, baseline: PrimaryBaseline, *, lease_owner: str) -> None:
        """Raises Failure(LEASE_LOST), and stores nothing, when ``lease_owner`` no longer holds the lease."""

    def acceptance(self) -> PrimaryAcceptance | None: ...
    def save_acceptance(self, acceptance: PrimaryAcceptance, *, lease_owner: str) -> None:
        """Raises Failure(LEASE_LOST), and stores nothing, when ``lease_owner`` no longer holds the lease."""

    def states(self, *, limit: int, before: str | None = None) -> tuple[KeptState, ...]:
        """The primary's states, newest first, at most ``limit``; ``before`` is the first run's id of the last one."""

    def newest_state(self) -> KeptState | None: ...

    def record_state(self, state: KeptState, *, lease_owner: str) -> None:
        """Store a state, or replace the one with the same first run.

        Raises Failure(LEASE_LOST), and stores nothing, when ``lease_owner`` no longer holds the lease.
        """


class CredentialStore(Protocol):
    """One secret per server, by the ``secret_id`` of its registration. ``fleet.log_ins`` says what may be sent."""

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:
        """What is stored, to be sent to ``destination`` (``registry.destination``).

        Raises Failure: PASSWORD_NEEDED when it was given for another one, CREDENTIALS_MISSING when there is
        nothing or it cannot be understood. ``fresh`` asks past any cache.
        """

    def username(self, secret_id: str) -> str:
        """The stored user name, past any cache. Raises Failure(CREDENTIALS_MISSING)."""

    def put(self, secret_id: str, credentials: Credentials) -> None:
        """Create or replace the secret; one that was scheduled for deletion is restored."""

    def delete(self, secret_id: str) -> None:
        """Schedule deletion with a recovery window. A secret that is not there is fine; the stack's own is emptied."""


class AlreadyRegistered(Exception):
    """There is a registration with this id, or with this host and port. ``existing`` is its id."""

    def __init__(self, existing: str) -> None:
        super().__init__(f"already registered as {existing}")
        self.existing = existing


class VersionConflict(Exception):
    """The stored version is not the expected one. ``of`` names what was changed, empty for not known."""

    def __init__(self, of: str = "") -> None:
        super().__init__(f"{of or 'it'} was changed meanwhile")
        self.of = of
