"""The settings that a backup should hold: the primary's, with what the backup keeps as its own."""

from collections import Counter
from copy import deepcopy

from lxml import etree

from replication.documents.canonical import children, own_value, plain_name, text_of
from replication.documents.keep_patterns import NAME_KEYS, Path, Rules, attribute_labels, kept_below, key_of, labels_of

type Address = tuple[str, str, int]


def merge(primary: etree._Element, own: etree._Element, rules: Rules) -> etree._Element:
    """What the backup should hold: the primary's document with the backup's ``own`` machine-specific values.

    Neither argument is changed. ``merge(p, merge(p, b))`` equals ``merge(p, b)``:
    a kept node stands where the primary's counterpart stood, or else behind the
    sibling that precedes it in the backup and those of its own kind and name.

    Counterparts are of one kind (tag) and bear the same name, or stand at the
    same place among several without one. A section that both have once is the
    same section, whatever name each bears.
    """
    target = deepcopy(primary)
    _keep_own(target, own, (labels_of(target),), rules)
    return target


def _keep_own(target: etree._Element, own: etree._Element | None, path: Path, rules: Rules) -> None:
    """Make everything below ``target`` that the rules match the backup's ``own``. ``path`` ends at ``target``."""
    _keep_own_attributes(target, own, path, rules)
    lone = _lone_sections(target, own, path, rules)
    own_children = _addressed(own, lone)
    placed: dict[Address, etree._Element] = {}
    for address, child in _addressed(target, lone).items():
        child_path = (*path, labels_of(child))
        counterpart = own_children.get(address)
        if not rules.match(child_path):
            _keep_own(child, counterpart, child_path, rules)
            placed[address] = child
        elif counterpart is not None:
            placed[address] = _replace(child, deepcopy(counterpart))
        else:
            _remove(child)
    before: etree._Element | None = None
    for address, own_child in own_children.items():
        if address not in placed:
            addition = _addition(own_child, (*path, labels_of(own_child)), rules)
            if addition is None:
                continue
            ahead = [element for other, element in placed.items() if other[:2] == address[:2]]
            if before is not None:
                ahead.append(before)
            _insert(target, addition, max(ahead, key=target.index, default=None))
            placed[address] = addition
        before = placed[address]


def _keep_own_attributes(target: etree._Element, own: etree._Element | None, path: Path, rules: Rules) -> None:
    own_attributes = {str(k): str(v) for k, v in own.attrib.items()} if own is not None else {}
    for key in {*(str(k) for k in target.attrib), *own_attributes}:
        if not rules.match((*path, attribute_labels(key))):
            continue
        if key in own_attributes:
            target.set(key, own_attributes[key])
        else:
            del target.attrib[key]


def _addition(own: etree._Element, path: Path, rules: Rules) -> etree._Element | None:
    """What to add for an element that only the backup has: all of it, its kept parts alone, or nothing."""
    if rules.match(path):
        return deepcopy(own)
    if next(kept_below(own, path, rules), None) is None:
        return None
    skeleton = deepcopy(own)
    skeleton.text = None
    for key in [str(key) for key in own.attrib if plain_name(str(key)) not in NAME_KEYS]:
        del skeleton.attrib[key]
    identity = {child for child in children(skeleton) if _is_key(child)}
    for child in list(skeleton):
        if child not in identity:
            skeleton.remove(child)
    _keep_own(skeleton, own, path, rules)
    return skeleton


def _addressed(parent: etree._Element | None, lone: frozenset[str]) -> dict[Address, etree._Element]:
    """The children by what makes each the counterpart of another document's: tag, key, and position among equals."""
    seen: Counter[tuple[str, str]] = Counter()
    addressed: dict[Address, etree._Element] = {}
    for child in children(parent) if parent is not None else ():
        tag = str(child.tag)
        identity = (tag, "" if tag in lone else key_of(child))
        addressed[(*identity, seen[identity])] = child
        seen[identity] += 1
    return addressed


def _lone_sections(target: etree._Element, own: etree._Element | None, path: Path, rules: Rules) -> frozenset[str]:
    """Tags of which both have one child that is not kept as a whole: there a name is a value like any other."""
    ours, theirs = _only_children(target), _only_children(own)
    return frozenset(
        tag
        for tag in ours.keys() & theirs.keys()
        if key_of(ours[tag]) != key_of(theirs[tag])
        and not any(rules.match((*path, labels_of(child))) for child in (ours[tag], theirs[tag]))
    )


def _only_children(parent: etree._Element | None) -> dict[str, etree._Element]:
    """The children that are the only ones of their tag."""
    by_tag: dict[str, etree._Element | None] = {}
    for child in children(parent) if parent is not None else ():
        by_tag[str(child.tag)] = None if str(child.tag) in by_tag else child
    return {tag: child for tag, child in by_tag.items() if child is not None}


def _is_key(element: etree._Element) -> bool:
    return plain_name(str(element.tag)) in NAME_KEYS and bool(own_value(element))


def _replace(old: etree._Element, new: etree._Element) -> etree._Element:
    new.tail = old.tail
    parent = old.getparent()
    if parent is None:
        raise AssertionError("the root is never replaced")
    parent.replace(old, new)
    return new


def _remove(element: etree._Element) -> None:
    parent = element.getparent()
    if parent is None:
        raise AssertionError("the root is never removed")
    if element.tail and element.tail.strip():
        previous = element.getprevious()
        if previous is None:
            parent.text = (parent.text or "") + element.tail
        else:
            previous.tail = (previous.tail or "") + element.tail
    parent.remove(element)
    if next(children(parent), None) is None and not text_of(parent).strip():
        # White space between elements would become the value of an element that has none left.
        parent.text = None
        for comment in parent:
            comment.tail = None


def _insert(parent: etree._Element, addition: etree._Element, before: etree._Element | None) -> None:
    """Insert ``addition`` behind ``before``, or as the first child when there is none before it."""
    addition.tail = None
    if before is None:
        parent.insert(0, addition)
        return
    addition.tail, before.tail = before.tail, None
    parent.insert(parent.index(before) + 1, addition)
