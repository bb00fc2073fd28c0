"""Starts of runs: the schedule, which is stored only in the EventBridge rules, and invocations of the sync function on
demand.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from common.errors import Failure, Reason
from common.patterns import Whole
from registry.aws_errors import calling

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import DescribeRuleResponseTypeDef
    from mypy_boto3_lambda import LambdaClient

MAX_INTERVAL = 1440
"""The minutes of one day."""

_RATE = Whole(r"rate\(\s*([0-9]{1,9})\s+(minute|hour|day)s?\s*\)")
_REPEATED = ("ScheduleExpression", "Description", "EventPattern", "RoleArn", "EventBusName")
"""Attributes of a rule that PutRule removes unless they are sent again. PutRule rejects empty ones."""
_MINUTES = {"minute": 1, "hour": 60, "day": 1440}


@dataclass(frozen=True)
class Schedule:
    """The schedule according to the EventBridge rules. ``interval_minutes`` is None if the rule has another kind of
    schedule.

    ``polling``: the primary is checked for changes every minute. A missing rule counts as off. ``notes`` are sentences
    about irregularities of the rules; they have no effect.
    """

    enabled: bool
    interval_minutes: int | None
    polling: bool
    notes: tuple[str, ...] = field(default=(), compare=False)


class ScheduleChange(Protocol):
    """A prepared change of the EventBridge rules that can be made."""

    def make(self) -> Schedule:
        """Make the whole change; return the resulting schedule. Raises Failure if nothing was changed, or only a part;
        in the second case the message says so.
        """


class ScheduleKeeper(Protocol):
    """Reads and changes the schedule. May raise Failure(REGISTRY_UNAVAILABLE)."""

    def read(self) -> Schedule: ...

    def prepare(self, schedule: Schedule) -> ScheduleChange:
        """Prepare the change to ``schedule``; an interval of None keeps the rule's schedule.

        Raises ValueError for an interval outside 1 to MAX_INTERVAL, and Failure(RULE_MISSING) if a rule that must be
        changed does not exist.
        """


@dataclass(frozen=True)
class _Rule:
    """The current state of an EventBridge rule; ``described`` is None if the rule does not exist."""

    name: str
    described: "DescribeRuleResponseTypeDef | None"

    @property
    def enabled(self) -> bool:
        return self.described is not None and self.described.get("State") != "DISABLED"

    @property
    def expression(self) -> str:
        return self.described.get("ScheduleExpression", "") if self.described else ""

    def says(self, expression: str, *, enabled: bool) -> bool:
        return (expression, enabled) == (self.expression, self.enabled)


class EventBridgeSchedule:
    """``ScheduleKeeper`` with two EventBridge rules: one for the interval and one for polling."""

    def __init__(self, interval_rule: str, polling_rule: str, client: "EventBridgeClient") -> None:
        self._interval_rule = interval_rule
        self._polling_rule = polling_rule
        self._client = client

    def read(self) -> Schedule:
        interval, polling = self.rule(self._interval_rule), self.rule(self._polling_rule)
        return Schedule(
            enabled=interval.enabled,
            interval_minutes=interval_of(interval.expression),
            polling=polling.enabled,
            notes=tuple(_notes(interval, polling)),
        )

    def prepare(self, schedule: Schedule) -> "_RuleChanges":
        interval, polling = self.rule(self._interval_rule), self.rule(self._polling_rule)
        expression = interval.expression
        if schedule.interval_minutes is not None and schedule.interval_minutes != interval_of(expression):
            expression = expression_of(schedule.interval_minutes)
        wanted = ((interval, expression, schedule.enabled), (polling, polling.expression, schedule.polling))
        changes = [one for one in wanted if not one[0].says(one[1], enabled=one[2])]
        for rule, _, _ in changes:
            if rule.described is None:
                raise Failure(Reason.RULE_MISSING, f"the rule {rule.name} is not there; nothing was changed")
        return _RuleChanges(self, changes)

    def rule(self, name: str) -> _Rule:
        """The current state of the rule."""
        with calling("EventBridge DescribeRule"):
            try:
                return _Rule(name, self._client.describe_rule(Name=name))
            except self._client.exceptions.ResourceNotFoundException:
                return _Rule(name, None)

    def write(self, rule: _Rule, expression: str, *, enabled: bool) -> None:
        """Change a rule. PutRule replaces everything but targets and tags, so all attributes of ``rule`` are sent
        again.

        A lost reply is not a failure if the rule then has the wanted state.
        """
        described: Mapping[str, Any] = {**(rule.described or {}), "ScheduleExpression": expression}
        repeated = {name: described[name] for name in _REPEATED if described.get(name)}
        try:
            with calling("EventBridge PutRule"):
                self._client.put_rule(Name=rule.name, State="ENABLED" if enabled else "DISABLED", **repeated)
        except Failure:
            if not self.rule(rule.name).says(expression, enabled=enabled):
                raise


@dataclass(frozen=True)
class _RuleChanges:
    """The rules to change: each with its current state, its new schedule and its new switch."""

    keeper: EventBridgeSchedule
    changes: Sequence[tuple[_Rule, str, bool]]

    def make(self) -> Schedule:
        made: list[_Rule] = []
        for rule, expression, enabled in self.changes:
            try:
                self.keeper.write(rule, expression, enabled=enabled)
            except Failure as failure:
                self._undo(made, failure)
                raise
            made.append(rule)
        return self.keeper.read()

    def _undo(self, made: Iterable[_Rule], failure: Failure) -> None:
        for rule in made:
            try:
                self.keeper.write(rule, rule.expression, enabled=rule.enabled)
            except Failure:
                half = f"{failure.message}; the rule {rule.name} was changed before, and could not be restored"
                raise Failure(failure.reason, half) from None


def _notes(interval: _Rule, polling: _Rule) -> Iterator[str]:
    for rule, purpose in ((interval, "starts runs"), (polling, "looks for changes")):
        if rule.described is None:
            yield f"The rule {rule.name}, which {purpose}, is not there. The runbook says how to make it again."
    if interval.described is not None and interval_of(interval.expression) is None:
        shown = interval.expression or "no schedule"
        yield f"The rule {interval.name} has {shown}, which is no interval of 1 to {MAX_INTERVAL} minutes."


def interval_of(expression: str) -> int | None:
    """The interval in minutes of ``rate(...)``, from 1 to MAX_INTERVAL; None for any other expression."""
    rate = _RATE.fullmatch(expression)
    minutes = int(rate[1]) * _MINUTES[rate[2]] if rate else 0
    return minutes if 1 <= minutes <= MAX_INTERVAL else None


def expression_of(minutes: int) -> str:
    """The rate expression of an interval; EventBridge requires the singular for an interval of 1. Raises ValueError."""
    if not 1 <= minutes <= MAX_INTERVAL:
        raise ValueError(f"an interval is between 1 and {MAX_INTERVAL} minutes")
    return f"rate({minutes} minute{'' if minutes == 1 else 's'})"


class Starter(Protocol):
    """Sends an event to the sync function. May raise Failure(REGISTRY_UNAVAILABLE)."""

    def start(self, event: Mapping[str, object]) -> None: ...


class LambdaStarter:
    """``Starter`` by asynchronous invocation, which does not wait for the run."""

    def __init__(self, function_name: str, client: "LambdaClient") -> None:
        self._function_name = function_name
        self._client = client

    def start(self, event: Mapping[str, object]) -> None:
        with calling("Lambda Invoke"):
            self._client.invoke(
                FunctionName=self._function_name, InvocationType="Event", Payload=json.dumps(event).encode()
            )
