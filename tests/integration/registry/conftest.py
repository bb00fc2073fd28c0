"""Both implementations of the registry's ports, the AWS ones against moto. No test here can reach real AWS."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import pytest
from moto import mock_aws

from common.runtime import SystemRuntime
from local.fakes.aws_services import MemoryCredentials
from local.fakes.runtime import FakeRuntime
from local.fakes.secrets_manager import FakeSecretsManager
from local.fakes.store import MemoryStore
from registry.aws import Clients, open_clients
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.store import CredentialStore, Store
from tests.support.aws_account import create_table, refuse_real_aws

TABLE = "registry-test"
PREFIX = "cerberus-sync"


@pytest.fixture(autouse=True)
def no_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_real_aws(monkeypatch)


@pytest.fixture
def clients(no_real_aws: None) -> Iterator[Clients]:
    """Clients of an empty account that has the table."""
    with mock_aws():
        opened = open_clients()
        create_table(opened.dynamodb, TABLE)
        yield opened


@dataclass(frozen=True)
class RawTable:
    """The table as DynamoDB holds it, for tests that look behind the store or spoil a row."""

    clients: Clients

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        reply = self.clients.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": pk}, "sk": {"S": sk}})
        return reply.get("Item")

    def put(self, pk: str, sk: str, **attributes: dict[str, Any]) -> None:
        self.clients.dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": pk}, "sk": {"S": sk}, **attributes})

    def items(self) -> list[dict[str, Any]]:
        pages = self.clients.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        return [item for page in pages for item in page["Items"]]


@pytest.fixture
def raw(clients: Clients) -> RawTable:
    return RawTable(clients)


class CountingRuntime(SystemRuntime):
    """The machine's own runtime, whose ids are those that the store in memory gives to registrations."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_id(self) -> str:
        return f"registration-{next(self._numbers)}"


@pytest.fixture
def dynamo_store(clients: Clients) -> DynamoStore:
    return DynamoStore(TABLE, clients.dynamodb, CountingRuntime())


@pytest.fixture(params=["simulated", "dynamo"])
def store(request: pytest.FixtureRequest) -> Store:
    """The store over the table in memory and over moto's."""
    if request.param == "simulated":
        return MemoryStore()
    dynamo: DynamoStore = request.getfixturevalue("dynamo_store")
    return dynamo


@pytest.fixture
def clock() -> FakeRuntime:
    """A runtime whose clock a test moves."""
    return FakeRuntime()


@pytest.fixture
def secrets_manager(clients: Clients, clock: FakeRuntime) -> SecretsManagerCredentials:
    return SecretsManagerCredentials(PREFIX, clients.secretsmanager, clock, max_age=300.0)


@pytest.fixture(params=["memory", "simulated", "secrets_manager"])
def credential_store(request: pytest.FixtureRequest, clock: FakeRuntime) -> CredentialStore:
    """Each implementation of CredentialStore; the one of AWS over simulated secrets and over moto's."""
    if request.param == "memory":
        return MemoryCredentials()
    if request.param == "simulated":
        return SecretsManagerCredentials(PREFIX, cast(Any, FakeSecretsManager()), clock, max_age=300.0)
    store: SecretsManagerCredentials = request.getfixturevalue("secrets_manager")
    return store
