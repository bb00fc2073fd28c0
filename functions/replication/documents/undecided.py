"""Sections whose name may be a setting's or people's: where one of them would change, a person decides first."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from lxml import etree

from common.errors import Failure, Reason
from replication.documents.canonical import canonical, children
from replication.documents.diff import Paths, Steps, show
from replication.documents.entry_names import names_of
from replication.documents.keep_labels import attribute_labels, element_labels
from replication.documents.keep_lines import LONGEST_LINE, exact_line, keep_line, quoted_lines, shown_paths
from replication.documents.keep_patterns import EXCEPTION, Path, Rules

type _Key = tuple[tuple[str, frozenset[tuple[str, str]]], ...]
_SHOWN_PLACES = 3


class NamesUndecided(Failure):
    """The push would change sections whose names a loose pattern matches, and that people may have named."""

    def __init__(self, places: list[str], lines: list[str]) -> None:
        sections = "1 section has a name" if len(places) == 1 else f"{len(places)} sections have names"
        shown = lines[:_SHOWN_PLACES]
        message = f"{sections} that may be a setting's or given by people: {shown_paths(places)}"
        if pasted := quoted_lines(shown):
            message += f"; to keep, add {pasted}"
        if pasted := quoted_lines(EXCEPTION + line for line in shown if line.endswith("]")):
            message += f"; to replicate, add {pasted}"
        super().__init__(Reason.NAMES_UNDECIDED, message)


def check_decided(own: etree._Element, merged: etree._Element, rules: Rules) -> None:
    """Raise NamesUndecided if ``merged`` changes any section of ``own`` that waits for a decision."""
    before, after = _Sections(rules), _Sections(rules)
    before.collect(own)
    after.collect(merged)
    steps = {**after.steps, **before.steps}
    changed = [key for key in steps if before.contents[key] != after.contents[key]]
    if changed:
        lines = [_line((own, merged), steps[key]) for key in changed[:_SHOWN_PLACES]]
        raise NamesUndecided([show(steps[key]) for key in changed], lines)


def _line(documents: tuple[etree._Element, etree._Element], steps: Steps) -> str:
    """The line for a section. Sections of one path and one name wait for one decision."""
    line = exact_line(steps)
    return line if steps[-1].called and len(line) <= LONGEST_LINE else keep_line(documents, steps, len(steps))


@dataclass
class _Sections:
    """The undecided sections of one document: what they hold, by the tags and names that lead to them."""

    rules: Rules
    contents: defaultdict[_Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    steps: dict[_Key, Steps] = field(default_factory=dict)
    paths: Paths = field(default_factory=Paths)

    def collect(self, root: etree._Element) -> None:
        self._below(root, (), (element_labels(root),))

    def _below(self, element: etree._Element, key: _Key, path: Path) -> None:
        for name, value in element.attrib.items():
            if self.rules.is_undecided((*path, attribute_labels(str(name)))):
                self._add((*key, (f"@{name!s}", frozenset())), str(value), element)
        tags = Counter(str(child.tag) for child in children(element))
        for child in children(element):
            labels = element_labels(child)
            inner = (*path, labels)
            if self.rules.match(inner):
                continue
            # A section that each server has once may be called otherwise on each.
            is_lone = tags[str(child.tag)] == 1
            undecided = self.rules.is_undecided(inner)
            names = frozenset(names_of(child)) if undecided or not is_lone else frozenset()
            if undecided:
                self._add((*key, (str(child.tag), names)), canonical(child), child)
            else:
                self._below(child, (*key, (str(child.tag), names)), inner)

    def _add(self, key: _Key, content: str, element: etree._Element) -> None:
        self.contents[key][content] += 1
        if key not in self.steps:
            self.steps[key] = self.paths.steps_to(element)
