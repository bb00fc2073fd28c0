"""A backup whose name leads elsewhere at every question is never dialed at the primary's addresses."""

import socket
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberus.address_policy import AddressPolicy
from cerberus.checked_connection import Dialer
from cerberus.same_server import Address, same_server
from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime

PORT = 443
BACKUP, PRIMARY = "backup.example", "primary.example"
ADDRESSES = st.sampled_from([f"10.0.0.{number}" for number in range(1, 6)])
ANSWER = st.lists(ADDRESSES, min_size=1, max_size=3, unique=True)


class Names:
    """A network in which the primary's name has some addresses, and the backup's other ones at every question."""

    def __init__(self, of_primary: list[str], of_backup: list[list[str]], patched: pytest.MonkeyPatch) -> None:
        self._of_primary = of_primary
        self._of_backup: Iterator[list[str]] = cycle(of_backup)
        self.dialed: list[str] = []
        patched.setattr(socket, "getaddrinfo", self._resolve)
        patched.setattr(socket, "create_connection", self._connect)

    def _resolve(self, host: str, port: int, **_: object) -> list[Any]:
        addresses = self._of_primary if host == PRIMARY else next(self._of_backup)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    def _connect(self, address: tuple[str, int], timeout: float) -> Any:
        assert timeout > 0
        self.dialed.append(address[0])
        if len(self.dialed) % 2:
            raise ConnectionRefusedError
        return socket.socket()


def dial(names: Names, not_at: Address | None) -> list[Reason | None]:
    """What comes of five connections of one client, and of the question before that both be two servers."""
    runtime = FakeRuntime()
    policy, deadline = AddressPolicy(runtime), Deadline(600, runtime.monotonic)
    same_server((PRIMARY, PORT), (BACKUP, PORT), policy, deadline)
    dialer, ends = Dialer(BACKUP, PORT, policy, not_at), list[Reason | None]()
    for _ in range(5):
        try:
            dialer.dial(timeout=5, deadline=deadline).close()
            ends.append(None)
        except Failure as failure:
            ends.append(failure.reason)
    return ends


@given(of_primary=ANSWER, of_backup=st.lists(ANSWER, min_size=1, max_size=4))
def test_a_backup_is_never_dialed_at_an_address_of_the_primary(
    of_primary: list[str], of_backup: list[list[str]]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        names = Names(of_primary, of_backup, patched)
        ends = dial(names, (PRIMARY, PORT))
    assert set(names.dialed).isdisjoint(of_primary)
    assert set(ends) <= {None, Reason.CONNECTION_REFUSED, Reason.SAME_AS_PRIMARY}
    if all(set(answer).isdisjoint(of_primary) for answer in of_backup):
        assert Reason.SAME_AS_PRIMARY not in ends
    if all(not set(answer).isdisjoint(of_primary) for answer in of_backup):
        assert set(ends) == {Reason.SAME_AS_PRIMARY}


@pytest.mark.parametrize("not_at", [None, (PRIMARY, PORT + 1)])
def test_other_servers_and_other_ports_of_one_machine_are_dialed(
    not_at: Address | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(["10.0.0.1"], [["10.0.0.1"]], monkeypatch)
    assert None in dial(names, not_at)
    assert set(names.dialed) == {"10.0.0.1"}
