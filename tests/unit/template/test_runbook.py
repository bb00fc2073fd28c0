"""Whoever an alarm wakes up finds a page that says what to do."""

import re

import pytest

from common.errors import Reason
from local.build import ROOT
from local.template import Stack
from replication.guards.access_rules import AccessIncreaseKind

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
BASE = "https://wiki.example/cerberus/runbook.md"
ALARMS = Stack("stack", {"RunbookUrl": BASE, "SyncEnabled": "true"}).resources("AWS::CloudWatch::Alarm")


def anchor(heading: str) -> str:
    """How pages of Markdown name the place of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


SECTIONS = {
    anchor(heading): text for heading, text in re.findall(r"^#+ (.+)\n((?:(?!^#).*\n?)*)", RUNBOOK, re.MULTILINE)
}
REASONS = RUNBOOK[RUNBOOK.index("## Reasons") :]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_and_leads_to_its_section(name: str) -> None:
    alarm = ALARMS[name]
    meaning, _, link = alarm["AlarmDescription"].rpartition(" ")
    base, _, place = link.partition("#")
    assert (base, len(meaning) > 30) == (BASE, True)
    section = SECTIONS[place]
    assert f"`{alarm['AlarmName'].removeprefix('stack-')}`" in section
    assert "**Do**" in section
    assert "**Over**" in section


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_explained(reason: Reason) -> None:
    assert f"`{reason}`" in REASONS


def test_no_reason_is_explained_that_there_is_not() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", REASONS, re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)} <= {*Reason, *AccessIncreaseKind}


def test_links_within_the_page_lead_somewhere() -> None:
    links = re.findall(r"\]\(#([^)]+)\)", RUNBOOK)
    assert links
    assert set(links) <= set(SECTIONS)


def test_parameters_and_outputs_that_it_names_are_the_templates() -> None:
    template = (ROOT / "infra" / "template.yaml").read_text()
    names = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)\b", RUNBOOK))
    assert names
    assert not [name for name in names if f"\n  {name}:" not in template]
