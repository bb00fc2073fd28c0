"""docs/cerbsync.md: its output is the program's own, and it names every command, key and exit status."""

import json
import re
from pathlib import Path

import pytest
import typer.main
import yaml

from cerbsync import fleet_file
from cerbsync.app import app
from cerbsync.errors import Exit
from local.build import ROOT
from tests.support.command_line import CommandLine
from tests.unit.cerbsync import test_flows
from tests.unit.cerbsync.test_flows import Stack, backup, listed, plan, stack

assert stack  # the fixture is used by name

PAGE = (ROOT / "docs" / "cerbsync.md").read_text("utf-8")
BLOCK = re.compile(r"^```console\n\$ cerbsync (?P<command>.*)\n(?P<output>(?:.*\n)*?)```$", re.MULTILINE)
SHOWN = {match["command"]: match["output"] for match in BLOCK.finditer(PAGE)}
FILE = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
PLAN = """\
Plan for ftp2 (ftp2.example.com:8443)

accounts:
  - users/anna
  - users/bert
  - users/carla
  ~ users/dora
      ~ @email = "dora@elsewhere.example" -> "dora@partner.example"

accounts          0 to add, 1 to change, 3 to remove

Plan: 0 to add, 1 to change, 3 to remove.
"""


@pytest.fixture
def shown(cerbsync: CommandLine, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The fleet of the page."""
    monkeypatch.setattr("cerbsync.commands.look.ago", lambda value, _: "3 min ago" if value else "never")
    fleet = [
        backup("ftp2", "blocked"),
        backup("ftp3", "failed", reason="connect_timeout"),
        backup("ftp4", "in_sync"),
        backup("ftp5", "drifted", paused="The list is being mended."),
    ]
    fleet[0]["last_result"]["message"] = "ftp2: accounts: it would remove 3 of 20 users"
    fleet[1]["last_result"]["message"] = "ftp3: no connection within 10 seconds"
    for entry in fleet:
        entry["host"] = f"{entry['id']}.example.com"
    listed(stack, *fleet)
    stack("GET", "/primary", {**test_flows.PRIMARY, "host": "ftp1.example.com"}, of="/primary")
    stack("GET", "/backups/ftp2/plan", plan("ftp2", blocked=True, text=PLAN), of="/backups/{backup_id}/plan")
    return cerbsync


@pytest.mark.parametrize("command", ["status", "plan ftp2"])
def test_the_output_on_the_page_is_the_programs_own(shown: CommandLine, command: str) -> None:
    ended = shown(*command.split())
    lines = [line.rstrip() for line in (ended.out + ended.err).splitlines()]
    assert SHOWN[command].splitlines() == lines


def test_the_file_on_the_page_is_applied_as_the_page_shows(cerbsync: CommandLine) -> None:
    Path("fleet.yaml").write_text(FILE, "utf-8")
    ended = cerbsync("apply", "--dry-run", "--quiet")
    assert ended.status == 0
    assert SHOWN["apply --dry-run"].splitlines() == [line.rstrip() for line in ended.out.splitlines()]


def test_every_console_block_is_one_of_these() -> None:
    assert set(SHOWN) == {"status", "plan ftp2", "apply --dry-run"}
    assert PAGE.count("```console") == len(SHOWN)


def test_every_command_and_every_exit_status_has_its_row() -> None:
    commands = set(typer.main.get_group(app).commands)
    table = PAGE.partition("## All commands")[2]
    assert commands == {
        name for row in re.findall(r"^\| (`[a-z`, ]+) \|", table, re.MULTILINE) for name in re.findall("[a-z]+", row)
    }
    statuses = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert statuses == {int(status) for status in Exit}


def test_the_schema_is_that_of_the_program_and_takes_the_file() -> None:
    text = (ROOT / "docs" / "fleet.schema.json").read_text("utf-8")
    assert json.loads(text) == fleet_file.schema()
    assert yaml.safe_load(FILE).keys() <= fleet_file.schema()["properties"].keys()
    undescribed = [
        f"{name}.{key}"
        for name, model in (("Fleet", fleet_file.schema()), *fleet_file.schema()["$defs"].items())
        for key, value in model["properties"].items()
        if "description" not in value and "$ref" not in value and "default" not in value
    ]
    assert undescribed == []
