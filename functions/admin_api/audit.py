"""Every request that may change something leaves records of who, when and what, whatever becomes of it."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.api_gateway import Route

from admin_api.dependencies import Services
from admin_api.problems import Refused
from admin_api.request import caller, method_of, path_of, read_object, readable
from common.errors import Failure
from common.plain_text import made_plain
from registry.audit import AuditRecord, answered
from registry.destination import destination_of
from registry.models import Backup, Primary

_READING = ("GET", "HEAD")
_LONGEST = 1_000
"""Characters that are recorded of a path, an address or an id; whoever makes no odd requests sends fewer."""
_NO_ROUTE = "unknown"

logger = Logger(child=True)

type Reply = dict[str, Any]

_destinations: ContextVar[tuple[str, str]] = ContextVar("_destinations", default=("", ""))
"""Where a password went, and where it goes from now on, by the request that is being answered."""


def recorded(
    event: Mapping[str, Any], route: Route | None, work: Callable[[], Services], answer: Callable[[], Reply]
) -> Reply:
    """What ``answer`` gives, recorded before and afterwards unless the request only reads.

    ``route`` is None where the request leads to none. ``answer`` gives refusals too: those are recorded like any
    answer. The intent is written first: a change that nobody can be held to must not happen, so when it cannot be
    recorded, this raises Failure. When only the answer cannot be recorded, the change has been made, and the intent
    stands as it is.
    """
    if method_of(event) in _READING:
        return answer()
    services = work()
    record = _record(event, route, services)
    services.audit.write(record)
    _destinations.set(("", ""))
    reply = answer()
    (location, *_) = reply["multiValueHeaders"].get("Location", [""])
    former, wanted = _destinations.get()
    record = replace(record, former_destination=former, destination=wanted)
    _conclude(services, answered(record, reply["statusCode"], location))
    return reply


def note_destination(former: Primary | Backup | None, wanted: Primary | Backup | None) -> None:
    """Let the record of this request say where a password went, and where it is to go from now on, if that differs."""
    before, after = ("" if server is None else destination_of(server) for server in (former, wanted))
    if before != after:
        _destinations.set((before, after))


def _record(event: Mapping[str, Any], route: Route | None, services: Services) -> AuditRecord:
    context = event.get("requestContext") or {}
    return AuditRecord(
        request_id=made_plain(str(context.get("requestId") or "unknown"), _LONGEST),
        at=services.runtime.now(),
        who=made_plain(caller(event), _LONGEST),
        source=made_plain(str((context.get("identity") or {}).get("sourceIp") or "unknown"), _LONGEST),
        method=made_plain(method_of(event), 20),
        route=route.openapi_path if route else _NO_ROUTE,
        resource=made_plain(path_of(event), _LONGEST),
        fields=_fields(event, route),
    )


def _fields(event: Mapping[str, Any], route: Route | None) -> tuple[str, ...]:
    """The names of those fields of the body that the route knows: any other text could be anything."""
    if route is None or not event.get("body"):
        return ()
    try:
        sent = read_object(readable(event)["body"])
    except Refused:
        return ()
    of_route = {name for body in route.dependant.body_params for name in getattr(body.type_, "model_fields", ())}
    return tuple(sorted(of_route & sent.keys()))


def _conclude(services: Services, record: AuditRecord) -> None:
    try:
        services.audit.write(record)
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
