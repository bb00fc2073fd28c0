"""The registry's store on a table in memory: the same rules, rows and conditions as in AWS, without sockets.

This module is separate from ``local.fakes.dynamodb``, because that module is for any table and does not depend on the
registry.
"""

from itertools import count

from local.fakes.dynamodb import FakeDynamoDb, simulated_client
from local.fakes.runtime import FakeRuntime
from registry.dynamo import DynamoStore


class MemoryStore(DynamoStore):
    """A store with its own table. Registrations are numbered, so that results are the same every time."""

    def __init__(self) -> None:
        self.table = FakeDynamoDb()
        super().__init__("registry", simulated_client(self.table), _NumberingRuntime())


class _NumberingRuntime(FakeRuntime):
    """A runtime whose ids are numbered."""

    def __init__(self) -> None:
        super().__init__()
        self._made = count(1)

    def new_id(self) -> str:
        return f"registration-{next(self._made)}"
