"""All errors of the API, as one kind of document (RFC 9457) with the product's reason codes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

from admin_api.field_errors import in_words
from admin_api.schemas.fields import Model
from common.errors import REMEDIES, Failure, Reason, places
from common.plain_text import made_plain
from registry.store import AlreadyRegistered, VersionConflict

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 50
_LONGEST_NAME = 80
"""Maximum length of a field name, which a client may choose freely."""

_STATUS: Mapping[Reason, HTTPStatus] = {
    Reason.REQUEST_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.ADDRESS_FORBIDDEN: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.BODY_MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.MEDIA_TYPE_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.ROUTE_UNKNOWN: HTTPStatus.NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Reason.UNKNOWN_BACKUP: HTTPStatus.NOT_FOUND,
    Reason.UNKNOWN_RUN: HTTPStatus.NOT_FOUND,
    Reason.PRIMARY_NOT_REGISTERED: HTTPStatus.NOT_FOUND,
    Reason.SNAPSHOT_MISSING: HTTPStatus.NOT_FOUND,
    Reason.SNAPSHOT_UNREADABLE: HTTPStatus.CONFLICT,
    Reason.SNAPSHOT_ALTERED: HTTPStatus.CONFLICT,
    Reason.ALREADY_REGISTERED: HTTPStatus.CONFLICT,
    Reason.REGISTRATION_INVALID: HTTPStatus.CONFLICT,
    Reason.BACKUP_DISABLED: HTTPStatus.CONFLICT,
    Reason.BACKUP_REPORT_ONLY: HTTPStatus.CONFLICT,
    Reason.SNAPSHOT_UNFIT: HTTPStatus.CONFLICT,
    Reason.SNAPSHOT_OF_FORMER_SERVER: HTTPStatus.CONFLICT,
    Reason.REGISTRATION_CHANGED: HTTPStatus.CONFLICT,
    Reason.CREDENTIALS_MISSING: HTTPStatus.CONFLICT,
    Reason.PASSWORD_NEEDED: HTTPStatus.CONFLICT,
    Reason.LEASE_HELD: HTTPStatus.CONFLICT,
    Reason.RULE_MISSING: HTTPStatus.CONFLICT,
    Reason.PROMOTION_UNSAFE: HTTPStatus.CONFLICT,
    Reason.SAME_AS_PRIMARY: HTTPStatus.CONFLICT,
    Reason.NOTHING_TO_APPROVE: HTTPStatus.CONFLICT,
    Reason.PLAN_NOT_CURRENT: HTTPStatus.CONFLICT,
    Reason.APPROVAL_BY_ANOTHER: HTTPStatus.FORBIDDEN,
    Reason.PLAN_UNDER_WAY: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    Reason.VERSION_CONFLICT: HTTPStatus.PRECONDITION_FAILED,
    Reason.REGISTRY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.RECORD_UNREADABLE: HTTPStatus.INTERNAL_SERVER_ERROR,
    Reason.CONFIGURATION_INVALID: HTTPStatus.INTERNAL_SERVER_ERROR,
    Reason.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_OF_A_SERVER = HTTPStatus.FAILED_DEPENDENCY
"""The status for every reason that the table above does not list: a Cerberus server that the request depends on did not
reply as expected.
"""

logger = Logger(child=True)


@dataclass(frozen=True)
class FieldError:
    """The error in one field of a request."""

    field: str
    reason: str


@dataclass(frozen=True)
class Problem:
    """One error, described for the client. The description contains nothing of the request except field names."""

    reason: Reason
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> HTTPStatus:
        return _STATUS.get(self.reason, _OF_A_SERVER)

    def document(self) -> dict[str, Any]:
        return {
            "type": f"urn:cerberus-sync:problem:{self.reason}",
            "title": self.reason.value.replace("_", " ").capitalize(),
            "status": self.status.value,
            "detail": self.detail,
            "reason": self.reason.value,
            "remedy": REMEDIES[self.reason],
            "errors": [{"field": error.field, "reason": error.reason} for error in self.errors],
        }

    def response(self) -> Response[str]:
        return Response(self.status.value, MEDIA_TYPE, json.dumps(self.document()), dict(self.headers))


class FieldErrorView(Model):
    """The error in one field."""

    field: str
    reason: str


class ProblemView(Model):
    """A problem document (RFC 9457). ``reason`` is the same code as in records, metrics and log lines."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    remedy: str
    errors: list[FieldErrorView]


class Refused(Exception):
    """Ends a request with this problem as the reply."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @classmethod
    def field(cls, name: str, why: str, reason: Reason = Reason.REQUEST_INVALID) -> "Refused":
        """A refusal because of one field, whose name the client may choose freely."""
        name = made_plain(name, _LONGEST_NAME)
        return cls(Problem(reason, f"{name}: {why}", (FieldError(name, why),)))


def problem_of(error: Exception) -> Problem:
    """The only place that converts exceptions to problems."""
    match error:
        case Refused():
            return error.problem
        case Failure():
            where = f"{error.server}: " if error.server else ""
            return Problem(error.reason, f"{where}{error.message}")
        case AlreadyRegistered():
            return Problem(
                Reason.ALREADY_REGISTERED, f"{error.existing} is registered with this id, or with this host and port"
            )
        case VersionConflict():
            return Problem(Reason.VERSION_CONFLICT, f"{error.of or 'it'} was changed by another request meanwhile")
        case RequestValidationError():
            wrong = tuple(FieldError(_field(one["loc"]), in_words(one)) for one in error.errors()[:_MOST_ERRORS])
            return Problem(Reason.REQUEST_INVALID, "the request does not match its description", wrong)
        case RequestUnsupportedContentType():
            return Problem(Reason.MEDIA_TYPE_UNSUPPORTED, "the body is not application/json")
        case NotFoundError():
            return Problem(Reason.ROUTE_UNKNOWN, "no route exists at this path")
        case _:
            return Problem(Reason.INTERNAL_ERROR, f"the program failed ({type(error).__name__})")


def respond(error: Exception) -> Response[str]:
    """The reply to an exception; an unexpected exception is logged with its type and stack trace, without its text."""
    problem = problem_of(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error(
            "request failed",
            extra={"reason": problem.reason, "detail": problem.detail, "fault": places(error)},
        )
    return problem.response()


def _field(location: Iterable[object]) -> str:
    """The name of a field: ``host`` in the body, ``limit`` for a parameter, ``body`` for the body itself."""
    where, *names = (made_plain(str(step), _LONGEST_NAME) for step in location)
    return ".".join(names) or where


_WHEN: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "The body is not one well-formed JSON object.",
    HTTPStatus.FORBIDDEN: "Another person has to make this request; or API Gateway denies access, as on every route.",
    HTTPStatus.NOT_FOUND: "The named object does not exist.",
    HTTPStatus.CONFLICT: "The stored state does not allow the request.",
    HTTPStatus.PRECONDITION_FAILED: "The stored version is no longer the one in If-Match.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has more than 256 KiB.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not application/json.",
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "A field or parameter is not as described, or a host resolves to a forbidden address; errors names each."
    ),
    HTTPStatus.TOO_MANY_REQUESTS: "One of the servers is being read for another plan; Retry-After says for how long.",
    HTTPStatus.FAILED_DEPENDENCY: "A server that the request depends on did not answer as expected.",
    HTTPStatus.SERVICE_UNAVAILABLE: "An AWS service that the request needs failed; try again.",
}


def problem_answers(*statuses: int) -> dict[int, OpenAPIResponse]:
    """The OpenAPI descriptions of problem documents with these statuses."""
    schema = {"$ref": "#/components/schemas/ProblemView"}
    return {status: {"description": _WHEN[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}
