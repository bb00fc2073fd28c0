"""The schedule, the starter and the audit records on AWS services as moto plays them."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from local.fakes.aws_services import MemorySchedule
from registry.audit import INTENDED, AuditRecord, DynamoAuditLog, answered
from registry.aws import ManagementClients, open_management_clients
from registry.schedule import EventBridgeSchedule, LambdaStarter, Schedule, ScheduleKeeper, expression_of, interval_of

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
        assert schedule.prepare(wanted).make() == wanted == schedule.read()


def test_no_interval_leaves_the_expression(schedule: ScheduleKeeper) -> None:
    assert schedule.prepare(Schedule(False, None, False)).make() == Schedule(False, 15, False)


def test_an_interval_out_of_bounds_changes_nothing(schedule: ScheduleKeeper) -> None:
    for minutes in (0, 1441, -1):
        with pytest.raises(ValueError, match="1440"):
            schedule.prepare(Schedule(False, minutes, True))
    assert schedule.read() == Schedule(True, 15, False)


def test_a_change_keeps_description_and_targets(management: ManagementClients) -> None:
    EventBridgeSchedule("interval", "polling", management.events).prepare(Schedule(False, 7, False)).make()
    rule = management.events.describe_rule(Name="interval")
    assert (rule["ScheduleExpression"], rule["State"], rule["Description"]) == (
        "rate(7 minutes)",
        "DISABLED",
        "Starts runs.",
    )
    assert management.events.list_targets_by_rule(Rule="interval")["Targets"] == [TARGET]


@pytest.mark.parametrize("expression", ["cron(0 3 * * ? *)", "rate(2 days)", "rate(25 hours)", "rate(1441 minutes)"])
def test_an_expression_that_is_no_interval_of_a_day_or_less_stays_and_is_told(
    management: ManagementClients, expression: str
) -> None:
    management.events.put_rule(Name="interval", ScheduleExpression=expression, State="ENABLED")
    keeper = EventBridgeSchedule("interval", "polling", management.events)
    shown = keeper.read()
    assert (shown.interval_minutes, len(shown.notes), expression in shown.notes[0]) == (None, 1, True)
    keeper.prepare(replace(shown, enabled=False)).make()
    assert management.events.describe_rule(Name="interval")["ScheduleExpression"] == expression


@pytest.mark.parametrize("gone", ["interval", "polling"])
def test_a_rule_that_is_gone_is_off_and_nothing_else_can_be_asked_of_it(
    management: ManagementClients, gone: str
) -> None:
    management.events.remove_targets(Rule="interval", Ids=["sync"])
    management.events.delete_rule(Name=gone)
    keeper = EventBridgeSchedule("interval", "polling", management.events)
    shown = keeper.read()
    assert shown == (Schedule(False, None, False) if gone == "interval" else Schedule(True, 15, False))
    assert (len(shown.notes), gone in shown.notes[0]) == (1, True)
    assert keeper.prepare(shown).make() == shown
    for wanted in (Schedule(True, 15, True), Schedule(True, None, True), Schedule(False, 30, True)):
        with pytest.raises(Failure) as raised:
            keeper.prepare(wanted)
        assert (raised.value.reason, gone in raised.value.message) == (Reason.RULE_MISSING, True)
    assert keeper.read() == shown


class _Failing:
    """EventBridge that fails at some calls of PutRule, by their numbers, after or before it has done what they say."""

    def __init__(self, events: Any, calls: Collection[int], *, done: bool) -> None:
        self._events, self._calls, self._done = events, calls, done
        self._count = count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    def put_rule(self, **rule: Any) -> Any:
        fails = next(self._count) in self._calls
        if not fails or self._done:
            self._events.put_rule(**rule)
        if fails:
            raise EndpointConnectionError(endpoint_url="https://events.example")


@pytest.mark.parametrize("calls", [(1,), (2,), (1, 2), (2, 3), (1, 2, 3)])
@pytest.mark.parametrize("done", [False, True])
def test_both_rules_change_or_none_or_it_is_said_which_did(
    management: ManagementClients, calls: tuple[int, ...], done: bool
) -> None:
    before, wanted = Schedule(True, 15, False), Schedule(False, 30, True)
    failing: Any = _Failing(management.events, calls, done=done)
    keeper = EventBridgeSchedule("interval", "polling", failing)
    problem = ""
    try:
        keeper.prepare(wanted).make()
    except Failure as failure:
        problem = failure.message
    is_half = not done and calls == (2, 3)
    expected = Schedule(False, 30, False) if is_half else wanted if done else before
    assert EventBridgeSchedule("interval", "polling", management.events).read() == expected
    assert (bool(problem), "interval was changed before" in problem) == (not done, is_half)


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("rate(1 minute)", 1),
        ("rate(5 minutes)", 5),
        ("rate(2 hours)", 120),
        ("rate(1 day)", 1440),
        ("rate(2 days)", None),
        ("rate(0 minutes)", None),
        (f"rate({'9' * 5000} minutes)", None),
        ("cron(x)", None),
        ("", None),
    ],
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


def test_an_audit_record_and_its_answer_are_rows_that_expire_and_that_nothing_replaces(clients: Any, raw: Any) -> None:
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    record = AuditRecord("r-1", at, "arn:x", "198.51.100.7", "POST", "/backups", "/backups", ("password",))
    log = DynamoAuditLog("registry-test", clients.dynamodb, SystemRuntime(), kept_days=30)
    log.write(record)
    row = raw.item("AUDIT#2026-11", "2026-11-22T12:00:00.000000+00:00#r-1#asked")
    assert (row["who"]["S"], row["status"]["N"]) == ("arn:x", str(INTENDED))
    assert int(row["expires_at"]["N"]) == int(at.timestamp()) + 30 * 86_400
    log.write(answered(record, 201, "/backups/ftp2"))
    answer = raw.item("AUDIT#2026-11", "2026-11-22T12:00:00.000000+00:00#r-1")
    assert (answer["status"]["N"], answer["resource"]["S"]) == ("201", "/backups/ftp2")
    before = raw.items()
    for again in (replace(record, who="arn:y"), answered(record, 500)):
        with pytest.raises(Failure, match="there already"):
            log.write(again)
    assert raw.items() == before
