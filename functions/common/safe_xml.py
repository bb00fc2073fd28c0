"""Parsing of XML from another machine.

All replies and documents are parsed here. This module rejects

- a DTD, and with it every entity except the five predefined ones,
- an encoding that could hide a DTD,
- input that is not well-formed,
- input whose tree would exceed ``common.budgets``, as estimated from the bytes before parsing.

libxml2's limit of 10 MB per text is lifted, because a user list can be larger. libxml2's protection against entity
expansion is not needed, because no entity can be declared.

Every repetition in a regular expression here has an upper bound: each repetition takes memory, and the other machine
controls how many there are.
"""

import re

from lxml import etree

from common import budgets
from common.xml_costs import behind_space, complaint_about, exceeds

_DECLARATION_MARK = b"<?xml"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRANSPARENT_ENCODING = re.compile(rb"utf-?8|(us-)?ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.IGNORECASE)
"""Encodings in which every ASCII byte stands for that ASCII character. In other encodings, such as UTF-7 and ISO-2022,
a byte search would miss a DTD, and libxml2 expands entities in attributes while it parses.
"""


class XmlRefused(ValueError):
    """The input was rejected. The message says why and never quotes the input."""


class XmlForbidden(XmlRefused):
    """The input declares a DTD, or its encoding could hide one."""


class XmlMalformed(XmlRefused):
    """The input is empty, truncated or not well-formed."""


class XmlTooComplex(XmlRefused):
    """Parsing the input would take more memory than allowed."""


def parse(data: bytes | bytearray, *, start: int = 0, tree: int = budgets.TREE) -> etree._Element:
    """Parse ``data`` from the offset ``start`` and return the root element. ``tree`` is the maximum memory for the
    tree, in bytes.

    Raises XmlForbidden, XmlMalformed or XmlTooComplex; no message quotes ``data``.
    """
    if data.startswith(_BYTE_ORDER_MARK, start):
        start += len(_BYTE_ORDER_MARK)
    first = behind_space(data, start)
    if first == len(data):
        raise XmlMalformed("it is empty")
    _refuse_hidden(data, start, first)
    if exceeds(data, tree):
        raise XmlTooComplex(f"its elements, attributes and texts would take more than {tree} bytes of memory")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_blank_text=False
    )
    try:
        # A memoryview, because a copy of a large document would double its memory. The type stubs accept only bytes.
        root: etree._Element = etree.fromstring(memoryview(data)[start:], parser)  # type: ignore[call-overload]
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise XmlMalformed(f"it is not well-formed at line {line}, column {column}") from None
    if getattr(root.getroottree().docinfo, "doctype", ""):  # missing in the type stubs
        raise XmlForbidden("it has a document type declaration")
    if complaint := complaint_about(data, root):
        raise XmlTooComplex(complaint)
    return root


def parse_document(document: bytes, *, tree: int = budgets.TREE) -> etree._Element:
    """Parse a document as UTF-8, whatever encoding it declares, because it was transferred as text."""
    return parse(document, start=behind_declaration(document), tree=tree)


_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


def holds_forbidden(text: bytes) -> bool:
    """Whether ``text``, in UTF-8, contains a character that XML 1.0 cannot represent."""
    return (
        len(text.translate(None, _CONTROLS)) != len(text)
        or (b"\xef" in text and (b"\xef\xbf\xbe" in text or b"\xef\xbf\xbf" in text))  # U+FFFE and U+FFFF
        or (b"\xed" in text and _SURROGATE.search(text) is not None)
    )


def is_utf8(beginning: bytes) -> bool:
    """Whether a document is XML in UTF-8, judged by its first bytes and its declared encoding."""
    first = behind_space(beginning, 0)
    if not beginning.startswith(b"<", first) or b"\0" in beginning:
        return False
    if not beginning.startswith(_DECLARATION_MARK, first):
        return True
    end = beginning.find(b"?>", first)
    return end >= 0 and all(name.upper() == b"UTF-8" for name in _encodings(beginning[first:end]))


def behind_declaration(document: bytes) -> int:
    """The offset after the byte-order mark and XML declaration of ``document``, which is UTF-8."""
    start = len(_BYTE_ORDER_MARK) if document.startswith(_BYTE_ORDER_MARK) else 0
    first = behind_space(document, start)
    if not _is_declaration(document, first):
        return start
    end = document.find(b"?>", first, first + budgets.DECLARATION)
    return end + 2 if end >= 0 else start


def declaration(document: bytes) -> bytes:
    """The XML declaration at the start of ``document``, which is UTF-8; empty if there is none."""
    return document[: behind_declaration(document)].removeprefix(_BYTE_ORDER_MARK).lstrip()


def local_name(node: etree._Element | str) -> str:
    """The local name of an element, or of an attribute key, without the namespace."""
    return (node if isinstance(node, str) else node.tag).rpartition("}")[2]


def _is_declaration(data: bytes | bytearray, start: int) -> bool:
    behind = start + len(_DECLARATION_MARK)
    return data.startswith(_DECLARATION_MARK, start) and bytes(data[behind : behind + 1]).isspace()


def _encodings(text: bytes) -> list[bytes]:
    """Every value that an XML declaration could be read to declare as its encoding."""
    values = (behind.lstrip() for behind in text.split(b"encoding")[1:])
    quoted = (value[1:].lstrip() for value in values if value.startswith(b"="))
    return [value[1:].partition(value[:1])[0] for value in quoted if value[:1] in (b"'", b'"')]


def _refuse_hidden(data: bytes | bytearray, start: int, first: int) -> None:
    """Reject a DTD, and any encoding that could hide one, before parsing. ``first`` is the offset of the first tag."""
    if b"\0" in data[start : start + 64] or data.startswith((b"\xff\xfe", b"\xfe\xff"), start):
        raise XmlForbidden("its encoding is neither UTF-8 nor a superset of ASCII")
    if not data.startswith(b"<", first):  # libxml2 would detect EBCDIC, in which "<" is another byte
        raise XmlMalformed("it does not begin with an element")
    place = first
    if _is_declaration(data, first):
        end = data.find(b"?>", first, first + budgets.DECLARATION)
        if end < 0:
            raise XmlMalformed("its XML declaration has no end")
        if not all(map(_TRANSPARENT_ENCODING.fullmatch, _encodings(bytes(data[first:end])))):
            raise XmlForbidden("its encoding is neither UTF-8 nor a superset of ASCII")
        place = behind_space(data, end + len(b"?>"))
    for _ in range(budgets.PROLOG + 1):
        ending = b"?>" if data.startswith(b"<?", place) else b"-->" if data.startswith(b"<!--", place) else b""
        end = data.find(ending, place) if ending else -1
        if end < 0:  # an element, a DTD, or a construct without an end, which the parser rejects
            break
        place = behind_space(data, end + len(ending))
    else:
        raise XmlTooComplex(f"it has more than {budgets.PROLOG} comments or instructions before its first element")
    if data.startswith(b"<!", place) and bytes(data[place + 2 : place + 3]).isalpha():
        raise XmlForbidden("it has a document type declaration")
