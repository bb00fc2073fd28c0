"""Looks at the primary between two scheduled runs, for content that no run has replicated yet."""

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
"""How many recent runs are searched for the last run over the whole fleet; if it is older, one unneeded run is
harmless.
"""


_BEFORE_THE_PRIMARY_IS_ASKED = frozenset(
    {Reason.UNKNOWN_BACKUP, Reason.BACKUP_DISABLED, Reason.EVENT_DROPPED, Reason.REGISTRY_UNAVAILABLE}
)
"""Reasons of failed runs that may not have contacted the primary."""


@dataclass(frozen=True)
class Look:
    """The result of a look at the primary."""

    is_run_needed: bool
    unread: Failure | None = None
    """Why the primary could not be read. The run that follows records this failure and does not contact the primary
    again.
    """


def look_at_primary(context: RunContext, deadline: Deadline) -> Look:
    """Whether the primary's content differs from what the last run over the whole fleet read.

    The SOAP API cannot report changes, so the parts are read and compared by fingerprint; no backup is contacted. The
    run reads the primary again, because another run may push between this look and the run's lease.

    Content that a run has already tried to replicate starts no further run before the schedule does, whether the
    backups were verified, blocked or unreachable. If the last run that read this primary failed as a whole, the primary
    is not contacted before the next run: a refused log-in must not be repeated. The primary is also not contacted
    before the first verified run.

    Raises Failure if the registry cannot be read.
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
    # A run under a hold has looked and pushed nothing: its state counts as tried until somebody ends the hold.
    is_held = registered is not None and bool(registered.held)
    tried = next((run.state for run in recent if _has_tried(run, is_held) and of_primary(run, registered)), "")
    try:
        primary = context.source.read(parts_of(backups, settings), settings, deadline)
    except Failure as failure:
        return Look(is_run_needed=True, unread=failure)
    return Look(fingerprint(primary) != tried)


def _has_asked(run: Run) -> bool:
    """Whether the run has ended and contacted the primary, judged by its status and reason."""
    has_ended = run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED)
    return has_ended and not run.snapshot and run.reason not in _BEFORE_THE_PRIMARY_IS_ASKED


def _has_tried(run: Run, is_held: bool) -> bool:
    """Whether the run tried to replicate its state of the primary to the whole fleet, as far as a hold on pushes let
    it. ``is_held``: pushes are held now.
    """
    is_whole = not (run.requested_backups or run.dry_run or run.snapshot) and (is_held or not run.held)
    return is_whole and bool(run.state) and run.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.RUNNING)
