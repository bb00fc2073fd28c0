"""Builds keep patterns that a person can paste: each matches one place in two documents and no other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from replication.documents.canonical import children, plain
from replication.documents.diff import Steps
from replication.documents.entry_names import VALUES
from replication.documents.keep_labels import attribute_labels, element_labels, is_entry
from replication.documents.keep_patterns import Labels, Path, PatternStep, Rules, compiled, exact_step

LONGEST_LINE = 256
"""Maximum length of a pattern that a registration accepts."""
_SHOWN_LINES = 5
_LONGEST_LIST = 500
_LONGEST_PATHS = 250
"""A message has at most ``_LONGEST_LIST`` characters of patterns and ``_LONGEST_PATHS`` characters of paths, because a
stored message is truncated.
"""


_MORE = " (keeps all that is in it: nothing tells its entries apart)"


@dataclass(frozen=True)
class KeepLine:
    """A pattern to paste, empty if there is none. ``keeps_more``: it matches more than the one value it was made
    for.
    """

    text: str
    keeps_more: bool = False

    @property
    def quoted(self) -> str:
        """The pattern in quotation marks, with a remark if it keeps more than one value."""
        return f'"{self.text}"{_MORE if self.keeps_more else ""}'


def keep_line(documents: Sequence[etree._Element], steps: Steps, shared: int) -> KeepLine:
    """The pattern that keeps the value with the path ``steps``, and as little else as possible.

    ``shared`` is the number of steps that both documents have. A node that only one document has is kept as a whole,
    and so is an entry with its name. If no name distinguishes a value from others, the whole list around it is kept; a
    value directly below the root is kept together with all others of its name. The line is empty if it would be too
    long.
    """
    end = min(len(steps), shared + 1)
    if plain(steps[end - 1].name) in VALUES and _is_entry(documents, exact_line(steps[: end - 1])):
        end -= 1
    lines = [exact_line(steps[:length]) for length in range(end, 1, -1)]
    short = [line for line in lines if len(line) <= LONGEST_LINE]
    line = next((line for line in short if max(len(_kept(one, line)) for one in documents) == 1), "")
    if line or not short:
        return KeepLine(line, keeps_more=bool(line) and line != lines[0])
    return KeepLine(short[-1], keeps_more=True)


def winning_exceptions(documents: Sequence[etree._Element], line: str, rules: Rules) -> tuple[str, ...]:
    """The exceptions that override a keep line, so that pasting the line beside them would have no effect."""
    paths = [path for document in documents for _, path in _nodes(document, line)] if line else []
    return tuple(dict.fromkeys(one for path in paths for one in rules.exceptions_of(path)))


def shown_paths(paths: Sequence[str]) -> str:
    """The first paths, shortened for a message."""
    first = paths[0]
    shown = [first if len(first) <= _LONGEST_PATHS else f"{first[:_LONGEST_PATHS]}…"]
    for path in paths[1:_SHOWN_LINES]:
        if len(", ".join((*shown, path))) > _LONGEST_PATHS:
            break
        shown.append(path)
    return ", ".join(shown) + (", ..." if len(paths) > len(shown) else "")


def quoted_lines(lines: Iterable[KeepLine]) -> str:
    """The patterns in quotation marks, for pasting into a list of keep patterns: as many as fit into a message."""
    quoted = [line.quoted for line in dict.fromkeys(lines) if line.text][:_SHOWN_LINES]
    while len(quoted) > 1 and len(", ".join(quoted)) > _LONGEST_LIST:
        quoted.pop()
    return ", ".join(quoted)


def exact_line(steps: Steps) -> str:
    """The pattern for a path. It contains the name or key of each element that has one."""

    def one(shown: str, name: str, called: str) -> str:
        return f"@{name}" if shown.startswith("@") else exact_step(name, called) if called else name

    return "/" + "/".join(one(step.shown, step.name, step.called) for step in steps)


def _is_entry(documents: Sequence[etree._Element], line: str) -> bool:
    kept = [one for document in documents for one in _kept(document, line)] if line.count("/") > 1 else []
    return bool(kept) and all(isinstance(one, etree._Element) and is_entry(one) for one in kept)


def _kept(root: etree._Element, line: str) -> list[etree._Element | str]:
    """The nodes of a document that a line keeps: elements, and keys of attributes."""
    return [node for node, _ in _nodes(root, line)]


def _nodes(root: etree._Element, line: str) -> list[tuple[etree._Element | str, Path]]:
    """The nodes that a line keeps, each with the labels of the elements around it."""
    first, *inner, last = compiled(line)
    labels = element_labels(root)
    level: list[tuple[etree._Element, Path]] = [(root, (labels,))] if first.matches_any(labels) else []
    for step in inner:
        level = [(child, (*path, labels)) for one, path in level for child, labels in _children(one, step)]
    return [
        *((child, (*path, labels)) for one, path in level for child, labels in _children(one, last)),
        *(
            (str(key), (*path, labels))
            for one, path in level
            for key in one.attrib
            if last.matches_any(labels := attribute_labels(str(key)))
        ),
    ]


def _children(element: etree._Element, step: PatternStep) -> list[tuple[etree._Element, Labels]]:
    labelled = ((child, element_labels(child)) for child in children(element))
    return [(child, labels) for child, labels in labelled if step.matches_any(labels)]
