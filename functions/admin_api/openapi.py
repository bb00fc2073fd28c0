"""The API's own description, made from its routes. GET /openapi.json answers with it."""

import json
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic.json_schema import models_json_schema

from admin_api.groups import GROUP_OF
from admin_api.problems import MEDIA_TYPE
from admin_api.schemas import ProblemView

TITLE = "Synchronization Manager"
VERSION = "1"
_DESCRIPTION = (
    "Manages the replication of a primary Cerberus FTP server to its backups. Every request is signed "
    "(AWS Signature Version 4, service execute-api) or, where the stack names a Cognito user pool, bears one of its "
    "tokens. What goes wrong is reported in one kind of document (RFC 9457)."
)
_UNUSED = ("HTTPValidationError", "ResponseValidationError", "ValidationError")
"""What the library would answer by itself; this API answers with problem documents."""

_ALWAYS = (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
_WITH_PARAMETERS = (HTTPStatus.UNPROCESSABLE_ENTITY,)
_WITH_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_WHEN = {
    HTTPStatus.BAD_REQUEST: "The body is not one well-formed JSON object.",
    HTTPStatus.FORBIDDEN: "Somebody else has to do it; or, by API Gateway, as on every route.",
    HTTPStatus.NOT_FOUND: "There is none.",
    HTTPStatus.CONFLICT: "What is stored does not allow it.",
    HTTPStatus.PRECONDITION_FAILED: "It is no longer the version that If-Match names.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has more than 256 KiB.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json.",
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "A field or parameter is not as described, or a host resolves to an address that is never connected to; "
        "errors names each."
    ),
    HTTPStatus.TOO_MANY_REQUESTS: "One of the servers is being read for another plan; Retry-After says for how long.",
    HTTPStatus.FAILED_DEPENDENCY: "A server had to be asked, and did not answer as it should.",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service that is needed did not do its part; try again.",
}
_OF_OPERATION = {
    "getPrimary": (HTTPStatus.NOT_FOUND,),
    "putPrimary": (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED),
    "changePrimary": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED),
    "checkPrimary": (HTTPStatus.NOT_FOUND,),
    "promoteBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED),
    "resumePrimary": (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    "compareStates": (
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
    "putSyncSettings": (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED),
    "registerBackup": (HTTPStatus.CONFLICT,),
    "getBackup": (HTTPStatus.NOT_FOUND,),
    "changeBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED),
    "deleteBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    "checkBackup": (HTTPStatus.NOT_FOUND,),
    "listSnapshots": (HTTPStatus.NOT_FOUND,),
    "restoreBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN),
    "getPlan": (
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
    "approvePlan": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN),
    "pauseBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    "resumeBackup": (HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED),
    "importBackups": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.FAILED_DEPENDENCY),
    "startRun": (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    "getRun": (HTTPStatus.NOT_FOUND,),
    "getHistory": (HTTPStatus.NOT_FOUND,),
}
_SECURITY_SCHEMES = {
    "sigv4": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
        "description": (
            "AWS Signature Version 4, or an ID token of the user pool where the stack names one. Its bearer is in the "
            "group that x-user-pool-group names for the operation, or in one that includes it: an approver may do what "
            "an operator may, an operator what a reader may."
        ),
    }
}
_GATEWAY_REFUSAL: dict[str, Any] = {
    "description": (
        "Forbidden: by API Gateway, because the request is not signed, not by somebody who may, or not for a route "
        "that exists; with a user pool, because the token is of none of its groups that may."
    ),
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GatewayMessage"}}},
}
_GATEWAY_MESSAGE = {
    "type": "object",
    "description": "API Gateway's own answer.",
    "properties": {"message": {"type": "string"}},
}


def document(api: APIGatewayRestResolver) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes, with the answers that every route may give."""
    generated: dict[str, Any] = json.loads(
        api.get_openapi_json_schema(title=TITLE, version=VERSION, description=_DESCRIPTION, openapi_version="3.1.0")
    )
    generated["servers"] = [{"url": "/v1"}]
    generated["security"] = [{"sigv4": []}]
    components = generated["components"]
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["schemas"] = {
        name: schema
        for name, schema in sorted({**components["schemas"], **_problem_schemas()}.items())
        if name not in _UNUSED
    }
    for operations in generated["paths"].values():
        for operation in operations.values():
            _complete(operation)
    return generated


def _complete(operation: dict[str, Any]) -> None:
    group = GROUP_OF[operation["operationId"]].label
    operation["x-user-pool-group"] = group
    operation["description"] = f"Group of a user pool: {group}."
    answers = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    if "204" in answers:
        del answers["204"]["content"]
    operation["responses"] = answers | {
        str(status.value): _problem_answer(status) for status in sorted(_statuses(operation))
    }
    refusal = operation["responses"]["403"]
    refusal["content"] = {**refusal["content"], **_GATEWAY_REFUSAL["content"]}
    if HTTPStatus.FORBIDDEN not in _OF_OPERATION.get(operation["operationId"], ()):
        refusal["description"] = _GATEWAY_REFUSAL["description"]


def _statuses(operation: dict[str, Any]) -> set[HTTPStatus]:
    statuses = {*_ALWAYS, *_OF_OPERATION.get(operation["operationId"], ())}
    if operation.get("parameters"):
        statuses.update(_WITH_PARAMETERS)
    if "requestBody" in operation:
        statuses.update(_WITH_BODY)
    return statuses


def _problem_answer(status: HTTPStatus) -> dict[str, Any]:
    return {
        "description": _WHEN[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemView"}}},
    }


def _problem_schemas() -> dict[str, Any]:
    _, schema = models_json_schema([(ProblemView, "serialization")], ref_template="#/components/schemas/{model}")
    definitions: dict[str, Any] = schema["$defs"]
    return {**definitions, "GatewayMessage": _GATEWAY_MESSAGE}
