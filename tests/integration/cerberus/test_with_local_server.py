"""The clients with the stand-in server, which reads the contract for itself: both must understand it alike."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from cerberus.address_policy import AddressPolicy
from cerberus.client import BackupClient
from cerberus.endpoint import Endpoint
from cerberus.tls import CaBundle, Pins, Trust
from common.deadline import Deadline
from common.runtime import SystemRuntime
from common.server_types import Authentication, AuthenticationSource, MimeMapping, Version, as_text
from local.cerberus.generate import generate
from local.cerberus.server import LocalServer


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(generate(3, users=8, groups=2)) as running:
        yield running


def endpoint(server: LocalServer, trust: Trust) -> Endpoint:
    machine = server.state.machine
    return Endpoint(
        label="backup-1",
        host=server.host,
        port=server.port,
        credentials=("admin", machine.admin_password),
        trust=trust,
        addresses=AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime()),
    )


@pytest.fixture
def client(server: LocalServer) -> Iterator[BackupClient]:
    with BackupClient(
        endpoint(server, CaBundle(server.ca_pem)), Deadline(600, monotonic), SystemRuntime()
    ) as connected:
        yield connected


def test_a_pinned_server_is_read(server: LocalServer) -> None:
    with BackupClient(
        endpoint(server, Pins((server.fingerprint,))), Deadline(600, monotonic), SystemRuntime()
    ) as pinned:
        assert len(pinned.user_names()) == 8


def test_fresh_facts_come_over_a_new_connection_from_the_machine_that_answered_first(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([server.host])
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        return real(next(answers, "127.0.0.2") if host == "files.example" else host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    dialled: list[str] = []
    create_connection = socket.create_connection

    def dial(address: tuple[str, int], **named: Any) -> socket.socket:
        dialled.append(address[0])
        return create_connection(address, **named)

    monkeypatch.setattr(socket, "create_connection", dial)
    named = replace(endpoint(server, Pins((server.fingerprint,))), host="files.example")
    with BackupClient(named, Deadline(600, monotonic), SystemRuntime()) as pinned:
        assert pinned.facts() == pinned.fresh_facts()
    assert dialled == [server.host, server.host]


def test_everything_is_read(client: BackupClient) -> None:
    facts = client.facts()
    assert facts.version > Version(1, 0, 0, 0)
    assert facts.licence.valid
    assert facts.security.soap_secure
    assert len(client.user_names()) == 8
    assert len(client.group_names()) == 2
    for document in (
        client.settings(),
        client.users(),
        client.groups(),
        client.event_rules(),
        client.blocked_addresses(),
        client.auto_blocked_addresses(),
        client.account_requests(),
        client.authentication().document,
    ):
        assert as_text(document).lstrip().startswith("<")
    assert client.mime_mappings()
    assert client.listeners()
    assert client.native_sync().interval_minutes >= 0


def test_what_is_written_is_read_back(client: BackupClient) -> None:
    authentication = Authentication(
        client.authentication().document, (AuthenticationSource(True, "corp", "LDAP", "the directory"),)
    )
    client.write_authentication(authentication)
    assert client.authentication() == authentication
    mappings = (MimeMapping("abc", "text/abc"), MimeMapping("ä", "text/plain"))
    client.write_mime_mappings(mappings)
    assert client.mime_mappings() == mappings
    users, groups = client.users(), client.groups()
    client.write_accounts(users, groups)
    assert (client.users(), client.groups()) == (users, groups)
    manual, automatic = client.blocked_addresses(), client.auto_blocked_addresses()
    client.write_block_lists(manual, automatic)
    assert (client.blocked_addresses(), client.auto_blocked_addresses()) == (manual, automatic)
    for read, write in (
        (client.settings, client.write_settings),
        (client.event_rules, client.write_event_rules),
        (client.account_requests, client.write_account_requests),
    ):
        document = read()
        write(document)
        assert read() == document


def test_listeners_go_back_as_they_came(client: BackupClient) -> None:
    listeners = client.listeners()
    for listener in listeners:
        client.write_listener(listener)
    client.commit_listeners(listeners, client.settings())
    assert client.listeners() == listeners
