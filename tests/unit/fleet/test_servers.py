"""From registrations to endpoints, and how often credentials are tried."""

from time import monotonic

import pytest

from cerberus.address_policy import AddressPolicy
from cerberus.client import BackupClient, PrimaryClient
from cerberus.tls import Pins, SystemRoots
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from fleet.servers import CerberusServers, trust_of, with_credentials
from local.fakes.aws_services import RotatedCredentials
from registry.models import Backup, Credentials, Primary, SyncSettings, TlsTrust

LOG_IN = Credentials("admin", "PLANTED")
PIN = "ab" * 32
SERVERS = CerberusServers(AddressPolicy(SystemRuntime()), SystemRuntime())


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
    with SERVERS.primary(Primary("p.example", 8443), LOG_IN, SyncSettings(), Deadline(1, monotonic)) as primary:
        assert type(primary) is PrimaryClient
        assert not [name for name in dir(primary) if name.startswith(("write", "commit"))]
        assert primary.label == "primary (p.example:8443)"


def test_a_backups_client_is_named_as_it_is_registered() -> None:
    with SERVERS.backup(Backup("b1", "b.example", 8443), LOG_IN, SyncSettings(), Deadline(1, monotonic)) as backup:
        assert isinstance(backup, BackupClient)
        assert backup.label == "b1 (b.example:8443)"
        assert backup.address == ("b.example", 8443)


@pytest.mark.parametrize(("host", "port"), [("https://b.example", 1), ("b.example", 0), ("b.example", 70_000), ("", 1)])
def test_an_address_that_cannot_be_one_is_an_invalid_registration(host: str, port: int) -> None:
    with pytest.raises(Failure) as caught:
        SERVERS.backup(Backup("b1", host, port), LOG_IN, SyncSettings(), Deadline(1, monotonic))
    assert caught.value.reason is Reason.REGISTRATION_INVALID


@pytest.mark.parametrize(
    ("cached", "current", "right", "tried"),
    [
        ("a", "a", "a", ["a"]),  # right at once
        ("a", "b", "b", ["a", "b"]),  # changed meanwhile
        ("a", "a", "x", ["a"]),  # wrong and unchanged: not twice
        ("a", "b", "x", ["a", "b"]),  # changed to another wrong one: not again
    ],
)
def test_each_credentials_are_tried_once(cached: str, current: str, right: str, tried: list[str]) -> None:
    secrets = RotatedCredentials(cached, current)
    used: list[str] = []

    def use(credentials: Credentials) -> bool:
        used.append(credentials.username)
        return credentials.username == right

    assert with_credentials(secrets, "b1", use, lambda accepted: not accepted) is (right in tried)
    assert used == tried
    assert secrets.asked == ([False] if cached == right else [False, True])
