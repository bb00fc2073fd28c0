"""``cerbsync login``: a token of a Cognito user pool, by the authorization code flow with PKCE (RFC 7636, RFC 8252).

The browser shows the pool's own page; this program never sees the person's password. The tokens are kept by the
operating system's key store, never in a file.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.text import one_line

PORT = 8777
"""The loopback port. Cognito compares callback addresses exactly, so the app client has to name this one."""
CALLBACK = f"http://localhost:{PORT}/callback"
TOKEN_VARIABLE = "CERBSYNC_TOKEN"  # noqa: S105 - the name of a variable
_SERVICE = "cerbsync"
_PATIENCE = 300.0
"""Seconds for the person to log in."""
_MARGIN = 60.0
"""Seconds before the end of a token at which it is renewed."""
_TIMEOUT = (10.0, 30.0)
_LARGEST = 65_536


class KeyStore:
    """The operating system's key store. Every method raises CommandFailed."""

    def load(self, url: str) -> dict[str, Any] | None:
        """The log-in for the API at this URL, None if there is none."""
        import keyring
        from keyring.errors import KeyringError

        try:
            text = keyring.get_password(_SERVICE, url)
        except KeyringError:
            return None
        try:
            document = json.loads(text) if text else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def store(self, url: str, log_in: dict[str, Any]) -> None:
        """Keep the log-in for the API at this URL."""
        import keyring
        from keyring.errors import KeyringError

        try:
            keyring.set_password(_SERVICE, url, json.dumps(log_in))
        except KeyringError as error:
            raise CommandFailed(
                Problem.NO_KEY_STORE,
                f"this machine has no key store that could keep the log-in ({type(error).__name__})",
                f"use a machine with one (Windows, macOS, a Linux desktop), or give an ID token in {TOKEN_VARIABLE}",
                status=Exit.NOT_ALLOWED,
            ) from None


def log_in(
    domain: str, client_id: str, browse: Callable[[str], object], say: Callable[[str], None], port: int = PORT
) -> dict[str, Any]:
    """Have a person log in with the browser; return the log-in to keep. Raises CommandFailed.

    ``domain`` is the address of the pool's log-in page, ``browse`` opens a URL.
    """
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    callback = f"http://localhost:{port}/callback"
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback,
        "scope": "openid",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    with _listener(port) as listener:
        url = f"{domain}/oauth2/authorize?{urlencode(asked)}"
        say(f"Opening the log-in page in a browser. If none opens, go to:\n  {url}")
        browse(url)
        code = _code(listener, state)
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
    return _tokens(domain, client_id, exchange)


def current_token(store: KeyStore, url: str) -> str | None:
    """The ID token for the API at this URL, renewed if it ends soon; None if nobody has logged in there.

    Raises CommandFailed if the log-in has ended.
    """
    kept = store.load(url)
    if kept is None:
        return None
    try:
        token, ends_at, refresh = str(kept["id_token"]), float(kept["ends_at"]), str(kept["refresh_token"])
        domain, client_id = str(kept["domain"]), str(kept["client_id"])
    except (KeyError, TypeError, ValueError):
        return None
    if time.time() < ends_at - _MARGIN:
        return token
    exchange = {"grant_type": "refresh_token", "refresh_token": refresh}
    renewed = {"refresh_token": refresh, **_tokens(domain, client_id, exchange)}
    store.store(url, renewed)
    return str(renewed["id_token"])


class _Listener(HTTPServer):
    """Takes the browser's one visit to the callback address, from this machine alone."""

    answer: dict[str, list[str]] | None = None


class _Callback(BaseHTTPRequestHandler):
    server: _Listener

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/callback":
            self.send_error(404)
            return
        self.server.answer = parse_qs(parts.query)
        text = b"You can close this page and go back to the terminal.\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name in the standard library
        """Print nothing: the address of the visit has the code in it."""


def _listener(port: int) -> _Listener:
    try:
        return _Listener(("127.0.0.1", port), _Callback)
    except OSError:
        raise CommandFailed(
            Problem.PORT_TAKEN,
            f"port {port} of this machine is taken, and the log-in page answers to it",
            "end the program that listens there, or another `cerbsync login`",
        ) from None


def _code(listener: _Listener, state: str) -> str:
    ends_at = time.monotonic() + _PATIENCE
    while listener.answer is None:
        listener.timeout = ends_at - time.monotonic()
        if listener.timeout <= 0:
            raise CommandFailed(
                Problem.NOT_FINISHED,
                "nobody logged in within five minutes",
                "type `cerbsync login` again",
                status=Exit.NOT_ALLOWED,
            )
        listener.handle_request()
    answer = {name: values[0] for name, values in listener.answer.items()}
    if not secrets.compare_digest(answer.get("state", ""), state):
        raise CommandFailed(
            Problem.NOT_PERMITTED,
            "the answer of the log-in page is not to this log-in",
            "type `cerbsync login` again",
            status=Exit.NOT_ALLOWED,
        )
    if "code" not in answer:
        why = one_line(answer.get("error_description") or answer.get("error") or "no reason given")[:200]
        raise CommandFailed(
            Problem.NOT_PERMITTED,
            f"the log-in page refused: {why}",
            "type `cerbsync login` again",
            status=Exit.NOT_ALLOWED,
        )
    return answer["code"]


def _tokens(domain: str, client_id: str, exchange: dict[str, str]) -> dict[str, Any]:
    """The log-in to keep, from the pool's token endpoint."""
    refused = CommandFailed(
        Problem.NOT_PERMITTED, f"{domain} gave no token", "type `cerbsync login` again", status=Exit.NOT_ALLOWED
    )
    try:
        with requests.post(
            f"{domain}/oauth2/token",
            data={"client_id": client_id, **exchange},
            timeout=_TIMEOUT,
            allow_redirects=False,
            stream=True,
        ) as reply:
            document = json.loads(reply.raw.read(_LARGEST, decode_content=True)) if reply.status_code == 200 else None
    except (requests.RequestException, ValueError) as error:
        raise CommandFailed(
            Problem.API_UNREACHABLE, f"{domain} did not answer ({type(error).__name__})", "type `cerbsync login` again"
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("id_token"), str):
        raise refused
    try:
        ends_at = time.time() + float(document["expires_in"])
    except (KeyError, TypeError, ValueError):
        raise refused from None
    kept = {"domain": domain, "client_id": client_id, "id_token": document["id_token"], "ends_at": ends_at}
    if isinstance(document.get("refresh_token"), str):
        kept["refresh_token"] = document["refresh_token"]
    return kept
