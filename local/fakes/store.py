"""The registry's store over a table in memory: the same rules, rows and conditions as in AWS, and no socket.

Separate from ``local.fakes.dynamodb``, because that stands in for any table and knows nothing of the registry.
"""

from itertools import count

from local.fakes.dynamodb import FakeDynamoDb, simulated_client
from local.fakes.runtime import FakeRuntime
from registry.dynamo import DynamoStore


class MemoryStore(DynamoStore):
    """A store of its own table. It numbers registrations, so that what it says is the same every time."""

    def __init__(self) -> None:
        self.table = FakeDynamoDb()
        super().__init__("registry", simulated_client(self.table), _NumberingRuntime())


class _NumberingRuntime(FakeRuntime):
    """Its ids are numbered."""

    def __init__(self) -> None:
        super().__init__()
        self._made = count(1)

    def new_id(self) -> str:
        return f"registration-{next(self._made)}"
