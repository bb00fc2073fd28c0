"""Characters that XML 1.0 cannot represent but that a server has written anyway.

One such character makes a whole reply or document unreadable for a parser. If it is replaced by a marker, the document
can be parsed and the item that contains the character can be named.
"""

import re
from dataclasses import dataclass

from common.safe_xml import holds_forbidden

MOST_MARKED = 1000
"""Maximum number of forbidden characters that are replaced in one reply. A reply with more of them is not a
configuration.
"""
_SUSPECT = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|&#(?:x[0-9A-Fa-f]{1,8}|[0-9]{1,10});"
)
"""A forbidden character in UTF-8, or any reference to a character."""
_PRIVATE = ("\ue0f1", "\ue7b3", "\uf1c5", "\uf68d")
"""Private-use characters; the first that does not occur in a text is used as the mark."""
_GREATEST = 0x10FFFF


@dataclass(frozen=True)
class Marked:
    """``data`` in UTF-8, with each forbidden character replaced by ``mark`` and its four-digit index in
    ``characters``.
    """

    data: bytes
    mark: str
    characters: tuple[bytes, ...]

    def restored(self, text: bytes) -> bytes:
        """Put the original characters back into ``text``, a part of ``data``."""
        return re.sub(
            re.escape(self.mark.encode()) + rb"([0-9]{4})", lambda match: self.characters[int(match[1])], text
        )

    def shown(self, text: str) -> str:
        """``text``, a part of ``data``, with U+FFFD for each mark, as it is shown to people."""
        return re.sub(re.escape(self.mark) + "[0-9]{4}", "\ufffd", text)


def mark_forbidden(data: bytes | bytearray) -> Marked | None:
    """Replace the forbidden characters of ``data``, which is UTF-8. None if there is nothing to replace, if there are
    too many of them or of character references, or if ``data`` uses all possible marks.
    """
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

    # ``subn`` keeps the text between two matches in memory, so the number of matches is limited.
    marked, count = _SUSPECT.subn(replaced, data, count=10 * MOST_MARKED)
    if not 0 < len(characters) <= MOST_MARKED or count >= 10 * MOST_MARKED:
        return None
    return Marked(bytes(marked), mark, tuple(characters))


def _character(written: bytes) -> bytes | None:
    """The forbidden character that ``written`` stands for; None for a reference to an allowed or non-existent
    character.
    """
    if not written.startswith(b"&#"):
        return written
    digits = written[2:-1]
    number = int(digits[1:], 16) if digits.startswith(b"x") else int(digits)
    if number > _GREATEST:
        return None
    character = chr(number).encode("utf-8", "surrogatepass")
    return character if holds_forbidden(character) else None
