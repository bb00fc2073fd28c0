"""A look at the primary between two scheduled runs: does it hold something that no run has replicated?"""

from dataclasses import dataclass

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.primary import parts_of
from registry.run_records import Run
from registry.store_rules import of_primary
from replication.primary import fingerprint
from sync.context import RunContext
from sync.results import RunStatus

_RECENT_RUNS = 20
"""How far back the last run over the whole fleet is looked for; beyond that one run too many does no harm."""


_BEFORE_THE_PRIMARY_IS_ASKED = frozenset(
    {Reason.UNKNOWN_BACKUP, Reason.BACKUP_DISABLED, Reason.EVENT_DROPPED, Reason.REGISTRY_UNAVAILABLE}
)
"""Why a run failed that had not turned to the primary yet, or may not have."""


@dataclass(frozen=True)
class Look:
    """What a look at the primary has come to."""

    is_run_needed: bool
    unread: Failure | None = None
    """Why the primary could not be read. The run that is then needed records it and does not ask again."""


def look_at_primary(context: RunContext, deadline: Deadline) -> Look:
    """Whether the primary holds something else than the last run over the whole fleet has read.

    The SOAP API has no call that tells of a change, so the parts are read and
    compared by fingerprint; no backup is asked anything. The run reads the
    primary again: another run may push between this look and its lease.

    What a run has tried is not tried again before the schedule does, whether
    its backups were verified, blocked or out of reach. If the last run that
    turned to this primary failed as a whole, the primary is not asked before the
    next run: a refused log-in must not be repeated. Neither is it before the
    first verified run.

    Raises Failure when the registry cannot be read.
    """
    settings = context.store.settings()
    backups = [backup for backup in context.store.backups() if backup.enabled]
    registered = context.known_primary
    recent = context.store.runs(limit=_RECENT_RUNS)
    if not backups or of_primary(context.store.baseline(), registered) is None:
        return Look(is_run_needed=False)
    last = next((run for run in recent if _has_asked(run) and of_primary(run, registered)), None)
    if last and last.status == RunStatus.FAILED:
        return Look(is_run_needed=False)
    tried = next((run.state for run in recent if _has_tried(run) and of_primary(run, registered)), "")
    try:
        primary = context.source.read(parts_of(backups, settings), settings, deadline)
    except Failure as failure:
        return Look(is_run_needed=True, unread=failure)
    return Look(fingerprint(primary) != tried)


def _has_asked(run: Run) -> bool:
    """Whether the run has ended and had turned to the primary, unless its reason is one that comes before that."""
    has_ended = run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED)
    return has_ended and not run.snapshot and run.reason not in _BEFORE_THE_PRIMARY_IS_ASKED


def _has_tried(run: Run) -> bool:
    """Whether the run has taken what it read to the whole fleet, as far as that was possible."""
    is_whole = not (run.requested_backups or run.dry_run or run.held or run.snapshot)
    return is_whole and bool(run.state) and run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.RUNNING)
