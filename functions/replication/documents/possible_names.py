"""Finds values that may be the name of a machine-specific setting although nothing marks them as a name.

Usually a name is marked as one (see ``entry_names``). A document may use another mark (``<i n="soapPort" v="1"/>``), or
write names before their values in one element (``<key>soapPort</key><int>1</int>``). Nothing distinguishes such a value
from one that only mentions a setting. So it is treated as a name that people may have chosen. An administrator's keep
pattern without wildcards keeps its element, and an exception to the keep patterns (prefix ``!``) replicates the
element. Without either, a push that would change the element waits for a person.

A value counts only if the whole value is such a name; a text that mentions one does not count. A value also does not
count if its place shows that it is something else, such as a mode or an account. A single word is ambiguous and
ignored, unless it concerns access to the server or is in an element such as ``entry``, whose tag has no meaning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lxml import etree

from common.patterns import Whole, Within
from common.safe_xml import local_name
from replication.documents.canonical import XSI_TYPE, children, is_named, own_value, plain, plain_name, text_of
from replication.documents.entry_names import NAME_KEYS, VALUES, name_in, names_of
from replication.documents.keep_patterns import names_machine_setting, words
from replication.documents.secret_names import is_log_in_name, is_secret_name
from replication.documents.sensitive import looks_generated, may_name_secret
from replication.documents.setting_words import ENTRIES, THINGS, ends_like_setting, is_title

_NAME = Whole(r"(?a)[A-Za-z][\w.:/\\ -]{1,62}\w")
_PLACES_ON_DISK = Within(
    r"(?xi)[A-Za-z]:[\\/] | ://"
    r" | \.(?:pem|pfx|p12|cer|crt|key|crl|csr|der|wsdl|xml|txt|log|html?|ini|conf|json|exe|dll)$"
)
_WAY_IN = Within(r"soap|wsdl|web-?service|licen[cs]e?|web-?admin|remote-(?:admin|access)")
"""Words about access to the server. They have only one meaning, so one of them makes a value a possible name."""
_LONGEST = 64
_SHORTEST_WORD = 4
_LARGEST = 8
"""In an entry with at most this many values, each of them may be the entry's name. In a larger entry, only its text or
an attribute with a word of ``_WAY_IN`` may be.
"""
_OPAQUE = 2
"""Maximum length of a tag without a meaning, such as ``i``."""
_OF_SENTENCES = frozenset({"a", "and", "is", "on", "the"})
_OF_PEOPLE = frozenset(
    {
        "title",
        "caption",
        "label",
        "displayname",
        "description",
        "comment",
        "remark",
        "note",
        "text",
        "message",
        "banner",
    }
    | {"user", "username", "group", "account", "owner", "login", "author", "contact", "mail", "email", "host"}
    | {"server", "domain", "company", "by", "folder", "file", "filename", "dir", "directory", "root", "home"}
)
"""The last words of places whose values people have chosen."""
_OF_KINDS = frozenset(
    {"type", "kind", "mode", "method", "methods", "protocol", "scheme", "algorithm", "format", "class", "category"}
    | {
        "role",
        "level",
        "status",
        "state",
        "action",
        "event",
        "lang",
        "language",
        "locale",
        "style",
        "theme",
        "template",
    }
    | {"source", "target", "vendor", "provider", "prefix", "suffix", "layout", "icon", "view", "page", "unit"}
    | {"require", "required", "requires", "permission", "permissions", "right", "rights", "default"}
    | {"path", "paths", "url", "uri"}
)
"""The last words of places whose values come from a list in the program."""


@dataclass(frozen=True, slots=True)
class PossibleName:
    """A possible name of an element. ``tag`` is the tag of that element or, if a key element before it names it, the
    tag of the key element.

    ``has_value``: the element also has a value, which may be the value of the setting with this name.
    """

    tag: str
    name: str
    has_value: bool = True

    @property
    def may_be_shown(self) -> bool:
        """Whether the name may be displayed, because it does not look like a secret."""
        return not self.name[-1].isdigit() and ends_like_setting(self.name) and not may_name_secret(self.name)


def possible_names(element: etree._Element) -> Iterator[PossibleName]:
    """The possible names of an element, besides those that are marked as names."""
    key = element if is_key(element) else key_before(element)
    if key is not None:
        yield PossibleName(local_name(key), text_of(key).strip())
    elif next(names_of(element), None) is None and _kind(element) not in THINGS:
        yield from _in_entry(element)


def is_key(element: etree._Element) -> bool:
    """Whether an element is a key that names the element after it. Its tag shows that, or several elements of its kind
    are each followed by a value.
    """
    if len(element) or is_named(element) or not may_be_name(text_of(element).strip(), local_name(element)):
        return False
    value = _sibling(element, preceding=False)
    if value is None or value.tag == element.tag or name_in(element):
        return False
    if plain_name(str(element.tag)) in NAME_KEYS:
        return True
    others = [_sibling(value, preceding=False), _sibling(element, preceding=True, steps=2)]
    return any(one is not None and one.tag == element.tag for one in others)


def key_before(element: etree._Element) -> etree._Element | None:
    """The key element before an element that is its value; None for any other element."""
    before = _sibling(element, preceding=True)
    return before if before is not None and is_key(before) else None


def value_behind(key: etree._Element) -> etree._Element | None:
    """The element after a key."""
    return _sibling(key, preceding=False)


def may_be_name(value: str, place: str, *, is_opaque: bool = False) -> bool:
    """Whether a value may be the name of a machine-specific setting. ``place`` is the name of its attribute or element.
    ``is_opaque``: the tag of the element around it has no meaning.
    """
    if not _NAME.fullmatch(value) or not _is_written_as_setting(value) or not names_machine_setting(value):
        return False
    is_secret = is_secret_name(place) and plain(place) not in NAME_KEYS
    if is_secret or is_log_in_name(place) or names_machine_setting(place) or looks_generated(value):
        return False
    about = words(place).rpartition("-")[2].rstrip("0123456789")
    if _WAY_IN.search(words(value)):
        return about not in _OF_PEOPLE
    if about in _OF_PEOPLE or about in _OF_KINDS:
        return False
    return "-" in words(value) or (is_opaque and len(value) >= _SHORTEST_WORD)


def _is_written_as_setting(value: str) -> bool:
    if _PLACES_ON_DISK.search(value) or not is_title(value) or not _OF_SENTENCES.isdisjoint(value.split(" ")):
        return False
    return " " in value or not set(value) & set("./\\:") or ends_like_setting(value)


def _in_entry(element: etree._Element) -> Iterator[PossibleName]:
    """The values in an element that may be its name."""
    tag = local_name(element)
    attributes = [(str(key), str(value)) for key, value in element.attrib.items() if str(key) != XSI_TYPE]
    inside = list(islice(children(element), _LARGEST + 1))
    text = text_of(element).strip() if not inside else ""
    number = len(attributes) + len(inside) + bool(text)
    is_small = number <= _LARGEST and not any(len(child) for child in inside)
    is_opaque = plain(tag) in ENTRIES or len(tag) <= _OPAQUE

    def named(value: str | None, place: str) -> Iterator[PossibleName]:
        if value and may_be_name(value.strip(), local_name(place), is_opaque=is_opaque):
            yield PossibleName(tag, value.strip(), has_value=number > 1)

    for key, value in attributes:
        if plain_name(key) not in VALUES and (is_small or _WAY_IN.search(words(value[:_LONGEST]))):
            yield from named(value, key)
    if attributes and text:
        yield from named(text, tag)
    # A child with both a text and an attribute is an entry itself.
    is_list = all(len(child.attrib) and text_of(child).strip() for child in inside)
    for position, child in enumerate(inside if is_small and not is_list else ()):
        if not is_named(child) and not is_key(child) and not (position and plain_name(str(child.tag)) in VALUES):
            yield from named(own_value(child), str(child.tag))


def _kind(element: etree._Element) -> str:
    return words(local_name(element)).rpartition("-")[2]


def _sibling(element: etree._Element, *, preceding: bool, steps: int = 1) -> etree._Element | None:
    return next(islice(element.itersiblings(tag=etree.Element, preceding=preceding), steps - 1, None), None)
