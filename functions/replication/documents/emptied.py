"""Detects a list that loses all its entries, even if its entries are nested in wrapper elements.

A document may have its entries below its root, in a wrapper, in several named sections, or beside values such as a
version. So a list is found by the path of tags to the parent of its entries. Whether an element is a wrapper or an
entry is decided for all elements with the same path together.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lxml import etree

from replication.documents.canonical import children, name_of, plain_name

type _Path = tuple[str, ...]


@dataclass
class _Parents:
    """All elements with the same path of tags, and their children."""

    elements: list[etree._Element] = field(default_factory=list)

    @cached_property
    def things(self) -> list[etree._Element]:
        """The children that may be entries. A single plain value, such as a version, is not an entry."""
        return [child for parent in self.elements for child in _things(parent)]

    @cached_property
    def values(self) -> frozenset[str]:
        """The tags of children that are never entries."""
        tags = {_tag(child) for parent in self.elements for child in children(parent)}
        return frozenset(tags - {_tag(thing) for thing in self.things})


type _ParentsByPath = dict[_Path, _Parents]


def emptied(own: etree._Element, desired: etree._Element | None) -> int:
    """The number of entries of the first list that has some in ``own`` and none in ``desired``; 0 if there is no such
    list.
    """
    after = _by_path(desired) if desired is not None else {}
    for path, parents in _lists(own):
        values, left = parents.values, after.get(path, _Parents()).elements
        if all(_tag(child) in values for parent in left for child in children(parent)):
            return len(parents.things)
    return 0


def _lists(root: etree._Element) -> Iterator[tuple[_Path, _Parents]]:
    """The outermost parents of entries, without the wrappers around them."""
    by_path = _by_path(root)
    waiting: list[_Path] = [(_tag(root),)]
    lone: list[tuple[_Path, _Parents]] = []
    is_list_found = False
    for path in waiting:
        parents = by_path[path]
        below = [(*path, tag) for tag in dict.fromkeys(map(_tag, parents.things))]
        wrappers = {inner[-1]: inner for inner in below if _is_wrapper(by_path, inner)}
        waiting.extend(wrappers.values())
        entries = [thing for thing in parents.things if _tag(thing) not in wrappers]
        if len(entries) == 1 and name_of(entries[0]) is None:
            lone.append((path, parents))  # a section of settings has the same form as a wrapper
        elif entries:
            is_list_found = True
            yield path, parents
    if not is_list_found:
        yield from lone


def _is_wrapper(by_path: _ParentsByPath, path: _Path) -> bool:
    """Whether the elements with this path contain the entries of a list, and are not entries themselves."""
    parents = by_path[path]
    if len({_tag(thing) for thing in parents.things}) != 1:
        return False
    held = _held(by_path, path)
    has_values = parents.values or all(len(thing) == 0 and name_of(thing) is None for thing in parents.things)
    may_be_entry = has_values and any(name_of(element) is not None for element in parents.elements)
    return held > len(parents.elements) if may_be_entry else held >= len(parents.elements)


def _held(by_path: _ParentsByPath, path: _Path) -> int:
    """The number of possible entries inside the elements of a path."""
    things = by_path[path].things
    tags = {_tag(thing) for thing in things}
    inner = (*path, *tags)
    return max(len(things), _held(by_path, inner)) if len(tags) == 1 else len(things)


def _by_path(root: etree._Element) -> _ParentsByPath:
    by_path: defaultdict[_Path, _Parents] = defaultdict(_Parents)
    waiting: list[tuple[_Path, etree._Element]] = [((_tag(root),), root)]
    for path, element in waiting:
        by_path[path].elements.append(element)
        waiting.extend(((*path, _tag(child)), child) for child in children(element))
    return by_path


def _things(parent: etree._Element) -> Iterator[etree._Element]:
    held = list(children(parent))
    tags = Counter(map(_tag, held))
    for child in held:
        is_plain_value = len(child) == 0 and name_of(child) is None and tags[_tag(child)] == 1 and len(held) > 1
        if not is_plain_value:
            yield child


def _tag(element: etree._Element) -> str:
    return plain_name(str(element.tag))
