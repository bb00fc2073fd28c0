"""Servers to measure against: many in one process, with the stand-in's own answers, written down beforehand.

They spend as little as possible of the machine that is shared with what is
measured: a reply is bytes that are ready, a pushed document is kept as the
escaped bytes it came in. The log-in is checked in every request, and each
reply waits for the injected latency. Whoever is measured talks to the same.

Run as ``python -m benchmarks.servers`` it takes a line of JSON (``Layout``) and
prints one (``FleetAccess``) when all serve; then each line it is given is answered
with one: ``reset`` puts the documents back, ``counts`` reports what was asked.
"""

import argparse
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.cerberus import contract, soap
from local.cerberus.certificates import Authority
from local.cerberus.generate import generate
from local.cerberus.machine import Machine
from local.cerberus.operations import HANDLERS
from local.cerberus.values import escape, write

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[1]
PRIMARY = "primary"
READS = (
    "ServerInformation", "GetLicenseInfo", "GetFeatures", "ServerSummaryStatus", "GetConfiguration",
    "GetAuthenticationList", "GetProfiles", "GetGroups", "GetUserList", "GetGroupList", "GetEventRules",
    "GetMimeMappings", "GetIPBlockList", "GetAutoBlockList", "GetRequestedAccounts", "GetBackupServers",
)  # fmt: skip
STORED = {
    "SaveProfiles": {"ProfilesXML": "GetProfiles", "GroupsXML": "GetGroups"},
    "SaveConfiguration": {"ConfigXML": "GetConfiguration"},
    "SetEventRules": {"dataXml": "GetEventRules"},
    "SetAuthenticationList": {"dataXml": "GetAuthenticationList"},
    "SetRequestedAccounts": {"dataXml": "GetRequestedAccounts"},
}
"""Which field of a write becomes the document of which read."""
_OPERATION = re.compile(rb"Body>\s*<(?:[\w-]+:)?(\w+)")
_DOCUMENT = re.compile(rb"<(?:\w+:)?(?:data|dataXml)>(.*?)</", re.DOTALL)
_LARGEST_HEADER = 64 * 1024


@dataclass(frozen=True)
class Layout:
    """A fleet: how many backups, how many users each server has, and the latency of each reply in seconds.

    ``edited`` users of every backup have another address than on the primary, each backup others.
    """

    backups: int
    users: int
    latency: float = 0.0
    edited: int = 0


@dataclass(frozen=True)
class FleetAccess:
    """Ports and passwords by the servers' names, the authority that signed their certificate, and the documents' size.

    ``documents`` is in bytes of UTF-8, of the users and groups of one server.
    """

    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    ca_pem: str
    documents: int
    user: str = "admin"


class Stocked:
    """One server's ready replies by operation: before, the escaped document, and behind it."""

    def __init__(self, machine: Machine, replies: Mapping[str, tuple[bytes, bytes, bytes]]) -> None:
        self._password = f">{machine.admin_password}<".encode()
        self._at_first = dict(replies)
        self._replies = dict(replies)
        self.calls: Counter[str] = Counter()
        self.received = 0
        self.sent = 0

    def reset(self) -> None:
        self._replies = dict(self._at_first)
        self.calls.clear()
        self.received = self.sent = 0

    def answer(self, body: bytes) -> tuple[bytes, ...]:
        """The reply's pieces. Raises ValueError for a wrong password or an operation that is not stocked."""
        request = _OPERATION.search(body, 0, 2048)
        operation = contract.BY_REQUEST[request[1].decode()].name if request else ""
        if self._password not in body[:4096]:
            raise ValueError("wrong credentials")
        self.calls[operation] += 1
        if operation in STORED:
            for field, read in STORED[operation].items():
                head, _, tail = self._replies[read]
                self._replies[read] = (head, _content(body, field), tail)
            pieces: tuple[bytes, ...] = (self._written(operation),)
        else:
            pieces = self._replies[operation]
        self.received += len(body)
        self.sent += sum(map(len, pieces))
        return pieces

    def _written(self, operation: str) -> bytes:
        response = contract.OPERATIONS[operation].response
        return soap.envelope(soap.SOAP_12, write(f"ns1:{response}", {"result": True}, response))


def _content(body: bytes, field: str) -> bytes:
    start = re.search(rb"<(?:[\w-]+:)?" + field.encode() + rb"(/?)>", body)
    if start is None:
        raise ValueError(f"no {field} was sent")
    return b"" if start[1] else body[start.end() : body.index(b"<", start.end())]


class Listening:
    """All servers of one process, a thread for each connection."""

    def __init__(self, servers: Mapping[str, Stocked], context: ssl.SSLContext, latency: float) -> None:
        self._context = context
        self._latency = latency
        self.ports = {name: self._listen(server) for name, server in servers.items()}

    def _listen(self, server: Stocked) -> int:
        listener = socket.create_server((HOST, 0), backlog=64)
        threading.Thread(target=self._accept, args=(listener, server), daemon=True).start()
        return int(listener.getsockname()[1])

    def _accept(self, listener: socket.socket, server: Stocked) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve, args=(connection, server), daemon=True).start()

    def _serve(self, connection: socket.socket, server: Stocked) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secure:
            while (body := _request(secure)) is not None:
                started = time.monotonic()
                pieces = server.answer(body)
                length = sum(map(len, pieces))
                head = (
                    "HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"
                    f"Content-Length: {length}\r\n\r\n"
                ).encode()
                time.sleep(max(0.0, started + self._latency - time.monotonic()))
                small = length < _LARGEST_HEADER
                for piece in (b"".join((head, *pieces)),) if small else (head, *pieces):
                    secure.sendall(piece)


def _request(connection: ssl.SSLSocket) -> bytes | None:
    """The body of the next request, None at the end of the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(_LARGEST_HEADER)
        if not more:
            return None
        received += more
    head, _, first = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length:\s*(\d+)", head)
    body = bytearray(int(length[1]) if length else 0)
    body[: len(first)] = first
    view, position = memoryview(body), len(first)
    while position < len(body):
        count = connection.recv_into(view[position:])
        if not count:
            return None
        position += count
    return bytes(body)


def stocked_fleet(layout: Layout) -> tuple[dict[str, Stocked], dict[str, Machine], int]:
    """The servers by name, their machines, and the size of one server's users and groups in bytes.

    Users are generated for a few machines and edited for the others: what
    differs between servers is what differs between generated ones (machine
    values, run-time values) and the edited users.
    """
    names = [PRIMARY, *(f"backup-{number:03}" for number in range(layout.backups))]
    machines = {name: Machine.named(name) for name in names}
    source = generate(users=layout.users, groups=20, machine=machines[PRIMARY])
    others = [
        generate(users=layout.users, groups=20, machine=machines[name]).document("profiles") for name in names[1:5]
    ]
    servers = {}
    for number, name in enumerate(names):
        state = generate(users=0, groups=20, machine=machines[name])
        replies = {operation: _ready(state, operation) for operation in READS}
        users = (
            source.document("profiles") if name == PRIMARY else _edited(others[number % len(others)], number, layout)
        )
        head, _, tail = replies["GetProfiles"]
        replies["GetProfiles"] = (head, escape(users).encode(), tail)
        replies["GetUserList"] = _ready(source, "GetUserList") if name == PRIMARY else replies["GetUserList"]
        servers[name] = Stocked(machines[name], replies)
    return servers, machines, len((source.document("profiles") + source.document("groups")).encode())


def _edited(users: str, number: int, layout: Layout) -> str:
    for each in range(layout.edited):
        name = f"user{(number * 7 + each * 13) % max(1, layout.users):06}@partner.example"
        users = users.replace(f'"{name}"', f'"edited-{number}-{name}"')
    return users


def _ready(state: Any, operation: str) -> tuple[bytes, bytes, bytes]:
    response = contract.OPERATIONS[operation].response
    reply = soap.envelope(soap.SOAP_12, write(f"ns1:{response}", HANDLERS[operation](state, {}), response))
    document = _DOCUMENT.search(reply)
    if document is None:
        return reply, b"", b""
    return reply[: document.start(1)], document[1], reply[document.end(1) :]


class Fleet:
    """The servers in a process of their own."""

    def __init__(self, process: subprocess.Popen[str], access: FleetAccess) -> None:
        self._process = process
        self.access = access

    def reset(self) -> None:
        """Let every server hold what it held at first."""
        self._ask("reset")

    def counts(self) -> dict[str, dict[str, Any]]:
        """By server: ``calls`` by operation, bytes ``received`` and ``sent`` since the last reset."""
        return dict(self._ask("counts"))

    def _ask(self, what: str) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("the process was started with pipes")
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def running(layout: Layout) -> Iterator[Fleet]:
    """The fleet, serving; it ends with the block."""
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=ROOT,
        )
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("the process was started with pipes")
            process.stdin.write(json.dumps(asdict(layout)) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                complaints.seek(0)
                raise RuntimeError(f"the servers did not start: {complaints.read()}")
            yield Fleet(process, FleetAccess(**json.loads(line)))
        finally:
            process.kill()
            process.communicate()


def main() -> None:
    """Serve until the input ends."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    layout = Layout(**json.loads(sys.stdin.readline()))
    servers, machines, size = stocked_fleet(layout)
    authority = Authority.create()
    listening = Listening(servers, authority.issue(HOST).server_context(), layout.latency)
    passwords = {name: machine.admin_password for name, machine in machines.items()}
    print(json.dumps(asdict(FleetAccess(listening.ports, passwords, authority.pem, size))), flush=True)
    for line in sys.stdin:
        if line.strip() == "reset":
            for server in servers.values():
                server.reset()
            print("{}", flush=True)
        else:
            counts = {
                name: {"calls": dict(server.calls), "received": server.received, "sent": server.sent}
                for name, server in servers.items()
            }
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
