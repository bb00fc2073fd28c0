"""The log-in with a browser: the authorization code flow with PKCE against a log-in page on this machine."""

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import keyring
import keyring.errors
import pytest
import requests

from cerbsync.errors import CommandFailed, Exit
from cerbsync.login import CALLBACK, PORT, KeyStore, current_token, log_in

URL = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
CLIENT = "1h57kf5cpq17m0eml12EXAMPLE"


class Pool(ThreadingHTTPServer):
    """The pool's token endpoint. It gives a token for the code whose verifier is right, or for the refresh token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoint)
        self.challenges: dict[str, str] = {}
        self.reply: tuple[int, str] | None = None
        self.asked: list[dict[str, str]] = []

    @property
    def domain(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def visit(self, url: str, **changed: str) -> None:
        """What the browser of a person who logs in does; ``changed`` are other values in the answer."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == ("code", "S256", CLIENT)
        self.challenges["PLANTED-code"] = asked["code_challenge"]
        answer = {"code": "PLANTED-code", "state": asked["state"], **changed}
        place = asked["redirect_uri"].replace("localhost", "127.0.0.1")
        sent = {name: value for name, value in answer.items() if value}
        threading.Thread(target=requests.get, args=(place,), kwargs={"params": sent, "timeout": 10}).start()


class _Endpoint(BaseHTTPRequestHandler):
    server: Pool

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(text).items()}
        self.server.asked.append(asked)
        status, reply = self.server.reply or self._answer(asked)
        body = reply.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, asked: dict[str, str]) -> tuple[int, str]:
        if asked["grant_type"] == "refresh_token":
            return 200, json.dumps({"id_token": "PLANTED-renewed", "expires_in": 3600})
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if self.server.challenges.get(asked["code"]) != challenge:
            return 400, json.dumps({"error": "invalid_grant"})
        return 200, json.dumps({"id_token": "PLANTED-token", "refresh_token": "PLANTED-refresh", "expires_in": 3600})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name in the standard library
        """Print nothing."""


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class InMemory:
    """A key store of the operating system."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def key_store(monkeypatch: pytest.MonkeyPatch) -> InMemory:
    made = InMemory()
    monkeypatch.setattr(keyring, "get_password", made.get_password)
    monkeypatch.setattr(keyring, "set_password", made.set_password)
    return made


def refused(pool: Pool, port: int, browse: Callable[[str], object]) -> CommandFailed:
    with pytest.raises(CommandFailed) as failed:
        log_in(pool.domain, CLIENT, browse, lambda _: None, port)
    assert "PLANTED" not in str(failed.value.document())
    return failed.value


def test_a_person_logs_in_and_the_key_store_has_the_token(pool: Pool, port: int, key_store: InMemory) -> None:
    said: list[str] = []
    kept = log_in(pool.domain, CLIENT, pool.visit, said.append, port)
    KeyStore().store(URL, kept)
    assert current_token(KeyStore(), URL) == "PLANTED-token"
    assert current_token(KeyStore(), URL + "/other") is None
    assert pool.domain in said[0]
    assert "PLANTED" not in "".join(said)
    assert list(key_store.kept) == [("cerbsync", URL)]


def test_a_token_that_ends_soon_is_renewed_once(pool: Pool, port: int, key_store: InMemory) -> None:
    kept = log_in(pool.domain, CLIENT, pool.visit, lambda _: None, port)
    KeyStore().store(URL, {**kept, "ends_at": time.time() + 30})
    assert current_token(KeyStore(), URL) == "PLANTED-renewed"
    assert current_token(KeyStore(), URL) == "PLANTED-renewed"
    assert [asked["grant_type"] for asked in pool.asked] == ["authorization_code", "refresh_token"]


def test_a_log_in_that_has_ended_says_so(pool: Pool, port: int, key_store: InMemory) -> None:
    kept = log_in(pool.domain, CLIENT, pool.visit, lambda _: None, port)
    KeyStore().store(URL, {**kept, "ends_at": 0.0})
    pool.reply = (400, '{"error": "invalid_grant", "token": "PLANTED"}')
    with pytest.raises(CommandFailed) as ended:
        current_token(KeyStore(), URL)
    assert (ended.value.status, "cerbsync login" in ended.value.next_step) == (Exit.NOT_ALLOWED, True)


@pytest.mark.parametrize("changed", [{"state": "another"}, {"state": ""}])
def test_an_answer_to_another_log_in_is_refused(pool: Pool, port: int, changed: dict[str, str]) -> None:
    assert "not to this log-in" in refused(pool, port, lambda url: pool.visit(url, **changed)).message
    assert pool.asked == []


def test_a_refusal_of_the_page_is_told_in_one_line(pool: Pool, port: int) -> None:
    error = refused(
        pool, port, lambda url: pool.visit(url, code="", error="access_denied", error_description="not\x1b[2J you")
    )
    assert error.message == "the log-in page refused: not\ufffd[2J you"


@pytest.mark.parametrize(
    "reply", [(500, "PLANTED"), (200, "<html>PLANTED"), (200, "[]"), (200, '{"id_token": "PLANTED"}'), (302, "")]
)
def test_an_endpoint_that_gives_no_token_is_an_error(pool: Pool, port: int, reply: tuple[int, str]) -> None:
    pool.reply = reply
    refused(pool, port, pool.visit)


def test_a_taken_port_is_told(pool: Pool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        assert f"port {taken} of this machine is taken" in refused(pool, taken, pool.visit).message


def test_the_port_is_the_one_on_the_page() -> None:
    assert f"http://localhost:{PORT}/callback" == CALLBACK


def test_a_machine_without_a_key_store_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: str) -> None:
        raise keyring.errors.NoKeyringError

    monkeypatch.setattr(keyring, "set_password", none)
    monkeypatch.setattr(keyring, "get_password", none)
    assert current_token(KeyStore(), URL) is None
    with pytest.raises(CommandFailed) as failed:
        KeyStore().store(URL, {"id_token": "PLANTED"})
    assert "CERBSYNC_TOKEN" in failed.value.next_step
    assert "PLANTED" not in str(failed.value.document())


@pytest.mark.parametrize("kept", ["", "no json", "[]", "{}", '{"id_token": "x", "ends_at": "soon"}'])
def test_an_entry_of_another_form_counts_as_no_log_in(key_store: InMemory, kept: str) -> None:
    key_store.kept["cerbsync", URL] = kept
    assert current_token(KeyStore(), URL) is None
