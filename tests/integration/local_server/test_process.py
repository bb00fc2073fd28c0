"""A server in a process of its own, driven from outside."""

import http.client
import ssl
from collections.abc import Iterator

import pytest

from local.cerberus.compare import PARTS, kept_machine_values, replicable_differences
from local.cerberus.contract import COMMON, PATHS, SERVICE
from local.cerberus.faults import Fault, Kind
from local.cerberus.remote import RemoteServer
from local.cerberus.soap import SOAP_12

PASSWORD = "given by the test & <quoted>"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[RemoteServer, RemoteServer]]:
    arguments = ("--users", "30", "--groups", "4", "--seed", "5")
    with (
        RemoteServer.start("primary", *arguments, "--certificate", "signed", password=PASSWORD) as primary,
        RemoteServer.start("backup", *arguments, "--without", "crl", password=PASSWORD) as backup,
    ):
        yield primary, backup


def hostname(server: RemoteServer) -> bytes:
    password = PASSWORD.replace("&", "&amp;").replace("<", "&lt;")
    body = (
        f'<e:Envelope xmlns:e="{SOAP_12}"><e:Body><s:GetHostnameRequest xmlns:s="{SERVICE}" xmlns:c="{COMMON}">'
        f"<c:credentials><c:user>{server.user}</c:user><c:password>{password}</c:password></c:credentials>"
        f"</s:GetHostnameRequest></e:Body></e:Envelope>"
    )
    context = ssl.create_default_context(cadata=server.ca_pem)
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=60, context=context)
    try:
        connection.request("POST", PATHS[0], body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_serves_with_the_credentials_and_the_trust_it_told(pair: tuple[RemoteServer, RemoteServer]) -> None:
    for server in pair:
        server.forget_requests()
        assert f"{server.name}.files.example".encode() in hostname(server)
        assert [request.operation for request in server.requests] == ["GetHostname"]
        assert len(server.fingerprint) == 64


def test_it_is_compared_drifted_and_summed_up_from_outside(pair: tuple[RemoteServer, RemoteServer]) -> None:
    primary, backup = pair
    before = backup.snapshot()
    assert replicable_differences(primary.snapshot(), before, (*PARTS, "listeners")) == []

    backup.drift("everywhere")

    differing = replicable_differences(primary.snapshot(), backup.snapshot())
    assert {difference.part for difference in differing} == set(PARTS)
    assert kept_machine_values(before, backup.snapshot()) == []
    assert primary.summary()["users"] == backup.summary()["users"] == 30
    with pytest.raises(ValueError, match="nobody"):
        backup.drift("remove_user", name="nobody")


def test_faults_are_set_told_and_cleared_from_outside(pair: tuple[RemoteServer, RemoteServer]) -> None:
    primary, _ = pair
    primary.fault(Kind.HTML, "GetHostname", times=1)

    assert primary.faults() == [Fault(Kind.HTML, "GetHostname", times=1)]
    assert hostname(primary).startswith(b"<!DOCTYPE html>")
    primary.clear_faults()
    assert primary.faults() == []


def test_the_port_is_closed_and_opened_from_outside(pair: tuple[RemoteServer, RemoteServer]) -> None:
    primary, _ = pair
    primary.refuse_connections()
    with pytest.raises(ConnectionRefusedError):
        hostname(primary)
    primary.accept_connections()

    assert b"primary" in hostname(primary)


def test_a_process_that_cannot_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="status"):
        RemoteServer.start("broken", "--version", "12")
