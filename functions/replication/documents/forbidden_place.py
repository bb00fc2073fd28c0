"""Locates a character that XML cannot represent, by the name of the user or setting that contains it.

This module is separate from ``common.forbidden_characters``, because that one handles the bytes of any reply, and this
one finds paths in a document.
"""

from collections.abc import Iterator

from lxml import etree

from common.forbidden_characters import mark_forbidden
from common.safe_xml import XmlRefused, local_name, parse_document
from replication.documents.diff import Paths, show

_LONGEST = 200


def forbidden_place(document: bytes, room: int) -> str:
    """The path of the first value with a character that XML cannot represent, and the number of further such values.
    The result is empty if there is none.

    ``room`` is the maximum size of the document's tree in bytes.
    """
    marked = mark_forbidden(document)
    if marked is None:
        return ""
    try:
        root = parse_document(marked.data, tree=room)
    except XmlRefused:
        return ""
    places = [element for element in root.iter(etree.Element) if marked.mark in "".join(_texts(element))]
    if not places:  # the character is in a comment or in white space between elements, where it changes no value
        return show(Paths().steps_to(root))
    attribute = next((f"/@{local_name(str(key))}" for key, value in places[0].items() if marked.mark in str(value)), "")
    path = marked.shown(show(Paths().steps_to(places[0])) + attribute)[:_LONGEST]
    return f"{path} and {len(places) - 1} more" if len(places) > 1 else path


def _texts(element: etree._Element) -> Iterator[str]:
    yield element.text or ""
    for value in element.values():
        yield str(value)
    for child in element:
        yield child.tail or ""
