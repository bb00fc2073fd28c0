"""Registrations change between any two calls of runs and workers, over the registry as it is in DynamoDB."""

from collections.abc import Sequence

from hypothesis import given, settings

from local.fakes.dynamodb import simulated_client
from local.fakes.runtime import FakeRuntime
from registry.dynamo import DynamoStore
from tests.support.moving_fleet import STEPS, Change, Work, play


@settings(max_examples=100)
@given(STEPS)
def test_no_view_ever_shows_anything_of_another_server(steps: Sequence[Change | Work]) -> None:
    play(DynamoStore("registry", simulated_client(), FakeRuntime()), steps)
