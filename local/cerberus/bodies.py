"""Applies faults to the bytes of a reply."""

import gzip
import re
import zlib
from collections.abc import Callable

from lxml import etree

from local.cerberus import contract
from local.cerberus.faults import Active, Kind

PADDING = b" " * 65_536


def spoil_body(body: bytes, active: Active) -> tuple[bytes, ...]:
    """The body in pieces, as changed by the active faults."""
    if Kind.NEWER_REPLY in active:
        body = _newer_reply(body)
    if Kind.DTD in active:
        body = body.replace(b"?>", b'?>\n<!DOCTYPE x SYSTEM "x.dtd">', 1)
    if Kind.ENTITIES in active:
        body = _with_entities(body)
    if Kind.TRUNCATED_XML in active:
        body = body[: len(body) // 2]
    if Kind.EMPTY_BODY in active:
        return ()
    if Kind.OTHER_NAMESPACE in active:
        body = re.sub(rb"<(/?)ns1:(?!\w+Response)", rb"<\1ns2:", body)
    for kind, change in _STRUCTURES.items():
        if fault := active.get(kind):
            body = change(body, fault.size)
    if Kind.GZIP in active:
        return (gzip.compress(body),)
    if bomb := active.get(Kind.BOMB):
        return _bomb(body, bomb.size or 256 * 1024 * 1024)
    oversize = active.get(Kind.OVERSIZE)
    return (body,) if oversize is None else _padded(body, oversize.size or 16 * 1024 * 1024)


def _before_payload(body: bytes, content: bytes) -> bytes:
    before, tag, after = body.partition(b"Body>")
    return b"".join((before, tag, content, after))


_STRUCTURES: dict[Kind, Callable[[bytes, int], bytes]] = {
    Kind.UNENDING_HEAD: lambda _, size: b"<?xml " + b"a" * (size or 1_000_000),
    Kind.ELEMENTS: lambda body, size: _before_payload(body, b"<a/>" * (size or 1_000_000)),
    Kind.ATTRIBUTES: lambda body, size: _before_payload(
        body, b"<a %s/>" % b" ".join(b"a%d=''" % number for number in range(size or 100_000))
    ),
    Kind.LONG_NAME: lambda body, size: _before_payload(
        body, b"<%s>%s</%s>" % (b"n" * (size or 1_000_000), b"<a/>" * 3_000, b"n" * (size or 1_000_000))
    ),
}


def _bomb(body: bytes, size: int) -> tuple[bytes, ...]:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    return (*map(compressor.compress, _padded(body, size)), compressor.flush())


def _newer_reply(body: bytes) -> bytes:
    root = etree.fromstring(body, etree.XMLParser(huge_tree=True))
    payload = root[-1][0] if len(root) and len(root[-1]) else root
    for element in list(payload.iter()):
        if len(element):
            addition = etree.Element(f"{{{contract.COMMON}}}introducedLater")
            addition.text = "yes"
            element.insert(0, addition)
        element.set(f"{{{contract.COMMON}}}since", "99.0")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="utf-8")


def _with_entities(body: bytes) -> bytes:
    """Entities that would grow to 10^6 characters, used where the payload begins."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 6))
    declared = body.replace(b"?>", f'?>\n<!DOCTYPE x [<!ENTITY e0 "{"x" * 10}">{levels}]>'.encode(), 1)
    return re.sub(rb"(<ns1:\w+Response[^>]*>)", rb"\1&e5;", declared, count=1)


def _padded(body: bytes, size: int) -> tuple[bytes, ...]:
    """White space before the envelope's end tag; one buffer is used again and again."""
    at = body.rindex(b"</")
    missing = max(0, size - len(body))
    whole, rest = divmod(missing, len(PADDING))
    return (body[:at], *[PADDING] * whole, PADDING[:rest], body[at:])
