"""Rules that every implementation of the store follows.

The rules decide to which primary and registration a record belongs, and how long a stored text may be. They also
decide how a new result changes a backup's status, and what changes when another server becomes the primary.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime

from common.errors import REASONS_OF_THE_RUN, Failure, Reason
from registry.fleet_records import Backup, Primary, address_key
from registry.run_records import (
    Approval,
    BackupResult,
    Condition,
    Lease,
    Notice,
    PrimaryAcceptance,
    PrimaryBaseline,
    Run,
    is_run_id,
)

MESSAGE_LIMIT = 1_000
"""Maximum number of characters stored of one message or warning."""

NOTICE_LIMIT = 50
"""Maximum number of notices stored for one run; the last one then says how many are missing."""

URGENT = (Reason.ACCESS_LOST, Reason.ROLLBACK_NOT_EFFECTIVE)
"""Reasons that nobody may miss, because a server may have locked everybody out."""

WARNING_LIMIT = 50
"""Maximum number of warnings stored for one result; the last one then says how many are missing.

A DynamoDB item may have 400 KB. The largest result has 8 parts, and 4 bytes per character. Its texts take 4 * 1,000 *
(1 + 8 + 50) = 236 KB, and the paths that are kept although they differ take 16 KB.
"""


_UNFINISHED = "incomplete"
"""The status of a result that does not say whether the backup failed."""


def claim_lost(backup_id: str) -> Failure:
    """The failure for a worker that no longer has the claim on an open backup."""
    return Failure(Reason.CLAIM_LOST, f"another worker has taken over {backup_id}; this result was not stored")


def lease_lost() -> Failure:
    """The failure for a run that no longer holds the lease when it stores something."""
    return Failure(Reason.LEASE_LOST, "another run has taken over; this result was not stored")


def registration_gone(backup_id: str) -> Failure:
    """The failure for a backup whose registration was replaced or removed after it was read."""
    return Failure(
        Reason.REGISTRATION_CHANGED,
        f"{backup_id} was removed, or its host or port changed, after its registration was read",
    )


def registration_changed(backup_id: str) -> Failure:
    """The failure for a registration that was changed between reading it and the first write."""
    return Failure(Reason.REGISTRATION_CHANGED, f"the registration of {backup_id} was changed after it was read")


def approval_changed(backup_id: str) -> Failure:
    """The failure for an approval that was given, replaced or ended between reading it and the first write."""
    return Failure(Reason.APPROVAL_CHANGED, f"an approval of {backup_id} was given or has ended since it was read")


def settings_changed() -> Failure:
    """The failure for settings of the fleet that were changed before a run's first write."""
    return Failure(Reason.SETTINGS_CHANGED, "the settings of the fleet were changed after the run read them")


def primary_replaced() -> Failure:
    """The failure for a primary that was replaced before a run's write."""
    return Failure(Reason.PRIMARY_REPLACED, "another server has become the primary since the run began")


@dataclass(frozen=True)
class PushConditions:
    """The versions of the records that a run has read for a backup.

    The transaction before the run's first write to this backup requires these records to be unchanged.

    ``version`` is the version of the registration. ``approval`` is the stored approval, whether or not it takes effect;
    None for none. ``settings_version`` is the version of the fleet's settings, 0 if none are stored. ``paused`` is a
    paused registration to store in that transaction, with the version after ``version``; None changes nothing.
    """

    version: int
    approval: Approval | None = None
    settings_version: int = 0
    paused: Backup | None = None

    @property
    def left_as(self) -> Backup | None:
        """The registration that the transaction stores, None if it stores none."""
        return replace(self.paused, version=self.version + 1) if self.paused else None


def of_registration[Record: (Approval, BackupResult)](record: Record | None, registration: str) -> Record | None:
    """The record if it belongs to this registration, otherwise None, because another registration is another server."""
    return record if record is not None and record.registration == registration else None


def capped_result(result: BackupResult) -> BackupResult:
    """``result`` with its texts shortened to the limits; statuses, reasons and counts are unchanged."""
    return replace(
        result,
        message=_cut(result.message),
        parts=tuple(replace(part, message=_cut(part.message)) for part in result.parts),
        warnings=_capped_warnings(result.warnings),
    )


def capped_run(run: Run) -> Run:
    """``run`` with its texts shortened to the limits and its notices limited, urgent ones first."""
    notices = tuple(replace(notice, message=_cut(notice.message)) for notice in urgent_first(run.notices))
    if len(notices) > NOTICE_LIMIT:
        more = f"and {len(notices) - NOTICE_LIMIT + 1} more notices, which are in the log"
        notices = (*notices[: NOTICE_LIMIT - 1], Notice("", more))
    return replace(run, message=_cut(run.message), notices=notices)


def urgent_first(notices: Iterable[Notice]) -> list[Notice]:
    """The notices in their order, except that urgent reasons come first."""
    return sorted(notices, key=lambda notice: notice.reason not in URGENT)


def merged_status(stored: BackupResult | None, new: BackupResult, *, late: bool = False) -> BackupResult:
    """The backup's status after ``new``: the later attempt, with the latest known times.

    A run that did not push, verify or find something out keeps the known values. Times of pushes and verifications from
    the term of an earlier primary are dropped.

    A run that did not reach the backup replaces nothing: status, reason and hash stay those of the last run that did.

    Clocks do not decide which result is later: only the holder of the lease stores results, so ``new`` is later unless
    it is a ``late`` result of a dead run. If an older result has a time after the later attempt, its clock was ahead,
    so that time is reduced to the attempt's time.
    """
    if stored is None:
        return new
    if tells_of_the_run_alone(new) and not tells_of_the_run_alone(stored):
        return replace(stored, condition=_merged_condition(stored.condition, new.condition))
    is_after = not late or new.run_id == stored.run_id
    if not _is_same_primary(stored, new):
        stored, new = (_voided(stored), new) if is_after else (stored, _voided(new))
    older, latest = (stored, new) if is_after or tells_of_the_run_alone(stored) else (new, stored)
    return replace(
        latest,
        pushed_at=latest.pushed_at or _not_after(latest, older, older.pushed_at),
        verified_at=latest.verified_at or _not_after(latest, older, older.verified_at),
        fingerprints={**older.fingerprints, **latest.fingerprints},
        failures=_in_a_row(stored, new) if latest is new else stored.failures,
        harmed=older.harmed if latest.harmed is None else latest.harmed,
        settings_before=older.settings_before if latest.settings_before is None else latest.settings_before,
        condition=_merged_condition(older.condition, latest.condition),
    )


def tells_of_the_run_alone(result: BackupResult) -> bool:
    """Whether a result says nothing about its backup, because the run did not reach or compare the backup."""
    return result.reason in REASONS_OF_THE_RUN and not (result.parts or result.pushed_at or result.snapshot)


def _not_after(latest: BackupResult, older: BackupResult, at: datetime | None) -> datetime | None:
    """``at``, a time from the ``older`` result, limited to that of the ``latest`` attempt if another run made it."""
    return at if at is None or latest.run_id == older.run_id else min(at, latest.attempted_at)


def _voided(result: BackupResult) -> BackupResult:
    """``result`` without its verification and push, which are void after a change of the primary."""
    unsure = {name: part for name, part in result.fingerprints.items() if part.is_unsure}
    return replace(result, pushed_at=None, verified_at=None, fingerprints=unsure)


def _in_a_row(stored: BackupResult, new: BackupResult) -> int | None:
    """The number of consecutive failures up to ``new``. A failure that is recorded twice in a run counts once.

    An interim result is not a failure yet; the failure that follows it counts.
    """
    if not new.failures:
        return stored.failures if new.failures is None else 0
    before = stored.failures or 0
    is_counted = stored.run_id == new.run_id and stored.status != _UNFINISHED
    return max(before, 1) if is_counted else before + 1


def _merged_condition(older: Condition, latest: Condition) -> Condition:
    latest_values = {field.name: getattr(latest, field.name) for field in fields(latest)}
    return replace(older, **{name: value for name, value in latest_values.items() if value is not None})


def lease_held(lease: Lease | None) -> Failure:
    """The failure for a run that cannot begin because another run holds the lease; ``lease`` None: it has just
    ended.
    """
    if lease is None:
        return Failure(Reason.LEASE_HELD, "another run was under way")
    run_id, until = run_of_lease(lease.owner), f"{lease.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    run = f"the run {run_id}" if run_id else "another run"
    return Failure(Reason.LEASE_HELD, f"{run} is under way; its lease ends at {until} at the latest")


def lease_token(run_id: str, identifier: str) -> str:
    """The owner token of a lease: not only the run's id, because an event that is delivered twice has the same id."""
    return f"{run_id}/{identifier}"


def run_of_lease(owner: str) -> str:
    """The id of the run in an owner token; empty if the token contains none."""
    run_id = owner.partition("/")[0]
    return run_id if is_run_id(run_id) else ""


type _OfPrimary = Primary | Run | Approval | BackupResult | PrimaryAcceptance | PrimaryBaseline
"""Records whose ``term`` and ``source`` identify their primary."""


def of_primary[Record: (Approval, BackupResult, PrimaryAcceptance, PrimaryBaseline, Run)](
    record: Record | None, primary: Primary | Run | None
) -> Record | None:
    """The record if it belongs to this primary, otherwise None, because records for another server are void."""
    return record if record is not None and _is_same_primary(record, primary or Primary("", 0)) else None


def _is_same_primary(one: _OfPrimary, other: _OfPrimary) -> bool:
    """Whether the record is for this primary. Addresses are compared too, because the stack's parameters can name
    another server without a new term. Older records have no address.
    """
    return one.term == other.term and (one.source == other.source or not (one.source and other.source))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def _capped_warnings(warnings: tuple[str, ...]) -> tuple[str, ...]:
    kept = warnings
    if len(warnings) > WARNING_LIMIT:
        kept = (*warnings[: WARNING_LIMIT - 1], f"and {len(warnings) - WARNING_LIMIT + 1} more warnings")
    return tuple(_cut(warning) for warning in kept)


def primary_as_named(named: Primary, previous: Primary | None, why: str, at: datetime | None) -> Primary:
    """The primary's record after somebody sets host, port and trust; ``previous`` is the current primary.

    Another address means another server, and the primary changes as by a promotion. Results and approvals for the
    previous primary become void, the new one was never a backup here, and for the reason ``why`` nothing is pushed
    until somebody resumes. ``at`` is when the new server became the primary, or an earlier time; None if unknown.
    """
    if previous is None:
        return named
    stays = replace(previous, host=named.host, port=named.port, trust=named.trust, of_stack=named.of_stack)
    if previous.source == named.source:
        return stays
    return replace(stays, term=previous.term + 1, held=why, since=at, as_backup=None)


@dataclass(frozen=True)
class Promotion:
    """A promotion, made in one transaction.

    ``old`` and ``backup`` are the primary and the backup as they were read; if the version of either has changed,
    nothing is changed. ``primary`` and ``former`` are the records that replace them. ``old`` with version 0 is not
    stored: it is the primary of the stack's parameters.
    """

    old: Primary
    backup: Backup
    primary: Primary
    former: Backup


def promotion(old: Primary, backup: Backup, former_id: str, why: str, at: datetime) -> Promotion:
    """The promotion of ``backup``; the old primary becomes a disabled backup with the id ``former_id``.

    Each server keeps its address, trust and secret. ``why`` is the reason why nothing is pushed until somebody resumes.
    Raises Failure(SAME_AS_PRIMARY) if both are registered with the same address.
    """
    if address_key(old.host, old.port) == address_key(backup.host, backup.port):
        raise Failure(Reason.SAME_AS_PRIMARY, f"{backup.id} has the primary's own host and port")
    primary = Primary(
        host=backup.host,
        port=backup.port,
        trust=backup.trust,
        secret=backup.secret_id,
        term=old.term + 1,
        held=why,
        promoted_at=at,
        since=at,
        as_backup=backup,
        version=old.version + 1,
    )
    as_backup = old.as_backup or Backup(former_id, old.host, old.port, created_at=at)
    former = replace(
        as_backup,
        id=former_id,
        host=old.host,
        port=old.port,
        trust=old.trust,
        secret=old.secret_id,
        enabled=False,
        paused="",
        updated_at=at,
        version=1,
    )
    return Promotion(old, backup, primary, former)
