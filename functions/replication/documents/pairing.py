"""Pairs entries of the backup's document with entries of the primary's, and decides which must be paired.

The identity of an entry is its tag together with all its names, from attributes and children. Entries with the same
identity on both sides are the same entry. Several entries with one identity, and entries without a name, are
distinguished by their ordinary content, which is all content that no keep pattern keeps.

If two paired elements each have exactly one child with the same tag, these children are paired, even if names and
content differ. This does not hold if the parent is a list of such children. It does not hold either if the keep
patterns would keep different nodes under the two names.

A kept entry is replaced as a whole, so it is never paired with an ordinary one. An ordinary entry in which the backup
keeps something must either have a certain counterpart or certainly have none; otherwise the entries are ``unclear``.
All other entries can be paired in any way, with the same result.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from replication.documents.canonical import (
    IDENTITY_KEYS,
    XSI_TYPE,
    children,
    digest,
    grouped,
    meaning,
    plain_name,
    text_of,
)
from replication.documents.entry_names import name_in
from replication.documents.keep_labels import attribute_labels, element_labels, kept_below
from replication.documents.keep_patterns import POSSIBLE, Labels, Path, Rules

type Names = frozenset[tuple[str, str]]
type Place = tuple[Path, Path]
"""The path of a pair on the primary and on the backup. A pattern that matches either path keeps the node."""

_LIST_ENDS = ("s", "es", "list", "array", "table", "collection")
_SHORTEST_ENTRY = 3


class KeepList:
    """The keep patterns, applied to both documents."""

    def __init__(self, rules: Rules, primary: etree._Element, own: etree._Element) -> None:
        self.rules = rules
        self._holding = {*_holding(primary, rules), *_holding(own, rules)}
        self._holding_at: dict[etree._Element, tuple[Place, bool]] = {}

    def keeps(self, place: Place, labels: Labels) -> bool:
        """Whether a child or attribute with these ``labels``, of the element at ``place``, is kept."""
        primary, own = place
        return self.rules.match((*primary, labels)) or (own is not primary and self.rules.match((*own, labels)))

    def holds(self, element: etree._Element, place: Place) -> bool:
        """Whether anything inside an element, including its attributes, is kept. ``place`` has the paths of
        the element itself.
        """
        primary, own = place
        if own is primary:
            return element in self._holding
        remembered = self._holding_at.get(element)
        return remembered[1] if remembered and remembered[0] == place else self._look_below(element, place)

    def _look_below(self, element: etree._Element, place: Place) -> bool:
        """The result of ``holds`` for an element whose two paths differ. The results for inner elements are cached."""
        holds = any(self.keeps(place, attribute_labels(str(key))) for key in element.attrib)
        for child in children(element):
            labels = element_labels(child)
            is_kept = self.keeps(place, labels)
            holds = self._look_below(child, below(place, labels)) or is_kept or holds
        self._holding_at[element] = place, holds
        return holds

    def is_name(self, child: etree._Element, place: Place) -> bool:
        """Whether a child is part of the identity of its parent, whose place is ``place``."""
        return bool(name_in(child)) and not self.keeps(place, element_labels(child))

    def is_name_attribute(self, key: str, place: Place) -> bool:
        """Whether an attribute is part of the identity of its element, whose place is ``place``."""
        return plain_name(key) in IDENTITY_KEYS and not self.keeps(place, attribute_labels(key))

    def names(self, element: etree._Element, place: Place) -> Names:
        """All names of an element. A kept name is a machine-specific value and does not identify the element."""
        identity = {
            (plain_name(str(key)), str(value))
            for key, value in element.attrib.items()
            if value and self.is_name_attribute(str(key), place)
        }
        identity |= {
            (plain_name(str(child.tag)), name_in(child)) for child in children(element) if self.is_name(child, place)
        }
        return frozenset(identity)


def _holding(root: etree._Element, rules: Rules) -> Iterator[etree._Element]:
    """The elements that contain kept nodes and are not kept themselves."""
    holders: set[etree._Element] = set()
    for node in kept_below(root, (element_labels(root),), rules):
        holder = node[0] if isinstance(node, tuple) else node.getparent()
        while holder is not None and holder not in holders:
            holders.add(holder)
            yield holder
            holder = holder.getparent()


def below(place: Place, labels: Labels) -> Place:
    """The place of a child with these ``labels``, whose parent is at ``place``."""
    primary, own = place
    path = (*primary, labels)
    return path, (path if own is primary else (*own, labels))


@dataclass(slots=True)
class Entry:
    """A child of one of two paired elements. ``place`` has the child's own paths.

    ``named`` has its names and also its possible names, which nothing marks as names.
    """

    element: etree._Element
    labels: Labels
    place: Place
    names: Names
    is_kept: bool
    named: Names = frozenset()

    @property
    def tag(self) -> str:
        return str(self.element.tag)

    @property
    def kind(self) -> tuple[str, str]:
        """The entry's tag, and its declared type or an empty text."""
        element = self.element
        declared = element.get(XSI_TYPE)
        return self.tag, meaning(element, XSI_TYPE, declared) if declared else ""


@dataclass
class Pairing:
    """The children of two paired elements. ``slots`` maps positions among the backup's children to positions among the
    primary's.

    ``unclear`` are the tags whose pairing a person has to decide.
    """

    theirs: list[Entry]
    ours: list[Entry]
    slots: dict[int, int] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)


def pair(primary: etree._Element, own: etree._Element | None, place: Place, keep: KeepList) -> Pairing:
    """Pair the children of two paired elements. ``own`` is None if the backup has no counterpart."""
    return _Pairs(primary, own, place, keep).pairing


class _Pairs:
    def __init__(self, primary: etree._Element, own: etree._Element | None, place: Place, keep: KeepList) -> None:
        self._keep = keep
        self._parent = plain_name(str(primary.tag))
        self._place = place
        self.pairing = Pairing(self._entries(primary), self._entries(own) if own is not None else [])
        self._keep_on_either_side()
        self._pair_kept()
        self._pair_ordinary()

    def _entries(self, parent: etree._Element) -> list[Entry]:
        entries = []
        for child in children(parent):
            labels = element_labels(child)
            place = below(self._place, labels)
            is_kept = self._keep.keeps(self._place, labels)
            names = self._keep.names(child, place)
            possible = {(POSSIBLE, label) for label in labels if label.startswith(POSSIBLE)}
            entries.append(Entry(child, labels, place, names, is_kept, names | possible))
        return entries

    def _keep_on_either_side(self) -> None:
        both = (*self.pairing.theirs, *self.pairing.ours)
        kept = {(entry.tag, entry.named) for entry in both if entry.is_kept and entry.named}
        for entry in both:
            entry.is_kept = entry.is_kept or (entry.tag, entry.named) in kept

    def _pair_kept(self) -> None:
        """Put each kept entry in the place of the primary's entry with the same identity."""
        theirs, own = (
            _numbers_by(_numbered(side, kept=True), lambda entry: (entry.tag, entry.named))
            for side in (self.pairing.theirs, self.pairing.ours)
        )
        for identity, ours in own.items():
            self._together(theirs.get(identity, ()), ours)

    def _together(self, theirs: Iterable[int], ours: Iterable[int]) -> None:
        self.pairing.slots.update(zip(ours, theirs, strict=False))

    def _pair_ordinary(self) -> None:
        theirs, ours = (
            grouped(_numbered(side, kept=False), lambda one: one[1].tag)
            for side in (self.pairing.theirs, self.pairing.ours)
        )
        counts = [Counter(entry.tag for entry in side) for side in (self.pairing.theirs, self.pairing.ours)]
        for tag, own in ours.items():
            primary = theirs.get(tag, [])
            is_lone = all(count[tag] == 1 for count in counts) and primary
            if is_lone and not self._is_list_of(tag) and self._is_one_section(primary[0][1], own[0][1]):
                self._together([primary[0][0]], [own[0][0]])
            else:
                self._pair_alike(tag, primary, own)

    def _is_list_of(self, tag: str) -> bool:
        """Whether the parent's tag is a plural of ``tag``. Then it is a list, and its only entries on the two servers
        may be different ones.
        """
        name = plain_name(tag)
        stems = (name, name[:-1] + "ie") if name.endswith("y") else (name,)
        return len(name) >= _SHORTEST_ENTRY and self._parent.endswith(
            tuple(stem + end for stem in stems for end in _LIST_ENDS)
        )

    def _is_one_section(self, primary: Entry, own: Entry) -> bool:
        """Whether the keep patterns keep the same nodes with the section's name on either server."""
        if primary.labels == own.labels or not self._keep.rules.look_above:
            return True
        return same_decisions((primary.element, own.element), (primary.place[0], own.place[1]), self._keep.rules)

    def _pair_alike(self, tag: str, primary: list[tuple[int, Entry]], own: list[tuple[int, Entry]]) -> None:
        theirs, ours = (_numbers_by(side, lambda entry: (entry.kind, entry.names)) for side in (primary, own))
        for identity, mine in ours.items():
            others = theirs.get(identity, [])
            if identity[1] and len(mine) == len(others) == 1:
                self._together(others, mine)
            elif others:
                self._pair_by_content(tag, others, mine)
        taken = {*self.pairing.slots.values()}
        self._check_left(
            tag,
            [entry for number, entry in primary if number not in taken],
            [entry for number, entry in own if number not in self.pairing.slots and self._holds(entry)],
        )

    def _holds(self, entry: Entry) -> bool:
        return self._keep.holds(entry.element, entry.place)

    def _pair_by_content(self, tag: str, theirs: list[int], ours: list[int]) -> None:
        """Pair entries that only their content distinguishes."""
        contents = {number: _content(self.pairing.theirs[number], self._keep) for number in theirs}
        expected = {name for content in contents.values() for name in content.bare}
        by_content = grouped(contents, lambda number: contents[number].key(expected))
        own_by_content: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for number in ours:
            entry = self.pairing.ours[number]
            content = _content(entry, self._keep)
            own_by_content[content.key(expected)].append(number)
            # Of such an entry only the kept values would remain, which must not look like an entry of the primary.
            if self._holds(entry) and content.key(expected) not in by_content and content.rest(expected) in by_content:
                self.pairing.unclear.add(tag)
        for key, mine in own_by_content.items():
            others = by_content.get(key, [])
            if others and len(others) != len(mine) and any(self._holds(self.pairing.ours[number]) for number in mine):
                self.pairing.unclear.add(tag)
            self._together(others, mine)

    def _check_left(self, tag: str, theirs: list[Entry], ours: list[Entry]) -> None:
        """Check that no remaining entry of the backup can be the same as a remaining entry of the primary."""
        if not theirs or not ours:
            return
        names = {name for entry in theirs for name in entry.names}
        if any(not entry.names for entry in (*theirs, *ours)) or any(entry.names & names for entry in ours):
            self.pairing.unclear.add(tag)


def same_decisions(elements: Iterable[etree._Element], paths: Iterable[Path], rules: Rules) -> bool:
    """Whether the keep patterns keep the same nodes of each element under all of the paths."""
    paths = tuple(paths)
    for element in elements:
        first, *others = ({*kept_below(element, path, rules)} for path in paths)
        if any(other != first for other in others):
            return False
    return True


def _numbered(entries: list[Entry], *, kept: bool) -> list[tuple[int, Entry]]:
    return [(number, entry) for number, entry in enumerate(entries) if entry.is_kept == kept]


def _numbers_by[Key](entries: list[tuple[int, Entry]], key: Callable[[Entry], Key]) -> dict[Key, list[int]]:
    """The numbers of the entries, grouped by ``key``."""
    return {said: [number for number, _ in some] for said, some in grouped(entries, lambda one: key(one[1])).items()}


# Ordinary content ----------------------------------------------------------------------------------------------------


@dataclass
class _Content:
    """The content of an entry without the nodes that are kept.

    ``bare`` counts the inner elements that have only names left without kept nodes; ``holding`` has the bare elements
    that contained a kept node. Bare elements are not part of ``text``, because the backup may have such an element only
    for the kept values in it.
    """

    text: str = ""
    bare: Counter[str] = field(default_factory=Counter)
    holding: set[str] = field(default_factory=set)

    def key(self, expected: set[str]) -> tuple[object, ...]:
        """A key that is equal for two entries with the same content. ``expected`` are the bare elements of the
        primary's entries.
        """
        return self.text, frozenset(
            (name, number) for name, number in self.bare.items() if name in expected or name not in self.holding
        )

    def rest(self, expected: set[str]) -> tuple[object, ...]:
        """The key of the entry reduced to its kept nodes and their ancestors."""
        return "", frozenset(
            (name, number) for name, number in self.bare.items() if name in expected and name in self.holding
        )


def _content(entry: Entry, keep: KeepList) -> _Content:
    content = _Content()
    content.text = "".join(_described(entry.element, entry.place, keep, "", content)[0])
    return content


def _described(
    element: etree._Element, place: Place, keep: KeepList, path: str, content: _Content
) -> tuple[list[str], bool]:
    """The ordinary content of an element, empty for a bare one, and whether anything in it is kept."""
    parts: list[str] = []
    holds = False
    for key, value in sorted((str(key), str(value)) for key, value in element.attrib.items()):
        if keep.keeps(place, attribute_labels(key)):
            holds = True
        elif key != XSI_TYPE and not keep.is_name_attribute(key, place):
            parts += ("\x02", key, "\x03", value)
    if text := text_of(element).strip():
        parts += ("\x04", text)
    for child in children(element):
        labels = element_labels(child)
        if keep.keeps(place, labels):
            holds = True
        elif not keep.is_name(child, place):
            inner, inner_holds = _below(
                Entry(child, labels, below(place, labels), frozenset(), is_kept=False), keep, path, content
            )
            parts += inner
            holds = holds or inner_holds
    return parts, holds


def _below(child: Entry, keep: KeepList, path: str, content: _Content) -> tuple[list[str], bool]:
    names = sorted(keep.names(child.element, child.place))
    head = "\x01".join((*child.kind, *(part for name in names for part in name)))
    path = digest(f"{path}\x06{head}")  # a digest keeps the path short however long the names are
    parts, holds = _described(child.element, child.place, keep, path, content)
    if parts:
        return ["\x05", head, *parts, "\x05"], holds
    content.bare[path] += 1
    if holds:
        content.holding.add(path)
    return [], holds
