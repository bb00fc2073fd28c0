"""Whatever is done to registrations, a password reaches no server but the one it was given for."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from admin_api import checks, plans
from cerberus.address_policy import AddressPolicy
from cerberus.certificate import CertificateFacts
from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet import servers
from fleet.servers import CerberusServers
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.secrets_manager import FakeSecretsManager
from local.fakes.servers import FakeServer, FleetServer
from local.fakes.world import RecordedProgress
from registry.credentials import SecretsManagerCredentials
from registry.fleet_records import Backup, Primary, TlsTrust, address_key
from sync.context import RunContext
from sync.events import RunRequest, Trigger
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cerberus.endpoint import Endpoint

HOSTS = ("a.example", "b.example", "B.example.", "c.example")
IDS = ("ftp1", "ftp2")
TRUSTS: dict[str, dict[str, Any]] = {
    "system": {"mode": "system"},
    "one": {"mode": "pins", "fingerprints": ["ab" * 32]},
    "two": {"mode": "pins", "fingerprints": ["ab" * 32, "cd" * 32]},
}
PREFIX = "test"


@dataclass
class Network:
    """A server at every address, which lets in whoever has a password that it does not refuse.

    ``reached`` has every password that arrived, with where it arrived. ``may_refuse`` are the passwords that may be
    refused once more, ``repeated`` those that were although they may not: nothing is raised amid the product's code.
    """

    reached: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    may_refuse: set[str] = field(default_factory=set)
    repeated: list[str] = field(default_factory=list)
    unguarded: list[str] = field(default_factory=list)
    """Backups that somebody connects to without saying where the primary is, which they must not turn out to be."""
    _servers: dict[str, FleetServer] = field(default_factory=dict)

    @contextmanager
    def client(self, endpoint: Endpoint, *_: object) -> Iterator[FakeServer]:
        """What is used instead of a client over HTTPS."""
        if not endpoint.label.startswith("primary (") and not (endpoint.not_at and endpoint.not_at[0]):
            self.unguarded.append(endpoint.label)
        address, trust = address_key(endpoint.host, endpoint.port), repr(endpoint.trust)
        server = copy(self._servers.setdefault(address, FleetServer(address, endpoint.port)))
        server.label, server.address = endpoint.label, (endpoint.host, endpoint.port)
        password, arrived = endpoint.credentials[1], [False]

        def log_in(_call: str) -> None:
            if not arrived[0]:
                arrived[0] = True
                self._log_in(f"{address} {trust}", address, password)
            if address in self.refuses:
                raise Failure(Reason.AUTHENTICATION_FAILED, "refused")

        server.on_call = log_in
        yield server

    def _log_in(self, destination: str, address: str, password: str) -> None:
        self.reached.append((password, destination))
        if address in self.refuses:
            if password not in self.may_refuse:
                self.repeated.append(password)
            self.may_refuse.discard(password)
        else:
            self.may_refuse.add(password)


class Fleet:
    """The management API and the sync function over one registry, each with a cache of its own for passwords."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.secrets, self.network, self.api = FakeSecretsManager(), Network(), ApiWorld()
        self.api.credentials = cast(Any, self._credentials())
        self._synced = self._credentials()
        self._addresses = AddressPolicy(self.api.runtime)
        self._passwords = 0
        self.given: dict[str, str] = {}
        for module, name in ((servers, "PrimaryClient"), (servers, "BackupClient"), (checks, "PrimaryClient")):
            patch.setattr(module, name, self.network.client)
        patch.setattr(plans, "PrimaryClient", self.network.client)
        patch.setattr(checks, "inspect_certificate", _certificate)
        patch.setattr(socket, "getaddrinfo", _nobody)

    def _credentials(self) -> SecretsManagerCredentials:
        return SecretsManagerCredentials(PREFIX, cast(Any, self.secrets), self.api.runtime)

    def password(self, server: Primary | Backup | None, body: dict[str, Any]) -> str:
        """A new password, given for where the server will be."""
        self._passwords += 1
        password = f"PLANTED-{self._passwords}"
        host, port = body.get("host", server.host if server else ""), body.get("port", server.port if server else 0)
        trust = _trust(body["tls"]) if "tls" in body else (server.trust.pins if server else ())
        self.given[password] = _destination(host, port, trust)
        self.network.may_refuse.add(password)
        return password

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        with self.api.running():
            answer = self.api.call(method, path, body)
        assert answer.status not in (500, 424), answer.text
        return answer

    def run(self) -> None:
        context = RunContext(
            store=self.api.store,
            credentials=self._synced,
            servers=CerberusServers(self._addresses, self.api.runtime),
            progress=RecordedProgress(),
            snapshots=self.api.snapshots,
            primary=None,
            lease_seconds=60,
            runtime=self.api.runtime,
        )
        run(RunRequest(Trigger.ON_DEMAND), context, Deadline(600, self.api.runtime.monotonic))

    def server(self, name: str) -> Primary | Backup | None:
        return self.api.store.primary() if name == "primary" else self.api.store.backup(name)

    def check_everything(self) -> None:
        assert self.network.repeated == []
        assert self.network.unguarded == []
        for password, destination in self.network.reached:
            assert self.given.setdefault(password, destination) == destination

    # Steps

    def step(self, kind: str, name: str, host: str, trust: str, with_password: bool) -> None:
        place = {"host": host, "port": 443}
        match kind:
            case "register":
                self._register(name, {**place, "tls": TRUSTS[trust], "username": "admin"}, with_password)
            case "move":
                self._change(name, place, with_password)
            case "trust":
                self._change(name, {"tls": TRUSTS[trust]}, with_password)
            case "rename":
                self._change(name, {"username": f"admin at {self.api.now}"}, with_password)
            case "hand":
                self._store_by_hand(name)
            case "refuse":
                self.network.refuses ^= {address_key(host, 443)}
            case "later":
                self.api.runtime.advance(400)
            case "check":
                self._check(name)
            case "run":
                self.run()
            case _ if name != "primary":
                self._manage(kind, name)

    def _register(self, name: str, body: dict[str, Any], with_password: bool) -> None:
        if name != "primary":
            self.call("POST", "/backups", {"id": name, **body, "password": self.password(None, body)})
        elif with_password:
            self.call("PUT", "/primary", {**body, "password": self.password(self.server(name), body)})
        else:
            self._change(name, body, with_password)

    def _change(self, name: str, body: dict[str, Any], with_password: bool) -> None:
        server = self.server(name)
        if with_password:
            body = {**body, "password": self.password(server, body)}
        elif "username" in body and server:  # a new version of the secret, which may be tried once
            self.network.may_refuse |= self._stored(server)
        self.call("PATCH", _path(name), body)

    def _store_by_hand(self, name: str) -> None:
        if server := self.server(name):
            password = self.password(server, {})
            del self.given[password]  # it is for where it goes first
            value = json.dumps({"username": "admin", "password": password})
            self.secrets.put_secret_value(SecretId=f"{PREFIX}/{server.secret_id}", SecretString=value)

    def _manage(self, kind: str, backup_id: str) -> None:
        match kind:
            case "delete":
                self.call("DELETE", f"/backups/{backup_id}")
            case "promote":
                former = next(one for one in IDS if one != backup_id)
                self.call("POST", "/primary/promote", {"backup_id": backup_id, "former_id": former, "force": True})
            case _:
                with self.api.running():
                    self.api.call("GET", f"/backups/{backup_id}/plan")

    def _check(self, name: str) -> None:
        server = self.server(name)
        if server is None:
            return
        stored = self._stored(server)
        self.network.may_refuse |= stored
        before = len(self.network.reached)
        self.call("POST", f"{_path(name)}/check")
        made = [password for password, _ in self.network.reached[before:] if password in stored]
        assert len(made) <= 1
        self.network.may_refuse -= stored & {password for password in made if self._refuses(server)}

    def _refuses(self, server: Primary | Backup) -> bool:
        return address_key(server.host, server.port) in self.network.refuses

    def _stored(self, server: Primary | Backup) -> set[str]:
        value = self.secrets.readable.get(f"{PREFIX}/{server.secret_id}")
        return {json.loads(value)["password"]} if value and value != "{}" else set()


def _path(name: str) -> str:
    return "/primary" if name == "primary" else f"/backups/{name}"


def _trust(tls: dict[str, Any]) -> tuple[str, ...]:
    return tuple(tls.get("fingerprints", ()))


def _destination(host: str, port: int, pins: tuple[str, ...]) -> str:
    trust = repr(servers.trust_of(TlsTrust(pins=pins)))
    return f"{address_key(host, port)} {trust}"


def _certificate(*_: object, **__: object) -> CertificateFacts:
    end = datetime(2030, 1, 1, tzinfo=UTC)
    return CertificateFacts("CN=a", "CN=a", "ab" * 32, end, end, trusted=True)


def _nobody(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


KINDS = (
    *("register", "move", "move", "trust", "rename", "delete", "promote"),
    *("plan", "check", "hand", "refuse", "later", "run", "run", "run"),
)
STEPS = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(["primary", "ftp1", "ftp1", "ftp2"]),
    st.sampled_from(HOSTS),
    st.sampled_from(list(TRUSTS)),
    st.booleans(),
)


REFUSED = ("refuse", "", "b.example", "system", False)
RUN = ("run", "", "", "system", False)
MOVED = ("move", "ftp1", "c.example", "system", False)
BY_HAND = ("hand", "ftp1", "", "system", False)
PLAN = ("plan", "ftp1", "", "system", False)
CHECK = ("check", "ftp1", "", "system", False)


@example([REFUSED, RUN, ("promote", "ftp1", "", "system", False)])
@example([REFUSED, RUN, RUN, PLAN, CHECK, RUN, PLAN, REFUSED, CHECK, RUN, REFUSED, RUN, RUN])
@example([BY_HAND, RUN, MOVED, RUN, PLAN, CHECK])
@example([BY_HAND, MOVED, RUN, PLAN, CHECK])
@example([RUN, ("move", "ftp1", "c.example", "system", True), RUN, PLAN, CHECK])
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_no_password_reaches_a_server_that_it_was_not_given_for(steps: list[tuple[str, str, str, str, bool]]) -> None:
    """And after a refusal none is sent again until its secret changes or a check is asked for, which sends it once."""
    with pytest.MonkeyPatch.context() as patch:
        fleet = Fleet(patch)
        fleet.step("register", "primary", "a.example", "system", with_password=True)
        fleet.step("register", "ftp1", "b.example", "one", with_password=True)
        for kind, name, host, trust, with_password in steps:
            fleet.step(kind, name, host, trust, with_password)
            fleet.check_everything()
