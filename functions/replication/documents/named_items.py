"""Lists of users and groups: documents whose items have names and no order.

Each item is known by its name, without regard to letter case, as the server
takes names. Two lists are the same when each item of one is in the other and
what stands around the items is the same (``replication.documents.canonical``).
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
"""How far below the root items are looked for."""


@dataclass(frozen=True)
class Items:
    """A document that lists named items: digests of their canonical texts by folded name, and of the rest.

    ``names`` maps the folded name to the name as written where that is another (``written``). An item without a
    name or with a name that occurs twice is keyed by name and occurrence, so
    that none is lost. Nothing here holds on to the parsed document, which
    takes many times the room.
    """

    rest: str
    entries: dict[str, str]
    names: dict[str, str]
    parents: dict[str, int] = field(default_factory=dict)
    """Where items stand in several parents: the position of each one's that is not in the first."""

    def written(self, key: str) -> str:
        """The name of an item as written."""
        return self.names.get(key, key)

    def is_told_apart(self, key: str) -> bool:
        """Whether the item has a name that no other has."""
        return bool(key) and _NEXT not in key and f"{key}{_NEXT}2" not in self.entries

    @cached_property
    def digest(self) -> str:
        """Equal for two documents exactly when they hold the same items and the same rest."""
        return digest("\x06".join([self.rest, *(f"{key}\x07{self.entries[key]}" for key in sorted(self.entries))]))


def items(
    root: etree._Element, hint: str, *, ignored: frozenset[str] = RUNTIME_NAMES, most: int = budgets.ITEMS
) -> Items:
    """Take a list document of at ``most`` so many items apart.

    ``hint`` is what the items' element name ends with where it is known ("user").

    The items are the named elements nearest to the root; those whose element
    name ends with the hint are preferred, because lists can be wrapped in
    other named elements. Raises Failure(REPLY_TOO_COMPLEX).
    """
    keyed = _keyed(root, hint, most)
    skip = frozenset(item.element for item in keyed.values())
    return Items(
        rest=rest_digest(root, skip, ignored=ignored),
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
    """Of an item that stands in the parent of this position among those of its distance from the root."""
    return digest(f"{parent}{canonical(element, ignored=ignored, fold=name)}")


def rest_digest(
    root: etree._Element, skip: frozenset[etree._Element], *, ignored: frozenset[str] = RUNTIME_NAMES
) -> str:
    """Of a list document without its items."""
    return digest(canonical(root, ignored=ignored, skip=skip))


def excerpts(root: etree._Element, hint: str, keys: Collection[str]) -> dict[str, bytes]:
    """Some items of a list document, each as a document of its own, by the keys that they have in ``items``."""
    return {key: excerpt(item.element) for key, item in _keyed(root, hint).items() if key in keys}


def around_items(root: etree._Element, hint: str) -> bytes:
    """A list document without its items: what stands around them. The tree is changed by this."""
    for item in _find_items(root, hint):
        if (parent := item.element.getparent()) is not None:
            parent.remove(item.element)
    return excerpt(root)


def excerpt(element: etree._Element) -> bytes:
    """An element as a document of its own, with the prefixes that it uses."""
    return etree.tostring(element, encoding="utf-8", with_tail=False)


@dataclass(frozen=True, slots=True)
class _Item:
    """One item where it stands. ``parent`` is the position of its parent among the elements of that distance.

    A document can hold several lists, and it matters in which one an item is.
    """

    parent: int
    element: etree._Element
    name: Name | None


def _keyed(root: etree._Element, hint: str, most: int | None = None) -> dict[str, _Item]:
    keys = UniqueKeys()
    return {keys.next(folded(item.name.written) if item.name else ""): item for item in _find_items(root, hint, most)}


_NEXT = "\x08"
"""Stands in a key before the number of a second item of one name. No name has it: XML cannot hold it."""


class UniqueKeys:
    """Keys of items by their folded names, of which several may have one: the second one is told apart by a number."""

    def __init__(self) -> None:
        self._occurrences: Counter[str] = Counter()

    def next(self, name: str) -> str:
        """The key of the next item of this name."""
        self._occurrences[name] += 1
        occurrence = self._occurrences[name]
        return name if occurrence == 1 else f"{name}{_NEXT}{occurrence}"


def _find_items(root: etree._Element, hint: str, most: int | None = None) -> list[_Item]:
    """The elements that are items, by their distance from the root, their names and the hint.

    Nothing is made of a level that has more than ``most`` elements.
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
    """The failure of a list that has more than ``most`` items."""
    return budgets.too_complex(f"a list of users or groups has more than {most} entries for its size")
