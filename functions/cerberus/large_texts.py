"""Extracts large documents from replies without the copies that an XML parser makes.

A configuration document is sent as the text of one element, with its markup escaped. A parser copies such a text
several times. So this module cuts the text out of the reply's bytes and unescapes it piece by piece, or reuses an equal
text that was sent before. The parser reads the rest of the reply, in which a token replaces the text. A reply is parsed
as a whole if it is not in UTF-8, has no large text near its start, or has a large text that a parser would reject.

The result is the same with and without cutting, because the token must be the whole text of exactly one element. A text
that was cut out of a comment, an attribute or a CDATA section fails this check; then the reply is parsed as a whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from common.budgets import too_large
from common.runtime import Runtime
from common.safe_xml import XmlRefused, is_utf8, parse

LARGE = 32 * 1024
"""The minimum size in bytes of a text that is cut out."""

_FIRST_TAGS = 64
"""Number of tags at the start of a reply after which a large text is searched for. A reply with a document has few
other tags.
"""
_PIECE = 1024 * 1024
_LONGEST_REFERENCE = 12


@dataclass(frozen=True)
class Cut:
    """A reply without its large text. ``token`` replaces ``text``, which is in UTF-8."""

    rest: bytes
    token: str
    text: bytes


def cut(reply: bytes | bytearray, sent: Mapping[bytes, bytes], runtime: Runtime, *, most: int) -> Cut | None:
    """Cut the large text out of a reply; None if the reply must be parsed as a whole.

    Raises Failure(REPLY_TOO_LARGE) as soon as the text is larger than ``most`` bytes. ``sent`` maps the SHA-256 of an
    escaped text to a text that was sent; if the reply repeats it, that text is reused. ``runtime`` generates the token,
    which the sender of the reply cannot guess.
    """
    if len(reply) < LARGE or not is_utf8(bytes(reply[:1024])):
        return None
    span = _find(reply)
    if span is None:
        return None
    start, end = span
    text = sent.get(hashlib.sha256(memoryview(reply)[start:end]).digest()) if sent else None
    if text is None:
        text = _undone(reply, start, end, most)
    if text is None:
        return None
    token = runtime.new_token()
    return Cut(b"".join((reply[:start], token.encode(), reply[end:])), token, text)


def _find(reply: bytes | bytearray) -> tuple[int, int] | None:
    end = 0
    for _ in range(_FIRST_TAGS):
        start = reply.find(b">", end) + 1
        end = reply.find(b"<", start)
        if start == 0 or end < 0:
            return None
        if end - start >= LARGE:
            return start, end
    return None


def _undone(reply: bytes | bytearray, start: int, end: int, most: int) -> bytes | None:
    out = BytesIO()
    while start < end:
        stop = _whole(reply, start, min(end, start + _PIECE), end)
        if stop == start or b"]]>" in reply[stop - 2 : min(end, stop + 2)]:  # forbidden in a text
            return None
        try:
            # The parser itself unescapes each piece, so a text that it would reject is rejected here too.
            text = parse(b"".join((b"<t>", reply[start:stop], b"</t>"))).text
        except XmlRefused:
            return None
        out.write((text or "").encode())
        if out.tell() > most:
            raise too_large("a document in the reply", most)
        start = stop
    return out.getvalue()  # CPython makes no copy here


def _whole(reply: bytes | bytearray, start: int, stop: int, end: int) -> int:
    """The end of a piece near ``stop``, chosen so that no character reference, line end or character is split."""
    if stop == end:
        return end
    reference = reply.rfind(b"&", stop - _LONGEST_REFERENCE, stop)
    if reference >= 0 and reply.find(b";", reference, stop) < 0:
        stop = reference
    while stop > start and (reply[stop - 1] == 0x0D or reply[stop] & 0xC0 == 0x80):
        stop -= 1
    return stop
