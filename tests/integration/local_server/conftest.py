"""A server on a free port and a client that shows the raw reply."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from local.cerberus.contract import COMMON, OPERATIONS, PATHS, SERVICE
from local.cerberus.generate import generate
from local.cerberus.server import LocalServer
from local.cerberus.soap import SOAP_12


@dataclass(frozen=True)
class Raw:
    """One reply as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


type Connect = Callable[..., AbstractContextManager[http.client.HTTPSConnection]]
type Post = Callable[..., Raw]
type Envelope = Callable[..., bytes]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(generate(1, users=6, groups=2)) as running:
        yield running


@pytest.fixture
def connect() -> Connect:
    """Opens a connection to a server, trusting what the server offers as its root."""

    @contextmanager
    def opened(server: LocalServer, timeout: float = 60.0) -> Iterator[http.client.HTTPSConnection]:
        context = ssl.create_default_context(cadata=server.ca_pem)
        connection = http.client.HTTPSConnection(server.host, server.port, timeout=timeout, context=context)
        try:
            yield connection
        finally:
            connection.close()

    return opened


@pytest.fixture
def envelope(server: LocalServer) -> Envelope:
    """Builds a request of the given operation and SOAP version."""

    def build(operation: str, inner: str = "", *, version: str = SOAP_12) -> bytes:
        password = server.state.machine.admin_password
        element = OPERATIONS[operation].request if operation in OPERATIONS else f"{operation}Request"
        return (
            f'<e:Envelope xmlns:e="{version}"><e:Body><x:{element} xmlns:x="{SERVICE}" xmlns:c="{COMMON}">'
            f"<c:credentials><c:user>admin</c:user><c:password>{password}</c:password></c:credentials>{inner}"
            f"</x:{element}></e:Body></e:Envelope>"
        ).encode()

    return build


@pytest.fixture
def post(envelope: Envelope) -> Post:
    """Posts an operation over an open connection."""

    def run(
        connection: http.client.HTTPSConnection,
        operation: str,
        inner: str = "",
        *,
        version: str = SOAP_12,
        path: str = PATHS[0],
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Raw:
        data = envelope(operation, inner, version=version) if body is None else body
        connection.request("POST", path, data, headers or {})
        reply = connection.getresponse()
        return Raw(reply.status, dict(reply.getheaders()), reply.read())

    return run
