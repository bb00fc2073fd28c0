"""What a value is about, and what it says, when the schema is not known.

Names are taken as words (``isDisabled`` is *is disabled*), in whatever style
the document writes them: ``<isDisabled value="true"/>``, ``isDisabled="true"``,
``<isDisabled>true</isDisabled>`` or ``<entry name="isDisabled" value="true"/>``.
"""

from collections.abc import Iterator
from functools import lru_cache

from replication.documents.canonical import plain
from replication.documents.diff import Difference, Steps
from replication.documents.keep_patterns import words

_HOLDERS = frozenset({"value", "val", "method", "text", "string", "data", "content", "name", "setting", "flag"})
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


def word_sets(steps: Steps) -> list[frozenset[str]]:
    """The words of each name of the value at the end of a path."""
    return [split(name) for name in names(steps)]


@lru_cache(maxsize=8192)
def split(name: str) -> frozenset[str]:
    """The single words of a name that is written as words."""
    return frozenset(name.split("-"))


def truth(value: str | None) -> bool | None:
    """What a boolean says; None for anything that is none, and for what is not there."""
    word = (value or "").strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def turned_on(difference: Difference) -> bool:
    """Whether a boolean goes from false, or from not being there, to true."""
    return truth(difference.after) is True and truth(difference.before) is not True


def turned_off(difference: Difference) -> bool:
    """Whether a boolean goes from true to false, or is there no longer."""
    return truth(difference.before) is True and truth(difference.after) is not True


_DISABLED_ENDS = ("disabled", "suspended", "deactivated", "lockedout")
_ENABLED = frozenset(
    {"enabled", "isenabled", "active", "isactive", "accountenabled", "isaccountenabled", "userenabled"}
    | {"isuserenabled", "loginenabled", "isloginenabled", "allowlogin", "isallowlogin", "accountactive"}
)
_SECTIONS_OF_AN_ACCOUNT = frozenset(
    {"account", "user", "group", "general", "status", "state", "login", "entry", "property", "properties"}
    | {"settings", "setting", "options", "option", "attributes", "attribute", "flags", "security", "restrictions"}
)
_THINGS_OF_AN_ACCOUNT = frozenset(
    {"root", "roots", "directory", "directories", "folder", "folders", "key", "keys", "protocol", "protocols"}
    | {"share", "shares", "notice", "notification", "notifications", "rule", "rules"}
)


def names_disabled(steps: Steps) -> bool:
    """Whether true at the end of this path means that an account is disabled, not a thing it has."""
    around = _around(steps)
    return all(split(words(step.name)).isdisjoint(_THINGS_OF_AN_ACCOUNT) for step in around) and any(
        plain(name).endswith(_DISABLED_ENDS) for name in names(steps)
    )


def names_enabled(steps: Steps) -> bool:
    """Whether true at the end of this path means that an account is enabled.

    Only in sections that are about the account itself: much inside of one can be enabled.
    """
    return all(plain(step.name) in _SECTIONS_OF_AN_ACCOUNT for step in _around(steps)) and any(
        plain(name) in _ENABLED for name in names(steps)
    )


def _around(steps: Steps) -> Steps:
    """The steps that lead to what is named."""
    held = len(steps) > 1 and plain(steps[-1].name) in _HOLDERS
    return steps[: -2 if held else -1]


def disables(difference: Difference) -> bool:
    """Whether an account is disabled by this."""
    return (turned_on(difference) and names_disabled(difference.steps)) or (
        turned_off(difference) and truth(difference.after) is False and names_enabled(difference.steps)
    )


def enables(difference: Difference) -> bool:
    """Whether a disabled account is enabled by this."""
    return (turned_off(difference) and names_disabled(difference.steps)) or (
        turned_on(difference) and truth(difference.before) is False and names_enabled(difference.steps)
    )
