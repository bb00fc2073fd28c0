"""The command line in this process, whose requests go to the management API in this process."""

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter
from requests.models import PreparedRequest

import cerbsync.session
from cerbsync.api import Api
from cerbsync.app import main
from local.fakes.management_api import FakeApi

URL = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"

type Scripted = Callable[[Any], tuple[int, Any]]
"""Takes the body of a request, returns the status and the document of the reply."""


@dataclass
class InProcess(BaseAdapter):
    """Answers requests by the functions' own code, or by ``scripted`` replies of a method and path."""

    api: FakeApi
    scripted: dict[tuple[str, str], Scripted] = field(default_factory=dict)
    sent: list[tuple[str, str, Any]] = field(default_factory=list)

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        path = parts.path.removeprefix("/v1")
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        document = json.loads(body) if body else None
        self.sent.append((str(request.method), path, document))
        reply = requests.Response()
        reply.request, reply.url = request, str(request.url)
        reply_of = self.scripted.get((str(request.method), path))
        if reply_of:
            reply.status_code, answer = reply_of(document)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            reply.headers.update({"Content-Type": "application/json"})
        else:
            headers = {str(name): str(value) for name, value in request.headers.items()}
            answered = self.api.resolve(self.api.event(str(request.method), path, parts.query, headers, body or None))
            reply.status_code, text = answered.status, answered.text
            reply.headers.update(answered.headers)
        reply.raw = io.BytesIO(text.encode())
        return reply

    def close(self) -> None:
        """Nothing is open."""


class Unsigned(requests.auth.AuthBase):
    """Requests as they are, for replies of this process."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


@dataclass
class CommandLine:
    """Runs commands. ``typed`` are the lines that a person types at a terminal, None without a terminal."""

    adapter: InProcess
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(
        self, *arguments: str, typed: str | None = None, environment: Mapping[str, str] | None = None
    ) -> Ended:
        with self.monkeypatch.context() as patched:
            for name, value in (environment or {}).items():
                patched.setenv(name, value)
            entered = io.StringIO(typed or "")
            patched.setattr(sys, "stdin", entered)
            if typed is not None:
                patched.setattr(entered, "isatty", lambda: True, raising=False)
                patched.setattr(sys.stderr, "isatty", lambda: True, raising=False)
                patched.setattr("getpass.getpass", lambda _: entered.readline().rstrip("\n"))
            session = requests.Session()
            session.mount("https://", self.adapter)
            opened = Api(URL, Unsigned(), session)
            patched.setattr(cerbsync.session.Session, "api", opened)
            patched.setattr(
                cerbsync.session.Session, "deployment", SimpleNamespace(url=URL, region="eu-central-1", outputs={})
            )
            self.capture.readouterr()
            status = main(list(arguments))
        out, err = self.capture.readouterr()
        return Ended(status, out, err)
