"""The differences of two documents by item, for plans.

An item is something that an administrator knows by name: a user, a group, a rule, a directory source, an address, an
extension, a listener. In ``settings`` each value is an item. Each part uses these functions to list its items. The
differing values of a changed item are computed only on demand, so that listing 50,000 items is fast.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address, ip_network

from lxml import etree

from common.safe_xml import local_name, parse
from replication.documents import canonical
from replication.documents.counterparts import pairs_of
from replication.documents.diff import (
    ORDER,
    OTHER,
    Difference,
    Kind,
    Steps,
    differences,
    hidden_step,
    marker,
    name_of_entry,
    named_step,
    own_differences,
    reordered,
    root_step,
    show,
    step_below,
)
from replication.documents.sensitive import may_name_secret


@dataclass(frozen=True)
class Item:
    """One item that differs. ``key`` is the item's name. ``within`` is the name of its list, empty if the part has only
    one list.

    ``find`` computes the differing values of a changed item or a value of ``settings``. ``look_up`` returns a user or
    group, or the XML around all of them, before and after the push. Both are unparsed XML, which takes much less memory
    than parsed elements. ``record`` has the typed values of an added item, if it has any.
    """

    kind: Kind
    key: str
    within: str = ""
    find: Callable[[], list[Difference]] = list
    look_up: Callable[[], tuple[bytes | None, bytes | None]] = lambda: (None, None)
    record: Mapping[str, object] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The item's key after the name of its list: ``users/ann``."""
        return f"{self.within}/{self.key}" if self.within else self.key

    @property
    def elements(self) -> tuple[etree._Element | None, etree._Element | None]:
        """The user or group before and after the push, parsed at each access."""
        before, after = self.look_up()
        return _parsed(before), _parsed(after)


def _parsed(excerpt: bytes | None) -> etree._Element | None:
    return None if excerpt is None else parse(excerpt)


def value_items(own: etree._Element, desired: etree._Element) -> Iterator[Item]:
    """The differing items of a document in which every value is an item."""
    for difference in differences(own, desired, root_step(desired)):
        yield Item(difference.kind, difference.path, find=lambda one=difference: [one])  # type: ignore[misc]


def list_items(own: etree._Element | None, desired: etree._Element | None, within: str = "") -> Iterator[Item]:
    """The differing items of a document that is a list, possibly in a wrapper. None means an empty document."""
    before, after, steps = _unwrapped(own, desired)
    if before is None or after is None:
        for child in canonical.children(before) if before is not None else ():
            yield Item(Kind.REMOVED, _shown(steps, child, 0), within)
        for child in canonical.children(after) if after is not None else ():
            yield Item(Kind.ADDED, _shown(steps, child, 0), within)
        return
    pairs = []
    for left, right, position in pairs_of(before, after, key=list_key, lone=False):
        pairs.append((left, right))
        if left is not None and right is not None:
            if canonical.canonical(left) != canonical.canonical(right):
                inside = hidden_step(step_below(steps, right, position, key=list_key, counterpart=left)[-1])
                find = partial(differing_values, left, right, inside)
                yield Item(Kind.CHANGED, _shown(steps, right, position), within, find)
        elif right is not None:
            yield Item(Kind.ADDED, _shown(steps, right, position), within)
        elif left is not None:
            yield Item(Kind.REMOVED, _shown(steps, left, position), within)
    if reordered(before, after, pairs):
        yield Item(Kind.CHANGED, ORDER, within, find=lambda: [marker((), ORDER)])
    if differences := list(own_differences(before, after, steps)):
        yield Item(Kind.CHANGED, OTHER, within, find=lambda: differences)


def _unwrapped(
    own: etree._Element | None, desired: etree._Element | None
) -> tuple[etree._Element | None, etree._Element | None, Steps]:
    """The elements whose children are the items, and their path. They are the roots or, if each root only wraps one
    nameless list, the child of each root.
    """
    some = desired if desired is not None else own
    steps = root_step(some) if some is not None else ()
    if own is None or desired is None or own.attrib != desired.attrib:
        return own, desired, steps
    inner, other = list(canonical.children(own)), list(canonical.children(desired))
    if (
        len(inner) == len(other) == 1
        and inner[0].tag == other[0].tag
        and not list_key(inner[0])
        and not list_key(other[0])
        and any(len(one) > 1 for one in (inner[0], other[0]))
        and _one_kind(inner[0], other[0])
    ):
        return inner[0], other[0], step_below(steps, other[0])
    return own, desired, steps


def _one_kind(own: etree._Element, desired: etree._Element) -> bool:
    return len({child.tag for one in (own, desired) for child in canonical.children(one)}) == 1


def _shown(steps: Steps, element: etree._Element, position: int) -> str:
    """The name or key of an item; its path if it has no name or key, or one that may be a secret."""
    below = step_below(steps, element, position, key=list_key)
    key = list_key(element)
    return key if key and below[-1].shown == f"{below[-1].name}[{key}]" else show(below)


def differing_values(
    own: etree._Element, desired: etree._Element, steps: Steps, ignored: frozenset[str] = frozenset()
) -> list[Difference]:
    """The differences between two unequal elements; if no value differs, one difference outside of values."""
    return list(differences(own, desired, steps, ignored=ignored)) or [marker((), OTHER)]


def record_items(
    own: Mapping[str, Mapping[str, object]], desired: Mapping[str, Mapping[str, object]], within: str = ""
) -> Iterator[Item]:
    """The items that differ between two collections. Both map a record's key to the record's typed fields."""
    # A key that may contain a secret is replaced by its position.
    shown = {
        key: f"(hidden {n})" if may_name_secret(key) else key
        for side in (own, desired)
        for n, key in enumerate(side, 1)
    }
    for key, fields in own.items():
        if key not in desired:
            yield Item(Kind.REMOVED, shown[key], within)
        elif desired[key] != fields:
            yield Item(Kind.CHANGED, shown[key], within, find=partial(_differing_fields, fields, desired[key]))
    yield from (Item(Kind.ADDED, shown[key], within, record=desired[key]) for key in desired if key not in own)


def _differing_fields(own: Mapping[str, object], desired: Mapping[str, object]) -> list[Difference]:
    return list(_fields(own, desired, ()))


def _fields(own: Mapping[str, object], desired: Mapping[str, object], above: Steps) -> Iterator[Difference]:
    for name in {**desired, **own}:
        before, after = own.get(name), desired.get(name)
        steps = named_step(name, above)
        if isinstance(before, Mapping) or isinstance(after, Mapping):
            yield from _fields(
                before if isinstance(before, Mapping) else {}, after if isinstance(after, Mapping) else {}, steps
            )
        elif name not in own or name not in desired or before != after:
            kind = Kind.ADDED if name not in own else Kind.REMOVED if name not in desired else Kind.CHANGED
            new_from = len(steps) if kind is Kind.CHANGED else len(steps) - 1
            yield Difference(steps, kind, _text(before), _text(after), new_from)


def _text(value: object) -> str | None:
    """A value as XML represents it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def by_unique_key(records: Iterable[tuple[str, dict[str, object]]]) -> dict[str, dict[str, object]]:
    """The records by key; repeated keys get a number."""
    by_key: dict[str, dict[str, object]] = {}
    occurrences: Counter[str] = Counter()
    for key, fields in records:
        occurrences[key] += 1
        unique = key if occurrences[key] == 1 else f"{key} ({occurrences[key]})"
        while unique in by_key:  # another record has this key already
            occurrences[key] += 1
            unique = f"{key} ({occurrences[key]})"
        by_key[unique] = fields
    return by_key


_LONGEST_TEXT_KEY = 64
_KEY_NAMES = frozenset({"guid", "uuid", "address", "ip", "network", "host", "email"})


def list_key(element: etree._Element) -> str:
    """The name by which an element of a list is shown: its name, key or address, or its text if it has nothing else."""
    if (name := canonical.name_of(element)) is not None:
        return name.written
    if key := name_of_entry(element):
        return key
    for key_name, value in _own_values(element):
        if canonical.plain(key_name) in _KEY_NAMES and len(value) <= _LONGEST_TEXT_KEY:
            return value
    if addresses := [value for _, value in _leaves(element) if is_address(value)]:
        return "-".join(addresses[:2])
    text = canonical.text_of(element).strip()
    return text if len(element) == 0 and len(text) <= _LONGEST_TEXT_KEY else ""


def is_address(value: str) -> bool:
    """Whether a value is an IP address or network."""
    for kind in (ip_address, ip_network):
        try:
            kind(value.strip())
        except ValueError:
            continue
        return True
    return False


def _own_values(element: etree._Element) -> Iterator[tuple[str, str]]:
    yield from _attributes(element)
    for child in canonical.children(element):
        if not canonical.is_named(child) and (value := canonical.own_value(child)):
            yield local_name(child), value


def _leaves(element: etree._Element) -> Iterator[tuple[str, str]]:
    for one in element.iter(etree.Element):
        yield from _attributes(one)
        if len(one) == 0 and (text := canonical.text_of(one)):
            yield local_name(one), text


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    for key, written in element.attrib.items():
        yield local_name(str(key)), str(written)
