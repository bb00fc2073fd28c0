"""The simulated table does what moto's does: the same calls in the same order have the same answers."""

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Failure
from common.runtime import SystemRuntime
from local.fakes.dynamodb import FakeDynamoDb, parsed, simulated_client
from registry.aws import Clients
from registry.table import Check, ConditionsFailed, Delete, Put, Table
from tests.integration.registry.conftest import TABLE

type Call = tuple[str, tuple[Any, ...]]
"""The name of a method of ``Table``, and what it is called with."""

PKS, SKS = ("BACKUP", "RUN"), ("b1", "b2", "r1", "r2")
NUMBERS, TEXTS = st.sampled_from([0, 1, 2]), st.sampled_from(["", "a", "ab"])
OTHERS = st.sampled_from([True, False, ["a"], [], {"deep": 1}, {}])
ROWS = st.builds(
    lambda pk, sk, attributes: {"pk": pk, "sk": sk, **attributes},
    st.sampled_from(PKS),
    st.sampled_from(SKS),
    st.fixed_dictionaries({}, optional={"version": NUMBERS, "name": TEXTS, "other": OTHERS | NUMBERS | TEXTS}),
)
NAMES = st.sampled_from(["version", "name", "other", "pk"])
ORDERED = [Attr.lt, Attr.lte, Attr.gt, Attr.gte]
SIMPLE: st.SearchStrategy[ConditionBase] = st.one_of(
    st.builds(lambda name: Attr(name).exists(), NAMES),
    st.builds(lambda name: Attr(name).not_exists(), NAMES),
    st.builds(lambda name, value: Attr(name).eq(value), NAMES, NUMBERS | TEXTS | OTHERS),
    st.builds(lambda name, value: Attr(name).ne(value), NAMES, NUMBERS | TEXTS | OTHERS),
    st.builds(lambda name, some: Attr(name).is_in(some), NAMES, st.lists(NUMBERS | TEXTS, min_size=1, max_size=3)),
    st.builds(lambda compare, value: compare(Attr("version"), value), st.sampled_from(ORDERED), NUMBERS),
    st.builds(lambda compare, value: compare(Attr("name"), value), st.sampled_from(ORDERED), TEXTS),
    st.builds(lambda value: Attr("name").begins_with(value), st.sampled_from(["a", "ab", "b"])),
)
CONDITIONS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=5,
)
WRITES = st.one_of(
    st.builds(Put, ROWS, st.none() | CONDITIONS),
    st.builds(Delete, st.sampled_from(PKS), st.sampled_from(SKS), st.none() | CONDITIONS),
    st.builds(Check, st.sampled_from(PKS), st.sampled_from(SKS), CONDITIONS),
)
CALLS: st.SearchStrategy[Call] = st.one_of(
    st.tuples(st.just("put"), st.tuples(ROWS)),
    st.tuples(st.just("transact"), st.lists(WRITES, min_size=1, max_size=4).map(tuple)),
    st.tuples(st.just("get"), st.tuples(st.sampled_from(PKS), st.sampled_from(SKS))),
    st.tuples(
        st.just("rows"),
        st.tuples(st.sampled_from(PKS), st.booleans(), st.none() | st.sampled_from(SKS), st.none() | st.integers(1, 2)),
    ),
)


def answer(call: Call, table: Table) -> object:
    method, given = call
    try:
        if method == "rows":
            pk, newest_first, before, page = given
            return list(table.rows(pk, newest_first=newest_first, before=before, page=page))
        return getattr(table, method)(*given)
    except ConditionsFailed as failed:
        return failed.rows
    except Failure as failure:
        return failure.reason


@pytest.mark.generated
def test_whatever_is_called_both_answer_the_same(clients: Clients) -> None:
    @settings(max_examples=60)
    @given(st.lists(CALLS, min_size=3, max_size=14))
    def played(calls: list[Call]) -> None:
        for item in clients.dynamodb.scan(TableName=TABLE)["Items"]:
            clients.dynamodb.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})
        simulated, moto = (
            Table(TABLE, simulated_client(), SystemRuntime()),
            Table(TABLE, clients.dynamodb, SystemRuntime()),
        )
        for call in calls:
            assert answer(call, simulated) == answer(call, moto)

    played()


def test_an_expired_row_goes_when_it_is_time_and_no_other() -> None:
    table = FakeDynamoDb()
    for sk, expires in (("r1", {"expires_at": {"N": "99"}}), ("r2", {"expires_at": {"N": "100"}}), ("r3", {})):
        table.put_item(TableName=TABLE, Item={"pk": {"S": "RUN"}, "sk": {"S": sk}, **expires})
    table.expire(100)
    assert [row["sk"]["S"] for row in table.rows] == ["r2", "r3"]


@pytest.mark.parametrize(
    "expression", ["#a ~ :b", "size(#a) > :b", "#a BETWEEN :b AND :c", "(#a = :b", "#a = :b #c", ""]
)
def test_what_it_does_not_know_it_refuses(expression: str) -> None:
    with pytest.raises((ValueError, NotImplementedError)):
        parsed(expression)


def test_a_row_that_is_too_large_is_refused_and_nothing_of_its_transaction_is_done() -> None:
    table = FakeDynamoDb()
    small = {"pk": {"S": "RUN"}, "sk": {"S": "r1"}}
    large = {"pk": {"S": "RUN"}, "sk": {"S": "r2"}, "text": {"S": "x" * 410_000}}
    with pytest.raises(ClientError, match="exceeded the maximum"):
        table.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": one}} for one in (small, large)])
    assert table.rows == []
