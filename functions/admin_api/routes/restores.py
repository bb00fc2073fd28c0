"""A backup's snapshots, and restoring one."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples
from admin_api.dependencies import Injected
from admin_api.parameters import BackupIdParameter, Limit, NextRuns, registered_backup
from admin_api.problems import problem_answers
from admin_api.request import caller, new_router
from admin_api.runs import key_for, refuse_unservable, start
from admin_api.schemas.runs import NewRestore, RunView, SnapshotPage, SnapshotView
from common.errors import Failure, Reason
from fleet.restore_source import is_of_former_server, snapshot_of_former_server
from registry.snapshots import backup_of

router = new_router()


@router.get(
    "/backups/<backup_id>/snapshots",
    summary="A backup's snapshots",
    tags=["backups"],
    operation_id="listSnapshots",
    responses=problem_answers(404),
)
def list_snapshots(
    backup_id: BackupIdParameter,
    services: Injected,
    limit: Limit = 50,
    next: NextRuns = None,  # noqa: A002 - the parameter's name
) -> SnapshotPage:
    """The snapshots of a backup, newest first, even if the backup is no longer registered.

    A page ends with the last snapshot of a run, so it may exceed ``limit``.
    """
    registration = services.store.registration(backup_id)
    entries = [entry for entry in services.snapshots.of_backup(backup_id) if next is None or entry.run_id < next]
    if not entries and next is None and registration is None:
        raise Failure(Reason.UNKNOWN_BACKUP, f"no backup is or was registered as {backup_id}")
    page = [
        entry for number, entry in enumerate(entries) if number < limit or entry.run_id == entries[limit - 1].run_id
    ]
    return SnapshotPage(
        snapshots=[
            SnapshotView(
                key=entry.key,
                run_id=entry.run_id,
                at=entry.at,
                parts=list(entry.parts),
                size=entry.size,
                former=entry.registration != registration,
            )
            for entry in page
        ],
        next=page[-1].run_id if len(entries) > len(page) else None,
    )


@router.post(
    "/backups/<backup_id>/restore",
    summary="Restore a backup",
    tags=["backups"],
    operation_id="restoreBackup",
    responses=problem_answers(403, 404, 409),
    status_code=202,
)
def restore_backup(
    backup_id: BackupIdParameter,
    body: Annotated[NewRestore, Body(openapi_examples=examples.RESTORE)],
    services: Injected,
) -> Response[RunView]:
    """Start a run that restores a snapshot and pauses the backup, so that no other run reverts it before it is resumed.

    A paused backup is restored too, and a person's pause keeps its reason. The restore is applied completely or not at
    all: changes that the guards stop wait for an approval. With ``plan_hash``, nothing is written if the plan has
    changed.
    """
    backup = registered_backup(backup_id, services)
    refuse_unservable((backup_id,), services, put_back=not body.dry_run)
    key = key_for(body.snapshot, backup, services)
    if backup_of(key) and is_of_former_server(key, backup) and not body.same_machine:
        raise snapshot_of_former_server(key)
    return start(
        services,
        requested_by=caller(router.current_event.raw_event),
        backups=(backup_id,),
        dry_run=body.dry_run,
        snapshot=key,
        plan_hash=body.plan_hash or "",
        same_machine=body.same_machine,
    )
