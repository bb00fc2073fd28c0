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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from lxml import etree

from common.errors import Failure, Reason
from common.safe_xml import local_name
from replication.documents.canonical import children, own_value, plain_name

type Labels = frozenset[str]
type Path = tuple[Labels, ...]

NAME_KEYS = ("name", "key", "setting", "property", "option", "parameter", "id")
"""What a name or key is called, the most telling first."""

# Between camelCase words, and between an acronym and a word; the s of a plural (CRLs) belongs to its acronym.
_CAMEL_EDGE = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])"
_WORD_EDGES = re.compile(_CAMEL_EDGE + r"|[^0-9A-Za-z]+")
_PATTERN_EDGES = re.compile(_CAMEL_EDGE + r"|[-_. ]+")
_STEP = r"[@ ]*[^/@ \x00-\x1f\x7f][^/\x00-\x1f\x7f]*"
RULE_FORM = rf"/?{_STEP}(/{_STEP})*"
"""The form of a pattern, for a match of the whole text: each step has a character besides ``@`` and blanks."""
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

    @property
    def look_above(self) -> bool:
        """Whether any pattern asks what a node is in; the others look at the node alone."""
        return bool(self._floating or self._anchored)

    def match(self, path: Path) -> bool:
        """Whether the node at the end of ``path`` is kept; each step is the set of its labels, as words."""
        for label in path[-1]:
            if self._label_matches(label):
                return True
        return self.look_above and (
            any(_matches(steps, path[-len(steps) :]) for steps in self._floating)
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
    if not re.fullmatch(RULE_FORM, pattern):
        raise Failure(Reason.CONFIGURATION_INVALID, f"the rule {pattern!r} has an empty step or a control character")
    return tuple(_compiled_step(step.strip()) for step in pattern.removeprefix("/").split("/"))


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


def kept(root: etree._Element, rules: Rules) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    """The outermost nodes of a document that the rules keep: elements, or an element and an attribute's key."""
    yield from kept_below(root, (labels_of(root),), rules)


def kept_below(
    element: etree._Element, path: Path, rules: Rules
) -> Iterator[etree._Element | tuple[etree._Element, str]]:
    """The same below an element at the end of ``path``, its own attributes included."""
    for key in element.attrib:
        if rules.match((*path, attribute_labels(str(key)))):
            yield element, str(key)
    for child in children(element):
        child_path = (*path, labels_of(child))
        if rules.match(child_path):
            yield child
        else:
            yield from kept_below(child, child_path, rules)


@lru_cache(maxsize=8192)
def attribute_labels(key: str) -> Labels:
    """All that the step of an attribute is known by."""
    return frozenset({"@" + words(local_name(key)), words(local_name(key))})


def labels_of(element: etree._Element) -> Labels:
    """All that a step of a path is known by, as words: the element's name, and every name or key it bears."""
    return frozenset({words(local_name(element)), *(words(value) for _, value in names_of(element))})


def key_of(element: etree._Element) -> str:
    """The most telling name or key of an entry, empty for an element that bears none."""
    names = dict(reversed(list(names_of(element))))
    return next((names[key] for key in NAME_KEYS if key in names), "")


def names_of(element: etree._Element) -> Iterator[tuple[str, str]]:
    """What an element is called: each name-like attribute or child (in plain words) with its value."""
    for key, value in element.attrib.items():
        if value and (plain := plain_name(str(key))) in NAME_KEYS:
            yield plain, str(value)
    for child in children(element):
        if (plain := plain_name(str(child.tag))) in NAME_KEYS and (held := own_value(child)):
            yield plain, held
