"""The primary's registration, checks, promotion and stored states."""

from dataclasses import replace
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from admin_api import examples, views
from admin_api.audit import note_destination
from admin_api.checks import check_primary
from admin_api.dependencies import Injected, Services
from admin_api.pages import page
from admin_api.parameters import (
    DigestParameter,
    IfMatch,
    Limit,
    NextRuns,
    credentials_for,
    refuse_forbidden_address,
    registered_backup,
    username_of,
)
from admin_api.plans import difference_of
from admin_api.problems import problem_answers
from admin_api.promotion import concerns_about, former_id, refuse_unsafe, warnings_about
from admin_api.registration import refuse_known_server
from admin_api.request import caller, etag, expected_version, new_router
from admin_api.schemas.fields import DIGEST_PATTERN
from admin_api.schemas.plans import DifferenceView
from admin_api.schemas.primary import (
    CheckedPrimary,
    NewPrimary,
    NewPromotion,
    PrimaryChange,
    PrimaryDetails,
    PrimaryView,
    PromotionView,
    StatePage,
)
from admin_api.schemas.servers import CheckReport
from admin_api.timeouts import leads_to
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from registry.fleet_records import Primary
from registry.store_rules import of_primary, primary_as_named, promotion

router = new_router()


@router.get(
    "/primary", summary="The primary", tags=["primary"], operation_id="getPrimary", responses=problem_answers(404)
)
def get_primary(services: Injected) -> Response[PrimaryDetails]:
    """The primary's registration without its password, and the accepted parts of its content."""
    primary = services.source.primary
    acceptance = of_primary(services.store.acceptance(), primary)
    view = views.primary_details(primary, username_of(primary.secret_id, services), acceptance)
    return Response(200, "application/json", view, {"ETag": etag(primary.version)})


@router.put(
    "/primary",
    summary="Set the primary",
    tags=["primary"],
    operation_id="putPrimary",
    responses=problem_answers(409, 412),
)
def put_primary(
    body: Annotated[NewPrimary, Body(openapi_examples=examples.NEW_PRIMARY)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[CheckedPrimary]:
    """Set the primary. Host, port and trust are replaced; an omitted user name or password is kept.

    Omitted trust means the system's roots, whereas `PATCH` keeps the stored trust. A change of host, port or trust
    requires the password. Another host or port means another server: nothing is pushed from it until somebody resumes.
    While a run is under way, the server cannot be changed (409 `lease_held`), because the run may be writing to it.
    """
    stored = services.store.primary()
    version = expected_version(if_match, stored.version if stored else 0)
    return _stored(Primary(body.host, body.port, views.trust(body.tls)), body, version, services)


@router.patch(
    "/primary",
    summary="Change the primary",
    tags=["primary"],
    operation_id="changePrimary",
    responses=problem_answers(404, 409, 412),
)
def change_primary(
    body: Annotated[PrimaryChange, Body(openapi_examples=examples.PRIMARY_CHANGE)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[CheckedPrimary]:
    """Change the named fields and keep the others; a new password replaces the stored one.

    A change of host, port or trust requires the password. Another host or port means another server: nothing is pushed
    from it until somebody resumes. While a run is under way, the server cannot be changed (409 `lease_held`).
    """
    registered = services.source.primary
    version = expected_version(if_match, registered.version)
    named = Primary(
        registered.host if body.host is None else body.host,
        registered.port if body.port is None else body.port,
        registered.trust if body.tls is None else views.trust(body.tls),
    )
    return _stored(named, body, version, services)


def _stored(
    named: Primary, body: NewPrimary | PrimaryChange, version: int, services: Services
) -> Response[CheckedPrimary]:
    """Store the primary's registration and credentials, and check it."""
    refuse_forbidden_address(named.host, services)
    now = services.runtime.now()
    why = (
        f"the primary was set to {named.host}:{named.port} at {now:%Y-%m-%d %H:%M:%S} UTC "
        f"by {caller(router.current_event.raw_event)}"
    )
    # If no primary is in use now, the stored one counts: the last pushes came from it.
    previous = services.primary() or services.store.primary()
    if previous is None or previous.source != named.source:
        refuse_known_server(named.host, named.port, services, but=PRIMARY_ID)
    changed = primary_as_named(named, previous, why, now)
    note_destination(previous, changed)
    credentials = credentials_for(changed, previous, body.username, body.password, services)
    saved = services.store.save_primary(changed, expected_version=version, now=services.runtime.now())
    if credentials:
        services.credentials.put(saved.secret_id, credentials)
    checked = CheckedPrimary(
        primary=views.primary_view(saved, username_of(saved.secret_id, services)),
        check=check_primary(saved, services, asked_for=False),
    )
    return Response(200, "application/json", checked, {"ETag": etag(saved.version)})


@router.post(
    "/primary/check",
    summary="Try the primary",
    tags=["primary"],
    operation_id="checkPrimary",
    responses=problem_answers(404),
)
def try_primary(services: Injected) -> CheckReport:
    """Check every requirement on the primary."""
    return check_primary(services.source.primary, services, asked_for=True)


@router.post(
    "/primary/promote",
    summary="Make a backup the primary",
    tags=["primary"],
    operation_id="promoteBackup",
    responses=problem_answers(404, 409, 412),
)
def promote_backup(
    body: Annotated[NewPromotion, Body(openapi_examples=examples.PROMOTION)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[PromotionView]:
    """Make a backup the primary, and the old primary a disabled backup, in one transaction. No server is written to.

    Afterwards runs only look, until somebody resumes or starts a run over the whole fleet. The old primary does not
    have to be reachable.
    """
    old, backup = services.source.primary, registered_backup(body.backup_id, services)
    expected_version(if_match, old.version)
    now = services.runtime.now()
    why = f"{backup.id} was made the primary at {now:%Y-%m-%d %H:%M:%S} UTC by {caller(router.current_event.raw_event)}"
    made = promotion(old, backup, former_id(body.former_id, old, backup, services), why, now)
    # The backup's host name may resolve to the primary by now. Force cannot override this, because the primary must not
    # get the backup's password.
    if leads_to((backup.host, backup.port), (old.host, old.port), services.addresses, services.runtime):
        raise Failure(Reason.SAME_AS_PRIMARY, f"the address of {backup.id} leads to the primary itself")
    refuse_known_server(backup.host, backup.port, services, but=backup.id)
    check = check_primary(made.primary, services, asked_for=False, not_at=(old.host, old.port))
    concerns = list(concerns_about(backup, old, check, services))
    refuse_unsafe(concerns, backup, force=body.force)
    warnings = list(warnings_about(backup, services))
    services.store.promote(made, now=services.runtime.now())
    view = PromotionView(
        primary=views.primary_view(made.primary, username_of(made.primary.secret_id, services)),
        former=views.backup_summary(made.former, None),
        check=check,
        concerns=concerns,
        warnings=warnings,
    )
    return Response(200, "application/json", view, {"ETag": etag(made.primary.version)})


@router.post(
    "/primary/resume",
    summary="Push again",
    tags=["primary"],
    operation_id="resumePrimary",
    responses=problem_answers(404, 412),
)
def resume_primary(services: Injected, if_match: IfMatch = None) -> Response[PrimaryView]:
    """After a change of the primary, let runs push from the new one. If runs already push from it, nothing changes."""
    primary = services.source.primary
    version = expected_version(if_match, primary.version)
    if primary.held:
        primary = services.store.save_primary(replace(primary, held=""), expected_version=version)
    view = views.primary_view(primary, username_of(primary.secret_id, services))
    return Response(200, "application/json", view, {"ETag": etag(primary.version)})


@router.get("/primary/states", summary="The primary's states", tags=["primary"], operation_id="listStates")
def list_states(services: Injected, limit: Limit = 50, next: NextRuns = None) -> StatePage:  # noqa: A002 - the parameter's name
    """Every stored state of the primary, newest first.

    A state that returned after another one is listed once for each period.
    """
    states = services.store.states(limit=limit + 1, before=next)
    shown, is_more = page(map(views.state_view, states), limit)
    return StatePage(states=shown, next=shown[-1].first_run_id if is_more else None)


@router.get(
    "/primary/states/<digest>/diff",
    summary="How two states differ",
    tags=["primary"],
    operation_id="compareStates",
    responses=problem_answers(404, 409, 424, 429),
)
def compare_states(
    digest: DigestParameter,
    services: Injected,
    to: Annotated[
        str | None,
        Query(pattern=DIGEST_PATTERN, description="The other state; without it, the primary's current content."),
    ] = None,
) -> DifferenceView:
    """The changes since the state with this digest, in the form of a plan; values that look like secrets are hidden."""
    return difference_of(digest, to, services)
