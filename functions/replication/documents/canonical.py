"""The canonical form of configuration documents, and when two documents are equal.

The structure of Cerberus' documents is not public and differs between versions, so this code assumes no schema. Two
documents are equal if they differ only in

- the order of attributes, comments and processing instructions,
- the prefixes bound to namespaces, also in the value of ``xsi:type``; in any
  other value a prefix counts together with its namespace,
- white space between elements (text of an element without children is a
  value and is never touched, white space included),
- the order of their items, where a document is a list of named items (users,
  groups), and the letter case of an item's name (``named_items``),
- run-time values such as the last log-in, in parts that ignore them, if the
  value is only a time, an address or a count.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from lxml import etree

from common import budgets
from common.budgets import remembered
from common.deadline import step
from common.errors import Failure, Reason
from common.patterns import Within
from common.safe_xml import XmlRefused, XmlTooComplex, local_name, parse_document
from replication.documents.runtime_values import DATA_TYPES, RUNTIME_PARTS, is_runtime_value

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PREFIX = Within(r"(?<![\w.-])([^\W\d][\w.-]*):")
REFERENCE = "\x0e"
"""The character that separates a value from each namespace to which a prefix in the value refers."""


def meaning(element: etree._Element, key: str | None, value: str) -> str:
    """The value of an attribute, or the text of an element, with the namespaces to which prefixes in it refer.

    For ``xsi:type`` the result is the full name of the type, whatever its prefix.
    """
    if key == XSI_TYPE:
        prefix, _, local = value.strip().rpartition(":")
        return f"{{{element.nsmap.get(prefix or None, '')}}}{local}"
    if ":" not in value:  # most values have no colon, and this runs for every value of a document
        return value
    prefixes, scope = prefixes_in(value), element.nsmap
    return value + "".join(f"{REFERENCE}{prefix}={scope[prefix]}" for prefix in sorted(prefixes & scope.keys()))


def prefixes_in(value: str) -> set[str]:
    """The possible prefixes in a value: each name before a colon."""
    return set(_PREFIX.findall(value))


_NAME_KEYS = ("name", "username", "loginname", "login", "groupname")
_ENTRY_KEYS = frozenset({"name", "key"})
_VALUE_KEYS = frozenset({"value", *RUNTIME_PARTS})
IDENTITY_KEYS = frozenset(
    {"name", "key", "setting", "property", "option", "parameter", "id"}
    | {"title", "caption", "label", "displayname", "guid", "uuid"}
)
"""Names of attributes and child elements that identify an entry."""
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_PUNCTUATION = Within(r"[^0-9a-z]+")


@remembered(maxsize=4096)
def plain(label: str) -> str:
    """``label`` without case and punctuation: ``Last-Login_IP`` and ``lastLoginIP`` become the same word."""
    return _PUNCTUATION.sub("", label.casefold())


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """The local name of an element's tag or an attribute's key without case and punctuation; cached because names
    repeat.
    """
    return plain(local_name(name))


def grouped[Key, Item](items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Group the items by ``key``; each group keeps the order of its items."""
    groups: defaultdict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def folded(name: str) -> str:
    """``name`` in the form in which names are compared without case.

    As on Windows, each capital is replaced by one small letter, and no letter is replaced by two. So ``strauß`` and
    ``strauss`` are different names.
    """
    return name.lower() if name.isascii() else "".join(map(_folded_letter, name))


@lru_cache(maxsize=4096)
def _folded_letter(letter: str) -> str:
    if letter == "\u03c2":  # a final small sigma counts as a small sigma, because both have the same capital
        return "\u03c3"
    small = letter.lower()
    is_pair = len(small) == 1 and small.upper() == letter and letter <= "\uffff"  # as on Windows
    return small if is_pair else letter


def read(document: bytes, what: str, server: str, tree: int = budgets.TREE) -> etree._Element:
    """Parse a document into a tree of at most ``tree`` bytes.

    Raises Failure(DOCUMENT_MALFORMED or REPLY_TOO_COMPLEX) that names ``what`` and ``server`` but quotes no content.
    """
    try:
        return parse_document(document, tree=tree)
    except XmlTooComplex as refusal:
        reason, complaint = Reason.REPLY_TOO_COMPLEX, str(refusal)
    except XmlRefused as refusal:
        reason, complaint = Reason.DOCUMENT_MALFORMED, str(refusal)
    raise Failure(reason, f"cannot read its {what}: {complaint}", server=server)


def children(element: etree._Element) -> Iterator[etree._Element]:
    """The child elements, without comments and processing instructions."""
    step()  # here, because every loop over a document calls this function
    return element.iterchildren(tag=etree.Element)


@dataclass(frozen=True)
class Name:
    """The name of an element as written, and its position: the attribute ``key``, or the text of ``owner``."""

    written: str
    owner: etree._Element
    key: str | None


def name_of(element: etree._Element) -> Name | None:
    """The name in an attribute or child element such as ``name``; None if there is none."""
    return _own_name(element) or next(
        (
            Name(value.written, value.owner, value.key)
            for child in children(element)
            if plain_name(str(child.tag)) in _NAME_KEYS
            and not is_named(child)
            and (value := _value_of(child)) is not None
        ),
        None,
    )


def is_named(element: etree._Element) -> bool:
    """Whether an element has a name in an attribute. If so, the element's content is a value and not a name."""
    return any(plain_name(str(key)) in IDENTITY_KEYS for key in element.attrib)


def _own_name(element: etree._Element) -> Name | None:
    keys = {plain_name(str(key)): str(key) for key in element.attrib}
    for name_key in _NAME_KEYS:
        key = keys.get(name_key)
        if key is not None and (written := element.get(key)):
            return Name(written, element, key)
    return None


def own_value(element: etree._Element) -> str | None:
    """The value of an element without children: its text, otherwise its ``value`` attribute; None for other
    elements.
    """
    value = _value_of(element)
    return value.written if value else None


def _value_of(element: etree._Element) -> Name | None:
    if next(children(element), None) is not None:
        return None
    if text := text_of(element):
        return Name(text, element, None)
    for key, value in element.attrib.items():
        if value and local_name(str(key)) == "value":
            return Name(str(value), element, str(key))
    return None


def text_of(element: etree._Element) -> str:
    """The exact text directly inside an element, without comments."""
    return "".join([element.text or "", *(child.tail or "" for child in element)])


def truth(value: str | None) -> bool | None:
    """The value of a boolean text; None for any other text, and for None."""
    word = (value or "").strip().casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def canonical(
    element: etree._Element,
    *,
    ignored: frozenset[str] = frozenset(),
    skip: frozenset[etree._Element] = frozenset(),
    fold: Name | None = None,
) -> str:
    """A text that is equal for two elements exactly if the elements are equal, including the order of children.

    ``ignored`` are plain names: run-time values with these names are ignored. The elements in ``skip`` are omitted.
    ``fold`` is a name that is compared without case.
    """
    return _Writer(ignored, skip, fold).text(element)


class _Writer:
    """Writes canonical text. The separators are characters that XML cannot contain, so no value can imitate them.

    Raises Failure(REPLY_TOO_COMPLEX) if the text would be too long, because a short prefix can stand for a long
    namespace.
    """

    def __init__(self, ignored: frozenset[str], skip: frozenset[etree._Element], fold: Name | None) -> None:
        self._ignored = ignored
        self._skip = skip
        self._fold = fold
        self._out: list[str] = []
        self._room = budgets.CANONICAL

    def text(self, element: etree._Element) -> str:
        self._write(element)
        return "".join(self._out)

    def _write(self, element: etree._Element) -> None:
        step()
        out, ignored = self._out, self._ignored
        named = self._fold is not None and self._fold.owner is element
        out += ("\x01", self._counted(str(element.tag)))
        attributes: list[tuple[str, str]] = sorted(element.items())  # type: ignore[arg-type]  # the stubs allow bytes
        for key, value in attributes:
            if not (ignored and is_ignored_attribute(key, value, ignored)):
                said = self._said(element, key, value) if named else meaning(element, key, value)
                out += ("\x02", self._counted(key), "\x03", self._counted(said))
        text = element.text or ""
        is_leaf = True
        for child in element:
            if isinstance(child.tag, str):
                is_leaf = False
                if not (self._skip and child in self._skip) and not (ignored and is_ignored(child, ignored)):
                    if text.strip():
                        out += ("\x04", self._counted(meaning(element, None, text)))
                    text = ""
                    self._write(child)
            text += child.tail or ""
        if text if is_leaf else text.strip():
            out += ("\x04", self._counted(self._said(element, None, text) if named else meaning(element, None, text)))
        out.append("\x05")

    def _counted(self, text: str) -> str:
        self._room -= len(text)
        if self._room < 0:
            raise budgets.too_complex("names and namespaces make a document too long to compare")
        return text

    def _said(self, element: etree._Element, key: str | None, value: str) -> str:
        """A value with the meaning of its prefixes; the name that is compared without case is also folded."""
        said = meaning(element, key, value)
        return folded(said) if self._fold is not None and self._fold.key == key else said


def is_ignored_attribute(key: str, value: str, ignored: frozenset[str]) -> bool:
    """Whether an attribute has one of the ``ignored`` plain names and a run-time value."""
    return plain_name(key) in ignored and is_runtime_value(value)


def is_ignored(element: etree._Element, ignored: frozenset[str]) -> bool:
    """Whether an element has only run-time values, and its tag, or its key as a key/value entry, is in ``ignored``."""
    if not ignored:
        return False
    is_named = plain_name(str(element.tag)) in ignored
    if not is_named and plain(_entry_name(element)) not in ignored:
        return False
    return all(
        (name in _VALUE_KEYS and is_runtime_value(value))
        or (name == "type" and plain(value) in DATA_TYPES)
        or (not is_named and name in _ENTRY_KEYS and plain(value) in ignored)
        for name, value in _said(element)
    )


def _said(element: etree._Element) -> Iterator[tuple[str, str]]:
    """All values in an element, each with a plain name: ``value`` for its own text, a child's name for the child's."""
    for key, value in element.attrib.items():
        if key != XSI_TYPE:
            yield plain_name(str(key)), str(value)
    if text := text_of(element).strip():
        yield "value", text
    for child in children(element):
        own = plain_name(str(child.tag))
        is_empty = True
        for name, value in _said(child):
            is_empty = False
            yield own if name == "value" else f"{own}/{name}", value
        if is_empty:
            yield own, ""


def instructions(root: etree._Element) -> str:
    """The processing instructions of a document with their positions; empty if there are none."""
    nodes = (*reversed(list(root.itersiblings(preceding=True))), *root.iter(), *root.itersiblings())
    elements = 0
    out: list[str] = []
    for node in nodes:
        elements += isinstance(node.tag, str)
        if isinstance(node, etree._ProcessingInstruction):
            out += ("\x0b", str(elements), "\x02", str(node.target), "\x03", str(node.text))
    return "".join(out)


def _entry_name(element: etree._Element) -> str:
    """The name of a key/value entry; empty for anything else, so that an account or folder with such a name is not
    ignored.

    An entry is ``<x name="n" value="v"/>``, ``<x name="n">v</x>`` or ``<x><name>n</name><value>v</value></x>``, or the
    same with ``key`` instead of ``name``.
    """
    if len(element) == 0:
        for key, value in element.items():
            if plain_name(str(key)) in _ENTRY_KEYS:
                return str(value) if value and _value_of(element) is not None else ""
        return ""
    if len(element) != 2:
        return ""
    pair = {plain_name(str(child.tag)): own_value(child) for child in children(element)}
    return (pair.get("name") or pair.get("key") or "") if "value" in pair else ""


def digest(text: str) -> str:
    """The SHA-256 of a canonical text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def values(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Every value of a document with its path: attributes, and texts of elements without children.

    A step of a path is the element's local name, followed in brackets by the name that the element has or, among
    several of a kind, its position. An empty element has an empty value. Paths are unique: equal paths get the suffixes
    ``#2`` and so on.
    """
    seen: Counter[str] = Counter()
    for path, value in _values(root, f"/{local_name(root)}"):
        seen[path] += 1
        yield (path if seen[path] == 1 else f"{path}#{seen[path]}"), value


def _values(element: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    for key, value in sorted((local_name(str(key)), str(value)) for key, value in element.attrib.items()):
        yield f"{path}/@{key}", value
    nested = list(children(element))
    text = text_of(element)
    if text.strip() if nested else (text or not element.attrib):
        yield path, text
    steps = Counter(_step(child) for child in nested)
    seen: Counter[str] = Counter()
    for child in nested:
        own = _step(child)
        seen[own] += 1
        yield from _values(child, f"{path}/{own}" if steps[own] == 1 else f"{path}/{own}[{seen[own]}]")


_LONGEST_IN_PATH = 80
"""Maximum length of a name in a path, which every path below it repeats; a longer name is replaced by its digest."""


def _step(element: etree._Element) -> str:
    name = _own_name(element)
    if name is None:
        return local_name(element)
    written = name.written
    return f"{local_name(element)}[{written if len(written) <= _LONGEST_IN_PATH else digest(written)}]"
