"""Reading XML that another machine sent.

One way in for replies and documents alike. Not accepted: a DTD (and with it
every entity but the five of XML itself), an encoding that hides one, nesting
deep enough to exhaust the stack, anything not well-formed. libxml2's limit of
10 MB per text is lifted because a user list can be larger; its protection
against entity expansion is not needed where no entity can be declared.
"""

import re

from lxml import etree

MAX_DEPTH = 200
"""Elements inside elements. gSOAP's own default for its readers is 10,000; no configuration comes near 200."""
MAX_ATTRIBUTES = 1000
"""Attributes of one element. To read all of them costs libxml2 the square of their number."""
MAX_NAMESPACES = 200
"""Declarations of namespaces that hold at one place: what a prefix means is looked for among all of them."""

_PROLOG = re.compile(rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*", re.DOTALL)
_DOCUMENT_TYPE = re.compile(rb"<![A-Za-z]")
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s*<\?xml\s.*?\?>)?", re.DOTALL)
_DECLARED_ENCODING = re.compile(rb"\s*<\?xml\s(?:(?!\?>).)*?encoding\s*=\s*[\"']([^\"'?>]*)[\"']", re.DOTALL)
_TRANSPARENT_ENCODING = re.compile(rb"utf-?8|(us-)?ascii|iso-8859-\d+|windows-125\d", re.IGNORECASE)
"""Encodings in which every ASCII byte is that character. In others (UTF-7, ISO-2022) a DTD can be written that no
search of the bytes would find, and libxml2 expands entities in attributes while it parses."""


class XmlRefused(ValueError):
    """The input was not read. The text says why and never holds any of the input."""


class XmlForbidden(XmlRefused):
    """It declares a DTD or hides what it declares."""


class XmlMalformed(XmlRefused):
    """It is empty, cut short, nested too deeply, too wide, or not well-formed."""


def parse(data: bytes) -> etree._Element:
    """Parse ``data`` and return the root element.

    Raises XmlForbidden or XmlMalformed; neither holds any of ``data``.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if not data.strip():
        raise XmlMalformed("it is empty")
    _refuse_hidden(data)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_blank_text=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise XmlMalformed(f"it is not well-formed at line {line}, column {column}") from None
    if getattr(root.getroottree().docinfo, "doctype", ""):  # the stubs do not know this property
        raise XmlForbidden("it has a document type declaration")
    _refuse_costly(root)
    if data.count(b"xmlns") > MAX_NAMESPACES:
        _refuse_many_namespaces(root)
    return root


def parse_document(document: bytes) -> etree._Element:
    """Parse a document that is UTF-8, whatever encoding it declares: it was text when it was sent."""
    return parse(document[behind_declaration(document) :])


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
    if not beginning.lstrip().startswith(b"<") or b"\0" in beginning:
        return False
    if not beginning.lstrip().startswith(b"<?xml"):
        return True
    declared = _DECLARED_ENCODING.match(beginning)
    return b"?>" in beginning and (declared is None or declared[1].upper() == b"UTF-8")


def behind_declaration(document: bytes) -> int:
    """Where ``document``, in UTF-8, goes on behind a byte-order mark and an XML declaration."""
    declaration = _DECLARATION.match(document)
    return declaration.end() if declaration else 0


def declaration(document: bytes) -> bytes:
    """The XML declaration ``document``, in UTF-8, starts with, or nothing."""
    return document[: behind_declaration(document)].removeprefix(b"\xef\xbb\xbf").lstrip()


def local_name(node: etree._Element | str) -> str:
    """The name without its namespace, of an element or of an attribute's key."""
    name = node if isinstance(node, str) else node.tag
    return name.rpartition("}")[2]


def _refuse_hidden(data: bytes) -> None:
    """Refuse a DTD, and what could hide one, before anything is parsed."""
    declared = _DECLARED_ENCODING.match(data)
    if (
        b"\0" in data[:64]
        or data.startswith((b"\xff\xfe", b"\xfe\xff"))
        or (declared and not _TRANSPARENT_ENCODING.fullmatch(declared[1]))
    ):
        raise XmlForbidden("its encoding is neither UTF-8 nor a superset of ASCII")
    if not data.lstrip().startswith(b"<"):  # EBCDIC, which libxml2 would detect, does not begin with this byte
        raise XmlMalformed("it does not begin with an element")
    prolog = _PROLOG.match(data)
    if prolog and _DOCUMENT_TYPE.match(data, prolog.end()):
        raise XmlForbidden("it has a document type declaration")


_TOO_DEEP = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")


_TOO_WIDE = etree.XPath(f"boolean(/descendant::*[@*[{MAX_ATTRIBUTES + 1}]])")


def _refuse_costly(root: etree._Element) -> None:
    if _TOO_DEEP(root):
        raise XmlMalformed(f"it is nested deeper than {MAX_DEPTH} elements")
    if _TOO_WIDE(root):
        raise XmlMalformed(f"it has an element with more than {MAX_ATTRIBUTES} attributes")


def _refuse_many_namespaces(root: etree._Element) -> None:
    held = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        held += 1 if event == "start-ns" else -1
        if held > MAX_NAMESPACES:
            raise XmlMalformed(f"it declares more than {MAX_NAMESPACES} namespaces for one element")
