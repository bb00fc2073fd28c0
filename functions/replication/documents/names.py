"""What a value is about, and what it says, when the schema is not known.

Names are taken as words (``isDisabled`` is *is disabled*), in whatever style
the document writes them: ``<isDisabled value="true"/>``, ``isDisabled="true"``,
``<isDisabled>true</isDisabled>`` or ``<entry name="isDisabled" value="true"/>``.
"""

from collections.abc import Iterator

from replication.documents.canonical import plain
from replication.documents.diff import Steps
from replication.documents.entry_names import TYPED_VALUES

_HOLDERS = TYPED_VALUES | frozenset(
    {"value", "val", "method", "text", "string", "data", "content", "name", "setting", "flag"}
)
"""Names that only say that here is the value of what is around them."""

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def names(steps: Steps) -> Iterator[str]:
    """What the value at the end of a path is called, each as words: of its own step, or of the one that holds it."""
    if not steps:
        return
    yield from steps[-1].labels
    if len(steps) > 1 and plain(steps[-1].name) in _HOLDERS:
        for label in steps[-2].labels:
            yield label
            yield f"{label}-{plain(steps[-1].name)}"


def truth(value: str | None) -> bool | None:
    """What a boolean says; None for anything that is none, and for what is not there."""
    word = (value or "").strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None
