"""Registrations change between any two calls of runs and workers, over the registry as it is in DynamoDB."""

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given, settings

from local.fakes.runtime import FakeRuntime
from registry.aws import Clients
from registry.dynamo import DynamoStore
from tests.support.moving_fleet import STEPS, Change, Work, play


@pytest.mark.generated
def test_no_view_ever_shows_anything_of_another_server(clients: Clients) -> None:
    numbers = count()

    @settings(max_examples=25)
    @given(STEPS)
    def played(steps: Sequence[Change | Work]) -> None:
        name = f"registry-{next(numbers)}"  # the account outlives an example
        clients.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        play(DynamoStore(name, clients.dynamodb, FakeRuntime()), steps)
        clients.dynamodb.delete_table(TableName=name)

    played()
