"""Text of people and programs in which no character acts on how the rest is shown.

Control characters and line separators forge lines in logs and terminals.
Bidirectional and invisible ones make a text look like another one.

Apart from ``common.forbidden_characters``, because those break a parser, and these mislead people.
"""

from common.patterns import whole, within

_ACTING = r"\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
PLAIN = f"^[^{_ACTING}]+$"
"""A text of at least one character, without any that acts. Regular expression of Python, Rust and JSON schemas."""
PLAIN_OR_EMPTY = f"^[^{_ACTING}]*$"
ACTING = f"[{_ACTING}]"
"""A character that acts, anywhere in a text."""

_PLAIN_TEXT = whole(f"[^{_ACTING}\ud800-\udfff]*")
_ANY_ACTING = within(f"[{_ACTING}\ud800-\udfff]")


def is_plain(text: str) -> bool:
    """Whether no character of the text acts on how it is shown, and it can be sent as UTF-8."""
    return _PLAIN_TEXT.fullmatch(text) is not None


def made_plain(text: str, limit: int) -> str:
    """The first ``limit`` characters, with a question mark for each that acts."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return _ANY_ACTING.sub("?", cut)
