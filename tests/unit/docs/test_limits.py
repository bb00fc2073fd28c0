"""The page of limits has the program's sizes and reasons."""

import re

import pytest

from benchmarks.limits import LIMITS
from common import budgets
from common.errors import Reason
from local.build import ROOT

PAGE = (ROOT / "docs" / "limits.md").read_text("utf-8")
ROWS = {
    cells[0]: cells[1:]
    for line in PAGE.partition("<!-- limits -->")[2].partition("<!-- /limits -->")[0].splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
}


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_on_the_page_with_its_size_its_reason_and_what_it_costs(what: str) -> None:
    size, reason, peak, steps = ROWS[what]
    assert (size, reason) == (LIMITS[what].size, f"`{LIMITS[what].reason}`")
    assert all(re.fullmatch("[0-9,]+", figure) for figure in (peak, steps))


def test_the_page_names_no_other_limit() -> None:
    assert set(ROWS) - {"what"} - {row for row in ROWS if set(row) == {"-"}} == set(LIMITS)


def test_every_size_of_the_program_is_in_a_limit_or_explains_one() -> None:
    sizes = {name for name, value in vars(budgets).items() if name.isupper() and isinstance(value, int | float)}
    explained = {"MEGABYTE", "ESCAPED", "BESIDE_PRIMARY", "TREE_TO_SIZE", "ELEMENT", "TEXT", "ATTRIBUTE", "ANY_SIZE"}
    on_the_page = {
        "TYPED_REPLY", "LIST_REPLY", "DOCUMENT", "USERS", "GROUPS", "TREE", "SETTINGS_TREE", "LIST_TREE", "DEPTH",
        "ATTRIBUTES", "NAMESPACES", "NAME", "NAMESPACE", "PATHS", "PROLOG", "DECLARATION", "CANONICAL", "ITEMS", "ITEM",
    }  # fmt: skip
    assert sizes == explained | on_the_page | {"REMEMBERED"}


def test_each_reason_is_one_of_the_enumeration() -> None:
    assert {limit.reason for limit in LIMITS.values()} <= set(Reason)
