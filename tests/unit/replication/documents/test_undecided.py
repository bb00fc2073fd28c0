"""For any two documents: a section that may be a setting's is never changed before a person has decided."""

import json
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from lxml import etree

from replication.documents.canonical import canonical
from replication.documents.keep_patterns import Rules
from replication.documents.merge import merge
from replication.documents.undecided import NamesUndecided
from tests.support.documents import parse_text

TITLES = ("SOAP", "Remote Access", "WebAdmin", "certificates", "admin")
"""What a group of settings may be called, and what people may call something."""
OTHERS = ("Main", "Vienna office", "logs")
TAGS = ("section", "category", "node")
STYLES = (
    '<{0} name="{1}" level="{2}"/>',
    '<{0} name="{1}"><level>{2}</level></{0}>',
    "<{0}><name>{1}</name><x>{2}</x></{0}>",
)


def documents(seed: int) -> tuple[str, str]:
    """What two servers hold: sections in boxes, each on one server or on both, with equal values or others."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    boxes: list[tuple[str, str]] = []
    for number in range(random.randint(1, 3)):
        theirs: list[str] = []
        ours: list[str] = []
        for title in random.sample((*TITLES, *OTHERS), random.randint(0, 4)):
            tag, style = random.choice(TAGS), random.choice(STYLES)
            values = [random.choice("12") for _ in range(2)]
            for side, value in zip((theirs, ours), values, strict=True):
                if random.random() < 0.8:
                    side.append(style.format(tag, title, value))
        random.shuffle(theirs)
        boxes.append((f"<box{number}>{''.join(theirs)}</box{number}>", f"<box{number}>{''.join(ours)}</box{number}>"))
    primary, own = ("".join(box[side] for box in boxes) for side in (0, 1))
    return f"<s>{primary}<x>p</x></s>", f"<s>{own}<x>b</x></s>"


def sections(root: etree._Element) -> Counter[tuple[str, str]]:
    """The sections that bear a title, each with the box it is in."""
    counted: Counter[tuple[str, str]] = Counter()
    for box in root:
        for one in box:
            name = one.get("name") or one.findtext("name")
            if name in TITLES:
                counted[str(box.tag), canonical(one)] += 1
    return counted


@given(st.integers(0, 2**32))
def test_no_push_changes_a_section_that_may_be_either(seed: int) -> None:
    primary, own = map(parse_text, documents(seed))
    try:
        merged = merge(primary, own, Rules.standard())
    except NamesUndecided as failure:
        event("waits")
        waits, named = True, failure.message
    else:
        event("goes through")
        waits, named = False, ""
        assert sections(merged) == sections(own)
    assert waits == (sections(primary) != sections(own)), named


@given(st.integers(0, 2**32), st.booleans())
def test_the_lines_of_the_messages_lead_to_an_end(seed: int, keep: bool) -> None:
    """Each message names some sections; whoever pastes its lines until none is left has decided about all."""
    primary, own = map(parse_text, documents(seed))
    rules: list[str] = []
    for _ in range(20):
        try:
            merged = merge(primary, own, Rules.standard(rules))
        except NamesUndecided as failure:
            lines = [json.loads(line) for line in re.findall(r'"[^"]*"', failure.message)]
            rules += [line for line in lines if line.startswith("!") != keep]
        else:
            assert sections(merged) == sections(own if keep else primary)
            return
    pytest.fail(f"no end with {rules}")


GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
ABOVE = (
    ('<site id="1">{}</site>', ""),
    ('<site id="1">{}<key>29</key></site>', ""),
    ("<site>{}</site>", ""),
    ('<site key="29">{}</site>', "29"),
    (f'<site id="{GUID}">{{}}</site>', GUID),
    (f"<site><id>{GUID}</id>{{}}</site>", GUID),
)
"""What a section may be in, and what of it is not shown: it may be a secret."""


def message_about(primary: etree._Element, own: etree._Element, rules: list[str]) -> str:
    """What the push would wait for, empty where it would not."""
    try:
        merge(primary, own, Rules.standard(rules))
    except NamesUndecided as failure:
        return failure.message
    return ""


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(("site", "hidden"), ABOVE)
@pytest.mark.parametrize(
    "undecided",
    ['<section name="SOAP"><level>{}</level></section>', '<row name="SOAP"><a port="{}"/></row>'],
)
@pytest.mark.parametrize("pattern", ["admin", "soap*/a", "soap*/a/*port"])
def test_a_line_of_the_message_decides_whatever_the_entries_above_are_called(
    keep: bool, site: str, hidden: str, undecided: str, pattern: str
) -> None:
    primary, own = (parse_text(f"<s><sites>{site.format(undecided.format(side))}</sites></s>") for side in "pb")
    rules = [pattern]
    while message := message_about(primary, own, rules):
        assert not hidden or hidden not in message
        lines = [json.loads(line) for line in re.findall(r'"[^"]*"', message)]
        lines += [form.replace("...", hidden) for form in re.findall(r"add (!/[^ ]+) with", message)]
        added = [line for line in lines if line.startswith("!") != keep and line not in rules]
        assert added, message
        rules += added
    assert canonical(merge(primary, own, Rules.standard(rules))) == canonical(own if keep else primary)
