"""The command line against the management API's own code, with an in-memory registry."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from local.fakes.management_api import ApiWorld
from tests.support.command_line import CommandLine, InProcess


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorld]:
    """A management API in whose world no server answers: no name resolves."""
    made = ApiWorld()

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with made.running():
        yield made


@pytest.fixture
def cerbsync(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> CommandLine:
    """Runs commands in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("CERBSYNC_PASSWORD", "CERBSYNC_URL", "CERBSYNC_STACK", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(InProcess(world), monkeypatch, capsys)
