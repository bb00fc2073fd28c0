"""Finds changed sections whose name may be a setting's or chosen by people, which a person has to decide."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from lxml import etree

from common.errors import Failure, Reason
from replication.documents.canonical import canonical, children
from replication.documents.diff import Paths, Steps, attribute_step, show
from replication.documents.entry_names import names_of
from replication.documents.keep_labels import attribute_labels, element_labels
from replication.documents.keep_lines import (
    LONGEST_LINE,
    KeepLine,
    exact_line,
    keep_line,
    quoted_lines,
    shown_paths,
    winning_exceptions,
)
from replication.documents.keep_patterns import (
    EXCEPTION,
    POSSIBLE,
    Path,
    Rules,
    compiled,
    exact_step,
    is_exactly,
)
from replication.documents.possible_names import PossibleName, is_key, key_before, possible_names, value_behind

type _Key = tuple[tuple[str, frozenset[tuple[str, str]]], ...]
_SHOWN_PLACES = 3
_HIDDEN = "..."
"""The placeholder for a name that must not be shown."""


class NamesUndecided(Failure):
    """The push would change sections whose names match a keep pattern but may have been chosen by people.

    ``keep`` and ``replicate`` are lines to paste into the keep patterns. ``forms`` are lines with a placeholder in
    place of a name that may be a secret.
    """

    def __init__(self, places: list[str], keep: list[KeepLine], replicate: list[str], forms: list[str]) -> None:
        sections = "1 section has a name" if len(places) == 1 else f"{len(places)} sections have names"
        message = f"{sections} that may be a setting's or given by people: {shown_paths(places)}"
        if pasted := quoted_lines(keep):
            message += f"; to keep, add {pasted}"
        if pasted := quoted_lines(map(KeepLine, replicate)):
            message += f"; to replicate, add {pasted}"
        if forms:
            message += f"; to replicate, add {forms[0]} with the name or id of the entry in place of {_HIDDEN}"
        super().__init__(Reason.NAMES_UNDECIDED, message)


def check_decided(own: etree._Element, merged: etree._Element, rules: Rules) -> None:
    """Raise NamesUndecided if ``merged`` changes a section of ``own`` that needs a decision."""
    before, after = _Sections(rules), _Sections(rules)
    before.collect(own)
    after.collect(merged)
    places = {**after.places, **before.places}
    changed = [place for key, place in places.items() if before.contents[key] != after.contents[key]]
    if changed:
        shown = changed[:_SHOWN_PLACES]
        exceptions = [EXCEPTION + place.line for place in shown]
        lines = [_line((own, merged), place) for place in shown]
        raise NamesUndecided(
            [place.shown for place in changed],
            [line for line in lines if not winning_exceptions((own, merged), line.text, rules)],
            [line for line, place in zip(exceptions, shown, strict=True) if place.is_named_by(line)],
            [form for place in shown if _HIDDEN in (form := place.form) and place.is_named_by(form, hidden=True)],
        )


def _line(documents: tuple[etree._Element, etree._Element], place: "_Place") -> KeepLine:
    """The line to paste that keeps a section. Sections with the same path and name need one decision together."""
    steps, line = place.steps, place.line
    is_named = bool(steps[-1].called or place.possible)
    return KeepLine(line) if is_named and len(line) <= LONGEST_LINE else keep_line(documents, steps, len(steps))


@dataclass(frozen=True)
class _Place:
    """A node that needs a decision, with its displayed path and its path of labels.

    ``possible`` is a possible name of the node, which may be displayed.
    """

    steps: Steps
    path: Path
    possible: PossibleName | None = None

    @property
    def shown(self) -> str:
        """The displayed path."""
        return f"{show(self.steps)} ({self.possible.name})" if self.possible else show(self.steps)

    @property
    def line(self) -> str:
        """The pattern for the node. The pattern contains the possible name if there is one."""
        if self.possible is None:
            return exact_line(self.steps)
        return f"{exact_line(self.steps[:-1])}/{exact_step(self.possible.tag, self.possible.name)}"

    def is_named_by(self, exception: str, *, hidden: bool = False) -> bool:
        """Whether an exception is valid and matches the node. ``hidden``: the exception still contains a
        placeholder.
        """
        try:
            steps = compiled(exception)
        except Failure:
            return False
        return len(exception) <= LONGEST_LINE and (hidden or is_exactly(steps, self.path))

    @property
    def form(self) -> str:
        """The exception with a placeholder for each name that must not be shown."""
        bare = exact_line(self.steps).split("/")[1:]
        hides = [
            not step.called and any("[" in label and not label.startswith(POSSIBLE) for label in labels)
            for step, labels in zip(self.steps, self.path, strict=True)
        ]
        marked = (f"{text}[{_HIDDEN}]" if hidden else text for text, hidden in zip(bare, hides, strict=True))
        return EXCEPTION + "/" + "/".join(marked)


@dataclass
class _Sections:
    """The undecided sections of one document, with their content, by the tags and names that lead to them."""

    rules: Rules
    contents: defaultdict[_Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    places: dict[_Key, _Place] = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)

    def collect(self, root: etree._Element) -> None:
        self._below(root, (), (element_labels(root),))

    def _below(self, element: etree._Element, key: _Key, path: Path) -> None:
        for name, value in element.attrib.items():
            inner = (*path, attribute_labels(str(name)))
            if self.rules.is_undecided(inner):
                self._add((*key, (f"@{name!s}", frozenset())), str(value), inner, element, str(name))
        tags = Counter(str(child.tag) for child in children(element))
        for child in children(element):
            inner = (*path, element_labels(child))
            if self.rules.match(inner):
                continue
            # The two servers may have different names for a section that occurs once, so the name is left out.
            is_lone = tags[str(child.tag)] == 1
            undecided = self.rules.is_undecided(inner)
            names = frozenset(names_of(child)) if undecided or not is_lone else frozenset()
            if undecided:
                self._add_section((*key, (str(child.tag), names)), inner, child)
            else:
                self._below(child, (*key, (str(child.tag), names)), inner)

    def _add_section(self, key: _Key, path: Path, element: etree._Element) -> None:
        """Add a section, or a key with the value after it. A value that a key names is added with its key."""
        if key_before(element) is not None:
            return
        possible = list(possible_names(element))
        value = value_behind(element) if is_key(element) else None
        content = canonical(element) + (canonical(value) if value is not None else "")
        (*above, (tag, names)) = key
        names |= {("", one.name) for one in possible}
        shown = next((one for one in possible if one.may_be_shown), None)
        self._add((*above, (tag, names)), content, path, element, possible=shown)

    def _add(
        self,
        key: _Key,
        content: str,
        path: Path,
        element: etree._Element,
        attribute: str = "",
        possible: PossibleName | None = None,
    ) -> None:
        self.contents[key][content] += 1
        if key not in self.places:
            steps = self.paths.steps_to(element)
            self.places[key] = _Place(attribute_step(steps, attribute) if attribute else steps, path, possible)
