"""The dashboard shows what the function really says: queries over its own lines, graphs over its own figures."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import Kind, drift
from local.cloudwatch import datapoints
from local.insights import ask
from local.template import Stack
from sync import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.aws import Clients
    from tests.integration.sync.conftest import Evidence, Fleet

pytestmark = pytest.mark.parametrize("registry", ["aws"], indirect=True)

STACK = Stack("fleet", {"SyncEnabled": "true"})
BODY = json.loads(STACK.resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"])
WIDGETS = {widget["properties"]["title"]: widget["properties"] for widget in BODY["widgets"]}
QUERIES = {title: properties["query"] for title, properties in WIDGETS.items() if "query" in properties}
CONTEXT: Any = SimpleNamespace(
    function_name="sync",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn",
    aws_request_id="id",
    get_remaining_time_in_millis=lambda: 600_000,
)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event"}


@pytest.fixture
def lines(
    fleet: Fleet,
    clients: Clients,
    variables: dict[str, str],
    evidence: Evidence,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[str]]:
    """What the function prints in a run that finds all well, one that updates a backup and fails with the other, and
    in two that are not possible.
    """
    for name, value in {**variables, "POWERTOOLS_SERVICE_NAME": STACK.name}.items():
        monkeypatch.setenv(name, value)
    app._run_context.cache_clear()
    [handler] = [each for each in app.logger.handlers if isinstance(each, logging.StreamHandler)]
    before = handler.setStream(sys.stdout)
    app.handler(SCHEDULED, CONTEXT)
    drift.everywhere(fleet.servers["b1"].state)
    fleet.servers["b2"].fault(Kind.HTML)
    app.handler(SCHEDULED, CONTEXT)
    fleet.primary.refuse_connections()
    for event in (SCHEDULED, {"action": "other"}):
        with suppress(app.RunFailedError):
            app.handler(event, CONTEXT)
    handler.setStream(before)
    printed = capsys.readouterr().out
    evidence.add("stdout", printed)
    yield ["START RequestId: id", *printed.splitlines(), "REPORT RequestId: id"]
    app._run_context.cache_clear()


def answer(lines: list[str], title: str) -> list[dict[str, Any]]:
    rows = ask(QUERIES[title], lines)
    assert rows, title
    return rows


def test_every_query_has_an_answer_and_reads_the_functions_log(lines: list[str]) -> None:
    for title, query in QUERIES.items():
        assert query.startswith("SOURCE 'SyncLogGroup' | ")
        rows = answer(lines, title)
        columns = {name for row in rows for name, value in row.items() if value is not None}
        assert columns == set(rows[0]), title  # none is empty in all of its rows


def test_the_tables_say_what_has_happened(lines: list[str]) -> None:
    stand = {row["backup"]: row for row in answer(lines, "How each backup stands")}
    assert {backup: row["result"] for backup, row in stand.items()} == {"b1": "updated", "b2": "failed"}
    assert stand["b2"]["failures"] == 1
    failures = {(row["backup"], row["reason"]): row["times"] for row in answer(lines, "Failures of backups")}
    assert failures == {("b2", "not_soap"): 1, ("b1", "run_aborted"): 1, ("b2", "run_aborted"): 1}
    runs = [(row["status"], row["reason"], row["counts.failed"]) for row in answer(lines, "Runs of late")]
    assert runs == [("failed", "connection_refused", 0), ("partial", "", 1), ("succeeded", "", 0)]
    (written,) = (row for row in answer(lines, "What was written, and what was blocked") if row["status"] == "updated")
    assert (written["backup"], written["parts.accounts"]) == ("b1", "pushed")
    impossible = [row["message"] for row in answer(lines, "Runs and looks that were not possible")]
    assert impossible == ["run not possible", "run finished"]


def test_every_graph_has_figures(lines: list[str]) -> None:
    said = {(point.namespace, point.name, point.dimensions) for point in datapoints(lines, at=NOON)}
    shown = 0
    for properties in WIDGETS.values():
        for metric in properties.get("metrics", ()):
            for figure in _meant(metric):
                assert figure in said or figure[0] == "AWS/Lambda", properties["title"]
                shown += 1
    assert shown > 20


def _meant(metric: list[Any]) -> Iterator[tuple[str, str, frozenset[tuple[str, str]]]]:
    """The metric that a graph's line reads; a search as what it finds for ``b2`` and for ``not_soap``."""
    if isinstance(metric[0], str):
        namespace, name, *dimensions = (each for each in metric if isinstance(each, str))
        yield namespace, name, frozenset(zip(dimensions[::2], dimensions[1::2], strict=True))
        return
    search = re.fullmatch(
        r"SEARCH\('\{(\w+),(\w+),(\w+)\} MetricName=\"(\w+)\" (\w+)=\"(\w+)\"', '(\w+)', 300\)", metric[0]["expression"]
    )
    assert search, metric
    namespace, one, other, name, fixed, value, _ = search.groups()
    assert {one, other} - {fixed} in ({"backup"}, {"reason"})
    (free,) = {one, other} - {fixed}
    yield namespace, name, frozenset({(fixed, value), (free, {"backup": "b2", "reason": "not_soap"}[free])})


def test_it_shows_every_alarm(registry: object) -> None:
    named = {arn.rpartition(":")[2] for arn in WIDGETS["Alarms"]["alarms"]}
    assert named == {alarm["AlarmName"] for alarm in STACK.resources("AWS::CloudWatch::Alarm").values()}
