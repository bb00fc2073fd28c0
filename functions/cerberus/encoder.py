"""The bytes of requests. zeep builds each kind of request once as a template; later only its texts are replaced.

Requests to different servers are similar: in a push, the same operation sends the same documents with other
credentials. zeep builds a request with placeholders, which are then replaced by the actual texts, escaped as the
serializer does it. A document that is pushed to several backups is escaped once.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any

import zeep.exceptions
from lxml import etree

from cerberus.large_texts import LARGE
from cerberus.wsdl import Operation
from common.chunks import PIECE
from common.errors import Failure, Reason
from common.runtime import Runtime
from common.safe_xml import holds_forbidden
from common.server_types import as_bytes, as_text

_REMEMBERED = 8 * 1024 * 1024
"""Maximum size in bytes of a document whose escaped form is cached for the next backup. The escaped form of a larger
document would take too much memory.
"""

_CREDENTIALS = "credentials"

type _Template = tuple[bytes | str, ...]
"""The constant bytes of a request, with the names of the fields whose texts come between them."""


@dataclass(frozen=True)
class Request:
    """A SOAP envelope in UTF-8, in pieces. ``large`` has the large documents in it, each by the SHA-256 of its escaped
    form.
    """

    pieces: Sequence[bytes] = field(repr=False)
    large: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


def write_request(operation: Operation, fields: Mapping[str, Any], runtime: Runtime) -> Request:
    """The SOAP envelope of a call of ``operation`` with ``fields``.

    ``fields`` has the credentials as a mapping; a document may be str or UTF-8 bytes. ``runtime`` generates the
    placeholders. Raises Failure(CONTENT_UNSENDABLE) that names the operation and the field.
    """
    texts = _flat(fields)
    only_texts = all(isinstance(value, str | bytes) for value in texts.values())
    template = _template(operation, fields, runtime) if only_texts else None
    if template is None:
        return Request([_whole(operation, fields)])
    pieces: list[bytes] = []
    large = {}
    for piece in template:
        if isinstance(piece, bytes):
            pieces.append(piece)
        else:
            text = as_bytes(texts[piece])
            written = (_remembered if LARGE <= len(text) <= _REMEMBERED else _escaped)(text)
            if written is None:
                raise _unsendable(operation, piece)
            pieces.append(written.escaped)
            if len(text) >= LARGE:
                large[written.digest] = text
    return Request(pieces, large)


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    credentials = {f"{_CREDENTIALS}.{name}": value for name, value in fields.get(_CREDENTIALS, {}).items()}
    return {**credentials, **{name: value for name, value in fields.items() if name != _CREDENTIALS}}


@dataclass(frozen=True)
class _Written:
    escaped: bytes
    digest: bytes


def _escaped(text: bytes) -> _Written | None:
    """Escape a text as the XML serializer does; None if XML cannot represent it."""
    out = BytesIO()
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        if holds_forbidden(text[max(0, start - 2) : start + PIECE]):  # a chunk may end inside a character
            return None
        for character, reference in ((b"&", b"&amp;"), (b"<", b"&lt;"), (b">", b"&gt;"), (b"\r", b"&#13;")):
            piece = piece.replace(character, reference)
        out.write(piece)
    escaped = out.getvalue()
    return _Written(escaped, hashlib.sha256(escaped).digest() if len(text) >= LARGE else b"")


@lru_cache(maxsize=4)
def _remembered(text: bytes) -> _Written | None:
    return _escaped(text)


def _template(operation: Operation, fields: Mapping[str, Any], runtime: Runtime) -> _Template | None:
    """The template for a request with ``fields``; None if zeep does not put each text into an element of its own."""
    key = tuple(sorted(_flat(fields)))
    if key not in operation.templates:
        operation.templates[key] = _cut(operation, fields, runtime)
    template: _Template | None = operation.templates[key]
    return template


def _cut(operation: Operation, fields: Mapping[str, Any], runtime: Runtime) -> _Template | None:
    tokens = {name: runtime.new_token() for name in _flat(fields)}
    placeholders: dict[str, Any] = {
        name: token for name, token in tokens.items() if not name.startswith("credentials.")
    }
    if "credentials" in fields:
        placeholders["credentials"] = {name: tokens[f"credentials.{name}"] for name in fields["credentials"]}
    pieces: list[bytes | str] = []
    rest = _whole(operation, placeholders)
    for token, name in sorted(
        ((token, name) for name, token in tokens.items()), key=lambda one: rest.find(one[0].encode())
    ):
        before, placeholder, after = rest.partition(token.encode())
        if not placeholder or token.encode() in after or not (before.endswith(b">") and after.startswith(b"</")):
            return None
        pieces += (before, name)
        rest = after
    return (*pieces, rest)


def _whole(operation: Operation, fields: Mapping[str, Any]) -> bytes:
    """The envelope that zeep builds without a template."""
    fields = {name: as_text(value) if isinstance(value, bytes) else value for name, value in fields.items()}
    for where, text in _texts(fields, ""):
        if holds_forbidden(as_bytes(text)):
            raise _unsendable(operation, where)
    try:
        envelope: bytes = etree.tostring(operation.render(fields), xml_declaration=True, encoding="utf-8")
    except zeep.exceptions.ValidationError as error:
        where = ".".join(str(step) for step in error.path) or "a field"
    except (zeep.exceptions.Error, TypeError, ValueError, AttributeError):
        where = "a field"
    else:
        return envelope
    raise Failure(Reason.CONTENT_UNSENDABLE, f"{operation.name}: {where} is missing, unknown or of the wrong type")


def _unsendable(operation: Operation, where: str) -> Failure:
    return Failure(Reason.CONTENT_UNSENDABLE, f"{operation.name}: {where} holds a character that XML cannot represent")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in ``value`` with its path."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{index}]")
