"""Matches the children of two elements, for plans and for finding values that a server added.

Children are matched by name or key. Children with the same name or key are matched by all their names. Children without
a name are matched by content: first equal children, then the two that share the most values which no third child has,
and so on. The remaining ones are matched by position. If both elements have exactly one child of a kind, the two match
whatever their names. They do not match if they are entries with values and different keys.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import islice, product

from lxml import etree

from replication.documents.canonical import IDENTITY_KEYS, canonical, children, grouped, is_ignored, plain_name, text_of
from replication.documents.entry_names import key_of, name_in
from replication.documents.keep_labels import is_entry

type Key = Callable[[etree._Element], str]
type Pair = tuple[etree._Element | None, etree._Element | None]

_COMPARED_VALUES = 64
"""Maximum number of values by which an entry is compared."""
_COMMON = 64
"""Maximum number of pairs of entries that a common value may form to be used for matching. A more frequent value would
take too long and says little.
"""


def pairs_of(
    own: etree._Element,
    desired: etree._Element,
    *,
    key: Key = key_of,
    lone: bool = True,
    ignored: frozenset[str] = frozenset(),
) -> Iterator[tuple[etree._Element | None, etree._Element | None, int]]:
    """The children of both elements in pairs: the child of ``own``, the child of ``desired``, and a position. A child
    without a counterpart is paired with None.

    The position counts from 1 among the children of a kind. With ``lone``, a child that is the only one of its kind on
    both sides is matched without a key and has the position 0.
    """
    mine, theirs = by_tag(own, ignored), by_tag(desired, ignored)
    for tag in {**theirs, **mine}:
        left, right = mine.get(tag, []), theirs.get(tag, [])
        if lone and len(left) <= 1 and len(right) <= 1 and not _are_two_entries([*left, *right]):
            yield (left[0] if left else None, right[0] if right else None, 0)
        else:
            positions = {element: n for side in (left, right) for n, element in enumerate(side, 1)}
            for one, other in _matched(left, right, key):
                element = one if other is None else other
                yield one, other, positions[element] if element is not None else 0


def _are_two_entries(lone: list[etree._Element]) -> bool:
    """Whether two elements are entries with values and have different keys. Then they are two settings, and not one
    that was renamed.
    """
    return len(lone) == 2 and all(map(is_entry, lone)) and len({key_of(entry) for entry in lone}) == 2


def by_tag(element: etree._Element, ignored: frozenset[str]) -> dict[str, list[etree._Element]]:
    """The children of an element, grouped by tag."""
    return grouped((one for one in children(element) if not is_ignored(one, ignored)), lambda one: str(one.tag))


def _matched(left: list[etree._Element], right: list[etree._Element], key: Key) -> Iterator[Pair]:
    mine, theirs = grouped(left, key), grouped(right, key)
    for name in {**theirs, **mine}:
        ours, others = mine.get(name, []), theirs.get(name, [])
        if len(ours) == 1 and len(others) == 1:
            yield ours[0], others[0]
        else:
            namesakes = list(_of_equal_names(ours, others))
            yield from namesakes
            taken = {element for pair in namesakes for element in pair}
            yield from _of_like_content(
                [one for one in ours if one not in taken], [one for one in others if one not in taken]
            )


def _of_equal_names(left: list[etree._Element], right: list[etree._Element]) -> Iterator[Pair]:
    """Matches among children with the same key, or with none, by all their names and titles."""
    mine, theirs = grouped(left, _all_names), grouped(right, _all_names)
    for names, others in theirs.items():
        if names and len(others) == len(ours := mine.get(names, [])) == 1:
            yield ours[0], others[0]


def _all_names(element: etree._Element) -> str:
    said = [(plain_name(str(key)), str(value)) for key, value in element.attrib.items()]
    names = [(key, value) for key, value in said if key in IDENTITY_KEYS]
    names += [(plain_name(str(child.tag)), name_in(child)) for child in children(element)]
    return "\0".join(sorted(f"{key}\1{value}" for key, value in names if value))


def _of_like_content(left: list[etree._Element], right: list[etree._Element]) -> Iterator[Pair]:
    """Matches among children that differ only in content: equal ones, then similar ones, then in order."""
    by_content = grouped(reversed(left), canonical)
    rest = []
    for element in right:
        alike = by_content.get(canonical(element))
        if alike:
            yield alike.pop(), element
        else:
            rest.append(element)
    unmatched = {element for alike in by_content.values() for element in alike}
    left = [element for element in left if element in unmatched]
    if len(left) > 1 or len(rest) > 1:
        likes = _likes(left, rest)
        yield from ((left[one], rest[other]) for one, other in likes.items())
        others = {*likes.values()}
        left = [element for position, element in enumerate(left) if position not in likes]
        rest = [element for position, element in enumerate(rest) if position not in others]
    together = min(len(left), len(rest)) if len(left) == len(rest) == 1 or _have_children(left + rest) else 0
    yield from zip(left[:together], rest[:together], strict=True)
    yield from ((element, None) for element in left[together:])
    yield from ((None, element) for element in rest[together:])


def _likes(left: list[etree._Element], right: list[etree._Element]) -> dict[int, int]:
    """Pairs of similar elements, as positions in ``left`` and ``right``. The pair with the most values that no other
    element has is chosen first; among equals, the pair with the most values in common.
    """
    holders: defaultdict[tuple[str, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, elements in enumerate((left, right)):
        for position, element in enumerate(elements):
            for value in dict.fromkeys(islice(_values(element), _COMPARED_VALUES)):
                holders[value][side].append(position)
    shared: Counter[tuple[int, int]] = Counter()
    own: Counter[tuple[int, int]] = Counter()
    for ours, theirs in holders.values():
        if len(ours) * len(theirs) <= _COMMON:
            pairs = list(product(ours, theirs))
            shared.update(pairs)
            own.update(pairs if len(pairs) == 1 else ())
    likes: dict[int, int] = {}
    taken: set[int] = set()
    for one, other in sorted(shared, key=lambda pair: (-own[pair], -shared[pair], pair)):
        if one not in likes and other not in taken:
            likes[one] = other
            taken.add(other)
    return likes


def _values(element: etree._Element, above: str = "") -> Iterator[tuple[str, ...]]:
    """The values in an element, each with the path of names to it."""
    yield from ((above, str(key), str(value)) for key, value in element.attrib.items())
    if text := text_of(element).strip():
        yield above, text
    for child in children(element):
        yield from _values(child, f"{above}/{child.tag}")


def _have_children(elements: list[etree._Element]) -> bool:
    return any(next(children(element), None) is not None for element in elements)
