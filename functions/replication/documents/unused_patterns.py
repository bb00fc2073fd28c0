"""Finds which patterns added by people have an effect on two documents. A pattern without effect usually has a misspelt
name.

This module is separate from ``replication.documents.keep_patterns``, because that one matches patterns to paths, and
this one to whole documents.
"""

from collections.abc import Collection, Iterable, Iterator

from lxml import etree

from replication.documents.canonical import children
from replication.documents.keep_labels import attribute_labels, element_labels
from replication.documents.keep_patterns import EXCEPTION, Path, Rules


def unused_warnings(rules: Rules, documents: Iterable[etree._Element]) -> tuple[str, ...]:
    """A warning for each pattern added by people that matches nothing in any of the documents."""
    return tuple(map(_warning, _unused(rules, rules.additions, documents)))


def used_exceptions(rules: Rules, documents: Iterable[etree._Element]) -> tuple[str, ...]:
    """The exceptions that cause a node in at least one of the documents to be replicated and not kept."""
    unused = _unused(rules, rules.exceptions, documents)
    return tuple(exception for exception in rules.exceptions if exception not in unused)


def _unused(rules: Rules, patterns: Iterable[str], documents: Iterable[etree._Element]) -> Collection[str]:
    unused = dict.fromkeys(patterns)
    for document in documents:
        for path in _paths(document, (element_labels(document),)):
            if not unused:
                return ()
            for pattern in [pattern for pattern in unused if rules.uses(pattern, path)]:
                del unused[pattern]
    return unused


def _paths(element: etree._Element, path: Path) -> Iterator[Path]:
    for key in element.attrib:
        yield (*path, attribute_labels(str(key)))
    for child in children(element):
        inner = (*path, element_labels(child))
        yield inner
        yield from _paths(child, inner)


def _warning(pattern: str) -> str:
    if pattern.startswith(EXCEPTION):
        return (
            f'The exception "{pattern}" has no effect: no keep pattern that an exception can override keeps this path.'
        )
    return f'The keep pattern "{pattern}" matches nothing on either server.'
