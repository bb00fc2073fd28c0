"""Finds the values in which two elements differ, without knowing their schema.

``counterparts`` matches the children. Differences only in prefixes, comments or white space between elements are
ignored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from lxml import etree

from common.safe_xml import local_name
from replication.documents.canonical import (
    REFERENCE,
    children,
    is_ignored_attribute,
    meaning,
    own_value,
    plain_name,
    text_of,
)
from replication.documents.counterparts import Key, Pair, by_tag, pairs_of
from replication.documents.entry_names import NAME_KEYS, TYPED_VALUES, VALUES, names_of
from replication.documents.keep_patterns import Labels, labels_of, words
from replication.documents.secret_elements import LONGEST_LABEL, is_secret_element, is_written_as_name, says_secret
from replication.documents.secret_names import is_log_in_name, is_secret_name, is_word_of_log_in
from replication.documents.sensitive import may_hold_secret, may_name_secret

ORDER = "(order)"
"""The last step of the path of a difference that is only in the order of children."""
TEXT = "(text)"
"""Shown in place of an empty path, for a difference in the text of the item itself."""
OTHER = "(document)"
"""The last step of the path of a difference outside of values: in text between elements, or in the position of an item
among several lists.
"""

_ENTRY_KEY = "key"
_BESIDE_A_KEY = TYPED_VALUES | {"value"}


class Kind(StrEnum):
    """The kinds of changes that a plan makes to a value or an item."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: an element or an attribute. ``shown`` is the step as it is displayed, ``name`` the local name
    of the element or attribute. ``labels`` are the words of its names. ``secret``: the step, or a step above it, names
    a secret.

    ``called`` is the name or key that the element has in the document. It is empty if there is none, or if it may be a
    secret. ``log_in``: the value of the step is used for logging in, or names a log-in method.
    """

    shown: str
    name: str
    labels: Labels
    secret: bool
    called: str = ""
    log_in: bool = False


type Steps = tuple[Step, ...]
_NO_STEP = Step("", "", frozenset(), secret=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs. ``before`` and ``after`` are None on the side without the value.

    ``new_from`` is the number of steps that exist on both sides; the steps after them exist on one side only. For a
    changed value ``new_from`` is the number of all steps.
    """

    steps: Steps
    kind: Kind
    before: str | None
    after: str | None
    new_from: int

    @property
    def path(self) -> str:
        return show(self.steps)

    @property
    def is_secret(self) -> bool:
        """Whether the values must be hidden, because of a name in the path or because they look like secrets."""
        last = self.steps[-1] if self.steps else _NO_STEP
        return any(
            may_hold_secret(value)
            or (last.secret and not is_harmless(value))
            or (last.log_in and not is_word_of_log_in(value))
            for value in (self.before, self.after)
            if value is not None
        )


def is_harmless(value: str) -> bool:
    """Whether a value reveals nothing in any place: a boolean, a number of up to three digits, or empty text."""
    return value.strip().casefold() in {"", "true", "false"} or (
        len(value) <= 3 and value.isascii() and value.isdigit()
    )


def show(steps: Steps) -> str:
    """The path in readable form."""
    return "/".join(step.shown for step in steps if step.shown) or TEXT


def root_step(element: etree._Element) -> Steps:
    """The path of a document's root."""
    name = local_name(element)
    secret = is_secret_name(name) or says_secret(element)
    return (Step(f"/{name}", name, frozenset({words(name)}), secret, log_in=is_log_in_name(name)),)


class Paths:
    """The paths of elements in one document from its root. Steps that many elements share are computed once."""

    def __init__(self) -> None:
        self._steps: dict[etree._Element, Steps] = {}

    def steps_to(self, element: etree._Element) -> Steps:
        """The path of an element."""
        above = [element]
        while above[-1] not in self._steps and (parent := above[-1].getparent()) is not None:
            above.append(parent)
        first = above.pop()
        if first not in self._steps:
            self._steps[first] = root_step(first)
        steps = self._steps[first]
        for one in reversed(above):
            steps = self._steps[one] = step_below(steps, one)
        return steps


def hidden_step(step: Step) -> Steps:
    """A step that is not displayed but keeps the properties of ``step``, as the start of paths inside an item."""
    return (replace(step, shown=""),)


def named_step(name: str, above: Steps = ()) -> Steps:
    """The path of a named value below ``above``, such as an option of a listener."""
    secret = is_secret_name(name) or any(step.secret for step in above)
    return (*above, Step(name, name, frozenset({words(name)}), secret, log_in=is_log_in_name(name)))


def differences(
    own: etree._Element, desired: etree._Element, steps: Steps = (), *, ignored: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    """The changes from ``own`` to ``desired``, two elements of one kind. ``ignored`` are plain names of values to
    ignore.
    """
    yield from own_differences(own, desired, steps, ignored=ignored)
    pairs = list(pairs_of(own, desired, ignored=ignored))
    for left, right, position in pairs:
        if left is not None and right is not None:
            # Elements with equal XML are equal. Elements with different XML can be equal too, so values are compared.
            if etree.tostring(left, with_tail=False) != etree.tostring(right, with_tail=False):
                below = step_below(steps, right, position, counterpart=left)
                yield from differences(left, right, below, ignored=ignored)
        elif right is not None:
            yield from _whole(right, step_below(steps, right, position), Kind.ADDED, len(steps), ignored)
        elif left is not None:
            yield from _whole(left, step_below(steps, left, position), Kind.REMOVED, len(steps), ignored)
    if reordered(own, desired, [(left, right) for left, right, _ in pairs]):
        yield marker(steps, ORDER)


def own_differences(
    own: etree._Element, desired: etree._Element, steps: Steps, *, ignored: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    """The differences in attributes and text of the elements themselves, not in their children."""
    before, after = _meant(own), _meant(desired)
    if before != after:
        for key in sorted(before.keys() | after.keys()):
            old, new = before.get(key), after.get(key)
            held = [value for value in (old, new) if value is not None]
            if old != new and not all(is_ignored_attribute(key, value, ignored) for value in held):
                yield _difference(attribute_step(steps, key), *_told_apart(old, new))
    text, new_text = (meaning(element, None, _text(element)) for element in (own, desired))
    if text != new_text:
        yield _difference(steps, *_told_apart(text, new_text))


def step_below(
    steps: Steps,
    element: etree._Element,
    position: int = 0,
    *,
    key: Key | None = None,
    counterpart: etree._Element | None = None,
) -> Steps:
    """The path of a child, with the child's name or key unless the name may be a secret.

    A step is secret if ``element`` or its ``counterpart`` is. Only this function decides whether the name or key of an
    element may be displayed.
    """
    name = local_name(element)
    inherited = is_secret_name(name) or (bool(steps) and steps[-1].secret)
    secret = inherited or any(is_secret_element(one) for one in (element, counterpart) if one is not None)
    called = "" if inherited else _label(element, key, secret=secret)
    label = called or (str(position) if position else "")
    labels = labels_of(element)
    log_in = any(map(is_log_in_name, labels)) or _is_value_of_log_in(steps, name)
    return (*steps, Step(f"{name}[{label}]" if label else name, name, labels, secret, called, log_in))


def _is_value_of_log_in(steps: Steps, name: str) -> bool:
    return bool(steps) and steps[-1].log_in and plain_name(name) in VALUES


def _label(element: etree._Element, key: Key | None, *, secret: bool) -> str:
    """The displayed name of an element, empty if the name could reveal a secret.

    A ``secret`` element is displayed with its name only if that is an ordinary word for a secret, such as "password". A
    name or key may mention a secret. A value from which ``key`` makes a name may not.
    """
    given = name_of_entry(element)
    label = given or (key(element) if key else "")
    if not label or len(label) > LONGEST_LABEL or _is_named_by_secret(element, label):
        return ""
    if given and may_name_secret(label):
        return ""
    if secret:
        return label if given and is_secret_name(given) and is_written_as_name(given) else ""
    if given:
        return label
    is_hidden = may_hold_secret(label) or (is_log_in_name(local_name(element)) and not is_word_of_log_in(label))
    return "" if is_hidden else label


def _is_named_by_secret(element: etree._Element, label: str) -> bool:
    """Whether a child that declares itself secret contains the label of its parent."""
    return any(says_secret(child) for child in children(element) if own_value(child) == label)


def marker(steps: Steps, what: str) -> Difference:
    """A difference that is in no single value, for example in the order of children."""
    return Difference((*steps, Step(what, what, frozenset(), secret=False)), Kind.CHANGED, None, None, len(steps) + 1)


def reordered(own: etree._Element, desired: etree._Element, pairs: list[Pair]) -> bool:
    """Whether the children that exist on both sides have a different order."""
    before = {child: position for position, child in enumerate(children(own))}
    after = {child: position for position, child in enumerate(children(desired))}
    order = sorted((after[right], before[left]) for left, right in pairs if left is not None and right is not None)
    return any(one[1] > other[1] for one, other in pairwise(order))


def values_of(element: etree._Element, steps: Steps, *, ignored: frozenset[str] = frozenset()) -> Iterator[Difference]:
    """Every value of an element, as if the whole element were new."""
    return _whole(element, steps, Kind.ADDED, len(steps), ignored)


def _meant(element: etree._Element) -> dict[str, str]:
    return {str(key): meaning(element, str(key), str(value)) for key, value in element.attrib.items()}


def _told_apart(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Two values in readable form. Namespaces of their prefixes are shown only if nothing else differs."""
    bare, new = (one and one.partition(REFERENCE)[0] for one in (before, after))
    if bare != new:
        return bare, new
    shown = (one and one.replace(REFERENCE, " xmlns:") for one in (before, after))
    return next(shown), next(shown)


def _difference(steps: Steps, before: str | None, after: str | None) -> Difference:
    if before is None:
        return Difference(steps, Kind.ADDED, None, after, max(len(steps) - 1, 0))
    if after is None:
        return Difference(steps, Kind.REMOVED, before, None, max(len(steps) - 1, 0))
    return Difference(steps, Kind.CHANGED, before, after, len(steps))


def _whole(
    element: etree._Element, steps: Steps, kind: Kind, new_from: int, ignored: frozenset[str]
) -> Iterator[Difference]:
    """Every value of an element that exists on one side only; an empty element counts as one empty value."""

    def one(path: Steps, value: str) -> Difference:
        added = kind is Kind.ADDED
        return Difference(path, kind, None if added else value, value if added else None, new_from)

    for key, value in sorted((str(key), str(value)) for key, value in element.attrib.items()):
        if not is_ignored_attribute(key, value, ignored):
            yield one(attribute_step(steps, key), value)
    alike_by_tag = by_tag(element, ignored)
    text = _text(element)
    if text or not (alike_by_tag or element.attrib):
        yield one(steps, text)
    for alike in alike_by_tag.values():
        for position, child in enumerate(alike, 1):
            below = step_below(steps, child, position if len(alike) > 1 else 0)
            yield from _whole(child, below, kind, new_from, ignored)


def attribute_step(steps: Steps, key: str) -> Steps:
    """The path of an attribute of the element at the end of ``steps``."""
    name = local_name(key)
    secret = is_secret_name(name) or any(step.secret for step in steps)
    log_in = is_log_in_name(name) or _is_value_of_log_in(steps, name)
    return (*steps, Step(f"@{name}", name, frozenset({words(name)}), secret, log_in=log_in))


def _text(element: etree._Element) -> str:
    text = text_of(element)
    return text if next(children(element), None) is None else text.strip()


def name_of_entry(element: etree._Element) -> str:
    """The name or key of an element. A ``key`` counts as a name only beside a value; alone it may be a secret."""
    names = dict(reversed(list(names_of(element))))
    if _ENTRY_KEY in names and not _holds_value(element):
        del names[_ENTRY_KEY]
    return next((names[key] for key in NAME_KEYS if key in names), "")


def _holds_value(element: etree._Element) -> bool:
    inside = {plain_name(str(key)) for key in element.attrib} | {plain_name(str(c.tag)) for c in children(element)}
    return not _BESIDE_A_KEY.isdisjoint(inside) or bool(text_of(element).strip())
