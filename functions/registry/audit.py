"""The audit log: who changed what, and when. The log contains the names of changed fields, never their values.

Rows of the table: pk is ``AUDIT#`` + year and month, sk is time + request id. Before the reply is known, the sk has the
suffix ``#asked``, or ``#to`` and the path of the resource whose password destination changes. A record is written once
and never replaced; it expires after as many days as a run's record.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Protocol

from boto3.dynamodb.conditions import Attr

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.serialization import time_text, to_row
from registry.table import ConditionsFailed, Put, Table

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

AUDIT = "AUDIT#"
"""The prefix of the partition keys of all audit records."""

INTENDED = 0


@dataclass(frozen=True)
class AuditRecord:
    """One request that changed something or was going to.

    ``who`` is the caller's ARN or subject, ``route`` is the path template, and ``resource`` is the actual path or, once
    known, the path of the created resource. ``status`` is the HTTP status of the reply, INTENDED until there is a
    reply. If a password gets a new destination, ``former_destination`` and ``destination`` are the old and the new one
    (``registry.fleet_records.destination_of``), each empty if there is none.
    """

    FORMAT: ClassVar[int] = 2

    request_id: str
    at: datetime
    who: str
    source: str
    method: str
    route: str
    resource: str
    fields: tuple[str, ...] = ()
    status: int = INTENDED
    former_destination: str = ""
    destination: str = ""

    @property
    def step(self) -> str:
        """The suffix of the record's key, which distinguishes the records of one request; empty for the record with the
        reply.
        """
        if self.status != INTENDED:
            return ""
        return f"#to{self.resource}" if self.destination else "#asked"


class AuditLog(Protocol):
    """Stores audit records of each request: the intent, new destinations, and the reply. May raise Failure."""

    def write(self, record: AuditRecord) -> None:
        """Store a new record. Raises Failure if this request already has a record for the same step."""


class DynamoAuditLog:
    """``AuditLog`` in the product's table; records are stored for ``kept_days`` days."""

    def __init__(self, table_name: str, client: "DynamoDBClient", runtime: Runtime, kept_days: int = 90) -> None:
        self._table = Table(table_name, client, runtime)
        self._kept = timedelta(days=kept_days)

    def write(self, record: AuditRecord) -> None:
        row = {
            "pk": f"{AUDIT}{record.at:%Y-%m}",
            "sk": f"{time_text(record.at)}#{record.request_id}{record.step}",
            **to_row(record),
            "expires_at": int((record.at + self._kept).timestamp()),
        }
        try:
            self._table.transact(Put(row, Attr("pk").not_exists()))
        except ConditionsFailed:
            raise already_recorded() from None


def already_recorded() -> Failure:
    """The failure that is raised instead of replacing a record."""
    return Failure(Reason.INTERNAL_ERROR, "the audit record of this request is there already, and stays as it is")


def answered(record: AuditRecord, status: int, resource: str = "") -> AuditRecord:
    """The record with the status of the reply, and the created resource if there is one."""
    return replace(record, status=status, resource=resource or record.resource)
