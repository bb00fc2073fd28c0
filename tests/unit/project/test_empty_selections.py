"""An empty selection is refused wherever something may be selected: it must not mean everything, nor bind nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.build import ROOT
from local.fakes.management_api import ApiWorld
from local.trial.request import read_request as read_command_line
from sync.events import read_request

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"].items()
    for method, operation in methods.items()
}
STARTS = [("POST", "/sync-runs"), ("POST", "/backups/{backup_id}/restore")]
STATE = "0a" * 32
SNAPSHOT = f"primary/{STATE}"
COMPLETE: dict[str, Any] = {
    "backups": ["b1"],
    "plan_hash": "ab" * 32,
    "run_id": "20260301T120000.000000Z-0badc0de",
    "dry_run": True,
    "requested_by": "ann",
}
"""All that an event can be restricted by, and what it may say beside."""
SELECTING = ["backups", "plan_hash", "run_id"]
EMPTY: st.SearchStrategy[object] = st.sampled_from([[], "", {}, None, (), 0, False])


@pytest.fixture
def world() -> Iterator[ApiWorld]:
    made = ApiWorld()
    with made.running():
        yield made


@given(
    st.sampled_from([{"action": "sync"}, {"action": "restore", "snapshot": SNAPSHOT}]),
    st.sampled_from(SELECTING),
    EMPTY,
    st.sets(st.sampled_from(sorted(COMPLETE))),
)
def test_no_event_may_be_empty_in_what_restricts_it(
    event: dict[str, Any], field: str, empty: object, others: set[str]
) -> None:
    whole = {name: COMPLETE[name] for name in others - {field}}
    read_request(event | whole)
    with pytest.raises(Failure) as refused:
        read_request(event | whole | {field: empty})
    assert refused.value.reason is Reason.EVENT_INVALID
    assert field in refused.value.message


def test_the_refusal_of_an_event_says_how_to_ask_for_all() -> None:
    with pytest.raises(Failure, match="is an empty list; for a run over all backups, omit the field"):
        read_request({"action": "sync", "backups": []})


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        (method, path, parameter["name"])
        for (method, path), operation in OPERATIONS.items()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    ],
)
def test_no_parameter_of_a_query_may_be_empty(world: ApiWorld, method: str, path: str, name: str) -> None:
    target = path.replace("{backup_id}", "b1").replace("{run_id}", COMPLETE["run_id"]).replace("{digest}", STATE)
    answer = world.call(method, f"{target}?{name}=")
    assert (answer.status, answer.body["reason"]) == (422, "request_invalid")


@pytest.mark.parametrize(("method", "path"), STARTS)
@pytest.mark.parametrize("empty", [[], "", {}, None], ids=repr)
def test_no_field_of_what_starts_a_run_may_be_empty(world: ApiWorld, method: str, path: str, empty: object) -> None:
    (content,) = OPERATIONS[method, path]["requestBody"]["content"].values()
    model = content["schema"]["$ref"].rpartition("/")[2]
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    fields = document["components"]["schemas"][model]["properties"]
    assert {"plan_hash", "dry_run"} <= set(fields)
    for field in fields:
        body = {"snapshot": SNAPSHOT} if "restore" in path else {}
        answer = world.call(method, path.replace("{backup_id}", "b1"), body | {field: empty})
        assert answer.status == 422, field
    assert world.starter.events == []


@pytest.mark.parametrize("text", ["", " ", "null", "[]", '""'])
def test_no_body_is_not_an_empty_one(world: ApiWorld, text: str) -> None:
    assert world.send("POST", "/sync-runs", text).status in (400, 422)
    assert world.starter.events == []


def test_a_run_over_all_names_nobody_in_its_event(world: ApiWorld) -> None:
    assert world.call("POST", "/sync-runs", {}).status == 202
    (event,) = world.starter.events
    assert "backups" not in event
    assert read_request(event).backups == ()


@pytest.mark.parametrize("option", ["--parts", "--approve", "--primary-fingerprint", "--rule", "--allow-network"])
@pytest.mark.parametrize("more", [[], ["--yes"]], ids=["", "unasked"])
def test_no_option_of_a_laptop_may_be_empty(option: str, more: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_command_line(["sync", "--primary", "a.example:1", "--backup", "b.example:1", option, "", *more])
    assert ended.value.code == 2
