"""The two clients against the product's own Protocols, without a network."""

from time import monotonic

import pytest

from cerberus.address_policy import AddressPolicy
from cerberus.client import READS, WRITES, BackupClient, PrimaryClient
from cerberus.endpoint import Endpoint
from cerberus.wsdl import service
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from replication.ports import ReadableServer, WritableServer

ANYWHERE = AddressPolicy(SystemRuntime())
ENDPOINT = Endpoint(
    "primary (files.example:8443)", "files.example", 8443, ("planted-admin", "planted-password"), ANYWHERE
)


def readable(server: ReadableServer) -> tuple[str, tuple[str, int]]:
    return server.label, server.address


def writable(server: WritableServer) -> tuple[str, tuple[str, int]]:
    return server.label, server.address


def test_the_clients_are_what_replication_asks_for() -> None:
    """That the annotations of the two functions above hold is what the type checker proves here."""
    expected = ("primary (files.example:8443)", ("files.example", 8443))
    assert readable(PrimaryClient(ENDPOINT, Deadline(1, monotonic), SystemRuntime())) == expected
    assert writable(BackupClient(ENDPOINT, Deadline(1, monotonic), SystemRuntime())) == expected


def test_a_primary_has_no_method_that_writes() -> None:
    public = {name for name in dir(PrimaryClient) if not name.startswith("_")}
    assert not {name for name in public if name.startswith(("write", "commit", "save", "set_", "delete", "add_"))}
    assert {name for name in dir(BackupClient) if not name.startswith("_")} - public == {
        name for name in dir(WritableServer) if name.startswith(("write", "commit"))
    } | {"fresh_facts", "deadline"}


def test_reads_and_writes_are_operations_of_the_service_and_apart() -> None:
    assert service().operations() >= READS | WRITES
    assert not READS & WRITES
    assert all(name.startswith(("Get", "Server")) for name in READS)


@pytest.mark.parametrize("operation", sorted(service().operations() - READS))
def test_a_primary_refuses_every_other_operation_as_a_programming_error(operation: str) -> None:
    with (
        PrimaryClient(ENDPOINT, Deadline(1, monotonic), SystemRuntime()) as primary,
        pytest.raises(RuntimeError, match=operation),
    ):
        primary._soap.call(operation)


def test_an_endpoint_never_shows_its_credentials() -> None:
    assert "planted" not in repr(ENDPOINT)
    assert "planted" not in str(ENDPOINT)


@pytest.mark.parametrize(("host", "port"), [("a/b", 443), ("", 443), ("a", 0), ("a", 65536), ("a", -1)])
def test_an_endpoint_that_cannot_be_one_is_refused(host: str, port: int) -> None:
    with pytest.raises(Failure) as caught:
        Endpoint("label", host, port, ("u", "p"), ANYWHERE)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


def test_a_used_up_deadline_stops_a_call_before_it_starts() -> None:
    with PrimaryClient(ENDPOINT, Deadline(0, monotonic), SystemRuntime()) as primary, pytest.raises(Failure) as caught:
        primary.users()
    assert (caught.value.reason, caught.value.server) == (Reason.DEADLINE, ENDPOINT.label)
