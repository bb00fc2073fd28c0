"""A model of CloudWatch: metrics from log lines, and the state of an alarm.

After "Using Amazon CloudWatch alarms", sections on how an alarm is evaluated and how missing data are treated, and
"Specification: Embedded metric format" (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring).
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

OK = "OK"
ALARM = "ALARM"
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"

FURTHER_PERIODS = 2
"""How many more periods than the evaluated ones CloudWatch searches for data.

The documentation says that the number depends on the alarm and shows five for three. The number matters only for
missing data: as long as one good value is in range, missing ones do not count as bad.
"""

_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {"Sum": sum, "Maximum": max, "Minimum": min}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


@dataclass(frozen=True)
class Datapoint:
    """One value of one metric."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    value: float
    at: datetime


def datapoints(lines: Iterable[str], at: datetime) -> list[Datapoint]:
    """The metrics in a function's output that use the embedded metric format, with the time ``at``."""
    blobs = [json.loads(line) for line in lines if '"_aws"' in line]
    return [
        Datapoint(directive["Namespace"], metric["Name"], frozenset((name, blob[name]) for name in names), value, at)
        for blob in blobs
        for directive in blob["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
        for value in blob[metric["Name"]]
    ]


class Alarm:
    """One alarm, by the properties that template and PutMetricAlarm share. ``state`` is its current state.

    Only alarms for which every evaluated period has to breach are supported. Raises ValueError for any other alarm.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.name: str = properties["AlarmName"]
        self.description: str = properties["AlarmDescription"]
        self._key = (
            properties["Namespace"],
            properties["MetricName"],
            frozenset((each["Name"], each["Value"]) for each in properties["Dimensions"]),
        )
        self._statistic = _STATISTICS[properties["Statistic"]]
        self._breaches = _COMPARISONS[properties["ComparisonOperator"]]
        self._threshold = float(properties["Threshold"])
        self._period = timedelta(seconds=int(properties["Period"]))
        self._periods = int(properties["EvaluationPeriods"])
        if int(properties.get("DatapointsToAlarm", self._periods)) != self._periods:
            raise ValueError(f"{self.name} alarms if only some periods breach, which this model does not support")
        self._missing: str = properties["TreatMissingData"]
        self.state = INSUFFICIENT_DATA
        self.changes: list[str] = []

    def evaluate(self, figures: Iterable[Datapoint], now: datetime) -> str:
        """Evaluate the periods up to ``now``; return the new state."""
        state = self._state(self._values(figures, now))
        if state != self.state:
            self.changes.append(state)
            self.state = state
        return self.state

    def _values(self, figures: Iterable[Datapoint], now: datetime) -> list[float]:
        """The statistic of each period in range that has data, newest first."""
        own: dict[int, list[float]] = {}
        for figure in figures:
            age = math.floor((now - figure.at) / self._period)
            if (figure.namespace, figure.name, figure.dimensions) == self._key and age >= 0:
                own.setdefault(age, []).append(figure.value)
        in_sight = range(self._periods + FURTHER_PERIODS)
        return [self._statistic(own[age]) for age in in_sight if age in own]

    def _state(self, values: Sequence[float]) -> str:
        breaching = [self._breaches(value, self._threshold) for value in values[: self._periods]]
        if len(breaching) == self._periods or not all(breaching):
            return ALARM if all(breaching) else OK
        match self._missing:
            case "breaching":
                return ALARM
            case "notBreaching":
                return OK
            case "ignore":
                return self.state
            case "missing":
                return ALARM if breaching else INSUFFICIENT_DATA
            case other:
                raise ValueError(f"{other} is no treatment of missing data")
