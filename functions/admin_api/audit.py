"""The audit log: every request that may change something is recorded with who, when and what, whatever its result."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from aws_lambda_powertools import Logger

from admin_api.dependencies import Services
from admin_api.operations import Operation
from admin_api.problems import Refused
from admin_api.request import caller, method_of, path_of, read_object, readable
from common.errors import Failure
from common.plain_text import made_plain
from registry.audit import AuditLog, AuditRecord, answered
from registry.fleet_records import Backup, Primary, destination_of

_READING = ("GET", "HEAD")
_LONGEST = 1_000
"""Maximum number of characters recorded of a path, an address or an id; ordinary requests have fewer."""
_NO_ROUTE = "unknown"

logger = Logger(child=True)

type Reply = dict[str, Any]


@dataclass
class _Answering:
    """The request in progress: its audit log, its first record, and the records of changed destinations so far."""

    audit: AuditLog
    record: AuditRecord
    moved: list[AuditRecord] = field(default_factory=list)

    @property
    def outcome(self) -> AuditRecord:
        """The record to complete with the reply's status. If exactly one password has a new destination,
        the record names it.

        Several new destinations have records of their own.
        """
        return replace(self.moved[0], resource=self.record.resource) if len(self.moved) == 1 else self.record


_answering: ContextVar[_Answering | None] = ContextVar("_answering", default=None)


def recorded(
    event: Mapping[str, Any], operation: Operation | None, work: Callable[[], Services], answer: Callable[[], Reply]
) -> Reply:
    """Return the reply of ``answer``; record the request before and afterwards, unless it only reads.

    ``operation`` is None if the request matches no operation. ``answer`` also returns refusals, which are recorded like
    any reply. The intent is recorded first: if that fails, this raises Failure, because no change may happen without a
    responsible person on record. If only the reply cannot be recorded, the change has been made and the record of the
    intent stays.
    """
    if method_of(event) in _READING:
        return answer()
    services = work()
    record = _record(event, operation, services)
    services.audit.write(record)
    answering = _Answering(services.audit, record)
    before = _answering.set(answering)
    try:
        reply = answer()
    finally:
        _answering.reset(before)
    (location, *_) = reply["multiValueHeaders"].get("Location", [""])
    _conclude(services, answered(answering.outcome, reply["statusCode"], location))
    return reply


def note_destination(former: Primary | Backup | None, wanted: Primary | Backup) -> None:
    """Before a change, record a password's old and new destination if they differ.

    Raises Failure if that cannot be recorded.
    """
    before, after = "" if former is None else destination_of(former), destination_of(wanted)
    answering = _answering.get()
    if before == after or answering is None:
        return
    resource = f"/backups/{wanted.id}" if isinstance(wanted, Backup) else "/primary"
    moved = replace(answering.record, resource=resource, former_destination=before, destination=after)
    answering.audit.write(moved)
    answering.moved.append(moved)


def _record(event: Mapping[str, Any], operation: Operation | None, services: Services) -> AuditRecord:
    context = event.get("requestContext") or {}
    return AuditRecord(
        request_id=made_plain(str(context.get("requestId") or "unknown"), _LONGEST),
        at=services.runtime.now(),
        who=made_plain(caller(event), _LONGEST),
        source=made_plain(str((context.get("identity") or {}).get("sourceIp") or "unknown"), _LONGEST),
        method=made_plain(method_of(event), 20),
        route=operation.path if operation else _NO_ROUTE,
        resource=made_plain(path_of(event), _LONGEST),
        fields=_fields(event, operation),
    )


def _fields(event: Mapping[str, Any], operation: Operation | None) -> tuple[str, ...]:
    """The names of the fields in the body that the operation defines; other names are not recorded, because they could
    contain anything.
    """
    if operation is None or not event.get("body"):
        return ()
    try:
        sent = read_object(readable(event)["body"])
    except Refused:
        return ()
    return tuple(sorted(operation.body_fields & sent.keys()))


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
