"""Processing of large texts in chunks, so that a conversion does not need a second copy of the whole text in memory.

This module is separate from ``cerberus.encoder`` and ``registry.snapshots``, because both use it and neither package
may import the other.
"""

import codecs
import json
from collections.abc import Iterator

PIECE = 1024 * 1024


def pieces_of(text: str) -> Iterator[str]:
    """The text in pieces of PIECE characters."""
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))


def decoded(data: bytes) -> Iterator[str]:
    """Decode ``data`` from UTF-8 and return the text in pieces. An encoded lone surrogate is decoded too."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    for start in range(0, len(data), PIECE):
        yield decoder.decode(data[start : start + PIECE])
    yield decoder.decode(b"", True)


def json_string(pieces: Iterator[str]) -> Iterator[str]:
    """The concatenated pieces, encoded as one JSON string."""
    yield '"'
    for piece in pieces:
        yield json.dumps(piece)[1:-1]
    yield '"'
