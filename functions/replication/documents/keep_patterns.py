"""Keep patterns: data that defines which values of a settings document the backup keeps.

A pattern is matched against the path of a node. Each step of a path has labels: an element's local name, an attribute's
name with the prefix ``@``, and the names or keys of the element. Labels are compared as words: ``soapPort``,
``SOAP_Port`` and ``soap-port`` are all ``soap-port``. The words of a pattern also match if they are joined:
``host-key`` matches ``hostkey``. In a pattern ``*`` stands for any run of characters, ``?`` for one character, and
``[cs]`` for a ``c`` or an ``s``. A pattern matches at any depth. A pattern with slashes matches several steps in a row
(``listener/*-port``), and a pattern with a leading slash starts at the document's root element. In a pattern with a
leading slash, ``entry[soapPort]`` is the element ``entry`` with exactly the name ``soapPort``. The root itself is never
matched.

A matching node is kept as the backup has it, with everything inside. If the backup does not have the node, the
primary's node is not copied.

A name that people may have chosen is not matched by the product's patterns, nor by patterns with a wildcard (see
``keep_labels``). A pattern with the prefix ``!`` is an exception: one exact path that is replicated although a pattern
matches. In an exception, an element that has a name is written with its name: ``entry[soapPort]``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from lxml import etree

from common.budgets import REMEMBERED, remembered
from common.errors import Failure, Reason
from common.patterns import Whole, Within
from common.safe_xml import local_name
from replication.documents.entry_names import names_of
from replication.documents.keep_list import RULES, Rule

type Labels = frozenset[str]
type Path = tuple[Labels, ...]

EXCEPTION = "!"
"""The prefix of an exception."""
EITHER = "="
"""The prefix of a label for a name that is either a setting's or chosen by people."""
GIVEN = "~"
"""The prefix of a label for a name that people have chosen."""
POSSIBLE = "?"
"""The prefix of a label for a value that may be the element's name although nothing marks it as one."""

# Between camelCase words, and between an acronym and a word; the s of a plural (CRLs) belongs to its acronym.
_CAMEL_EDGE = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])"
_WORD_EDGES = Within(_CAMEL_EDGE + r"|[^0-9A-Za-z]+")
_STEP = r"[@ ]*[^/@ \x00-\x1f\x7f][^/\x00-\x1f\x7f]*"
RULE_FORM = rf"(!?/)?{_STEP}(/{_STEP})*"
"""The syntax of a pattern, for a match of the whole text: each step has a character besides ``@`` and blanks."""
_RULE = Whole(RULE_FORM)
_HYPHENS = Within(r"-+")
_NO_LABEL = Whole("(?!)")
_HYPHEN_OF_PATTERN = Within(r"(?<=\w)\\-(?=\w)")
_WILDCARD = r"(\[[^]]{0,1000}\]|[*?])"
_PIECES, _PIECE = Within(_WILDCARD), Whole(_WILDCARD)
_NAMED_STEP = Whole(r"[^\[\]*?]+\[")
_UNWRITABLE = Within(r"""[%/"\\\x00-\x1f\x7f]""")
_TRIED = "".join(map(chr, range(0x30, 0x3A))) + "abcdefghijklmnopqrstuvwxyz-"


@dataclass(frozen=True)
class PatternStep:
    """One step of a pattern. ``literal`` is the text of a step like ``entry[name]``. ``exact``: it has no wildcard."""

    expression: Whole[str]
    literal: str = ""
    exact: bool = False

    def matches(self, label: str, *, loosely: bool = False) -> bool:
        """Whether the step matches ``label``. With ``loosely``, a step with a wildcard also matches names that people
        chose or may have chosen.
        """
        if self.literal or "[" in label:
            return label.removeprefix(POSSIBLE) == self.literal
        if label.startswith((EITHER, GIVEN)):
            return (self.exact or loosely) and self.expression.fullmatch(label[1:]) is not None
        return self.expression.fullmatch(label) is not None

    def matches_any(self, labels: Labels, *, loosely: bool = False) -> bool:
        """Whether the step matches one of ``labels``."""
        return any(self.matches(label, loosely=loosely) for label in labels)


type _Steps = tuple[PatternStep, ...]


class Rules:
    """Compiled keep patterns: the patterns of the ``product``, followed by ``additions`` from people.

    Raises Failure(CONFIGURATION_INVALID) for a pattern that cannot match anything.
    """

    def __init__(self, additions: Iterable[str], product: Iterable[Rule] = ()) -> None:
        self._product = tuple(_ProductRule.of(rule) for rule in product)
        own = tuple(rule.rule.pattern for rule in self._product)
        self.additions = tuple(pattern for pattern in dict.fromkeys(additions) if pattern not in own)
        self.patterns = (*own, *self.additions)
        self.exceptions = tuple(pattern for pattern in self.additions if pattern.startswith(EXCEPTION))
        self._exceptions = [compiled(pattern) for pattern in self.exceptions]
        kept = [(pattern, compiled(pattern)) for pattern in self.additions if not pattern.startswith(EXCEPTION)]
        self._anchored = [steps for pattern, steps in kept if pattern.startswith("/")]
        floating = [steps for pattern, steps in kept if not pattern.startswith("/")]
        self._single = [steps[0] for steps in floating if len(steps) == 1]
        self._floating = [steps for steps in floating if len(steps) > 1]
        self._label_matches = lru_cache(maxsize=4096)(self._any_single)
        self._label_protected = lru_cache(maxsize=4096)(self._any_protected)

    @classmethod
    def standard(cls, *additions: Iterable[str]) -> "Rules":
        """The product's own patterns, followed by ``additions``: those of the settings and those of a registration."""
        return _rules(tuple(pattern for more in additions for pattern in more), RULES)

    @property
    def look_above(self) -> bool:
        """Whether any pattern or exception depends on a node's ancestors, and not on the node alone."""
        return bool(self._floating or self._anchored or self._exceptions)

    def match(self, path: Path) -> bool:
        """Whether the node with this ``path`` is kept."""
        if not self._matches(path, loosely=False):
            return False
        return not (self._exceptions and self.is_exception(path)) or self.is_protected(path)

    def is_exception(self, path: Path) -> bool:
        """Whether an exception names exactly this path."""
        return any(is_exactly(steps, path) for steps in self._exceptions)

    def exceptions_of(self, path: Path) -> tuple[str, ...]:
        """The exceptions that make the node with this ``path`` replicated."""
        if self.is_protected(path):
            return ()
        pairs = zip(self.exceptions, self._exceptions, strict=True)
        return tuple(pattern for pattern, steps in pairs if is_exactly(steps, path))

    def is_protected(self, path: Path) -> bool:
        """Whether one of the product's patterns keeps the node and no exception can override that pattern."""
        return any(map(self._label_protected, path[-1]))

    def uses(self, pattern: str, path: Path) -> bool:
        """Whether one of the ``additions`` has an effect on the node with this ``path``."""
        steps = compiled(pattern)
        if pattern in self.exceptions:
            return is_exactly(steps, path) and self._matches(path, loosely=True) and not self.is_protected(path)
        return _fits(steps, path if pattern.startswith("/") else path[-len(steps) :], loosely=True)

    def is_undecided(self, path: Path) -> bool:
        """Whether a person has to decide if the node is kept, because only a name that people may have chosen
        matches.
        """
        return (
            self._matches(path, loosely=True)
            and not self._matches(path, loosely=False)
            and not (self.is_exception(path))
        )

    def _matches(self, path: Path, *, loosely: bool) -> bool:
        for label in path[-1]:
            asked = self._label_matches if len(label) <= REMEMBERED else self._any_single
            if asked(label, loosely):
                return True
        return bool(self._floating or self._anchored) and (
            any(_fits(steps, path[-len(steps) :], loosely=loosely) for steps in self._floating)
            or any(_fits(steps, path, loosely=loosely) for steps in self._anchored)
        )

    def _any_single(self, label: str, loosely: bool) -> bool:
        return any(step.matches(label, loosely=loosely) for step in self._single) or any(
            rule.matches(label, loosely=loosely) for rule in self._product
        )

    def _any_protected(self, label: str) -> bool:
        return any(rule.protects(label) for rule in self._product)


@dataclass(frozen=True)
class _ProductRule:
    rule: Rule
    step: PatternStep
    but: _Steps
    may_lift: _Steps

    @classmethod
    @lru_cache(maxsize=1024)  # the product's patterns are the same for every backup, so they are compiled once
    def of(cls, rule: Rule) -> "_ProductRule":
        (step,) = compiled(rule.pattern)
        but, may_lift = (tuple(compiled(one)[0] for one in patterns) for patterns in (rule.but, rule.may_lift))
        return cls(rule, step, but, may_lift)

    def matches(self, label: str, *, loosely: bool = False) -> bool:
        """Whether the pattern matches a label. It never matches names that people have chosen, and matches names that
        they may have chosen only with ``loosely``.
        """
        if "[" in label or label.startswith(GIVEN) or (label.startswith(EITHER) and not loosely):
            return False
        word = label.removeprefix(EITHER)
        return self.step.matches(word) and not any(step.matches(word.removeprefix("@")) for step in self.but)

    def protects(self, label: str) -> bool:
        """Whether the pattern matches ``label`` and no exception can override it there."""
        return self.matches(label) and not any(step.matches(label.removeprefix("@")) for step in self.may_lift)


_rules = lru_cache(maxsize=64)(Rules)
"""Most backups of a fleet have the same patterns, so compiled patterns are cached together with their matches."""


def _fits(steps: _Steps, path: Path, *, loosely: bool = False) -> bool:
    return (
        len(steps) == len(path)
        and steps[-1].matches_any(path[-1], loosely=loosely)
        and all(_fits_above(step, labels, loosely) for step, labels in zip(steps[:-1], path[:-1], strict=True))
    )


def is_exactly(steps: _Steps, path: Path) -> bool:
    """Whether an exception's steps name the node with this ``path``. The exception must contain a name of every element
    that has one.
    """
    return (
        len(steps) == len(path)
        and steps[-1].matches_any(_identifying(path[-1]))
        and all(
            _fits_above(step, _identifying(labels), loosely=False)
            for step, labels in zip(steps[:-1], path[:-1], strict=True)
        )
    )


_NODES_ABOVE = 1024
"""Number of cached results of matching a step of a pattern. Nodes with a common ancestor share its result."""


def _fits_above(step: PatternStep, labels: Labels, loosely: bool) -> bool:
    are_short = max(map(len, labels), default=0) <= REMEMBERED
    asked = _remembered_above if are_short else PatternStep.matches_any
    return asked(step, labels, loosely=loosely)


_remembered_above = lru_cache(maxsize=_NODES_ABOVE)(PatternStep.matches_any)


def _identifying(labels: Labels) -> Labels:
    """The labels that identify an element. If it has a name, its tag alone does not identify it, and a possible name
    does not either.
    """
    named = {label for label in labels if "[" in label and not label.startswith(POSSIBLE)}
    if not named:
        return labels
    tags = {words(label.partition("[")[0]) for label in named}
    return frozenset(label for label in labels if label not in tags and not label.startswith(POSSIBLE))


# The form of a pattern -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> _Steps:
    """The steps of a pattern or an exception. Raises Failure(CONFIGURATION_INVALID) if nothing can match it."""
    if not _RULE.fullmatch(pattern):
        raise _invalid(pattern, "it has an empty step or a control character")
    bare = pattern.removeprefix(EXCEPTION)
    anchored = bare.startswith("/")
    texts = [text.strip() for text in bare.removeprefix("/").split("/")]
    if bare != pattern:
        _check_exception(pattern, texts, anchored)
    if anchored and len(texts) == 1:
        raise _invalid(pattern, "it names the root element, which is never kept as a whole")
    if any(text.startswith("@") for text in texts[:-1]):
        raise _invalid(pattern, "an attribute has nothing inside")
    steps = tuple(_compiled_step(text, named=anchored) for text in texts)
    for text, step in zip(texts, steps, strict=True):
        if not step.literal and not (_has_whole_brackets(text) and _can_match(text, step.expression)):
            raise _invalid(pattern, f"no name can match {text!r}")
    return steps


def _check_exception(pattern: str, texts: list[str], anchored: bool) -> None:
    if not anchored:
        raise _invalid(pattern, "an exception begins with !/ and names one exact path from the root element on")
    if any(set("*?") & set(text.partition("[")[0]) or ("[" in text and not text.endswith("]")) for text in texts):
        raise _invalid(pattern, "an exception names one exact path, without wildcards")
    named = [words(text.partition("[")[0]) for text in texts[1:]]
    protecting = [rule.rule for rule in map(_ProductRule.of, RULES) if any(map(rule.protects, named))]
    if protecting:
        raise _invalid(pattern, f"no exception can replicate a machine-specific setting: {protecting[0].why}")


def _invalid(pattern: str, why: str) -> Failure:
    return Failure(Reason.CONFIGURATION_INVALID, f"the keep pattern {pattern!r} cannot be used: {why}")


def _compiled_step(text: str, *, named: bool) -> PatternStep:
    """Compile one step: ``soapPort``, ``SOAP_Port`` and ``soap-port`` become one expression, and text in brackets is
    unchanged.
    """
    if named and text.endswith("]") and _NAMED_STEP.match(text):
        return PatternStep(_NO_LABEL, text, exact=True)
    sign, body = ("@", text[1:].lstrip()) if text.startswith("@") else ("", text)
    pieces = _PIECES.split(body.strip("-_. "))
    written = "".join(piece if _PIECE.fullmatch(piece) else _WORD_EDGES.sub("-", piece) for piece in pieces)
    written = sign + _HYPHENS.sub("-", written).strip("-")
    expression = Whole(_HYPHEN_OF_PATTERN.sub(r"\\-?", translate(written.casefold())), is_made=True)
    return PatternStep(expression, exact=len(pieces) == 1)


def _has_whole_brackets(text: str) -> bool:
    return not {"[", "]"} & set("".join(piece for piece in _PIECES.split(text) if not _PIECE.fullmatch(piece)))


def _can_match(text: str, expression: Whole[str]) -> bool:
    """Whether any label can match the step. The test makes such a label from the step itself."""
    for run in ("x", ""):
        made = ""
        for piece in _PIECES.split(text.strip("-_. ")):
            if piece == "*":
                made += run
            elif piece == "?":
                made += "x"
            elif piece.startswith("[") and piece.endswith("]"):
                one = Whole(translate(piece.casefold()), is_made=True)
                made += next((letter for letter in _TRIED if one.fullmatch(letter)), "")
            else:
                made += piece
        sign, bare = ("@", made[1:]) if made.startswith("@") else ("", made)
        if words(bare) and expression.fullmatch(sign + words(bare)):
            return True
    return False


# Words and labels of names -------------------------------------------------------------------------------------------


@remembered(maxsize=8192)
def words(label: str) -> str:
    """``label`` split into words: ``SSLCertFile`` and ``ssl_cert_file`` both become ``ssl-cert-file``."""
    return "-".join(word.casefold() for word in _WORD_EDGES.split(label) if word)


@lru_cache(maxsize=8192)
def names_machine_setting(name: str) -> bool:
    """Whether the name is one of a setting that the product's own patterns keep."""
    return any(rule.matches(words(name)) for rule in map(_ProductRule.of, RULES))


def exact_step(tag: str, name: str) -> str:
    """The step of a pattern for an element with this tag and exactly this name."""
    return f"{local_name(tag)}[{_UNWRITABLE.sub(lambda character: f'%{ord(character[0]):02X}', name)}]"


def labels_of(element: etree._Element) -> Labels:
    """The labels of an element as words: the words of its tag, and of every name or key that it has."""
    return frozenset({words(local_name(element)), *(words(value) for _, value in names_of(element))})
