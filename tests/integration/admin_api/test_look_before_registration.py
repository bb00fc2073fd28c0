"""A look at a server before it is registered: its certificate and nothing else, also of a hostile server."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.cerberus import LocalServer, self_signed
from local.cerberus.certificates import Identity
from local.fakes.management_api import FakeGateway

Make = Callable[..., LocalServer]
Registration = Callable[[LocalServer], dict[str, Any]]
Attend = Callable[[socket.socket, threading.Event], None]

BEFORE_LOG_IN = ["name_resolves", "address_permitted", "port_reachable", "certificate"]
LOG_IN_NEEDED = ["credentials_stored", "log_in", "soap_access", "valid_licence", "edition_with_sync"]
WITHIN = 25.0
"""Seconds: less than the 29 after which API Gateway gives up."""


def look(gateway: FakeGateway, host: str, port: int, **tls: Any) -> dict[str, Any]:
    status, report = gateway.call("POST", "/check", {"host": host, "port": port, **tls})
    assert status == 200, report
    return {**report, "results": {one["id"]: one for one in report["requirements"]}}


@contextmanager
def listening(attend: Attend) -> Iterator[int]:
    """The port of a server that treats each connection as ``attend`` says."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not done.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        attend(connection, done)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join(10)


def presenting(identity: Identity, heard: list[bytes]) -> Attend:
    """Completes the handshake with this certificate, and notes what is sent after it."""
    context = identity.server_context()

    def attend(connection: socket.socket, _: threading.Event) -> None:
        connection.settimeout(5)
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            try:
                heard.append(secure.recv(1000))
            except (ssl.SSLError, ConnectionError):  # the client closes without a farewell
                heard.append(b"")

    return attend


def drips(connection: socket.socket, done: threading.Event) -> None:
    """Announces a long record of the handshake, and sends a byte of it at a time."""
    connection.sendall(b"\x16\x03\x03\x40\x00")
    while not done.wait(0.05):
        connection.sendall(b"\x02")


def closes(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(1)


def answers_in_http(connection: socket.socket, done: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    done.wait(1)


def huge(size: int) -> Identity:
    """A self-signed certificate that holds an extension of so many bytes."""
    key = ec.generate_private_key(ec.SECP256R1())
    small = self_signed().certificate
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "huge")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(small.not_valid_before_utc)
        .not_valid_after(small.not_valid_after_utc)
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"x" * size), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate, key, "")


def test_a_self_signed_certificate_is_shown_to_be_pinned_and_nothing_is_sent(
    gateway: FakeGateway, server: Make
) -> None:
    with server("new") as running:
        report = look(gateway, running.host, running.port)
        assert running.requests == []
    assert report["server"] == f"{running.host}:{running.port}"
    assert report["certificate"]["fingerprint"] == running.fingerprint
    assert (report["certificate"]["trusted"], report["passed"]) == (False, False)
    assert report["certificate"]["not_before"] < report["certificate"]["not_after"]
    assert report["results"]["certificate"]["reason"] == "certificate_untrusted"
    assert report["results"]["not_registered"]["result"] == "pass"


def test_after_the_handshake_not_a_byte_is_sent(gateway: FakeGateway) -> None:
    heard: list[bytes] = []
    identity = self_signed()
    pins = {"mode": "pins", "fingerprints": [identity.fingerprint]}
    with listening(presenting(identity, heard)) as port:
        report = look(gateway, "127.0.0.1", port, tls=pins)
    assert report["certificate"]["trusted"]
    assert [report["results"][name]["result"] for name in BEFORE_LOG_IN] == ["pass"] * 4
    assert heard
    assert set(heard) == {b""}


def test_nothing_is_stored_and_no_password_is_looked_for(
    gateway: FakeGateway, server: Make, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server("known") as registered, server("new") as new:
        body = {"id": "known", **registration(registered)}
        assert gateway.call("POST", "/backups", body)[0] == 201
        registered.forget_requests()
        before = (gateway.store.backups(), gateway.store.primary(), gateway.store.status("known"))

        def asked(*_: object, **__: object) -> None:
            pytest.fail("a look before the registration uses no password")

        for name in ("get", "put", "delete", "username"):
            monkeypatch.setattr(gateway.credentials, name, asked)
        for running in (registered, new):
            look(gateway, running.host, running.port, tls=body["tls"])
        assert (registered.requests, new.requests) == ([], [])
    assert (gateway.store.backups(), gateway.store.primary(), gateway.store.status("known")) == before


def test_a_password_is_refused_unread(gateway: FakeGateway) -> None:
    sent = {"host": "127.0.0.1", "port": 1, "username": "admin", "password": "PLANTED-password"}
    status, problem = gateway.call("POST", "/check", sent)
    assert status == 422
    assert "PLANTED" not in str(problem)
    assert "PLANTED" not in str(gateway.audit.all_records)


def test_a_server_that_is_registered_is_named(gateway: FakeGateway, server: Make, registration: Registration) -> None:
    with server("primary") as primary, server("backup") as backup:
        gateway.call("PUT", "/primary", registration(primary))
        gateway.call("POST", "/backups", {"id": "ftp2", **registration(backup)})
        for running, name in ((primary, "primary"), (backup, "ftp2")):
            for host in (running.host, "localhost"):
                requirement = look(gateway, host, running.port)["results"]["not_registered"]
                assert (requirement["result"], name in requirement["detail"]) == ("warning", True), (host, requirement)


@pytest.mark.parametrize(("host", "result"), [("no-such-host.invalid", "warning"), ("other-host.invalid", "pass")])
def test_a_registered_name_that_leads_nowhere_is_named_by_its_spelling(
    gateway: FakeGateway, host: str, result: str
) -> None:
    sent = {"host": "no-such-host.invalid", "port": 8443, "username": "admin", "password": "PLANTED-first"}
    assert gateway.call("POST", "/backups", {"id": "ftp2", **sent})[0] == 201
    requirement = look(gateway, host.upper(), 8443)["results"]["not_registered"]
    assert (requirement["result"], "ftp2" in requirement["detail"]) == (result, result == "warning")


def test_what_needs_a_log_in_is_skipped_with_the_reason_in_words(gateway: FakeGateway, server: Make) -> None:
    with server("new") as running:
        pins = {"mode": "pins", "fingerprints": [running.fingerprint]}
        report = look(gateway, running.host, running.port, tls=pins)
    results = report["results"]
    assert not report["passed"]
    for name in LOG_IN_NEEDED:
        assert results[name]["result"] == "skipped"
        assert "log-in" in results[name]["detail"]


@pytest.mark.parametrize(
    ("attend", "step", "reason"),
    [
        pytest.param(drips, "port_reachable", "connect_timeout", id="drips"),
        pytest.param(closes, "certificate", "connection_closed", id="closes"),
        pytest.param(answers_in_http, "certificate", "tls_failed", id="plain-http"),
        pytest.param(presenting(huge(200_000), []), "certificate", "tls_failed", id="huge-certificate"),
    ],
)
def test_a_hostile_server_is_left_in_time_with_a_reason(
    gateway: FakeGateway, attend: Attend, step: str, reason: str
) -> None:
    began = time.monotonic()
    with listening(attend) as port:
        report = look(gateway, "127.0.0.1", port)
    assert time.monotonic() - began < WITHIN
    assert report["certificate"] is None
    failed = [(one["id"], one["reason"]) for one in report["requirements"] if one["result"] == "fail"]
    assert failed == [(step, reason)]
    assert report["results"][step]["detail"]
    assert report["results"][step]["remedy"]


def test_a_large_certificate_that_tls_accepts_is_shown_by_its_fingerprint(gateway: FakeGateway) -> None:
    identity = huge(60_000)
    with listening(presenting(identity, [])) as port:
        report = look(gateway, "127.0.0.1", port)
    assert report["certificate"]["fingerprint"] == identity.fingerprint
    assert len(str(report)) < 10_000


@pytest.mark.parametrize(
    ("host", "port", "step", "reason"),
    [
        ("no-such-host.invalid", 443, "name_resolves", "name_not_resolved"),
        ("169.254.169.254", 443, "address_permitted", "address_forbidden"),
        ("127.0.0.1", 1, "port_reachable", "connection_refused"),
    ],
)
def test_what_is_not_reached_is_named_with_its_remedy(
    gateway: FakeGateway, host: str, port: int, step: str, reason: str
) -> None:
    results = look(gateway, host, port)["results"]
    position = BEFORE_LOG_IN.index(step)
    assert [results[name]["result"] for name in BEFORE_LOG_IN] == (
        ["pass"] * position + ["fail"] + ["skipped"] * (3 - position)
    )
    assert (results[step]["reason"], bool(results[step]["remedy"])) == (reason, True)
