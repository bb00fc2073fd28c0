"""Throw-away TLS servers that answer exactly what a test tells them to, byte by byte."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cerberus.address_policy import AddressPolicy
from cerberus.client import BackupClient
from cerberus.endpoint import Endpoint, Timeouts
from cerberus.tls import CaBundle
from common.deadline import Deadline
from common.runtime import SystemRuntime

SVC = "http://cerberusllc.com/service/cerberusftpservice"
COM = "http://cerberusllc.com/common"
USER, PASSWORD = "planted-admin", "planted-pässword"


@dataclass
class Certificate:
    """A self-signed certificate with its key, in one PEM file."""

    path: Path
    pem: str
    der: bytes


def make_certificate(path: Path, *, name: str = "localhost", valid: bool = True) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=1 if valid else -1)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(days=2), end
        )
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path.write_text(secret + pem)
    return Certificate(path, pem, certificate.public_bytes(serialization.Encoding.DER))


@dataclass
class Request:
    """One request as received; ``connection`` counts from 0."""

    connection: int
    path: str
    headers: dict[str, str]
    body: bytes


Script = Callable[["Server", ssl.SSLSocket, Request], None]


@dataclass
class Server:
    """Answers each request by ``script``, until it closes the socket. ``received`` counts application bytes."""

    script: Script
    context: ssl.SSLContext | None
    listener: socket.socket
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    received: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        while not self.stopping.is_set():
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self._attend, args=(raw, number), daemon=True).start()

    def _attend(self, raw: socket.socket, number: int) -> None:
        # A peer that breaks off is what many tests are about.
        with contextlib.suppress(OSError), raw:
            raw.settimeout(20)
            if self.context is None:
                raw.sendall(b"220 this is not TLS\r\n")
                return
            with self.context.wrap_socket(raw, server_side=True) as connection:
                while connection.fileno() != -1 and (request := self._receive(connection, number)):
                    self.requests.append(request)
                    self.script(self, connection, request)

    def _receive(self, connection: ssl.SSLSocket, number: int) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := connection.recv(65536)):
                return None
            self.received += len(chunk)
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        chunks, size = [body], len(body)
        while size < int(headers.get("content-length", 0)):
            chunk = connection.recv(65536)
            if not chunk:
                return None
            chunks.append(chunk)
            size += len(chunk)
        self.received += size - len(body)
        return Request(number, first.split(" ")[1], headers, b"".join(chunks))


def http(
    body: str | bytes, *, status: int = 200, content_type: str = "application/soap+xml; charset=utf-8", **headers: str
) -> bytes:
    """A complete HTTP reply."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(raw)}", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope'
        f' xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:ns1="{SVC}" xmlns:ns2="{COM}">'
        f"<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


def answer(operation: str, content: str = "") -> str:
    """A reply with ``result`` true after ``content``."""
    return envelope(f"<ns1:{operation}Response>{content}<ns1:result>true</ns1:result></ns1:{operation}Response>")


def users(data: str = "&lt;users/&gt;") -> bytes:
    return http(answer("GetProfiles", f"<ns1:data>{data}</ns1:data>"))


def always(reply: bytes, *, close: bool = False) -> Script:
    def script(_: Server, connection: ssl.SSLSocket, __: Request) -> None:
        connection.sendall(reply)
        if close:
            connection.close()

    return script


def in_turn(*replies: bytes) -> Script:
    """One reply after the other, the last one again and again."""

    def script(server: Server, connection: ssl.SSLSocket, _: Request) -> None:
        connection.sendall(replies[min(len(server.requests), len(replies)) - 1])

    return script


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("certificates")
    return SimpleNamespace(
        good=make_certificate(folder / "good.pem"),
        other=make_certificate(folder / "other.pem"),
        expired=make_certificate(folder / "expired.pem", valid=False),
        elsewhere=make_certificate(folder / "elsewhere.pem", name="elsewhere.example"),
    )


@pytest.fixture
def serve(certificates: SimpleNamespace) -> Iterator[Callable[..., Server]]:
    """Starts servers: ``serve(script, certificate=..., plain=False)``."""
    running: list[Server] = []

    def start(
        script: Script, certificate: Certificate | None = None, *, plain: bool = False, tls: Any = None
    ) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain((certificate or certificates.good).path)
        if tls is not None:
            context.maximum_version = tls
        listener = socket.create_server(("127.0.0.1", 0))
        server = Server(script, None if plain else context, listener)
        running.append(server)
        threading.Thread(target=server.serve, daemon=True).start()
        return server

    yield start
    for server in running:
        server.stopping.set()
        with contextlib.suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


@pytest.fixture
def connect(certificates: SimpleNamespace) -> Iterator[Callable[..., BackupClient]]:
    """Makes clients: ``connect(server or port, deadline=..., and any field of Endpoint)``."""
    clients: list[BackupClient] = []

    def make(target: Server | int, *, deadline: float | Deadline = 120.0, **changes: Any) -> BackupClient:
        fields: dict[str, Any] = {
            "label": "backup-1 (localhost)",
            "host": "127.0.0.1",
            "port": target if isinstance(target, int) else target.port,
            "credentials": (USER, PASSWORD),
            "trust": CaBundle(certificates.good.pem),
            "timeouts": Timeouts(connect=60.0, read=60.0),
            "addresses": AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime()),
        }
        limit = deadline if isinstance(deadline, Deadline) else Deadline(deadline, monotonic)
        clients.append(BackupClient(Endpoint(**{**fields, **changes}), limit, SystemRuntime()))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def wire() -> SimpleNamespace:
    """Builders of replies and scripts, and the planted credentials."""
    return SimpleNamespace(
        http=http,
        envelope=envelope,
        answer=answer,
        users=users,
        always=always,
        in_turn=in_turn,
        svc=SVC,
        com=COM,
        user=USER,
        password=PASSWORD,
    )
