"""Registrations of backups."""

from dataclasses import replace
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from admin_api import examples, views
from admin_api.audit import note_destination
from admin_api.checks import check_backup, look_before_registration
from admin_api.dependencies import Injected
from admin_api.pages import page
from admin_api.parameters import (
    MAX_PAGE,
    BackupIdParameter,
    IfMatch,
    Limit,
    NextBackups,
    credentials_for,
    refuse_forbidden_address,
    registered_backup,
    shown_backup,
)
from admin_api.problems import problem_answers
from admin_api.registration import (
    delete_discarded,
    is_half_removed,
    new_backup_id,
    refuse_known_server,
    register,
)
from admin_api.request import changing, etag, expected_version, new_router
from admin_api.schemas.backups import (
    BackupChange,
    BackupPage,
    BackupView,
    NewBackup,
    RegisteredBackup,
    UnreadableBackup,
)
from admin_api.schemas.servers import CheckReport, ServerToLookAt
from common.plain_text import made_plain
from registry.fleet_records import Backup, Primary, address_key
from registry.run_records import BackupResult
from registry.store import Store
from registry.store_rules import of_primary, of_registration

NEVER_RUN = "never_run"
_LONGEST = 500
"""Maximum length of the complaint about an unreadable row."""

StatusFilter = Literal[
    "in_sync", "updated", "drifted", "blocked", "rolled_back", "failed", "incomplete", "restored", "never_run"
]

router = new_router()


@router.get("/backups", summary="All backups", tags=["backups"], operation_id="listBackups")
def list_backups(
    services: Injected,
    limit: Limit = 50,
    next: NextBackups = None,  # noqa: A002 - the parameter's name
    status: Annotated[StatusFilter | None, Query(description="Only backups whose last result has this status.")] = None,
) -> BackupPage:
    """The registered backups with their last results, in the order of their ids."""
    after = next or ""
    statuses, primary = services.store.statuses(), services.primary()
    backups = services.store.backups()
    last = {
        backup.id: of_primary(of_registration(statuses.get(backup.id), backup.registration), primary)
        for backup in backups
    }
    wanted = [backup for backup in backups if backup.id > after and status in (None, _status(last[backup.id]))]
    shown, is_more = page((views.backup_summary(backup, last[backup.id]) for backup in wanted), limit)
    unreadable = _unreadable(services.store) if not after and status is None else []
    return BackupPage(
        backups=shown,
        unreadable=unreadable[:MAX_PAGE],
        more_unreadable=max(0, len(unreadable) - MAX_PAGE),
        next=shown[-1].id if is_more else None,
    )


@router.post(
    "/backups",
    summary="Register a backup",
    tags=["backups"],
    operation_id="registerBackup",
    responses=problem_answers(409),
    status_code=201,
)
def register_backup(
    body: Annotated[NewBackup, Body(openapi_examples=examples.NEW_BACKUP)], services: Injected
) -> Response[RegisteredBackup]:
    """Register a backup and check it; a failed check does not prevent the registration."""
    refuse_forbidden_address(body.host, services)
    refuse_known_server(body.host, body.port, services)
    now = services.runtime.now()
    backup = Backup(
        id=body.id or new_backup_id(body.host, services.runtime),
        host=body.host,
        port=body.port,
        trust=views.trust(body.tls),
        enabled=body.enabled,
        report_only=body.report_only,
        parts=views.part_names(body.parts),
        rules=tuple(body.rules),
        tags=body.tags,
        created_at=now,
        updated_at=now,
    )
    note_destination(None, backup)
    added = register(backup, body.username, body.password.get_secret_value(), services)
    registered = RegisteredBackup(
        backup=views.backup_view(added, None, body.username, None), check=check_backup(added, services, asked_for=False)
    )
    headers = {"Location": f"/backups/{added.id}", "ETag": etag(added.version, added.registration)}
    return Response(201, "application/json", registered, headers)


@router.get(
    "/backups/<backup_id>",
    summary="One backup",
    tags=["backups"],
    operation_id="getBackup",
    responses=problem_answers(404),
)
def get_backup(backup_id: BackupIdParameter, services: Injected) -> Response[BackupView]:
    """A backup with its last result, without its password."""
    return shown_backup(registered_backup(backup_id, services), services)


@router.patch(
    "/backups/<backup_id>",
    summary="Change a backup",
    tags=["backups"],
    operation_id="changeBackup",
    responses=problem_answers(404, 409, 412),
)
def change_backup(
    backup_id: BackupIdParameter,
    body: Annotated[BackupChange, Body(openapi_examples=examples.BACKUP_CHANGE)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[BackupView]:
    """Change the named fields and keep the others; a new password replaces the stored one.

    A change of host, port or trust requires the password.
    """
    registered = registered_backup(backup_id, services)
    with changing(registered.id):
        version = expected_version(if_match, registered.version, registered.registration)
    if body.host is not None:
        refuse_forbidden_address(body.host, services)
    now = services.runtime.now()
    wanted = replace(_changed(registered, body), updated_at=now)
    if address_key(wanted.host, wanted.port) != address_key(registered.host, registered.port):
        refuse_known_server(wanted.host, wanted.port, services, but=registered.id)
        wanted = replace(wanted, created_at=now)  # counts as a new server, not verified yet
    note_destination(registered, wanted)
    credentials = credentials_for(wanted, registered, body.username, body.password, services)
    with changing(registered.id):
        changed = services.store.update_backup(wanted, expected_version=version)
    if credentials:
        services.credentials.put(registered.secret_id, credentials)
    return shown_backup(changed, services)


@router.delete(
    "/backups/<backup_id>",
    summary="Remove a backup",
    tags=["backups"],
    operation_id="deleteBackup",
    responses=problem_answers(404, 412),
    status_code=204,
)
def delete_backup(backup_id: BackupIdParameter, services: Injected, if_match: IfMatch = None) -> Response[None]:
    """Stop replicating to a backup. The backup's secret can be recovered for some days, and its history is kept.

    After a 503 the secret may still exist: repeat the request.
    """
    if not is_half_removed(backup_id, services):
        registered = None  # an unreadable registration can be removed too
        with changing(backup_id):
            if if_match is not None:
                registered = registered_backup(backup_id, services)
                expected_version(if_match, registered.version, registered.registration)
            services.store.delete_backup(backup_id, expected=registered)
    delete_discarded(services, backup_id)
    return Response(204)


def _changed(backup: Backup, body: BackupChange) -> Backup:
    """``backup`` with the fields that were sent; omitted fields are not in ``model_fields_set``."""
    return replace(
        backup,
        host=backup.host if body.host is None else body.host,
        port=backup.port if body.port is None else body.port,
        trust=backup.trust if body.tls is None else views.trust(body.tls),
        enabled=backup.enabled if body.enabled is None else body.enabled,
        report_only=backup.report_only if body.report_only is None else body.report_only,
        parts=views.part_names(body.parts) if "parts" in body.model_fields_set else backup.parts,
        rules=backup.rules if body.rules is None else tuple(body.rules),
        tags=backup.tags if body.tags is None else body.tags,
    )


def _unreadable(store: Store) -> list[UnreadableBackup]:
    """Unreadable registrations and results, which the list could not show correctly."""
    results = [(backup_id, f"its last result: {complaint}") for backup_id, complaint in store.unreadable_statuses()]
    return [
        UnreadableBackup(id=made_plain(backup_id, _LONGEST), complaint=made_plain(complaint, _LONGEST))
        for backup_id, complaint in (*store.unreadable_backups(), *results)
    ]


def _status(last: BackupResult | None) -> str:
    return last.status if last else NEVER_RUN


@router.post(
    "/backups/<backup_id>/check",
    summary="Try a backup",
    tags=["backups"],
    operation_id="checkBackup",
    responses=problem_answers(404),
)
def try_backup(backup_id: BackupIdParameter, services: Injected) -> CheckReport:
    """Check every requirement on a backup, including those that compare it with the primary."""
    return check_backup(registered_backup(backup_id, services), services, asked_for=True)


@router.post(
    "/check", summary="Look at a server before it is registered", tags=["backups"], operation_id="lookAtServer"
)
def look_at_server(
    body: Annotated[ServerToLookAt, Body(openapi_examples=examples.SERVER_TO_LOOK_AT)], services: Injected
) -> CheckReport:
    """Connect to a server and show its certificate, as the stack sees it, and whether it is registered.

    No log-in is attempted, nothing is sent over the connection, and nothing is stored. `server` in the reply is the
    host and port. Requirements that need a log-in are skipped, so `passed` is false.
    """
    return look_before_registration(Primary(body.host, body.port, views.trust(body.tls)), services)
