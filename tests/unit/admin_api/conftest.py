"""The API's handler with an in-memory registry, real REST API events and a resolver that asks no network."""

import io
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from admin_api.app import logger
from local.fakes.management_api import Answer, ApiWorld


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorld]:
    """A world without servers: no name resolves but those a test adds to ``names``."""
    made = ApiWorld()

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        if host not in made.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in made.names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with made.running():
        yield made


@pytest.fixture
def register(world: ApiWorld) -> Callable[..., Answer]:
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
