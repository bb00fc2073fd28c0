"""Decides whether a value that a server added after a write is content that the server had before the write."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

from lxml import etree

from replication.documents.canonical import children, name_of
from replication.documents.counterparts import pairs_of
from replication.documents.entry_names import ABOUT_VALUES, VALUES, key_of
from replication.documents.plain_values import (
    Value,
    attributes_of,
    is_leaf,
    names_in,
    own_names,
    plain_text,
    plain_word,
    texts_of,
    values_of,
    words_of,
)


@dataclass(frozen=True)
class Addition:
    """A single value that the server added. ``name`` is its tag or attribute name; ``values`` has every name in it,
    each with its text.
    """

    name: str
    values: Collection[Value]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the value. Names of attributes such as ``value`` or ``type`` are left out."""
        return (frozenset(name for name, _ in self.values) - VALUES - ABOUT_VALUES) | {self.name}

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(texts_of(self.values))


type IsOld = Callable[[Addition, "Counterparts"], bool]
"""Decides whether an addition is old content."""


class OldContent:
    """The earlier content of a server, limited to what is needed for recognising the values in ``added``."""

    def __init__(
        self,
        before: Callable[[], Iterator[etree._Element]],
        sent: Callable[[], Iterator[etree._Element]],
        added: Collection[Value],
    ) -> None:
        self._before = before
        self._added = frozenset(added)
        added_texts = frozenset(texts_of(added))
        texts: set[str] = set()
        lost: set[Value] = set()
        for element in before():
            values = set(values_of(element))
            lost |= values & self._added
            texts.update(added_texts.intersection(texts_of(values)))
        for element in sent() if lost else ():
            lost.difference_update(values_of(element))
        self._texts, self._lost_values = frozenset(texts), frozenset(lost)

    def holds(self, addition: Addition, place: "Counterparts") -> bool:
        """Whether the server had the addition before the write: its name, its name with its text, or a text or word in
        it.

        A text or word counts only if it was not sent for the same item.

        The server may turn an old name into a text, and an old text into a name.

        The server may also keep old content at the same position. So if no name distinguishes an element from others of
        its kind, the old content of each of these elements counts.
        """
        return (
            not place.names_before.isdisjoint(addition.names)
            or not place.item.lost_names.isdisjoint(addition.names)
            or not place.item.lost_words.isdisjoint(addition.names | addition.texts)
            or not self._lost_values.isdisjoint(addition.values)
            or (not place.is_certain and self._is_held_by_kind(addition, place))
            or any(text in self._texts and text not in place.item.texts for text in addition.texts)
        )

    def _is_held_by_kind(self, addition: Addition, place: "Counterparts") -> bool:
        return not self._by_kind.get(plain_word(str(place.sent.tag)), set()).isdisjoint(addition.values)

    @cached_property
    def _by_kind(self) -> dict[str, set[Value]]:
        """The earlier values of all elements with the same tag."""
        by_kind: defaultdict[str, set[Value]] = defaultdict(set)
        for element in (inner for root in self._before() for inner in root.iter(etree.Element)):
            held = {(plain_word(key), plain_text(text)) for key, text in attributes_of(element).items()}
            for child in filter(is_leaf, children(element)):
                held.update(values_of(child))
            by_kind[plain_word(str(element.tag))] |= held & self._added
        return by_kind


@dataclass(frozen=True)
class _Item:
    """An outermost named entry, or the whole document: the element that was sent, and the element that the server had
    before.
    """

    sent: etree._Element
    before: etree._Element | None
    is_document: bool

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(texts_of(values_of(self.sent)))

    @cached_property
    def lost_names(self) -> frozenset[str]:
        """The names of values that the server had in this item, and that were not sent as names of values."""
        return self._lost(names_in)

    @cached_property
    def lost_words(self) -> frozenset[str]:
        """The words that the server had in this item as a name or as a text, and that were sent as neither."""
        return self._lost(words_of)

    def _lost(self, words: Callable[[etree._Element], Iterator[str]]) -> frozenset[str]:
        return frozenset() if self.before is None else frozenset(words(self.before)).difference(words(self.sent))


class _Counterpart(NamedTuple):
    before: etree._Element | None
    item: _Item
    is_certain: bool


@dataclass(frozen=True)
class Counterparts:
    """An element that was sent, the server's earlier element in its place, and the item that contains both.

    The earlier element and the item are looked up only if needed, because most elements are as they were sent.
    ``is_certain``: a name distinguishes the element from all others of its kind, or it is the only one.
    """

    sent: etree._Element
    _look_up: Callable[[], _Counterpart]

    @classmethod
    def outermost(
        cls, sent: etree._Element, before: etree._Element | None, *, is_document: bool, is_certain: bool = True
    ) -> "Counterparts":
        return cls(sent, lambda: _Counterpart(before, _Item(sent, before, is_document), is_certain))

    def below(self) -> Iterator["Counterparts"]:
        """The counterparts of each child that was sent."""
        return (Counterparts(child, partial(self._of_child, child)) for child in children(self.sent))

    def _of_child(self, child: etree._Element) -> _Counterpart:
        before, position = self._pairs.get(child, (None, 0))
        is_item = self.item.is_document and name_of(child) is not None
        is_told_apart = position == 0 or (bool(key_of(child)) and self._occurrences[_kind_and_key(child)] == 1)
        inner = _Item(child, before, is_document=False) if is_item else self.item
        return _Counterpart(before, inner, self.is_certain and is_told_apart)

    @cached_property
    def _pairs(self) -> dict[etree._Element | None, tuple[etree._Element | None, int]]:
        """The sent children, each with the earlier element in its place and its position among several of a kind."""
        pairs = pairs_of(self.before, self.sent) if self.before is not None else ()
        return {right: (left, position) for left, right, position in pairs}

    @cached_property
    def _occurrences(self) -> Counter[tuple[str, str]]:
        """How often each tag with each key occurs among the children, sent or earlier, whichever is more."""
        sides = (self.sent, self.before)
        sent, before = (Counter(map(_kind_and_key, children(one) if one is not None else ())) for one in sides)
        return sent | before

    @cached_property
    def _counterpart(self) -> _Counterpart:
        return self._look_up()

    @property
    def before(self) -> etree._Element | None:
        return self._counterpart.before

    @property
    def item(self) -> _Item:
        return self._counterpart.item

    @property
    def is_certain(self) -> bool:
        return self._counterpart.is_certain

    @cached_property
    def names_sent(self) -> frozenset[str]:
        """The names of the values that were sent in this element."""
        return frozenset(own_names(self.sent))

    @cached_property
    def names_before(self) -> frozenset[str]:
        """The names of the values that the server had in this element before."""
        return frozenset(own_names(self.before)) if self.before is not None else frozenset()


def _kind_and_key(element: etree._Element) -> tuple[str, str]:
    return str(element.tag), key_of(element)
