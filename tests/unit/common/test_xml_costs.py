"""What a foreign document costs is counted before it is built, in steps that the limit bounds."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from common import budgets
from common.safe_xml import XmlRefused, XmlTooComplex, parse, parse_document
from common.xml_costs import exact_tree_size, tree_size

LIMIT = budgets.MEGABYTE // 4
NODES = LIMIT // budgets.ELEMENT
LARGE = budgets.MEGABYTE
URI = "u" * budgets.NAMESPACE

PIECES = ["<a>", "</a>", "<a/>", "<b x='1'/>", '<b x="<" y=">">', "</b>", "<!--<a>-->", "<![CDATA[<a x='1'>]]>",
          "<?p <a>?>", "text", "x=y", "&lt;", "&#1;", ">", "<", "'", '"', "=", "/", " ", "\n", "\x01", "é",
          "<!DOCTYPE a>", "<?xml version='1.0'?>", "xmlns='u'", "<p:a xmlns:p='u'>", "</p:a>"]  # fmt: skip


def built(root: etree._Element) -> int:
    """What the budgets count of a tree, by looking at it."""
    nodes = list(root.iter())
    texts = sum(bool(node.tail and node is not root) + bool(isinstance(node.tag, str) and node.text) for node in nodes)
    attributes = sum(len(node.attrib) for node in nodes if isinstance(node.tag, str))
    return len(nodes) * budgets.ELEMENT + texts * budgets.TEXT + attributes * budgets.ATTRIBUTE


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example("<a x='1'>t</a>")
def test_no_tree_is_larger_than_what_was_counted_before(text: str) -> None:
    data = text.encode()
    try:
        root = parse(data)
    except XmlRefused:
        root = None
    exact = exact_tree_size(data, LIMIT)
    assert exact.steps <= 2 * len(data) + 1
    if root is not None:
        assert built(root) <= exact.size <= tree_size(data)


HOSTILE = {
    "elements": b"<a/>" * 2 * NODES,
    "elements that do not end": b"<a>" * 2 * NODES,
    "ends alone": b"</a>" * 2 * NODES,
    "attributes": b"<a" + b" b=''" * 2 * NODES,
    "elements with attributes": b"<a b='' c=\"\"/>" * 2 * NODES,
    "texts": b"<a/>x" * 2 * NODES,
    "comments": b"<!---->" * 2 * NODES,
    "instructions": b"<?a?>" * 2 * NODES,
    "CDATA": b"<![CDATA[]]>x" * 2 * NODES,
    "tags that do not end": b"<" * LARGE,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_counting_goes_no_further_than_the_limit(kind: str) -> None:
    counted = exact_tree_size(b"<r>" + HOSTILE[kind], LIMIT + len(HOSTILE[kind]))
    assert counted.steps <= 4 * NODES


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_refused_was_not_built(kind: str) -> None:
    data = b"<r>" + HOSTILE[kind] + b"</r>"
    tracemalloc.start()  # libxml2's own memory is not in it: that nothing is parsed is seen by the refusal alone
    try:
        with pytest.raises(XmlRefused) as refusal:
            parse(data, tree=LIMIT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data)
    if len(data) * 8 > LARGE and kind not in ("ends alone", "tags that do not end", "elements that do not end"):
        assert isinstance(refusal.value, XmlTooComplex)


@pytest.mark.parametrize(
    "prolog",
    [
        b"<?xml " + b"a" * LARGE,
        b"<?xml " + b"a" * LARGE + b"?><r/>",
        b"<?xml version='1.0'" + b" " * LARGE + b"encoding='UTF-7'?><r/>",
        b"<!---->" * (LARGE // 7) + b"<r/>",
        b"<?p?>" * (LARGE // 5) + b"<r/>",
        b"<!-- " * (LARGE // 5),
        b"<?p " * (LARGE // 4),
        b" " * LARGE,
        b"\xef\xbb\xbf" + b" " * LARGE,
        b" " * LARGE + b"<!DOCTYPE a><a/>",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_comes_before_the_first_element_takes_no_room_of_its_own(prolog: bytes) -> None:
    for read in (parse, parse_document):
        tracemalloc.start()
        try:
            with pytest.raises(XmlRefused):
                read(prolog)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < LARGE // 16


@pytest.mark.parametrize("encoding", ["UTF-7", "x", "utf-16", "UTF-8' encoding='UTF-7"])
@pytest.mark.parametrize("blanks", ["", " ", " " * 50, "\n\t" * 50])
def test_blanks_hide_no_encoding(encoding: str, blanks: str) -> None:
    declared = f"<?xml version='1.0' {blanks}encoding{blanks}={blanks}'{encoding}'{blanks}?><a/>"
    with pytest.raises(XmlRefused, match="encoding"):
        parse(declared.encode())


def repeated(name: str, count: int, inner: str = "<a/>") -> bytes:
    return f"<r><{name}>{inner * count}</{name.split()[0]}></r>".encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (repeated("n" * 257, 1), "a name of more than 256"),
        (repeated("n" * 200_000, 300), "a name of more than 256"),
        (repeated(f"x {'n' * 257}='1'", 1), "a name of more than 256"),
        (repeated(f"x xmlns='{URI}u'", 1), "a namespace of more than 512"),
        (repeated(f"x xmlns{' ' * 5000}={' ' * 5000}'{URI}u'", 1), "a namespace of more than 512"),
        (repeated(f"x xmlns:p='{URI}u'", 1), "a namespace of more than 512"),
        (repeated(f"x xmlns:{'p' * 513}='u'", 1), "a namespace of more than 512"),
        (b"".join(b"<e%d>" % n for n in range(budgets.DEPTH + 1)) + b"</e>", "not well-formed"),
        (b"<e>" * (budgets.DEPTH + 1) + b"</e>" * (budgets.DEPTH + 1), "nested deeper"),
        (
            b"".join(b"<%s>" % (b"n" * 250) for _ in range(60)) + b"<a/>" * 4000 + b"</%s>" % (b"n" * 250) * 60,
            "the paths of its elements",
        ),
    ],
    ids=range(10),
)
def test_names_that_everything_below_would_repeat_are_limited(data: bytes, complaint: str) -> None:
    with pytest.raises(XmlRefused, match=complaint):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        repeated("n" * 256, 1),
        repeated(f"x xmlns='{URI}'", 100),
        repeated(f"x y='{'A' * 5000}'", 100),
        b"<r>" + b"A" * 5000 + b"==</r>",
        b"<r><![CDATA[" + b"<a b='c'>" * 100_000 + b"]]></r>",
        b"<r>" + b"a=b " * 100_000 + b"</r>",
        b"<r><!--" + b"<a/>" * 100_000 + b"--></r>",
    ],
    ids=range(7),
)
def test_what_only_looks_costly_is_read(data: bytes) -> None:
    assert parse(data).tag == "r"
