"""Values with simplified names and texts, so that content from before a write is recognised in another form.

A server may turn an attribute or an entry with a key into an element, or change the case of a name. It may put a name
into a text, or replace slashes in a path.
"""

from collections.abc import Iterable, Iterator

from lxml import etree

from common.patterns import Within
from common.safe_xml import local_name
from replication.documents.canonical import children, meaning, plain, text_of, truth
from replication.documents.entry_names import VALUES, names_of
from replication.documents.keep_labels import is_entry

type Value = tuple[str, str]
"""The plain name of an attribute, element or entry, and its plain text."""

_BETWEEN_WORDS = Within(r"[\s\"'=:;,|()<>\x0e]")
_TELLING = 3
"""Minimum length of a text by which content from before a write is recognised."""


def plain_word(name: str) -> str:
    """A name without namespace, case and punctuation."""
    local = local_name(name)
    return plain(local) or local.casefold()


def plain_text(text: str) -> str:
    """A text without case, quotes and needless white space."""
    return " ".join(text.casefold().split()).strip("\"'")


def own_names(element: etree._Element) -> Iterator[str]:
    """The names of an element's values: attributes, children, and the keys of entries among them."""
    yield from map(plain_word, attributes_of(element))
    for child in children(element):
        yield plain_word(str(child.tag))
        yield from _entry_keys(child)


def names_in(root: etree._Element) -> Iterator[str]:
    """The names of all values inside an element."""
    return (name for element in root.iter(etree.Element) for name in own_names(element))


def words_of(root: etree._Element) -> Iterator[str]:
    """The names and texts of all values inside an element."""
    yield from names_in(root)
    yield from (_without_punctuation(text) for _, text in values_of(root) if _is_telling(text))


def _entry_keys(element: etree._Element) -> Iterator[str]:
    if is_leaf(element) or is_entry(element):
        yield from (plain_word(key) for _, key in names_of(element))


def values_of(root: etree._Element) -> Iterator[Value]:
    """Every value inside an element under each of its names; the value of an entry also under the entry's keys."""
    for element in root.iter(etree.Element):
        texts = {plain_word(key): plain_text(text) for key, text in attributes_of(element).items()}
        yield from texts.items()
        names = [*_entry_keys(element), *([plain_word(str(element.tag))] if is_leaf(element) else ())]
        if names:
            held = [text for name, text in texts.items() if name in VALUES]
            held += [plain_text(text_of(one)) for one in (element, *children(element)) if is_leaf(one)]
            yield from ((name, text) for name in names for text in held)


def texts_of(values: Iterable[Value]) -> Iterator[str]:
    """The texts of values, and the words in these texts, without punctuation. Uninformative ones are left out."""
    texts = (one for _, text in values for one in (text, *_BETWEEN_WORDS.split(text)))
    return (_without_punctuation(one) for one in texts if _is_telling(one))


def _without_punctuation(text: str) -> str:
    """Remove punctuation, so that a path is the same with any slashes. Non-ASCII text is unchanged, because too much of
    it would be lost.
    """
    return (plain(text) or text) if text.isascii() else text


def _is_telling(text: str) -> bool:
    """Whether a text is informative: not a boolean and not a small number."""
    return truth(text) is None and len(text) >= _TELLING and not (len(text) == _TELLING and text.isdigit())


def is_leaf(element: etree._Element) -> bool:
    """Whether an element has no child elements."""
    return len(element) == 0 or next(children(element), None) is None


def attributes_of(element: etree._Element) -> dict[str, str]:
    """The value of each attribute by its full name."""
    return {str(key): meaning(element, str(key), str(value)) for key, value in element.attrib.items()}
