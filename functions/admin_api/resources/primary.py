"""The primary: where it is, and whether it can be replicated from."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from admin_api import examples, views
from admin_api.checking import check_primary
from admin_api.inbound import etag, expected_version
from admin_api.parameters import IfMatch, changed_credentials, refuse_forbidden_address, username_of
from admin_api.routing import new_router
from admin_api.schemas import CheckedPrimary, CheckReport, NewPrimary, PrimaryView
from admin_api.services import Injected, Services
from common.reasons import Failure, Reason
from registry.models import Primary
from wiring.endpoints import PRIMARY_ID

router = new_router()


@router.get("/primary", summary="The primary", tags=["primary"], operation_id="getPrimary")
def get_primary(services: Injected) -> Response[PrimaryView]:
    """Where the primary is, without its password."""
    return _shown(_known(services), services)


@router.put("/primary", summary="Set the primary", tags=["primary"], operation_id="putPrimary")
def put_primary(
    body: Annotated[NewPrimary, Body(openapi_examples=examples.NEW_PRIMARY)],
    services: Injected,
    if_match: IfMatch = None,
) -> Response[CheckedPrimary]:
    """Say where the primary is; user name and password that are left out stay as they are."""
    stored = services.store.primary()
    version = expected_version(if_match, stored.version if stored else 0)
    refuse_forbidden_address(body.host, services)
    credentials = changed_credentials(PRIMARY_ID, body.username, body.password, services)
    saved = services.store.save_primary(Primary(body.host, body.port, views.trust(body.tls)), expected_version=version)
    if credentials:
        services.credentials.put(PRIMARY_ID, credentials)
    checked = CheckedPrimary(
        primary=views.primary_view(saved, username_of(PRIMARY_ID, services)), check=check_primary(saved, services)
    )
    return Response(200, "application/json", checked, {"ETag": etag(saved.version)})


@router.post("/primary/check", summary="Try the primary", tags=["primary"], operation_id="checkPrimary")
def try_primary(services: Injected) -> CheckReport:
    """Try every requirement on the primary now."""
    return check_primary(_known(services), services)


def _known(services: Services) -> Primary:
    primary = services.primary()
    if primary is None:
        raise Failure(Reason.PRIMARY_NOT_REGISTERED, "no primary is registered")
    return primary


def _shown(primary: Primary, services: Services) -> Response[PrimaryView]:
    view = views.primary_view(primary, username_of(PRIMARY_ID, services))
    return Response(200, "application/json", view, {"ETag": etag(primary.version)})
