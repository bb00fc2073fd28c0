"""Which server is the primary in this run, and whether anybody has said that pushing from it is meant.

After a promotion the direction has turned: what would be pushed now comes from
the server that was pushed to before. So runs only look until a person resumes,
or asks for a run. Asking for what was there before is asking for a run, too.
"""

from dataclasses import replace

from common.errors import Failure, Reason
from registry.models import Notice, Primary, Run, requested_at
from registry.store import Store, VersionConflict
from sync.events import RunRequest, Trigger


def facing(run: Run, request: RunRequest, primary: Primary | None) -> Run:
    """The run under the primary's term; where it may only look, it says so."""
    if primary is None:
        return run
    held = bool(primary.held) and not _asked_since(request, primary)
    run = replace(run, term=primary.term, held=held)
    return noted(run, Failure(Reason.PUSHES_HELD, primary.held)) if held else run


def end_hold(store: Store, request: RunRequest, primary: Primary | None) -> Failure | None:
    """Let scheduled runs push again: who asks for a run over the whole fleet means the new direction.

    Why it could not be done, None when it was done or there was nothing to do.
    """
    means_it = request.trigger is Trigger.ON_DEMAND and not request.backups and not request.dry_run
    if primary is None or not primary.held or not means_it or not _asked_since(request, primary):
        return None
    try:
        store.save_primary(replace(primary, held=""), expected_version=primary.version)
    except VersionConflict:
        return Failure(Reason.PUSHES_HELD, "the primary's registration was changed meanwhile, so the hold stays")
    except Failure as failure:
        return Failure(Reason.PUSHES_HELD, f"the hold could not be ended: {failure.message}")
    return None


def noted(run: Run, failure: Failure) -> Run:
    """The run with something to tell that does not end it."""
    return replace(run, notices=(*run.notices, Notice(failure.reason, failure.message)))


def _asked_since(request: RunRequest, primary: Primary) -> bool:
    """Whether a person has asked for this run, and not before the promotion: an event may have waited."""
    if request.trigger not in (Trigger.ON_DEMAND, Trigger.RESTORE):
        return False
    return not (request.run_id and primary.promoted_at and requested_at(request.run_id) < primary.promoted_at)
