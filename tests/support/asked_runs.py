"""Runs as the management API asks for them: queued first, so that they count as the word of the person who asked."""

from dataclasses import replace
from datetime import datetime

from registry.run_records import QUEUED, Run, new_run_id
from registry.store import Store
from sync.events import RunRequest


def asked(request: RunRequest, store: Store, at: datetime) -> RunRequest:
    """The request, queued in the store as asked for ``at`` this time; it bears the id of its run then."""
    number = len(store.runs(limit=10_000))
    run = Run(
        new_run_id(at, f"{number:08x}"),
        request.trigger,
        at,
        requested_by=request.requested_by,
        requested_backups=request.backups,
        dry_run=request.dry_run,
        accept_primary=request.accept_primary,
        snapshot=request.snapshot,
        plan_hash=request.plan_hash,
        same_machine=request.same_machine,
        requester_verified=True,
        status=QUEUED,
    )
    store.queue_run(run)
    return replace(request, run_id=run.id)
