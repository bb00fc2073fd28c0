"""The management API behind API Gateway, which authenticates callers before this code runs."""

from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import Field

from admin_api import openapi
from admin_api.audit import Reply, recorded
from admin_api.dependencies import Services, services
from admin_api.operations import Api, Operation
from admin_api.pages import refuse_too_large
from admin_api.problems import Refused, respond
from admin_api.request import operation_of, read_object, readable, refuse_unknown_parameters
from admin_api.routes import (
    backups,
    imports,
    plans,
    primary,
    restores,
    sync_runs,
    sync_settings,
)
from admin_api.schemas.fields import Model
from common.version import VERSION, VERSION_PATTERN
from fleet.log_lines import new_logger

logger = new_logger()

# debug and log_event are set here, because environment variables could otherwise switch them on. Events contain
# passwords.
api = Api(
    enable_validation=True, debug=False, json_body_deserializer=read_object, response_validation_error_http_code=500
)
api.exception_handler(Exception)(respond)
for routes in (primary, sync_settings, imports, backups, plans, restores, sync_runs):
    api.include_router(routes.router)


class Health(Model):
    """The reply of the health route. ``version`` is the product's version, by Semantic Versioning."""

    status: Literal["ok"] = "ok"
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]


@api.get("/health", summary="Whether the API answers", tags=["api"], operation_id="getHealth")
def get_health() -> Health:
    """Report that the API is deployed, with its version. The report says nothing about the servers."""
    return Health(version=VERSION)


@api.get("/openapi.json", summary="This document", tags=["api"], operation_id="getOpenApi")
def get_openapi() -> dict[str, Any]:
    """The OpenAPI document of the API, generated from its routes."""
    return _document()


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> Reply:
    """The Lambda handler: takes an API Gateway proxy event and always returns a proxy reply."""
    try:
        return recorded(event, _operation(event), _services, partial(_answer, event, context))
    except Exception as error:  # noqa: BLE001 - the caller gets a problem document, not the gateway's 502
        return _proxy_reply(respond(error))


def _answer(event: Mapping[str, Any], context: LambdaContext) -> Reply:
    """The reply to a request, even to a refused one. This function raises nothing."""
    try:
        operation = operation_of(api, event)
        if pool := _services().user_pool:
            pool.refuse_unless_permitted(operation.id, event)
        refuse_unknown_parameters(operation, event)
        resolved = api.resolve(readable(event), context)
        # A reply without a body becomes an empty text.
        return resolved | {"body": refuse_too_large(resolved["body"] or "")}
    except Exception as error:  # noqa: BLE001 - the caller gets a problem document for any error
        return _proxy_reply(respond(error))


def _operation(event: Mapping[str, Any]) -> Operation | None:
    try:
        return operation_of(api, event)
    except Refused:
        return None


def _services() -> Services:
    made: Services = api.dependency_overrides.get(services, services)()
    return made


def _proxy_reply(response: Response[str]) -> Reply:
    return {
        "statusCode": response.status_code,
        "multiValueHeaders": {
            name: [value] if isinstance(value, str) else value for name, value in response.headers.items()
        },
        "body": response.body,
        "isBase64Encoded": False,
    }


@cache
def _document() -> dict[str, Any]:
    return openapi.document(api)
