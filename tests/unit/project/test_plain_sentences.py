"""Docstrings, comments and decision records are written in sentences that a newcomer understands at once."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("functions", "cerbsync", "local")
MOST_WORDS = 30

OPENINGS = re.compile(
    r"(it|its|they|them|their|this|these|that|those|such|the same|what|who|whose|whoever|also|so|then|one of)\b", re.I
)
"""First words of a text that refer to something before it, or make a clause the subject."""
PRONOUNS = re.compile(r"(it(?! is (?:not |un)\w+ whether)|its|they|them|their)\b", re.I)
"""First words of a later paragraph that refer to the paragraph before it."""
CLAUSES = re.compile(r"(what|who|whoever)\b[^?]*$", re.I)
"""A sentence whose subject is a clause, such as "What is left out stays." A question is none."""
PHRASES = re.compile(
    r"\b(of which|each for itself|nothing but|not without|not unless|[Ww]hoever|whatever it is|who that|"
    r"(?<!there )(is|are) none|"
    r"([Nn]o|[Nn]othing|[Nn]obody|[Nn]ever)\b[^,;:.]*\b(that|which|who)\b[^,;:.]*\b(no|not|never|nothing|nobody))\b"
)
"""Phrases that readers had to read twice; the last one is a double negation."""
END = re.compile(r"(?<=[.!?])[)\"']?\s+|(?<=:)\s+(?=[A-Z\"])")
BULLET = re.compile(r"^(?:[-*]|\d{1,2}\.) +")
NOT_PROSE = re.compile(r"^[|#=]|\S {2,}\S|^type: ignore|^noqa|^fmt: |---$")


class Text(NamedTuple):
    """A docstring, comment or paragraph with its place."""

    place: str
    prose: str


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and text of every module's, class's, function's and attribute's docstring."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def comments(source: str) -> Iterator[tuple[int, str]]:
    """The line and text of every comment; comments on adjoining lines of their own are one text."""
    first, last, lines = 0, 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        is_alone = token.line.lstrip().startswith("#")
        if lines and not (is_alone and token.start[0] == last + 1):
            yield first, "\n".join(lines)
            lines = []
        first = first if lines else token.start[0]
        last = token.start[0] if is_alone else -1
        lines.append(token.string.lstrip("#:"))
    if lines:
        yield first, "\n".join(lines)


def paragraphs(text: str) -> Iterator[str]:
    """The prose of a text, paragraph by paragraph and list item by list item, without tables and code."""
    lines = [line.strip() for line in re.sub(r"(?ms)^\s*```.*?^\s*```", "", text).splitlines()]
    lines = ["" if NOT_PROSE.search(line) else line for line in lines]
    starts = [number for number, line in enumerate(lines) if not line or BULLET.match(line)]
    for start, end in pairwise([0, *starts, len(lines)]):
        if prose := BULLET.sub("", " ".join(filter(None, lines[start:end])), count=1):
            yield re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", prose)


def sentences(prose: str) -> list[str]:
    """The sentences of a paragraph; a part after a colon counts as a sentence if it begins with a capital."""
    return END.split(prose)


def texts() -> Iterator[Text]:
    """Every docstring and comment of the code, and every decision record."""
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        source = path.read_text("utf-8")
        for line, text in (*docstrings(ast.parse(source)), *comments(source)):
            yield Text(f"{path.relative_to(ROOT)}:{line}", text)
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        yield Text(str(path.relative_to(ROOT)), path.read_text("utf-8"))


def complaints(text: str, *, opens: bool = True) -> Iterator[str]:
    """The sentences that are too long or use words that readers had to read twice, each with the reason."""
    for number, prose in enumerate(paragraphs(text)):
        for place, sentence in enumerate(sentences(prose)):
            if (words := len(sentence.split())) > MOST_WORDS:
                yield f"{words} words: {sentence}"
            banned = PRONOUNS if number else OPENINGS
            if opens and not place and (begins := banned.match(sentence)):
                yield f"begins with {begins[0]!r}: {sentence}"
            elif CLAUSES.match(sentence):
                yield f"has a clause as its subject: {sentence}"
            if phrase := PHRASES.search(sentence):
                yield f"says {phrase[0]!r}: {sentence}"


def test_every_sentence_is_short_and_has_a_subject() -> None:
    spoilt = [
        f"{text.place}: {complaint}"
        for text in texts()
        for complaint in complaints(text.prose, opens=text.place.endswith(".md") is False)
    ]
    assert not spoilt, "\n".join(spoilt)


@pytest.mark.parametrize(
    "text",
    [
        "It was never found equal before.",
        "What is left out stays as it was.",
        "A part is read.\n\nWhat differs is listed.",
        "A part is read.\n\nIt may be large.",
        "the same for a list",
        "The key of which an element is the value.",
        "An approval lets nothing through that nobody has seen.",
        "A part cannot be written, or not without an approval.",
        "One word" + " and another" * 15 + ".",
    ],
)
def test_a_sentence_that_is_read_twice_is_found(text: str) -> None:
    assert list(complaints(text))


@pytest.mark.parametrize(
    "text",
    [
        "The number of users. It is 0 for an empty list.",
        "A part is read.\n\nWhat is a part? A piece of the configuration.",
        "Each part is one of these:\n\n" + "- a part of a list;\n" * 20,
        "====  ====\npart  what is read\n====  ====",
        "| what | why |\n| --- | --- |" + "\n| a | b |" * 20,
        "type: ignore[arg-type]",
        "Nothing is sent, and nobody is asked.",
    ],
)
def test_plain_sentences_lists_and_tables_are_left_alone(text: str) -> None:
    assert not list(complaints(text))
