"""The DynamoDB table: the kinds of its rows, in plain Python values, and how they are read and written.

======================  =========================  ==============================================
pk                      sk                         what
======================  =========================  ==============================================
PRIMARY                 SERVER                     Primary
SETTINGS                SYNC                       SyncSettings
BACKUP                  backup's id                Backup
ADDRESS                 host, folded # port        whose address this is: makes addresses unique
STATUS                  backup's id                BackupResult, the last one
APPROVAL                backup's id                Approval, the last one
LEASE                   LEASE                      owner and end of the right to run
LOGIN                   secret's id                LogIn, of one version of the secret
DISCARDED               secret's id                DiscardedSecret, as long as it is not deleted
BASELINE                PRIMARY                    PrimaryBaseline
ACCEPTANCE              PRIMARY                    PrimaryAcceptance
STATE                   first run's id             KeptState
RUN                     run's id                   Run
READING                 host, folded # port        ReadingRow: which request reads a server, until when
UNFINISHED              run's id                   that this run was asked for or has begun, and is not finished
FANOUT                  run's id                   FanOut
SERVED                  backup's id                ServedNow, the marker of a backup being processed
OPEN# + run's id        backup's id                that it waits in the queue; as what, who serves it, and until when
RESULT# + run's id      backup's id                BackupResult
HISTORY# + backup's id  run's id                   BackupResult
AUDIT# + year-month     time # request's id …      AuditRecord, see ``registry.audit``
DIGEST# + key           of a snapshot: its digest  that it was kept, see ``registry.snapshot_digests``
DIGESTS                 SINCE                      DigestsSince, the time of the first digest
======================  =========================  ==============================================

STATUS and APPROVAL belong to the registration in the BACKUP row. A transaction that changes the registration to another
server removes both rows, and a transaction that writes one of them checks the registration.

RUN, RESULT#, HISTORY#, STATE, AUDIT# and DIGEST# rows, and the rows of a run in progress, have ``expires_at``, the
table's TTL attribute, in seconds since 1970. DynamoDB removes a row some time after the time in ``expires_at``. Nothing
else depends on that removal, not even the lease.

Reading a single unreadable row is a failure. In a list an unreadable row must not hide the others: it is logged and
omitted.

Reads are consistent. Every conditional write is a transaction, even a single one, because botocore sends a transaction
with a token. So if a reply is lost, the retry does not fail on the condition that the first attempt has changed.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.aws_errors import calling, unavailable
from registry.serialization import FORMAT_FIELD, Row, Stored, Unreadable, from_row
from registry.store import VersionConflict

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

_LOGGER = logging.getLogger(__name__)

PRIMARY = ("PRIMARY", "SERVER")
SETTINGS = ("SETTINGS", "SYNC")
LEASE = ("LEASE", "LEASE")
BASELINE = ("BASELINE", "PRIMARY")
ACCEPTANCE = ("ACCEPTANCE", "PRIMARY")
BACKUP = "BACKUP"
ADDRESS = "ADDRESS"
STATUS = "STATUS"
APPROVAL = "APPROVAL"
LOG_IN = "LOGIN"
DISCARDED = "DISCARDED"
READING = "READING"
RUN = "RUN"
UNFINISHED = "UNFINISHED"
FAN_OUT = "FANOUT"
STATE = "STATE"
SERVED = "SERVED"

REVISION = "revision"
"""A counter of the writes to a status, which prevents lost updates."""

_BESIDE = frozenset({"pk", "sk", "expires_at", REVISION})
"""Attributes that belong to the table and not to a record."""


@dataclass(frozen=True)
class AddressRow:
    """The owner of an address."""

    FORMAT: ClassVar[int] = 1

    backup_id: str


@dataclass(frozen=True)
class UnfinishedRow:
    """A marker that a run has begun and is not finished. The run's id is in its key."""

    FORMAT: ClassVar[int] = 1


def keys(pk: str, sk: str) -> Row:
    """The key attributes of a row."""
    return {"pk": pk, "sk": sk}


def number(row: Row | None, attribute: str) -> int:
    """A counter in a row, 0 if it is absent. The rest of the row may be unreadable."""
    value = (row or {}).get(attribute)
    return int(value) if isinstance(value, Decimal) else 0


def next_version(stored: Row | None, expected_version: int | None) -> int:
    """The version of the row that replaces ``stored``. Raises VersionConflict if the stored version is not the expected
    one.
    """
    version = number(stored, "version")
    if expected_version not in (None, version):
        raise VersionConflict
    return version + 1


def expiry(time: datetime) -> Row:
    """The attribute that makes DynamoDB remove a row some time after ``time``."""
    return {"expires_at": int(time.timestamp())}


def read_row[Model: Stored](model: type[Model], row: Row) -> Model:
    """The record in a row. Raises Failure(RECORD_UNREADABLE) that names row and attribute."""
    try:
        return from_row(model, row, _BESIDE)
    except Unreadable as unreadable:
        raise Failure(Reason.RECORD_UNREADABLE, _complaint(row, unreadable)) from None


def readable[Model: Stored](model: type[Model], rows: Iterable[Row]) -> Iterator[Model]:
    """The records of all readable rows; the others are logged."""
    for row in rows:
        try:
            yield from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            _LOGGER.warning("%s", _complaint(row, unreadable))


def unreadable_rows(model: type[Stored], rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """The sort key and the complaint of each unreadable row."""
    for row in rows:
        try:
            from_row(model, row, _BESIDE)
        except Unreadable as unreadable:
            yield row["sk"], str(unreadable)


def known_format(model: type[Stored]) -> ConditionBase:
    """The condition that a stored row, if there is one, has a known format."""
    return Attr(FORMAT_FIELD).not_exists() | Attr(FORMAT_FIELD).is_in(list(range(1, model.FORMAT + 1)))


def counts(attribute: str, value: int) -> ConditionBase:
    """The condition that a counter in an existing row has this value. In an older format the counter may be absent,
    which counts as 0.
    """
    return Attr(attribute).eq(value) | Attr(attribute).not_exists() if value == 0 else Attr(attribute).eq(value)


def _complaint(row: Row, unreadable: Unreadable) -> str:
    return f"the stored row {row['pk']} / {row['sk']} cannot be understood: {unreadable}"


TRANSACTION_LIMIT = 100
"""Maximum number of writes in one transaction, set by DynamoDB."""

_CONFLICT_ATTEMPTS = 10
_CONFLICT_PAUSE = 0.02
_CONFLICT_PAUSE_LIMIT = 1.0
_REPEATABLE = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


@dataclass(frozen=True)
class Put:
    """Write ``row``, which includes its keys, if the stored row meets ``condition``."""

    row: Row
    condition: ConditionBase | None = None

    def request(self) -> dict[str, Any]:
        return {"Put": {"Item": _wire(self.row), **_conditional(self.condition)}}


@dataclass(frozen=True)
class Delete:
    """Remove a row if it meets ``condition``. Without a condition, a missing row is not an error."""

    pk: str
    sk: str
    condition: ConditionBase | None = None

    def request(self) -> dict[str, Any]:
        return {"Delete": {"Key": _key(self.pk, self.sk), **_conditional(self.condition)}}


@dataclass(frozen=True)
class Check:
    """Write nothing, but require that this row meets ``condition``."""

    pk: str
    sk: str
    condition: ConditionBase

    def request(self) -> dict[str, Any]:
        return {"ConditionCheck": {"Key": _key(self.pk, self.sk), **_conditional(self.condition)}}


class ConditionsFailed(Exception):
    """A transaction failed because of its conditions. ``rows`` maps the position of each failed write to the stored
    row.

    The row is empty if none is stored.
    """

    def __init__(self, rows: dict[int, Row]) -> None:
        super().__init__(f"conditions failed at {sorted(rows)}")
        self.rows = rows


class Table:
    """Access to the table. Every AWS error becomes Failure(REGISTRY_UNAVAILABLE)."""

    def __init__(self, name: str, client: "DynamoDBClient", runtime: Runtime) -> None:
        self._name = name
        self._client = client
        self._runtime = runtime

    def get(self, pk: str, sk: str) -> Row | None:
        with calling("DynamoDB GetItem"):
            reply = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _plain(reply["Item"]) if "Item" in reply else None

    def rows(
        self, pk: str, *, newest_first: bool = False, before: str | None = None, page: int | None = None
    ) -> Iterator[Row]:
        """All rows of ``pk`` in the order of ``sk``, fetched lazily over all pages.

        ``before`` limits them to smaller ``sk``; ``page`` is a hint at how many will be needed.
        """
        condition = Key("pk").eq(pk)
        request: dict[str, Any] = {
            "TableName": self._name,
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
            **_expression("KeyConditionExpression", condition if before is None else condition & Key("sk").lt(before)),
        }
        if page is not None:
            request["Limit"] = page
        while True:
            with calling("DynamoDB Query"):
                reply = self._client.query(**request)
            yield from map(_plain, reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def put(self, row: Row) -> None:
        """Write ``row`` unconditionally."""
        with calling("DynamoDB PutItem"):
            self._client.put_item(TableName=self._name, Item=_wire(row))

    def transact(self, *writes: Put | Delete | Check) -> None:
        """Make all ``writes`` or none. Raises ConditionsFailed.

        If two transactions touch a row at the same time, DynamoDB cancels one of them, even if the row is only checked,
        and no SDK retries it. All results of a run check the lease's row, so this happens often: such a transaction is
        retried here after a random pause.
        """
        requests: list[Any] = [
            {action: {"TableName": self._name, **content} for action, content in write.request().items()}
            for write in writes
        ]
        for attempt in range(_CONFLICT_ATTEMPTS):
            if attempt:
                self._runtime.sleep(self._runtime.uniform(0, min(_CONFLICT_PAUSE_LIMIT, _CONFLICT_PAUSE * 2**attempt)))
            try:
                self._client.transact_write_items(TransactItems=requests)
            except ClientError as error:
                _raise_unless_repeatable(error)
            except BotoCoreError as error:
                raise unavailable("DynamoDB TransactWriteItems", error) from None
            else:
                return
        raise Failure(
            Reason.REGISTRY_UNAVAILABLE,
            f"DynamoDB TransactWriteItems was cancelled {_CONFLICT_ATTEMPTS} times because of other writes",
        )


def unchanged(stored: Row | None, attribute: str) -> ConditionBase:
    """The condition that ``attribute`` has the same value as in ``stored``, or is still absent."""
    if stored is None:
        return Attr("pk").not_exists()
    if attribute not in stored:
        return Attr("pk").exists() & Attr(attribute).not_exists()
    return Attr(attribute).eq(stored[attribute])


def _raise_unless_repeatable(error: ClientError) -> None:
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment] # untyped
    codes = [reason.get("Code") for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        raise ConditionsFailed(
            {
                position: _plain(reasons[position].get("Item", {}))
                for position, code in enumerate(codes)
                if code == "ConditionalCheckFailed"
            }
        ) from None
    if _REPEATABLE.isdisjoint(codes):
        raise unavailable("DynamoDB TransactWriteItems", error) from None


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _wire(row: Row) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in row.items()}


def _plain(item: dict[str, Any]) -> Row:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def _conditional(condition: ConditionBase | None) -> dict[str, Any]:
    if condition is None:
        return {}
    return {**_expression("ConditionExpression", condition), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def _expression(parameter: str, condition: ConditionBase) -> dict[str, Any]:
    built = ConditionExpressionBuilder().build_expression(
        condition, is_key_condition=parameter == "KeyConditionExpression"
    )
    request: dict[str, Any] = {
        parameter: built.condition_expression,
        "ExpressionAttributeNames": built.attribute_name_placeholders,
    }
    if built.attribute_value_placeholders:
        request["ExpressionAttributeValues"] = _wire(built.attribute_value_placeholders)
    return request
