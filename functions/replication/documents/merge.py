"""Computes the settings for a backup: the primary's settings, with the values that the backup keeps.

The result is built element by element, because lxml drops namespace declarations when it moves elements: a prefix that
only a value uses (``xsi:type="n:Kind"``) would lose or change its meaning.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy

from lxml import etree

from common.errors import Failure, Reason
from common.safe_xml import local_name
from replication.documents.canonical import XSI_TYPE, children, prefixes_in, text_of
from replication.documents.keep_labels import attribute_labels, element_labels
from replication.documents.keep_lines import shown_paths
from replication.documents.keep_patterns import Rules
from replication.documents.pairing import Entry, KeepList, Names, Pairing, Place, below, pair, same_decisions
from replication.documents.possible_names import is_key
from replication.documents.undecided import check_decided

type Scope = Mapping[str | None, str]
"""The namespaces that are in scope at an element, by prefix."""

_LONGEST_STEP = 60


class AmbiguousEntries(Failure):
    """The backup keeps values in entries that cannot be matched with entries of the primary."""

    def __init__(self, places: list[str]) -> None:
        lists = "1 list" if len(places) == 1 else f"{len(places)} lists"
        super().__init__(
            Reason.ENTRIES_AMBIGUOUS,
            f"it keeps values in entries that cannot be matched with the primary's, in {lists}: {shown_paths(places)}",
        )


def merge(primary: etree._Element, own: etree._Element, rules: Rules) -> etree._Element:
    """The settings for the backup: the primary's document with the machine-specific values of the backup's ``own``
    document.

    Neither document is modified. ``merge(p, merge(p, b))`` equals ``merge(p, b)``. Entries that no keep pattern matches
    have the primary's order. A kept entry takes the place of the primary's entry with the same names. Without
    such an entry, it follows the entry that precedes it on the backup. Raises AmbiguousEntries and
    NamesUndecided.
    """
    merged = _Merge(primary, own, rules).result()
    check_decided(own, merged, rules)
    return merged


class _Merge:
    def __init__(self, primary: etree._Element, own: etree._Element, rules: Rules) -> None:
        self._primary = primary
        self._own = own
        self._keep = KeepList(rules, primary, own)
        self._unclear: dict[str, None] = {}

    def result(self) -> etree._Element:
        place = self._root_place()
        where = f"/{_step(self._primary)}"
        scope = self._scope_of_pair(self._primary, self._own, place, where)
        declared = {prefix: uri for prefix, uri in scope.items() if uri}
        out = etree.Element(str(self._primary.tag), nsmap=declared)  # type: ignore[arg-type]  # the default one is None
        self._fill(out, scope, self._primary, self._own, place, where)
        if self._unclear:
            raise AmbiguousEntries(list(self._unclear))
        return out

    def _root_place(self) -> Place:
        theirs, ours = (element_labels(self._primary),), (element_labels(self._own),)
        if theirs == ours:
            return theirs, theirs
        place = theirs, ours
        names = [self._keep.names(root, place) for root in (self._primary, self._own)]
        if names[0] != names[1] and not same_decisions((self._primary, self._own), place, self._keep.rules):
            self._unclear[f"/{_step(self._primary)}"] = None
        return place if names[0] == names[1] else (theirs, theirs)

    def _add_pair(
        self, parent: etree._Element, above: Scope, primary: Entry, own: Entry | None, where: str
    ) -> etree._Element:
        """Add an entry of the primary that is not kept as a whole, with the kept values of its counterpart."""
        place = _place_of_pair(primary, own)
        asked = own is not None and (place[0] is not place[1] or self._keep.holds(own.element, place))
        counterpart = own.element if own is not None and asked else None
        if counterpart is None and not self._keep.holds(primary.element, place):
            return _copy(parent, above, primary.element)
        where = f"{where}/{_step(primary.element)}"
        scope = self._scope_of_pair(primary.element, counterpart, place, where)
        out = _create(parent, above, primary.element, scope)
        self._fill(out, scope, primary.element, counterpart, place, where)
        return out

    def _scope_of_pair(self, primary: etree._Element, own: etree._Element | None, place: Place, where: str) -> Scope:
        """The namespaces at a paired element: the primary's, except for prefixes that kept attributes use otherwise."""
        scope = _scope_of(primary)
        kept = [] if own is None else [(key, value) for key, value in _attributes(own) if self._keeps(key, place)]
        needed = _meanings(kept, _scope_of(own)) if own is not None and kept else {}
        changed = {prefix: uri for prefix, uri in needed.items() if scope.get(prefix) != uri}
        if changed:
            said = [(key, value) for key, value in _attributes(primary) if not self._keeps(key, place)]
            if changed.keys() & _meanings([*said, ("", text_of(primary))], scope).keys():
                self._unclear[f"{where} (one prefix of two namespaces)"] = None
        return {**scope, **changed}

    def _keeps(self, key: str, place: Place) -> bool:
        return self._keep.keeps(place, attribute_labels(key))

    def _fill(
        self,
        out: etree._Element,
        scope: Scope,
        primary: etree._Element,
        own: etree._Element | None,
        place: Place,
        where: str,
    ) -> None:
        """Fill an element with the attributes, the text and the children of the pair that it represents."""
        for key, value in _attributes(primary):
            if not self._keeps(key, place):
                out.set(key, value)
        for key, value in _attributes(own) if own is not None else ():
            if self._keeps(key, place):
                out.set(key, value)
        out.text = primary.text
        pairing = pair(primary, own, place, self._keep)
        self._unclear |= {f"{where}/{local_name(tag)[:_LONGEST_STEP]}": None for tag in sorted(pairing.unclear)}
        self._add_children(out, scope, primary, pairing, where)
        if len(primary) and next(children(out), None) is None and not text_of(out).strip():
            # Without children, the white space that was between them would count as the element's value.
            out.text = None
            for comment in out:
                comment.tail = None

    def _add_children(
        self, out: etree._Element, scope: Scope, primary: etree._Element, pairing: Pairing, where: str
    ) -> None:
        counterparts = {theirs: pairing.ours[ours] for ours, theirs in pairing.slots.items()}
        additions = self._additions(pairing)
        for addition in additions.get(-1, ()):
            self._add_own(out, scope, addition)
        number = -1
        for node in primary:
            if isinstance(node.tag, str):
                number += 1
                added = self._add_child(out, scope, pairing.theirs[number], counterparts.get(number), where)
            else:
                added = _copy_aside(out, node)
            if added is not None:
                added.tail = node.tail
            elif node.tail and node.tail.strip():
                _append_text(out, node.tail)
            if isinstance(node.tag, str):
                for addition in additions.get(number, ()):
                    self._add_own(out, scope, addition)

    def _add_child(
        self, out: etree._Element, scope: Scope, theirs: Entry, ours: Entry | None, where: str
    ) -> etree._Element | None:
        if not theirs.is_kept:
            return self._add_pair(out, scope, theirs, ours, where)
        return _copy(out, scope, ours.element) if ours is not None else None

    def _additions(self, pairing: Pairing) -> dict[int, list[Entry]]:
        """The entries with kept content that only the backup has, by the number of the primary's entry that they
        follow. The number is -1 for entries at the beginning.

        Entries with the same tag and names keep their order, and merging the result again does not move them.
        """
        additions: defaultdict[int, list[Entry]] = defaultdict(list)
        behind = -1
        last: dict[tuple[str, Names], int] = {}
        keys = {entry.tag for entry in (*pairing.theirs, *pairing.ours) if is_key(entry.element)}
        for number, entry in enumerate(pairing.ours):
            identity = entry.tag, entry.named
            slot = pairing.slots.get(number)
            if slot is not None:
                behind = slot
            elif entry.is_kept or self._keep.holds(entry.element, entry.place):
                behind = max(behind, last.get(identity, -1))
                if entry.tag in keys and _is_between(pairing.theirs, behind, keys):
                    behind += 1
                additions[behind].append(entry)
            else:
                continue
            last[identity] = max(behind, last.get(identity, -1))
        return additions

    def _add_own(self, out: etree._Element, scope: Scope, own: Entry) -> None:
        """Add an entry of the backup after the existing nodes, before the final white space."""
        before = _last(out)
        added = _copy(out, scope, own.element) if own.is_kept else self._add_frame(out, scope, own.element, own.place)
        if before is not None:
            added.tail, before.tail = before.tail, None

    def _add_frame(self, parent: etree._Element, above: Scope, own: etree._Element, place: Place) -> etree._Element:
        """Add a backup's element that the primary lacks, reduced to its names and kept values."""
        out = _create(parent, above, own)
        scope = _scope_of(own)
        for key, value in _attributes(own):
            if key == XSI_TYPE or self._keeps(key, place) or self._keep.is_name_attribute(key, place):
                out.set(key, value)
        for child in children(own):
            labels = element_labels(child)
            inner = below(place, labels)
            if self._keep.keeps(place, labels) or self._keep.is_name(child, place):
                _copy(out, scope, child)
            elif self._keep.holds(child, inner):
                self._add_frame(out, scope, child, inner)
        return out


def _is_between(entries: list[Entry], number: int, keys: set[str]) -> bool:
    """Whether an entry inserted after the entry with this ``number`` would separate a key from its value."""
    here, behind = entries[max(number, 0) : number + 1], entries[number + 1 : number + 2]
    return bool(here and behind) and here[0].tag in keys and behind[0].tag not in keys


def _place_of_pair(primary: Entry, own: Entry | None) -> Place:
    """The paths of a pair. If names that are not kept differ, both paths contain the primary's name. If only a kept
    name differs, each path contains its own server's name.
    """
    if own is None:
        return primary.place
    theirs, ours = primary.place[0], own.place[1]
    return (theirs, theirs) if theirs == ours or primary.names != own.names else (theirs, ours)


def _step(element: etree._Element) -> str:
    return local_name(element)[:_LONGEST_STEP]


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    return ((str(key), str(value)) for key, value in element.attrib.items())


def _append_text(out: etree._Element, text: str) -> None:
    last = _last(out)
    if last is not None:
        last.tail = (last.tail or "") + text
    else:
        out.text = (out.text or "") + text


def _last(element: etree._Element) -> etree._Element | None:
    """The last node inside an element. Counting all nodes would take time proportional to their number."""
    return next(element.iterchildren(reversed=True), None)


# Copies of elements, whose prefixes keep their meaning ---------------------------------------------------------------


def _scope_of(element: etree._Element) -> dict[str | None, str]:
    return {None: "", **element.nsmap}


def _meanings(values: list[tuple[str, str]], scope: Scope) -> dict[str | None, str]:
    """The namespaces, by prefix, to which the attribute values may refer."""
    namespaces: dict[str | None, str] = {}
    for key, value in values:
        namespaces |= {prefix: scope[prefix] for prefix in prefixes_in(value) if prefix in scope}
        if key == XSI_TYPE and ":" not in value:
            namespaces[None] = scope[None]
    return namespaces


def _create(parent: etree._Element, above: Scope, source: etree._Element, scope: Scope | None = None) -> etree._Element:
    """Add an empty element with the tag of ``source`` to ``parent``. ``above`` has the namespaces at the parent, and
    ``scope`` those of the new element; by default, the new element has those of ``source``.
    """
    wanted = _scope_of(source) if scope is None else scope
    changed = {prefix: uri for prefix, uri in wanted.items() if above.get(prefix) != uri}
    # The type stubs miss two facts: the default namespace has the key None, and an empty one removes it.
    return etree.SubElement(parent, str(source.tag), nsmap=changed or None)  # type: ignore[arg-type]


def _copy(parent: etree._Element, above: Scope, source: etree._Element) -> etree._Element:
    """Add a copy of an element with its content to ``parent``. ``above`` has the namespaces at the parent."""
    out = _create(parent, above, source)
    for key, value in _attributes(source):
        out.set(key, value)
    out.text = source.text
    scope = _scope_of(source) if len(source) else {}
    for node in source:
        added = _copy(out, scope, node) if isinstance(node.tag, str) else _copy_aside(out, node)
        added.tail = node.tail
    return out


def _copy_aside(parent: etree._Element, node: etree._Element) -> etree._Element:
    """Add a copy of a comment or processing instruction."""
    made = deepcopy(node)
    parent.append(made)
    return made
