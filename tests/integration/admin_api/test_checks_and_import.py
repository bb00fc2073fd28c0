"""Checks of real stand-ins, addresses that change, and the primary's own list."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cerberus.address_policy import AddressPolicy
from common.runtime import SystemRuntime
from common.server_types import Version
from local.cerberus import Kind, LocalServer, self_signed

Make = Callable[..., LocalServer]
Registration = Callable[[LocalServer], dict[str, Any]]

REQUIREMENTS = [
    "name_resolves",
    "address_permitted",
    "port_reachable",
    "certificate",
    "credentials_stored",
    "log_in",
    "soap_access",
]
COMPARED = ["not_the_primary", "same_version", "own_licence", "same_features"]


@pytest.fixture
def checked(gateway: Any, server: Make, registration: Registration) -> Callable[..., dict[str, Any]]:
    """Registers a backup beside a good primary, as the test prepared it; what each requirement came to."""

    def check(prepare: Callable[[LocalServer], None] = lambda _: None, **changes: Any) -> dict[str, Any]:
        with server("primary") as primary, server("backup") as backup:
            gateway.call("PUT", "/primary", registration(primary))
            prepare(backup)
            status, body = gateway.call("POST", "/backups", {"id": "b", **registration(backup), **changes})
        assert status == 201, body
        return {**body["check"], "results": {r["id"]: r for r in body["check"]["requirements"]}}

    return check


def test_a_good_backup_meets_every_requirement(checked: Callable[..., dict[str, Any]]) -> None:
    check = checked()
    assert check["passed"]
    assert list(check["results"])[:7] == REQUIREMENTS
    assert set(COMPARED) < set(check["results"])
    assert {requirement["result"] for requirement in check["requirements"]} == {"pass"}
    assert check["certificate"]["trusted"]
    assert len(check["certificate"]["fingerprint"]) == 64


def test_a_rule_that_matches_nothing_on_either_server_is_warned_of(checked: Callable[..., dict[str, Any]]) -> None:
    check = checked(rules=["welcomeMessage", "welcomeMesage", "!/settings/general/welcomeMessage"])
    requirement = check["results"]["keep_patterns"]
    assert (check["passed"], requirement["result"]) == (True, "warning")
    assert requirement["detail"] == 'The keep pattern "welcomeMesage" matches nothing on either server.'


def test_a_rule_of_a_server_that_cannot_be_asked_is_not_judged(checked: Callable[..., dict[str, Any]]) -> None:
    check = checked(LocalServer.refuse_connections, rules=["welcomeMessage"])
    assert check["results"]["keep_patterns"]["result"] == "skipped"


def test_an_untrusted_certificate_is_shown_with_the_fingerprint_to_pin_and_nothing_is_sent(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("backup") as backup:
        body = gateway.call("POST", "/backups", {**registration(backup), "tls": {"mode": "system"}})[1]
        assert backup.requests == []
    requirement = {r["id"]: r for r in body["check"]["requirements"]}["certificate"]
    assert (requirement["result"], requirement["reason"]) == ("fail", "certificate_untrusted")
    assert body["check"]["certificate"]["fingerprint"] == backup.fingerprint
    assert backup.fingerprint in requirement["detail"]
    assert not body["check"]["certificate"]["trusted"]


def test_a_certificate_that_expired_is_a_warning_when_it_is_pinned(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("backup") as made:
        state = made.state
    with LocalServer(state, identity=self_signed(days=-1)) as backup:
        body = gateway.call("POST", "/backups", registration(backup))[1]
    requirement = {r["id"]: r for r in body["check"]["requirements"]}["certificate"]
    assert (requirement["result"], "expired" in requirement["detail"]) == ("warning", True)


@pytest.mark.parametrize(
    ("changes", "requirement", "reason"),
    [
        ({"password": "wrong"}, "log_in", "authentication_failed"),
        ({"tls": {"mode": "pins", "fingerprints": ["00" * 32]}}, "certificate", "certificate_pin_mismatch"),
        ({"host": "no-such-host.invalid"}, "name_resolves", "name_not_resolved"),
        ({"port": 1}, "port_reachable", "connection_refused"),
    ],
)
def test_what_fails_is_named_with_its_remedy_and_what_follows_is_skipped(
    checked: Callable[..., dict[str, Any]], changes: dict[str, Any], requirement: str, reason: str
) -> None:
    check = checked(**changes)
    assert not check["passed"]
    position = REQUIREMENTS.index(requirement)
    results = [check["results"][name]["result"] for name in REQUIREMENTS]
    assert results == ["pass"] * position + ["fail"] + ["skipped"] * (len(REQUIREMENTS) - position - 1)
    assert check["results"][requirement]["reason"] == reason
    assert check["results"][requirement]["remedy"]
    assert {check["results"][name]["result"] for name in COMPARED} == {"skipped"}


def test_a_server_that_answers_web_pages_has_no_soap_access(checked: Callable[..., dict[str, Any]]) -> None:
    check = checked(lambda backup: backup.fault(Kind.HTML))
    assert (check["results"]["soap_access"]["result"], check["results"]["soap_access"]["reason"]) == (
        "fail",
        "not_soap",
    )


def test_without_a_primary_the_comparison_is_skipped_and_the_rest_is_told(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("backup") as backup:
        check = gateway.call("POST", "/backups", registration(backup))[1]["check"]
    results = {requirement["id"]: requirement["result"] for requirement in check["requirements"]}
    assert {results[name] for name in COMPARED} == {"skipped"}
    assert {result for name, result in results.items() if name not in COMPARED} == {"pass"}
    assert not check["passed"]


def test_the_primary_registered_as_a_backup_is_found_out(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("primary") as primary:
        gateway.call("PUT", "/primary", registration(primary))
        asked = len(primary.requests)
        status, answer = gateway.call("POST", "/backups", registration(primary) | {"host": "localhost"})
        assert (status, answer["reason"]) == (409, "same_as_primary")
        assert len(primary.requests) == asked, "somebody has logged in to the primary with a backup's password"


def test_another_version_and_a_shared_licence_are_told_together(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("primary") as primary, server("backup", version=(12, 11, 7, 0)) as backup:
        gateway.call("PUT", "/primary", registration(primary))
        check = gateway.call("POST", "/backups", registration(backup))[1]["check"]
    results = {requirement["id"]: requirement for requirement in check["requirements"]}
    assert results["same_version"]["reason"] == "version_mismatch"
    assert str(Version(12, 11, 7, 0)) in results["same_version"]["detail"]
    assert results["valid_licence"]["result"] == "pass"


def test_checking_again_later_says_what_is_true_then(gateway: Any, server: Make, registration: Registration) -> None:
    with server("primary") as primary:
        status, body = gateway.call("PUT", "/primary", registration(primary))
        assert (status, body["check"]["passed"]) == (200, True)
        assert gateway.call("POST", "/primary/check")[1]["passed"]
    check = gateway.call("POST", "/primary/check")[1]
    assert [r["id"] for r in check["requirements"] if r["result"] == "fail"] == ["port_reachable"]


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0.0.0.0",  # noqa: S104 - refused
        "169.254.169.254",
        "2852039166",
        "::1",
        "::",
        "fe80::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "localhost",
    ],
)
def test_forbidden_addresses_are_refused_in_every_spelling(gateway: Any, host: str) -> None:
    gateway.addresses = AddressPolicy(SystemRuntime())
    body = {"host": host, "port": 8443, "username": "admin", "password": "PLANTED"}
    for method, target in (("POST", "/backups"), ("PUT", "/primary")):
        status, problem = gateway.call(method, target, body)
        assert (status, problem["reason"], problem["errors"][0]["field"]) == (422, "address_forbidden", "host"), host
    assert gateway.store.backups() == ()


def test_the_metadata_addresses_cannot_be_allowed(gateway: Any) -> None:
    gateway.addresses = AddressPolicy.allowing(["0.0.0.0/0", "::/0"], SystemRuntime())
    for host in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "::ffff:169.254.169.254"):
        body = {"host": host, "port": 8443, "username": "admin", "password": "PLANTED"}
        assert gateway.call("POST", "/backups", body)[1]["reason"] == "address_forbidden"


def test_a_name_whose_answer_changes_after_it_was_checked_is_not_connected_to(
    gateway: Any, server: Make, registration: Registration, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.addresses = AddressPolicy(SystemRuntime())
    answers: list[str] = ["10.1.2.3"]  # what the check of the registration sees; loopback afterwards

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[Any]:
        assert host == "rebinding.example"
        address = answers.pop(0) if answers else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with server("backup") as backup:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        body = {**registration(backup), "host": "rebinding.example"}
        status, answer = gateway.call("POST", "/backups", body)
        assert backup.requests == []
    assert status == 201
    failed = [(r["id"], r["reason"]) for r in answer["check"]["requirements"] if r["result"] == "fail"]
    assert failed == [("address_permitted", "address_forbidden")]


# ---------------------------------------------------------------- import


def test_the_primarys_own_list_is_shown_first_and_changes_nothing(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("primary") as primary:
        gateway.call("PUT", "/primary", registration(primary))
        status, report = gateway.call("POST", "/backups/import", {})
        native = primary.state.machine
        assert primary.writes == []
    assert (status, report["dry_run"]) == (200, True)
    (listed,) = report["backups"]
    assert (listed["host"], listed["action"], listed["id"]) == (native.sync_host, "needs_password", None)
    assert f"{listed['host']}:{listed['port']}" in listed["detail"]
    assert gateway.store.backups() == ()


def test_those_with_a_password_are_registered_and_the_others_reported(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("primary") as primary:
        gateway.call("PUT", "/primary", registration(primary))
        (listed,) = gateway.call("POST", "/backups/import", {})[1]["backups"]
        key = f"{listed['host']}:{listed['port']}"
        would = gateway.call("POST", "/backups/import", {"passwords": {key: "PLANTED"}})[1]["backups"][0]
        assert (would["action"], gateway.store.backups()) == ("would_register", ())
        nothing = gateway.call("POST", "/backups/import", {"dry_run": False})[1]["backups"][0]
        assert (nothing["action"], gateway.store.backups()) == ("needs_password", ())
        tls = {"mode": "pins", "fingerprints": ["ab" * 32]}
        request = {"dry_run": False, "passwords": {key: "PLANTED"}, "tls": tls}
        taken = gateway.call("POST", "/backups/import", request)[1]["backups"][0]
        again = gateway.call("POST", "/backups/import", request)[1]["backups"][0]
    (backup,) = gateway.store.backups()
    assert (taken["action"], taken["id"]) == ("registered", backup.id)
    assert (again["action"], again["id"]) == ("already_registered", backup.id)
    assert (backup.host, backup.port, backup.enabled) == (listed["host"], listed["port"], listed["enabled"])
    assert backup.trust.pins == ("ab" * 32,)
    credentials = gateway.credentials.stored(backup.secret_id)
    assert (credentials.username, credentials.password) == (listed["username"], "PLANTED")


def test_import_without_credentials_or_from_a_silent_primary_says_so(
    gateway: Any, server: Make, registration: Registration
) -> None:
    with server("primary") as primary:
        gateway.call("PUT", "/primary", registration(primary))
        stored = gateway.credentials.stored("primary")
        gateway.credentials.delete("primary")
        assert gateway.call("POST", "/backups/import", {})[1]["reason"] == "credentials_missing"
        gateway.credentials.put("primary", replace(stored, password="wrong"))
        status, problem = gateway.call("POST", "/backups/import", {})
        assert (status, problem["reason"]) == (424, "authentication_failed")
    gateway.credentials.put("primary", stored)
    status, problem = gateway.call("POST", "/backups/import", {})
    assert (status, problem["reason"]) == (424, "connection_refused")
