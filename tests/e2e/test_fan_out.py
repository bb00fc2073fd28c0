"""A thousand backups through the queue of the deployed stack, and all of its workers killed on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from local.cloud import LocalCloud
from local.fleet import Deployment
from local.large import BACKUPS, LargeFleet
from registry.models import BackupResult, Run

SECONDS = 900.0
"""Far more than it takes on a machine that has nothing else to do."""


@dataclass(frozen=True)
class Worked:
    """The fleet after its run; ``killed`` processes, when so many backups were ``open`` that were in their hands."""

    fleet: LargeFleet
    run: Run
    results: tuple[BackupResult, ...]
    killed: int


@pytest.fixture(scope="module")
def worked(cloud: LocalCloud) -> Iterator[Worked]:
    with ExitStack() as stack:
        fleet = stack.enter_context(LargeFleet(cloud, "queue", SyncTimeoutSeconds="60", FanOutConcurrency="2"))
        drifted = fleet.names[::10]
        fleet.swarm.drift(drifted, "set_mime", extension="pdf", kind="application/edited-by-hand")
        reply = fleet.deployment.invoke({"action": "sync"})
        assert (reply["status"], reply["backups"]) == ("running", [])
        run_id = reply["run_id"]
        _until(lambda: len(fleet.deployment.store.open_backups(run_id)) < BACKUPS * 0.9)
        killed = cloud.kill_function(fleet.deployment.outputs["SyncFunctionName"])
        run = fleet.finished(run_id, SECONDS)
        yield Worked(fleet, run, fleet.deployment.store.results(run_id), killed)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def _waiting(deployment: Deployment, output: str) -> int:
    attributes = deployment.cloud.client("sqs").get_queue_attributes(
        QueueUrl=deployment.outputs[output],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def test_the_record_of_the_run_is_complete(worked: Worked) -> None:
    assert (worked.run.status, worked.run.reason) == ("succeeded", "")
    assert sum(worked.run.counts.values()) == BACKUPS
    assert worked.run.counts["in_sync"] + worked.run.counts["updated"] == BACKUPS
    assert worked.fleet.deployment.store.lease() is None


def test_every_backup_has_one_result_and_is_verified(worked: Worked) -> None:
    assert [result.backup_id for result in worked.results] == worked.fleet.names
    assert all(result.verified_at for result in worked.results)


def test_every_backup_is_equal_to_the_primary_as_the_servers_themselves_say(worked: Worked) -> None:
    assert worked.fleet.swarm.differing(worked.fleet.primary.snapshot()) == set()


def test_none_was_served_twice_but_those_whose_worker_was_killed(worked: Worked) -> None:
    served = {name: found["GetLicenseInfo"] for name, found in worked.fleet.swarm.requests().items()}
    assert set(served.values()) <= {1, 2}
    assert worked.killed >= 2
    twice = [name for name, count in served.items() if count == 2]
    assert len(twice) <= 10 * worked.killed, "a worker has ten messages at most"
    written = [found["SetMimeMappings"] + found["SaveMimeMappings"] for found in worked.fleet.swarm.requests().values()]
    assert max(written) <= 2


def test_the_kill_hit_work_under_way(worked: Worked) -> None:
    first = min(result.attempted_at for result in worked.results)
    late = [result for result in worked.results if (result.attempted_at - first).total_seconds() > 60]
    assert late, "what a killed worker had comes again when its message is visible again"


def test_the_queues_are_empty(worked: Worked) -> None:
    assert _waiting(worked.fleet.deployment, "BackupQueueUrl") == 0
    assert _waiting(worked.fleet.deployment, "BackupDeadLetterQueueUrl") == 0


def test_the_primary_was_read_once_and_never_written(worked: Worked) -> None:
    reads = [request.operation for request in worked.fleet.primary.requests]
    assert reads.count("GetProfiles") == 1
    assert worked.fleet.primary.writes == []


def test_the_run_is_told_of_once(worked: Worked) -> None:
    lines = worked.fleet.deployment.cloud.log_messages(worked.fleet.deployment.outputs["SyncLogGroupName"])
    assert sum('"run finished"' in line for line in lines) == 1
