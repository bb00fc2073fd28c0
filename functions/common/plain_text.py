"""Text without characters that change how the rest is displayed.

Control characters and line separators can forge lines in logs and terminals. Bidirectional and invisible characters
make one text look like another.

This module is separate from ``common.forbidden_characters``, because the characters in that module break a parser, and
the characters in this module mislead people.
"""

from common.patterns import Whole, Within

_ACTING = r"\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
PLAIN = f"^[^{_ACTING}]+$"
"""A non-empty text without characters that change its display. The expression is valid in Python, Rust and JSON
Schema.
"""
PLAIN_OR_EMPTY = f"^[^{_ACTING}]*$"
ACTING = f"[{_ACTING}]"
"""Any character that changes how a text is displayed."""

_PLAIN_TEXT = Whole(f"[^{_ACTING}\ud800-\udfff]*")
_ANY_ACTING = Within(f"[{_ACTING}\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Whether the text has no character that changes its display, and can be encoded as UTF-8."""
    return _PLAIN_TEXT.fullmatch(text) is not None


def made_plain(text: str, limit: int) -> str:
    """The first ``limit`` characters, with a question mark for each character that changes the display."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return _ANY_ACTING.sub("?", cut)
