"""Splits a list of users or groups into items without parsing items that were parsed before.

The user list is by far the largest document, and nearly all users are the same on every server. So the document is cut
after the end tag of each item, and a piece that was parsed once, in any document, is recognised by the digest of its
bytes. Only new pieces are parsed, one at a time.

The cut is safe because a piece is parsed between the document's own root tags. If the result is well-formed, the piece
is complete content by itself. It is not well-formed if the piece was cut at an end tag inside a comment, or at the end
tag of a nested element. In that case, and for every document that is not a plain list, the result is ``None``: the
document must be parsed as a whole (``replication.documents.named_items``), with the same result.

Run-time values, such as the time of the last log-in, change at every log-in. So a piece is looked up without the text
of the elements that contain them. That text is a time, an address or a count, which comparisons ignore.
"""

import hashlib
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lxml import etree

from common import budgets
from common.deadline import step
from common.patterns import Whole, Within, escape
from common.safe_xml import XmlRefused, behind_declaration, local_name, parse
from replication.documents import named_items
from replication.documents.canonical import folded, name_of, plain_name
from replication.documents.named_items import Items
from replication.documents.runtime_values import RUNTIME_NAMES, written_runtime_values

MOST_PIECES = 150_000
"""Maximum number of cached pieces, of about 400 bytes each."""
_MOST_RUNTIME_TAGS = 16
_LONGEST_HEAD = 4096
"""Maximum size of a root tag in bytes, because it is parsed again with every piece."""

_NAME = rb"[A-Za-z_][\w.-]{0,100}"
_QNAME = rb"%s(?::%s)?" % (_NAME, _NAME)
_VALUE = rb"""(?:"[^<"]{0,1000}"|'[^<']{0,1000}')"""
# Every repetition has a limit, because a server sends the text that these expressions search.
_HEAD = Whole(rb"\s{0,64}<(%s)(?:\s{1,64}%s\s{0,8}=\s{0,8}%s){0,32}\s{0,64}>" % (_QNAME, _QNAME, _VALUE))
_ITEM = Whole(rb"\s{0,64}<(%s)[\s/>]" % _QNAME)


class _Entry(NamedTuple):
    """An item: its name as written, its folded name, and the digest of its canonical text."""

    written: str
    folded: str
    digest: str


type _Piece = tuple[_Entry, ...]


class _Context:
    """The cached pieces for one pair of root tags."""

    def __init__(self, head: bytes, close: bytes, hint: str) -> None:
        self.head = head
        self.close = close
        self.hint = hint
        self.pieces: dict[bytes, _Piece] = {}
        self._tags: set[bytes] = set()
        self._runtime: Within[bytes] | None = None

    def entries(self, piece: bytes) -> _Piece | None:
        """The items of a piece, None if it cannot be parsed by itself."""
        key = self._key(piece)
        entries = self.pieces.get(key)
        if entries is None:
            try:
                root = self.understood(piece)
            except XmlRefused:
                return None
            entries = self._index(root)
            if entries is not None:
                if sum(len(entry.written) for entry in entries) <= budgets.REMEMBERED:
                    self.pieces[key] = entries
                self._learn(root)
        return entries

    def understood(self, piece: bytes) -> etree._Element:
        """Parse a piece between the root tags. Raises XmlRefused, but never for a piece that was parsed before."""
        return parse(b"".join((self.head, piece, self.close)))

    def _index(self, root: etree._Element) -> _Piece | None:
        if (root.text or "").strip():
            return None
        entries = []
        for child in root:
            if not isinstance(child.tag, str) or (child.tail or "").strip():
                return None
            name = name_of(child) if plain_name(child.tag).endswith(self.hint) else None
            if name is None:
                return None
            key = folded(name.written)
            same = name.written if name.written == key else key
            entries.append(_Entry(name.written, same, named_items.item_digest(child, name)))
        return tuple(entries)

    def _key(self, piece: bytes) -> bytes:
        # In a comment, CDATA section or processing instruction a tag is plain text, so nothing is removed there.
        if self._runtime is not None and not _holds(piece, b"!") and not _holds(piece, b"?"):
            piece = self._runtime.sub(rb"<\1/>", piece)
        return hashlib.sha256(piece).digest()

    def _learn(self, root: etree._Element) -> None:
        """Remember the tags of this document's run-time values, so that later look-ups omit these values."""
        for element in root.iter(etree.Element):
            if plain_name(str(element.tag)) in RUNTIME_NAMES and not element.attrib and not len(element):
                name = local_name(element)
                tag = (f"{element.prefix}:{name}" if element.prefix else name).encode()
                if tag not in self._tags and len(self._tags) < _MOST_RUNTIME_TAGS:
                    self._tags.add(tag)
                    self._runtime = written_runtime_values(b"|".join(escape(one) for one in sorted(self._tags)))


def _holds(piece: bytes, mark: bytes) -> bool:
    """Whether the piece has markup that begins with ``<`` and this character; searching for the single character first
    is faster.
    """
    return mark in piece and b"<" + mark in piece


class _Contexts:
    """The cached contexts, which are all dropped when they are too large."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[bytes, bytes, str], _Context] = {}

    def get(self, head: bytes, close: bytes, hint: str) -> _Context:
        if sum(len(context.pieces) for context in list(self._contexts.values())) > MOST_PIECES:
            self._contexts = {}
        context = self._contexts.get((head, close, hint))
        if context is None:
            context = self._contexts[head, close, hint] = _Context(head, close, hint)
        return context


_CONTEXTS = _Contexts()


@dataclass(frozen=True)
class Pieces:
    """The pieces of a list: its ``items``, and the start and end of each item's piece in the document."""

    items: Items
    _context: _Context
    _places: array[int]

    def excerpts(self, document: bytes, keys: Collection[str]) -> dict[str, bytes]:
        """The excerpts that ``named_items.excerpts`` returns for the parsed document."""
        excerpts: dict[str, bytes] = {}
        of_piece = range(0)
        elements: list[etree._Element] = []
        for number, key in enumerate(self.items.entries):
            if key in keys:
                if number not in of_piece:
                    of_piece = self._in_piece(number)
                    start, end = self._places[2 * number : 2 * number + 2]
                    elements = list(self._context.understood(document[start:end]))
                excerpts[key] = named_items.excerpt(elements[number - of_piece.start])
        return excerpts

    def _in_piece(self, number: int) -> range:
        """The numbers of all items in the same piece as this one."""
        start, end, place = number, number + 1, self._places[2 * number]
        while start and self._places[2 * start - 2] == place:
            start -= 1
        while 2 * end < len(self._places) and self._places[2 * end] == place:
            end += 1
        return range(start, end)


def take_apart(document: bytes, hint: str) -> Pieces | None:
    """The items of a document without parsing it as a whole; None if that is impossible.

    The items are those that ``named_items.items`` returns for the parsed document.

    Raises Failure(REPLY_TOO_COMPLEX).
    """
    opened = _open(document, hint)
    if opened is None:
        return None
    context, pieces = opened
    most = budgets.most_items(len(document))
    keys = named_items.UniqueKeys()
    entries: dict[str, str] = {}
    names: dict[str, str] = {}
    places = array("Q")
    piece = b""
    for start, end in pieces:
        step()
        piece = document[start:end]
        piece_entries = context.entries(piece)
        if piece_entries is None:
            return None
        for entry in piece_entries:
            key = keys.next(entry.folded)
            entries[key] = entry.digest
            if entry.written != key:
                names[key] = entry.written
            places.extend((start, end))
        if len(entries) > most:
            raise named_items.too_many_items(most)
    root = context.understood(piece)  # any piece will do: without its items, only the root is left
    return Pieces(Items(named_items.rest_digest(root, frozenset(root)), entries, names), context, places)


def _open(document: bytes, hint: str) -> tuple[_Context, Iterator[tuple[int, int]]] | None:
    """The context and the pieces of a plain list, whose root element contains only items of one kind."""
    head = _HEAD.match(document, behind_declaration(document))
    if head is None or head.end() - head.start() > _LONGEST_HEAD:
        return None
    first = _ITEM.match(document, head.end())
    if first is None or not plain_name(first[1].rpartition(b":")[2].decode("ascii", "replace")).endswith(hint):
        return None
    close = b"</" + head[1] + b">"
    end = document.rfind(close)
    if end < head.end() or document[end + len(close) :].strip():
        return None
    return _CONTEXTS.get(head[0].lstrip(), close, hint), _pieces(document, head.end(), end, b"</" + first[1] + b">")


def _pieces(document: bytes, start: int, end: int, item_end: bytes) -> Iterator[tuple[int, int]]:
    """The start and end of each piece."""
    while start < end:
        position = document.find(item_end, start, end)
        after = position + len(item_end) if position >= 0 else end
        if position >= 0 or document[start:after].strip():
            yield start, after
        start = after
