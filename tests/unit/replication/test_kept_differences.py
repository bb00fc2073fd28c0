"""What a keep pattern hides although it differs is told by path, in every view, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.fakes.snapshots import PartSnapshots
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import PartName, PartStatus, Policy, Status
from replication.plan_details import MAX_KEPT, details, preview
from replication.plan_text import render
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from common.runtime import Runtime
    from replication.plan import PartPlan
    from tests.unit.replication.conftest import PlanFactory, ServerFactory

SETTINGS = frozenset({PartName.SETTINGS})
POLICY = Policy(SETTINGS, Rules.standard(["mine", "bannerText"]))

STYLES = {
    # style: (what is written, the path of its value, the path of all of it)
    "element": ("<{0}>{1}</{0}>", "/s/{0}", "/s/{0}"),
    "element with a value attribute": ('<{0} value="{1}"/>', "/s/{0}/@value", "/s/{0}"),
    "attribute": ('<own{2} {0}="{1}"/>', "/s/own{2}/@{0}", "/s/own{2}/@{0}"),
    "key and value": ('<entry name="{0}" value="{1}"/>', "/s/entry[{0}]/@value", "/s/entry[{0}]"),
    "key and text": ('<param key="{0}">{1}</param>', "/s/param[{0}]", "/s/param[{0}]"),
    "key and value as elements": ("<e><key>{0}</key><value>{1}</value></e>", "/s/e[{0}]/value", "/s/e[{0}]"),
    "subtree": ("<{0}><inner><v>{1}</v><w>same</w></inner></{0}>", "/s/{0}/inner/v", "/s/{0}"),
}
KEPT = ["soapPort", "adminPassword", "serverCertificate", "LicenseKey", "mine", "banner_text"]
ORDINARY = ["timeout", "maxConnections", "notifyAdministratorOnLogin", "concertMode"]


@dataclass(frozen=True)
class Setting:
    name: str
    style: str
    primary: str | None
    backup: str | None

    def written(self, number: int, value: str | None) -> str:
        if value is None:
            return f"<own{number}/>" if self.style == "attribute" else ""
        return STYLES[self.style][0].format(self.name, value, number)

    def path(self, number: int) -> str:
        _, value, whole = STYLES[self.style]
        return (whole if None in (self.primary, self.backup) else value).format(self.name, "", number)


VALUES = st.sampled_from(["planted1", "planted2", None])


@st.composite
def setting_lists(draw: st.DrawFn) -> list[Setting]:
    names = draw(st.lists(st.sampled_from([*KEPT, *ORDINARY]), max_size=8, unique=True))
    return [Setting(name, draw(st.sampled_from(list(STYLES))), draw(VALUES), draw(VALUES)) for name in names]


def documents(drawn: list[Setting]) -> tuple[str, str]:
    theirs = "".join(setting.written(number, setting.primary) for number, setting in enumerate(drawn))
    ours = "".join(setting.written(number, setting.backup) for number, setting in enumerate(drawn))
    return f"<s><always>1</always>{theirs}</s>", f"<s><always>1</always>{ours}</s>"


@settings(max_examples=60)
@given(setting_lists())
def test_what_is_told_is_exactly_what_is_kept_and_differs(make_plan_between: PlanFactory, drawn: list[Setting]) -> None:
    primary, own = documents(drawn)
    plan = make_plan_between({"settings": own}, {"settings": primary}, POLICY)
    expected = {
        setting.path(number)
        for number, setting in enumerate(drawn)
        if setting.name in KEPT and setting.primary != setting.backup
    }
    (part,) = plan.parts
    assert set(part.kept_differences) == expected
    assert len(part.kept_differences) == len(expected)

    shown = details(plan)
    document = json.loads(json.dumps(asdict(shown)))["parts"][0]
    assert document["kept_different"] == len(expected)
    assert set(document["kept_different_paths"]) == expected
    text = render(shown, "b1")
    kept_lines = text.partition("Kept although it differs:\n")[2].partition("\n\n")[0].splitlines()
    assert {line.removeprefix("  = ") for line in kept_lines} == expected
    assert "planted" not in "\n".join(kept_lines)
    if part.settled and expected:
        count = len(expected)
        assert f"settings  equal but for {count} kept {'value' if count == 1 else 'values'}" in text
    assert ("equal but for" in text) == bool(part.settled and expected)


@settings(max_examples=30)
@given(setting_lists())
def test_a_result_tells_the_same_before_and_after_the_push(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime, drawn: list[Setting]
) -> None:
    primary, own = documents(drawn)
    source, server = read_primary(make_primary(settings=primary), SETTINGS), make_server(settings=own)
    expected = {
        setting.path(number)
        for number, setting in enumerate(drawn)
        if setting.name in KEPT and setting.primary != setting.backup
    }
    for write in (False, True, True):
        outcome = replicate(
            ReplicationJob(source, POLICY, Guard(), write=write), server, snapshots=PartSnapshots(), runtime=clock
        )
        (part,) = outcome.parts
        assert (part.kept.count, set(part.kept.paths)) == (len(expected), expected), outcome.status
    assert outcome.status is Status.IN_SYNC
    assert ("equal but for" in outcome.message) == bool(expected)


@pytest.mark.parametrize("write", [False, True])
def test_no_more_paths_are_listed_than_a_view_has_room_for(
    make_plan_between: PlanFactory, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime, write: bool
) -> None:
    own, primary = (
        f"<s>{''.join(f'<soapPort{n}>{side}</soapPort{n}>' for n in range(MAX_KEPT + 5))}</s>" for side in "bp"
    )
    plan = make_plan_between({"settings": own}, {"settings": primary}, POLICY)
    shown = details(plan)
    assert (shown.parts[0].kept_different, len(shown.parts[0].kept_different_paths)) == (MAX_KEPT + 5, MAX_KEPT)
    assert "  = ... and 5 more\n" in render(shown, "b1")
    source, server = read_primary(make_primary(settings=primary), SETTINGS), make_server(settings=own)
    outcome = replicate(
        ReplicationJob(source, POLICY, Guard(), write=write), server, snapshots=PartSnapshots(), runtime=clock
    )
    assert (outcome.parts[0].kept.count, len(outcome.parts[0].kept.paths)) == (MAX_KEPT + 5, 20)
    assert outcome.parts[0].status is PartStatus.UNCHANGED


def test_the_hash_knows_what_is_kept_although_it_differs(make_plan_between: PlanFactory) -> None:
    def hash_of(primary: str) -> str:
        own = {"settings": "<s><x>b</x><soapPort>1</soapPort></s>"}
        return make_plan_between(own, {"settings": primary}, POLICY).hash

    equal = hash_of("<s><x>p</x><soapPort>1</soapPort></s>")
    assert equal != hash_of("<s><x>p</x><soapPort>2</soapPort></s>")


# Exceptions and patterns without effect ------------------------------------------------------------------------------


def planned(make_plan_between: PlanFactory, *rules: str) -> tuple[str, PartPlan]:
    own = {"settings": "<s><mode>1</mode><replicationMode>b</replicationMode><e name='soapPort' value='1'/></s>"}
    source = {"settings": "<s><mode>1</mode><replicationMode>p</replicationMode><e name='soapPort' value='2'/></s>"}
    plan = make_plan_between(own, source, Policy(SETTINGS, Rules.standard(rules)))
    shown = preview(plan, Guard(), ())
    return render(shown.details, "b1"), plan.parts[0]


def test_an_exception_with_an_effect_is_shown_in_every_plan(make_plan_between: PlanFactory) -> None:
    text, part = planned(make_plan_between, "!/s/replicationMode")
    assert "Replicated because of exceptions to the keep patterns:\n  ! !/s/replicationMode\n" in text
    assert '~ /s/replicationMode = "b" -> "p"' in text
    assert part.kept_differences == ("/s/e[soapPort]/@value",)


@pytest.mark.parametrize(
    ("rule", "warning_text"),
    [
        ("modes", 'The keep pattern "modes" matches nothing on either server.'),
        ("/s/mode/@x", 'The keep pattern "/s/mode/@x" matches nothing'),
        ("/s/e[SoapPort]", 'The keep pattern "/s/e[SoapPort]" matches nothing'),
        ("!/s/mode", 'The exception "!/s/mode" has no effect'),
        ("!/s/e[soapPort]", 'The exception "!/s/e[soapPort]" has no effect'),
        ("!/s/e", 'The exception "!/s/e" has no effect'),
        ("mode", ""),
        ("e/@value", ""),
        ("/s/e[soapPort]", ""),
        ("!/s/replicationMode", ""),
    ],
)
def test_a_plan_warns_of_a_pattern_without_effect(make_plan_between: PlanFactory, rule: str, warning_text: str) -> None:
    text, part = planned(make_plan_between, rule)
    assert [warning_text in warning for warning in part.warnings] == ([True] if warning_text else [])
    assert warning_text in text
    is_shown = "Replicated because of exceptions" in text
    assert is_shown == (rule.startswith("!") and not warning_text), "a plan shows the exceptions that have an effect"


def test_a_plan_that_waits_for_a_line_warns_of_one_that_was_mistyped(make_plan_between: PlanFactory) -> None:
    own, source = ({"settings": f"<s><section name='SOAP'><x>{side}</x></section></s>"} for side in "bp")
    plan = make_plan_between(own, source, Policy(SETTINGS, Rules.standard(["/s/section[Soap]"])))
    assert plan.parts[0].ambiguous
    assert plan.warnings == ('The keep pattern "/s/section[Soap]" matches nothing on either server.',)
