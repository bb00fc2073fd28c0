"""What one server may cost a run: every limit on what is taken from it, with the reason for its size.

A server is foreign: it may be broken, or somebody else may answer in its place.
Whatever it sends, it harms itself alone: a limit is reached, the server has a
failure with a reason, and the memory it took is what ``sync.backup_runner``
has set aside for it. Sizes are in bytes unless a comment says otherwise.
docs/limits.md has the same sizes with the memory measured at each of them.

REPLY_TOO_LARGE is the reason for bytes, REPLY_TOO_COMPLEX for structure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps

from common.errors import Failure, Reason

MEGABYTE = 1024 * 1024

# Bytes of a reply, after inflating ------------------------------------------------------------------------------------

TYPED_REPLY = 1 * MEGABYTE
"""An answer in typed fields, a fault, a page: a thousand listeners with all their options take less."""
LIST_REPLY = 4 * MEGABYTE
"""A typed list, such as the names of all users: 80,000 names of 12 letters, or 20,000 MIME types."""
DOCUMENT = 8 * MEGABYTE
"""A configuration document other than users and groups: settings have some 100 KB, 30,000 blocked addresses 7 MB."""
USERS = 12 * MEGABYTE
"""The users of a backup whose primary has few: 8,000 users as Cerberus writes them."""
GROUPS = 4 * MEGABYTE
"""The groups of a backup whose primary has few."""
BESIDE_PRIMARY = 2
"""A backup's users, or groups, may be so many times the primary's: one that was not cleared for long has more."""
ESCAPED = 1.5
"""Bytes of a reply for a byte of the document in it, whose markup is escaped there: 1.37 were measured."""

# Structure ------------------------------------------------------------------------------------------------------------

TREE = 24 * MEGABYTE
"""What a parser makes of one reply or document, by ``ELEMENT``, ``TEXT`` and ``ATTRIBUTE``, and the document itself.

15,000 blocked addresses with three values each, indented, take 21 MB. One tree is there at a time, whoever it is of.
Python's own objects for what is in a tree take up to six times as much.
"""
SETTINGS_TREE = 16 * MEGABYTE
"""The same for settings, which are merged value by value: 10,000 values beside 8 MB of texts. Servers have some
thousand."""
LIST_TREE = 48 * MEGABYTE
"""The same for a list of users or groups whose primary has few, and for a list of names. Few objects are made of it."""
TREE_TO_SIZE = 12
"""A list of users or groups may make a tree of so many times the size of the primary's: it takes 8 for its own."""
ELEMENT, TEXT, ATTRIBUTE = 128, 128, 240
"""Bytes that libxml2 takes for an element, a text and an attribute with its value, without the text itself."""
DEPTH = 64
"""Elements inside elements. Configurations nest to about 10."""
ATTRIBUTES = 1000
"""Attributes of one element. To read all of them costs libxml2 the square of their number."""
NAMESPACES = 200
"""Declarations of namespaces that hold at one place: what a prefix means is looked for among all of them."""
NAME = 256
"""Characters of the name of an element or attribute: names are repeated in every path below them."""
NAMESPACE = 512
"""Characters of a namespace's address: it is repeated in every name it belongs to."""
PATHS = 48 * MEGABYTE
"""Characters of the paths of all elements of a document, names that entries bear included."""
PROLOG = 64
"""Comments and instructions before the first element."""
DECLARATION = 512
"""Bytes of an XML declaration."""
CANONICAL = 32 * MEGABYTE
"""Characters of the text by which a document is compared, with the addresses of the namespaces in its names."""
ITEMS = 50_000
"""Users, or groups, in one document, however short: about 700 bytes each are kept for comparing."""
ITEM = 500
"""Beyond ``ITEMS`` a list may have an item for each so many bytes; a user as Cerberus writes it has 1,500."""
ANY_SIZE = 1024 * MEGABYTE
"""For a list of the primary where nothing limits the process, below ``reply_limit_mb`` of the settings."""
REMEMBERED = 256
"""Characters of a name up to which what was found out about it is remembered from one server to the next."""


@dataclass(frozen=True)
class Budget:
    """What one reply may cost: its bytes, those of a document in it, and the tree of either."""

    reply: int
    document: int
    tree: int


TYPED = Budget(TYPED_REPLY, TYPED_REPLY, TREE)
TYPED_LIST = Budget(LIST_REPLY, LIST_REPLY, LIST_TREE)
ONE_DOCUMENT = Budget(int(ESCAPED * DOCUMENT), DOCUMENT, TREE)


@dataclass(frozen=True)
class AccountSizes:
    """How large the primary's documents of users and of groups are, in bytes."""

    users: int
    groups: int


def beside_primary(floor: int, size: int) -> Budget:
    """For a list of a backup: relative to the ``size`` of the primary's, at least ``floor``."""
    document = max(floor, BESIDE_PRIMARY * size)
    return Budget(int(ESCAPED * document), document, max(LIST_TREE, TREE_TO_SIZE * size))


def of_primary(room: int | None) -> Budget:
    """For a list of the primary, where the process has ``room`` bytes for it, or as many as it wants.

    The reply and the document in it are held together for a moment, then the document and a tree of it.
    """
    if room is None:
        return Budget(ANY_SIZE, ANY_SIZE, ANY_SIZE)
    return Budget(room // 6, room // 6, room * 2 // 3)


def most_items(size: int) -> int:
    """How many items a list of ``size`` bytes may have."""
    return max(ITEMS, size // ITEM)


def too_large(what: str, limit: int) -> Failure:
    """The failure of ``what`` is larger than ``limit``."""
    return Failure(Reason.REPLY_TOO_LARGE, f"{what} is larger than the limit of {limit} bytes")


def too_complex(complaint: str) -> Failure:
    """The failure of what would take too much memory to look at; ``complaint`` is a sentence about "it"."""
    return Failure(Reason.REPLY_TOO_COMPLEX, complaint)


def remembered(maxsize: int) -> Callable[[Callable[[str], str]], Callable[[str], str]]:
    """``lru_cache`` for a function of one text; one of more than ``REMEMBERED`` characters is looked at anew."""

    def decorated(function: Callable[[str], str]) -> Callable[[str], str]:
        cached = lru_cache(maxsize)(function)

        @wraps(cached)
        def asked(text: str) -> str:
            return cached(text) if len(text) <= REMEMBERED else function(text)

        return asked

    return decorated
