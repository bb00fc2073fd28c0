"""What an element is called by what it bears: names in its attributes and in its children.

The words that name things are ambiguous: ``setting`` is what the name of a
setting is called (``<e setting="soapPort" value="1"/>``), and what a setting
is called (``<setting id="color" value="blue"/>``). So a child is a name of its
parent only if it bears no name itself. One called ``setting`` or the like
must stand beside the value that it names. Everything else is a value, and a
value names nothing: it may be a secret, and it changes.
"""

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from replication.documents.canonical import IDENTITY_KEYS, children, is_named, own_value, plain_name

NAME_KEYS = ("name", "key", "setting", "property", "option", "parameter", "id")
"""What a name or key is called, the most telling first. A title does not say what a setting is about."""
TYPED_VALUES = frozenset(
    {"int", "integer", "uint", "long", "dword", "qword", "bool", "boolean", "double", "float", "decimal", "str"}
)
"""What a value is called after its type."""
VALUES = frozenset({"value", "values", "val", "v", "data", "content", "text", "string", "default"}) | TYPED_VALUES
"""What the value of an entry is called, beside its name."""
ABOUT_VALUES = frozenset({"type", "kind", "datatype", "format", "encrypted", "encoding", "readonly", "isdefault"})
"""What may stand beside the value of an entry."""
_NAMES_OF_VALUES = frozenset({"key", "setting", "property", "option", "parameter"})
"""Children that are names only beside a value, and settings of their own elsewhere."""
LARGEST_ENTRY = 32
"""Children of an entry with a name and a value; what has more is no entry."""
_NEAR = 32
"""Siblings on either side of an entry without a value, of which one with a value says what it is."""


def key_of(element: etree._Element) -> str:
    """The most telling name or key of an entry, empty for an element that bears none."""
    names = dict(reversed(list(names_of(element))))
    return next((names[key] for key in NAME_KEYS if key in names), "")


def names_of(element: etree._Element) -> Iterator[tuple[str, str]]:
    """What an element is called: each name-like attribute or child (in plain words) with its value."""
    for key, value in element.attrib.items():
        if value and (plain := plain_name(str(key))) in NAME_KEYS:
            yield plain, str(value)
    for child in children(element):
        if (plain := plain_name(str(child.tag))) in NAME_KEYS and (held := name_in(child)):
            yield plain, held


def name_in(child: etree._Element) -> str:
    """The name that a child is of its parent, titles included; empty for a child that is none."""
    plain = plain_name(str(child.tag))
    if plain not in IDENTITY_KEYS or is_named(child):
        return ""
    if plain in _NAMES_OF_VALUES and not _is_in_pair(child):
        return ""
    return own_value(child) or ""


def _is_in_pair(child: etree._Element) -> bool:
    """Whether a child stands, the only one of its kind, beside the value that it names.

    What else a newer server says there changes nothing: a setting that lost its
    name would not be kept. Where a value is absent, an entry of the same kind
    nearby says what the child is.
    """
    parent, name = child.getparent(), plain_name(str(child.tag))
    if parent is None:
        return False
    tags = _tags_inside(parent)
    if len(tags) > LARGEST_ENTRY or tags.count(name) != 1:
        return False
    if not VALUES.isdisjoint(tags):
        return True
    return ABOUT_VALUES.issuperset(tag for tag in tags if tag != name) and any(
        name in inside and not VALUES.isdisjoint(inside) for inside in map(_tags_inside, _near(parent))
    )


def _tags_inside(element: etree._Element) -> list[str]:
    """The plain names of an element's children, one more than an entry may have at the most."""
    return [plain_name(str(one.tag)) for one in islice(children(element), LARGEST_ENTRY + 1)]


def _near(element: etree._Element) -> Iterator[etree._Element]:
    for preceding in (True, False):
        for sibling in islice(element.itersiblings(preceding=preceding), _NEAR):
            if sibling.tag == element.tag:
                yield sibling
