"""Large texts, piece by piece: what is made of one on the way to somewhere else must not need its room again.

Apart from ``cerberus.encoder`` and ``registry.snapshots``, because both work on pieces, and neither
room knows the other.
"""

import codecs
import json
from collections.abc import Iterator

PIECE = 1024 * 1024


def pieces_of(text: str) -> Iterator[str]:
    """The text in pieces of PIECE characters."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def decoded(data: bytes) -> Iterator[str]:
    """The text that ``data``, in UTF-8, says, in pieces; what no UTF-8 can say as ``as_text`` has it."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    for start in range(0, len(data), PIECE):
        yield decoder.decode(data[start : start + PIECE])
    yield decoder.decode(b"", True)


def json_string(pieces: Iterator[str]) -> Iterator[str]:
    """The text that the pieces make together, as a JSON string."""
    yield '"'
    for piece in pieces:
        yield json.dumps(piece)[1:-1]
    yield '"'
