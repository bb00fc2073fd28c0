"""The version is written in one place, and whoever asks for it is told that one."""

import json
import re
import tomllib
from typing import Any

import pytest

from common.version import VERSION, VERSION_PATTERN
from local.build import ROOT, TEMPLATE
from local.fakes.management_api import ApiWorld


def test_it_is_a_semantic_version() -> None:
    assert re.fullmatch(VERSION_PATTERN[1:-1], VERSION)


def test_the_stacks_output_is_a_copy() -> None:
    outputs = TEMPLATE.read_text("utf-8").partition("\nOutputs:\n")[2]
    assert re.findall(r'^  Version:\n    Description: .+\n    Value: "(.+?)"', outputs, re.MULTILINE) == [VERSION]


def test_the_api_tells_it() -> None:
    world = ApiWorld()
    with world.running():
        answer = world.call("GET", "/health")
    assert (answer.status, answer.body) == (200, {"status": "ok", "version": VERSION})


def test_the_changelog_describes_it_and_what_comes_after_it_first() -> None:
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == VERSION
    for version, date in headings[1:]:
        assert re.fullmatch(VERSION_PATTERN[1:-1], version)
        assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date)
    numbers = [tuple(map(int, version.split("-")[0].split("."))) for version, _ in headings[1:]]
    assert numbers == sorted(set(numbers), reverse=True)


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def test_no_other_file_of_the_project_writes_it() -> None:
    assert _project()["dynamic"] == ["version"]
    assert "version" not in _project()
    assert VERSION not in json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["info"].values()


@pytest.mark.parametrize("text", ["1", "1.2", "v1.2.3", "1.2.3-", "1.2.3 "])
def test_what_is_no_version_is_refused(text: str) -> None:
    assert not re.fullmatch(VERSION_PATTERN[1:-1], text)
