"""Runs: starting one, and the results of runs."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from admin_api import examples, views
from admin_api.dependencies import Injected, Services
from admin_api.pages import page
from admin_api.parameters import MAX_PAGE, BackupIdParameter, Limit, NextResults, NextRuns, RunIdParameter
from admin_api.problems import problem_answers
from admin_api.request import caller, new_router
from admin_api.runs import refuse_unservable, start
from admin_api.schemas.runs import HistoryPage, NewRun, Progress, RunDetails, RunPage, RunView
from common.errors import Failure, Reason
from registry.run_records import BackupResult, Run
from registry.snapshots import primary_key
from registry.store_rules import URGENT
from replication.model import Status

_RANKS = (
    Status.ROLLED_BACK,
    Status.FAILED,
    Status.BLOCKED,
    Status.INCOMPLETE,
    Status.DRIFTED,
    Status.RESTORED,
    Status.UPDATED,
    Status.IN_SYNC,
)
_STATES = 10_000
"""More than the maximum number of stored states of the primary, which is one a minute for a week."""

router = new_router()


@router.post(
    "/sync-runs",
    summary="Start a run",
    tags=["runs"],
    operation_id="startRun",
    responses=problem_answers(404, 409),
    status_code=202,
)
def start_run(
    body: Annotated[NewRun, Body(openapi_examples=examples.NEW_RUN)], services: Injected
) -> Response[RunView]:
    """Start a run over the whole fleet or the named backups; the reply says where to follow it.

    With ``state``, an older state of the primary is pushed, and the backups that receive it are paused, so that no
    other run reverts it before they are resumed. A backup that is already paused receives it only if it is named, and a
    person's pause keeps its reason. With ``plan_hash``, a backup whose plan has changed is not written to.
    """
    wanted = tuple(dict.fromkeys(body.backups or ()))
    refuse_unservable(wanted, services, put_back=body.state is not None and not body.dry_run)
    if body.state is not None and all(kept.digest != body.state for kept in services.store.states(limit=_STATES)):
        raise Failure(Reason.SNAPSHOT_MISSING, f"there is no state {body.state} of the primary")
    return start(
        services,
        requested_by=caller(router.current_event.raw_event),
        backups=wanted,
        dry_run=body.dry_run,
        accept_primary=body.accept_primary,
        snapshot="" if body.state is None else primary_key(body.state),
        plan_hash=body.plan_hash or "",
    )


@router.get("/sync-runs", summary="All runs", tags=["runs"], operation_id="listRuns")
def list_runs(services: Injected, limit: Limit = 50, next: NextRuns = None) -> RunPage:  # noqa: A002 - the parameter's name
    """The stored runs, newest first."""
    runs = services.store.runs(limit=limit + 1, before=next)
    shown, is_more = page(map(views.run_view, runs), limit)
    return RunPage(runs=shown, next=shown[-1].id if is_more else None)


@router.get(
    "/sync-runs/<run_id>", summary="One run", tags=["runs"], operation_id="getRun", responses=problem_answers(404)
)
def get_run(
    run_id: RunIdParameter,
    services: Injected,
    limit: Limit = MAX_PAGE,
    next: NextResults = None,  # noqa: A002 - the parameter's name
) -> RunDetails:
    """A run with its progress and the results of its backups so far; results that need attention come first."""
    run = services.store.run(run_id)
    if run is None:
        raise Failure(Reason.UNKNOWN_RUN, f"there is no run {run_id}")
    results = services.store.results(run_id)
    registrations = {backup.id: backup.registration for backup in services.store.backups()}
    wanted = sorted((result for result in results if _place(result) > (next or "")), key=_place)
    shown, is_more = page((views.result_view(result, registrations.get(result.backup_id)) for result in wanted), limit)
    return RunDetails(
        **dict(views.run_view(run)),
        progress=_progress(run, results, services),
        results=shown,
        next=_place(wanted[len(shown) - 1]) if is_more else None,
    )


def _place(result: BackupResult) -> str:
    """The sort key of a result within its run: results that need attention come first."""
    if result.reason in URGENT:
        return f"0-{result.backup_id}"
    rank = _RANKS.index(result.status) + 1 if result.status in _RANKS else 1
    return f"{rank}-{result.backup_id}"


@router.get(
    "/backups/<backup_id>/history",
    summary="A backup's results",
    tags=["backups"],
    operation_id="getHistory",
    responses=problem_answers(404),
)
def get_history(
    backup_id: BackupIdParameter,
    services: Injected,
    limit: Limit = 50,
    next: NextRuns = None,  # noqa: A002 - the parameter's name
    registrations: Annotated[
        Literal["present", "all"],
        Query(description="all: also what runs did to earlier registrations under this id, such as another host."),
    ] = "present",
) -> HistoryPage:
    """The results of a backup's current registration, newest first; for an id without a registration, all results."""
    registration = services.store.registration(backup_id)
    results = services.store.history(
        backup_id, limit=limit + 1, before=next, registration=registration if registrations == "present" else None
    )
    if not results and next is None and registration is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is or was registered as {backup_id}")
    shown, is_more = page((views.result_view(result, registration) for result in results), limit)
    return HistoryPage(results=shown, next=shown[-1].run_id if is_more else None)


def _progress(run: Run, results: tuple[BackupResult, ...], services: Services) -> Progress:
    done = sum(result.reason != Reason.INTERRUPTED for result in results)
    if run.finished_at is not None:
        return Progress(done=done, total=done)
    expected = len(run.requested_backups) or sum(backup.enabled for backup in services.store.backups())
    return Progress(done=done, total=max(done, expected))
