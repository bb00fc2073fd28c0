"""What holds for every alarm of the template, whatever it watches."""

from typing import Any

import pytest

from local.template import Stack, Template, translated
from sync.reporting import METRICS, NAMESPACE, SERVICE

ALARMS = Stack("stack", {"SyncEnabled": "true"}).resources("AWS::CloudWatch::Alarm")
PARAMETERS = translated()["Parameters"]


@pytest.mark.parametrize("name", ALARMS)
def test_it_tells_of_its_beginning_and_its_end_to_the_one_topic(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == alarm["OKActions"] == ["AlarmTopic"]
    assert "InsufficientDataActions" not in alarm
    assert alarm["AlarmName"].startswith("stack-")  # the topic takes no other ones


def test_an_alarm_on_the_fleet_reads_a_metric_that_is_declared() -> None:
    declared = {metric.name for metric in METRICS if not metric.dimensions}
    read = {alarm["MetricName"] for alarm in ALARMS.values() if alarm["Namespace"] == NAMESPACE}
    assert read
    assert read <= declared
    for alarm in ALARMS.values():
        if alarm["Namespace"] == NAMESPACE:
            assert alarm["Dimensions"] == [{"Name": SERVICE, "Value": "stack"}]


@pytest.mark.parametrize("interval", PARAMETERS["SyncIntervalMinutes"]["AllowedValues"])
def test_cloudwatch_takes_its_periods_whatever_the_interval(interval: str) -> None:
    for alarm in (
        Stack("s", {"SyncEnabled": "true", "SyncIntervalMinutes": interval})
        .resources("AWS::CloudWatch::Alarm")
        .values()
    ):
        period, periods = int(alarm["Period"]), int(alarm["EvaluationPeriods"])
        assert period % 60 == 0
        # PutMetricAlarm: at most a day, and seven of periods of an hour or longer.
        assert period * periods <= (604_800 if period >= 3600 else 86_400)


def test_a_schedule_that_is_deployed_as_off_is_not_waited_for() -> None:
    assert "NoRun" in ALARMS
    assert "NoRun" not in Stack("s", {"SyncEnabled": "false"}).resources("AWS::CloudWatch::Alarm")


@pytest.mark.parametrize(("parameters", "state"), [({}, "DISABLED"), ({"SyncEnabled": "true"}, "ENABLED")])
def test_nothing_runs_by_itself_before_somebody_switches_it_on(parameters: dict[str, str], state: str) -> None:
    rules = Stack("s", parameters).resources("AWS::Events::Rule")
    assert (rules["SyncFunctionSchedule"]["State"], rules["SyncFunctionPolling"]["State"]) == (state, "DISABLED")


def test_mail_is_sent_only_where_an_address_is_given() -> None:
    assert Stack("s").resources("AWS::SNS::Subscription") == {}
    mail: dict[str, Any] = Stack("s", {"AlarmEmail": "ops@example.com"}).resources("AWS::SNS::Subscription")[
        "AlarmMail"
    ]
    assert (mail["Protocol"], mail["Endpoint"], mail["TopicArn"]) == ("email", "ops@example.com", "AlarmTopic")


def test_what_fails_goes_to_the_queue_and_whoever_sends_it_may(resources: Template) -> None:
    queue = {"Fn::GetAtt": ["FailedEventsQueue", "Arn"]}
    (invocation,) = (each for each in resources.values() if each["Type"] == "AWS::Lambda::EventInvokeConfig")
    assert invocation["Properties"]["DestinationConfig"]["OnFailure"]["Destination"] == queue
    (target,) = resources["SyncFunctionSchedule"]["Properties"]["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": queue}
    policies = resources["SyncRole"]["Properties"]["Policies"]
    statements = [s for p in policies if "PolicyDocument" in p for s in p["PolicyDocument"]["Statement"]]
    assert [s["Resource"] for s in statements if s["Action"] == "sqs:SendMessage"] == [queue]
    document = resources["FailedEventsQueuePolicy"]["Properties"]["PolicyDocument"]
    allowed = [s for s in document["Statement"] if s["Effect"] == "Allow"]
    assert [(s["Principal"], s["Condition"]) for s in allowed] == [
        (
            {"Service": "events.amazonaws.com"},
            {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["SyncFunctionSchedule", "Arn"]}}},
        )
    ]
