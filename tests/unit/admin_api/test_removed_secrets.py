"""What becomes of the secret of a backup that is removed, or was not registered, when Secrets Manager fails."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.fakes.management_api import ApiWorld
from local.fakes.secrets_manager import FakeSecretsManager
from registry.credentials import SecretsManagerCredentials
from tests.support.resolver import no_names

BODY = {"host": "ftp2.example", "port": 8443, "username": "admin"}


@pytest.fixture
def secrets(world: ApiWorld) -> FakeSecretsManager:
    return _with_secrets(world)


def _with_secrets(world: ApiWorld) -> FakeSecretsManager:
    made = FakeSecretsManager()
    world.credentials = cast(Any, SecretsManagerCredentials("test", cast(Any, made), world.runtime))
    return made


def test_a_removal_whose_secret_could_not_be_deleted_is_finished_by_repeating_it(
    world: ApiWorld, secrets: FakeSecretsManager, register: Any
) -> None:
    register(id="ftp2")
    secrets.failures = 2
    for _ in range(2):
        assert world.call("DELETE", "/backups/ftp2").status == 503
        assert list(secrets.readable) == ["test/ftp2"]
    assert world.call("GET", "/backups/ftp2").status == 404
    assert world.call("DELETE", "/backups/ftp2", If_Match='"1"').status == 204
    assert secrets.readable == {}
    assert world.call("DELETE", "/backups/ftp2").status == 404


def test_it_is_finished_by_the_next_registration_too(
    world: ApiWorld, secrets: FakeSecretsManager, register: Any
) -> None:
    register(id="ftp2")
    secrets.failures = 1
    assert world.call("DELETE", "/backups/ftp2").status == 503
    assert register(id="ftp2").status == 201
    (kept,) = secrets.readable
    assert kept.startswith("test/ftp2-")
    secrets.failures = 1
    assert world.call("DELETE", "/backups/ftp2").status == 503
    register(id="ftp3", port=9000)
    assert list(secrets.readable) == ["test/ftp3"]


def test_an_older_condition_removes_no_newer_registration(
    world: ApiWorld, secrets: FakeSecretsManager, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(id="ftp2")
    secrets.failures = 1
    assert world.call("DELETE", "/backups/ftp2").status == 503
    monkeypatch.setattr(world.store, "end_discarded", lambda _: None)
    register(id="ftp2")
    world.call("PATCH", "/backups/ftp2", {"tags": {"site": "Graz"}})
    assert world.call("DELETE", "/backups/ftp2", If_Match='"1"').status == 412
    assert world.store.backup("ftp2") is not None


def test_a_registration_whose_password_could_not_be_stored_leaves_nothing(
    world: ApiWorld, secrets: FakeSecretsManager, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was stored, and only the answer was lost."""
    create = secrets.create_secret

    def lost(**given: Any) -> None:
        create(**given)
        secrets.failures = 2
        secrets.put_secret_value(SecretId="", SecretString="")

    monkeypatch.setattr(secrets, "create_secret", lost)
    assert register(id="ftp2").status == 503
    assert world.store.backups() == ()
    assert secrets.readable
    assert world.call("DELETE", "/backups/ftp2").status == 204
    assert secrets.readable == {}


@pytest.mark.parametrize("is_deleted", [False, True])
def test_what_another_server_has_left_under_its_id_goes_to_none(
    world: ApiWorld, secrets: FakeSecretsManager, register: Any, monkeypatch: pytest.MonkeyPatch, is_deleted: bool
) -> None:
    """Between the registration and its own password. It was stored by hand, so it does not say what it is for."""
    by_hand = json.dumps({"username": "admin", "password": "PLANTED-former"})
    if is_deleted:
        register(id="ftp2", host="former.example")
        secrets.put_secret_value(SecretId="test/ftp2", SecretString=by_hand)
        assert _permitted(world) is None
        assert world.call("DELETE", "/backups/ftp2").status == 204
    else:
        secrets.put_secret_value(SecretId="test/ftp2", SecretString=by_hand)
    put = secrets.put_secret_value
    reasons: list[Reason | None] = []

    def put_secret_value(**given: Any) -> None:
        reasons.append(_permitted(world))
        put(**given)

    monkeypatch.setattr(secrets, "put_secret_value", put_secret_value)
    assert register(id="ftp2").status == 201
    assert reasons == [Reason.PASSWORD_NEEDED]
    assert _permitted(world) is None


def _permitted(world: ApiWorld) -> Reason | None:
    """Why nobody may log in to the backup now, None when somebody may."""
    registered = world.store.backup("ftp2")
    assert registered is not None
    try:
        world.services().log_ins.permitted(registered)
    except Failure as failure:
        return failure.reason
    return None


IDS = ("ftp1", "ftp2")
STEPS = st.tuples(
    st.sampled_from(["register", "register", "remove", "remove", "password", "move", "promote"]),
    st.sampled_from(IDS),
    st.sampled_from([0, 0, 0, 1, 2]),
)


@given(st.lists(STEPS, min_size=2, max_size=12))
def test_whatever_fails_no_secret_outlives_its_registration(steps: list[tuple[str, str, int]]) -> None:
    """So many writes of each step fail; when removals are repeated, nothing is readable but what servers have."""
    with no_names():
        world = ApiWorld()
        secrets = _with_secrets(world)
        with world.running():
            world.call("PUT", "/primary", BODY | {"host": "main.example", "password": "PLANTED"})
            for number, (kind, backup_id, failures) in enumerate(steps):
                secrets.failures = failures
                _step(world, kind, backup_id, number)
            secrets.failures = 0
            for backup_id in IDS:
                if world.store.backup(backup_id) is None:
                    assert world.call("DELETE", f"/backups/{backup_id}").status in (204, 404)
            servers = [world.store.primary(), *world.store.backups()]
            in_use = {f"test/{server.secret_id}" for server in servers if server}
    assert {name for name, value in secrets.readable.items() if json.loads(value)} <= in_use


def _step(world: ApiWorld, kind: str, backup_id: str, number: int) -> None:
    path, password = f"/backups/{backup_id}", f"PLANTED-{number}"
    match kind:
        case "register":
            host = f"host{number}.example"
            world.call("POST", "/backups", BODY | {"id": backup_id, "host": host, "password": password})
        case "remove":
            world.call("DELETE", path)
        case "promote":
            body = {"backup_id": backup_id, "former_id": f"old{number}", "force": True}
            world.call("POST", "/primary/promote", body)
        case _:
            change = {"host": f"host{number}.example"} if kind == "move" else {}
            world.call("PATCH", path, change | {"password": password})
