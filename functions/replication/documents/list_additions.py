"""Finds values that a server added to users and groups, whose lists are matched by name and processed in batches."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from typing import Protocol

from lxml import etree

from common import budgets
from common.safe_xml import XmlTooComplex, parse
from replication.documents.canonical import folded, name_of
from replication.documents.named_items import Items
from replication.documents.old_content import Counterparts
from replication.documents.runtime_values import RUNTIME_NAMES
from replication.documents.server_additions import Answer


class NamedItems(Protocol):
    """A list of users or groups."""

    @property
    def items(self) -> Items:
        """The list's items by key, and the content beside them, as digests."""

    @property
    def around_items(self) -> bytes | None:
        """The XML around the items; None for an empty document."""

    def excerpts(self, keys: Collection[str]) -> Mapping[str, bytes]:
        """The XML of each item whose key is in ``keys``."""


@dataclass(frozen=True)
class AnsweredList:
    """A list as it was ``sent``, as the server has it now (``held``), and as the server had it ``before`` the write.
    The last one is None if it is unknown.

    Items are matched by their names.
    """

    sent: NamedItems
    held: NamedItems
    before: NamedItems | None

    @property
    def has_same_items(self) -> bool:
        """Whether the list contains exactly the items that were sent, by name, in the same places."""
        wanted, written = self.sent.items, self.held.items
        return (wanted.rest, wanted.entries.keys(), wanted.parents) == (
            written.rest,
            written.entries.keys(),
            written.parents,
        )

    def places(self) -> Iterator[tuple[Counterparts, etree._Element]]:
        """The items that differ from what was sent, each with the current item."""
        wanted, written, old = self.sent.items, self.held.items, self._old
        differing = [key for key, entry in wanted.entries.items() if written.entries[key] != entry]
        cut_out = (_cut_out(one, differing) for one in (self.sent, self.held, self.before))
        for key, one, other, former in zip(differing, *cut_out, strict=True):
            if one is not None and other is not None:
                is_certain = wanted.is_told_apart(key) and old.is_told_apart(key)
                yield Counterparts.outermost(one, former, is_document=False, is_certain=is_certain), other

    def old_content(self) -> Iterator[etree._Element]:
        """The earlier content of items that were removed or changed, and the content around all items."""
        if self.before:
            wanted = self.sent.items.entries
            yield from _content(self.before, [key for key, one in self._old.entries.items() if wanted.get(key) != one])

    def new_content(self) -> Iterator[etree._Element]:
        """The sent content of items that are new or changed, and the content around all items."""
        old = self._old.entries
        return _content(self.sent, [key for key, one in self.sent.items.entries.items() if old.get(key) != one])

    @property
    def _old(self) -> Items:
        return self.before.items if self.before else Items("", {}, {})


def count_item_additions(lists: Sequence[AnsweredList]) -> int | None:
    """The number of values that the server has in addition to the lists that were sent; None if sent and current lists
    differ in any other way.

    The content of one list before the write counts as old content in every list.
    """
    if not all(one.has_same_items for one in lists):
        return None
    places, old, new = (
        lambda look=look: chain.from_iterable(look(one) for one in lists)
        for look in (AnsweredList.places, AnsweredList.old_content, AnsweredList.new_content)
    )
    is_known = any(one.before for one in lists)
    return Answer(places, old if is_known else None, new, RUNTIME_NAMES).additions(may_add=False)


_AT_ONCE = 2000
"""Number of items that are cut out of a list at a time. They take a few megabytes."""


def _cut_out(one: NamedItems | None, keys: list[str]) -> Iterator[etree._Element | None]:
    """The item of each key, with its name in lower case for comparison; None for a key that the list does not have."""
    for some in batched(keys, _AT_ONCE):
        excerpts = one.excerpts(frozenset(some)) if one else {}
        yield from (_folded(_parsed(excerpts[key])) if key in excerpts else None for key in some)


def _content(one: NamedItems, keys: list[str]) -> Iterator[etree._Element]:
    """The items whose keys are in ``keys``, and the content around all items."""
    yield from (item for item in _cut_out(one, keys) if item is not None)
    if frame := one.around_items:
        yield _parsed(frame)


def _parsed(excerpt: bytes) -> etree._Element:
    """Parse an excerpt. Raises Failure(REPLY_TOO_COMPLEX), because one item may be as large as the whole list."""
    try:
        return parse(excerpt)
    except XmlTooComplex as refusal:
        raise budgets.too_complex(
            f"the content of one user or group, or around all of them, is too large to compare: {refusal}"
        ) from None


def _folded(item: etree._Element) -> etree._Element:
    if name := name_of(item):
        if name.key is None:
            del name.owner[:]  # comments are removed together with the text after them
            name.owner.text = folded(name.written)
        else:
            name.owner.set(name.key, folded(name.written))
    return item
