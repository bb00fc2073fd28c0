"""Finds values that a server added to a document that was written. Any other difference means that the write failed.

Some servers add defaults to a document that it does not mention. An added default is a single value inside an element
that was sent. Every other difference means that the write did not take effect: a whole entry of a list, another order,
another namespace, and above all earlier content that should be gone.

A server may keep old content in another form: an attribute as an element, a name in another case, an entry with a key
as an element. So an addition is compared with old content by name and text only, without case and punctuation.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from lxml import etree

from replication.documents.canonical import (
    canonical,
    children,
    is_ignored,
    is_ignored_attribute,
    meaning,
    name_of,
    text_of,
)
from replication.documents.entry_names import key_of
from replication.documents.old_content import Addition, Counterparts, IsOld, OldContent
from replication.documents.plain_values import (
    Value,
    attributes_of,
    is_leaf,
    plain_text,
    plain_word,
    values_of,
)

_MOST_DEFAULTS = 10_000
"""Maximum number of different values that a server may add to one document: a few defaults for each kind of entry, and
an id for each entry.
"""


def count_additions(
    sent: etree._Element, held: etree._Element, before: etree._Element | None, *, within_items: bool = False
) -> int | None:
    """The number of values that ``held`` has in addition to ``sent``; None if they differ in any other way.

    ``before`` is the server's content before the write, None if unknown: no addition may come from it.
    ``within_items``: the document is a list, so values may be added only inside its named entries.
    """
    place = Counterparts.outermost(sent, before, is_document=True)
    old = (lambda: iter([before])) if before is not None else None
    return Answer(lambda: iter([(place, held)]), old, lambda: iter([sent])).additions(may_add=not within_items)


@dataclass(frozen=True)
class Answer:
    """Compares the elements that were sent with those that the server has now. A second comparison rejects additions
    that are content from before the write.

    ``places`` are the sent elements, each with the current element. ``old`` is the server's earlier content, None if
    unknown; ``new`` is the sent content. Each call of these three starts a new iteration. ``ignored`` are the names
    of run-time values.
    """

    places: Callable[[], Iterator[tuple[Counterparts, etree._Element]]]
    old: Callable[[], Iterator[etree._Element]] | None
    new: Callable[[], Iterator[etree._Element]]
    ignored: frozenset[str] = frozenset()

    def additions(self, *, may_add: bool) -> int | None:
        """The number of added values; None if anything else differs."""
        added: set[Value] = set()

        def is_too_much(addition: Addition, _: Counterparts) -> bool:
            added.update(addition.values)
            return len(added) > _MOST_DEFAULTS

        total = self._compared(is_too_much, may_add=may_add)
        if not total or self.old is None:
            return total
        return self._compared(OldContent(self.old, self.new, added).holds, may_add=may_add)

    def _compared(self, is_old: IsOld, *, may_add: bool) -> int | None:
        comparison, total = _Comparison(is_old, self.ignored), 0
        for place, held in self.places():
            added = comparison.additions(place, held, may_add=may_add)
            if added is None:
                return None
            total += added
        return total


class _Comparison:
    """One comparison of sent and current content, element by element."""

    def __init__(self, is_old: IsOld, ignored: frozenset[str]) -> None:
        self._is_old = is_old
        self._ignored = ignored

    def additions(self, place: Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        sent = place.sent
        if sent.tag != held.tag:
            return None
        may_add = may_add or name_of(sent) is not None
        are_leaves = is_leaf(sent) and is_leaf(held)
        if not are_leaves and (_is_mixed(sent) or _is_mixed(held)):  # the text's position counts
            return 0 if canonical(sent, ignored=self._ignored) == canonical(held, ignored=self._ignored) else None
        if _leaf_text(sent) != _leaf_text(held):
            return None
        added = self._attributes(place, held, may_add=may_add)
        if added is None or are_leaves:
            return added
        inner = self._children(place, held, may_add=may_add)
        return None if inner is None else added + inner

    def _attributes(self, place: Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        wanted, held_values = self._counted(place.sent), self._counted(held)
        if any(held_values.get(key) != value for key, value in wanted.items()):
            return None
        extra = held_values.keys() - wanted.keys()
        if extra and not may_add:
            return None
        names = Counter(plain_word(key) for key in extra)
        values = ((plain_word(key), plain_text(held_values[key])) for key in extra)
        is_new = all(names[name] == 1 and self._is_new(name, [(name, text)], place) for name, text in values)
        return len(extra) if is_new else None

    def _counted(self, element: etree._Element) -> dict[str, str]:
        """The attributes that are not ignored."""
        all_of_them = attributes_of(element)
        if not self._ignored:
            return all_of_them
        return {key: one for key, one in all_of_them.items() if not is_ignored_attribute(key, one, self._ignored)}

    def _children(self, place: Counterparts, held: etree._Element, *, may_add: bool) -> int | None:
        """Check that every child that was sent is in its place, and that all others are new."""
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

    def _are_new(self, extra: list[etree._Element], place: Counterparts, held: etree._Element) -> bool:
        """Whether the children in ``extra`` are single new values: not entries of a list, and not old content."""
        names = [plain_word(str(child.tag)) for child in extra]
        occurrences = Counter([*names, *map(plain_word, attributes_of(held))])
        return all(
            is_leaf(child)
            and occurrences[name] == 1
            and not key_of(child)
            and name_of(child) is None
            and self._is_new(name, list(values_of(child)), place)
            for name, child in zip(names, extra, strict=True)
        )

    def _is_new(self, name: str, values: Collection[Value], place: Counterparts) -> bool:
        """Whether a value with this ``name`` was neither sent in another form nor on the server before the write."""
        addition = Addition(name, values)
        is_sent = not place.names_sent.isdisjoint(addition.names)
        return not is_sent and not self._is_old(addition, place)


def _is_record(element: etree._Element) -> bool:
    """Whether an element contains the values of one thing, and is not a list. An element counts as a list if it is
    empty, or if it has several children that all have the same tag.
    """
    kinds = Counter(str(child.tag) for child in children(element))
    if len(kinds) == 1 and kinds.total() > 1:
        return False
    return bool(kinds or element.attrib)


def _is_mixed(element: etree._Element) -> bool:
    """Whether an element has text beside child elements."""
    return not is_leaf(element) and bool(text_of(element).strip())


def _leaf_text(element: etree._Element) -> str:
    """The exact text of an element without children; for other elements, whose white space is ignored, it is empty."""
    return meaning(element, None, text_of(element)) if is_leaf(element) else ""
