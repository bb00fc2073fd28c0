from collections.abc import Callable
from typing import Any

import pytest

from common.errors import Failure, Reason
from registry.fleet_records import Primary
from registry.run_records import BackupResult
from tests.support.registrations import as_registered

PINS = {"mode": "pins", "fingerprints": ["AB:" * 31 + "AB"]}


# ---------------------------------------------------------------- registering


def _log_in(world: Any) -> tuple[str, str]:
    stored = world.log_in("ftp2")
    return stored.username, stored.password


def test_a_registration_is_stored_and_answered_with_its_place_and_version(world: Any, register: Any) -> None:
    answer = register(id="ftp2", tls=PINS, parts=["accounts", "accounts"], rules=["*passive*"], tags={"site": "Vienna"})
    assert (answer.status, answer.headers["Location"], answer.headers["ETag"]) == (
        201,
        "/backups/ftp2",
        '"registration-1.1"',
    )
    stored = world.store.backup("ftp2")
    assert (stored.host, stored.port, stored.enabled) == ("ftp2.example", 8443, True)
    assert (stored.trust.pins, stored.parts) == (("ab" * 32,), ("accounts",))
    assert (stored.rules, stored.tags) == (("*passive*",), {"site": "Vienna"})
    assert stored.created_at == stored.updated_at
    assert _log_in(world) == ("admin", "PLANTED-first")


def test_a_failed_check_does_not_prevent_the_registration(register: Any) -> None:
    check = register(id="ftp2").body["check"]
    assert not check["passed"]
    first = check["requirements"][0]
    assert (first["id"], first["result"], first["reason"]) == ("name_resolves", "fail", "name_not_resolved")
    assert first["remedy"]
    *others, rules = check["requirements"][1:]
    assert {requirement["result"] for requirement in others} == {"skipped"}
    assert (rules["id"], rules["result"]) == ("keep_patterns", "pass"), "none was added"


def test_without_an_id_one_is_made_of_the_host(world: Any, register: Any) -> None:
    answer = register(host="FTP2.Example")
    backup_id = answer.body["backup"]["id"]
    assert backup_id.startswith("ftp2-example-")
    assert world.store.backup(backup_id)


def test_the_same_host_and_port_twice_is_a_conflict_that_names_the_first(world: Any, register: Any) -> None:
    register(id="ftp2")
    again = register(id="other", host="FTP2.example")
    assert (again.status, again.body["reason"]) == (409, "already_registered")
    assert "ftp2" in again.body["detail"]
    assert register(id="other", port=8444).status == 201


def test_an_id_that_is_taken_keeps_its_password(world: Any, register: Any) -> None:
    register(id="ftp2")
    assert register(id="ftp2", host="ftp3.example", password="PLANTED-other").status == 409
    assert world.log_in("ftp2").password == "PLANTED-first"


def test_when_the_credentials_cannot_be_stored_nothing_is_registered(
    world: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "Secrets Manager PutSecretValue failed: AccessDenied")

    monkeypatch.setattr(world.credentials, "put", fail)
    assert register(id="ftp2").status == 503
    assert world.store.backup("ftp2") is None


def test_the_primarys_own_id_is_refused(register: Any) -> None:
    answer = register(id="primary")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "id")


def test_plain_http_is_refused_with_the_reason(register: Any) -> None:
    answer = register(secure_connection=False)
    assert answer.status == 422
    (error,) = answer.body["errors"]
    assert error["field"] == "secure_connection"
    assert "password" in error["reason"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "https://ftp2.example/"),
        ("host", "ftp2.example:8443"),
        ("host", "a b"),
        ("host", "x" * 254),
        ("host", 5),
        ("port", 0),
        ("port", 65536),
        ("port", "8443"),
        ("port", True),
        ("port", 1.5),
        ("username", ""),
        ("username", "a\x00b"),
        ("password", ""),
        ("password", "a\nb"),
        ("password", "\ud800"),
        ("password", "x" * 1025),
        ("password", None),
        ("enabled", "true"),
        ("enabled", 1),
        ("tls", {"mode": "off"}),
        ("tls", {"mode": "pins", "fingerprints": []}),
        ("tls", {"mode": "pins", "fingerprints": ["ab" * 20]}),
        ("tls", {"mode": "pins", "fingerprints": ["ab" * 32] * 3}),
        ("tls", {"mode": "ca", "ca_pem": "no certificate"}),
        ("tls", {"mode": "ca", "ca_pem": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"}),
        ("tls", {"mode": "system", "verify": False}),
        ("parts", []),
        ("parts", ["everything"]),
        ("rules", ["a//b"]),
        ("rules", ["x" * 257]),
        ("rules", ["x"] * 201),
        ("tags", {"a b": "c"}),
        ("tags", {"a": 1}),
        ("surprise", 1),
    ],
)
def test_what_is_not_as_described_is_refused_and_named(world: Any, register: Any, field: str, value: object) -> None:
    answer = register(**{"id": "ftp2", field: value})
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert {error["field"].split(".")[0] for error in answer.body["errors"]} == {field}
    assert world.store.backups() == ()


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "198.51.100.1", "::1", "fe80::1", "::ffff:127.0.0.1"],  # noqa: S104
)
def test_a_name_that_resolves_to_a_forbidden_address_is_refused(world: Any, register: Any, address: str) -> None:
    world.names["ftp2.example"] = ["10.1.2.3", address]
    answer = register()
    assert (answer.status, answer.body["reason"]) == (422, "address_forbidden")
    assert answer.body["errors"][0]["field"] == "host"
    assert world.store.backups() == ()


def test_changing_the_host_to_a_forbidden_address_is_refused(world: Any, register: Any) -> None:
    register(id="ftp2")
    world.names["inside"] = ["169.254.169.254"]
    for host in ("inside",):
        answer = world.call("PATCH", "/backups/ftp2", {"host": host})
        assert (answer.status, answer.body["reason"]) == (422, "address_forbidden")
    assert world.store.backup("ftp2").host == "ftp2.example"


# ---------------------------------------------------------------- reading


def test_pages_follow_each_other_and_hold_every_backup_once(world: Any, register: Any) -> None:
    for number in range(5):
        register(id=f"ftp{number}", port=9000 + number)
    seen, target = [], "/backups?limit=2"
    for _ in range(3):
        page = world.call("GET", target).body
        seen += [backup["id"] for backup in page["backups"]]
        target = f"/backups?limit=2&next={page['next']}"
    assert seen == ["ftp0", "ftp1", "ftp2", "ftp3", "ftp4"]
    assert page["next"] is None


def test_backups_are_filtered_by_what_their_last_run_did(world: Any, register: Any) -> None:
    register(id="ftp2")
    register(id="ftp3", port=9000)
    _record(world, "ftp3", "run-1", status="failed", reason="connect_timeout", message="no answer")
    failed = world.call("GET", "/backups?status=failed").body["backups"]
    assert [backup["id"] for backup in failed] == ["ftp3"]
    last = failed[0]["last_result"]
    assert (last["status"], last["reason"], last["message"]) == ("failed", "connect_timeout", "no answer")
    assert last["remedy"]
    never = world.call("GET", "/backups?status=never_run").body["backups"]
    assert [backup["id"] for backup in never] == ["ftp2"]
    assert never[0]["last_result"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=odd", "status"),
        ("stats=failed", "stats"),
        ("next=%21", "next"),
        ("next=Li4", "next"),
    ],
)
def test_parameters_that_are_not_as_described_are_refused(world: Any, query: str, field: str) -> None:
    answer = world.call("GET", f"/backups?{query}")
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


def test_an_unknown_backup_is_not_found_whatever_is_asked_of_it(world: Any) -> None:
    for method, target, body in (
        ("GET", "/backups/ftp9", None),
        ("PATCH", "/backups/ftp9", {"enabled": False}),
        ("DELETE", "/backups/ftp9", None),
        ("POST", "/backups/ftp9/check", None),
        ("GET", "/backups/ftp9/history", None),
    ):
        answer = world.call(method, target, body)
        assert (answer.status, answer.body["reason"]) == (404, "unknown_backup")


# ---------------------------------------------------------------- changing


def test_a_change_leaves_what_it_does_not_name(world: Any, register: Any) -> None:
    register(id="ftp2", tls=PINS, parts=["accounts"], tags={"a": "b"})
    before = world.store.backup("ftp2")
    answer = world.call("PATCH", "/backups/ftp2", {"enabled": False})
    assert (answer.status, answer.headers["ETag"], answer.body["enabled"]) == (200, '"registration-1.2"', False)
    after = world.store.backup("ftp2")
    assert (after.host, after.trust, after.parts, after.tags) == (before.host, before.trust, before.parts, before.tags)
    assert after.updated_at > before.updated_at
    assert world.log_in("ftp2").password == "PLANTED-first"


def test_parts_null_means_as_in_the_settings_again(world: Any, register: Any) -> None:
    register(id="ftp2", parts=["accounts"])
    world.call("PATCH", "/backups/ftp2", {"parts": None})
    assert world.store.backup("ftp2").parts is None


def test_a_new_password_keeps_the_user_name(world: Any, register: Any) -> None:
    register(id="ftp2")
    assert world.call("PATCH", "/backups/ftp2", {"password": "PLANTED-second"}).status == 200
    assert _log_in(world) == ("admin", "PLANTED-second")
    assert world.call("PATCH", "/backups/ftp2", {"username": "root"}).body["username"] == "root"
    assert _log_in(world) == ("root", "PLANTED-second")


def test_a_password_alone_is_not_enough_when_no_user_name_is_stored(world: Any, register: Any) -> None:
    register(id="ftp2")
    world.credentials.delete(world.store.backup("ftp2").secret_id)
    assert world.call("GET", "/backups/ftp2").body["username"] is None
    answer = world.call("PATCH", "/backups/ftp2", {"password": "PLANTED-second"})
    assert (answer.status, answer.body["reason"]) == (409, "credentials_missing")
    assert answer.body["errors"][0]["field"] == "username"


@pytest.mark.parametrize("field", ["host", "port", "username", "password", "enabled", "tls", "rules", "tags"])
def test_null_is_no_way_to_leave_a_field_out(world: Any, register: Any, field: str) -> None:
    register(id="ftp2")
    answer = world.call("PATCH", "/backups/ftp2", {field: None})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_based_on_an_older_version_is_refused(world: Any, register: Any, method: str) -> None:
    tag = register(id="ftp2").headers["ETag"]
    world.call("PATCH", "/backups/ftp2", {"enabled": False}, If_Match=tag)
    late = world.call(method, "/backups/ftp2", {"enabled": True} if method == "PATCH" else None, If_Match=tag)
    assert (late.status, late.body["reason"]) == (412, "version_conflict")
    assert world.store.backup("ftp2").enabled is False
    weak = world.call(method, "/backups/ftp2", {"enabled": True} if method == "PATCH" else None, If_Match=f"W/{tag}")
    assert weak.status == 412


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_based_on_a_registration_that_has_gone_is_refused(world: Any, register: Any, method: str) -> None:
    tag = register(id="ftp2").headers["ETag"]
    world.call("DELETE", "/backups/ftp2")
    register(id="ftp2", host="another.example")
    late = world.call(method, "/backups/ftp2", {"enabled": False} if method == "PATCH" else None, If_Match=tag)
    assert (late.status, late.body["reason"]) == (412, "version_conflict")
    assert world.store.backup("ftp2").enabled


@pytest.mark.parametrize("tag", ["{}", "*", '"7", {}'])
def test_a_change_based_on_the_present_version_is_made(world: Any, register: Any, tag: str) -> None:
    present = register(id="ftp2").headers["ETag"]
    assert world.call("PATCH", "/backups/ftp2", {"enabled": False}, If_Match=tag.format(present)).status == 200


def test_moving_to_the_address_of_another_is_a_conflict(world: Any, register: Any) -> None:
    register(id="ftp2")
    register(id="ftp3", port=9000)
    assert world.call("PATCH", "/backups/ftp3", {"port": 8443}).status == 409


# ---------------------------------------------------------------- removing


def test_removing_ends_the_registration_and_its_secret_and_keeps_the_history(
    world: Any, register: Callable[..., Any]
) -> None:
    register(id="ftp2")
    secret_id = world.store.backup("ftp2").secret_id
    _record(world, "ftp2", "20261122T120000.000000Z-00000001", status="updated")
    answer = world.call("DELETE", "/backups/ftp2")
    assert (answer.status, answer.text) == (204, "")
    assert world.store.backup("ftp2") is None
    with pytest.raises(Failure):
        world.credentials.stored(secret_id)
    history = world.call("GET", "/backups/ftp2/history").body["results"]
    assert [result["status"] for result in history] == ["updated"]


@pytest.mark.parametrize("change", [{"host": "elsewhere.example"}, {"port": 9443}])
def test_another_address_is_another_server_of_which_nothing_is_known(
    world: Any, register: Callable[..., Any], change: dict[str, object]
) -> None:
    register(id="ftp2")
    _record(world, "ftp2", "20261122T120000.000000Z-00000001", status="failed", reason="read_timeout")
    assert world.call("PATCH", "/backups/ftp2", {"tags": {"site": "Graz"}}).body["last_result"]["status"] == "failed"
    change = change | {"password": "PLANTED-again"}
    assert world.call("PATCH", "/backups/ftp2", change).body["last_result"] is None
    assert world.call("GET", "/backups?status=never_run").body["backups"][0]["last_result"] is None
    assert world.call("GET", "/backups/ftp2/history").body["results"] == []
    (former,) = world.call("GET", "/backups/ftp2/history?registrations=all").body["results"]
    assert (former["status"], former["former"]) == ("failed", True)
    (of_run,) = world.store.results("20261122T120000.000000Z-00000001")
    assert of_run.status == "failed"


def test_beside_another_primary_no_backup_counts_as_verified(world: Any, register: Callable[..., Any]) -> None:
    world.store.save_primary(Primary("main.example", 443))
    register(id="ftp2")
    at = world.now
    _record(world, "ftp2", "20261122T120000.000000Z-00000001", status="in_sync", verified_at=at)
    assert world.call("GET", "/backups/ftp2").body["last_result"]["status"] == "in_sync"
    body = {"host": "main.example", "port": 443, "username": "admin", "password": "PLANTED", "tls": {"mode": "system"}}
    assert world.call("PUT", "/primary", body).status == 200
    assert world.call("GET", "/backups/ftp2").body["last_result"]["status"] == "in_sync"
    assert world.call("PUT", "/primary", body | {"host": "other.example"}).status == 200
    assert world.call("GET", "/backups/ftp2").body["last_result"] is None
    assert world.call("GET", "/backups").body["backups"][0]["last_result"] is None
    assert world.call("PUT", "/primary", body).status == 200
    assert world.call("GET", "/backups/ftp2").body["last_result"] is None


def test_a_view_shows_nothing_of_the_registration_that_took_the_place_of_the_one_it_has_read(
    world: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(id="ftp2")
    former = world.store.backup("ftp2")
    world.store.delete_backup("ftp2")
    register(id="ftp2", host="files9.example")
    _record(world, "ftp2", "r1", status="in_sync")
    assert world.call("GET", "/backups/ftp2").body["last_result"]["status"] == "in_sync"
    monkeypatch.setattr(world.store, "backup", lambda _: former)
    monkeypatch.setattr(world.store, "backups", lambda: (former,))
    assert world.call("GET", "/backups/ftp2").body["last_result"] is None
    (listed,) = world.call("GET", "/backups").body["backups"]
    assert (listed["host"], listed["last_result"]) == ("ftp2.example", None)


def _record(world: Any, backup_id: str, run_id: str, **fields: Any) -> None:
    world.store.acquire_lease(run_id, now=world.now, expires_at=world.now.replace(hour=23))
    world.store.record_result(
        as_registered(BackupResult(backup_id=backup_id, run_id=run_id, attempted_at=world.now, **fields), world.store),
        lease_owner=run_id,
    )
    world.store.release_lease(run_id)
