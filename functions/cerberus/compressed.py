"""Replies that a server compresses although nobody asked for it: gSOAP does so by a switch of its own."""

import zlib
from collections.abc import Iterator

from common.errors import Failure, Reason

CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
"""Content codings that gSOAP has, as its HTTP head names them (``http_response`` in stdsoap2.cpp)."""
_EITHER_HEAD = 32 + zlib.MAX_WBITS
"""The head of the data says whether it is gzip's or zlib's."""
_STEP = 256 * 1024


class Inflater:
    """Inflates one reply as it arrives, in pieces, so that whoever takes them can stop at a limit."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_EITHER_HEAD)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What a further chunk adds, at most ``_STEP`` bytes at a time. Raises Failure(REPLY_MALFORMED)."""
        while chunk:
            if self._inflater.eof:
                raise _malformed("is followed by something else")
            yield self._step(chunk)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def end(self) -> Iterator[bytes]:
        """What is left when all has arrived. Raises Failure(REPLY_MALFORMED) if that was not all of it."""
        while not self._inflater.eof:
            piece = self._step(b"")
            if not piece:
                raise _malformed("was cut")
            yield piece

    def _step(self, chunk: bytes) -> bytes:
        try:
            return self._inflater.decompress(chunk, _STEP)
        except zlib.error:
            failure = _malformed("is damaged")
        raise failure


def _malformed(complaint: str) -> Failure:
    return Failure(Reason.REPLY_MALFORMED, f"the compressed reply {complaint}")
