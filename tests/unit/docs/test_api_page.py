"""docs/api.md names what the program has: methods, and the reasons of each status."""

import json
import re

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
