"""The alarms on what AWS itself counts, and the way from an alarm to whoever subscribes.

The causes are produced in the local cloud. Of invocations that wait for an
answer it counts errors, throttles and durations as Lambda does of all. It
counts nothing for SQS: how many messages lie in the queue is asked of the
queue, which is where SQS has it from.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.build import ROOT
from local.cerberus import Kind
from local.cloud import LocalCloud
from local.cloudwatch import Alarm, Datapoint
from local.fleet import Deployment, start_servers
from tests.support.patience import eventually

SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event"}
NAME = "watched"


class Platform:
    """A deployed stack with the alarms on its functions and its queue, as the local cloud has them."""

    def __init__(self, cloud: LocalCloud, deployment: Deployment) -> None:
        self.cloud = cloud
        self.deployment = deployment
        self.outputs = deployment.outputs
        self._watch = cloud.client("cloudwatch")
        described = self._watch.describe_alarms(AlarmNamePrefix=f"{NAME}-")["MetricAlarms"]
        self.alarms = {alarm["AlarmName"].removeprefix(f"{NAME}-"): alarm for alarm in described}

    def state(self, name: str) -> str:
        """What the alarm is now, by its own settings and what the platform has counted so far."""
        properties = self.alarms[name]
        figures = self._of_queue(properties) if properties["Namespace"] == "AWS/SQS" else self._counted(properties)
        return Alarm(properties).evaluate(figures, datetime.now(UTC))

    def invoke(self, function: str, event: object, kind: str = "RequestResponse") -> dict[str, Any]:
        client = self.cloud.client("lambda", read_timeout=100)
        answer: dict[str, Any] = client.invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(event), InvocationType=kind
        )
        return answer

    def messages(self, url: str = "") -> int:
        """How many wait in a queue, that of failed events unless told otherwise."""
        attributes = self.cloud.client("sqs").get_queue_attributes(
            QueueUrl=url or self.outputs["FailedEventsQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def _counted(self, alarm: dict[str, Any]) -> list[Datapoint]:
        now = datetime.now(UTC)
        counted = self._watch.get_metric_statistics(
            Namespace=alarm["Namespace"],
            MetricName=alarm["MetricName"],
            Dimensions=alarm["Dimensions"],
            StartTime=now - timedelta(minutes=30),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=[alarm["Statistic"]],
        )["Datapoints"]
        dimensions = frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"])
        return [
            Datapoint(alarm["Namespace"], alarm["MetricName"], dimensions, each[alarm["Statistic"]], each["Timestamp"])
            for each in counted
        ]

    def _of_queue(self, alarm: dict[str, Any]) -> list[Datapoint]:
        ((_, name),) = dimensions = frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"])
        url = self.cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        metric = "ApproximateNumberOfMessagesVisible"
        return [Datapoint("AWS/SQS", metric, dimensions, self.messages(url), datetime.now(UTC))]


@pytest.fixture(scope="module")
def platform(cloud: LocalCloud) -> Iterator[Platform]:
    """A stack whose runs may take a minute. The first test needs it well; each of the others makes it worse."""
    with ExitStack() as servers:
        running = start_servers(servers, ("ftp2",), users=5, groups=2)
        parameters = {"SyncEnabled": "false", "SyncIntervalMinutes": "1", "SyncTimeoutSeconds": "60"}
        deployment = Deployment(cloud, NAME, running, **parameters, RunbookUrl="https://wiki.example/runbook.md")
        deployment.register()
        yield Platform(cloud, deployment)


@pytest.fixture(scope="module")
def long_run(platform: Platform) -> Iterator[Future[dict[str, Any]]]:
    """The answer of a run that takes nearly all the time it may take. The tests that ask for it go on meanwhile."""
    platform.deployment.servers.primary.fault(Kind.SLOW, "GetProfiles", seconds=120)
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(platform.deployment.invoke, SCHEDULED)


def test_all_alarms_of_the_template_are_there_and_quiet_while_all_is_well(platform: Platform) -> None:
    assert platform.deployment.invoke(SCHEDULED)["status"] == "succeeded"
    health = json.loads((ROOT / "events" / "admin_api" / "get-health.json").read_text())
    assert "FunctionError" not in platform.invoke("AdminApiFunctionName", health)
    on_the_platform = {name for name, alarm in platform.alarms.items() if alarm["Namespace"].startswith("AWS/")}
    assert on_the_platform == {
        "sync-errors",
        "sync-duration",
        "sync-throttles",
        "api-errors",
        "api-throttles",
        "failed-events",
        "queued-backups",
    }
    assert {name: platform.state(name) for name in on_the_platform} == dict.fromkeys(on_the_platform, "OK")


def test_an_event_that_the_function_fails_with_counts_as_an_error_and_is_kept_for_a_day(
    platform: Platform, long_run: Future[dict[str, Any]]
) -> None:
    event = {"action": "synchronise"}
    platform.invoke("SyncFunctionName", event, "Event")
    eventually(lambda: platform.messages() == 1)
    assert platform.state("failed-events") == "ALARM"
    assert platform.invoke("SyncFunctionName", event)["FunctionError"]
    assert platform.state("sync-errors") == "ALARM"
    queue = platform.outputs["FailedEventsQueueUrl"]
    sqs = platform.cloud.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"]
    kept = json.loads(message["Body"])
    assert kept["requestPayload"] == event
    assert "event_invalid" in kept["responsePayload"]["errorMessage"]
    sqs.purge_queue(QueueUrl=queue)
    assert platform.state("failed-events") == "OK"


def test_a_backup_that_no_delivery_led_to_a_result_for(platform: Platform) -> None:
    sqs = platform.cloud.client("sqs")
    queue, dead = platform.outputs["BackupQueueUrl"], platform.outputs["BackupDeadLetterQueueUrl"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})
    sqs.send_message(QueueUrl=queue, MessageBody="nothing that the function understands")
    eventually(lambda: platform.messages(dead) == 1)
    assert platform.state("queued-backups") == "ALARM"
    sqs.purge_queue(QueueUrl=dead)
    assert platform.state("queued-backups") == "OK"


def test_a_request_for_which_the_management_api_has_too_little_time(platform: Platform) -> None:
    # It answers whatever happens within it: only a function that is ended by the platform counts as an error.
    platform.deployment.servers.backups["ftp2"].fault(Kind.SLOW, seconds=4)
    event = json.loads((ROOT / "events" / "admin_api" / "post-backup-check.json").read_text())
    client = platform.cloud.client("lambda")
    name = platform.outputs["AdminApiFunctionName"]
    client.update_function_configuration(FunctionName=name, Timeout=2)
    answer = platform.invoke("AdminApiFunctionName", event)
    client.update_function_configuration(FunctionName=name, Timeout=29)
    platform.deployment.servers.backups["ftp2"].clear_faults()
    assert answer["FunctionError"]
    assert platform.state("api-errors") == "ALARM"


@pytest.mark.parametrize(
    ("function", "alarm"), [("SyncFunctionName", "sync-throttles"), ("AdminApiFunctionName", "api-throttles")]
)
def test_a_function_that_may_not_be_started(platform: Platform, function: str, alarm: str) -> None:
    client = platform.cloud.client("lambda")
    client.put_function_concurrency(FunctionName=platform.outputs[function], ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        platform.invoke(function, SCHEDULED)
    client.delete_function_concurrency(FunctionName=platform.outputs[function])
    assert platform.state(alarm) == "ALARM"


def test_an_alarm_reaches_the_subscribers_with_its_meaning_and_the_way_to_the_runbook(platform: Platform) -> None:
    sqs, sns = platform.cloud.client("sqs"), platform.cloud.client("sns")
    queue = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": platform.outputs["AlarmTopicArn"]}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=platform.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn)
    watch = platform.cloud.client("cloudwatch")
    watch.set_alarm_state(AlarmName=f"{NAME}-backup-harmed", StateValue="ALARM", StateReason="a test")
    received: list[dict[str, Any]] = []

    def arrived() -> bool:
        received.extend(sqs.receive_message(QueueUrl=queue).get("Messages", []))
        return bool(received)

    eventually(arrived)
    said = json.loads(json.loads(received[0]["Body"])["Message"])
    assert (said["AlarmName"], said["NewStateValue"]) == (f"{NAME}-backup-harmed", "ALARM")
    assert said["AlarmDescription"] == platform.alarms["backup-harmed"]["AlarmDescription"]
    assert "https://wiki.example/runbook.md#" in said["AlarmDescription"]


def test_a_run_that_takes_nearly_all_the_time_there_is(platform: Platform, long_run: Future[dict[str, Any]]) -> None:
    assert "deadline" in long_run.result()["errorMessage"]
    assert platform.state("sync-duration") == "ALARM"
