"""Finds the names of an element, in its attributes and in its children.

The words for names are ambiguous: ``setting`` can be an attribute with the name of a setting (``<e setting="soapPort"
value="1"/>``), or the tag of a setting (``<setting id="color" value="blue"/>``). So a child counts as a name of its
parent only if the child has no name itself. A child called ``setting`` or similar must also be beside the value that it
names. Everything else is a value. A value never serves as a name, because it may be a secret and because it changes.
"""

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from replication.documents.canonical import IDENTITY_KEYS, children, is_named, own_value, plain_name

NAME_KEYS = ("name", "key", "setting", "property", "option", "parameter", "id")
"""Names of attributes and tags that contain a name or key, the most specific first. ``title`` is not among them,
because a title does not identify a setting.
"""
TYPED_VALUES = frozenset(
    {"int", "integer", "uint", "long", "dword", "qword", "bool", "boolean", "double", "float", "decimal", "str"}
)
"""Tags of values that state the value's type: ``<int>1</int>``."""
VALUES = frozenset({"value", "values", "val", "v", "data", "content", "text", "string", "default"}) | TYPED_VALUES
"""Names of attributes and children that hold the value of an entry."""
ABOUT_VALUES = frozenset({"type", "kind", "datatype", "format", "encrypted", "encoding", "readonly", "isdefault"})
"""Names of attributes and children that may accompany the value of an entry."""
_NAMES_OF_VALUES = frozenset({"key", "setting", "property", "option", "parameter"})
"""Tags of children that contain a name if a value is beside them. Elsewhere these tags are those of settings."""
LARGEST_ENTRY = 32
"""Maximum number of children of an entry with a name and a value."""
_NEAR = 32
"""Number of siblings before, and after, an entry without a value that are searched for an entry with a value."""


def key_of(element: etree._Element) -> str:
    """The most specific name or key of an entry, empty for an element without one."""
    names = dict(reversed(list(names_of(element))))
    return next((names[key] for key in NAME_KEYS if key in names), "")


def names_of(element: etree._Element) -> Iterator[tuple[str, str]]:
    """The names of an element, each with the plain name of the attribute or child that contains the name."""
    for key, value in element.attrib.items():
        if value and (plain := plain_name(str(key))) in NAME_KEYS:
            yield plain, str(value)
    for child in children(element):
        if (plain := plain_name(str(child.tag))) in NAME_KEYS and (held := name_in(child)):
            yield plain, held


def name_in(child: etree._Element) -> str:
    """The name that a child gives its parent, including titles; empty if the child is not a name."""
    plain = plain_name(str(child.tag))
    if plain not in IDENTITY_KEYS or is_named(child):
        return ""
    if plain in _NAMES_OF_VALUES and not _is_in_pair(child):
        return ""
    return own_value(child) or ""


def _is_in_pair(child: etree._Element) -> bool:
    """Whether a child is the only one of its kind beside the value that it names.

    Other children, which newer servers add, do not matter: otherwise a setting would lose its name and would not be
    kept. If the value is absent, a nearby entry of the same kind with a value shows that the child is a name.
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
    """The plain names of an element's children. Only one child more than an entry may have is looked at."""
    return [plain_name(str(one.tag)) for one in islice(children(element), LARGEST_ENTRY + 1)]


def _near(element: etree._Element) -> Iterator[etree._Element]:
    for preceding in (True, False):
        for sibling in islice(element.itersiblings(preceding=preceding), _NEAR):
            if sibling.tag == element.tag:
                yield sibling
