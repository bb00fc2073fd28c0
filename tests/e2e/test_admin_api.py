"""The management API of the deployed stack: every route over HTTP, signed, unsigned and wrongly signed."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from local.build import ROOT
from local.cloud import LocalCloud, ManagementApi
from local.fleet import PRIMARY, Servers, password_of, start_servers
from tests.support.patience import eventually

BACKUP = "api-backup"
PARAMETERS = {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"}


@pytest.fixture(scope="module")
def outputs(cloud: LocalCloud) -> dict[str, str]:
    return cloud.deploy("api", PARAMETERS)


@pytest.fixture(scope="module")
def api(cloud: LocalCloud, outputs: dict[str, str]) -> ManagementApi:
    return cloud.management_api(outputs)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield start_servers(stack, (BACKUP,), users=10, groups=2)


@pytest.fixture(scope="module")
def registered(api: ManagementApi, servers: Servers) -> dict[str, Any]:
    """What the API answered to the registration of primary and backup."""
    primary = api.call("PUT", "/primary", _registration(servers.primary, PRIMARY))
    backup = api.call("POST", "/backups", {"id": BACKUP, **_registration(servers.backups[BACKUP], BACKUP)})
    assert (primary.status, backup.status) == (200, 201)
    return {"primary": primary.body, "backup": backup.body}


def _registration(server: Any, name: str) -> dict[str, Any]:
    return {
        "host": server.host,
        "port": server.port,
        "username": server.user,
        "password": password_of(name),
        "tls": {"mode": "pins", "fingerprints": [server.fingerprint]},
    }


def _routes(api: ManagementApi) -> list[tuple[str, str]]:
    document = api.call("GET", "/openapi.json").body
    return [
        (method.upper(), path.format(backup_id=BACKUP, run_id="20261122T120000.000000Z-00000000", digest="0f" * 32))
        for path, operations in document["paths"].items()
        for method in operations
    ]


# ---------------------------------------------------------------- who may call


def test_every_route_answers_the_one_who_signs_and_nobody_else(
    cloud: LocalCloud, outputs: dict[str, str], api: ManagementApi
) -> None:
    base, region = f"{cloud.endpoint}/restapis/{outputs['ApiId']}/v1/_user_request_", cloud.environment["AWS_REGION"]
    key, secret = _user_key(cloud, outputs["ApiId"])
    assert ManagementApi(base, region, key, secret).call("GET", "/health").status == 200
    wrong_secret = ManagementApi(base, region, key, secret[::-1])
    unknown_key = ManagementApi(base, region, "AKIAUNKNOWNUNKNOWN00", secret)
    routes = _routes(api)
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    assert len(routes) == sum(len(operations) for operations in described.values())
    for method, path in routes:
        body: object = {} if method in ("POST", "PUT", "PATCH") else None
        assert api.call(method, path, body, signed=False).status == 403, (method, path)
        assert wrong_secret.call(method, path, body).status == 403, (method, path)
        assert unknown_key.call(method, path, body).status == 403, (method, path)
    assert api.call("GET", "/backups").body["backups"] == []  # none of them did anything


def test_every_route_reaches_the_function(api: ManagementApi) -> None:
    # An empty body, or ids nobody has: what answers is the function, with its own documents.
    for method, path in _routes(api):
        if path in ("/sync-runs", "/backups/import"):
            continue  # an empty body is a valid one there; the tests below call them
        answer = api.call(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        assert answer.status in (200, 404, 422), (method, path, answer)
        assert answer.status == 200 or answer.body["reason"] in (
            "unknown_backup",
            "unknown_run",
            "request_invalid",
            "primary_not_registered",
            "snapshot_missing",
        )


# ---------------------------------------------------------------- a first session


def test_registering_answers_with_a_check_of_each_server(registered: dict[str, Any]) -> None:
    for answer in registered.values():
        check = answer["check"]
        assert check["passed"], check
        assert {requirement["result"] for requirement in check["requirements"]} == {"pass"}


def test_a_backup_is_shown_tried_changed_and_listed(api: ManagementApi, registered: dict[str, Any]) -> None:
    shown = api.call("GET", f"/backups/{BACKUP}")
    assert (shown.status, shown.body["username"], shown.body["secure_connection"]) == (200, "admin", True)
    assert api.call("POST", f"/backups/{BACKUP}/check").body["passed"]
    assert api.call("POST", "/primary/check").body["passed"]
    changed = api.call("PATCH", f"/backups/{BACKUP}", {"tags": {"site": "Vienna"}})
    assert (changed.status, changed.body["tags"]) == (200, {"site": "Vienna"})
    assert [backup["id"] for backup in api.call("GET", "/backups?limit=1").body["backups"]] == [BACKUP]
    assert api.call("POST", "/backups", {"id": "again", **_like(shown.body)}).status == 409


def test_a_run_is_started_followed_and_remembered(
    api: ManagementApi, registered: dict[str, Any], servers: Servers
) -> None:
    servers.backups[BACKUP].drift("everywhere")
    dry = _finished(api, {"backups": [BACKUP], "dry_run": True})
    assert (dry["dry_run"], dry["results"][0]["status"]) == (True, "drifted")
    run = _finished(api, {})
    assert (run["status"], run["results"][0]["status"], run["progress"]) == (
        "succeeded",
        "updated",
        {"done": 1, "total": 1},
    )
    assert servers.differences(BACKUP) == []
    last = api.call("GET", f"/backups/{BACKUP}").body["last_result"]
    assert (last["run_id"], last["status"]) == (run["id"], "updated")
    assert last["pushed_at"]
    assert last["verified_at"]
    history = api.call("GET", f"/backups/{BACKUP}/history").body["results"]
    assert [result["run_id"] for result in history] == [run["id"], dry["id"]]
    assert [listed["id"] for listed in api.call("GET", "/sync-runs").body["runs"]][:2] == [run["id"], dry["id"]]


def test_what_a_run_did_is_undone_and_stays_so_until_it_is_resumed(
    api: ManagementApi, registered: dict[str, Any], servers: Servers
) -> None:
    backup = servers.backups[BACKUP]
    backup.drift("everywhere")
    before = backup.snapshot()
    assert _finished(api, {})["results"][0]["status"] == "updated"
    (kept, *_) = api.call("GET", f"/backups/{BACKUP}/snapshots").body["snapshots"]
    plan = api.call("GET", f"/backups/{BACKUP}/plan?snapshot={kept['run_id']}").body
    restored = _finished(api, {"snapshot": kept["key"], "plan_hash": plan["hash"]}, f"/backups/{BACKUP}/restore")
    assert (restored["trigger"], restored["status"]) == ("restore", "succeeded")
    assert restored["results"][0]["status"] == "restored", restored
    assert backup.snapshot() == before
    assert restored["id"] in api.call("GET", f"/backups/{BACKUP}").body["paused"]
    assert _finished(api, {})["results"][0]["status"] == "drifted"
    assert backup.snapshot() == before
    assert api.call("POST", f"/backups/{BACKUP}/resume").body["paused"] == ""
    assert _finished(api, {})["results"][0]["status"] == "updated"
    assert servers.differences(BACKUP) == []


def test_an_older_state_of_the_primary_goes_to_the_fleet(
    api: ManagementApi, registered: dict[str, Any], servers: Servers
) -> None:
    assert _finished(api, {})["results"][0]["status"] == "in_sync"
    (older, *_) = api.call("GET", "/primary/states").body["states"]
    before = servers.backups[BACKUP].snapshot()
    servers.primary.drift("set_mime", extension="pdf", kind="text/plain")
    assert _finished(api, {})["results"][0]["status"] == "updated"
    restored = _finished(api, {"state": older["digest"]})
    assert (restored["results"][0]["status"], restored["snapshot"]) == ("restored", f"primary/{older['digest']}")
    assert servers.backups[BACKUP].snapshot() == before
    assert api.call("POST", f"/backups/{BACKUP}/resume").status == 200
    assert _finished(api, {})["results"][0]["status"] == "updated"
    assert servers.differences(BACKUP) == []
    assert servers.primary.writes == []


def test_the_primarys_own_list_is_shown_and_taken_over(api: ManagementApi, registered: dict[str, Any]) -> None:
    report = api.call("POST", "/backups/import", {}).body
    (listed,) = report["backups"]
    assert (report["dry_run"], listed["action"]) == (True, "needs_password")
    key = f"{listed['host']}:{listed['port']}"
    taken = api.call("POST", "/backups/import", {"dry_run": False, "passwords": {key: "PLANTED-import"}}).body
    (entry,) = taken["backups"]
    assert entry["action"] == "registered"
    assert api.call("GET", f"/backups/{entry['id']}").body["host"] == listed["host"]
    assert api.call("DELETE", f"/backups/{entry['id']}").status == 204


# ---------------------------------------------------------------- the schedule


def test_the_api_changes_the_rule_and_a_redeployment_keeps_it(
    cloud: LocalCloud, outputs: dict[str, str], api: ManagementApi
) -> None:
    before = api.call("GET", "/sync-settings").body
    assert (before["enabled"], before["interval_minutes"], before["on_change_polling"]) == (False, 15, False)
    described = _rule(cloud, outputs["RuleName"])
    targets = cloud.client("events").list_targets_by_rule(Rule=outputs["RuleName"])["Targets"]
    wanted = before | {"enabled": True, "interval_minutes": 7, "on_change_polling": True}
    assert api.call("PUT", "/sync-settings", wanted).body == wanted
    changed = _rule(cloud, outputs["RuleName"])
    assert changed == described | {"State": "ENABLED", "ScheduleExpression": "rate(7 minutes)"}
    assert cloud.client("events").list_targets_by_rule(Rule=outputs["RuleName"])["Targets"] == targets
    assert _rule(cloud, outputs["PollingRuleName"])["State"] == "ENABLED"
    cloud.deploy("api", PARAMETERS)
    cloud.deploy("api", PARAMETERS | {"LogLevel": "DEBUG"})
    assert api.call("GET", "/sync-settings").body == wanted
    off = wanted | {"enabled": False, "on_change_polling": False}
    assert api.call("PUT", "/sync-settings", off).body == off
    assert _rule(cloud, outputs["RuleName"])["State"] == "DISABLED"


def test_disabling_stops_the_runs_and_enabling_starts_them(
    cloud: LocalCloud, api: ManagementApi, registered: dict[str, Any]
) -> None:
    settings = api.call("GET", "/sync-settings").body
    before = _scheduled(api)
    api.call("PUT", "/sync-settings", settings | {"enabled": True, "interval_minutes": 1})
    cloud.let_a_minute_pass()
    eventually(lambda: _scheduled(api) > before)
    api.call("PUT", "/sync-settings", settings | {"enabled": False, "interval_minutes": 1})
    _finished(api, {"dry_run": True})  # whatever was on its way has arrived
    seen = _scheduled(api)
    for _ in range(3):
        cloud.let_a_minute_pass()
    _finished(api, {"dry_run": True})
    assert _scheduled(api) == seen


# ---------------------------------------------------------------- secrets


def test_removing_a_backup_leaves_its_secret_recoverable_and_its_history(
    cloud: LocalCloud, outputs: dict[str, str], api: ManagementApi, registered: dict[str, Any]
) -> None:
    name = f"{outputs['SecretPrefix']}/{api.call('GET', f'/backups/{BACKUP}').body['secret']}"
    assert api.call("DELETE", f"/backups/{BACKUP}").status == 204
    assert api.call("GET", f"/backups/{BACKUP}").status == 404
    assert api.call("GET", f"/backups/{BACKUP}/history").body["results"]
    secret = cloud.client("secretsmanager").describe_secret(SecretId=name)
    assert secret["DeletedDate"]


def test_every_change_is_in_the_table_with_who_and_no_password_anywhere(
    cloud: LocalCloud, outputs: dict[str, str], api: ManagementApi, registered: dict[str, Any]
) -> None:
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=outputs["TableName"])
    items = [item for page in pages for item in page["Items"]]
    audit = [item for item in items if item["pk"]["S"].startswith("AUDIT#")]
    assert {item["who"]["S"] for item in audit} == {"arn:aws:iam::123456789012:root"}
    assert "/backups/" + BACKUP in {item["resource"]["S"] for item in audit}
    assert all(int(item["expires_at"]["N"]) > time.time() for item in audit)
    everywhere = json.dumps(items) + "\n".join(cloud.log_messages())
    assert "PLANTED" not in everywhere


def _user_key(cloud: LocalCloud, api_id: str) -> tuple[str, str]:
    """An access key of a user who may call this API and do nothing else."""
    iam = cloud.client("iam")
    iam.create_user(UserName="operator")
    allowed = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:eu-central-1:123456789012:{api_id}/*",
    }
    iam.put_user_policy(
        UserName="operator",
        PolicyName="management-api",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    made = iam.create_access_key(UserName="operator")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def _like(backup: dict[str, Any]) -> dict[str, Any]:
    return {"host": backup["host"], "port": backup["port"], "username": "admin", "password": "PLANTED-again"}


def _finished(api: ManagementApi, body: dict[str, Any], path: str = "/sync-runs") -> dict[str, Any]:
    started = api.call("POST", path, body)
    assert (started.status, started.body["status"]) == (202, "queued")
    details: dict[str, Any] = {}

    def done() -> bool:
        details.update(api.call("GET", f"/sync-runs/{started.body['id']}").body)
        return details["finished_at"] is not None

    eventually(done)
    return details


def _scheduled(api: ManagementApi) -> int:
    return sum(run["trigger"] == "schedule" for run in api.call("GET", "/sync-runs?limit=200").body["runs"])


def _rule(cloud: LocalCloud, name: str) -> dict[str, Any]:
    described: dict[str, Any] = cloud.client("events").describe_rule(Name=name)
    return {key: value for key, value in described.items() if key not in ("ResponseMetadata", "CreatedBy")}
