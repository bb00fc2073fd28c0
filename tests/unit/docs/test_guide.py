"""The guide's pages on plans say what the program does: its signs, states, names and limits."""

import re

from admin_api.plans import MAX_ACCESS_INCREASES
from admin_api.schemas.plans import PlannedPartView, PlanView
from local.build import ROOT
from replication.documents.diff import ORDER, OTHER, TEXT
from replication.model import LISTED_PATHS, LONGEST_SHOWN, PartOutcome, PartStatus
from replication.plan_details import MAX_FIELDS, MAX_ITEMS, MAX_KEPT, State

GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
READING = GUIDE.partition("## Reading a plan\n")[2].partition("\n## ")[0]
VERIFIED = GUIDE.partition("## When a backup is verified\n")[2].partition("\n## ")[0]


def test_the_limits_are_the_programs() -> None:
    table = READING.partition("<!-- limits -->")[2].partition("<!-- end of limits -->")[0]
    numbers = [int(number) for number in re.findall(r"^\|[^|]+\| (\d+)", table, re.MULTILINE)]
    assert numbers == [LISTED_PATHS, MAX_KEPT, MAX_ITEMS, MAX_FIELDS, MAX_ACCESS_INCREASES, LONGEST_SHOWN]


def test_every_placeholder_is_explained() -> None:
    explained = re.findall(r"^\| `([^|]+)` \|", READING, re.MULTILINE)
    assert {ORDER, TEXT, OTHER, "(hidden)"} <= set(explained)


def test_the_states_and_names_are_those_of_the_answer() -> None:
    assert {f"`{state}`" for state in State} <= set(re.findall(r"`[a-z_]+`", READING))
    fields = {*PlanView.model_fields, *PlannedPartView.model_fields}
    for name in ("parts", "state", "items", "kept_different_paths", "exceptions", "blocked", "widened", "text"):
        assert name in fields
        assert f"`{name}`" in READING


def test_what_verified_means_names_what_may_differ() -> None:
    assert f"`{PartStatus.NOT_OFFERED}`" in VERIFIED
    assert "kept" in PartOutcome.__dataclass_fields__
    assert "kept by patterns" in VERIFIED
    assert "of its own" in VERIFIED
