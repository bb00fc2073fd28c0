"""A DynamoDB table in memory, behind the four methods of boto3's client that the product uses.

Conditions are parsed and evaluated as documented for DynamoDB (Amazon DynamoDB Developer Guide, "Condition and filter
expressions, operators, and functions"). Unsupported input is rejected, so that no test passes by accident.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = Mapping[str, Mapping[str, Any]]
"""A row in wire format: attributes with the type of their value."""
type Key = tuple[str, str]
type Condition = Callable[["_Scope"], bool]

_PLAIN: Callable[[Any], Any] = TypeDeserializer().deserialize
MOST_WRITES = 100
"""The maximum number of writes in one transaction."""
LARGEST_ITEM = 400 * 1024
LARGEST_PAGE = 1024 * 1024
"""The maximum size of a query's page in bytes."""


class FakeDynamoDb:
    """A table with the text keys ``pk`` and ``sk``. Rows are replaced and never modified.

    ``on_change`` is called after each change of a row, with the row before and after it, None for no row, and its key.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[Item | None, Item | None, Key], object] = lambda *_: None
        self._lock = RLock()  # makes each call atomic between threads
        self._rows: defaultdict[str, dict[str, Item]] = defaultdict(dict)

    @property
    def rows(self) -> list[Item]:
        """All rows, in the order of their keys."""
        with self._lock:
            return [of_pk[sk] for _, of_pk in sorted(self._rows.items()) for sk in sorted(of_pk)]

    def expire(self, now: float) -> None:
        """Remove rows that have expired at this time, in seconds since 1970, as DynamoDB does within some days."""
        for row in self.rows:
            if "expires_at" in row and float(row["expires_at"]["N"]) < now:
                self._remove(_key_of(row))

    def _stored(self, key: Key) -> Item | None:
        return self._rows[key[0]].get(key[1])

    def _store(self, row: Item) -> None:
        pk, sk = _key_of(row)
        before = self._stored((pk, sk))
        after = self._rows[pk][sk] = dict(row)
        self.on_change(before, after, (pk, sk))

    def _remove(self, key: Key) -> None:
        self.on_change(self._rows[key[0]].pop(key[1], None), None, key)

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803, ARG002 - boto3's names
        with self._lock:
            row = self._stored(_key_of(Key))
        return {} if row is None else {"Item": dict(row)}

    def put_item(self, *, TableName: str, Item: Item) -> None:  # noqa: N803, ARG002
        _refuse_too_large(Item, "PutItem")
        with self._lock:
            self._store(Item)

    def query(
        self,
        *,
        TableName: str,  # noqa: N803, ARG002
        KeyConditionExpression: str,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str],  # noqa: N803
        ExpressionAttributeValues: Item,  # noqa: N803
        ConsistentRead: bool,  # noqa: N803, ARG002
        ScanIndexForward: bool,  # noqa: N803
        Limit: int | None = None,  # noqa: N803
        ExclusiveStartKey: Item | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        """The rows that meet the condition, in the order of their keys, limited to one page."""
        condition = parsed(KeyConditionExpression)
        pks = {str(value.get("S")) for value in ExpressionAttributeValues.values()}  # in every condition
        with self._lock:
            stored = [row for pk in pks & self._rows.keys() for row in self._rows[pk].values()]
        scopes = (_Scope(ExpressionAttributeNames, ExpressionAttributeValues, row) for row in stored)
        rows = {_key_of(scope.row): scope.row for scope in scopes if condition(scope)}
        keys = sorted(rows, reverse=not ScanIndexForward)
        if ExclusiveStartKey is not None:
            start = _key_of(ExclusiveStartKey)
            keys = [key for key in keys if (key > start if ScanIndexForward else key < start)]
        page: list[Item] = []
        size = 0
        for key in keys:
            if len(page) == Limit or size > LARGEST_PAGE:
                return {"Items": page, "LastEvaluatedKey": {name: page[-1][name] for name in ("pk", "sk")}}
            page.append(dict(rows[key]))
            size += _size(rows[key])
        return {"Items": page}

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> None:  # noqa: N803
        """Make all writes or none. Raises ClientError with the reason for each failed write."""
        if len(TransactItems) > MOST_WRITES:
            raise _error("ValidationException", f"more than {MOST_WRITES} writes")
        writes = [(action, content) for one in TransactItems for action, content in one.items()]
        with self._lock:
            self._transact(writes)

    def _transact(self, writes: list[tuple[str, Mapping[str, Any]]]) -> None:
        keys = [_key_of(content["Item"] if action == "Put" else content["Key"]) for action, content in writes]
        if len(set(keys)) < len(keys):
            raise _error("ValidationException", "two writes of one row in a transaction")
        reasons = [_complaint(content, self._stored(key)) for key, (_, content) in zip(keys, writes, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            raise _error("TransactionCanceledException", "a condition failed", reasons)
        for action, content in writes:
            if action == "Put":
                _refuse_too_large(content["Item"], "TransactWriteItems")
        for key, (action, content) in zip(keys, writes, strict=True):
            if action == "Put":
                self._store(content["Item"])
            elif action == "Delete":
                self._remove(key)
            elif action != "ConditionCheck":
                raise NotImplementedError(action)


def simulated_client(table: FakeDynamoDb | None = None) -> "DynamoDBClient":
    """The table as a client for the product."""
    return cast("DynamoDBClient", table or FakeDynamoDb())


def _complaint(content: Mapping[str, Any], stored: Item | None) -> dict[str, Any]:
    """The reasons why writes fail, as DynamoDB lists them for a transaction."""
    if "ConditionExpression" not in content:
        return {"Code": "None"}
    scope = _Scope(content["ExpressionAttributeNames"], content.get("ExpressionAttributeValues", {}), stored or {})
    if parsed(content["ConditionExpression"])(scope):
        return {"Code": "None"}
    shows = content.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and stored
    return {"Code": "ConditionalCheckFailed", **({"Item": dict(stored or {})} if shows else {})}


def _key_of(row: Item) -> Key:
    return str(row["pk"]["S"]), str(row["sk"]["S"])


def _size(row: Item) -> int:
    """The approximate size of a row in bytes, as DynamoDB counts it."""
    return sum(len(name.encode()) + _value_size(value) for name, value in row.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    if kind == "L":
        return 3 + sum(1 + _value_size(one) for one in held)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size(one) for name, one in held.items())
    return len(str(held).encode("utf-8", "surrogatepass"))


def _refuse_too_large(row: Item, operation: str) -> None:
    if _size(row) > LARGEST_ITEM:
        raise _error("ValidationException", "Item size has exceeded the maximum allowed size", operation=operation)


def _error(
    code: str, message: str, reasons: list[dict[str, Any]] | None = None, operation: str = "TransactWriteItems"
) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        **({"CancellationReasons": reasons} if reasons else {}),
    }
    return ClientError(response, operation)


# Conditions ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(#\w+|:\w+|\w+|<>|<=|>=|[=<>(),])")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class _Scope:
    """The input of a condition: the values of placeholders, and the row (empty if it is not stored)."""

    names: Mapping[str, str]
    values: Item
    row: Item

    def held(self, operand: str) -> Mapping[str, Any] | None:
        """The value of a placeholder, or of the row's attribute."""
        return self.values[operand] if operand.startswith(":") else self.row.get(self.names[operand])


@cache
def parsed(expression: str) -> Condition:
    """Parse an expression into a condition on a row. Raises ValueError, or NotImplementedError for unsupported
    syntax.
    """
    parser = _Parser(_tokens(expression))
    condition = parser.alternatives()
    if parser.is_left:
        raise ValueError(f"the end of {expression} is not understood")
    return condition


def _tokens(expression: str) -> list[str]:
    tokens, place = [], 0
    while place < len(expression.rstrip()):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"{expression[place:]} is not understood")
        tokens.append(match[1])
        place = match.end()
    return tokens


class _Parser:
    """Parses a condition from left to right: NOT binds more strongly than AND, and AND more strongly than OR."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def is_left(self) -> bool:
        return self._place < len(self._tokens)

    def alternatives(self) -> Condition:
        conditions = [self._all()]
        while self._takes("OR"):
            conditions.append(self._all())
        return lambda scope: any(condition(scope) for condition in conditions)

    def _all(self) -> Condition:
        conditions = [self._one()]
        while self._takes("AND"):
            conditions.append(self._one())
        return lambda scope: all(condition(scope) for condition in conditions)

    def _one(self) -> Condition:
        if self._takes("NOT"):
            negated = self._one()
            return lambda scope: not negated(scope)
        if self._takes("("):
            condition = self.alternatives()
            self._expect(")")
            return condition
        if self._takes("attribute_exists"):
            (name,) = self._arguments()
            return lambda scope: scope.held(name) is not None
        if self._takes("attribute_not_exists"):
            (name,) = self._arguments()
            return lambda scope: scope.held(name) is None
        if self._takes("begins_with"):
            name, prefix = self._arguments()
            return lambda scope: _begins_with(scope.held(name), scope.held(prefix))
        return self._comparison()

    def _comparison(self) -> Condition:
        left = self._next()
        sign = self._next()
        if sign == "IN":
            some = self._arguments()
            return lambda scope: any(_holds("=", scope.held(left), scope.held(one)) for one in some)
        if sign not in _COMPARISONS:
            raise NotImplementedError(sign)
        right = self._next()
        return lambda scope: _holds(sign, scope.held(left), scope.held(right))

    def _arguments(self) -> list[str]:
        self._expect("(")
        some = [self._next()]
        while self._takes(","):
            some.append(self._next())
        self._expect(")")
        return some

    def _next(self) -> str:
        if not self.is_left:
            raise ValueError("the expression has no end")
        self._place += 1
        return self._tokens[self._place - 1]

    def _takes(self, token: str) -> bool:
        is_next = self.is_left and self._tokens[self._place] == token
        self._place += is_next
        return is_next

    def _expect(self, token: str) -> None:
        if not self._takes(token):
            raise ValueError(f"{token} is missing after {' '.join(self._tokens[: self._place])}")


def _holds(sign: str, left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> bool:
    """Whether a comparison is true. Absent values, and values of different types, differ and have no order."""
    if left is None or right is None or left.keys() != right.keys():
        return sign == "<>"
    return _COMPARISONS[sign](_PLAIN(left), _PLAIN(right))


def _begins_with(value: Mapping[str, Any] | None, prefix: Mapping[str, Any] | None) -> bool:
    return value is not None and prefix is not None and str(_PLAIN(value)).startswith(str(_PLAIN(prefix)))
