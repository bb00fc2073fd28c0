"""What stops a push and lets it go on: a backup's plan, approvals, pauses."""

from dataclasses import replace
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples
from admin_api.inbound import caller, expected_version
from admin_api.parameters import BackupIdParameter, IfMatch
from admin_api.planning import plan_of
from admin_api.registered import registered_backup, shown_backup
from admin_api.routing import new_router
from admin_api.schemas import ApprovalView, BackupView, NewApproval, Pause, PlanView
from admin_api.services import Injected, Services
from common.reasons import Failure, Reason
from registry.models import Approval, BackupResult
from replication.model import PartStatus, Status

router = new_router()


@router.get("/backups/<backup_id>/plan", summary="What a run would do", tags=["backups"], operation_id="getPlan")
def get_plan(backup_id: BackupIdParameter, services: Injected) -> PlanView:
    """The plan as it is now, made from what primary and backup hold at this moment. Nothing is written."""
    return plan_of(registered_backup(backup_id, services), services)


@router.post("/backups/<backup_id>/approve", summary="Approve a plan", tags=["backups"], operation_id="approvePlan")
def approve_plan(
    backup_id: BackupIdParameter,
    body: Annotated[NewApproval, Body(openapi_examples=examples.APPROVAL)],
    services: Injected,
) -> ApprovalView:
    """Let exactly the plan that the last run recorded through in the next one, as long as neither side moves."""
    registered_backup(backup_id, services)
    last = services.store.status(backup_id)
    _refuse_other_plan(body.hash, last)
    who = caller(router.current_event.raw_event)
    if last and services.store.settings().approval_by_another:
        _refuse_own(who, last, services)
    approval = Approval(backup_id, body.hash, who, services.now())
    services.store.approve(approval)
    return ApprovalView(
        backup_id=approval.backup_id, hash=approval.plan_hash, approved_by=approval.approved_by, at=approval.at
    )


@router.post("/backups/<backup_id>/pause", summary="Pause a backup", tags=["backups"], operation_id="pauseBackup")
def pause_backup(
    backup_id: BackupIdParameter,
    body: Annotated[Pause, Body(openapi_examples=examples.PAUSE)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[BackupView]:
    """Write nothing to a backup until it is resumed. Runs go on telling how it differs."""
    return _set_paused(backup_id, body.why, if_match, services)


@router.post("/backups/<backup_id>/resume", summary="Resume a backup", tags=["backups"], operation_id="resumeBackup")
def resume_backup(backup_id: BackupIdParameter, services: Injected, if_match: IfMatch = None) -> Response[BackupView]:
    """End its pause: the next run writes to it again. One that is not paused stays as it is."""
    return _set_paused(backup_id, "", if_match, services)


def _set_paused(backup_id: str, why: str, if_match: str | None, services: Services) -> Response[BackupView]:
    found = registered_backup(backup_id, services)
    version = expected_version(if_match, found.version)
    if found.paused == why:
        return shown_backup(found, services)
    changed = services.store.update_backup(
        replace(found, paused=why, updated_at=services.now()), expected_version=version
    )
    return shown_backup(changed, services)


def _refuse_other_plan(plan_hash: str, last: BackupResult | None) -> None:
    if last is None or not _waits(last):
        what = f"its last result is {last.status}" if last else "no run has looked at it"
        raise Failure(Reason.PLAN_NOT_CURRENT, f"no plan of this backup waits: {what}")
    if last.plan_hash != plan_hash:
        raise Failure(Reason.PLAN_NOT_CURRENT, f"the plan of its last result has the hash {last.plan_hash}")


def _waits(last: BackupResult) -> bool:
    """Whether there is a plan to approve: also when some parts are blocked and another one has failed."""
    return bool(last.plan_hash) and (
        last.status in (Status.BLOCKED, Status.DRIFTED) or any(part.status == PartStatus.BLOCKED for part in last.parts)
    )


def _refuse_own(who: str, last: BackupResult, services: Services) -> None:
    """Refuse whoever asked for the last run, and everybody as long as it cannot be told who that was."""
    run = services.store.run(last.run_id)
    if run is None:
        raise Failure(Reason.APPROVAL_BY_ANOTHER, "the record of the last run has expired; start another one")
    if run.requested_by == who:
        raise Failure(Reason.APPROVAL_BY_ANOTHER, "you asked for the last run yourself")
