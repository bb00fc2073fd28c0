"""From registrations to endpoints."""

from dataclasses import replace
from time import monotonic

import pytest

from cerberus.address_policy import AddressPolicy
from cerberus.client import BackupClient, PrimaryClient
from cerberus.tls import Pins, SystemRoots
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from fleet.servers import CerberusServers, trust_of
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust, destination_of

PRIMARY = ("p.example", 8443)
LOG_IN = Credentials("admin", "PLANTED")
PIN = "ab" * 32
SERVERS = CerberusServers(AddressPolicy(SystemRuntime()), SystemRuntime())


def log_in_for(server: Primary | Backup) -> Credentials:
    return replace(LOG_IN, destination=destination_of(server))


def test_trust_follows_from_the_registration() -> None:
    assert trust_of(TlsTrust()) == SystemRoots()
    assert trust_of(TlsTrust(pins=(PIN,))) == Pins((PIN,))


@pytest.mark.parametrize(
    "trust",
    [TlsTrust("PEM", (PIN,)), TlsTrust("no certificate at all"), TlsTrust(pins=("short",)), TlsTrust(pins=(PIN,) * 3)],
)
def test_trust_that_makes_no_sense_is_an_invalid_registration(trust: TlsTrust) -> None:
    with pytest.raises(Failure) as caught:
        trust_of(trust)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


def test_the_primarys_client_cannot_write() -> None:
    server = Primary("p.example", 8443)
    with SERVERS.primary(server, log_in_for(server), SyncSettings(), Deadline(1, monotonic)) as primary:
        assert type(primary) is PrimaryClient
        assert not [name for name in dir(primary) if name.startswith(("write", "commit"))]
        assert primary.label == "primary (p.example:8443)"


def test_a_backups_client_is_named_as_it_is_registered() -> None:
    server = Backup("b1", "b.example", 8443)
    with SERVERS.backup(server, log_in_for(server), SyncSettings(), Deadline(1, monotonic), PRIMARY) as backup:
        assert isinstance(backup, BackupClient)
        assert backup.label == "b1 (b.example:8443)"
        assert backup.address == ("b.example", 8443)


@pytest.mark.parametrize(("host", "port"), [("https://b.example", 1), ("b.example", 0), ("b.example", 70_000), ("", 1)])
def test_an_address_that_cannot_be_one_is_an_invalid_registration(host: str, port: int) -> None:
    server = Backup("b1", host, port)
    with pytest.raises(Failure) as caught:
        SERVERS.backup(server, log_in_for(server), SyncSettings(), Deadline(1, monotonic), PRIMARY)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


@pytest.mark.parametrize(
    "credentials",
    [
        LOG_IN,
        replace(LOG_IN, destination=destination_of(Primary("other.example", 8443))),
        replace(LOG_IN, destination=destination_of(Primary("p.example", 8444))),
        replace(LOG_IN, destination=destination_of(Primary("p.example", 8443, TlsTrust(pins=(PIN,))))),
    ],
)
def test_credentials_that_are_not_for_this_server_are_never_sent(credentials: Credentials) -> None:
    with pytest.raises(Failure) as caught:
        SERVERS.primary(Primary("p.example", 8443), credentials, SyncSettings(), Deadline(1, monotonic))
    assert caught.value.reason is Reason.PASSWORD_NEEDED
    assert "PLANTED" not in str(caught.value)
