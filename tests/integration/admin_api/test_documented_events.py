"""Each event of events/admin_api, as the handler answers it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.cerberus import LocalServer
from local.events import Invocation, differences, invocations, seed
from registry.fleet_records import Credentials


@pytest.fixture
def seeded(gateway: Any, server: Callable[..., LocalServer]) -> Iterator[Any]:
    with server("primary") as primary, server("ftp2") as backup:
        seed(
            gateway.store,
            gateway.credentials,
            (primary, _log_in(primary)),
            (backup, _log_in(backup)),
            gateway.snapshots,
        )
        yield gateway


def _log_in(running: LocalServer) -> Credentials:
    return Credentials(running.state.machine.admin_user, running.state.machine.admin_password)


@pytest.mark.parametrize("invocation", invocations("admin_api"), ids=lambda invocation: invocation.name)
def test_the_event_has_the_documented_answer(seeded: Any, invocation: Invocation) -> None:
    answer = seeded.resolve(invocation.event)
    response = {"statusCode": answer.status, "headers": answer.headers, "body": answer.body}
    assert differences(invocation.answer, response) == []


def test_there_is_an_event_for_every_route(gateway: Any) -> None:
    described = gateway.call("GET", "/openapi.json")[1]["paths"]
    routes = {(path, method.upper()) for path, operations in described.items() for method in operations}
    events = [invocation.event for invocation in invocations("admin_api")]
    assert {(event["resource"], event["httpMethod"]) for event in events} == routes
    assert len(events) == len(routes)
