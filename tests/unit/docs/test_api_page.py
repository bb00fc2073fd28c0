"""docs/api.md names what the program has: methods, and the reasons of each status."""

import json
import re

from admin_api.problems import Problem
from common.errors import Reason
from local.build import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))


def test_every_method_of_the_api_is_said_to_allow_something() -> None:
    table = PAGE.partition("| method | allows |\n")[2].partition("\n\n")[0]
    methods = {method.upper() for path in DOCUMENT["paths"].values() for method in path}
    assert set(re.findall(r"^\| `([A-Z]+)` \| .+ \|$", table, re.MULTILINE)) == methods


def test_a_role_without_approvals_has_every_method_that_changes_something() -> None:
    (sentence,) = re.findall(r"A role that may do everything but approve has (.+?) as well", PAGE)
    changing = {method.upper() for path in DOCUMENT["paths"].values() for method in path} - {"GET"}
    assert set(re.findall(r"`([A-Z]+)/\*`", sentence)) == changing


def _rows(head: str) -> dict[str, str]:
    table = PAGE.partition(f"{head}\n| --- | --- |\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| ([0-9, ]+) \| (.+) \|$", table, re.MULTILINE))


def test_every_status_of_an_answer_is_explained() -> None:
    explained = {int(status) for cell in _rows("| status | when |") for status in cell.split(", ")}
    assert explained == {Problem(reason, "").status.value for reason in Reason}


def test_the_page_has_the_status_of_every_reason() -> None:
    listed = {
        Reason(reason): int(status)
        for status, cell in _rows("| answer | reasons |").items()
        for reason in re.findall(r"`(\w+)`", cell)
    }
    assert {reason: listed.get(reason, 424) for reason in Reason} == {
        reason: Problem(reason, "").status.value for reason in Reason
    }
