"""Paths into documents, and what counts as the same document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.faults import normalised
from local.cerberus.generate import generate

_TEXT = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<a:settings xmlns:a="{COMMON}">
  <a:tls a:file="x">Ω</a:tls>
  <a:entry a:name="Port" a:value="1"/>
  <a:entry><a:key>Path</a:key><a:value>c:/d</a:value></a:entry>
  <a:user a:name="Ann@Example"/>
</a:settings>"""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tls", "Ω"),
        ("tls/@file", "x"),
        ("entry[Port]/@value", "1"),
        ("entry[Path]/value", "c:/d"),
        ("user[ANN@example]/@name", "Ann@Example"),
        ("nothing/here", None),
        ("tls/@nothing", None),
    ],
)
def test_a_path_finds_its_value(path: str, value: str | None) -> None:
    assert documents.get(documents.parse(_TEXT), path) == value


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("tls", "tls"),
        ("tls/@other", "tls/@other"),
        ("entry[Port]", "entry[Port]/@value"),
        ("entry[Path]", "entry[Path]/value"),
        ("made/on/the/way", "made/on/the/way"),
    ],
)
def test_a_value_that_was_set_is_read_back(path: str, read: str) -> None:
    root = documents.parse(_TEXT)

    documents.set_value(root, path, "new")

    assert documents.get(root, read) == "new"


def test_what_was_removed_is_gone_and_nothing_else() -> None:
    root = documents.parse(_TEXT)
    before = documents.flatten(root)

    assert documents.remove(root, "tls/@file")
    assert documents.remove(root, "entry[Path]")
    assert not documents.remove(root, "entry[Path]")

    gone = before.keys() - documents.flatten(root).keys()
    assert gone == {"tls/@file", "entry[Path]", "entry[Path]/key", "entry[Path]/value"}


@pytest.mark.parametrize("name", documents.ROOTS)
def test_another_order_prefix_and_indentation_is_the_same_content(name: str) -> None:
    text = generate(5, users=8, groups=3).document(name)
    other = normalised(text)

    assert other != text
    assert "cfg:" in other
    assert documents.flatten(documents.parse(other)) == documents.flatten(documents.parse(text))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40))
def test_any_text_set_as_a_value_is_read_back(value: str) -> None:
    root = documents.parse(_TEXT)
    documents.set_value(root, "tls", value)
    documents.set_value(root, "tls/@file", value)

    again = documents.parse(documents.render(root))

    assert documents.get(again, "tls") == value
    assert documents.get(again, "tls/@file") == value


def test_a_repeated_item_is_not_lost() -> None:
    root = documents.parse(f'<a:x xmlns:a="{COMMON}"><a:user a:name="b"/><a:user a:name="B"/></a:x>')

    assert {"user[b]/@name", "user[b]#2/@name"} <= documents.flatten(root).keys()


def test_a_foreign_namespace_is_not_the_same_name() -> None:
    root = documents.parse('<x xmlns:b="urn:other" b:y="1"><b:z/></x>')

    assert documents.flatten(root).keys() == {"", "@{urn:other}y", "{urn:other}z"}
