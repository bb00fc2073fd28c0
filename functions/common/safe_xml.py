"""Reading XML that another machine sent.

One way in for replies and documents alike. Not accepted: a DTD (and with it
every entity but the five of XML itself), an encoding that hides one, anything
not well-formed, and what would take more room than ``common.budgets`` allows:
that is counted in the bytes before anything is built. libxml2's limit of 10 MB
per text is lifted because a user list can be larger; its protection against
entity expansion is not needed where no entity can be declared.

No expression here repeats anything without a bound: each repetition takes
memory, and the other machine says how many there are.
"""

import re

from lxml import etree

from common import budgets
from common.xml_costs import behind_space, complaint_about, exceeds

_DECLARATION_MARK = b"<?xml"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TRANSPARENT_ENCODING = re.compile(rb"utf-?8|(us-)?ascii|iso-8859-[0-9]{1,2}|windows-125[0-9]", re.IGNORECASE)
"""Encodings in which every ASCII byte is that character. In others (UTF-7, ISO-2022) a DTD can be written that no
search of the bytes would find, and libxml2 expands entities in attributes while it parses."""


class XmlRefused(ValueError):
    """The input was not read. The text says why and never holds any of the input."""


class XmlForbidden(XmlRefused):
    """It declares a DTD or hides what it declares."""


class XmlMalformed(XmlRefused):
    """It is empty, cut short or not well-formed."""


class XmlTooComplex(XmlRefused):
    """To look at it would take more memory than there is for it."""


def parse(data: bytes | bytearray, *, start: int = 0, tree: int = budgets.TREE) -> etree._Element:
    """Parse ``data`` from ``start`` on and return the root element. ``tree`` is the room for it, in bytes.

    Raises XmlForbidden, XmlMalformed or XmlTooComplex; none holds any of ``data``.
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
        # A view, because a copy of a large document would take its room again. The stubs know only bytes.
        root: etree._Element = etree.fromstring(memoryview(data)[start:], parser)  # type: ignore[call-overload]
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise XmlMalformed(f"it is not well-formed at line {line}, column {column}") from None
    if getattr(root.getroottree().docinfo, "doctype", ""):  # the stubs do not know this property
        raise XmlForbidden("it has a document type declaration")
    if complaint := complaint_about(data, root):
        raise XmlTooComplex(complaint)
    return root


def parse_document(document: bytes, *, tree: int = budgets.TREE) -> etree._Element:
    """Parse a document that is UTF-8, whatever encoding it declares: it was text when it was sent."""
    return parse(document, start=behind_declaration(document), tree=tree)


_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r"))
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")


def holds_forbidden(text: bytes) -> bool:
    """Whether ``text``, in UTF-8, holds a character that XML 1.0 has no way to write."""
    return (
        len(text.translate(None, _CONTROLS)) != len(text)
        or (b"\xef" in text and (b"\xef\xbf\xbe" in text or b"\xef\xbf\xbf" in text))  # U+FFFE and U+FFFF
        or (b"\xed" in text and _SURROGATE.search(text) is not None)
    )


def is_utf8(beginning: bytes) -> bool:
    """Whether what begins like this is XML in UTF-8, by its first bytes and the encoding it declares."""
    first = behind_space(beginning, 0)
    if not beginning.startswith(b"<", first) or b"\0" in beginning:
        return False
    if not beginning.startswith(_DECLARATION_MARK, first):
        return True
    end = beginning.find(b"?>", first)
    return end >= 0 and all(name.upper() == b"UTF-8" for name in _encodings(beginning[first:end]))


def behind_declaration(document: bytes) -> int:
    """Where ``document``, in UTF-8, goes on behind a byte-order mark and an XML declaration."""
    start = len(_BYTE_ORDER_MARK) if document.startswith(_BYTE_ORDER_MARK) else 0
    first = behind_space(document, start)
    if not _is_declaration(document, first):
        return start
    end = document.find(b"?>", first, first + budgets.DECLARATION)
    return end + 2 if end >= 0 else start


def declaration(document: bytes) -> bytes:
    """The XML declaration ``document``, in UTF-8, starts with, or nothing."""
    return document[: behind_declaration(document)].removeprefix(_BYTE_ORDER_MARK).lstrip()


def local_name(node: etree._Element | str) -> str:
    """The name without its namespace, of an element or of an attribute's key."""
    name = node if isinstance(node, str) else node.tag
    return name.rpartition("}")[2]


def _is_declaration(data: bytes | bytearray, start: int) -> bool:
    behind = start + len(_DECLARATION_MARK)
    return data.startswith(_DECLARATION_MARK, start) and bytes(data[behind : behind + 1]).isspace()


def _encodings(text: bytes) -> list[bytes]:
    """Whatever an XML declaration could declare as its encoding."""
    values = (behind.lstrip() for behind in text.split(b"encoding")[1:])
    quoted = (value[1:].lstrip() for value in values if value.startswith(b"="))
    return [value[1:].partition(value[:1])[0] for value in quoted if value[:1] in (b"'", b'"')]


def _refuse_hidden(data: bytes | bytearray, start: int, first: int) -> None:
    """Refuse a DTD, and what could hide one, before anything is parsed. ``first`` is where the first tag begins."""
    if b"\0" in data[start : start + 64] or data.startswith((b"\xff\xfe", b"\xfe\xff"), start):
        raise XmlForbidden("its encoding is neither UTF-8 nor a superset of ASCII")
    if not data.startswith(b"<", first):  # EBCDIC, which libxml2 would detect, does not begin with this byte
        raise XmlMalformed("it does not begin with an element")
    place = first
    if _is_declaration(data, first):
        end = data.find(b"?>", first, first + budgets.DECLARATION)
        if end < 0:
            raise XmlMalformed("its XML declaration does not end")
        if not all(map(_TRANSPARENT_ENCODING.fullmatch, _encodings(bytes(data[first:end])))):
            raise XmlForbidden("its encoding is neither UTF-8 nor a superset of ASCII")
        place = behind_space(data, end + len(b"?>"))
    for _ in range(budgets.PROLOG + 1):
        ending = b"?>" if data.startswith(b"<?", place) else b"-->" if data.startswith(b"<!--", place) else b""
        end = data.find(ending, place) if ending else -1
        if end < 0:  # the first element, a DTD, or what does not end, of which the parser complains
            break
        place = behind_space(data, end + len(ending))
    else:
        raise XmlTooComplex(f"it has more than {budgets.PROLOG} comments or instructions before its first element")
    if data.startswith(b"<!", place) and bytes(data[place + 2 : place + 3]).isalpha():
        raise XmlForbidden("it has a document type declaration")
