"""Access to one DynamoDB table with the text keys ``pk`` and ``sk``, in rows of plain Python values.

Reads are consistent. Every conditional write is a transaction, even a single one, because botocore sends a transaction
with a token. So if a reply is lost, the retry does not fail on the condition that the first attempt has changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.aws_errors import calling, unavailable
from registry.serialization import Row

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

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
