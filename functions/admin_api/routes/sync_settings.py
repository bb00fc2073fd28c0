"""The settings of the whole fleet, and the schedule, which is stored in the EventBridge rules."""

from dataclasses import asdict
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples, views
from admin_api.dependencies import Injected, Services
from admin_api.parameters import IfMatch
from admin_api.problems import problem_answers
from admin_api.request import etag, expected_version, new_router
from admin_api.schemas.sync_settings import LimitsView, NewSyncSettings, SyncSettingsChange, SyncSettingsView
from common.errors import Failure
from registry.fleet_records import PushLimits, SyncSettings
from registry.schedule import Schedule
from registry.store import Store, VersionConflict
from replication.guards.limits import Limits

router = new_router()


@router.get("/sync-settings", summary="Settings and schedule", tags=["settings"], operation_id="getSyncSettings")
def get_sync_settings(services: Injected) -> Response[SyncSettingsView]:
    """The stored settings, and the current schedule of the EventBridge rules."""
    return _shown(services.store.settings(), services.schedule.read())


@router.put(
    "/sync-settings",
    summary="Set them",
    tags=["settings"],
    operation_id="putSyncSettings",
    responses=problem_answers(409, 412),
)
def put_sync_settings(
    body: Annotated[NewSyncSettings, Body(openapi_examples=examples.SYNC_SETTINGS)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[SyncSettingsView]:
    """Replace the settings and update the EventBridge rules, both or neither; the reply shows the rules' state
    afterwards.
    """
    before = services.store.settings()
    return _saved(body, before, expected_version(if_match, before.version), services)


@router.patch(
    "/sync-settings",
    summary="Change some of them",
    tags=["settings"],
    operation_id="changeSyncSettings",
    responses=problem_answers(409, 412),
)
def change_sync_settings(
    body: Annotated[SyncSettingsChange, Body(openapi_examples=examples.SYNC_SETTINGS_CHANGE)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[SyncSettingsView]:
    """Change the named settings, keep the others, and update the EventBridge rules, both or neither."""
    before = services.store.settings()
    version = expected_version(if_match, before.version)
    present = _view(before, services.schedule.read()).model_dump(exclude={"schedule_notes"})
    whole = NewSyncSettings.model_validate(present | body.model_dump(exclude_unset=True))
    return _saved(whole, before, version, services)


def _saved(body: NewSyncSettings, before: SyncSettings, version: int, services: Services) -> Response[SyncSettingsView]:
    """Store the settings and change the rules, or neither. Raises Failure, VersionConflict."""
    store = services.store
    change = services.schedule.prepare(Schedule(body.enabled, body.interval_minutes, body.on_change_polling))
    saved = store.save_settings(
        SyncSettings(
            parts=views.part_names(body.parts),
            rules=tuple(body.rules),
            replicate_auto_block_list=body.replicate_auto_block_list,
            limits=_limits(body),
            block_widened_access=body.block_widened_access,
            approval_by_another=body.approval_by_another,
            connect_timeout=body.connect_timeout,
            read_timeout=body.read_timeout,
            reply_limit_mb=body.reply_limit_mb,
            full_verification_minutes=body.full_verification_minutes,
            personal_roles=tuple(dict.fromkeys(body.personal_roles)),
            approval_hours=body.approval_hours,
        ),
        expected_version=version,
    )
    try:
        schedule = change.make()
    except Failure as failure:
        _put_back(before, saved, store, failure)
        raise
    return _shown(saved, schedule)


def _put_back(before: SyncSettings, saved: SyncSettings, store: Store, failure: Failure) -> None:
    """Restore the previous settings, because the EventBridge rules could not be changed. Raises Failure if the settings
    cannot be restored either.
    """
    try:
        store.save_settings(before, expected_version=saved.version)
    except (Failure, VersionConflict):
        half = f"{failure.message}; the settings were stored before, and the previous ones could not be restored"
        raise Failure(failure.reason, half) from None


def _limits(body: NewSyncSettings) -> PushLimits | None:
    """The limits to store; default values are not stored, so that a client can send back what it read without pinning
    the defaults.
    """
    numbers = body.limits.model_dump() if body.limits else None
    return None if numbers in (None, asdict(Limits())) else PushLimits(**numbers)


def _shown(settings: SyncSettings, schedule: Schedule) -> Response[SyncSettingsView]:
    return Response(200, "application/json", _view(settings, schedule), {"ETag": etag(settings.version)})


def _view(settings: SyncSettings, schedule: Schedule) -> SyncSettingsView:
    return SyncSettingsView(
        enabled=schedule.enabled,
        interval_minutes=schedule.interval_minutes,
        on_change_polling=schedule.polling,
        parts=list(settings.parts) if settings.parts is not None else None,
        rules=list(settings.rules),
        replicate_auto_block_list=settings.replicate_auto_block_list,
        limits=LimitsView(**asdict(settings.limits or Limits())),
        block_widened_access=settings.block_widened_access,
        approval_by_another=settings.approval_by_another,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        reply_limit_mb=settings.reply_limit_mb,
        full_verification_minutes=settings.full_verification_minutes,
        personal_roles=list(settings.personal_roles),
        approval_hours=settings.approval_hours,
        schedule_notes=list(schedule.notes),
    )
