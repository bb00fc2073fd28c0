"""A backup's plan, its approval and its pauses."""

from dataclasses import replace
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from admin_api import examples, views
from admin_api.approvals import approve
from admin_api.dependencies import Injected, Services
from admin_api.parameters import BackupIdParameter, IfMatch, registered_backup, shown_backup
from admin_api.plans import plan_of
from admin_api.problems import problem_answers
from admin_api.request import caller, changing, expected_version, new_router
from admin_api.runs import key_for
from admin_api.schemas.backups import BackupView, Pause
from admin_api.schemas.fields import SnapshotName
from admin_api.schemas.plans import ApprovalView, NewApproval, PlanView

router = new_router()


@router.get(
    "/backups/<backup_id>/plan",
    summary="What a run would do",
    tags=["backups"],
    operation_id="getPlan",
    responses=problem_answers(404, 409, 424, 429),
)
def get_plan(
    backup_id: BackupIdParameter,
    services: Injected,
    snapshot: Annotated[
        SnapshotName | None, Query(description="The snapshot to restore; without it, the primary's current content.")
    ] = None,
) -> PlanView:
    """The current plan, computed from the present content of primary and backup. Nothing is written.

    With ``snapshot`` it is the plan of a restore, and the primary, which may be down, is not read.
    """
    backup = registered_backup(backup_id, services)
    return plan_of(backup, services, key_for(snapshot, backup, services) if snapshot else "")


@router.post(
    "/backups/<backup_id>/approve",
    summary="Approve a plan",
    tags=["backups"],
    operation_id="approvePlan",
    responses=problem_answers(403, 404, 409),
)
def approve_plan(
    backup_id: BackupIdParameter,
    body: Annotated[NewApproval, Body(openapi_examples=examples.APPROVAL)],
    services: Injected,
) -> ApprovalView:
    """Approve exactly the plan that the last run recorded, for one push, as long as neither server changes.

    The first write to the backup ends the approval, even if the write fails. A restore, a change of the backup's
    address or trust, and the time limit of the settings (``approval_hours``) end it too. A backup has one approval: a
    new approval replaces it, even if it is for another plan. ``GET /backups/{id}`` shows the approval while it can be
    used. The plan of a blocked restore can be approved even after other runs.
    """
    backup = registered_backup(backup_id, services)
    with changing(f"the approval of {backup.id}"):
        return views.approval_view(approve(backup, body.hash, caller(router.current_event.raw_event), services))


@router.post(
    "/backups/<backup_id>/pause",
    summary="Pause a backup",
    tags=["backups"],
    operation_id="pauseBackup",
    responses=problem_answers(404, 412),
)
def pause_backup(
    backup_id: BackupIdParameter,
    body: Annotated[Pause, Body(openapi_examples=examples.PAUSE)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[BackupView]:
    """Stop writing to a backup until it is resumed. Runs continue to report how it differs."""
    return _set_paused(backup_id, body.why, if_match, services)


@router.post(
    "/backups/<backup_id>/resume",
    summary="Resume a backup",
    tags=["backups"],
    operation_id="resumeBackup",
    responses=problem_answers(404, 412),
)
def resume_backup(backup_id: BackupIdParameter, services: Injected, if_match: IfMatch = None) -> Response[BackupView]:
    """End the backup's pause: the next run writes to it again. A backup that is not paused is left unchanged."""
    return _set_paused(backup_id, "", if_match, services)


def _set_paused(backup_id: str, why: str, if_match: str | None, services: Services) -> Response[BackupView]:
    registered = registered_backup(backup_id, services)
    with changing(registered.id):
        version = expected_version(if_match, registered.version, registered.registration)
        if registered.paused == why:
            return shown_backup(registered, services)
        paused = replace(registered, paused=why, updated_at=services.runtime.now())
        changed = services.store.update_backup(paused, expected_version=version)
    return shown_backup(changed, services)
