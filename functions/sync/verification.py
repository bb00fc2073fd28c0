"""Whether a backup has to be read at all: not if nothing has moved since it was last verified, recently enough.

Reading every document of every backup is what a run mostly does, to find that
nothing has changed. A setting says how old a verification may become. Until
then a backup that was found equal to exactly what the primary holds now, by
exactly what holds for it now, is only asked whether it is there. What somebody
changes on a backup by hand is then noticed by the next full verification.
"""

from datetime import datetime, timedelta

from registry.models import Backup, BackupResult, Run, SyncSettings
from replication.documents.canonical import digest
from replication.model import Outcome, PartName, PartOutcome, PartStatus, Policy, PrimaryState, Status
from replication.parts import PARTS
from replication.ports import ReadableServer
from sync.events import Trigger

_BY_ITSELF = (Trigger.SCHEDULE, Trigger.CHANGE)
"""Who asks for a run by hand wants to know what is so now."""


def basis_of(primary: PrimaryState, backup: Backup, policy: Policy, term: int) -> str:
    """A digest of all that a verification depends on but the backup's own content: it is void when this changes.

    The registration counts with its version: any change of it, also one that is taken back, means a full look.
    """
    parts = (
        f"{part.name}={part.fingerprint(primary.states[part.name], policy) if part.name in primary.states else '-'}"
        for part in PARTS
        if part.name in policy.parts
    )
    return digest(
        f"{term} {primary.address} {primary.facts.version} {primary.facts.features} {backup.id} {backup.created_at} "
        f"{backup.version} {policy.rules.patterns} {policy.replicate_auto_block_list} {' '.join(parts)}"
    )


def is_recent(
    last: BackupResult | None, basis: str, backup: Backup, run: Run, settings: SyncSettings, now: datetime
) -> bool:
    """Whether the last verification still stands, and is recent enough for this run.

    Of a backup that has since failed, drifted or been written to nothing is remembered that could be the same basis.
    """
    if last is None or last.verified_at is None or last.basis != basis:
        return False
    if run.trigger not in _BY_ITSELF or run.dry_run or run.held or backup.paused or backup.report_only:
        return False
    age = now - last.verified_at
    return timedelta(0) <= age < timedelta(minutes=settings.full_verification_minutes)


def look_briefly(server: ReadableServer, last: BackupResult) -> Outcome | None:
    """Ask the backup for one small answer; None when that is not as it must be, and all has to be looked at.

    ``verified_at`` is not set: nothing was verified. What was known of the backup stays. Raises Failure.
    """
    if not server.security().soap_secure:
        return None
    names = frozenset(PartName)
    parts = tuple(
        PartOutcome(PartName(part.part), PartStatus.UNCHANGED, message=part.message)
        for part in last.parts
        if part.part in names
    )
    message = "it answers; nothing has changed on the primary since it was verified, and it was not read again"
    return Outcome(Status.IN_SYNC, message=message, parts=parts, warnings=last.warnings, basis=last.basis)
