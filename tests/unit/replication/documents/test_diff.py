"""Which values of two elements differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from replication.documents.canonical import canonical
from replication.documents.diff import ORDER, Kind, differences
from replication.documents.runtime_values import RUNTIME_NAMES
from tests.support.documents import parse_text


def diff(own: str, desired: str) -> list[tuple[str, str, str | None, str | None]]:
    differing = differences(parse_text(own), parse_text(desired), ignored=RUNTIME_NAMES)
    return [(str(one.kind), one.path, one.before, one.after) for one in differing]


@pytest.mark.parametrize(
    ("own", "desired"),
    [
        ("<a><b x='1' y='2'/></a>", "<a>\n  <b y='2' x='1'/>\n</a>"),
        ("<p:a xmlns:p='u'><p:b/></p:a>", "<a xmlns='u'><b/><!-- c --></a>"),
        ("<a><lastLoginTime>1</lastLoginTime></a>", "<a lastLoginIP='::1'><entry name='LastLogin' value='2'/></a>"),
        (
            "<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:p='u'><b i:type='p:T'/></a>",
            "<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:q='u'><b i:type='q:T'/></a>",
        ),
    ],
)
def test_what_is_written_differently_does_not_differ(own: str, desired: str) -> None:
    assert diff(own, desired) == []


def test_values_are_found_by_their_path() -> None:
    assert diff("<a><b x='1'/><c>old</c><d/></a>", "<a><b x='2' y='3'/><c>new</c><e>5</e></a>") == [
        ("changed", "b/@x", "1", "2"),
        ("added", "b/@y", None, "3"),
        ("changed", "c", "old", "new"),
        ("added", "e", None, "5"),
        ("removed", "d", "", None),
    ]


def test_a_named_child_put_in_front_leaves_the_others_alone() -> None:
    own = "<a><r><name>one</name><p>1</p></r><r><name>two</name><p>2</p></r></a>"
    desired = "<a><r><name>new</name><p>3</p></r><r><name>one</name><p>1</p></r><r><name>two</name><p>9</p></r></a>"
    assert diff(own, desired) == [
        ("added", "r[new]/name", None, "new"),
        ("added", "r[new]/p", None, "3"),
        ("changed", "r[two]/p", "2", "9"),
    ]


def test_a_nameless_child_put_in_front_leaves_the_others_alone() -> None:
    assert diff("<a><ip>1</ip><ip>2</ip></a>", "<a><ip>3</ip><ip>1</ip><ip>2</ip></a>") == [
        ("added", "ip[1]", None, "3")
    ]


def test_the_only_section_of_its_kind_is_the_same_section_under_another_name() -> None:
    assert diff("<a><s name='x'><w>1</w></s></a>", "<a><s name='y'><w>1</w></s></a>") == [
        ("changed", "s[y]/@name", "x", "y")
    ]


def test_entries_that_share_a_name_are_told_apart_by_all_their_names_and_titles() -> None:
    before = "<a><p id='1' name='x'><w>1</w></p><p id='2' name='x'><w>2</w></p></a>"
    after = "<a><p id='2' name='x'><w>2</w></p><p id='1' name='x'><w>3</w></p></a>"
    assert [one for one in diff(before, after) if one[1] != "(order)"] == [("changed", "p[x]/w", "1", "3")]
    before = "<a><p guid='1'><w>1</w></p><p guid='2'><w>2</w></p></a>"
    after = "<a><p guid='2'><w>2</w></p><p guid='1'><w>3</w></p></a>"
    assert [one for one in diff(before, after) if one[1] != "(order)"] == [("changed", "p[2]/w", "1", "3")]


def test_the_only_entry_of_its_kind_is_another_one_when_its_key_is() -> None:
    assert diff("<a><e name='x' value='1'/></a>", "<a><e name='y' value='1'/></a>") == [
        ("added", "e[y]/@name", None, "y"),
        ("added", "e[y]/@value", None, "1"),
        ("removed", "e[x]/@name", "x", None),
        ("removed", "e[x]/@value", "1", None),
    ]


def test_another_order_alone_is_a_difference() -> None:
    assert diff("<a><b/><c/></a>", "<a><c/><b/></a>") == [("changed", ORDER, None, None)]


_NAMES = st.sampled_from(["a", "b", "name", "value"])
_TEXTS = st.sampled_from(["", "1", "x y"])


@st.composite
def _elements(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    element = etree.Element(draw(_NAMES))
    for key in draw(st.lists(_NAMES, max_size=2, unique=True)):
        element.set(key, draw(_TEXTS))
    nested = draw(st.lists(_elements(depth - 1), max_size=3)) if depth else []
    element.extend(nested)
    if not nested:
        element.text = draw(_TEXTS)
    return element


@given(_elements(), _elements())
def test_two_elements_differ_exactly_when_their_canonical_forms_do(
    own: etree._Element, desired: etree._Element
) -> None:
    desired.tag = own.tag
    differing = list(differences(own, desired))
    assert bool(differing) == (canonical(own) != canonical(desired))
    for one in differing:
        assert one.kind is not Kind.ADDED or (one.before is None and one.after is not None)
        assert one.kind is not Kind.REMOVED or (one.after is None and one.before is not None)
