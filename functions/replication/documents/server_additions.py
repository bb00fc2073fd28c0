"""Values that a server adds to a document it was sent: the only difference after a write that counts as equal.

Some servers write a document down with defaults that it did not name. A new
default is a single value inside an element that was sent. Everything else is a
write that did not take: a whole entry of a list, another order, another
namespace, and above all what the server held before and should have dropped.
"""

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from replication.documents.canonical import canonical, children, meaning, name_of, text_of
from replication.documents.diff import pairs_of
from replication.documents.entry_names import key_of

type Value = tuple[str, str]
"""Name of an attribute or childless element, with its namespace, and what it holds."""


def count_additions(
    sent: etree._Element, held: etree._Element, before: etree._Element | None, *, within_items: bool = False
) -> int | None:
    """How many values ``held`` has beyond ``sent``; None when they differ in anything else.

    ``before`` is what the server held before the write, None when that is not
    known: none of it may be among the additions. ``within_items``: the document
    is a list, so values may be added inside its named entries alone.
    """
    left_over = set(_values(before)) - set(_values(sent)) if before is not None else set()
    return _Comparison(left_over).additions(sent, held, before, may_add=not within_items)


class _Comparison:
    """One comparison. ``left_over`` are values of the old content that the new content does not have."""

    def __init__(self, left_over: set[Value]) -> None:
        self._left_over = left_over

    def additions(
        self, sent: etree._Element, held: etree._Element, before: etree._Element | None, *, may_add: bool
    ) -> int | None:
        if sent.tag != held.tag:
            return None
        may_add = may_add or name_of(sent) is not None
        if _is_mixed(sent) or _is_mixed(held):  # where a text stands among elements is part of it
            return 0 if canonical(sent) == canonical(held) else None
        if _leaf_text(sent) != _leaf_text(held):
            return None
        added = self._attributes(sent, held, before, may_add=may_add)
        if added is None:
            return None
        inner = self._children(sent, held, before, may_add=may_add)
        return None if inner is None else added + inner

    def _attributes(
        self, sent: etree._Element, held: etree._Element, before: etree._Element | None, *, may_add: bool
    ) -> int | None:
        wanted, held_values = _attributes(sent), _attributes(held)
        if any(held_values.get(key) != value for key, value in wanted.items()):
            return None
        extra = held_values.keys() - wanted.keys()
        old = _attributes(before) if before is not None else {}
        if (extra and not may_add) or any(
            key in old or (f"@{key}", held_values[key]) in self._left_over for key in extra
        ):
            return None
        return len(extra)

    def _children(
        self, sent: etree._Element, held: etree._Element, before: etree._Element | None, *, may_add: bool
    ) -> int | None:
        """Every child that was sent stands where it was, and what stands between them is new."""
        wanted, held_children = list(children(sent)), list(children(held))
        kinds = {str(child.tag) for child in wanted}
        kept = [child for child in held_children if str(child.tag) in kinds]
        extra = [child for child in held_children if str(child.tag) not in kinds]
        if len(kept) != len(wanted):
            return None
        if extra and not (may_add and _is_record(sent) and self._are_new(extra, wanted, before)):
            return None
        counterparts = {right: left for left, right, _ in pairs_of(before, sent)} if before is not None else {}
        total = len(extra)
        for one, other in zip(wanted, kept, strict=True):
            added = self.additions(one, other, counterparts.get(one), may_add=may_add)
            if added is None:
                return None
            total += added
        return total

    def _are_new(
        self, extra: list[etree._Element], wanted: list[etree._Element], before: etree._Element | None
    ) -> bool:
        """Whether these children are single new values: no entries of a list, and nothing of the old content."""
        known_names = {_local(child) for child in wanted}
        if before is not None:
            known_names |= {_local(child) for child in children(before)}
        occurrences = Counter(_local(child) for child in extra)
        return all(
            _is_leaf(child)
            and occurrences[_local(child)] == 1
            and _local(child) not in known_names
            and not key_of(child)
            and self._left_over.isdisjoint(_values(child))
            for child in extra
        )


def _is_record(element: etree._Element) -> bool:
    """Whether an element holds values of one thing, not entries of a list: those are all of one kind, or none yet."""
    kinds = Counter(str(child.tag) for child in children(element))
    if len(kinds) == 1 and kinds.total() > 1:
        return False
    return bool(kinds or element.attrib)


def _is_leaf(element: etree._Element) -> bool:
    return next(children(element), None) is None


def _is_mixed(element: etree._Element) -> bool:
    """Whether text that is no white space stands among child elements."""
    return not _is_leaf(element) and bool(text_of(element).strip())


def _leaf_text(element: etree._Element) -> str:
    """The text of a childless element, exactly; white space between elements is none."""
    return text_of(element) if _is_leaf(element) else ""


def _attributes(element: etree._Element) -> dict[str, str]:
    return {str(key): meaning(element, str(key), str(value)) for key, value in element.attrib.items()}


def _values(root: etree._Element) -> Iterator[Value]:
    for element in root.iter(etree.Element):
        yield from ((f"@{key}", value) for key, value in _attributes(element).items())
        if _is_leaf(element):
            yield str(element.tag), text_of(element)


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname.casefold()
