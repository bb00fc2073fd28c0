"""A name that does not resolve, or whose addresses are all silent, takes no longer the more addresses it has."""

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberus.address_policy import AddressPolicy
from cerberus.checked_connection import Dialer
from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime

HOUR = 3_600.0


def dial(runtime: FakeRuntime, addresses: int, monkeypatch: pytest.MonkeyPatch, *, timeout: float) -> Reason:
    def silent(_: Any, timeout: float) -> Any:
        runtime.advance(timeout)
        raise TimeoutError

    answers = [(0, 0, 0, "", (f"10.0.{number // 250}.{number % 250 + 1}", 443)) for number in range(addresses)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket, "create_connection", silent)
    dialer = Dialer("files.example", 443, AddressPolicy(runtime))
    with pytest.raises(Failure) as caught:
        dialer.dial(timeout=timeout, deadline=Deadline(HOUR, runtime.monotonic))
    return caught.value.reason


@given(addresses=st.integers(1, 500), timeout=st.floats(1, 60))
def test_many_silent_addresses_take_no_longer_than_three(addresses: int, timeout: float) -> None:
    runtime = FakeRuntime()
    with pytest.MonkeyPatch.context() as patched:
        assert dial(runtime, addresses, patched, timeout=timeout) is Reason.CONNECT_TIMEOUT
    assert runtime.monotonic() == pytest.approx(min(addresses, 3) * timeout)


def test_a_resolver_that_hangs_takes_half_a_minute_of_however_long_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime()

    def hang(*_: object, **__: object) -> Any:
        runtime.advance(HOUR / 2)
        return []

    waits = []

    def run_with_timeout(work: Any, timeout: float) -> Any:
        waits.append(timeout)
        return FakeRuntime.run_with_timeout(runtime, work, timeout)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(runtime, "run_with_timeout", run_with_timeout)
    with pytest.raises(Failure) as caught:
        AddressPolicy(runtime).resolve("files.example", Deadline(HOUR, runtime.monotonic))
    assert caught.value.reason is Reason.NAME_NOT_RESOLVED
    assert waits == [30.0]
