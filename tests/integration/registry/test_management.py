"""The schedule, the starter and the audit records on AWS services as moto plays them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from common.errors import Failure
from common.runtime import SystemRuntime
from local.fakes.aws_services import MemorySchedule
from registry.audit import INTENDED, AuditRecord, DynamoAuditLog, answered
from registry.aws import ManagementClients, open_management_clients
from registry.invoker import LambdaStarter
from registry.schedule import EventBridgeSchedule, Schedule, ScheduleKeeper, expression_of, interval_of

TARGET = {"Id": "sync", "Arn": "arn:aws:lambda:eu-central-1:123456789012:function:sync", "Input": "{}"}


@pytest.fixture
def management(no_real_aws: None) -> Iterator[ManagementClients]:
    with mock_aws():
        opened = open_management_clients()
        opened.events.put_rule(
            Name="interval", ScheduleExpression="rate(15 minutes)", State="ENABLED", Description="Starts runs."
        )
        opened.events.put_targets(Rule="interval", Targets=[TARGET])  # type: ignore[list-item] # a plain dictionary
        opened.events.put_rule(Name="polling", ScheduleExpression="rate(1 minute)", State="DISABLED")
        yield opened


@pytest.fixture(params=["memory", "event_bridge"])
def schedule(request: pytest.FixtureRequest) -> ScheduleKeeper:
    """Each implementation of ScheduleKeeper."""
    if request.param == "memory":
        return MemorySchedule()
    clients: ManagementClients = request.getfixturevalue("management")
    return EventBridgeSchedule("interval", "polling", clients.events)


def test_what_was_changed_is_what_is_read(schedule: ScheduleKeeper) -> None:
    assert schedule.read() == Schedule(enabled=True, interval_minutes=15, polling=False)
    for wanted in (Schedule(False, 1, True), Schedule(True, 1440, False), Schedule(True, 60, True)):
        assert schedule.change(wanted) == wanted == schedule.read()


def test_no_interval_leaves_the_expression(schedule: ScheduleKeeper) -> None:
    assert schedule.change(Schedule(False, None, False)) == Schedule(False, 15, False)


def test_an_interval_out_of_bounds_changes_nothing(schedule: ScheduleKeeper) -> None:
    for minutes in (0, 1441, -1):
        with pytest.raises(ValueError, match="1440"):
            schedule.change(Schedule(False, minutes, True))
    assert schedule.read() == Schedule(True, 15, False)


def test_a_change_keeps_description_and_targets(management: ManagementClients) -> None:
    EventBridgeSchedule("interval", "polling", management.events).change(Schedule(False, 7, False))
    rule = management.events.describe_rule(Name="interval")
    assert (rule["ScheduleExpression"], rule["State"], rule["Description"]) == (
        "rate(7 minutes)",
        "DISABLED",
        "Starts runs.",
    )
    assert management.events.list_targets_by_rule(Rule="interval")["Targets"] == [TARGET]


def test_a_cron_expression_is_no_interval_and_stays(management: ManagementClients) -> None:
    management.events.put_rule(Name="interval", ScheduleExpression="cron(0 3 * * ? *)", State="ENABLED")
    keeper = EventBridgeSchedule("interval", "polling", management.events)
    assert keeper.read().interval_minutes is None
    keeper.change(Schedule(False, None, False))
    assert management.events.describe_rule(Name="interval")["ScheduleExpression"] == "cron(0 3 * * ? *)"


def test_a_rule_that_is_gone_is_the_registry_being_unavailable(management: ManagementClients) -> None:
    with pytest.raises(Failure, match="ResourceNotFoundException"):
        EventBridgeSchedule("gone", "polling", management.events).read()


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [("rate(1 minute)", 1), ("rate(5 minutes)", 5), ("rate(2 hours)", 120), ("rate(1 day)", 1440), ("cron(x)", None)],
)
def test_rates_are_understood_in_every_unit(expression: str, minutes: int | None) -> None:
    assert interval_of(expression) == minutes


def test_every_interval_reads_back_as_itself() -> None:
    assert all(interval_of(expression_of(minutes)) == minutes for minutes in range(1, 1441))


def test_starting_an_unknown_function_is_the_registry_being_unavailable(management: ManagementClients) -> None:
    with pytest.raises(Failure, match="Lambda Invoke failed"):
        LambdaStarter("sync", management.functions).start({"action": "sync"})


def test_starting_invokes_once_without_waiting(monkeypatch: pytest.MonkeyPatch, management: ManagementClients) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(management.functions, "invoke", lambda **call: calls.append(call))
    LambdaStarter("sync", management.functions).start({"action": "sync"})
    (call,) = calls
    assert (call["FunctionName"], call["InvocationType"]) == ("sync", "Event")
    assert json.loads(call["Payload"]) == {"action": "sync"}
    assert management.functions.meta.config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined] # untyped


def test_an_audit_record_is_one_row_that_expires_and_takes_its_answer(clients: Any, raw: Any) -> None:
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    record = AuditRecord("r-1", at, "arn:x", "198.51.100.7", "POST", "/backups", "/backups", ("password",))
    log = DynamoAuditLog("registry-test", clients.dynamodb, SystemRuntime(), kept_days=30)
    log.write(record)
    row = raw.item("AUDIT#2026-11", "2026-11-22T12:00:00.000000+00:00#r-1")
    assert (row["who"]["S"], row["status"]["N"]) == ("arn:x", str(INTENDED))
    assert int(row["expires_at"]["N"]) == int(at.timestamp()) + 30 * 86_400
    log.write(answered(record, 201, "/backups/ftp2"))
    (item,) = raw.items()
    assert (item["status"]["N"], item["resource"]["S"]) == ("201", "/backups/ftp2")
