"""Every request that may change something leaves a record of who, when and what."""

from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from pydantic import BaseModel

from admin_api.dependencies import Services, services
from admin_api.problems import problem_of
from admin_api.request import caller
from common.errors import Failure
from registry.audit import AuditRecord, answered
from registry.destination import destination_of
from registry.models import Backup, Primary

logger = Logger(child=True)

_DESTINATIONS = "_destinations"


def audited(app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Middleware: records a request before its route runs, and its answer afterwards.

    The intent is written first: a change that nobody can be held to must not
    happen, so when it cannot be recorded it is not made. When only the answer
    cannot be recorded, the change has been made and the intent stands as it is.
    """
    if app.current_event.http_method.upper() in ("GET", "HEAD"):
        return next_middleware(app)
    provide = app.dependency_overrides.get(services, services)
    work: Services = provide()
    record = _record(app, work)
    work.audit.write(record)
    try:
        response: Response[Any] = next_middleware(app)
    except Exception as error:
        _conclude(work, _with_destinations(app, answered(record, problem_of(error).status.value)))
        raise
    location = response.headers.get("Location", "")
    record = answered(record, response.status_code, location if isinstance(location, str) else "")
    _conclude(work, _with_destinations(app, record))
    return response


def note_destination(router: Router, former: Primary | Backup | None, wanted: Primary | Backup | None) -> None:
    """Let the record of this request say where a password went, and where it is to go from now on, if that differs."""
    texts = ["" if server is None else destination_of(server) for server in (former, wanted)]
    if texts[0] != texts[1]:
        router.context[_DESTINATIONS] = texts


def _with_destinations(app: APIGatewayRestResolver, record: AuditRecord) -> AuditRecord:
    former, wanted = app.context.get(_DESTINATIONS, ("", ""))
    return replace(record, former_destination=former, destination=wanted)


def _record(app: APIGatewayRestResolver, work: Services) -> AuditRecord:
    event = app.current_event.raw_event
    context = event.get("requestContext") or {}
    bodies = [value for value in app.context.get("_route_args", {}).values() if isinstance(value, BaseModel)]
    return AuditRecord(
        request_id=str(context.get("requestId") or "unknown"),
        at=work.runtime.now(),
        who=caller(event),
        source=str((context.get("identity") or {}).get("sourceIp") or "unknown"),
        method=app.current_event.http_method.upper(),
        route=app.context["_route"].openapi_path,
        resource=app.current_event.path,
        fields=tuple(sorted(name for body in bodies for name in body.model_fields_set)),
    )


def _conclude(work: Services, record: AuditRecord) -> None:
    try:
        work.audit.write(record)
    except Failure as failure:
        logger.error("the answer was not recorded", extra={"reason": failure.reason, "request": record.request_id})  # noqa: TRY400 - the trace adds nothing
    logger.info(
        "change",
        extra={
            "who": record.who,
            "source": record.source,
            "method": record.method,
            "route": record.route,
            "resource": record.resource,
            "fields": list(record.fields),
            "answer": record.status,
            **({"from": record.former_destination, "to": record.destination} if record.destination else {}),
        },
    )
