"""The deployed stack replicates real servers over HTTPS, started by its own rule and on demand."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from local.cerberus.compare import PARTS, kept_machine_values, replicable_differences
from local.cerberus.faults import Kind
from local.cerberus.machine import SECTIONS, Machine, Secrets
from local.cloud import LocalCloud
from local.fleet import PRIMARY, Deployment, start_servers
from replication.model import PartName
from tests.support.patience import NEVER

DRIFTED, BARE, BROKEN = "drifted", "bare", "broken"
GOOD = (DRIFTED, BARE)
ALL_PARTS = (*PARTS, "listeners")


@pytest.fixture(scope="module")
def deployment(cloud: LocalCloud) -> Iterator[Deployment]:
    """A primary and three backups: one drifted in every part, one without any machine-specific section, one broken."""
    with ExitStack() as stack:
        without = tuple(argument for section in SECTIONS for argument in ("--without", section))
        servers = start_servers(stack, (DRIFTED, BARE, BROKEN), users=30, groups=4, arguments={BARE: without})
        servers.backups[DRIFTED].drift("everywhere")
        servers.backups[DRIFTED].drift("auto_block", address="198.51.100.9")
        servers.backups[DRIFTED].drift(
            "set_listener_option", protocol=0, port=21, option="companyName", value="Another company"
        )
        servers.backups[BROKEN].fault(Kind.HTML)
        servers = replace(servers, before={name: server.snapshot() for name, server in servers.backups.items()})
        deployed = Deployment(cloud, "replication", servers, SyncIntervalMinutes="1")
        deployed.register()
        for backup in deployed.store.backups():
            deployed.store.update_backup(replace(backup, parts=tuple(PartName)))
        yield deployed


@pytest.fixture(scope="module")
def first_run(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Status and reason by backup of the first run, which the rule started; the rule is off afterwards."""
    deployment.cloud.let_a_minute_pass()
    run, results = deployment.wait_for_scheduled_run(after="", seconds=NEVER, progress=lambda _: None)
    deployment.cloud.client("events").disable_rule(Name=deployment.outputs["RuleName"])
    assert run.trigger == "schedule"
    return {result.backup_id: (result.status, result.reason) for result in results}


def test_the_rule_starts_a_run_that_serves_every_backup_it_can(first_run: dict[str, tuple[str, str]]) -> None:
    assert first_run == {DRIFTED: ("updated", ""), BARE: ("in_sync", ""), BROKEN: ("failed", "not_soap")}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("part", ALL_PARTS)
def test_each_part_is_equal_to_the_primary(
    deployment: Deployment, first_run: dict[str, tuple[str, str]], name: str, part: str
) -> None:
    servers = deployment.servers
    assert replicable_differences(servers.primary.snapshot(), servers.backups[name].snapshot(), [part]) == []


@pytest.mark.parametrize("name", GOOD)
def test_every_machine_specific_value_is_kept_and_every_absent_one_stays_absent(
    deployment: Deployment, first_run: dict[str, tuple[str, str]], name: str
) -> None:
    servers = deployment.servers
    assert kept_machine_values(servers.before[name], servers.backups[name].snapshot(), ALL_PARTS) == []


def test_a_second_run_writes_nothing(deployment: Deployment, first_run: dict[str, tuple[str, str]]) -> None:
    for server in deployment.servers.backups.values():
        server.forget_requests()
    reply = deployment.invoke({"action": "sync", "requested_by": "a test"})
    assert reply["counts"] == {
        "in_sync": 2,
        "updated": 0,
        "drifted": 0,
        "blocked": 0,
        "rolled_back": 0,
        "failed": 1,
        "incomplete": 0,
        "restored": 0,
    }
    assert [server.writes for server in deployment.servers.backups.values()] == [[], [], []]


def test_a_run_on_demand_serves_only_the_named_backups(
    deployment: Deployment, first_run: dict[str, tuple[str, str]]
) -> None:
    reply = deployment.invoke({"action": "sync", "backups": [BARE], "dry_run": True})
    assert [(backup["id"], backup["status"]) for backup in reply["backups"]] == [(BARE, "in_sync")]
    assert deployment.store.runs(limit=1)[0].requested_backups == (BARE,)


def test_of_two_runs_at_once_one_does_the_work_and_the_other_is_recorded_as_not_run(
    deployment: Deployment, first_run: dict[str, tuple[str, str]]
) -> None:
    deployment.servers.primary.fault(Kind.SLOW, "GetProfiles", seconds=3.0, times=1)
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(deployment.invoke, [{"action": "sync"}, {"action": "sync"}]))
    assert sorted((reply["status"], reply["reason"]) for reply in replies) == [
        ("not_run", "lease_held"),
        ("partial", ""),
    ]
    assert {(run.status, run.reason) for run in deployment.store.runs(limit=2)} == {
        ("not_run", "lease_held"),
        ("partial", ""),
    }


def test_an_empty_primary_ends_the_run_as_a_function_error_and_nothing_is_written(
    deployment: Deployment, first_run: dict[str, tuple[str, str]]
) -> None:
    servers = deployment.servers
    for server in servers.backups.values():
        server.forget_requests()
    servers.primary.fault(Kind.EMPTY_LIST)
    try:
        reply = deployment.invoke({"action": "sync"})
    finally:
        servers.primary.clear_faults()
    assert "[primary_empty]" in reply["errorMessage"]
    newest = deployment.store.runs(limit=1)[0]
    assert (newest.status, newest.reason) == ("failed", "primary_empty")
    assert {result.reason for result in deployment.store.results(newest.id)} == {"run_aborted"}
    assert [server.writes for server in servers.backups.values()] == [[], [], []]


def test_the_primary_is_never_written_to(deployment: Deployment, first_run: dict[str, tuple[str, str]]) -> None:
    assert deployment.servers.primary.writes == []


def test_no_planted_secret_is_in_any_log_table_item_or_reply(
    deployment: Deployment, first_run: dict[str, tuple[str, str]]
) -> None:
    machines = [Machine.named(name) for name in (PRIMARY, DRIFTED, BARE, BROKEN)]
    planted = [*Secrets(), *(secret for machine in machines for secret in machine.secrets)]
    pages = (
        deployment.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=deployment.outputs["TableName"])
    )
    items = [item for page in pages for item in page["Items"]]
    seen = "\n".join(
        [
            *deployment.cloud.log_messages(),
            deployment.cloud.log_file.read_text(),
            json.dumps(items),
            json.dumps(deployment.invoke({"action": "sync"})),
            json.dumps(deployment.invoke({"action": "nonsense"})),
        ]
    )
    assert "backup done" in seen
    assert DRIFTED in json.dumps(items)
    assert [secret for secret in planted if secret in seen] == []
