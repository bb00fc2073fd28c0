"""The primary is lost: a backup takes its place through the deployed API, and nothing moves until somebody means it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from local.build import ROOT
from local.cerberus.compare import replicable_differences
from local.cloud import LocalCloud, ManagementApi
from local.fleet import PRIMARY, Deployment, password_of, start_servers
from tests.support.patience import eventually

BACKUPS = ("ftp2", "ftp3", "ftp4")
SCHEDULED = json.loads((ROOT / "events" / "sync" / "scheduled.json").read_text())


@pytest.fixture(scope="module")
def deployment(cloud: LocalCloud) -> Iterator[Deployment]:
    """A primary that only the stack's parameters name, and three backups that were verified."""
    with ExitStack() as stack:
        servers = start_servers(stack, BACKUPS, users=10, groups=2)
        deployed = Deployment(cloud, "failover", servers, SyncEnabled="false")
        log_in = {"username": servers.primary.user, "password": password_of(PRIMARY)}
        cloud.client("secretsmanager").put_secret_value(
            SecretId=deployed.outputs["PrimarySecretName"], SecretString=json.dumps(log_in)
        )
        api = cloud.management_api(deployed.outputs)
        for name, server in servers.backups.items():
            registration = {
                "id": name,
                "host": server.host,
                "port": server.port,
                "username": server.user,
                "password": password_of(name),
                "tls": {"mode": "pins", "fingerprints": [server.fingerprint]},
            }
            assert api.call("POST", "/backups", registration).status == 201
        assert set(_statuses(deployed.invoke({"action": "sync"})).values()) == {"in_sync"}
        yield deployed


@pytest.fixture(scope="module")
def api(deployment: Deployment) -> ManagementApi:
    return deployment.cloud.management_api(deployment.outputs)


@pytest.fixture(scope="module")
def promoted(deployment: Deployment, api: ManagementApi) -> Any:
    """The answers to the promotion of each backup at once, the primary being down."""
    servers = deployment.servers
    servers.primary.refuse_connections()
    servers.backups["ftp4"].drift("set_mime", extension="pdf", kind="text/plain")
    bodies = [{"backup_id": name, "former_id": "ftp1"} for name in BACKUPS]
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda body: api.call("POST", "/primary/promote", body), bodies))


def test_of_promotions_at_the_same_time_one_is_made(deployment: Deployment, api: ManagementApi, promoted: Any) -> None:
    assert sorted(answer.status for answer in promoted)[0] == 200
    assert {answer.status for answer in promoted if answer.status != 200} <= {404, 409, 412}
    (made,) = [answer.body for answer in promoted if answer.status == 200]
    primary = api.call("GET", "/primary").body
    backups = {backup["id"]: backup for backup in api.call("GET", "/backups").body["backups"]}
    assert (primary["source"], primary["port"]) == ("registered", made["primary"]["port"])
    assert "by arn:aws:iam::123456789012:root" in primary["held"]
    assert len(backups) == len(BACKUPS)
    assert backups["ftp1"]["enabled"] is False
    assert backups["ftp1"]["port"] == deployment.servers.primary.port
    assert primary["port"] not in {backup["port"] for backup in backups.values()}


def test_then_the_schedule_pushes_nothing_and_a_person_does_and_the_old_primary_follows_when_it_is_enabled(
    deployment: Deployment, api: ManagementApi, promoted: Any
) -> None:
    servers, old = deployment.servers, deployment.servers.primary
    (made,) = [answer.body for answer in promoted if answer.status == 200]
    name, new = next(
        (name, server) for name, server in servers.backups.items() if server.port == made["primary"]["port"]
    )
    rest = [one for one in BACKUPS if one != name]
    new.drift("add_user", name="made-on-the-new-primary")
    held, others = old.snapshot(), {one: servers.backups[one].snapshot() for one in rest}

    answer = deployment.invoke(SCHEDULED)
    assert set(_statuses(answer).values()) == {"drifted"}
    assert {one: servers.backups[one].snapshot() for one in rest} == others
    (notice,) = api.call("GET", f"/sync-runs/{answer['run_id']}").body["notices"]
    assert notice["reason"] == "pushes_held"

    assert set(_statuses(deployment.invoke({"action": "sync"})).values()) == {"drifted"}  # nobody's word
    meant = _asked(api, {})
    assert {one["backup_id"]: one["status"] for one in meant["results"]} == dict.fromkeys(rest, "updated")
    for one in rest:
        assert replicable_differences(new.snapshot(), servers.backups[one].snapshot()) == []
    old.accept_connections()
    assert (old.snapshot(), old.writes, new.writes) == (held, [], [])
    assert api.call("GET", "/primary").body["held"] == ""

    assert api.call("PATCH", "/backups/ftp1", {"enabled": True}).status == 200
    assert _statuses(deployment.invoke(SCHEDULED)) == {**dict.fromkeys(rest, "in_sync"), "ftp1": "updated"}
    assert replicable_differences(new.snapshot(), old.snapshot()) == []

    newest, *_, oldest = api.call("GET", "/primary/states").body["states"]
    assert (newest["server"], oldest["server"]) == (f"{new.host}:{new.port}", f"{old.host}:{old.port}")
    text = api.call("GET", f"/primary/states/{oldest['digest']}/diff?to={newest['digest']}").body["text"]
    assert "+ users/made-on-the-new-primary" in text


def _asked(api: ManagementApi, body: dict[str, Any]) -> dict[str, Any]:
    """A run that the management API is asked for, when it has ended."""
    started = api.call("POST", "/sync-runs", body)
    assert started.status == 202
    details: dict[str, Any] = {}

    def has_ended() -> bool:
        details.update(api.call("GET", f"/sync-runs/{started.body['id']}").body)
        return details["finished_at"] is not None

    eventually(has_ended)
    return details


def _statuses(answer: dict[str, Any]) -> dict[str, str]:
    assert "backups" in answer, answer
    return {backup["id"]: backup["status"] for backup in answer["backups"]}
