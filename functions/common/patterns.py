"""All regular expressions that are applied to text, in one list, so that one test can check that each takes linear
time.

A server controls the content of names and values. An expression with nested repetitions, or with a repetition before
something that matches the same characters, can need quadratic or exponential time. So no other module imports ``re``,
except those that search the bytes of a reply. Each expression declares whether it matches a whole text or searches
within one. A search starts again at every character, so an expression for searching may have fewer repetitions.

Flags are written inside the expression: ``(?i)``, ``(?x)``.
"""

import re
from collections.abc import Callable
from re import escape
from typing import Any

__all__ = ["LISTED", "Whole", "Within", "escape"]


class _Expression[Text: (str, bytes)]:
    """A compiled expression, which is added to ``LISTED``.

    ``is_made`` means that the expression is built at run time, from a keep pattern or a document, so it is not listed.
    The module that builds it has its own test of the time that such expressions take.
    """

    def __init__(self, expression: Text, *, is_made: bool = False) -> None:
        self.pattern: re.Pattern[Text] = re.compile(expression)
        if not is_made:
            LISTED.append(self)


class Whole[Text: (str, bytes)](_Expression[Text]):
    """Matches a whole text, or a prefix of it from a given position."""

    def fullmatch(self, text: Text) -> re.Match[Text] | None:
        return self.pattern.fullmatch(text)

    def match(self, text: Text, start: int = 0) -> re.Match[Text] | None:
        return self.pattern.match(text, start)


class Within[Text: (str, bytes)](_Expression[Text]):
    """Looks for matches anywhere in a text."""

    def search(self, text: Text) -> re.Match[Text] | None:
        return self.pattern.search(text)

    def findall(self, text: Text) -> list[Any]:
        return self.pattern.findall(text)

    def split(self, text: Text) -> list[Text]:
        """The pieces between the matches, including the text that groups match."""
        return self.pattern.split(text)

    def sub(self, new: Text | Callable[[re.Match[Text]], Text], text: Text) -> Text:
        return self.pattern.sub(new, text)


LISTED: list[_Expression[Any]] = []
"""The expressions of all loaded modules."""
