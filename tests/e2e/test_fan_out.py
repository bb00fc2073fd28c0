"""More backups than one invocation serves, through the queue of the deployed stack; its workers are killed on the way.

A thousand of them are measured by ``python -m benchmarks queue``.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from local.cloud import LocalCloud
from local.fleet import Deployment
from local.large import LargeFleet
from registry.run_records import BackupResult, Run
from tests.support.patience import NEVER, eventually

BACKUPS = 250
"""More than are served without the queue by default, than one transaction takes, and many batches for each worker."""
TIMEOUT, VISIBLE_AGAIN = 40, 45
"""Seconds that a worker has, and after which what it was given is given to another: less than any parameter allows."""


@dataclass(frozen=True)
class BatchResult:
    """The fleet after its run. ``killed`` has how many processes each kill has ended."""

    fleet: LargeFleet
    run: Run
    results: tuple[BackupResult, ...]
    killed: tuple[int, ...]


@pytest.fixture(scope="module")
def batch(cloud: LocalCloud) -> Iterator[BatchResult]:
    with ExitStack() as stack:
        parameters = {"SyncTimeoutSeconds": "60", "FanOutConcurrency": "2"}
        fleet = stack.enter_context(LargeFleet(cloud, "queue", backups=BACKUPS, **parameters))
        _shorten(cloud, fleet.deployment)
        drifted = fleet.names[::10]
        fleet.swarm.drift(drifted, "set_mime", extension="pdf", kind="application/edited-by-hand")
        reply = fleet.deployment.invoke({"action": "sync"})
        assert (reply["status"], reply["backups"]) == ("running", [])
        run_id = reply["run_id"]
        eventually(lambda: len(fleet.deployment.store.open_backups(run_id)) < BACKUPS * 0.9)
        killed = _kill_at_work(cloud, fleet.deployment, run_id)
        run = fleet.finished(run_id, NEVER)
        eventually(lambda: not _waiting(fleet.deployment, "BackupQueueUrl"))  # each worker has answered
        yield BatchResult(fleet, run, fleet.deployment.store.results(run_id), killed)


def _shorten(cloud: LocalCloud, deployment: Deployment) -> None:
    outputs = deployment.outputs
    cloud.client("lambda").update_function_configuration(FunctionName=outputs["SyncFunctionName"], Timeout=TIMEOUT)
    cloud.client("sqs").set_queue_attributes(
        QueueUrl=outputs["BackupQueueUrl"], Attributes={"VisibilityTimeout": str(VISIBLE_AGAIN)}
    )


def _kill_at_work(cloud: LocalCloud, deployment: Deployment, run_id: str) -> tuple[int, ...]:
    """Kill all processes of the function, until one leaves a claim without its owner; how many each kill ended."""
    killed: list[int] = []

    def orphaned() -> bool:
        if not (before := _claims(cloud, deployment, run_id)):
            return False  # the processes that were started anew have not begun yet
        killed.append(cloud.kill_function(deployment.outputs["SyncFunctionName"]))
        return bool(before & _claims(cloud, deployment, run_id))

    eventually(orphaned)
    return tuple(killed)


def _claims(cloud: LocalCloud, deployment: Deployment, run_id: str) -> set[tuple[str, str]]:
    pages = (
        cloud.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=deployment.outputs["TableName"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"OPEN#{run_id}"}},
        )
    )
    rows = [row for page in pages for row in page["Items"]]
    return {(row["sk"]["S"], row["held_by"]["S"]) for row in rows if "held_by" in row}


def _waiting(deployment: Deployment, output: str) -> int:
    attributes = deployment.cloud.client("sqs").get_queue_attributes(
        QueueUrl=deployment.outputs[output],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def test_the_record_of_the_run_is_complete(batch: BatchResult) -> None:
    assert (batch.run.status, batch.run.reason) == ("succeeded", "")
    assert sum(batch.run.counts.values()) == BACKUPS
    assert batch.run.counts["in_sync"] + batch.run.counts["updated"] == BACKUPS
    assert batch.fleet.deployment.store.lease() is None


def test_every_backup_has_one_result_and_is_verified(batch: BatchResult) -> None:
    assert [result.backup_id for result in batch.results] == batch.fleet.names
    assert all(result.verified_at for result in batch.results)


def test_every_backup_is_equal_to_the_primary_as_the_servers_themselves_say(batch: BatchResult) -> None:
    assert batch.fleet.swarm.differing(batch.fleet.primary.snapshot()) == set()


def _served_twice(batch: BatchResult) -> set[str]:
    served = {name: operations["GetLicenseInfo"] for name, operations in batch.fleet.swarm.requests().items()}
    assert 1 <= min(served.values()) <= max(served.values()) <= 1 + len(batch.killed)
    return {name for name, count in served.items() if count > 1}


def test_none_was_served_twice_but_those_whose_worker_was_killed(batch: BatchResult) -> None:
    assert sum(batch.killed) >= 2
    assert len(_served_twice(batch)) <= 10 * sum(batch.killed), "a worker has ten messages at most"
    written = [
        operations["SetMimeMappings"] + operations["SaveMimeMappings"]
        for operations in batch.fleet.swarm.requests().values()
    ]
    assert max(written) <= 1 + len(batch.killed)


def test_the_kill_hit_work_under_way(batch: BatchResult) -> None:
    first = min(result.attempted_at for result in batch.results)
    late = {
        result.backup_id
        for result in batch.results
        if (result.attempted_at - first).total_seconds() > VISIBLE_AGAIN * 2 / 3
    }
    assert late, "what a killed worker had comes again when its message is visible again"
    assert _served_twice(batch) <= late


def test_no_message_waits_or_was_given_up(batch: BatchResult) -> None:
    assert _waiting(batch.fleet.deployment, "BackupQueueUrl") == 0
    assert _waiting(batch.fleet.deployment, "BackupDeadLetterQueueUrl") == 0


def test_the_primary_was_read_once_and_never_written(batch: BatchResult) -> None:
    reads = [request.operation for request in batch.fleet.primary.requests]
    assert reads.count("GetProfiles") == 1
    assert batch.fleet.primary.writes == []


def test_the_run_is_told_of_once(batch: BatchResult) -> None:
    lines = batch.fleet.deployment.cloud.log_messages(batch.fleet.deployment.outputs["SyncLogGroupName"])
    assert sum('"run finished"' in line for line in lines) == 1
