"""Labels of a document's nodes, to which keep patterns are compared, and the nodes that the patterns keep.

The server program defines the names of elements and attributes, so they identify a setting. A name inside a value may
identify a setting as well (``<entry name="soapPort" value="1"/>``), or people may have chosen it (``<policy
name="Admins">``). The element with the name decides which: a key with a value is a setting, and a policy, a job or a
site was named by people. Undecidable names, such as in ``<section name="SOAP">``, are marked as either.
"""

from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from common.safe_xml import local_name
from replication.documents.canonical import XSI_TYPE, children, plain, plain_name, text_of
from replication.documents.entry_names import ABOUT_VALUES, LARGEST_ENTRY, NAME_KEYS, VALUES, name_in, names_of
from replication.documents.keep_patterns import (
    EITHER,
    GIVEN,
    POSSIBLE,
    Labels,
    Path,
    Rules,
    exact_step,
    words,
)
from replication.documents.possible_names import possible_names
from replication.documents.setting_words import ENTRIES, THINGS, is_title


@lru_cache(maxsize=8192)
def attribute_labels(key: str) -> Labels:
    """The labels of an attribute."""
    return frozenset({"@" + words(local_name(key)), words(local_name(key))})


def element_labels(element: etree._Element) -> Labels:
    """The labels of an element: its tag, each of its names, and both combined.

    A value that may be the element's name is marked as possibly chosen by people.
    """
    tag = local_name(element)
    labels = {words(tag)}
    names = [value for _, value in names_of(element)]
    for name, mark in zip(names, _marks(element, names), strict=True):
        labels |= {mark + words(name), exact_step(tag, name)}
    for possible in possible_names(element):
        labels.add(POSSIBLE + exact_step(possible.tag, possible.name))
        if possible.has_value:
            labels.add(EITHER + words(possible.name))
    return frozenset(labels)


def is_entry(element: etree._Element) -> bool:
    """Whether an element with a name is an entry: a setting's name with the setting's value, which may be absent.

    An element with the tag of an entry, such as ``entry`` or ``param``, may have more content than a name and a value,
    because newer servers add some.
    """
    if len(element) > LARGEST_ENTRY:
        return False
    values = 0
    says_more = False
    for key in element.attrib:
        name = plain_name(str(key))
        values += name in VALUES
        says_more |= not (name in VALUES or name in NAME_KEYS or name in ABOUT_VALUES or str(key) == XSI_TYPE)
    for child in children(element):
        if not _is_name(child):
            if next(children(child), None) is not None:
                return False
            name = plain_name(str(child.tag))
            values += name in VALUES
            says_more |= not (name in VALUES or name in ABOUT_VALUES)
    is_called_entry = plain(local_name(element)) in ENTRIES
    has_value = bool(values or text_of(element).strip())
    return has_value if says_more and is_called_entry else not says_more and (has_value or is_called_entry)


def _is_name(child: etree._Element) -> bool:
    return plain_name(str(child.tag)) in NAME_KEYS and bool(name_in(child))


def _marks(element: etree._Element, names: list[str]) -> Iterator[str]:
    """The prefix of each name's label: empty for the name of a setting. An element may have many names."""
    kind = words(local_name(element)).rpartition("-")[2]
    if kind in THINGS:
        yield from (GIVEN for _ in names)
    elif is_entry(element):
        yield from ("" if is_title(name) else EITHER for name in names)
    elif names:
        may_be_section = _holds_values(element)
        yield from (EITHER if may_be_section and is_title(name) else GIVEN for name in names)


def _holds_values(element: etree._Element) -> bool:
    """Whether an element contains more than its names. An element with only names has no value and is no setting."""
    return (
        any(plain_name(str(key)) not in NAME_KEYS for key in element.attrib)
        or any(not _is_name(child) for child in children(element))
        or bool(text_of(element).strip())
    )


def kept(root: etree._Element, rules: Rules) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    """The outermost nodes of a document that the keep patterns match: elements, or an element with an attribute's
    key.
    """
    yield from kept_below(root, (element_labels(root),), rules)


def kept_below(
    element: etree._Element, path: Path, rules: Rules
) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    """The outermost kept nodes below an element with this ``path``, including its own attributes."""
    for key in element.attrib:
        if rules.match((*path, attribute_labels(str(key)))):
            yield element, str(key)
    for child in children(element):
        child_path = (*path, element_labels(child))
        if rules.match(child_path):
            yield child
        else:
            yield from kept_below(child, child_path, rules)
