"""Rules that every implementation of the store keeps to: addresses, limits, terms, the merged status, a promotion."""

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
"""Characters that are kept of one message or warning."""

NOTICE_LIMIT = 50
"""Notices that are kept of one run; the last one then tells how many are missing."""

URGENT = (Reason.ACCESS_LOST, Reason.ROLLBACK_NOT_EFFECTIVE)
"""Reasons that nobody may miss: a server that may have locked everybody out."""

WARNING_LIMIT = 50
"""Warnings that are kept of one result; the last one then tells how many are missing.

A DynamoDB item may have 400 KB. A result with all 8 parts, every text at its
limit and every character 4 bytes long has 4 * 1,000 * (1 + 8 + 50) = 236 KB,
and 16 KB of paths that are kept although they differ.
"""


_UNFINISHED = "incomplete"
"""The status of a result that does not say whether the backup failed."""


def claim_lost(backup_id: str) -> Failure:
    """What is raised when an open backup is no longer claimed by who thinks so."""
    return Failure(Reason.CLAIM_LOST, f"somebody else has taken over {backup_id}; this was not stored")


def lease_lost() -> Failure:
    """What is raised when a run stores something and no longer holds the lease."""
    return Failure(Reason.LEASE_LOST, "another run has taken over; this was not stored")


def registration_gone(backup_id: str) -> Failure:
    """What is raised when a backup is not registered any more as it was when it was read."""
    return Failure(
        Reason.REGISTRATION_CHANGED,
        f"{backup_id} was removed, or its host or port changed, after its registration was read",
    )


def registration_changed(backup_id: str) -> Failure:
    """What is raised when anything of a backup's registration changed between reading it and the first write."""
    return Failure(Reason.REGISTRATION_CHANGED, f"the registration of {backup_id} was changed after it was read")


def approval_changed(backup_id: str) -> Failure:
    """What is raised when a backup has another approval, or none any more, before the first write."""
    return Failure(Reason.APPROVAL_CHANGED, f"an approval of {backup_id} was given or has ended since it was read")


def settings_changed() -> Failure:
    """What is raised when a run is about to write and the settings of the fleet are not those that it has read."""
    return Failure(Reason.SETTINGS_CHANGED, "the settings of the fleet were changed after the run read them")


def primary_replaced() -> Failure:
    """What is raised when a run is about to write and another server is the primary by now."""
    return Failure(Reason.PRIMARY_REPLACED, "another server has become the primary since the run began")


@dataclass(frozen=True)
class PushConditions:
    """What a run has read of a backup and goes by. At its first write it must still be so.

    ``version`` is that of the registration. ``approval`` is the stored one, whatever it lets through; None for none.
    ``settings_version`` is that of the fleet's settings, 0 when none are stored. ``paused`` is the registration
    as the same step leaves it, with the version after ``version``; None leaves it as it is.
    """

    version: int
    approval: Approval | None = None
    settings_version: int = 0
    paused: Backup | None = None

    @property
    def left_as(self) -> Backup | None:
        """The registration that the step stores, None when it stores none."""
        return replace(self.paused, version=self.version + 1) if self.paused else None


def of_registration[Record: (Approval, BackupResult)](record: Record | None, registration: str) -> Record | None:
    """What was found or approved of a backup as it is registered; another registration is another server."""
    return record if record is not None and record.registration == registration else None


def capped_result(result: BackupResult) -> BackupResult:
    """``result`` with its texts cut to the limits; statuses, reasons and counts are untouched."""
    return replace(
        result,
        message=_cut(result.message),
        parts=tuple(replace(part, message=_cut(part.message)) for part in result.parts),
        warnings=_capped_warnings(result.warnings),
    )


def capped_run(run: Run) -> Run:
    """``run`` with its texts cut to the limits, and as many notices as a row has room for, the urgent ones first."""
    notices = tuple(replace(notice, message=_cut(notice.message)) for notice in urgent_first(run.notices))
    if len(notices) > NOTICE_LIMIT:
        more = f"and {len(notices) - NOTICE_LIMIT + 1} more notices, which are in the log"
        notices = (*notices[: NOTICE_LIMIT - 1], Notice("", more))
    return replace(run, message=_cut(run.message), notices=notices)


def urgent_first(notices: Iterable[Notice]) -> list[Notice]:
    """Notices in their order, but those of a server that nobody may be able to log in to before all others."""
    return sorted(notices, key=lambda notice: notice.reason not in URGENT)


def merged_status(stored: BackupResult | None, new: BackupResult, *, late: bool = False) -> BackupResult:
    """What is known of a backup after ``new``: the later attempt, with the latest times that are known.

    A run that did not push or could not verify does not make the last
    successful push or verification unknown, and neither does what a run has nothing to say of.
    What was pushed and verified from an earlier primary is void.

    A run that did not get to the backup replaces nothing: status, reason and
    hash stay those of the last run that did.

    Which one is later, no clock decides: only who holds the lease stores a result, so ``new`` is, whatever
    time it says, unless it is the ``late`` word of a run that died before. What the older one says of a time
    after the later attempt was said by a clock that was ahead: it was not after that attempt.
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
    """Whether a result says nothing of its backup: the run did not get to it, or not so far as to compare it."""
    is_untouched = not (result.parts or result.pushed_at or result.snapshot)
    return result.reason in REASONS_OF_THE_RUN and is_untouched


def _not_after(latest: BackupResult, older: BackupResult, at: datetime | None) -> datetime | None:
    """A time that an older result tells, at the latest that of the ``latest`` attempt of another run."""
    return at if at is None or latest.run_id == older.run_id else min(at, latest.attempted_at)


def _voided(result: BackupResult) -> BackupResult:
    """``result`` without what is void beside one of a later primary: what it was found equal to has gone."""
    unsure = {name: part for name, part in result.fingerprints.items() if part.is_unsure}
    return replace(result, pushed_at=None, verified_at=None, fingerprints=unsure)


def _in_a_row(stored: BackupResult, new: BackupResult) -> int | None:
    """Failures up to ``new``. A failure that is recorded twice in a run counts once.

    What a run stores before its first write is no failure yet: the failure that follows it counts.
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
    """Why something has to wait while a run has the lease; None for one that has ended in between."""
    if lease is None:
        return Failure(Reason.LEASE_HELD, "another run was under way")
    run_id, until = run_of_lease(lease.owner), f"{lease.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    run = f"the run {run_id}" if run_id else "another run"
    return Failure(Reason.LEASE_HELD, f"{run} is under way; its lease ends at {until} at the latest")


def lease_token(run_id: str, identifier: str) -> str:
    """The owner of a lease: not the run's id alone, because an event that is delivered twice brings it twice."""
    return f"{run_id}/{identifier}"


def run_of_lease(owner: str) -> str:
    """The id of the run that an owner's token is of; empty for a token that names none."""
    run_id = owner.partition("/")[0]
    return run_id if is_run_id(run_id) else ""


type _OfPrimary = Primary | Run | Approval | BackupResult | PrimaryAcceptance | PrimaryBaseline
"""What says by ``term`` and ``source`` which primary it is of."""


def of_primary[Record: (Approval, BackupResult, PrimaryAcceptance, PrimaryBaseline, Run)](
    record: Record | None, primary: Primary | Run | None
) -> Record | None:
    """What was found, approved or accepted of this primary; that of another server in its place is void."""
    return record if record is not None and _is_same_primary(record, primary or Primary("", 0)) else None


def _is_same_primary(one: _OfPrimary, other: _OfPrimary) -> bool:
    """The stack's parameters can name another server without a new term. Older records do not say the address."""
    return one.term == other.term and (one.source == other.source or not (one.source and other.source))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 1] + "…"


def _capped_warnings(warnings: tuple[str, ...]) -> tuple[str, ...]:
    kept = warnings
    if len(warnings) > WARNING_LIMIT:
        kept = (*warnings[: WARNING_LIMIT - 1], f"and {len(warnings) - WARNING_LIMIT + 1} more warnings")
    return tuple(_cut(warning) for warning in kept)


def primary_as_named(named: Primary, previous: Primary | None, why: str, at: datetime | None) -> Primary:
    """The primary as it is to be stored when somebody names host, port and trust; ``previous`` is the one in use.

    At another address it is another server: the direction changes, as by a
    promotion. What was found or approved of the known one is void, it was never
    a backup here, and for the reason ``why`` nothing is pushed until somebody resumes.
    ``at`` is when it took this place, or a time before; None when nothing is known of that.
    """
    if previous is None:
        return named
    stays = replace(previous, host=named.host, port=named.port, trust=named.trust, of_stack=named.of_stack)
    if previous.source == named.source:
        return stays
    return replace(stays, term=previous.term + 1, held=why, since=at, as_backup=None)


@dataclass(frozen=True)
class Promotion:
    """One change of the registry, to be made as a whole or not at all.

    ``old`` and ``backup`` are the primary and the backup as they were seen; at
    any other version of either nothing is changed. ``primary`` and ``former``
    are what takes their places. An ``old`` of version 0 is not stored: it is the
    one of the stack's parameters.
    """

    old: Primary
    backup: Backup
    primary: Primary
    former: Backup


def promotion(old: Primary, backup: Backup, former_id: str, why: str, at: datetime) -> Promotion:
    """The promotion of ``backup``; the old primary becomes a disabled backup with the id ``former_id``.

    Each server keeps its address, trust and secret. ``why`` is the reason for
    pushing nothing until somebody resumes. Raises Failure(SAME_AS_PRIMARY) when
    both are registered with one address.
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
