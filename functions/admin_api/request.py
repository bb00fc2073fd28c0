"""Checks of a request before routing, and helpers for routes."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from admin_api.operations import Api, Operation
from admin_api.problems import Problem, Refused
from common.errors import Reason
from common.patterns import Whole
from registry.store import VersionConflict

MAX_BODY = 256 * 1024
"""Maximum size of a body in bytes."""

_JSON = Whole(r"(?i)application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?")
_SEGMENT = Whole(r"[A-Za-z0-9._-]+")


def method_of(event: Mapping[str, Any]) -> str:
    """The request's method in upper case."""
    return str(event.get("httpMethod", "")).upper()


def path_of(event: Mapping[str, Any]) -> str:
    """The request's path as the routes see it."""
    return str(event.get("path", ""))


def operation_of(api: Api, event: Mapping[str, Any]) -> Operation:
    """The operation that a request calls. Raises Refused if the path does not exist or does not support the method.

    Only one spelling of a path is accepted. IAM compares paths as text, so another spelling would bypass a policy that
    denies the path.
    """
    path, method = path_of(event), method_of(event)
    as_sent = str((event.get("requestContext") or {}).get("path") or path)  # the path with the API's stage
    if not (_is_canonical(path) and _is_canonical(as_sent) and as_sent.endswith(path)):
        raise Refused(Problem(Reason.ROUTE_UNKNOWN, "the path is not in its canonical spelling"))
    operations = api.at(path)
    if not operations:
        raise Refused(Problem(Reason.ROUTE_UNKNOWN, "no route exists at this path"))
    for operation in operations:
        if method == operation.method:
            return operation
    allowed = {"Allow": ", ".join(sorted({operation.method for operation in operations}))}
    raise Refused(Problem(Reason.METHOD_NOT_ALLOWED, "this path does not support this method", headers=allowed))


def _is_canonical(path: str) -> bool:
    """Whether a path has no trailing slash, no empty or dot segment, and no encoded character."""
    before, *segments = path.split("/")
    return not before and all(_SEGMENT.fullmatch(one) and one not in (".", "..") for one in segments)


def readable(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with a decoded body, after checks of its size and media type.

    The Content-Type header is removed after the check, because the library accepts only one spelling of it and would
    also parse forms. Raises Refused for a body that is too large, not text, or of another media type.
    """
    sent = event.get("headers") or {}
    headers = {name: value for name, value in sent.items() if name.lower() != "content-type"}
    body = event.get("body")
    if not body:
        return {**event, "headers": headers}
    raw = _decoded(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY:
        raise Refused(Problem(Reason.BODY_TOO_LARGE, f"the body has {len(raw)} bytes; {MAX_BODY} are accepted"))
    media_type = next((value for name, value in sent.items() if name.lower() == "content-type" and value), "")
    if media_type and not _JSON.fullmatch(media_type.strip()):
        raise Refused(Problem(Reason.MEDIA_TYPE_UNSUPPORTED, "the body is not application/json"))
    return {**event, "headers": headers, "body": raw.decode("utf-8", "surrogatepass"), "isBase64Encoded": False}


def _decoded(body: str) -> bytes:
    try:
        raw = base64.b64decode(body, validate=True)
        raw.decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refused(Problem(Reason.BODY_MALFORMED, "the body is not text in UTF-8")) from None
    return raw


def read_object(body: str) -> dict[str, Any]:
    """Parse the body as a JSON object. Raises Refused for anything else, including duplicate names."""
    try:
        content = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):  # the exception contains the body, so it must not be chained to another one
        content = None
    if not isinstance(content, dict):
        raise Refused(Problem(Reason.BODY_MALFORMED, "the body is not one well-formed JSON object"))
    return content


def refuse_unknown_parameters(operation: Operation, event: Mapping[str, Any]) -> None:
    """Raise Refused for an unknown query parameter, and for a duplicate one.

    Otherwise a misspelt filter would return everything.
    """
    given = event.get("multiValueQueryStringParameters") or {}
    for name in {*given, *(event.get("queryStringParameters") or {})}:
        if name not in operation.query_parameters:
            raise Refused.field(name, "There is no such parameter")
        if len(given.get(name, ())) > 1:
            raise Refused.field(name, "This parameter may be given only once")


def caller(event: Mapping[str, Any]) -> str:
    """The caller's identity: the ARN that signed the request, or the subject of the user pool's token."""
    context = event.get("requestContext") or {}
    claims = (context.get("authorizer") or {}).get("claims") or {}
    identity = context.get("identity") or {}
    if subject := claims.get("sub"):
        return f"{claims.get('iss', 'cognito')}#{subject}"
    return identity.get("userArn") or identity.get("caller") or "unknown"


def etag(version: int, registration: str = "") -> str:
    """The entity tag of a version; a backup's tag includes its registration, because versions are counted per
    registration.
    """
    return f'"{registration}.{version}"' if registration else f'"{version}"'


def expected_version(if_match: str | None, current: int, registration: str = "") -> int:
    """The version that a change is based on: ``current``, if the If-Match header matches it. Raises VersionConflict."""
    if if_match is not None and if_match.strip() != "*":
        tags = {tag.strip() for tag in if_match.split(",")}
        if etag(current, registration) not in tags:
            raise VersionConflict
    return current


@contextmanager
def changing(name: str) -> Iterator[None]:
    """Put the name of the changed object into a VersionConflict raised inside the block."""
    try:
        yield
    except VersionConflict:
        raise VersionConflict(name) from None


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and infinities are not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name comes twice")
    return content


def new_router() -> Router:
    """An empty router."""
    return Router()  # type: ignore[no-untyped-call] # the library's constructor has no annotations
