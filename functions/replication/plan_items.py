"""A plan, part by part, as items that come, go or change.

An item is what an administrator calls by name: a user, a group, a rule, a
directory source, an address, an extension, a listener; in ``settings`` it is
one value. Which values of a changed item differ is found out only when asked
for, so that naming 50,000 items costs little.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Protocol

from lxml import etree

from common.safe_xml import parse
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
    named_step,
    own_differences,
    reordered,
    root_step,
    show,
    step_below,
)
from replication.documents.list_keys import list_key
from replication.documents.runtime_values import RUNTIME_NAMES
from replication.documents.sensitive import may_name_secret
from replication.model import Changes, PartName
from replication.parts.accounts import Accounts, ListDocument
from replication.parts.base import Document
from replication.parts.ip_block_lists import BlockLists
from replication.parts.listeners import Listeners, label
from replication.parts.mime_mappings import Mappings
from replication.parts.single_documents import AuthenticationState

USERS = "users"
GROUPS = "groups"
SOURCES = "sources"


@dataclass(frozen=True)
class Item:
    """One item that differs. ``key`` is what it is called; ``within`` the list it is of, empty where there is one.

    ``find`` finds its differing values, for a changed item and for a value of
    ``settings``; ``look_up`` finds a user or group, or what stands around them,
    before and after, as XML: thousands take much less room so than parsed.
    ``record`` are the typed values of one that comes, where it has any.
    """

    kind: Kind
    key: str
    within: str = ""
    find: Callable[[], list[Difference]] = list
    look_up: Callable[[], tuple[bytes | None, bytes | None]] = lambda: (None, None)
    record: Mapping[str, object] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its key below the list it is of: ``users/ann``."""
        return f"{self.within}/{self.key}" if self.within else self.key

    @property
    def elements(self) -> tuple[etree._Element | None, etree._Element | None]:
        """The user or group before and after, parsed anew."""
        before, after = self.look_up()
        return _parsed(before), _parsed(after)


def _parsed(excerpt: bytes | None) -> etree._Element | None:
    return None if excerpt is None else parse(excerpt)


class PartStates(Protocol):
    """What a part holds and what it should hold, None where nothing is to be written."""

    @property
    def name(self) -> PartName: ...
    @property
    def own(self) -> object: ...
    @property
    def desired(self) -> object: ...


def items_of(plan: PartStates) -> Iterator[Item]:
    """What a push of this part would do, item by item, also where the push is stopped; nothing for an equal part."""
    own, desired = plan.own, plan.desired
    if desired is None or desired is own:
        return
    items = list(_items(plan.name, own, desired))
    # What differs and yet in no item (white space that counts, text between items) is still a difference.
    yield from items or [Item(Kind.CHANGED, OTHER, find=lambda: [marker((), OTHER)])]


def changes_of(plan: PartStates) -> Changes:
    """The labels of the items by what happens to them."""
    labels: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for item in items_of(plan):
        labels[item.kind].append(item.label)
    return Changes(tuple(labels[Kind.ADDED]), tuple(labels[Kind.REMOVED]), tuple(labels[Kind.CHANGED]))


def _items(name: PartName, own: object, desired: object) -> Iterator[Item]:
    match own, desired:
        case Accounts(), Accounts():
            yield from _named(own.users, desired.users, USERS)
            yield from _named(own.groups, desired.groups, GROUPS)
        case AuthenticationState(), AuthenticationState():
            yield from _listed(own.document, desired.document)
            yield from _records(_sources(own), _sources(desired), SOURCES)
        case BlockLists(), BlockLists():
            yield from _listed(own.manual, desired.manual)
            # Where it is not replicated it is the same on both sides.
            yield from _listed(own.automatic, desired.automatic, "automatic")
        case Document(), Document():
            yield from _values(own, desired) if name is PartName.SETTINGS else _listed(own, desired)
        case tuple(), tuple():
            records = _listeners if name is PartName.LISTENERS else _mappings
            yield from _records(records(own), records(desired))


def _named(own: ListDocument, desired: ListDocument, within: str) -> Iterator[Item]:
    """Users or groups: matched by name without regard to case."""
    held, wanted = own.items, desired.items
    before = _Excerpts(own, [key for key, entry in held.entries.items() if wanted.entries.get(key) != entry])
    after = _Excerpts(desired, [key for key, entry in wanted.entries.items() if held.entries.get(key) != entry])
    for key in before.keys:
        if key in wanted.entries:
            look_up = partial(_both, before, after, key)
            yield Item(Kind.CHANGED, wanted.written(key), within, partial(_inside_account, look_up), look_up)
        else:
            yield Item(Kind.REMOVED, held.written(key), within, look_up=partial(_both, before, after, key))
    for key in after.keys:
        if key not in held.entries:
            yield Item(Kind.ADDED, wanted.written(key), within, look_up=partial(_both, before, after, key))
    if held.rest != wanted.rest:
        look_up = partial(_around_items, own, desired)
        yield Item(Kind.CHANGED, OTHER, within, partial(_around_accounts, look_up), look_up)


def _around_items(own: ListDocument, desired: ListDocument) -> tuple[bytes | None, bytes | None]:
    return own.around_items, desired.around_items


def _around_accounts(look_up: Callable[[], tuple[bytes | None, bytes | None]]) -> list[Difference]:
    """What differs around the items of a list, such as a value of the whole document."""
    before, after = look_up()
    if before is None or after is None:
        return [marker((), OTHER)]
    left, right = parse(before), parse(after)
    differing = differences(left, right, hidden_step(root_step(right)[0]), ignored=RUNTIME_NAMES)
    return [one for one in differing if (one.before or "").split() != (one.after or "").split()] or [marker((), OTHER)]


class _Excerpts:
    """Some items of a list as XML, cut out together when the first of them is looked up."""

    def __init__(self, document: ListDocument, keys: Collection[str]) -> None:
        self._document = document
        self.keys = keys

    @cached_property
    def by_key(self) -> Mapping[str, bytes]:
        return self._document.excerpts(frozenset(self.keys))


def _both(before: _Excerpts, after: _Excerpts, key: str) -> tuple[bytes | None, bytes | None]:
    return before.by_key.get(key), after.by_key.get(key)


def _inside_account(look_up: Callable[[], tuple[bytes | None, bytes | None]]) -> list[Difference]:
    own, desired = (parse(excerpt) for excerpt in look_up() if excerpt is not None)
    return _differing(own, desired, (), RUNTIME_NAMES)


def _differing(
    own: etree._Element, desired: etree._Element, steps: Steps, ignored: frozenset[str] = frozenset()
) -> list[Difference]:
    return list(differences(own, desired, steps, ignored=ignored)) or [marker((), OTHER)]


def _values(own: Document, desired: Document) -> Iterator[Item]:
    """Settings: every value is an item of its own."""
    before, after = own.parse(), desired.parse()
    if before is not None and after is not None:
        for difference in differences(before, after, root_step(after)):
            yield Item(difference.kind, difference.path, find=lambda one=difference: [one])  # type: ignore[misc]


def _listed(own: Document, desired: Document, within: str = "") -> Iterator[Item]:
    """A document that is a list, possibly wrapped: its elements by what they are called by."""
    if own.data == desired.data:
        return
    before, after, steps = _unwrapped(own.parse(), desired.parse())
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
                find = partial(_differing, left, right, inside)
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
    """The elements whose children are the items: below the root where each root wraps one nameless list."""
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
    """The name or key of an item; else, or where that may be a secret, its path."""
    below = step_below(steps, element, position, key=list_key)
    key = list_key(element)
    return key if key and below[-1].shown == f"{below[-1].name}[{key}]" else show(below)


def _records(
    own: Mapping[str, Mapping[str, object]], desired: Mapping[str, Mapping[str, object]], within: str = ""
) -> Iterator[Item]:
    """Typed values by key, each with fields."""
    shown = {key: _shown_key(key, n) for side in (own, desired) for n, key in enumerate(side, 1)}
    for key, fields in own.items():
        if key not in desired:
            yield Item(Kind.REMOVED, shown[key], within)
        elif desired[key] != fields:
            find = partial(_differing_fields, fields, desired[key])
            yield Item(Kind.CHANGED, shown[key], within, find=find)
    yield from (Item(Kind.ADDED, shown[key], within, record=desired[key]) for key in desired if key not in own)


def _shown_key(key: str, position: int) -> str:
    """What a record is called; where that may give a secret away, its position."""
    return f"(hidden {position})" if may_name_secret(key) else key


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
    """As XML would write it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _sources(state: AuthenticationState) -> dict[str, dict[str, object]]:
    return _unique(
        (
            source.name,
            {
                "enabled": source.enabled,
                "type": source.type,
                "description": source.description,
                "position": position,
            },
        )
        for position, source in enumerate(state.sources, 1)
    )


def _mappings(mappings: Mappings) -> dict[str, dict[str, object]]:
    extensions = [canonical.folded(mapping.extension) for mapping in mappings]
    occurrences = Counter(extensions)
    return _unique(
        (mapping.extension if occurrences[folded] > 1 else folded, {"type": mapping.type})
        for folded, mapping in zip(extensions, mappings, strict=True)
    )


def _listeners(listeners: Listeners) -> dict[str, dict[str, object]]:
    return _unique(
        (label(listener), {name: value for name, value in listener.options.items() if value != ""})
        for listener in sorted(listeners, key=lambda listener: listener.id)
    )


def _unique(records: Iterator[tuple[str, dict[str, object]]]) -> dict[str, dict[str, object]]:
    """The records by key; one with a key that occurred before is told apart by a number."""
    by_key: dict[str, dict[str, object]] = {}
    occurrences: Counter[str] = Counter()
    for key, fields in records:
        occurrences[key] += 1
        unique = key if occurrences[key] == 1 else f"{key} ({occurrences[key]})"
        while unique in by_key:  # something is called so: that happens once for each
            occurrences[key] += 1
            unique = f"{key} ({occurrences[key]})"
        by_key[unique] = fields
    return by_key
