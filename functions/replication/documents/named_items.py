"""Lists of users and groups: documents whose items have names and whose order does not matter.

Each item is identified by its name without regard to case, as on the server. Two lists are equal if they have the same
items and the same content around them (``replication.documents.canonical``).
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

from lxml import etree

from common import budgets
from common.errors import Failure
from replication.documents.canonical import Name, canonical, children, digest, folded, name_of, plain_name
from replication.documents.runtime_values import RUNTIME_NAMES

_DEPTH = 4
"""Maximum depth below the root at which items are searched."""


@dataclass(frozen=True)
class Items:
    """The content of a list document. ``entries`` has the digest of each item by the item's name in lower case, and
    ``rest`` is the digest of everything else.

    ``names`` maps a name in lower case to the written name if the two differ. For the second and any further item with
    the same name, or without a name, the key also contains a number, so that no item is lost. ``Items`` has no
    reference to the parsed document, which takes much more memory.
    """

    rest: str
    entries: dict[str, str]
    names: dict[str, str]
    parents: dict[str, int] = field(default_factory=dict)
    """The position of each item's parent element among all parents. It is left out for items of the first parent."""

    def written(self, key: str) -> str:
        """The item's name as written."""
        return self.names.get(key, key)

    def is_told_apart(self, key: str) -> bool:
        """Whether no other item has the item's name."""
        return bool(key) and _NEXT not in key and f"{key}{_NEXT}2" not in self.entries

    @cached_property
    def digest(self) -> str:
        """A digest that is equal for two documents exactly if they have the same items and the same other content."""
        return digest("\x06".join([self.rest, *(f"{key}\x07{self.entries[key]}" for key in sorted(self.entries))]))


def items(
    root: etree._Element, hint: str, *, ignored: frozenset[str] = RUNTIME_NAMES, most: int = budgets.ITEMS
) -> Items:
    """Split a list document into its items, at most ``most``.

    ``hint`` is the ending of the items' tag if it is known ("user").

    The items are the named elements nearest to the root; elements whose tag ends with the hint are preferred, because
    lists can be wrapped in other named elements. Raises Failure(REPLY_TOO_COMPLEX).
    """
    keyed = _keyed(root, hint, most)
    return Items(
        rest=rest_digest(root, frozenset(item.element for item in keyed.values()), ignored=ignored),
        entries={
            key: item_digest(item.element, item.name, item.parent, ignored=ignored) for key, item in keyed.items()
        },
        names={
            key: written for key, item in keyed.items() if (written := item.name.written if item.name else "") != key
        },
        parents={key: item.parent for key, item in keyed.items() if item.parent},
    )


def item_digest(
    element: etree._Element, name: Name | None, parent: int = 0, *, ignored: frozenset[str] = RUNTIME_NAMES
) -> str:
    """The digest of an item. ``parent`` is the position of its parent among all elements of the parent's level."""
    return digest(f"{parent}{canonical(element, ignored=ignored, fold=name)}")


def rest_digest(
    root: etree._Element, skip: frozenset[etree._Element], *, ignored: frozenset[str] = RUNTIME_NAMES
) -> str:
    """The digest of a list document without its items."""
    return digest(canonical(root, ignored=ignored, skip=skip))


def excerpts(root: etree._Element, hint: str, keys: Collection[str]) -> dict[str, bytes]:
    """The XML of some items of a list document, by their keys in ``items``."""
    return {key: excerpt(item.element) for key, item in _keyed(root, hint).items() if key in keys}


def around_items(root: etree._Element, hint: str) -> bytes:
    """The XML of a list document without its items. The function modifies the tree."""
    for item in _find_items(root, hint):
        if (parent := item.element.getparent()) is not None:
            parent.remove(item.element)
    return excerpt(root)


def excerpt(element: etree._Element) -> bytes:
    """An element as an XML document, with the prefixes that it uses."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


@dataclass(frozen=True, slots=True)
class _Item:
    """One item in its document. ``parent`` is the position of its parent among all elements of the parent's level.

    A document can have several lists, and the list that an item is in matters.
    """

    parent: int
    element: etree._Element
    name: Name | None


def _keyed(root: etree._Element, hint: str, most: int | None = None) -> dict[str, _Item]:
    keys = UniqueKeys()
    return {keys.next(folded(item.name.written) if item.name else ""): item for item in _find_items(root, hint, most)}


_NEXT = "\x08"
"""The separator in a key before the number of a repeated name. No name contains it, because XML cannot."""


class UniqueKeys:
    """Makes keys from names in lower case. A repeated name gets a number."""

    def __init__(self) -> None:
        self._occurrences: Counter[str] = Counter()

    def next(self, name: str) -> str:
        """The key of the next item with this name."""
        self._occurrences[name] += 1
        occurrence = self._occurrences[name]
        return name if occurrence == 1 else f"{name}{_NEXT}{occurrence}"


def _find_items(root: etree._Element, hint: str, most: int | None = None) -> list[_Item]:
    """The elements that are items, by their level, their names and the hint.

    Raises Failure(REPLY_TOO_COMPLEX) for a level with more than ``most`` elements.
    """
    nearest: list[_Item] = []
    parents = [root]
    for _ in range(_DEPTH):
        if most is not None and sum(map(len, parents)) > most:
            raise too_many_items(most)
        level = [
            _Item(position, child, name_of(child))
            for position, parent in enumerate(parents)
            for child in children(parent)
        ]
        named = [item for item in level if item.name is not None]
        hinted = {item.element.tag for item in named if plain_name(str(item.element.tag)).endswith(hint)}
        if hinted:
            return [item for item in level if item.element.tag in hinted]
        nearest = nearest or named
        parents = [item.element for item in level]
    return nearest


def too_many_items(most: int) -> Failure:
    """The failure for a list with more than ``most`` items."""
    return budgets.too_complex(f"a list of users or groups has more than {most} entries for its size")
