"""Pairs of settings documents of which it is known which entry is whose, and a judge of what a merge made of them.

Each section bears a mark, an ordinary value: ``t7v0`` is section 7 in wording 0. A merge knows nothing of marks, to
the judge they say which section of the primary is which of the backup, whatever either calls it. A value is kept
exactly when ``is_kept`` says so. The judge reads with lxml and shares nothing with the product.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from random import Random

from hypothesis import strategies as st
from lxml import etree

PATTERNS = ("*soap*", "*cert*", "net/port", "/settings/node")
"""The keep patterns of all generated documents; ``is_kept`` says the same in its own way."""

XSI = "http://www.w3.org/2001/XMLSchema-instance"
NAMING = ("name", "key", "setting", "property", "option", "parameter", "id")
"""What a name is called, to keep patterns and to pairing."""
TITLES = ("title", "caption", "label", "guid")
"""What only pairing takes for a name."""
ENTRY_TAGS = ("param", "param", "setting", "property", "option", "parameter")
"""What an entry is called. Most are what a name is called too."""
LISTED = ("site", "listener", "zone")
LONE = ("net", "ssl", "logging")
SECTIONS = frozenset((*LISTED, *LONE))
NEWER = ((), (), ("revision",), ("scope", "remark"))
"""What servers say of everything beside its names and values: a newer server says more."""
_NAMESPACE = "urn:settings"
_ATTRIBUTES = "urn:attributes"


# What is generated ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One value. ``names`` are (key, value); ``typed``: a prefix in it means something."""

    tag: str
    names: tuple[tuple[str, str], ...]
    style: str
    typed: bool
    bare: bool
    """Whether it is in no namespace, in whichever its document is."""


@dataclass(frozen=True)
class Section:
    """Values and sections under one element. ``truth`` is the same on both servers, and no other section's."""

    truth: int
    tag: str
    names: tuple[tuple[str, str], ...]
    mark_as: str
    members: "tuple[Entry | Section | Listing, ...]"


@dataclass(frozen=True)
class Listing:
    """Several sections of one kind, in a container that is called after them or by another word."""

    container: str
    items: tuple[Section, ...]


@dataclass(frozen=True)
class Case:
    """What two servers hold."""

    primary: str
    own: str


@dataclass(frozen=True)
class Options:
    """What the generated lists may hold."""

    nameless: bool = True
    named: bool = True
    overlapping: bool = True
    """Whether names of different sections may be equal, in part or in whole."""
    only_additions: bool = False
    """Whether the primary has all that the backup has, in the same wording."""


def cases(options: Options = Options()) -> st.SearchStrategy[Case]:
    """What a primary and a backup hold that once held the same and were edited since.

    Drawn by a random generator of their own: a choice of Hypothesis' takes a hundred times as long.
    """
    return st.builds(partial(_case, options), st.integers(1, 4), st.integers(0, 2**32))


def _case(options: Options, size: int, seed: int) -> Case:
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    root = _Common(random, options, size).section("settings", min(2, size - 1), ())
    spaced = random.random() < 0.5
    own = _Side(random, "b", options, spaced, None)
    own_text = own.document(root)
    return Case(_Side(random, "p", options, spaced, own).document(root), own_text)


NAME_VALUES = ("Secure", "Main", "ftpSecure", "soapSecure", "certStore", "1", "2")
ELEMENTS = ("soapPort", "soapBox", "certFile", "port", "node", "timeout", "mode", "option", "parameter")


class _Common:
    """What both servers' documents are drawn from. ``size`` bounds how many of anything there are."""

    def __init__(self, random: Random, options: Options, size: int) -> None:
        self._random = random
        self._options = options
        self._size = size
        self._truths = count()

    def section(self, tag: str, depth: int, names: tuple[tuple[str, str], ...]) -> Section:
        random, truth = self._random, next(self._truths)
        members: list[Entry | Section | Listing] = [self._entry() for _ in range(random.randint(0, self._size))]
        if depth:
            members += [self.section(lone, depth - 1, ()) for lone in LONE if random.random() < 0.3]
            members += [self._listing(kind, depth - 1) for kind in LISTED if random.random() < 0.4]
        random.shuffle(members)
        return Section(truth, tag, names, random.choice(("child", "attribute")), tuple(members))

    def _entry(self) -> Entry:
        random = self._random
        style = random.choice(("element", "attributes", "attributes", "children", "text"))
        typed, bare = random.random() < 0.3, random.random() < 0.2
        if style == "element":
            return Entry(random.choice(ELEMENTS), (), style, typed, bare)
        names = self._names((*NAMING, "name", "id"), NAME_VALUES)
        return Entry(random.choice(ENTRY_TAGS), names, style, typed, bare)

    def _names(self, keys: tuple[str, ...], values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        random = self._random
        chosen = {random.choice(keys) for _ in range(random.randint(1, 2))}
        return tuple((key, random.choice(values)) for key in sorted(chosen))

    def _listing(self, kind: str, depth: int) -> Listing:
        random, options = self._random, self._options
        container = random.choice((f"{kind}s", f"{kind}List", f"{kind}Holder"))
        items = []
        for position in range(random.randint(2, self._size + 1)):
            names: tuple[tuple[str, str], ...] = ()
            if options.named and (not options.nameless or random.random() < 0.5):
                values = ("Secure", "Main", "x") if options.overlapping else (f"s{position}",)
                names = self._names((*NAMING, *TITLES), values)
            items.append(self.section(kind, depth, names))
        return Listing(container, tuple(items))


class _Side:
    """One server's document. ``other`` is the backup's when the primary's is drawn."""

    def __init__(self, random: Random, side: str, options: Options, spaced: bool, other: "_Side | None") -> None:
        self._random = random
        self._side = side
        self._options = options
        self._other = other
        self._prefix = random.choice(("n:", "m:", "d:")) if spaced else ""
        self._types = random.choice(("urn:types", f"urn:types:{side}"))
        self._type_prefix = random.choice([prefix for prefix in ("t", "t", "u", "n") if prefix != self._prefix[:-1]])
        self._attribute_prefix = random.choice(("a", "z"))
        self._indent = random.choice(("", "\n  "))
        self._declared_at = random.choice(("root", "list", "entry"))
        self._numbers = count()
        self.newer: tuple[str, ...] = other.newer if other else random.choice(NEWER)
        self.wordings: dict[int, int] = {}
        """Of the listed sections that it has, by their truth."""

    def document(self, root: Section) -> str:
        space = {"": "", "d:": f' xmlns="{_NAMESPACE}"'}.get(self._prefix, f' xmlns:{self._prefix[:-1]}="{_NAMESPACE}"')
        space += f' xmlns:{self._attribute_prefix}="{_ATTRIBUTES}" xmlns:xsi="{XSI}"'
        return self._section(root, None, f'{space} xmlns:{self._type_prefix}="{self._types}"')

    def _declaration(self, place: str) -> str:
        return f' xmlns:{self._type_prefix}="{self._types}:{place}"' if place == self._declared_at else ""

    def _element(self, tag: str, inner: str, attributes: str = "", *, bare: bool = False) -> str:
        if bare:
            return f"<{tag}{attributes}{' xmlns=""' if self._prefix == 'd:' else ''}>{inner}</{tag}>"
        prefix = "" if self._prefix == "d:" else self._prefix
        return f"<{prefix}{tag}{attributes}>{inner}</{prefix}{tag}>"

    def _next(self) -> str:
        return f"{self._side}{next(self._numbers)}"

    def _section(self, section: Section, fixed: int | None, attributes: str = "") -> str:
        """``fixed``: the wording of the nameless section it is in, which says all that is ordinary in it."""
        wording = self._random.randint(0, 1) if fixed is None else fixed
        inner = []
        for key, value in section.names:
            if key in ("name", "id", "title") and self._random.random() < 0.5:
                inner.append(self._element(key, value))
            else:
                attributes += f' {key}="{value}"'
        mark = f"t{section.truth}v{wording}"
        if section.mark_as == "child":
            inner.append(self._element("mark", mark))
        else:
            attributes += f' mark="{mark}"'
        attributes += self._more(self._next() if fixed is None else f"w{fixed}")
        attributes += self._kept_attribute(section)
        inner += self._members(section, fixed)
        return self._element(section.tag, self._indent.join(("", *inner, "")) if inner else "", attributes)

    def _more(self, value: str) -> str:
        return "".join(f' {name}="{value}"' for name in self.newer)

    def _kept_attribute(self, section: Section) -> str:
        match self._random.choice(("", "", "plain", "typed", "spaced")):
            case "plain":
                return f' certMode="{self._next()}"'
            case "typed":
                declared = self._declaration("entry") if section.tag != "settings" else ""
                return f'{declared} certMode="{self._type_prefix}:{self._next()}"'
            case "spaced":
                return f' {self._attribute_prefix}:certMode="{self._next()}"'
        return ""

    def _members(self, section: Section, fixed: int | None) -> list[str]:
        members = list(section.members)
        if fixed is None:
            self._random.shuffle(members)
        written: list[str] = []
        for member in members:
            if isinstance(member, Listing):
                written.append(self._listing(member, fixed))
            elif isinstance(member, Section):
                if fixed is not None or self._random.random() < 0.8:
                    written.append(self._section(member, fixed))
            elif is_kept(section.tag, _labels_of(member)) or fixed is None:
                if self._random.random() < 0.6:
                    written.append(self._entry(self._written_here(member), self._next(), typed=member.typed))
            else:
                written.append(self._entry(member, f"w{fixed}", typed=False))
        return written

    def _written_here(self, entry: Entry) -> Entry:
        """Servers may write the same in other styles."""
        if entry.style == "element" or self._random.random() < 0.9:
            return entry
        return replace(entry, style=self._random.choice(("attributes", "children", "text")))

    def _listing(self, listing: Listing, fixed: int | None) -> str:
        """The items that this server has, in its order."""
        chosen = list(listing.items)
        if fixed is None:
            self._random.shuffle(chosen)
            namesakes = Counter(item.names for item in listing.items)
            # One that is on one server only has no namesake: what bears the same names on both is the same entry.
            chosen = [item for item in chosen if self._has(item) or (item.names and namesakes[item.names] > 1)]
            if self._side == "p" and listing.container.endswith("Holder") and len(chosen) < 2:
                chosen = list(listing.items)  # one of a kind on both sides is a section, not a list
        written = [self._item(item, fixed) for item in chosen]
        return self._element(listing.container, self._indent.join(written), self._declaration("list"))

    def _has(self, item: Section) -> bool:
        if self._options.only_additions and self._other is not None and item.truth in self._other.wordings:
            return True
        return self._random.random() < 0.75

    def _item(self, item: Section, fixed: int | None) -> str:
        if fixed is not None:
            return self._section(item, fixed)
        wording = self._random.randint(0, 1)
        if self._other is not None and item.truth in self._other.wordings:
            edited = not self._options.only_additions and self._random.random() < 0.25
            wording = self._other.wordings[item.truth] ^ edited
        self.wordings[item.truth] = wording
        return self._section(item, None if item.names and self._random.random() < 0.5 else wording)

    def _entry(self, entry: Entry, value: str, *, typed: bool) -> str:
        types = more = self._more(value)
        remark = "" if not more else f"<note>{value}</note>" if entry.bare else self._element("note", value)
        if typed:
            types += f'{self._declaration("entry")} xsi:type="{self._type_prefix}:Kind"'
            value = f"{self._type_prefix}:{value}"
        if entry.style == "element":
            if entry.tag == "soapBox":
                items = self._element("item", value, types) + self._element("item", "")
                return self._element(entry.tag, items, bare=entry.bare)
            return self._element(entry.tag, value, types, bare=entry.bare)
        if entry.style == "children":
            inner = [*entry.names, ("value", value)]
            written = [f"<{key}>{held}</{key}>" if entry.bare else self._element(key, held) for key, held in inner]
            return self._element(entry.tag, "".join((*written, remark)), types, bare=entry.bare)
        names = "".join(f' {key}="{name}"' for key, name in entry.names)
        if entry.style == "text":
            return self._element(entry.tag, value, names + types, bare=entry.bare)
        return self._element(entry.tag, "", f'{names} value="{value}"{types}', bare=entry.bare)


def _labels_of(entry: Entry) -> list[str]:
    return [entry.tag, *(value for _, value in entry.names)]


# What is kept, and what a document says ------------------------------------------------------------------------------


def is_kept(parent: str, labels: list[str]) -> bool:
    """Whether a value with these labels directly under an element of this name is the machine's own."""
    return (
        any("soap" in label.lower() or "cert" in label.lower() for label in labels)
        or (parent == "net" and "port" in labels)
        or (parent == "settings" and "node" in labels)
    )


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _identity(element: etree._Element) -> tuple[str, frozenset[tuple[str, str]]]:
    names = {(_local(str(key)), str(value)) for key, value in element.attrib.items()}
    is_pair = any(_local(str(child.tag)) == "value" for child in element)
    names |= {(_local(str(child.tag)), child.text or "") for child in element if is_pair or _is_name(child)}
    return str(element.tag), frozenset(name for name in names if name[0] in NAMING)


def _is_name(child: etree._Element) -> bool:
    """Whether a child that stands beside no value is a name: everything else of such a word is an entry."""
    return _local(str(child.tag)) in ("name", "id")


def _labels(element: etree._Element) -> list[str]:
    return [_local(str(element.tag)), *(value for _, value in _identity(element)[1])]


def _kept_child(child: etree._Element) -> bool:
    parent = child.getparent()
    assert parent is not None
    return is_kept(_local(str(parent.tag)), _labels(child))


def _resolved(element: etree._Element, value: str) -> str:
    """A value with the namespace that its prefix means where it stands."""
    prefix, colon, local = value.partition(":")
    return f"{{{element.nsmap.get(prefix, '?')}}}{local} as {value}" if colon else value


def _attributes(element: etree._Element | None) -> dict[str, str]:
    if element is None:
        return {}
    return {str(key): _resolved(element, str(value)) for key, value in element.attrib.items()}


def said(element: etree._Element) -> tuple[object, ...]:
    """All that an element says, prefixes in its values included."""
    return (
        str(element.tag),
        tuple(sorted(_attributes(element).items())),
        _resolved(element, (element.text or "").strip()),
        tuple(said(child) for child in element),
    )


def _mark(section: etree._Element) -> str | None:
    held = section.get("mark")
    inner = [child.text for child in section if _local(str(child.tag)) == "mark"]
    return held if held is not None else inner[0] if inner else None


def _truth(section: etree._Element) -> str:
    return (_mark(section) or "").partition("v")[0]


def _is_section(element: etree._Element) -> bool:
    return _local(str(element.tag)) in SECTIONS


def _is_container(element: etree._Element) -> bool:
    return _local(str(element.tag)) in {f"{kind}{end}" for kind in LISTED for end in ("s", "List", "Holder")}


def _holds_kept(element: etree._Element) -> bool:
    return any("cert" in str(key) for key in element.attrib) or any(
        _kept_child(child) or _holds_kept(child) for child in element
    )


# The judge -----------------------------------------------------------------------------------------------------------


def judge(result: etree._Element, primary: etree._Element, own: etree._Element | None) -> None:
    """Assert that ``result`` is the primary's section with all that is kept of the same section of the backup."""
    where = f"in {_local(str(result.tag))} {_mark(result)}"
    expected = {key: value for key, value in _attributes(primary).items() if "cert" not in key}
    expected |= {key: value for key, value in _attributes(own).items() if "cert" in key}
    assert _attributes(result) == expected, f"attributes {where}"

    held = [child for child in (own if own is not None else ()) if _kept_child(child)]
    stayed = [child for child in result if _kept_child(child)]
    assert Counter(map(said, stayed)) == Counter(map(said, held)), f"kept {where}"
    for identity in {_identity(child) for child in held}:
        before, after = ([said(child) for child in one if _identity(child) == identity] for one in (held, stayed))
        assert before == after, f"order of {identity} {where}"

    theirs = [child for child in primary if not _kept_child(child)]
    rest = [child for child in result if not _kept_child(child)]
    extra = _judge_ordinary(rest, theirs, own, where)
    there = {_key(child) for child in theirs if _is_section(child) or _is_container(child)}
    left = [
        child
        for child in (own if own is not None else ())
        if not _kept_child(child)
        and (_is_section(child) or _is_container(child))
        and _key(child) not in there
        and _holds_kept(child)
    ]
    assert Counter(map(_bare, extra)) == Counter(map(_bare, left)), f"sections that only the backup has {where}"


def _judge_ordinary(
    rest: list[etree._Element], theirs: list[etree._Element], own: etree._Element | None, where: str
) -> list[etree._Element]:
    """Assert that the primary's ordinary children are there, in its order; the sections beside them are returned."""
    extra = []
    expected = iter(theirs)
    for child in rest:
        if (_is_section(child) and _mark(child) is None) or (
            _is_container(child) and not _has_counterpart(child, theirs)
        ):
            extra.append(child)
            continue
        source = next(expected, None)
        assert source is not None, f"more than the primary has {where}"
        if _is_section(child) or _is_container(child):
            assert (child.tag, _mark(child)) == (source.tag, _mark(source)), f"order {where}"
            judge(child, source, _counterpart(source, own))
        else:
            assert said(child) == said(source), f"ordinary {where}"
    assert next(expected, None) is None, f"less than the primary has {where}"
    return extra


def _key(element: etree._Element) -> tuple[str, str]:
    return str(element.tag), _truth(element)


def _has_counterpart(container: etree._Element, theirs: list[etree._Element]) -> bool:
    return any(child.tag == container.tag for child in theirs)


def _counterpart(source: etree._Element, own: etree._Element | None) -> etree._Element | None:
    counterparts = [child for child in (own if own is not None else ()) if _key(child) == _key(source)]
    assert len(counterparts) < 2
    return counterparts[0] if counterparts else None


def _bare(element: etree._Element) -> tuple[object, ...]:
    """What is kept in a section, and of the sections in it; nothing else that it says."""
    return (
        str(element.tag),
        tuple(sorted(item for item in _attributes(element).items() if "cert" in item[0])),
        tuple(said(child) for child in element if _kept_child(child)),
        tuple(sorted((_bare(child) for child in element if not _kept_child(child) and _holds_kept(child)), key=repr)),
    )
