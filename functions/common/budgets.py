"""Limits on the memory and time that one server can cost a run, each with the reason for its size.

Servers are not trusted: one may be broken, or another program may answer at its address. The replies of such a server
harm only that server. An operation whose reply or document exceeds a limit fails with a reason. So its memory stays
within the amount that ``sync.backup_runner`` has reserved for the server. Sizes are in bytes unless a comment says
otherwise. docs/limits.md has the same sizes with the memory measured at each of them.

A reply with too many bytes fails with REPLY_TOO_LARGE, one with too much structure with REPLY_TOO_COMPLEX.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps

from common.errors import Failure, Reason

MEGABYTE = 1024 * 1024

# Bytes of a reply, after inflating ------------------------------------------------------------------------------------

TYPED_REPLY = 1 * MEGABYTE
"""Maximum size of a reply with typed fields, a SOAP fault or a web page. A reply with a thousand listeners and all
their options is smaller.
"""
LIST_REPLY = 4 * MEGABYTE
"""Maximum size of a reply with a typed list, such as all user names. 80,000 names of 12 characters or 20,000 MIME types
fit into it.
"""
DOCUMENT = 8 * MEGABYTE
"""Maximum size of a configuration document other than users and groups. Settings have about 100 KB, and 30,000 blocked
addresses have 7 MB.
"""
USERS = 12 * MEGABYTE
"""Maximum size of a backup's user document if the primary has few users. 8,000 users as Cerberus writes them fit into
it.
"""
GROUPS = 4 * MEGABYTE
"""Maximum size of a backup's group document if the primary has few groups."""
BESIDE_PRIMARY = 2
"""A backup's user or group document may be this many times as large as the primary's, because old entries may not have
been removed yet.
"""
ESCAPED = 1.5
"""A reply may be this many times as large as the document in it, because the reply escapes the document's markup. The
measured ratio is 1.37.
"""

# Structure ------------------------------------------------------------------------------------------------------------

TREE = 24 * MEGABYTE
"""Maximum memory of the parsed tree of one reply or document. The memory is counted as the size of the reply or
document, plus ``ELEMENT``, ``TEXT`` or ``ATTRIBUTE`` bytes for each node.

15,000 blocked addresses with three values each, indented, take 21 MB. Only one tree is in memory at a time. Python
objects for the nodes of a tree take up to six times as much.
"""
SETTINGS_TREE = 16 * MEGABYTE
"""The tree limit for settings, which are merged value by value: 10,000 values beside 8 MB of text. Real servers have a
few thousand values.
"""
LIST_TREE = 48 * MEGABYTE
"""The tree limit for a list of users or groups if the primary's list is short, and for a list of names. Few Python
objects are created from such a list.
"""
TREE_TO_SIZE = 12
"""The tree of a backup's user or group list may take this many times the size of the primary's list. The tree of the
primary's own list takes about 8 times that size.
"""
ELEMENT, TEXT, ATTRIBUTE = 128, 128, 240
"""Bytes that libxml2 takes for an element, a text and an attribute with its value, without the text itself."""
DEPTH = 64
"""Maximum nesting depth of elements. Configurations have a depth of about 10."""
ATTRIBUTES = 1000
"""Maximum number of attributes of one element. Reading all attributes takes libxml2 quadratic time."""
NAMESPACES = 200
"""Maximum number of namespace declarations in scope, because looking up a prefix searches all of them."""
NAME = 256
"""Maximum length of the name of an element or attribute, because every path below an element repeats its name."""
NAMESPACE = 512
"""Maximum length of a namespace URI, because every name in the namespace repeats it."""
PATHS = 48 * MEGABYTE
"""Maximum total length of the paths of all elements in a document, including the names of entries in the paths."""
PROLOG = 64
"""Maximum number of comments and processing instructions before the first element."""
DECLARATION = 512
"""Maximum size of an XML declaration, in bytes."""
CANONICAL = 32 * MEGABYTE
"""Maximum length of the canonical text that is used for comparing documents, including namespace URIs."""
ITEMS = 50_000
"""Every document may have this many users or groups, however small it is: comparing keeps about 700 bytes for each."""
ITEM = 500
"""A large list may have more than ``ITEMS`` items: one for this many bytes of the list. A user as Cerberus writes it
has 1,500 bytes.
"""
ANY_SIZE = 1024 * MEGABYTE
"""The limit for a list of the primary if memory is not limited; ``reply_limit_mb`` of the settings also applies."""
REMEMBERED = 256
"""Maximum length of a name whose computed properties are cached across servers."""


@dataclass(frozen=True)
class Budget:
    """The limits for one reply: its size in bytes, the size of a document in it, and the memory of the parsed tree."""

    reply: int
    document: int
    tree: int


TYPED = Budget(TYPED_REPLY, TYPED_REPLY, TREE)
TYPED_LIST = Budget(LIST_REPLY, LIST_REPLY, LIST_TREE)
ONE_DOCUMENT = Budget(int(ESCAPED * DOCUMENT), DOCUMENT, TREE)


@dataclass(frozen=True)
class AccountSizes:
    """The sizes of the primary's user document and group document, in bytes."""

    users: int
    groups: int


def beside_primary(floor: int, size: int) -> Budget:
    """The budget for a backup's list: proportional to ``size``, the size of the primary's list, and never below
    ``floor``.
    """
    document = max(floor, BESIDE_PRIMARY * size)
    return Budget(int(ESCAPED * document), document, max(LIST_TREE, TREE_TO_SIZE * size))


def of_primary(room: int | None) -> Budget:
    """The budget for a list of the primary if the process has ``room`` bytes for it; None means no limit.

    Memory holds the reply and the document in it together for a moment, and later the document and its tree.
    """
    if room is None:
        return Budget(ANY_SIZE, ANY_SIZE, ANY_SIZE)
    return Budget(room // 6, room // 6, room * 2 // 3)


def most_items(size: int) -> int:
    """The maximum number of items in a list of ``size`` bytes."""
    return max(ITEMS, size // ITEM)


def too_large(what: str, limit: int) -> Failure:
    """The failure for a reply or document, called ``what``, that is larger than ``limit`` bytes."""
    return Failure(Reason.REPLY_TOO_LARGE, f"{what} is larger than the limit of {limit} bytes")


def too_complex(complaint: str) -> Failure:
    """The failure for input that would need too much memory; ``complaint`` is a sentence whose subject is "it"."""
    return Failure(Reason.REPLY_TOO_COMPLEX, complaint)


def remembered(maxsize: int) -> Callable[[Callable[[str], str]], Callable[[str], str]]:
    """``lru_cache`` for a function of one text; results for texts of more than ``REMEMBERED`` characters are not
    cached.
    """

    def decorated(function: Callable[[str], str]) -> Callable[[str], str]:
        cached = lru_cache(maxsize)(function)

        @wraps(cached)
        def asked(text: str) -> str:
            return cached(text) if len(text) <= REMEMBERED else function(text)

        return asked

    return decorated
