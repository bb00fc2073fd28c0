"""Runs: starting one, and what came of them."""

from dataclasses import replace
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples, views
from admin_api.inbound import caller, page_token, read_page_token
from admin_api.parameters import BackupIdParameter, Limit, NextRuns, RunIdParameter
from admin_api.routing import new_router
from admin_api.schemas import HistoryPage, NewRun, Progress, RunDetails, RunPage, RunView
from admin_api.services import Injected, Services
from common.reasons import Failure, Reason
from registry.models import QUEUED, RUN_ID, BackupResult, Run, new_run_id

router = new_router()


@router.post("/sync-runs", summary="Start a run", tags=["runs"], operation_id="startRun", status_code=202)
def start_run(
    body: Annotated[NewRun, Body(openapi_examples=examples.NEW_RUN)], services: Injected
) -> Response[RunView]:
    """Start a run over the whole fleet or over the named backups, and say where to follow it."""
    wanted = tuple(dict.fromkeys(body.backups or ()))
    _refuse_unservable(wanted, services)
    now = services.now()
    run = Run(
        id=new_run_id(now),
        trigger="on_demand",
        started_at=now,
        requested_by=caller(router.current_event.raw_event),
        requested_backups=wanted,
        dry_run=body.dry_run,
        status=QUEUED,
    )
    services.store.save_run(run)
    try:
        services.starter.start(
            {
                "action": "sync",
                "run_id": run.id,
                "backups": list(wanted),
                "dry_run": body.dry_run,
                "accept_primary": body.accept_primary,
                "requested_by": run.requested_by,
            }
        )
    except Failure as failure:
        services.store.save_run(
            replace(run, status="failed", reason=failure.reason, message=failure.message, finished_at=services.now())
        )
        raise
    return Response(202, "application/json", views.run_view(run), {"Location": f"/sync-runs/{run.id}"})


@router.get("/sync-runs", summary="All runs", tags=["runs"], operation_id="listRuns")
def list_runs(services: Injected, limit: Limit = 50, next: NextRuns = None) -> RunPage:  # noqa: A002 - the parameter's name
    """Runs that are still kept, newest first."""
    runs = services.store.runs(limit=limit + 1, before=read_page_token(next, RUN_ID))
    return RunPage(
        runs=[views.run_view(run) for run in runs[:limit]],
        next=page_token(runs[limit - 1].id) if len(runs) > limit else None,
    )


@router.get("/sync-runs/<run_id>", summary="One run", tags=["runs"], operation_id="getRun")
def get_run(run_id: RunIdParameter, services: Injected) -> RunDetails:
    """A run, how far it is, and what it did to each backup so far."""
    run = services.store.run(run_id)
    if run is None:
        raise Failure(Reason.UNKNOWN_RUN, f"there is no run {run_id}")
    results = services.store.results(run_id)
    view = views.run_view(run)
    return RunDetails(
        **{name: getattr(view, name) for name in type(view).model_fields},
        progress=_progress(run, results, services),
        results=[views.result_view(result) for result in results],
    )


@router.get("/backups/<backup_id>/history", summary="A backup's results", tags=["backups"], operation_id="getHistory")
def get_history(
    backup_id: BackupIdParameter,
    services: Injected,
    limit: Limit = 50,
    next: NextRuns = None,  # noqa: A002 - the parameter's name
) -> HistoryPage:
    """What runs did to a backup, newest first; also of one that is no longer registered."""
    before = read_page_token(next, RUN_ID)
    results = services.store.history(backup_id, limit=limit + 1, before=before)
    if not results and before is None and services.store.backup(backup_id) is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is or was registered as {backup_id}")
    return HistoryPage(
        results=[views.result_view(result) for result in results[:limit]],
        next=page_token(results[limit - 1].run_id) if len(results) > limit else None,
    )


def _refuse_unservable(wanted: tuple[str, ...], services: Services) -> None:
    """Say at once what the run would only record."""
    known = {backup.id: backup for backup in services.store.backups()} if wanted else {}
    for backup_id in wanted:
        if backup_id not in known:
            raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is registered as {backup_id}")
        if not known[backup_id].enabled:
            raise Failure(Reason.BACKUP_DISABLED, f"the backup {backup_id} is disabled")


def _progress(run: Run, results: tuple[BackupResult, ...], services: Services) -> Progress:
    done = len(results)
    if run.finished_at is not None:
        return Progress(done=done, total=done)
    expected = len(run.requested_backups) or sum(backup.enabled for backup in services.store.backups())
    return Progress(done=done, total=max(done, expected))
