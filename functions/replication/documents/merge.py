"""Machine-specific values of a backup stay its own, by rules that are data.

A rule is a pattern over the path of a node. Each step of a path is a label: an
element's name without its namespace, an attribute's name with ``@`` before it,
or, in documents that write ``<entry name="soapPort" value="..."/>`` or
``<entry><key>soapPort</key>...``, the entry's name or key. Labels are compared
as words: ``soapPort``, ``SOAP_Port`` and ``soap-port`` are all ``soap-port``.
The words of a pattern may be written together in a label: ``host-key`` is ``hostkey`` too.
In a pattern ``*`` stands for any run of characters, ``?`` for one, ``[cs]``
for one of these. A pattern matches at any depth; with slashes it matches that
many steps (``listener/*-port``), and one that begins with a slash starts at
the document's root element. The root itself is never matched.

What matches is kept as the backup has it, with everything inside, and so is
its absence: the primary's own never goes over.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from lxml import etree

from common.errors import Failure, Reason
from common.safe_xml import local_name
from replication.documents.canonical import children, own_value, plain_name, text_of

type Labels = frozenset[str]
type Path = tuple[Labels, ...]
type Address = tuple[str, str, int]

_KEY_NAMES = ("name", "key", "setting", "property", "option", "parameter", "id")
"""What a name or key is called, the most telling first."""

# Between camelCase words, and between an acronym and a word; the s of a plural (CRLs) belongs to its acronym.
_CAMEL_EDGE = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])"
_WORD_EDGES = re.compile(_CAMEL_EDGE + r"|[^0-9A-Za-z]+")
_PATTERN_EDGES = re.compile(_CAMEL_EDGE + r"|[-_. ]+")
_HYPHEN_OF_PATTERN = re.compile(r"(?<=\w)\\-(?=\w)")


@dataclass(frozen=True)
class Rule:
    """One pattern and why it is there."""

    pattern: str
    why: str


RULES_VERSION = 1
RULES: tuple[Rule, ...] = (
    Rule("*licen[cs]*", "each server has its own licence"),
    Rule("*product-key*", "each server has its own licence"),
    Rule("*registration-key*", "each server has its own licence"),
    Rule("*registration-code*", "each server has its own licence"),
    Rule("*activation-key*", "each server has its own licence"),
    Rule("*serial-number*", "each server has its own licence"),
    Rule("*soap*", "the way in that replication itself uses"),
    Rule("*web-service*", "another name of the SOAP service"),
    Rule("*wsdl*", "another name of the SOAP service"),
    Rule("remote", "remote administration is set up per machine"),
    Rule("*remote-settings*", "remote administration is set up per machine"),
    Rule("*remote-access*", "remote administration is set up per machine"),
    Rule("*remote-port*", "remote administration is set up per machine"),
    Rule("*remote-password*", "remote administration is set up per machine"),
    Rule(
        "*admin*", "web administration and the administrator's log-in, the one replication uses, are set up per machine"
    ),
    Rule("*cert*", "the server's certificate belongs to its name"),
    Rule("*pfx*", "the server's certificate belongs to its name"),
    Rule("*pkcs*", "the server's certificate belongs to its name"),
    Rule("*priv*key*", "a private key never leaves its machine"),
    Rule("*server-key", "a private key never leaves its machine"),
    Rule("*host-key*", "a private key never leaves its machine"),
    Rule("*key-pair*", "a private key never leaves its machine"),
    Rule("*key-store*", "a private key never leaves its machine"),
    Rule("*[dr]sa-key", "a private key never leaves its machine"),
    Rule("*ec-key", "a private key never leaves its machine"),
    Rule("*ss[hl]-key", "a private key never leaves its machine"),
    Rule("*tls-key", "a private key never leaves its machine"),
    Rule("*key-file*", "a private key's place on this machine's disk"),
    Rule("*key-path*", "a private key's place on this machine's disk"),
    Rule("*key-pass*", "the pass phrase of a private key"),
    Rule("*pass-phrase*", "the pass phrase of a private key"),
    Rule("ca", "certificate authorities are files of this machine"),
    Rule("cas", "certificate authorities are files of this machine"),
    Rule("ca-*", "certificate authorities are files of this machine"),
    Rule("*-ca", "certificate authorities are files of this machine"),
    Rule("*-cas", "certificate authorities are files of this machine"),
    Rule("*-ca-*", "certificate authorities are files of this machine"),
    Rule("*ca-file*", "certificate authorities are files of this machine"),
    Rule("*ca-path*", "certificate authorities are files of this machine"),
    Rule("*ca-list*", "certificate authorities are files of this machine"),
    Rule("*trust-store*", "certificate authorities are files of this machine"),
    Rule("*crl", "revocation lists are files of this machine"),
    Rule("*crl[!f]*", "revocation lists are files of this machine"),
    Rule("*crl-file*", "revocation lists are files of this machine"),
    Rule("*revocation*", "revocation lists are files of this machine"),
    Rule("sync", "the native Synchronization Manager's own list"),
    Rule("sync-*", "the native Synchronization Manager's own list"),
    Rule("*-sync", "the native Synchronization Manager's own list"),
    Rule("*-sync-*", "the native Synchronization Manager's own list"),
    Rule("*sync-server*", "the native Synchronization Manager's own list"),
    Rule("*synchroni*", "the native Synchronization Manager's own list"),
    Rule("*backup-server*", "the native Synchronization Manager's own list"),
    Rule("*replicat*", "the native Synchronization Manager's own list"),
)
"""What is never replicated inside ``settings``: licence, SOAP, remote and web administration, certificate, private
key, CA, CRL, native synchronization. The real document's names are not public, so the patterns go by what such
names have in common (``*crl[!f]*`` spares CRLF, the end of a line); keeping a little too much leaves a difference,
keeping too little can lock an administrator out.
"""


class Rules:
    """Compiled patterns. Raises Failure(CONFIGURATION_INVALID) for one that cannot be understood."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self._anchored = [_compiled(pattern) for pattern in self.patterns if pattern.startswith("/")]
        self._floating = [_compiled(pattern) for pattern in self.patterns if not pattern.startswith("/")]
        self._single = [steps[0] for steps in self._floating if len(steps) == 1]
        self._floating = [steps for steps in self._floating if len(steps) > 1]
        self._label_matches = lru_cache(maxsize=4096)(self._any_single)

    @classmethod
    def standard(cls, *additions: Iterable[str]) -> "Rules":
        """The product's own rules and, after them, a deployment's and a backup's."""
        return _rules((*(rule.pattern for rule in RULES), *(pattern for more in additions for pattern in more)))

    def match(self, path: Path) -> bool:
        """Whether the node at the end of ``path`` is kept; each step is the set of its labels, as words."""
        return (
            any(self._label_matches(label) for label in path[-1])
            or any(_matches(steps, path[-len(steps) :]) for steps in self._floating)
            or any(_matches(steps, path) for steps in self._anchored)
        )

    def _any_single(self, label: str) -> bool:
        return any(step.fullmatch(label) for step in self._single)


@lru_cache(maxsize=64)
def _rules(patterns: tuple[str, ...]) -> Rules:
    """Most backups of a fleet have the same rules, and what was matched once is remembered with them."""
    return Rules(patterns)


@lru_cache(maxsize=1024)  # every backup's rules have the product's own in them
def _compiled(pattern: str) -> tuple[re.Pattern[str], ...]:
    steps = pattern.removeprefix("/").split("/")
    if not all(step.strip("@ ") for step in steps):
        raise Failure(Reason.CONFIGURATION_INVALID, f"the rule {pattern!r} has an empty step")
    return tuple(_compiled_step(step.strip()) for step in steps)


def _compiled_step(step: str) -> re.Pattern[str]:
    """``soapPort``, ``SOAP_Port`` and ``soap-port`` become one expression; what is in brackets is left alone."""
    pieces = re.split(r"(\[[^]]*\])", step)
    written = "".join(piece if piece.startswith("[") else _PATTERN_EDGES.sub("-", piece) for piece in pieces)
    return re.compile(_HYPHEN_OF_PATTERN.sub(r"\\-?", translate(written.casefold())))


def _matches(steps: tuple[re.Pattern[str], ...], path: Path) -> bool:
    return len(steps) == len(path) and all(
        any(step.fullmatch(label) for label in labels) for step, labels in zip(steps, path, strict=True)
    )


@lru_cache(maxsize=8192)
def words(label: str) -> str:
    """``label`` as words: ``SSLCertFile`` and ``ssl_cert_file`` are both ``ssl-cert-file``."""
    return "-".join(word.casefold() for word in _WORD_EDGES.split(label) if word)


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


def kept(root: etree._Element, rules: Rules) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    """The outermost nodes of a document that the rules keep: elements, or an element and an attribute's key."""
    yield from _kept(root, (labels_of(root),), rules)


def _kept(element: etree._Element, path: Path, rules: Rules) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    for key in element.attrib:
        if rules.match((*path, _attribute_labels(str(key)))):
            yield element, str(key)
    for child in children(element):
        child_path = (*path, labels_of(child))
        if rules.match(child_path):
            yield child
        else:
            yield from _kept(child, child_path, rules)


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
        if not rules.match((*path, _attribute_labels(key))):
            continue
        if key in own_attributes:
            target.set(key, own_attributes[key])
        else:
            del target.attrib[key]


def _addition(own: etree._Element, path: Path, rules: Rules) -> etree._Element | None:
    """What to add for an element that only the backup has: all of it, its kept parts alone, or nothing."""
    if rules.match(path):
        return deepcopy(own)
    if next(_kept(own, path, rules), None) is None:
        return None
    skeleton = deepcopy(own)
    skeleton.text = None
    for key in [str(key) for key in own.attrib if plain_name(str(key)) not in _KEY_NAMES]:
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


@lru_cache(maxsize=8192)
def _attribute_labels(key: str) -> Labels:
    return frozenset({"@" + words(local_name(key)), words(local_name(key))})


def labels_of(element: etree._Element) -> Labels:
    """All that a step of a path is known by, as words: the element's name, and the names or keys it bears."""
    return frozenset({words(local_name(element)), *(words(key) for key in _keys(element).values())})


def key_of(element: etree._Element) -> str:
    """The name or key of an entry, empty for an element that bears none."""
    keys = _keys(element)
    return next((keys[name] for name in _KEY_NAMES if name in keys), "")


def _keys(element: etree._Element) -> dict[str, str]:
    """All that an element is called by: the values of its name-like attributes and children."""
    keys = {plain_name(str(key)): str(value) for key, value in element.attrib.items() if value}
    for child in children(element):
        if _is_key(child):
            keys.setdefault(plain_name(str(child.tag)), own_value(child) or "")
    return {name: keys[name] for name in _KEY_NAMES if name in keys}


def _is_key(element: etree._Element) -> bool:
    return plain_name(str(element.tag)) in _KEY_NAMES and bool(own_value(element))


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
