"""Who changed what, and when. Names of fields are recorded, never what was in them.

Rows of the table: pk ``AUDIT#`` + year and month, sk time + request's id. Before
there is an answer ``#asked`` follows, or ``#to`` and the path of what has another
destination from now on. Each is written once and never replaced; they expire
like runs and histories.
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
"""What the partition keys of all records begin with."""

INTENDED = 0


@dataclass(frozen=True)
class AuditRecord:
    """One request that changes something, or was to.

    ``who`` is the caller's ARN or subject, ``route`` the path with its
    parameters' names, ``resource`` the path itself or, once it is known, that
    of what was created. ``status`` is the HTTP status of the answer, INTENDED
    as long as there is none. Where passwords may be sent to another server from
    then on, or were to be, ``former_destination`` and ``destination`` say where
    they went and where they go (``registry.destination``); empty for nowhere.
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
        """Which of the records of its request this is, as the end of its key; empty for the one with the answer."""
        if self.status != INTENDED:
            return ""
        return f"#to{self.resource}" if self.destination else "#asked"


class AuditLog(Protocol):
    """Keeps audit records: of each request the intent, the new destinations, the answer. May raise Failure."""

    def write(self, record: AuditRecord) -> None:
        """Keep a new record. Raises Failure when there is one of this request, with or without an answer as this."""


class DynamoAuditLog:
    """``AuditLog`` in the product's table; records are kept for ``kept_days`` days."""

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
    """What is raised instead of replacing a record."""
    return Failure(Reason.INTERNAL_ERROR, "the audit record of this request is there already, and stays as it is")


def answered(record: AuditRecord, status: int, resource: str = "") -> AuditRecord:
    """The record with the answer's status, and what was created, if anything was."""
    return replace(record, status=status, resource=resource or record.resource)
