"""Requests that nobody thought of: made from the API's own description, valid and invalid ones."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from cerberus.address_policy import Address, AddressPolicy
from common.runtime import SystemRuntime
from local.cerberus import LocalServer

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


def _by_gateway(check: Any) -> bool:
    """Whether the complaint is that API Gateway refuses a request without a signature with 403 instead of 401."""
    return "Got 403 when missing required 'Authorization' header" in str(check.failure_info.failure)


@pytest.mark.generated
def test_no_request_breaks_the_api_or_its_description(
    gateway: Any,
    server: Callable[..., LocalServer],
    registration: Callable[[LocalServer], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    _formats()
    gateway.addresses = _ThisMachineAlone(SystemRuntime())
    monkeypatch.setattr(socket, "getaddrinfo", _resolve_on_this_machine)
    with server("primary") as primary, gateway.listening() as address:
        assert gateway.call("PUT", "/primary", registration(primary))[0] == 200
        schema = schemathesis.openapi.from_url(
            f"{address}/v1/openapi.json",
            config=SchemathesisConfig.from_dict({**CONFIG, "seed": seed}),
            headers=CONFIG["headers"],
        )
        problems, scenarios = [], 0
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                scenarios += 1
                for case, checks in event.recorder.checks.items():
                    response = event.recorder.find_response(case_id=case)
                    problems += [
                        f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                        for check in checks
                        if check.status == Status.FAILURE
                        and check.failure_info
                        and not (_by_gateway(check) or _about_the_address(check, response))
                    ]
            elif isinstance(event, events.NonFatalError | events.FatalError):
                problems.append(f"{event.info.title}: {event.info.message}" if hasattr(event, "info") else str(event))
    assert scenarios > 18
    assert not problems, "\n\n".join(dict.fromkeys(problems))
