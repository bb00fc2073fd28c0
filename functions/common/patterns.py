"""Every expression that runs over text: one list, so that one test can say of all of them that they take linear time.

A server chooses what its names and values hold. An expression with a repetition
inside of another one, or before something that it could have taken as well, can
take the square of their length, or a time without end. So no other module uses
``re``, but for those that look at the bytes of a reply. An expression says how
it is used, because that decides what it may hold: one that looks within a text
begins anew at every character.

Flags stand in the expression itself: ``(?i)``, ``(?x)``.
"""

import re
from collections.abc import Callable
from re import escape
from typing import Any

__all__ = ["LISTED", "Whole", "Within", "escape", "whole", "within"]


class Whole[Text: (str, bytes)]:
    """Matches a whole text, or its beginning from one place on."""

    def __init__(self, pattern: re.Pattern[Text]) -> None:
        self.pattern: re.Pattern[Text] = pattern

    def fullmatch(self, text: Text) -> re.Match[Text] | None:
        return self.pattern.fullmatch(text)

    def match(self, text: Text, start: int = 0) -> re.Match[Text] | None:
        return self.pattern.match(text, start)


class Within[Text: (str, bytes)]:
    """Looks for matches anywhere in a text."""

    def __init__(self, pattern: re.Pattern[Text]) -> None:
        self.pattern: re.Pattern[Text] = pattern

    def search(self, text: Text) -> re.Match[Text] | None:
        return self.pattern.search(text)

    def findall(self, text: Text) -> list[Any]:
        return self.pattern.findall(text)

    def split(self, text: Text) -> list[Text]:
        """The pieces between the matches; what groups match is among them."""
        return self.pattern.split(text)

    def sub(self, new: Text | Callable[[re.Match[Text]], Text], text: Text) -> Text:
        return self.pattern.sub(new, text)


LISTED: list[Whole[str] | Whole[bytes] | Within[str] | Within[bytes]] = []
"""All expressions of the modules that are loaded."""


def whole[Text: (str, bytes)](expression: Text, *, is_made: bool = False) -> Whole[Text]:
    """An expression for a whole text or its beginning.

    ``is_made``: it is made of somebody's rule or of a document while the program runs, so it is not listed. Whoever
    makes it has a test that judges what comes of any rule or document.
    """
    made = Whole(re.compile(expression))
    if not is_made:
        LISTED.append(made)
    return made


def within[Text: (str, bytes)](expression: Text, *, is_made: bool = False) -> Within[Text]:
    """An expression that is looked for anywhere in a text; ``is_made`` as in ``whole``."""
    made = Within(re.compile(expression))
    if not is_made:
        LISTED.append(made)
    return made
