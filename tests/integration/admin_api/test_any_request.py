"""Requests that nobody thought of: made from the API's own description, valid and invalid ones."""

import re
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import certifi
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from cerberus.address_policy import Address, AddressPolicy
from common.runtime import SystemRuntime
from local.cerberus import LocalServer
from local.fakes.runtime import FakeRuntime

GETADDRINFO = socket.getaddrinfo
CONFIG = {
    "headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=test"},
    # What failed before is not tried first: it would make a run depend on the one before.
    "generation": {"max-examples": 8, "mode": "all", "no-shrink": True, "database": "none"},
    "checks": {
        # Valid by the description and refused all the same: an If-Match that is not the present version (412),
        # a primary that does not answer (424).
        "positive_data_acceptance": {"expected-statuses": ["2xx", "403", "404", "409", "412", "424"]},
        # A body of more than 256 KiB is refused before anything else about it is looked at (413).
        "negative_data_rejection": {"expected-statuses": ["400", "403", "404", "405", "409", "413", "415", "422"]},
    },
}


def _formats() -> None:
    """What the description's own formats mean, for the generator."""
    certificate = re.search(
        "-----BEGIN.*?-----END CERTIFICATE-----", Path(certifi.where()).read_text("utf-8"), re.DOTALL
    )
    assert certificate is not None
    schemathesis.openapi.format("server-host", st.sampled_from(["localhost", "127.0.0.1", "no-such-host.invalid"]))
    schemathesis.openapi.format("pem-certificates", st.just(certificate[0]))
    schemathesis.openapi.format("preservation-rule", st.from_regex(re.compile(r"[a-z*?]{1,20}"), fullmatch=True))
    schemathesis.openapi.format("password", st.just("PLANTED-password"))


class _ThisMachineAlone(AddressPolicy):
    """Nothing that a generator makes leads anywhere else."""

    def permits(self, address: Address) -> bool:
        return address.is_loopback


def _resolve_on_this_machine(host: Any, *arguments: Any, **more: Any) -> Any:
    if host not in ("localhost", "127.0.0.1"):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return GETADDRINFO(host, *arguments, **more)


def _about_the_address(check: Any, response: Any) -> bool:
    """Whether a request is refused for where its host leads, of which the description says no more than that."""
    return bool(check.name == "positive_data_acceptance" and response.json().get("reason") == "address_forbidden")


def _about_the_snapshot(check: Any, response: Any) -> bool:
    """Whether what was not found is the snapshot or state that a request names, and not the backup just made."""
    return bool(check.name == "ensure_resource_availability" and response.json().get("reason") == "snapshot_missing")


def _of_another_alternative(check: Any, case: Any) -> bool:
    """Whether the body that was made to break one alternative of a field is one of another alternative."""
    message = str(check.failure_info.failure)
    if check.name != "negative_data_rejection" or "Invalid component: in body" not in message:
        return False
    content = case.operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
    described = {**content, "components": case.operation.schema.raw_schema["components"]}
    return jsonschema_rs.Draft202012Validator(described, ignore_unknown_formats=True).is_valid(case.body)


def _by_gateway(check: Any, _: Any) -> bool:
    """Whether the complaint is that API Gateway refuses a request without a signature with 403 instead of 401."""
    return "Got 403 when missing required 'Authorization' header" in str(check.failure_info.failure)


class _Repeatable(SystemRuntime):
    """The machine's threads and waits; but ids and times of day, which become parts of requests, follow a seed."""

    def __init__(self, seed: int) -> None:
        self._fake = FakeRuntime(seed=seed)

    def now(self) -> datetime:
        self._fake.advance(0.001)
        return self._fake.now()

    def new_id(self) -> str:
        return self._fake.new_id()


@pytest.fixture
def sent(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Method, path and body of all requests that reach the API, which nothing leads away from this machine."""
    _formats()
    gateway.addresses = _ThisMachineAlone(SystemRuntime())
    monkeypatch.setattr(socket, "getaddrinfo", _resolve_on_this_machine)
    requests: list[tuple[str, str, str]] = []
    resolve = gateway.resolve

    def recorded(event: dict[str, Any]) -> Any:
        requests.append((event["httpMethod"], event["path"], event["body"]))
        return resolve(event)

    gateway.resolve = recorded
    return requests


def _scenarios(address: str, seed: int, paths: str = ".") -> Iterator[Any]:
    """What happens when all operations on these paths are tried."""
    schema = schemathesis.openapi.from_url(
        f"{address}/v1/openapi.json",
        config=SchemathesisConfig.from_dict({**CONFIG, "seed": seed}),
        headers=CONFIG["headers"],
    )
    yield from from_schema(schema.include(path_regex=paths)).execute()


def _problems(event: Any) -> Iterator[str]:
    if isinstance(event, events.ScenarioFinished):
        for case, checks in event.recorder.checks.items():
            response = event.recorder.find_response(case_id=case)
            for check in checks:
                if check.status != Status.FAILURE or not check.failure_info:
                    continue
                is_explained = _of_another_alternative(check, event.recorder.cases[case].value) or any(
                    explains(check, response) for explains in (_by_gateway, _about_the_address, _about_the_snapshot)
                )
                if not is_explained:
                    yield f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
    elif isinstance(event, events.NonFatalError | events.FatalError):
        yield f"{event.info.title}: {event.info.message}" if hasattr(event, "info") else str(event)


@pytest.mark.generated
def test_no_request_breaks_the_api_or_its_description(
    gateway: Any,
    sent: list[tuple[str, str, str]],
    server: Callable[..., LocalServer],
    registration: Callable[[LocalServer], dict[str, Any]],
    seed: int,
) -> None:
    gateway.runtime = _Repeatable(seed)
    problems: list[str] = []
    scenarios = 0
    with server("primary") as primary, gateway.listening() as address:
        assert gateway.call("PUT", "/primary", registration(primary))[0] == 200
        for event in _scenarios(address, seed):
            scenarios += isinstance(event, events.ScenarioFinished)
            problems += _problems(event)
    assert scenarios > 18
    assert len(sent) > 300
    assert not problems, "\n\n".join(dict.fromkeys(problems))


@pytest.mark.generated
def test_the_same_seed_makes_the_same_requests(gateway: Any, sent: list[tuple[str, str, str]], seed: int) -> None:
    """An answer's ids and times are sent back in later requests: were they others, so would be all that follows."""
    tries = []
    for _ in range(2):
        sent.clear()
        gateway.store, gateway.runtime = type(gateway.store)(), _Repeatable(seed)
        with gateway.listening() as address:
            ended = list(_scenarios(address, seed, "^/sync-runs"))
        assert ended
        tries.append(list(sent))
    assert len(tries[0]) > 50
    assert tries[0] == tries[1]
