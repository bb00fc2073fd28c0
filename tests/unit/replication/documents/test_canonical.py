"""When two documents are the same."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from common.errors import Failure, Reason
from replication.documents import canonical
from tests.support.documents import parse_text


def canonical_text(text: str) -> str:
    return canonical.canonical(parse_text(text))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('<a x="1" y="2"/>', '<a y="2" x="1"/>'),
        ('<a xmlns="urn:n"><b/></a>', '<p:a xmlns:p="urn:n"><p:b/></p:a>'),
        ('<p:a xmlns:p="urn:n" p:x="1"/>', '<q:a xmlns:q="urn:n" q:x="1"/>'),
        ("<a><b/><c/></a>", "<a>\n  <b/>\r\n\t<c/> </a>"),
        ("<a><b>1</b></a>", "<a><!-- why --><b>1<!-- one --></b></a>"),
        ("<a>x<!-- y -->z</a>", "<a>xz</a>"),
        ("<a>x<b/></a>", "<a><!-- y -->x<b/></a>"),
        ("<a></a>", "<a/>"),
        ("<a>&#65;&amp;</a>", "<a><![CDATA[A&]]></a>"),
        ('<?xml version="1.0" encoding="UTF-8"?><a/>', "<a/>"),
        ('<a xmlns:unused="urn:u"/>', "<a/>"),
    ],
)
def test_equal(left: str, right: str) -> None:
    assert canonical_text(left) == canonical_text(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("<a>1</a>", "<a>2</a>"),
        ("<a>1</a>", "<a> 1</a>"),
        ("<a> </a>", "<a/>"),
        ("<a>x y</a>", "<a>x  y</a>"),
        ("<a>On</a>", "<a>on</a>"),
        ('<a x="1"/>', '<a x="2"/>'),
        ('<a x="1"/>', '<a x=" 1"/>'),
        ('<a x=""/>', "<a/>"),
        ('<a x="1"/>', '<a y="1"/>'),
        ('<a x="1"/>', '<a X="1"/>'),
        ("<a><b/><c/></a>", "<a><c/><b/></a>"),
        ("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>"),
        ("<a><b/></a>", "<a><b/><b/></a>"),
        ("<a><b/><c/></a>", "<a><b/></a>"),
        ("<a><b><c/></b></a>", "<a><b/><c/></a>"),
        ('<a xmlns="urn:m"/>', '<a xmlns="urn:n"/>'),
        ('<p:a xmlns:p="urn:n" p:x="1"/>', '<p:a xmlns:p="urn:n" x="1"/>'),
        ('<a x="1"/>', "<a><x>1</x></a>"),
        ("<a>x<b/></a>", "<a>y<b/></a>"),
        ("<a>x<b/></a>", "<a><b/>x</a>"),
        ("<a>x<b/>y</a>", "<a>xy<b/></a>"),
        ("<a x='1&#2;'/>".replace("&#2;", "&#10;"), "<a x='1 '/>"),
    ],
)
def test_different(left: str, right: str) -> None:
    assert canonical_text(left) != canonical_text(right)


def test_a_prefix_inside_a_type_attribute_is_a_prefix_too() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    left = f'<a {xsi} xmlns:p="urn:n" xsi:type="p:T"/>'
    assert canonical_text(left) == canonical_text(left.replace("p=", "q=").replace("p:T", "q:T"))
    assert canonical_text(left) != canonical_text(left.replace("urn:n", "urn:m"))
    assert canonical_text(left) != canonical_text(left.replace("p:T", "p:U"))
    assert canonical_text('<a t="p:T"/>') != canonical_text('<a t="q:T"/>')


# Generated documents -------------------------------------------------------------------------------------------------

VALUES = st.text(alphabet="aB1 .é<&\n", min_size=1, max_size=4)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    namespace = draw(st.sampled_from(["", "{urn:a}", "{urn:b}"]))
    element = etree.Element(namespace + draw(st.sampled_from(["a", "b", "entry"])))
    for key in draw(st.sets(st.sampled_from(["x", "{urn:a}x", "value"]), max_size=2)):
        element.set(key, draw(VALUES))
    if depth and draw(st.booleans()):
        for child in draw(st.lists(elements(depth=depth - 1), max_size=3)):
            element.append(child)
    elif draw(st.booleans()):
        element.text = draw(VALUES)
    return element


def restyled(element: etree._Element, draw: Callable[[st.SearchStrategy[Any]], Any]) -> etree._Element:
    """The same content with other prefixes, other order of attributes, other white space between, and comments."""
    copy = etree.Element(element.tag, nsmap={draw(st.sampled_from(["p", "q"])): "urn:a"})
    for key in draw(st.permutations(sorted(str(key) for key in element.attrib))):
        copy.set(key, str(element.get(key)))
    copy.text = element.text
    children = list(element)
    if children:
        copy.text = draw(st.sampled_from(["", "\n  "]))
    for child in children:
        if draw(st.booleans()):
            copy.append(etree.Comment("note"))
        new = restyled(child, draw)
        new.tail = draw(st.sampled_from(["", " \n"]))
        copy.append(new)
    return copy


@given(st.data(), elements())
def test_style_never_counts(data: st.DataObject, element: etree._Element) -> None:
    copy = restyled(element, data.draw)
    assert canonical.canonical(copy) == canonical.canonical(element)
    again = parse_text(etree.tostring(copy, encoding="unicode"))
    assert canonical.canonical(again) == canonical.canonical(element)


@given(st.data(), elements())
def test_every_change_counts(data: st.DataObject, element: etree._Element) -> None:
    before = canonical.canonical(element)
    node = data.draw(st.sampled_from(list(element.iter())))
    change = data.draw(st.sampled_from(["tag", "attribute", "text", "add", "namespace"]))
    if change == "tag":
        node.tag = node.tag + "z"
    elif change == "attribute":
        node.set("x", (node.get("x") or "") + " ")
    elif change == "text":
        node.text = (node.text or "") + "!"
    elif change == "namespace":
        node.tag = "{urn:other}" + etree.QName(node).localname
    else:
        node.insert(data.draw(st.integers(0, len(node))), etree.Element("added"))
    assert canonical.canonical(element) != before


def test_run_time_values_count_in_documents_that_ignore_nothing() -> None:
    assert canonical_text('<a lastLogin="1"/>') != canonical_text('<a lastLogin="2"/>')


# Paths of values -----------------------------------------------------------------------------------------------------


def test_values_are_listed_by_path() -> None:
    root = parse_text(
        '<s xmlns:n="urn:n" v="1"><n:ssl n:on="true"><cert>x</cert></n:ssl>'
        '<entry name="a">1</entry><entry name="b"/><ip>1</ip><ip>2</ip><empty/></s>'
    )
    assert dict(canonical.values(root)) == {
        "/s/@v": "1",
        "/s/ssl/@on": "true",
        "/s/ssl/cert": "x",
        "/s/entry[a]/@name": "a",
        "/s/entry[a]": "1",
        "/s/entry[b]/@name": "b",
        "/s/ip[1]": "1",
        "/s/ip[2]": "2",
        "/s/empty": "",
    }


@given(elements())
def test_no_two_values_share_a_path(element: etree._Element) -> None:
    paths = [path for path, _ in canonical.values(element)]
    assert len(paths) == len(set(paths))


# Reading -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["<a>secret-value", "secret-value", "<!DOCTYPE a><a>secret-value</a>", ""])
def test_a_document_that_cannot_be_read_is_named_without_its_content(text: str) -> None:
    with pytest.raises(Failure) as failure:
        canonical.read(text.encode(), "users", "backup b1")
    assert failure.value.reason is Reason.DOCUMENT_MALFORMED
    assert failure.value.server == "backup b1"
    assert "users" in failure.value.message
    assert "secret-value" not in str(failure.value)


def test_a_digest_tells_texts_apart() -> None:
    assert canonical.digest("a") == canonical.digest("a") != canonical.digest("b")
    assert len(canonical.digest("\ud800")) == 64
