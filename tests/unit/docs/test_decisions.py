"""The decision records: each is whole, numbered, listed, and names code and tests that exist."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.build import ROOT

FOLDER = ROOT / "docs" / "decisions"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
HEADINGS = ["Status", "Context", "Decision", "Consequences"]
MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December) 20\d\d"
STATUS = re.compile(rf"(?P<accepted>Accepted)(?:, {MONTH})\.|Replaced by (?P<by>\d{{4}}), {MONTH}\.")
NAME = re.compile(r"(?P<number>\d{4})(?:-[a-z0-9]+)+\.md")
PATH = re.compile(r"`((?:benchmarks|docs|events|functions|infra|local|tests)/[\w./-]+)`")
ROW = re.compile(
    r"^\| \[(?P<number>\d+)\]\((?P<name>[^)]+)\) \| (?P<title>.+) \| (?P<topic>.+) \| (?P<state>\w+) \|$", re.MULTILINE
)
TOPIC = re.compile(r"^\| (?P<topic>[^|]+) \| [^|]+ \| (?P<records>(?:\[\d+\]\(decisions/[^)]+\) ?)+)\|$", re.MULTILINE)
MOST_WORDS = 24


def records(folder: Path) -> list[Path]:
    """The records in a folder, in the order of their numbers."""
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def complaints(folder: Path, architecture: str) -> Iterator[str]:
    """What is wrong with the records of a folder, its list, and the table of the architecture page."""
    numbers = []
    for path in records(folder):
        match = NAME.fullmatch(path.name)
        if match is None:
            yield f"{path.name}: the name is not a number and words"
            continue
        numbers.append(int(match["number"]))
        yield from (f"{path.name}: {complaint}" for complaint in faults(path))
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the numbers have gaps or doubles: {numbers}"
    yield from list_faults(folder)
    yield from table_faults(folder, architecture)


def faults(path: Path) -> Iterator[str]:
    """What is wrong with one record by itself."""
    text = path.read_text("utf-8")
    if not 15 <= len(text.splitlines()) <= 40:
        yield "it has not 15 to 40 lines"
    if not re.match(rf"# {int(path.name[:4])}\. [A-Z`a-z].*[^.]\n", text):
        yield "the first line is not its number and a sentence"
    sections = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    if sections[1::2] != HEADINGS:
        yield f"its headings are {sections[1::2]}"
        return
    if not all(section.strip() for section in sections[2::2]):
        yield "a section is empty"
    status = STATUS.match(sections[2].strip())
    if status is None:
        yield "its status says neither since when it is accepted nor what replaced it"
    elif status["by"] and not list(path.parent.glob(f"{status['by']}-*.md")):
        yield f"it is replaced by {status['by']}, which does not exist"
    named = PATH.findall(text)
    if not any(name.startswith(("functions/", "infra/", "local/")) or name == "Makefile" for name in named):
        yield "it names no code"
    yield from (f"{name} does not exist" for name in named if not (ROOT / name).exists())
    yield from (f"a sentence is too long: {sentence}" for sentence in long_sentences(text))


def long_sentences(text: str) -> Iterator[str]:
    """Sentences of more than ``MOST_WORDS`` words; the paragraph of paths is none. Code in a line is one word."""
    for paragraph in re.split(r"\n\n|\n(?=- )", text):
        plain = " ".join(re.sub(r"`[^`]*`", "CODE", paragraph).split())
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", plain)
        if not plain.startswith(("#", "Code: ")):
            yield from (one for one in re.split(r"(?<=[.:;?!])\s", plain) if len(one.split()) > MOST_WORDS)


def list_faults(folder: Path) -> Iterator[str]:
    """What is wrong with the list of all records."""
    rows = {row["name"]: row for row in ROW.finditer((folder / "README.md").read_text("utf-8"))}
    names = [path.name for path in records(folder)]
    if list(rows) != names:
        yield f"the list and the records differ in {sorted(set(rows) ^ set(names))}, or in their order"
    for path in records(folder):
        if row := rows.get(path.name):
            text = path.read_text("utf-8")
            if text.partition("\n")[0] != f"# {row['number']}. {row['title']}":
                yield f"{path.name} has another number or title in the list"
            status = STATUS.search(text)
            if status and row["state"] != ("accepted" if status["accepted"] else "replaced"):
                yield f"{path.name} has another state in the list"


def table_faults(folder: Path, architecture: str) -> Iterator[str]:
    """What is wrong with the table of topics."""
    topics = {
        name: (row["topic"], int(number))
        for row in TOPIC.finditer(architecture)
        for number, name in re.findall(r"\[(\d+)\]\(decisions/([^)]+)\)", row["records"])
    }
    listed = {
        row["name"]: (row["topic"], int(row["number"]))
        for row in ROW.finditer((folder / "README.md").read_text("utf-8"))
    }
    if topics != listed:
        different = sorted(name for name in topics.keys() | listed.keys() if topics.get(name) != listed.get(name))
        yield f"the table of topics and the list differ in {different}"


def test_the_records_are_whole_numbered_and_listed() -> None:
    assert len(records(FOLDER)) > 70
    assert list(complaints(FOLDER, ARCHITECTURE)) == []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the records, to be damaged."""
    return Path(shutil.copytree(FOLDER, tmp_path / "decisions"))


def test_a_record_that_is_missing_is_noticed(copied: Path) -> None:
    records(copied)[6].unlink()
    assert [complaint for complaint in complaints(copied, ARCHITECTURE) if "gaps" in complaint]
    assert [complaint for complaint in complaints(copied, ARCHITECTURE) if "0007-" in complaint]


def test_a_record_that_is_in_no_list_is_noticed(copied: Path) -> None:
    text = records(copied)[-1].read_text("utf-8")
    number = len(records(copied)) + 1
    added = copied / f"{number:04}-one-more.md"
    added.write_text(re.sub(r"^# \d+", f"# {number}", text), "utf-8")
    complained = list(complaints(copied, ARCHITECTURE))
    assert len(complained) == 1
    assert added.name in complained[0]


@pytest.mark.parametrize(
    ("damage", "by", "complaint"),
    [
        ("## Context\n", "## Background\n", "headings"),
        ("## Decision\n", "", "headings"),
        ("Accepted, ", "Proposed, ", "status"),
        ("functions/", "functions/no_such_folder/", "does not exist"),
        ("# 3. ", "# 4. ", "number"),
        ("## Consequences\n", "## Consequences\n\n" + "- One more.\n" * 30, "15 to 40 lines"),
        ("## Consequences\n", "## Consequences\n\n" + "word " * 25 + "end.\n", "too long"),
    ],
)
def test_a_record_that_is_not_whole_is_noticed(copied: Path, damage: str, by: str, complaint: str) -> None:
    path = records(copied)[2]
    text = path.read_text("utf-8")
    assert damage in text
    path.write_text(text.replace(damage, by), "utf-8")
    assert any(complaint in one for one in complaints(copied, ARCHITECTURE))
