"""Lists of allowed and blocked addresses, compared by the addresses that they represent.

A single address, a network with a prefix or a mask, a range, and an address with ``*`` all count as ranges. Anything
else, such as a host name, is compared as text. An entry with the prefix ``!``, ``~`` or ``^`` names addresses that are
not in the list.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from common.patterns import Within
from replication.documents.canonical import plain
from replication.documents.diff import Difference, Steps, show
from replication.guards.access_places import VALUES, Place, place_of
from replication.guards.access_scales import said
from replication.guards.access_words import meanings

type Span = tuple[int, int, int]
"""A range: IP version, first and last address."""
_BEHIND_ALL = 2**128


@dataclass(frozen=True)
class Addresses:
    """A list of addresses: ranges, and texts that are not addresses. ``without`` are texts that the list excludes."""

    spans: frozenset[Span]
    texts: frozenset[str]
    without: frozenset[str] = frozenset()
    is_empty: bool = False

    def covers(self, other: "Addresses") -> bool:
        """Whether every address of ``other`` is in this list."""
        if not (other.texts <= self.texts and self.without <= other.without):
            return False
        merged = _merged(self.spans)
        for span in other.spans:
            version, first, last = span
            # Only the last range that begins at or before ``span`` can contain it.
            at = bisect_right(merged, (version, first, _BEHIND_ALL)) - 1
            if at < 0 or merged[at][0] != version or last > merged[at][2]:
                return False
        return True


def limits_addresses(place: Place) -> bool:
    """Whether a place concerns the addresses from which somebody may or may not connect."""
    if "inherit" in place.own:
        return False
    limiting = {"restrict", "listed", "limit", "allow", "deny", "require"}
    named = [said for said in place.names if "address" in said and said & limiting]
    inside = "address" in place.anywhere and place.anywhere & {"restrict", "listed", "limit"}
    beside = any("address" in one for one in place.names[:-1]) and bool(place.own & {"allow", "deny"})
    return bool(named or inside or beside)


def is_blocking(place: Place) -> bool:
    """Whether the place is a list of blocked addresses."""
    return "deny" in place.anywhere


def widened_lists(
    before: Iterable[Difference], after: Iterable[Difference], differences: Iterable[Difference]
) -> Iterator[str]:
    """The lists that allow more addresses than before, each by the path of its first difference in ``differences``.

    ``before`` and ``after`` are all values of one item on each side.
    """
    was, becomes = _lists(before), _lists(after)
    paths: dict[tuple[str, bool], str] = {}
    for one in differences:
        place = place_of(one.steps)
        if limits_addresses(place) and not _tells_of_it(place):
            paths.setdefault((_list_path(one.steps), is_blocking(place)), one.path)
    for (path, blocking), held in was.items():
        wanted = becomes.get((path, blocking), _of(()))
        if not (wanted.covers(held) if blocking else not wanted.is_empty and held.covers(wanted)):
            yield paths.get((path, blocking), path)


def _lists(values: Iterable[Difference]) -> Mapping[tuple[str, bool], Addresses]:
    """All address lists of an item. The name of an entry counts as its address if the entry has no other value."""
    limiting = [
        (one, place, value)
        for one in values
        if (value := (one.after or "").strip()) and limits_addresses(place := place_of(one.steps))
    ]
    valued = {steps for one, place, value in limiting for steps in _entries_of(one, place, value)}
    entries: defaultdict[tuple[str, bool], defaultdict[Steps, list[tuple[str, str]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one, place, value in limiting:
        entry = one.steps[:-1]
        if place.is_name and is_text(value):
            tells_address = entry not in valued and len(entry) > _depth(one.steps)
        else:
            tells_address = not _tells_of_it(place)
        if tells_address and said(value) is None:
            entries[_list_path(one.steps), is_blocking(place)][entry].append((one.steps[-1].name, value))
    return {key: _of(text for entry in held.values() for text in _entry(entry)) for key, held in entries.items()}


def blocked(values: Iterable[Difference]) -> Addresses:
    """The addresses in a list of blocked addresses; in such a list the names of values do not matter."""
    entries: defaultdict[Steps, list[tuple[str, str]]] = defaultdict(list)
    for one in values:
        value, own = (one.after or "").strip(), place_of(one.steps).own
        if value and said(value) is None and own.isdisjoint(_TELLING):
            entries[one.steps[:-1]].append((one.steps[-1].name, value))
    return _of(text for entry in entries.values() for text in _entry(entry))


def addresses(text: str) -> Addresses:
    """The addresses of one text."""
    return _of(_single(text))


def is_text(value: str) -> bool:
    """Whether a text is not an address."""
    return not _spans(value.strip().lstrip(_OUT))


def _entries_of(one: Difference, place: Place, value: str) -> tuple[Steps, ...]:
    """The paths of the entries whose address is ``value``. The name of such an entry does not count as an address."""
    if place.is_name:
        return ()
    holds = plain(one.steps[-1].name) in VALUES or not (_tells_of_it(place) or is_text(value))
    return (one.steps, one.steps[:-1]) if holds else (one.steps,)


def _tells_of_it(place: Place) -> bool:
    """Whether a value describes a list or an entry, like a name or a note, and is not an address."""
    return place.is_identity or not place.own.isdisjoint(_TELLING)


_TELLING = frozenset({"plain talk", "id", "notice", "method", "status", "enabled", "quantity"})
"""Meanings of the names of values that describe an address and are not addresses."""


def _list_path(steps: Steps) -> str:
    """The path of the list that contains a value: its steps up to the first that concerns an address limit."""
    return _POSITION.sub("", show(steps[: _depth(steps)]))


def _depth(steps: Steps) -> int:
    depth = 1
    for depth in range(1, len(steps) + 1):
        if limits_addresses(place_of(steps[:depth])):
            break
    return depth


_POSITION = Within(r"\[[0-9]+\]$")


_MASKS = frozenset({"mask", "netmask", "subnetmask", "prefix", "prefixlength", "bits", "maskbits"})
_LASTS = frozenset({"to", "end", "last", "high", "max", "until", "upper", "endip", "toip", "lastip", "endaddress"})


def _entry(values: list[tuple[str, str]]) -> Iterator[str]:
    """The texts of one entry: an address with its mask, a first with a last address, or single values."""
    masks = [value for name, value in values if _role(name, value) == "mask"]
    lasts = [value for name, value in values if _role(name, value) == "last"]
    firsts = [value for name, value in values if not _role(name, value)]
    if len(firsts) == 1 and len(masks) == 1:
        yield f"{firsts[0]}/{masks[0]}"
    elif len(firsts) == 1 and len(lasts) == 1:
        yield f"{firsts[0]}-{lasts[0]}"
    else:
        for _, value in values:
            yield from _single(value)


def _single(value: str) -> list[str]:
    """The single addresses in a text, each without the blanks inside it."""
    together = _SPACED_MASK.sub(r"\1/\2", _JOINING.sub(r"\1\2", " ".join(value.split())))
    return [one for one in _BETWEEN.split(together) if one]


_SPACED_MASK = Within(r"([0-9.]{7,15}) (255\.[0-9.]{5,11})")
_JOINING = Within(r" ?([-/]) ?|([!~^]) ?")
_BETWEEN = Within(r"[\s,;]+")


def _role(name: str, value: str) -> str:
    """The role of a value in a range: *mask*, *last*, or empty. A value called *until* may be a date, so it is the last
    address only if it is a number or an address.
    """
    plain = "".join(filter(str.isalnum, name.casefold()))
    if plain in _MASKS:
        return "mask"
    is_last = plain in _LASTS or not {"to", "end"}.isdisjoint(meanings(name))
    return "last" if is_last and (value.isdigit() or not is_text(value)) else ""


_OUT = "!~^"
"""The prefixes of an entry that is excluded from its list."""


def _of(texts: Iterable[str]) -> Addresses:
    inside: set[Span] = set()
    outside: set[Span] = set()
    named: dict[bool, set[str]] = {True: set(), False: set()}
    held = list(texts)
    for text in held:
        is_out = text[:1] in _OUT
        bare = text.lstrip(_OUT)
        if spans := _spans(bare):
            (outside if is_out else inside).update(spans)
        else:
            named[is_out].add(bare.casefold())
    return Addresses(
        frozenset(_without(inside, outside)), frozenset(named[False]), frozenset(named[True]), is_empty=not held
    )


def _without(spans: Iterable[Span], outside: Iterable[Span]) -> Iterator[Span]:
    """The addresses of ``spans`` without those of ``outside``."""
    gaps = _merged(outside)
    at = 0
    for version, start, last in _merged(spans):
        first = start
        while at < len(gaps) and (gaps[at][0], gaps[at][2]) < (version, start):
            at += 1  # a gap that ends before this span ends before all later spans
        inside = at
        while inside < len(gaps) and gaps[inside][0] == version and gaps[inside][1] <= last:
            _, gap, end = gaps[inside]
            if gap > first:
                yield version, first, gap - 1
            first = end + 1
            inside += 1
        at = max(at, inside - 1)  # the last gap may reach into the next span
        if first <= last:
            yield version, first, last


def _spans(text: str) -> tuple[Span, ...]:
    """The ranges that a text represents, empty if it is not an address."""
    if text.casefold() in _EVERYWHERE:
        return (4, 0, 2**32 - 1), (6, 0, 2**128 - 1)
    for read in (_network, _range, _pattern):
        try:
            return (read(text),)
        except ValueError:
            continue
    return ()


_EVERYWHERE = frozenset({"*", "any", "all", "everyone", "anyone", "everywhere", "anywhere"})


def is_address(value: str | None) -> bool:
    """Whether a value contains an address or a range."""
    return any(map(_is_address, _single(value or "")))


def is_span(value: str | None) -> bool:
    """Whether a value contains a range of several addresses."""
    spans = (span for one in _single(value or "") if _is_address(one) for span in _spans(one.lstrip(_OUT)))
    return any(first < last for _, first, last in spans)


def _is_address(text: str) -> bool:
    return ("." in text or ":" in text) and not is_text(text)


def _network(text: str) -> Span:
    network = ip_network(text, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def _range(text: str) -> Span:
    first, _, last = text.partition("-")
    if last.isdigit() and "." in first:
        last = f"{first.rpartition('.')[0]}.{last}"
    lowest, highest = ip_address(first), ip_address(last)
    if lowest.version != highest.version or int(lowest) > int(highest):
        raise ValueError("no range")
    return lowest.version, int(lowest), int(highest)


def _pattern(text: str) -> Span:
    numbers = text.split(".")
    if len(numbers) > 4 or "*" not in numbers or any(one != "*" for one in numbers[numbers.index("*") :]):
        raise ValueError("no pattern")
    fixed = numbers[: numbers.index("*")]
    return _network(".".join(fixed + ["0"] * (4 - len(fixed))) + f"/{8 * len(fixed)}")


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The addresses of ``spans`` in as few ranges as possible."""
    merged: list[Span] = []
    for version, first, last in sorted(spans):
        if merged and merged[-1][0] == version and first <= merged[-1][2] + 1:
            merged[-1] = (version, merged[-1][1], max(merged[-1][2], last))
        else:
            merged.append((version, first, last))
    return merged
