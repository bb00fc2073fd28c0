"""The API's handler with an in-memory registry, real REST API events and a resolver that asks no network."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from admin_api.app import api, handler, logger
from admin_api.dependencies import Services, services
from cerberus.address_policy import AddressPolicy
from common.runtime import SystemRuntime
from local.fakes.aws_services import MemoryAuditLog, MemoryCredentials, MemorySchedule, MemorySnapshots, MemoryStarter
from local.fakes.runtime import WallClockRuntime
from local.fakes.store import MemoryStore
from registry.models import Credentials

ARN = "arn:aws:sts::123456789012:assumed-role/administrators/alex"
CONTEXT = SimpleNamespace(
    function_name="admin-api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:admin-api",
    aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
)


@dataclass(frozen=True)
class Answer:
    """What the handler answered, as API Gateway would pass it on."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None


@dataclass
class World:
    """The handler and what it works with. Time stands still until a test moves it."""

    store: MemoryStore = field(default_factory=MemoryStore)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    schedule: MemorySchedule = field(default_factory=MemorySchedule)
    starter: MemoryStarter = field(default_factory=MemoryStarter)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    names: dict[str, list[str]] = field(default_factory=dict)

    def services(self) -> Services:
        return Services(
            store=self.store,
            credentials=self.credentials,
            schedule=self.schedule,
            starter=self.starter,
            audit=self.audit,
            snapshots=self.snapshots,
            addresses=AddressPolicy(SystemRuntime()),
            runtime=WallClockRuntime(self._tick),
        )

    def call(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """Send ``body`` as JSON to the path and query of ``target``; underscores in header names stand for hyphens."""
        text = None if body is None else json.dumps(body)
        return self.send(method, target, text, {name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, method: str, target: str, text: str | None, headers: dict[str, str] | None = None) -> Answer:
        """Send a body as it is."""
        sent = {"Content-Type": "application/json"} | (headers or {}) if text is not None else (headers or {})
        return self.resolve(rest_event(method, target, text, sent))

    def resolve(self, event: dict[str, Any]) -> Answer:
        reply = handler(event, CONTEXT)  # type: ignore[arg-type] # as much of a context as the handler uses
        headers = {name: values[0] for name, values in reply.get("multiValueHeaders", {}).items()}
        return Answer(reply["statusCode"], headers, reply["body"] or "")

    def log_in(self, backup_id: str) -> Credentials:
        """The stored credentials of a registered backup."""
        backup = self.store.backup(backup_id)
        assert backup is not None
        return self.credentials.get(backup.secret_id)

    def _tick(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


def rest_event(method: str, target: str, body: str | None, headers: dict[str, str]) -> dict[str, Any]:
    """A request as an API Gateway REST API with AWS_IAM hands it to a function."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    multiple: dict[str, list[str]] = {}
    for name, value in query:
        multiple.setdefault(name, []).append(value)
    return {
        "resource": parts.path,
        "path": parts.path,
        "httpMethod": method,
        "headers": headers or None,
        "multiValueHeaders": {name: [value] for name, value in headers.items()} or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": multiple or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "httpMethod": method,
            "identity": {"userArn": ARN, "sourceIp": "198.51.100.7", "caller": "AROAEXAMPLE:alex"},
            "path": f"/v1{parts.path}",
            "stage": "v1",
            "requestId": "f1a0ff52-8d32-4a4e-9d5b-2d4f0f6c1c11",
            "resourcePath": parts.path,
        },
        "body": body,
        "isBase64Encoded": False,
    }


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world without servers: no name resolves but those a test adds to ``names``."""
    made = World()

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        if host not in made.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in made.names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    api.dependency_overrides[services] = made.services
    yield made
    api.dependency_overrides.clear()


@pytest.fixture
def register(world: World) -> Callable[..., Answer]:
    """Registers a backup that has what every backup must have, and what the test says."""

    def _register(**fields: object) -> Answer:
        body = {"host": "ftp2.example", "port": 8443, "username": "admin", "password": "PLANTED-first", **fields}
        return world.call("POST", "/backups", body)

    return _register


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the function logs while the test runs."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream
