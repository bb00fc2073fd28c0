"""Characters that XML 1.0 has no way to write, where a server has written them all the same.

One such character makes a whole reply or document unreadable to a parser.
Put something else in its place, and what holds it can be named.
"""

import re
from dataclasses import dataclass

from common.safe_xml import holds_forbidden

MOST_MARKED = 1000
"""Characters of one reply that are looked for. What has more is no configuration."""
_SUSPECT = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|&#(?:x[0-9A-Fa-f]{1,8}|[0-9]{1,10});"
)
"""A forbidden character in UTF-8, or any reference to a character."""
_PRIVATE = ("\ue0f1", "\ue7b3", "\uf1c5", "\uf68d")
"""Characters that nobody uses; the first that is not in a text marks places in it."""
_GREATEST = 0x10FFFF


@dataclass(frozen=True)
class Marked:
    """``data`` with ``mark`` and a number of four digits in place of each of the forbidden ``characters``, in UTF-8."""

    data: bytes
    mark: str
    characters: tuple[bytes, ...]

    def restored(self, text: bytes) -> bytes:
        """A text of ``data`` with the characters back in their places."""
        return re.sub(
            re.escape(self.mark.encode()) + rb"([0-9]{4})", lambda match: self.characters[int(match[1])], text
        )

    def shown(self, text: str) -> str:
        """A text of ``data`` as people may see it."""
        return re.sub(re.escape(self.mark) + "[0-9]{4}", "\ufffd", text)


def mark_forbidden(data: bytes | bytearray) -> Marked | None:
    """``data``, in UTF-8, without its forbidden characters; None when there are none, too many, or no mark for them."""
    mark = next((one for one in _PRIVATE if one.encode() not in data), "")
    if not mark:
        return None
    characters: list[bytes] = []

    def replaced(match: re.Match[bytes]) -> bytes:
        character = _character(match[0])
        if character is None or len(characters) > MOST_MARKED:
            return match[0]
        characters.append(character)
        return f"{mark}{len(characters) - 1:04}".encode()

    # The pieces between the characters are kept until they are joined: no more of them than can be marked.
    marked, count = _SUSPECT.subn(replaced, data, count=10 * MOST_MARKED)
    if not 0 < len(characters) <= MOST_MARKED or count >= 10 * MOST_MARKED:
        return None
    return Marked(bytes(marked), mark, tuple(characters))


def _character(written: bytes) -> bytes | None:
    """The forbidden character that is written so; None for a reference to one that is allowed, or to none."""
    if not written.startswith(b"&#"):
        return written
    digits = written[2:-1]
    number = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    if number > _GREATEST:
        return None
    character = chr(number).encode("utf-8", "surrogatepass")
    return character if holds_forbidden(character) else None
