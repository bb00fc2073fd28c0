"""The memory cost of a document, estimated before parsing and checked again right after parsing.

Before parsing, the size of the parser's tree is estimated. The first estimate is an upper bound from counting three
characters, which is fast. If it is above the limit, the tags are counted one by one, and counting stops at the limit.
After parsing, names, depth and namespaces are checked, because paths and qualified names repeat names and namespaces.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

from common import budgets

type Data = bytes | bytearray

_NO_SPACE = re.compile(rb"[^ \t\n\r\x0b\x0c]")


def behind_space(data: Data, start: int) -> int:
    """The offset of the first byte from ``start`` on that is not white space; the length of ``data`` if there is
    none.
    """
    match = _NO_SPACE.search(data, start)
    return match.start() if match else len(data)


def exceeds(data: Data, limit: int) -> bool:
    """Whether a parser's tree of ``data`` would take more than ``limit`` bytes."""
    return tree_size(data) > limit and exact_tree_size(data, limit).size > limit


def tree_size(data: Data) -> int:
    """An upper bound of the tree's size in bytes: every ``=`` is counted as an attribute. This estimate takes
    almost no time.
    """
    tags = data.count(b"<")
    nodes = (tags - data.count(b"</")) * budgets.ELEMENT + (tags - data.count(b"><")) * budgets.TEXT
    return len(data) + nodes + data.count(b"=") * budgets.ATTRIBUTE


class TreeSize(NamedTuple):
    """The size of a parser's tree in bytes, and the number of counting steps."""

    size: int
    steps: int


_MARKUP = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))
_IN_TAG = re.compile(rb"[>\"']")


def exact_tree_size(data: Data, limit: int) -> TreeSize:
    """The size of the parser's tree, counted tag by tag; counting stops once the size exceeds ``limit``.

    Input that is not well-formed is counted up to about the first error, which the parser will report.
    """
    size, steps, open_tags, place = len(data), 0, 0, 0
    while size <= limit and open_tags >= 0:
        steps += 1
        start = data.find(b"<", place)
        if start < 0:
            break
        size += budgets.TEXT if start > place else 0
        ending = next((ending for beginning, ending in _MARKUP if data.startswith(beginning, start)), b"")
        if ending:
            end, size = data.find(ending, start), size + budgets.TEXT
        elif data.startswith(b"</", start):
            end, ending, open_tags = data.find(b">", start), b">", open_tags - 1
        else:
            end, attributes = _tag(data, start, (limit - size) // budgets.ATTRIBUTE)
            ending, steps = b">", steps + attributes
            size += budgets.ELEMENT + attributes * budgets.ATTRIBUTE
            open_tags += not data.startswith(b"/", end - 1)
        if end < 0:
            break
        place = end + len(ending)
    return TreeSize(size, steps)


def _tag(data: Data, start: int, most: int) -> tuple[int, int]:
    """The end offset of a start tag (-1 if it has no end) and its number of attributes; counting stops above
    ``most``.
    """
    place, attributes = start, 0
    while attributes <= most:
        match = _IN_TAG.search(data, place)
        if match is None:
            return -1, attributes
        if match[0] == b">":
            return match.start(), attributes
        attributes += 1
        place = data.find(match[0], match.end()) + 1
        if place == 0:
            return -1, attributes
    return -1, attributes


# Limits for names, depth and namespaces -------------------------------------------------------------------------------

_TOO_DEEP = etree.XPath(f"boolean({'/*' * (budgets.DEPTH + 1)})")
_TOO_WIDE = etree.XPath(f"boolean(/descendant::*[@*[{budgets.ATTRIBUTES + 1}]])")
_LONG = f"[string-length(name()) > {budgets.NAME}]"
_LONG_NAME = etree.XPath(f"boolean(/descendant::*{_LONG} | /descendant::*/@*{_LONG})")
_MAY_BE_LONG_NAME = re.compile(rb"[^\s<>\"'=/]{%d}" % (budgets.NAME + 1))
_FEW_NAMESPACES = 16
_LABEL = 88
"""Maximum number of characters that a path adds to an element's tag: the name of the entry or its position."""
_FEW_ELEMENTS = budgets.PATHS // (budgets.DEPTH * (budgets.NAME + _LABEL))
"""With at most this many elements, the paths cannot exceed their limit."""


def complaint_about(data: Data, root: etree._Element) -> str:
    """Why names, paths or namespaces in the tree of ``data`` exceed their limits; empty if they do not."""
    return next(_complaints(data, root), "")


def _complaints(data: Data, root: etree._Element) -> Iterator[str]:
    if _TOO_DEEP(root):
        yield f"it is nested deeper than {budgets.DEPTH} elements"
    if _TOO_WIDE(root):
        yield f"it has an element with more than {budgets.ATTRIBUTES} attributes"
    if _MAY_BE_LONG_NAME.search(data) and _LONG_NAME(root):
        yield f"it has a name of more than {budgets.NAME} characters"
    if not _has_short_namespaces(data):
        yield from _about_namespaces(root)
    if data.count(b"<") > _FEW_ELEMENTS and _has_long_paths(root):
        yield f"the paths of its elements have more than {budgets.PATHS} characters"


def _has_short_namespaces(data: Data) -> bool:
    """Whether ``data`` has few namespace declarations, all of them short."""
    if data.count(b"xmlns") > _FEW_NAMESPACES:
        return False
    place = data.find(b"xmlns")
    while place >= 0:
        equals = data.find(b"=", place, place + budgets.NAME) + 1
        quote = behind_space(data, equals) if equals else len(data)
        if quote == len(data) or data.find(data[quote : quote + 1], quote + 1, quote + 1 + budgets.NAMESPACE) < 0:
            return False
        place = data.find(b"xmlns", quote)
    return True


def _about_namespaces(root: etree._Element) -> Iterator[str]:
    held = 0
    for event, declared in etree.iterwalk(root, events=("start-ns", "end-ns")):
        held += 1 if event == "start-ns" else -1
        if held > budgets.NAMESPACES:
            yield f"it declares more than {budgets.NAMESPACES} namespaces for one element"
        if event == "start-ns" and any(len(said) > budgets.NAMESPACE for said in declared):
            yield f"it has a namespace of more than {budgets.NAMESPACE} characters"


def _has_long_paths(root: etree._Element) -> bool:
    room, path = budgets.PATHS, 0
    paths: list[int] = []
    for event, element in etree.iterwalk(root, events=("start", "end"), tag=etree.Element):
        if event == "end":
            path = paths.pop()
            continue
        paths.append(path)
        path += len(element.tag.rpartition("}")[2]) + (_LABEL if len(element) else 0)
        room -= path
        if room < 0:
            return True
    return False
