"""Requests that nobody thought of: made from the API's own description, valid and invalid ones."""

import re
from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from local.cerberus import Authority, LocalServer

CONFIG = {
    "seed": 1,
    "headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=test"},
    "generation": {"max-examples": 8, "mode": "all", "no-shrink": True},
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
    certificate = Authority.create().pem
    schemathesis.openapi.format("server-host", st.sampled_from(["localhost", "127.0.0.1", "no-such-host.invalid"]))
    schemathesis.openapi.format("pem-certificates", st.just(certificate))
    schemathesis.openapi.format("preservation-rule", st.from_regex(re.compile(r"[a-z*?]{1,20}"), fullmatch=True))
    schemathesis.openapi.format("password", st.just("PLANTED-password"))


def _by_gateway(check: Any) -> bool:
    """Whether the complaint is that API Gateway refuses a request without a signature with 403 instead of 401."""
    return "Got 403 when missing required 'Authorization' header" in str(check.failure_info.failure)


def test_no_request_breaks_the_api_or_its_description(
    gateway: Any, server: Callable[..., LocalServer], registration: Callable[[LocalServer], dict[str, Any]]
) -> None:
    _formats()
    with server("primary") as primary, gateway.listening() as address:
        assert gateway.call("PUT", "/primary", registration(primary))[0] == 200
        schema = schemathesis.openapi.from_url(
            f"{address}/v1/openapi.json", config=SchemathesisConfig.from_dict(CONFIG), headers=CONFIG["headers"]
        )
        problems, scenarios = [], 0
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                scenarios += 1
                for checks in event.recorder.checks.values():
                    problems += [
                        f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                        for check in checks
                        if check.status == Status.FAILURE and check.failure_info and not _by_gateway(check)
                    ]
            elif isinstance(event, events.NonFatalError | events.FatalError):
                problems.append(f"{event.info.title}: {event.info.message}" if hasattr(event, "info") else str(event))
    assert scenarios > 18
    assert not problems, "\n\n".join(dict.fromkeys(problems))
