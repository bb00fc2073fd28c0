"""The API over HTTP shapes with an in-memory registry, and real Cerberus stand-ins to register."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from admin_api.app import api, handler
from admin_api.dependencies import Services, services
from cerberus.address_policy import AddressPolicy
from common.runtime import SystemRuntime
from local.cerberus import LocalServer, Machine, generate
from local.fakes.aws_services import MemoryAuditLog, MemoryCredentials, MemorySchedule, MemorySnapshots, MemoryStarter
from local.fakes.store import MemoryStore

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test"
"""What this gateway takes for a good signature."""

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name in the standard library
        """Nothing."""


class _Context:
    function_name = "admin-api"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:admin-api"
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


@dataclass
class Gateway:
    """API Gateway as far as a function behind a REST API sees it, as a WSGI application."""

    store: MemoryStore = field(default_factory=MemoryStore)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    schedule: MemorySchedule = field(default_factory=MemorySchedule)
    starter: MemoryStarter = field(default_factory=MemoryStarter)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    addresses: AddressPolicy = field(default_factory=lambda: AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime()))

    def services(self) -> Services:
        return Services(
            store=self.store,
            credentials=self.credentials,
            schedule=self.schedule,
            starter=self.starter,
            audit=self.audit,
            snapshots=self.snapshots,
            addresses=self.addresses,
            runtime=SystemRuntime(),
        )

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded body of a request."""
        text = None if body is None else json.dumps(body)
        path, _, query = path.partition("?")
        reply = self._answer(method, path, query, {"Authorization": AUTHORIZATION}, text)
        return reply["statusCode"], json.loads(reply["body"]) if reply["body"] else None

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Serves on a free port of 127.0.0.1, one request at a time; gives its URL."""
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
        reply = self._answer(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/v1"),  # the stage
            environ.get("QUERY_STRING", ""),
            headers,
            raw.decode("utf-8", "replace") or None,
        )
        listed = [(name, value) for name, values in reply["multiValueHeaders"].items() for value in values]
        start_response(f"{reply['statusCode']} X", listed)
        return [(reply["body"] or "").encode()]

    def _answer(self, method: str, path: str, query: str, headers: dict[str, str], body: str | None) -> dict[str, Any]:
        if headers.get("Authorization") != AUTHORIZATION:
            refused = {"Content-Type": ["application/json"]}
            return {"statusCode": 403, "multiValueHeaders": refused, "body": '{"message":"Forbidden"}'}
        parameters: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            parameters.setdefault(name, []).append(value)
        event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
            "multiValueQueryStringParameters": parameters or None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {
                "stage": "v1",
                "path": f"/v1{path}",
                "requestId": "f1a0ff52-8d32-4a4e-9d5b-2d4f0f6c1c11",
                "identity": {"userArn": "arn:aws:iam::123456789012:user/alex", "sourceIp": "198.51.100.7"},
            },
            "body": body,
            "isBase64Encoded": False,
        }
        return self.resolve(event)

    def resolve(self, event: dict[str, Any]) -> dict[str, Any]:
        """The function's reply to an event."""
        return handler(event, _Context())  # type: ignore[arg-type] # as much of a context as the handler uses


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    api.dependency_overrides[services] = made.services
    yield made
    api.dependency_overrides.clear()


@pytest.fixture
def server() -> Callable[..., LocalServer]:
    """Makes a stand-in with a few users; the test starts it with ``with``."""

    def make(name: str, **options: Any) -> LocalServer:
        return LocalServer(generate(1, users=3, groups=2, machine=Machine.named(name), **options))

    return make


@pytest.fixture
def registration() -> Callable[[LocalServer], dict[str, Any]]:
    """What to send to register a running stand-in, its certificate pinned."""

    def made(running: LocalServer) -> dict[str, Any]:
        return {
            "host": running.host,
            "port": running.port,
            "username": running.state.machine.admin_user,
            "password": running.state.machine.admin_password,
            "tls": {"mode": "pins", "fingerprints": [running.fingerprint]},
        }

    return made


GUIDE = Path(__file__).parents[3] / "docs" / "api.md"
PRELUDE = """set -e -o pipefail
api() {
  method=$1 path=$2; shift 2
  curl --silent --show-error --fail-with-body --request "$method" "$API$path" --header "$SIGNED" \\
    --header "Content-Type: application/json" "$@"
}
id() { python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
follow() { echo "followed $1"; }
"""
"""What the guide has defined before, but signed as this gateway wants it; runs are handed over, and not waited for."""


@pytest.fixture
def type_guide(tmp_path: Path) -> Callable[[str, str], "subprocess.CompletedProcess[str]"]:
    """Types all commands of one section of docs/api.md, against an API at an address."""

    def type_commands(section: str, address: str) -> "subprocess.CompletedProcess[str]":
        text = GUIDE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
        commands = re.findall(r"^```shell\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert commands
        return subprocess.run(  # noqa: S603 # the guide's own commands
            ["/bin/bash", "-c", PRELUDE + "\n".join(commands)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "API": address, "SIGNED": f"Authorization: {AUTHORIZATION}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return type_commands
