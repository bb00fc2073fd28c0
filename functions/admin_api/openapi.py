"""The OpenAPI document of the API, generated from its routes. GET /openapi.json returns it."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic.json_schema import models_json_schema

from admin_api.groups import GROUP_OF
from admin_api.operations import Api
from admin_api.problems import ProblemView, problem_answers

TITLE = "Synchronization Manager"
VERSION = "1"
_DESCRIPTION = (
    "Manages the replication of a primary Cerberus FTP server to its backups. Every request is signed "
    "(AWS Signature Version 4, service execute-api) or, where the stack names a Cognito user pool, bears one of its "
    "tokens. Every error is reported as a problem document (RFC 9457)."
)
_UNUSED = ("HTTPValidationError", "ResponseValidationError", "ValidationError")
"""Schemas of replies that the library would send; this API sends problem documents instead."""

_ALWAYS = (HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
_WITH_PARAMETERS = (HTTPStatus.UNPROCESSABLE_ENTITY,)
_WITH_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_SECURITY_SCHEMES = {
    "sigv4": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "awsSigv4",
        "description": (
            "AWS Signature Version 4 or, if the stack names a user pool, an ID token of that pool. The owner of the "
            "token has to be in the group that x-user-pool-group names for the operation, or in a higher one: an "
            "approver has all rights of an operator, and an operator all rights of a reader."
        ),
    }
}
_GATEWAY_REFUSAL: dict[str, Any] = {
    "description": (
        "Forbidden. API Gateway refuses a request that is not signed, whose signer has no permission, or whose route "
        "does not exist. With a user pool, the function refuses a token whose owner is in no sufficient group."
    ),
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/GatewayMessage"}}},
}
_GATEWAY_MESSAGE = {
    "type": "object",
    "description": "API Gateway's own answer.",
    "properties": {"message": {"type": "string"}},
}


def document(api: Api) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes, including the errors that every route may return."""
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
    failures = {operation.id: operation.failures for operation in api.operations}
    for operations in generated["paths"].values():
        for operation in operations.values():
            _complete(operation, failures[operation["operationId"]])
    return generated


def _complete(operation: dict[str, Any], failures: Mapping[int, OpenAPIResponse]) -> None:
    group = GROUP_OF[operation["operationId"]].label
    operation["x-user-pool-group"] = group
    operation["description"] = f"Group of a user pool: {group}."
    answers = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    if "204" in answers:
        del answers["204"]["content"]
    problems = {**problem_answers(*_statuses(operation)), **failures}
    operation["responses"] = answers | {str(status): dict(problems[status]) for status in sorted(problems)}
    refusal = operation["responses"]["403"]
    refusal["content"] = {**refusal["content"], **_GATEWAY_REFUSAL["content"]}
    if HTTPStatus.FORBIDDEN not in failures:
        refusal["description"] = _GATEWAY_REFUSAL["description"]


def _statuses(operation: dict[str, Any]) -> set[HTTPStatus]:
    """The error statuses that an operation may return beyond those that it declares: more if it has parameters or a
    body.
    """
    statuses = {*_ALWAYS}
    if operation.get("parameters"):
        statuses.update(_WITH_PARAMETERS)
    if "requestBody" in operation:
        statuses.update(_WITH_BODY)
    return statuses


def _problem_schemas() -> dict[str, Any]:
    _, schema = models_json_schema([(ProblemView, "serialization")], ref_template="#/components/schemas/{model}")
    return {**schema["$defs"], "GatewayMessage": _GATEWAY_MESSAGE}
