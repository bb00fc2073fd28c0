"""Values that a server adds to a document it was sent: the only difference after a write that counts as equal.

Some servers write a document down with defaults that it did not name. A new
default is a single value inside an element that was sent. Everything else is a
write that did not take: a whole entry of a list, another order, another
namespace, and above all what the server held before and should have dropped.

A server may keep old content in another form: an attribute as an element, a
name in other letters, an entry with a key as an element. So an addition is
compared by its plain name and its plain text, whatever bears them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import batched
from typing import Protocol

from lxml import etree

from common.patterns import within
from common.safe_xml import local_name, parse
from replication.documents.canonical import (
    canonical,
    children,
    folded,
    is_ignored,
    is_ignored_attribute,
    name_of,
    plain,
    text_of,
    truth,
)
from replication.documents.counterparts import pairs_of
from replication.documents.entry_names import VALUES, key_of, names_of
from replication.documents.keep_labels import is_entry
from replication.documents.named_items import Items
from replication.documents.namespaces import meaning
from replication.documents.runtime_values import RUNTIME_NAMES

type Value = tuple[str, str]
"""The plain name of an attribute, element or entry, and the plain text it holds."""

_BETWEEN_WORDS = within(r"[\s\"'=:;,|()<>]")
_TELLING = 3
"""Characters of the shortest text that old content is recognised by."""
_MOST_DEFAULTS = 10_000
"""Different values that a server may add to one document: a few defaults for each kind of entry, an id for each."""


def count_additions(
    sent: etree._Element, held: etree._Element, before: etree._Element | None, *, within_items: bool = False
) -> int | None:
    """How many values ``held`` has beyond ``sent``; None when they differ in anything else.

    ``before`` is what the server held before the write, None when that is not
    known: none of it may be among the additions. ``within_items``: the document
    is a list, so values may be added inside its named entries alone.
    """
    place = _Counterparts(sent, before, _Item(sent, before, is_document=True))
    old = (lambda: iter([before])) if before is not None else None
    answer = _Answer(lambda: iter([(place, held)]), old, lambda: iter([sent]))
    return answer.additions(may_add=not within_items)


class NamedItems(Protocol):
    """A list of users or groups."""

    @property
    def items(self) -> Items:
        """Its items by their keys, and what is beside them, as digests."""

    @property
    def around_items(self) -> bytes | None:
        """What stands around them, as XML of its own; None for an empty document."""

    def excerpts(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """The items with these keys, each as XML of its own."""


def count_item_additions(sent: NamedItems, held: NamedItems, before: NamedItems | None) -> int | None:
    """The same of a list whose items are matched by their names, as far as they are compared there.

    Old content is what the server held ``before`` in items that went or were sent otherwise, and around all of them.
    """
    wanted, written, old = sent.items, held.items, before.items if before else None
    if (wanted.rest, wanted.entries.keys(), wanted.parents) != (written.rest, written.entries.keys(), written.parents):
        return None
    differing = [key for key, entry in wanted.entries.items() if written.entries[key] != entry]
    moved_from = old.entries if old else {}
    lost = [key for key, entry in moved_from.items() if wanted.entries.get(key) != entry]
    new = [key for key, entry in wanted.entries.items() if moved_from.get(key) != entry]

    def places() -> Iterator[tuple[_Counterparts, etree._Element]]:
        cut_out = (_cut_out(one, differing) for one in (sent, held, before))
        for key, one, other, former in zip(differing, *cut_out, strict=True):
            if one is not None and other is not None:
                item = _Item(one, former, is_document=False)
                yield _Counterparts(one, former, item, wanted.is_told_apart(key)), other

    old_content = partial(_content, before, lost) if before else None
    answer = _Answer(places, old_content, partial(_content, sent, new), RUNTIME_NAMES)
    return answer.additions(may_add=False)


_AT_ONCE = 2000
"""Items that are cut out of a list together: some megabytes."""


def _cut_out(one: NamedItems | None, keys: list[str]) -> Iterator[etree._Element | None]:
    """The item of each of these keys, None where there is none, with its name as it is compared."""
    for some in batched(keys, _AT_ONCE):
        excerpts = one.excerpts(frozenset(some)) if one else {}
        yield from (_folded(parse(excerpts[key])) if key in excerpts else None for key in some)


def _content(one: NamedItems, keys: list[str]) -> Iterator[etree._Element]:
    """The items of these keys, and what stands around all items."""
    yield from (item for item in _cut_out(one, keys) if item is not None)
    if frame := one.around_items:
        yield parse(frame)


def _folded(item: etree._Element) -> etree._Element:
    if name := name_of(item):
        if name.key is None:
            name.owner.text = folded(name.written)
        else:
            name.owner.set(name.key, folded(name.written))
    return item


@dataclass(frozen=True)
class _Answer:
    """What a server made of what it was sent: compared twice, because nearly nothing of what it held is of interest.

    ``places`` are the elements that were sent with what is held in their place, ``old`` and ``new`` what the server
    held before, None if that is not known, and was sent; each is made anew when called. ``ignored`` are names of
    run-time values.
    """

    places: Callable[[], Iterator[tuple["_Counterparts", etree._Element]]]
    old: Callable[[], Iterator[etree._Element]] | None
    new: Callable[[], Iterator[etree._Element]]
    ignored: frozenset[str] = frozenset()

    def additions(self, *, may_add: bool) -> int | None:
        """How many values were added; None where anything else differs."""
        added: set[Value] = set()

        def is_too_much(addition: Collection[Value], _: "_Counterparts") -> bool:
            added.update(addition)
            return len(added) > _MOST_DEFAULTS

        total = self._compared(is_too_much, may_add=may_add)
        if not total or self.old is None:
            return total
        old = _OldContent(self.old, self.new, added)
        return self._compared(old.holds, may_add=may_add)

    def _compared(self, is_old: "_IsOld", *, may_add: bool) -> int | None:
        comparison, total = _Comparison(is_old, self.ignored), 0
        for place, held in self.places():
            added = comparison.additions(place, held, may_add=may_add)
            if added is None:
                return None
            total += added
        return total


type _IsOld = Callable[[Collection[Value], "_Counterparts"], bool]
"""Whether any value of an addition is old content. The same value goes by several names."""


class _OldContent:
    """Of what a server has ``added``: what it held before, as an addition of the same content would bear it."""

    def __init__(
        self,
        before: Callable[[], Iterator[etree._Element]],
        sent: Callable[[], Iterator[etree._Element]],
        added: Collection[Value],
    ) -> None:
        self._before = before
        self._added = frozenset(added)
        words = frozenset(_texts(added))
        texts: set[str] = set()
        lost: set[Value] = set()
        for element in before():
            values = set(_values(element))
            lost |= values & self._added
            texts.update(words.intersection(_texts(values)))
        for element in sent() if lost else ():
            lost.difference_update(_values(element))
        self._texts, self._lost_values = frozenset(texts), frozenset(lost)

    def holds(self, addition: Collection[Value], place: "_Counterparts") -> bool:
        """Whether a value of the addition is old: by name and text, or by a text or word that the item was not sent.

        A server may keep what it held at the same position. So among several that
        no name tells apart, what it held in any of them is old.
        """
        return (
            not self._lost_values.isdisjoint(addition)
            or not (place.is_certain or self._by_kind.get(_plain_name(str(place.sent.tag)), set()).isdisjoint(addition))
            or any(text in self._texts and text not in place.item.texts for text in _texts(addition))
        )

    @cached_property
    def _by_kind(self) -> dict[str, set[Value]]:
        """What all elements of one name held before, each by itself."""
        by_kind: defaultdict[str, set[Value]] = defaultdict(set)
        for element in (inner for root in self._before() for inner in root.iter(etree.Element)):
            held = {(_plain_name(key), _plain_text(text)) for key, text in _attributes(element).items()}
            for child in filter(_is_leaf, children(element)):
                held.update(_values(child))
            by_kind[_plain_name(str(element.tag))] |= held & self._added
        return by_kind


@dataclass(frozen=True)
class _Item:
    """An outermost named entry, or the document: what was sent of it, and what the server held of it before."""

    sent: etree._Element
    before: etree._Element | None
    is_document: bool

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(_texts(_values(self.sent)))

    @cached_property
    def lost_names(self) -> frozenset[str]:
        """What the server held values of in this item, and was sent none of."""
        return frozenset(_names(self.before)) - frozenset(_names(self.sent)) if self.before is not None else frozenset()


@dataclass(frozen=True)
class _Counterparts:
    """An element that was sent, what the server held in its place before, and the item both are in.

    ``is_certain``: a name tells it from all others of its kind, or there is no other.
    """

    sent: etree._Element
    before: etree._Element | None
    item: _Item
    is_certain: bool = True

    def below(self) -> Iterator["_Counterparts"]:
        """The same of each child that was sent."""
        pairs = pairs_of(self.before, self.sent) if self.before is not None else ()
        counterparts = {right: (left, position) for left, right, position in pairs}
        names = Counter(map(_kind_and_key, children(self.sent)))
        for child in children(self.sent):
            before, position = counterparts.get(child, (None, 0))
            is_item = self.item.is_document and name_of(child) is not None
            is_told_apart = position == 0 or (bool(key_of(child)) and names[_kind_and_key(child)] == 1)
            inner = _Item(child, before, is_document=False) if is_item else self.item
            yield _Counterparts(child, before, inner, self.is_certain and is_told_apart)

    @cached_property
    def names(self) -> frozenset[str]:
        """What either side calls its own values."""
        return frozenset(name for one in (self.sent, self.before) if one is not None for name in _own_names(one))


class _Comparison:
    """One comparison of what was sent with what is held, element by element."""

    def __init__(self, is_old: _IsOld, ignored: frozenset[str]) -> None:
        self._is_old = is_old
        self._ignored = ignored

    def additions(self, place: _Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        sent = place.sent
        if sent.tag != held.tag:
            return None
        may_add = may_add or name_of(sent) is not None
        are_leaves = _is_leaf(sent) and _is_leaf(held)
        if not are_leaves and (_is_mixed(sent) or _is_mixed(held)):  # where a text stands among elements is part of it
            is_same = canonical(sent, ignored=self._ignored) == canonical(held, ignored=self._ignored)
            return 0 if is_same else None
        if _leaf_text(sent) != _leaf_text(held):
            return None
        added = self._attributes(place, held, may_add=may_add)
        if added is None or are_leaves:
            return added
        inner = self._children(place, held, may_add=may_add)
        return None if inner is None else added + inner

    def _attributes(self, place: _Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        wanted, held_values = self._counted(place.sent), self._counted(held)
        if any(held_values.get(key) != value for key, value in wanted.items()):
            return None
        extra = held_values.keys() - wanted.keys()
        if extra and not may_add:
            return None
        names = Counter(_plain_name(key) for key in extra)
        values = ((_plain_name(key), _plain_text(held_values[key])) for key in extra)
        is_new = all(names[name] == 1 and self._is_new(name, [(name, text)], place) for name, text in values)
        return len(extra) if is_new else None

    def _counted(self, element: etree._Element) -> dict[str, str]:
        """The attributes that count."""
        all_of_them = _attributes(element)
        if not self._ignored:
            return all_of_them
        return {key: one for key, one in all_of_them.items() if not is_ignored_attribute(key, one, self._ignored)}

    def _children(self, place: _Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        """Every child that was sent stands where it was, and what stands between them is new."""
        wanted = [one for one in place.below() if not is_ignored(one.sent, self._ignored)]
        held_children = [child for child in children(held) if not is_ignored(child, self._ignored)]
        kinds = {str(one.sent.tag) for one in wanted}
        kept = [child for child in held_children if str(child.tag) in kinds]
        extra = [child for child in held_children if str(child.tag) not in kinds]
        if len(kept) != len(wanted):
            return None
        if extra and not (may_add and _is_record(place.sent) and self._are_new(extra, place, held)):
            return None
        total = len(extra)
        for one, other in zip(wanted, kept, strict=True):
            added = self.additions(one, other, may_add=may_add)
            if added is None:
                return None
            total += added
        return total

    def _are_new(self, extra: list[etree._Element], place: _Counterparts, held: etree._Element) -> bool:
        """Whether these children are single new values: no entries of a list, and nothing of the old content."""
        names = [_plain_name(str(child.tag)) for child in extra]
        occurrences = Counter([*names, *map(_plain_name, _attributes(held))])
        return all(
            _is_leaf(child)
            and occurrences[name] == 1
            and not key_of(child)
            and self._is_new(name, list(_values(child)), place)
            for name, child in zip(names, extra, strict=True)
        )

    def _is_new(self, name: str, addition: Collection[Value], place: _Counterparts) -> bool:
        is_taken = name in place.names or name in place.item.lost_names
        return not is_taken and not self._is_old(addition, place)


def _is_record(element: etree._Element) -> bool:
    """Whether an element holds values of one thing, not entries of a list: those are all of one kind, or none yet."""
    kinds = Counter(str(child.tag) for child in children(element))
    if len(kinds) == 1 and kinds.total() > 1:
        return False
    return bool(kinds or element.attrib)


def _kind_and_key(element: etree._Element) -> tuple[str, str]:
    return str(element.tag), key_of(element)


def _is_leaf(element: etree._Element) -> bool:
    return next(children(element), None) is None


def _is_mixed(element: etree._Element) -> bool:
    """Whether text that is no white space stands among child elements."""
    return not _is_leaf(element) and bool(text_of(element).strip())


def _leaf_text(element: etree._Element) -> str:
    """The text of a childless element, exactly; white space between elements is none."""
    return meaning(element, None, text_of(element)) if _is_leaf(element) else ""


def _attributes(element: etree._Element) -> dict[str, str]:
    return {str(key): meaning(element, str(key), str(value)) for key, value in element.attrib.items()}


# Plain names and texts, as old content is recognised by -----------------------------------------------------------


def _plain_name(name: str) -> str:
    local = local_name(name)
    return plain(local) or local.casefold()


def _plain_text(text: str) -> str:
    return " ".join(text.casefold().split()).strip("\"'")


def _own_names(element: etree._Element) -> Iterator[str]:
    """What an element calls its values: attributes, children, and entries among these by their keys."""
    yield from map(_plain_name, _attributes(element))
    for child in children(element):
        yield _plain_name(str(child.tag))
        yield from _entry_keys(child)


def _names(root: etree._Element) -> Iterator[str]:
    """What all values inside of an element are called."""
    return (name for element in root.iter(etree.Element) for name in _own_names(element))


def _entry_keys(element: etree._Element) -> Iterator[str]:
    if _is_leaf(element) or is_entry(element):
        yield from (_plain_name(key) for _, key in names_of(element))


def _values(root: etree._Element) -> Iterator[Value]:
    """Every value inside of an element by each name it goes by; the value of an entry by the entry's keys too."""
    for element in root.iter(etree.Element):
        texts = {_plain_name(key): _plain_text(text) for key, text in _attributes(element).items()}
        yield from texts.items()
        names = [*_entry_keys(element), *([_plain_name(str(element.tag))] if _is_leaf(element) else ())]
        if names:
            held = [text for name, text in texts.items() if name in VALUES]
            held += [_plain_text(text_of(one)) for one in (element, *children(element)) if _is_leaf(one)]
            yield from ((name, text) for name in names for text in held)


def _texts(values: Iterable[Value]) -> Iterator[str]:
    """The texts of values and the words in them, as far as they tell anything."""
    return (one for _, text in values for one in (text, *_BETWEEN_WORDS.split(text)) if _is_telling(one))


def _is_telling(text: str) -> bool:
    """Whether a text is no boolean and no small number, which anything may hold."""
    return truth(text) is None and len(text) >= _TELLING and not (len(text) == _TELLING and text.isdigit())
