"""The schedule where it is kept: on the EventBridge rules themselves, and nowhere else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from common.patterns import whole
from registry.aws_errors import calling

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import DescribeRuleResponseTypeDef, PutRuleRequestTypeDef

MAX_INTERVAL = 1440
"""Minutes of a day."""

_RATE = whole(r"rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}


@dataclass(frozen=True)
class Schedule:
    """What the rules say. ``interval_minutes`` is None when somebody gave the rule a cron expression.

    ``polling``: whether the primary is looked at every minute for changes.
    """

    enabled: bool
    interval_minutes: int | None
    polling: bool


class ScheduleKeeper(Protocol):
    """Reads and changes the schedule. May raise Failure(REGISTRY_UNAVAILABLE)."""

    def read(self) -> Schedule: ...

    def change(self, schedule: Schedule) -> Schedule:
        """Make the rules say ``schedule``; an interval of None leaves the expression. What they say then is returned.

        Raises ValueError for an interval outside 1 to MAX_INTERVAL.
        """
        ...


class EventBridgeSchedule:
    """``ScheduleKeeper`` on two rules: the interval's and the one for polling."""

    def __init__(self, interval_rule: str, polling_rule: str, client: "EventBridgeClient") -> None:
        self._interval_rule = interval_rule
        self._polling_rule = polling_rule
        self._client = client

    def read(self) -> Schedule:
        interval = self._describe(self._interval_rule)
        return Schedule(
            enabled=_enabled(interval),
            interval_minutes=interval_of(interval.get("ScheduleExpression", "")),
            polling=_enabled(self._describe(self._polling_rule)),
        )

    def change(self, schedule: Schedule) -> Schedule:
        rule = self._describe(self._interval_rule)
        expression = rule.get("ScheduleExpression", "")
        if schedule.interval_minutes is not None and schedule.interval_minutes != interval_of(expression):
            expression = expression_of(schedule.interval_minutes)
        self._put(rule, expression, schedule.enabled)
        polling = self._describe(self._polling_rule)
        self._put(polling, polling.get("ScheduleExpression", ""), schedule.polling)
        return self.read()

    def _describe(self, name: str) -> "DescribeRuleResponseTypeDef":
        with calling("EventBridge DescribeRule"):
            return self._client.describe_rule(Name=name)

    def _put(self, rule: "DescribeRuleResponseTypeDef", expression: str, enabled: bool) -> None:
        """Write the rule unless it says so already. PutRule replaces all but targets and tags, so all is repeated."""
        if (expression, enabled) == (rule.get("ScheduleExpression", ""), _enabled(rule)):
            return
        request: PutRuleRequestTypeDef = {"Name": rule["Name"], "State": "ENABLED" if enabled else "DISABLED"}
        if expression:
            request["ScheduleExpression"] = expression
        if description := rule.get("Description"):
            request["Description"] = description
        if pattern := rule.get("EventPattern"):
            request["EventPattern"] = pattern
        if role := rule.get("RoleArn"):
            request["RoleArn"] = role
        if bus := rule.get("EventBusName"):
            request["EventBusName"] = bus
        with calling("EventBridge PutRule"):
            self._client.put_rule(**request)


def interval_of(expression: str) -> int | None:
    """The minutes of ``rate(...)``, None for any other expression."""
    rate = _RATE.fullmatch(expression)
    return int(rate[1]) * _MINUTES[rate[2]] if rate else None


def expression_of(minutes: int) -> str:
    """The rate expression of an interval; EventBridge wants the singular for one. Raises ValueError."""
    if not 1 <= minutes <= MAX_INTERVAL:
        raise ValueError(f"an interval is between 1 and {MAX_INTERVAL} minutes")
    return f"rate({minutes} minute{'' if minutes == 1 else 's'})"


def _enabled(rule: "DescribeRuleResponseTypeDef") -> bool:
    return rule.get("State") != "DISABLED"
