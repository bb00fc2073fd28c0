"""The state of an alarm, as the tables in CloudWatch's documentation have it."""

from datetime import UTC, datetime, timedelta

import pytest

from local.cloudwatch import Alarm, Datapoint, datapoints

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
THREE = {
    "AlarmName": "a",
    "AlarmDescription": "",
    "Namespace": "N",
    "MetricName": "M",
    "Dimensions": [{"Name": "d", "Value": "v"}],
    "Statistic": "Maximum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 1,
}
KEPT = "what it was"


def figure(minutes_ago: float, value: float, **other: object) -> Datapoint:
    defaults = {"namespace": "N", "name": "M", "dimensions": frozenset({("d", "v")})}
    return Datapoint(**{**defaults, **other}, value=value, at=NOON - timedelta(minutes=minutes_ago))  # type: ignore[arg-type]


def test_a_line_in_the_embedded_format_is_a_figure_for_each_set_of_dimensions() -> None:
    line = (
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": [["d"], ["d", "e"]], '
        '"Metrics": [{"Name": "M", "Unit": "Count"}]}]}, "d": "v", "e": "w", "M": [2.0]}'
    )
    assert datapoints(["{}", line, "REPORT"], NOON) == [
        figure(0, 2.0),
        figure(0, 2.0, dimensions=frozenset({("d", "v"), ("e", "w")})),
    ]


@pytest.mark.parametrize(
    ("seen", "missing", "ignore", "breaching", "not_breaching"),
    [
        # "Configuring how alarms treat missing data": 3 out of 3, five periods in sight, the newest last.
        ("0 - X - X", "OK", "OK", "OK", "OK"),
        ("- - - - 0", "OK", "OK", "OK", "OK"),
        ("- - - - -", "INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
        ("0 X X - X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("- - X - -", "ALARM", KEPT, "ALARM", "OK"),
    ],
)
def test_missing_data_are_treated_as_documented(
    seen: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    marks = reversed(seen.split())
    figures = [figure(age + 0.5, 2 if mark == "X" else 0) for age, mark in enumerate(marks) if mark != "-"]
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treatment, state in expected.items():
        alarm = Alarm({**THREE, "TreatMissingData": treatment})
        alarm.state = KEPT
        assert alarm.evaluate(figures, NOON) == state, treatment


@pytest.mark.parametrize(
    "other", [{"namespace": "X"}, {"name": "X"}, {"dimensions": frozenset({("d", "x")})}, {"dimensions": frozenset()}]
)
def test_another_metric_is_not_its_own(other: dict[str, object]) -> None:
    alarm = Alarm({**THREE, "EvaluationPeriods": 1, "TreatMissingData": "missing"})
    assert alarm.evaluate([figure(0.5, 9, **other)], NOON) == "INSUFFICIENT_DATA"
    assert alarm.evaluate([figure(0.5, 9)], NOON) == "ALARM"


@pytest.mark.parametrize(("statistic", "state"), [("Sum", "ALARM"), ("Maximum", "OK"), ("Minimum", "OK")])
def test_the_statistic_is_of_what_lies_in_one_period(statistic: str, state: str) -> None:
    alarm = Alarm({**THREE, "EvaluationPeriods": 1, "TreatMissingData": "missing", "Statistic": statistic})
    assert alarm.evaluate([figure(0.2, 1), figure(0.8, 1), figure(1.2, 9)], NOON) == state


def test_only_changes_are_told() -> None:
    alarm = Alarm({**THREE, "EvaluationPeriods": 1, "TreatMissingData": "ignore"})
    for value in (0, 0, 2, 2, 2, 0):
        alarm.evaluate([figure(0.5, value)], NOON)
    assert alarm.changes == ["OK", "ALARM", "OK"]


def test_an_alarm_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="some periods"):
        Alarm({**THREE, "DatapointsToAlarm": 2, "TreatMissingData": "missing"})
