"""What stops a push and lets it go on: a backup's plan, approvals, pauses."""

from dataclasses import replace
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from admin_api import examples
from admin_api.dependencies import Injected, Services
from admin_api.parameters import BackupIdParameter, IfMatch, registered_backup, shown_backup
from admin_api.plans import plan_of
from admin_api.request import caller, expected_version, new_router
from admin_api.runs import key_for
from admin_api.schemas import ApprovalView, BackupView, NewApproval, Pause, PlanView, SnapshotName
from common.errors import Failure, Reason
from registry.models import Backup, BackupResult
from registry.store_rules import of_primary
from replication.model import PartStatus, Status

_LOOKED_BACK = 200
"""Results of a backup among which those of a plan are looked for."""

router = new_router()


@router.get("/backups/<backup_id>/plan", summary="What a run would do", tags=["backups"], operation_id="getPlan")
def get_plan(
    backup_id: BackupIdParameter,
    services: Injected,
    snapshot: Annotated[
        SnapshotName | None, Query(description="What would be put back; without it, what the primary holds now.")
    ] = None,
) -> PlanView:
    """The plan as it is now, made from what primary and backup hold at this moment. Nothing is written.

    With ``snapshot`` it is the plan of a restore, and the primary is not read: it may be down.
    """
    backup = registered_backup(backup_id, services)
    return plan_of(backup, services, key_for(snapshot, backup, services) if snapshot else "")


@router.post("/backups/<backup_id>/approve", summary="Approve a plan", tags=["backups"], operation_id="approvePlan")
def approve_plan(
    backup_id: BackupIdParameter,
    body: Annotated[NewApproval, Body(openapi_examples=examples.APPROVAL)],
    services: Injected,
) -> ApprovalView:
    """Let exactly the plan that the last run recorded through in the next one, as long as neither side moves.

    The plan of a restore that was stopped can be approved also after other runs.
    """
    backup = registered_backup(backup_id, services)
    recorded = _results_with(body.hash, backup, services)
    who = caller(router.current_event.raw_event)
    if services.store.settings().approval_by_another:
        _refuse_own(who, recorded, services)
    run = services.store.run(recorded[0].run_id)
    approval = services.approve(backup, body.hash, who, run.snapshot if run else "")
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
    registered = registered_backup(backup_id, services)
    version = expected_version(if_match, registered.version)
    if registered.paused == why:
        return shown_backup(registered, services)
    changed = services.store.update_backup(
        replace(registered, paused=why, updated_at=services.runtime.now()), expected_version=version
    )
    return shown_backup(changed, services)


def _results_with(plan_hash: str, backup: Backup, services: Services) -> list[BackupResult]:
    """What recorded this plan, newest first. Raises Failure(PLAN_NOT_CURRENT) when it does not wait for an approval.

    Scheduled runs come between whoever asks and whoever approves: what they
    recorded of the same plan does not hide who asked for it.
    """
    primary = services.primary()
    last = services.last_result(backup)
    recorded = services.store.history(backup.id, limit=_LOOKED_BACK, registration=backup.registration)
    waiting = [
        result
        for result in recorded
        if of_primary(result, primary) and result.plan_hash == plan_hash and _waits(result)
    ]
    if last and last.plan_hash == plan_hash and _waits(last):
        return waiting or [last]
    if any((run := services.store.run(result.run_id)) and run.snapshot for result in waiting):
        return waiting
    if last is None or not _waits(last):
        what = f"its last result is {last.status}" if last else "no run has looked at it"
        raise Failure(Reason.PLAN_NOT_CURRENT, f"no plan of this backup waits: {what}")
    raise Failure(Reason.PLAN_NOT_CURRENT, f"the plan of its last result has the hash {last.plan_hash}")


def _waits(last: BackupResult) -> bool:
    """Whether there is a plan to approve: also when some parts are blocked and another one has failed."""
    return bool(last.plan_hash) and (
        last.status in (Status.BLOCKED, Status.DRIFTED) or any(part.status == PartStatus.BLOCKED for part in last.parts)
    )


def _refuse_own(who: str, recorded: list[BackupResult], services: Services) -> None:
    """Refuse whoever asked for a run that recorded the plan, and everybody where it cannot be told who that was."""
    for result in recorded:
        run = services.store.run(result.run_id)
        if run is None:
            raise Failure(
                Reason.APPROVAL_BY_ANOTHER, "the record of a run with this plan has expired; start another one"
            )
        if run.requested_by == who:
            raise Failure(Reason.APPROVAL_BY_ANOTHER, "you asked for a run with this plan yourself")
