"""The management API with doubles of all its dependencies, called directly or through a gateway."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, make_server

from admin_api.app import api, handler
from admin_api.dependencies import Services, services
from admin_api.groups import UserPool
from cerberus.address_policy import AddressPolicy
from common.runtime import Runtime, SystemRuntime
from local.fakes.aws_services import MemoryAuditLog, MemoryCredentials, MemorySchedule, MemoryStarter
from local.fakes.runtime import TickingRuntime
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from registry.fleet_records import Credentials, Primary

SOURCE = "198.51.100.7"
AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test"
"""The signature that the gateway accepts."""

_CONTEXT: Any = SimpleNamespace(  # the attributes of a context that the handler uses
    function_name="admin-api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:admin-api",
    aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
)

type StartResponse = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True)
class Answer:
    """The function's reply, as API Gateway passes it on."""

    status: int
    text: str
    all_headers: Mapping[str, Sequence[str]]

    @property
    def headers(self) -> dict[str, str]:
        """The first value of each header."""
        return {name: values[0] for name, values in self.all_headers.items()}

    @property
    def body(self) -> Any:
        """The parsed JSON of the body, None for an empty body."""
        return json.loads(self.text) if self.text else None


@dataclass
class FakeApi:
    """The management API's function with its dependencies. ``caller`` is the principal that signs the requests.

    ``stack_primary`` is the primary of the stack's parameters.
    """

    caller: str
    store: MemoryStore = field(default_factory=MemoryStore)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    schedule: MemorySchedule = field(default_factory=MemorySchedule)
    starter: MemoryStarter = field(default_factory=MemoryStarter)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    runtime: Runtime = field(default_factory=SystemRuntime)
    addresses: AddressPolicy = field(default_factory=lambda: AddressPolicy(SystemRuntime()))
    stack_primary: Primary | None = None
    user_pool: UserPool | None = None
    _numbers: Iterator[int] = field(default_factory=count, repr=False)

    def services(self) -> Services:
        """The services that routes receive while the function is ``running``."""
        return Services(
            store=self.store,
            credentials=self.credentials,
            schedule=self.schedule,
            starter=self.starter,
            audit=self.audit,
            snapshots=self.snapshots,
            addresses=self.addresses,
            runtime=self.runtime,
            stack_primary=self.stack_primary,
            user_pool=self.user_pool,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make the API of this process use these doubles inside the block."""
        api.dependency_overrides[services] = self.services
        try:
            yield
        finally:
            api.dependency_overrides.clear()

    def event(self, method: str, path: str, query: str, headers: Mapping[str, str], body: str | None) -> dict[str, Any]:
        """A request in the form in which an API Gateway REST API with AWS_IAM passes it to a function."""
        parameters: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            parameters.setdefault(name, []).append(value)
        return {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": dict(headers) or None,
            "multiValueHeaders": {name: [value] for name, value in headers.items()} or None,
            "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
            "multiValueQueryStringParameters": parameters or None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "httpMethod": method,
                "identity": {"userArn": self.caller, "sourceIp": SOURCE, "caller": "AROAEXAMPLE:alex"},
                "path": f"/v1{path}",
                "stage": "v1",
                "requestId": f"f1a0ff52-8d32-4a4e-9d5b-{next(self._numbers):012}",
                "resourcePath": path,
            },
            "body": body,
            "isBase64Encoded": False,
        }

    def resolve(self, event: Mapping[str, Any]) -> Answer:
        """The function's answer to an event."""
        reply = handler(event, _CONTEXT)
        return Answer(reply["statusCode"], reply["body"] or "", reply.get("multiValueHeaders", {}))


@dataclass
class ApiWorld(FakeApi):
    """The function, called directly. The clock advances by a microsecond at each reading, so that no two times are
    equal.

    ``names`` maps the hosts that the resolver knows to their addresses.
    """

    caller: str = "arn:aws:sts::123456789012:assumed-role/administrators/alex"
    runtime: TickingRuntime = field(default_factory=lambda: TickingRuntime(tick=1e-6))
    names: dict[str, list[str]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The time of the last reading of the clock. A test may set it."""
        return self.runtime.time

    @now.setter
    def now(self, time: datetime) -> None:
        self.runtime.time = time

    def call(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """Send ``body`` as JSON to the path and query in ``target``; underscores in header names stand for hyphens."""
        text = None if body is None else json.dumps(body)
        return self.send(method, target, text, {name.replace("_", "-"): value for name, value in headers.items()})

    def send(self, method: str, target: str, text: str | None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a body unchanged."""
        usual = {} if text is None else {"Content-Type": "application/json"}
        path, _, query = target.partition("?")
        return self.resolve(self.event(method, path, query, usual | dict(headers or {}), text))

    def log_in(self, backup_id: str) -> Credentials:
        """The stored credentials of a registered backup."""
        backup = self.store.backup(backup_id)
        if backup is None:
            raise KeyError(backup_id)
        return self.credentials.stored(backup.secret_id)


@dataclass
class FakeGateway(FakeApi):
    """API Gateway in front of a function of a REST API, as a WSGI application."""

    caller: str = "arn:aws:iam::123456789012:user/alex"
    addresses: AddressPolicy = field(default_factory=lambda: AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime()))

    def call(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        """The status and decoded body of a signed request; ``target`` is a path with its query."""
        text = None if body is None else json.dumps(body)
        path, _, query = target.partition("?")
        answer = self._answer(method, path, query, {"Authorization": AUTHORIZATION}, text)
        return answer.status, answer.body

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Serve on a free port of 127.0.0.1, one request at a time; yields the URL."""
        with make_server("127.0.0.1", 0, self, handler_class=_Quiet) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = self._answer(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/v1"),  # with the stage
            environ.get("QUERY_STRING", ""),
            headers,
            raw.decode("utf-8", "replace") or None,
        )
        listed = [(name, value) for name, values in answer.all_headers.items() for value in values]
        start_response(f"{answer.status} X", listed)
        return [answer.text.encode()]

    def _answer(self, method: str, path: str, query: str, headers: dict[str, str], body: str | None) -> Answer:
        if headers.get("Authorization") != AUTHORIZATION:
            return Answer(403, '{"message":"Forbidden"}', {"Content-Type": ["application/json"]})
        return self.resolve(self.event(method, path, query, headers, body))


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name in the standard library
        """Print nothing."""
