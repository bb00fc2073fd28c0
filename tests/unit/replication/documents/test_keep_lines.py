"""The lines of messages: pasted into the rules, each keeps the setting it was printed for and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason
from replication.documents.canonical import canonical
from replication.documents.diff import differences, root_step
from replication.documents.keep_lines import keep_line
from replication.documents.keep_patterns import Rules
from replication.documents.machine_specific import looks_machine_specific
from replication.documents.merge import AmbiguousEntries, merge
from replication.guards.limits import Limits, exceeded_limits
from replication.model import PartName, Policy
from tests.support.documents import parse_text
from tests.support.settings_model import Case, Options, cases

if TYPE_CHECKING:
    from lxml import etree

    from replication.plan import Plan
    from tests.unit.replication.conftest import PlanFactory

STYLES = {
    "element": "<{0}>{1}</{0}>",
    "element with a value attribute": '<{0} value="{1}"/>',
    "attribute": '<own{2} {0}="{1}"/>',
    "key and value": '<entry name="{0}" value="{1}"/>',
    "key and text": '<param key="{0}">{1}</param>',
    "key and value as elements": "<e><key>{0}</key><value>{1}</value></e>",
    "a name and a number": '<item id="{2}" name="{0}" value="{1}"/>',
    "a setting in a section of its own": '<site name="site {2}"><{0}>{1}</{0}><mode>{3}</mode></site>',
}
NAMES = ["listenHost", "node_address", "LogDirectory", "smtp-password", "größePort", "a%b/cPort", "port"]
"""Names that look as if each machine had its own; what an element cannot be called is written in other styles."""
_ELEMENT = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True)
class Setting:
    """One setting that looks machine-specific, and on which sides it is."""

    style: str
    name: str
    on_primary: bool
    on_backup: bool

    def text(self, number: int, value: str, mode: str) -> str:
        return STYLES[self.style].format(f"{self.name}", value, number, mode)


@st.composite
def setting_lists(draw: st.DrawFn) -> list[Setting]:
    drawn = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)):
        styles = [style for style in STYLES if _ELEMENT.fullmatch(name) or "key" in style or "number" in style]
        sides = draw(st.sampled_from([(True, True), (True, True), (True, False), (False, True)]))
        drawn.append(Setting(draw(st.sampled_from(styles)), name, *sides))
    return drawn


def document(drawn: list[Setting], side: str, mode: str, kept: frozenset[int] = frozenset()) -> str:
    """A server's settings. ``kept``: the numbers of those that are as the backup has them."""
    inner = []
    for number, setting in enumerate(drawn):
        at = "b" if number in kept else side
        if setting.on_backup if at == "b" else setting.on_primary:
            inner.append(setting.text(number, f"{at}{number}", mode))
        elif setting.style.endswith("of its own"):
            inner.append(f'<site name="site {number}"><mode>{mode}</mode></site>')
        elif setting.style == "attribute":
            inner.append(f"<own{number}/>")
    return f"<s><timeout>{mode}</timeout><net>{''.join(inner)}<last>{mode}</last></net></s>"


POLICY = Policy(frozenset({PartName.SETTINGS}))


def message_of(plan: Plan) -> str:
    (block,) = exceeded_limits(plan, Limits())
    assert block.reason is Reason.MACHINE_SPECIFIC_UNRULED
    return block.message


def lines_of(message: str) -> list[str]:
    """What stands between quotes behind the word "add": as it is pasted into a list in JSON."""
    return [json.loads(line) for line in re.findall(r'"[^"]*"', message.partition("to keep, add ")[2])]


@given(setting_lists(), st.data())
def test_each_pasted_line_keeps_its_setting_and_changes_nothing_else(
    make_plan_between: PlanFactory, drawn: list[Setting], data: st.DataObject
) -> None:
    own, primary = document(drawn, "b", "old"), document(drawn, "p", "new")

    theirs, ours = parse_text(primary), parse_text(own)

    def merged(*rules: str) -> str:
        return by_names(merge(theirs, ours, Rules.standard(rules)))

    def expected(*kept: int) -> str:
        return by_names(parse_text(document(drawn, "p", "new", frozenset(kept))))

    lines = lines_of(message_of(make_plan_between({"settings": own}, {"settings": primary}, POLICY)))
    assert len(lines) == len(drawn)
    results = [merged(line) for line in lines]
    for number in range(len(drawn)):
        assert results.count(expected(number)) == 1, (drawn[number], lines)
    pasted = data.draw(st.permutations(lines))
    assert merged(*pasted) == expected(*range(len(drawn)))
    plan = make_plan_between({"settings": own}, {"settings": primary}, replace(POLICY, rules=Rules.standard(pasted)))
    assert exceeded_limits(plan, Limits()) == ()


def by_names(root: etree._Element) -> str:
    """What a document holds, whatever the order of what only the backup has."""
    (net,) = (child for child in root if child.tag == "net")
    return "\n".join([canonical(root[0]), *sorted(map(canonical, net))])


@pytest.mark.parametrize(
    ("own", "primary", "line"),
    [
        ("<s><host>a</host></s>", "<s><host>b</host></s>", "/s/host"),
        ("<s><nodeHostName value='a'/></s>", "<s><nodeHostName value='b'/></s>", "/s/nodeHostName"),
        ("<s><n/></s>", "<s><n/><nodeHostName value='b'/></s>", "/s/nodeHostName"),
        ("<s><n host='a'/></s>", "<s><n host='b'/></s>", "/s/n/@host"),
        ("<s><e name='x'/><e name='host' value='a'/></s>", "<s><e name='x'/><e name='host' value='b'/></s>",
         "/s/e[host]"),
        # what nothing tells apart is kept with the list it is in
        ("<s><l><host>a</host><host>c</host></l></s>", "<s><l><host>b</host><host>c</host></l></s>", "/s/l"),
        # directly below the root there is no list but the document
        ("<s><host>a</host><host>c</host></s>", "<s><host>b</host><host>d</host></s>", "/s/host"),
        # a value beside other settings is no entry
        ("<s><site name='x'><value>1.2.3.4</value><y/></site></s>",
         "<s><site name='x'><value>1.2.3.5</value><y/></site></s>",
         "/s/site[x]/value"),
        ("<s><e name='a/b \\ c' host='a'/></s>", "<s><e name='a/b \\ c' host='b'/></s>", "/s/e[a%2Fb %5C c]/@host"),
    ],
)  # fmt: skip
def test_a_line_is_as_near_to_the_difference_as_it_can_be_told_apart(
    make_plan_between: PlanFactory, own: str, primary: str, line: str
) -> None:
    assert lines_of(message_of(make_plan_between({"settings": own}, {"settings": primary}, POLICY))) == [line]


def test_what_is_directly_in_the_root_has_no_line() -> None:
    root = parse_text("<settings>note</settings>")
    assert keep_line((root, root), root_step(root), 1).text == ""


def test_a_message_with_very_long_paths_still_has_whole_lines(make_plan_between: PlanFactory) -> None:
    def text(side: str) -> str:
        inner = "".join(
            f"<{'x' * 60}{n}><{'y' * 70}{n}><port>{side}{n}</port></{'y' * 70}{n}></{'x' * 60}{n}>" for n in range(9)
        )
        return f"<s>{inner}</s>"

    message = message_of(make_plan_between({"settings": text("b")}, {"settings": text("p")}, POLICY))
    assert len(message) < 1000
    assert message.startswith("9 differing settings")
    assert all(line.endswith("/port") for line in lines_of(message))


NAMED = cases(Options(nameless=False, overlapping=False))
"""Documents in which each section has a name, or a title, that no other one has."""


@given(NAMED)
def test_whoever_pastes_the_lines_comes_to_an_end(case: Case) -> None:
    """Then nothing that looks machine-specific differs, or the entries cannot be told apart, which has a reason."""
    primary, own = parse_text(case.primary), parse_text(case.own)
    rules: list[str] = []
    while True:
        try:
            merged = merge(primary, own, Rules.standard(rules))
        except AmbiguousEntries:
            return
        differing = [one for one in differences(own, merged, root_step(merged)) if looks_machine_specific(one)]
        lines = {keep_line((own, merged), one.steps, one.new_from).text for one in differing}
        if not differing:
            return
        assert lines - {"", *rules}, [one.path for one in differing]
        rules += sorted(lines - {"", *rules})


@given(setting_lists(), st.data())
def test_no_line_is_printed_beside_an_exception_that_goes_on_winning(
    make_plan_between: PlanFactory, drawn: list[Setting], data: st.DataObject
) -> None:
    own, primary = document(drawn, "b", "old"), document(drawn, "p", "new")
    lines = lines_of(message_of(make_plan_between({"settings": own}, {"settings": primary}, POLICY)))
    excepted = data.draw(st.lists(st.sampled_from(lines), min_size=1, unique=True))
    rules = [f"!{line}" for line in excepted]
    plan = make_plan_between({"settings": own}, {"settings": primary}, replace(POLICY, rules=Rules.standard(rules)))
    message = message_of(plan)
    added, _, removed = message.partition("; to keep values that an exception replicates, remove ")
    assert sorted(lines_of(added)) == sorted(set(lines) - set(excepted))
    assert [json.loads(line) for line in re.findall(r'"[^"]*"', removed)] == [
        f"!{one}" for one in lines if one in excepted
    ]


@pytest.mark.parametrize(
    ("inside", "line", "says_so"),
    [
        ("<site><host>{0}</host></site><site><host>{0}2</host></site>", "/s/l/site/host", True),
        ("<l2><host>{0}</host><host>{0}2</host></l2>", "/s/l/l2", True),
        ("<l2 name='x'><host>{0}</host></l2>", "/s/l/l2[x]/host", False),
    ],
)
def test_a_line_that_keeps_more_than_its_setting_says_so(
    make_plan_between: PlanFactory, inside: str, line: str, says_so: bool
) -> None:
    own, primary = (f"<s><l>{inside.format(side)}</l></s>" for side in ("10.0.0.1", "10.0.0.9"))
    message = message_of(make_plan_between({"settings": own}, {"settings": primary}, POLICY))
    assert lines_of(message)[0].startswith(line[: len(lines_of(message)[0])])
    assert ("keeps all that is in it" in message) is says_so
