import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.build import ROOT
from local.cloud import CloudFailed, LocalCloud
from tests.support.patience import eventually

STARTER = """
import sys, time
from pathlib import Path
from local.cloud import LocalCloud
with LocalCloud(Path(sys.argv[1])) as cloud:
    print(cloud.endpoint.rpartition(":")[2], flush=True)
    time.sleep(60)
"""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:  # noqa: S603  (the program above)
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        assert _listens(port)
        starter.kill()
    eventually(lambda: not _listens(port))


def test_it_ends_with_its_block_and_keeps_its_log(tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as cloud:
        port = int(cloud.endpoint.rpartition(":")[2])
        assert _listens(port)
    assert not _listens(port)
    assert cloud.log_file.read_text()


@pytest.mark.parametrize("sam", [True, False])
def test_a_deployment_that_fails_says_why(cloud: LocalCloud, stack: dict[str, str], sam: bool) -> None:
    with pytest.raises(CloudFailed, match="SyncIntervalMinutes"):
        cloud.deploy("refused", {"SyncIntervalMinutes": "7"}, sam=sam)


def test_a_rule_fires_when_its_minutes_have_passed_and_it_is_enabled(cloud: LocalCloud) -> None:
    events, sqs = cloud.client("events"), cloud.client("sqs")
    queue = sqs.create_queue(QueueName="minutes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="two-minutes", ScheduleExpression="rate(2 minutes)")
    events.put_targets(Rule="two-minutes", Targets=[{"Id": "queue", "Arn": arn}])

    def fired_after_a_minute() -> int:
        cloud.let_a_minute_pass()
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return sum(json.loads(message["Body"])["detail-type"] == "Scheduled Event" for message in messages)

    assert [fired_after_a_minute() for _ in range(4)] == [0, 1, 0, 1]
    events.disable_rule(Name="two-minutes")
    assert [fired_after_a_minute() for _ in range(4)] == [0, 0, 0, 0]
    events.remove_targets(Rule="two-minutes", Ids=["queue"])
    events.delete_rule(Name="two-minutes")
