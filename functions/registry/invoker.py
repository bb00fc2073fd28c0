"""Starting a run: the sync function is invoked, and nobody waits for it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from registry.aws_errors import calling

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_lambda import LambdaClient


class Starter(Protocol):
    """Hands an event to the sync function. May raise Failure(REGISTRY_UNAVAILABLE)."""

    def start(self, event: Mapping[str, object]) -> None: ...


class LambdaStarter:
    """``Starter`` by an asynchronous invocation."""

    def __init__(self, function_name: str, client: "LambdaClient") -> None:
        self._function_name = function_name
        self._client = client

    def start(self, event: Mapping[str, object]) -> None:
        with calling("Lambda Invoke"):
            self._client.invoke(
                FunctionName=self._function_name, InvocationType="Event", Payload=json.dumps(event).encode()
            )
