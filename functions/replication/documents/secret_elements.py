"""Decides which elements contain secrets: by their names, by their own declaration, by the label beside them.

A name, a type, a title, a text, the preceding element or the head of a column may show that a value is a password.
Labels are written by people with arbitrary punctuation (``Password (bind):``), so only their words and their length are
used.
"""

from collections.abc import Iterator
from itertools import filterfalse, islice

from lxml import etree

from common.patterns import Whole
from replication.documents.canonical import children, is_named, own_value, plain_name, text_of
from replication.documents.entry_names import VALUES, key_of
from replication.documents.keep_patterns import labels_of
from replication.documents.secret_names import is_secret_name

LONGEST_LABEL = 80
_IN_NAMES = frozenset(" -_.")
_METHODS = ("method", "methods", "mode", "scheme")
"""Endings of names whose value is a log-in method. There the word "password" is a method, and a value beside it may be
a log-in.
"""
_WAYS_TO_LOG_IN = frozenset({"basic", "digest"})
_HINT = "hint"
"""The name of a value that may be a secret itself, and may also be the label of a secret."""


def is_secret_element(element: etree._Element) -> bool:
    """Whether an element's values may be secret: by its names, its declaration, its label or its column head."""
    return (
        any(map(is_secret_name, labels_of(element)))
        or says_secret(element)
        or _is_labelled_secret(element)
        or _is_below_secret_head(element)
    )


def says_secret(element: etree._Element) -> bool:
    """Whether an element declares itself secret: ``<field type="password">``, ``<title>Bind password:``."""
    said = [(name, value) for name, value in _said_in(element) if name == _HINT or not is_secret_name(name)]
    ways = [value for name, value in said if name.endswith(_METHODS)]
    labels = [value for name, value in said if not name.endswith(_METHODS)]
    return any(map(_names_secret, labels)) or (any(map(_is_way_to_log_in, ways)) and _holds_value(element))


def is_written_as_name(text: str) -> bool:
    """Whether a text consists of words only, and may be displayed as the name of a secret."""
    return len(text) <= LONGEST_LABEL and set(filterfalse(str.isalnum, text)) <= _IN_NAMES


def _said_in(element: etree._Element) -> Iterator[tuple[str, str]]:
    """The values directly in an element, each with its plain name; texts between children have an empty name.

    The value of a child that has a name of its own concerns only that child.
    """
    yield from ((plain_name(str(key)), str(value)) for key, value in element.attrib.items())
    is_leaf = True
    for child in children(element):
        is_leaf = False
        if not is_named(child):
            yield plain_name(str(child.tag)), own_value(child) or ""
        yield "", child.tail or ""
    if not is_leaf:
        yield "", element.text or ""


def _names_secret(label: str) -> bool:
    return len(label) <= LONGEST_LABEL and (
        is_secret_name(label.strip()) or _OPTION.fullmatch(label.strip()) is not None
    )


_OPTION = Whole(r"(?i)-{1,2}(?:a|u|p|k|pw|rp|up|auth|user|pass|log[io]n|creds?)")
"""A command-line option such as ``-p`` whose argument, which is not in the same text, is a log-in or a password."""


def _is_way_to_log_in(method: str) -> bool:
    """Whether a log-in method requires a secret."""
    return method.strip().casefold() in _WAYS_TO_LOG_IN or _names_secret(method)


def _holds_value(element: etree._Element) -> bool:
    """Whether an element has a value of its own: a text, or a child or attribute for a value."""
    names = [plain_name(str(key)) for key in element.attrib]
    names += [plain_name(str(child.tag)) for child in children(element)]
    return not VALUES.isdisjoint(names) or bool(text_of(element).strip())


def _is_labelled_secret(element: etree._Element) -> bool:
    """Whether an element without a name is preceded by a label of a secret and nothing else."""
    before = element.getprevious()
    if before is None or key_of(element):
        return False
    if not isinstance(before.tag, str):  # a comment or an instruction
        return _names_secret(before.text or "")
    label = _only_value(before)
    return label is not None and _names_secret(label)


def _is_below_secret_head(element: etree._Element) -> bool:
    """Whether an element is a cell of a row or list, and the head or label of its column denotes a secret."""
    row = element.getparent()
    place = sum(1 for _ in islice(element.itersiblings(tag=etree.Element, preceding=True), _LONGEST_ROW))
    if row is None or not (cells := _cells(row)) or place >= len(cells):
        return False
    for head in _heads(row):
        labels = _cells(head)
        if len(labels) == len(cells) and (label := _only_value(labels[place])) is not None and _names_secret(label):
            return True
    return False


_LONGEST_ROW = 64
_LARGEST_LABEL = 64
"""Maximum number of elements, comments and instructions in a possible label."""


def _cells(row: etree._Element) -> list[etree._Element]:
    """The cells of a row, which are several elements of one kind. The result is empty for anything else, and for a very
    long row.
    """
    cells = list(islice(children(row), _LONGEST_ROW + 1))
    return cells if 1 < len(cells) <= _LONGEST_ROW and len({str(cell.tag) for cell in cells}) == 1 else []


def _heads(row: etree._Element) -> Iterator[etree._Element]:
    """The elements that may contain the labels of a row's cells: at the start of its table, before the row, or before
    its table.
    """
    yield from _before(row)
    table = row.getparent()
    for above in _before(table) if table is not None else ():
        yield above
        yield from islice(children(above), 1)


def _before(element: etree._Element) -> Iterator[etree._Element]:
    """The first sibling and the preceding sibling of an element."""
    parent = element.getparent()
    first = next(children(parent), None) if parent is not None else None
    if first is not None and first is not element:
        yield first
        yield from islice(element.itersiblings(tag=etree.Element, preceding=True), 1)


def _only_value(element: etree._Element) -> str | None:
    """The only value in an element including its descendants; None if there are more, or none.

    An element with more than ``_LARGEST_LABEL`` nodes is not a label. It is not searched, because every row of a table
    asks for the table's head.
    """
    nodes = list(islice(element.iter(), _LARGEST_LABEL + 1))
    if len(nodes) > _LARGEST_LABEL:
        return None
    value: str | None = None
    for one in nodes:
        if not isinstance(one.tag, str):  # a comment or an instruction
            continue
        said = [*map(str, one.attrib.values()), *filter(str.strip, [text_of(one)])]
        if len(said) > 1 or (said and value is not None):
            return None
        value = said[0] if said else value
    return value
