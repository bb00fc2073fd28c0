"""Each event of events/, invoked on the built artifact through Lambda's Runtime Interface Emulator."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from common.runtime import SystemRuntime
from local.cloud import LocalCloud
from local.emulator import Emulator
from local.events import BACKUP, SeedRuntime, differences, invocations, seed
from local.fleet import PRIMARY, Servers, password_of, start_servers
from local.stack import prepare_invocations
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Credentials
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots
from tests.support.patience import eventually

HANDLERS = {"admin_api": ("AdminApiFunction", "admin_api.app.handler"), "sync": ("SyncFunction", "sync.app.handler")}


@pytest.fixture(scope="module")
def outputs(cloud: LocalCloud) -> dict[str, str]:
    return cloud.deploy("events", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"})


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield start_servers(stack, (BACKUP,), users=5, groups=2)


@pytest.fixture(scope="module", params=HANDLERS)
def function(
    request: pytest.FixtureRequest,
    cloud: LocalCloud,
    outputs: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """Name of the function and its emulator, with the variables that ``sam local invoke`` would give it."""
    artifact, handler = HANDLERS[request.param]
    template, values = (tmp_path_factory.mktemp("invoke") / name for name in ("template.yaml", "env.json"))
    prepare_invocations(cloud, outputs, template, values)
    with Emulator(artifact, handler, _passed_on(artifact, template, values)) as emulator:
        yield request.param, emulator


def _passed_on(function: str, template: Path, values: Path) -> dict[str, str]:
    """The values that the template declares, for all functions or for this one: the SAM CLI drops the others."""
    resource = template.read_text().partition(f"\n  {function}:\n")[2].partition("\n      Events:")[0]
    text = template.read_text().partition("\nResources:")[0].rpartition("\nGlobals:")[2] + resource
    declared = set(re.findall(r"^ {8,10}([A-Z][A-Z0-9_]+):", text, re.MULTILINE))
    given: dict[str, str] = json.loads(values.read_text())[function]
    assert declared >= set(given)
    return {name: value for name, value in given.items() if name in declared}


def _seed(cloud: LocalCloud, outputs: dict[str, str], servers: Servers) -> DynamoStore:
    """Make the registry what the documented answers assume, and the backup different from the primary."""
    table = cloud.client("dynamodb")
    pages = table.get_paginator("scan").paginate(TableName=outputs["TableName"])
    for item in [item for page in pages for item in page["Items"]]:
        table.delete_item(TableName=outputs["TableName"], Key={"pk": item["pk"], "sk": item["sk"]})
    events = cloud.client("events")
    events.put_rule(Name=outputs["RuleName"], ScheduleExpression="rate(15 minutes)", State="DISABLED")
    events.put_rule(Name=outputs["PollingRuleName"], ScheduleExpression="rate(1 minute)", State="DISABLED")
    store = DynamoStore(outputs["TableName"], table, SeedRuntime())
    credentials = SecretsManagerCredentials(outputs["SecretPrefix"], cloud.client("secretsmanager"), SystemRuntime())
    primary, backup = servers.primary, servers.backups[BACKUP]
    seed(
        store,
        credentials,
        (primary, Credentials(primary.user, password_of(PRIMARY))),
        (backup, Credentials(backup.user, password_of(BACKUP))),
        S3Snapshots(
            outputs["SnapshotBucketName"],
            cloud.client("s3"),
            DynamoSnapshotDigests(outputs["TableName"], table, SystemRuntime()),
        ),
    )
    backup.drift("set_mime", extension="pdf", kind=f"application/{time.monotonic_ns()}")
    return store


def test_every_event_has_the_documented_answer(
    function: tuple[str, Emulator], cloud: LocalCloud, outputs: dict[str, str], servers: Servers
) -> None:
    name, emulator = function
    wrong = {}
    for invocation in invocations(name):
        store = _seed(cloud, outputs, servers)
        answer = emulator.invoke(invocation.event)
        if differing := differences(invocation.answer, _decoded(answer)):
            wrong[invocation.name] = (differing, answer)
        _wait_for_runs(store)
    assert wrong == {}


def _decoded(answer: Any) -> Any:
    """A reply to API Gateway with its body as what it stands for; any other answer as it is."""
    if not (isinstance(answer, dict) and "statusCode" in answer):
        return answer
    return {
        "statusCode": answer["statusCode"],
        "headers": {key: values[0] for key, values in answer.get("multiValueHeaders", {}).items()},
        "body": json.loads(answer["body"]) if answer["body"] else None,
    }


def _wait_for_runs(store: DynamoStore) -> None:
    """A run that the event started in the deployed stack must not reach into the next one."""
    eventually(lambda: all(run.finished_at for run in store.runs(limit=10)))
