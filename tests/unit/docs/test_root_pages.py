"""The pages of the root name files that there are, and the checklists of CONTRIBUTING.md what is in those files."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.build import ROOT

PAGES = sorted(path.name for path in ROOT.glob("*.md"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
CHECKLISTS = ("A new part", "A new route")
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_PATH = re.compile(r"\.?[\w.-]+(/[\w.-]+)+/?|[\w-]+\.(?:md|toml|txt|yaml)")
_NAME = re.compile(r"[A-Za-z_]\w*")
MADE = (".venv/", ".tools/")
"""What `make setup` makes; nobody commits it."""


def named_files(text: str) -> list[str]:
    """The files and folders of this repository that a text names; an asterisk in a name stands for anything."""
    spans = [span for span in _SPAN.findall(text) if _PATH.fullmatch(span.replace("*", "x"))]
    return [name for name in (*spans, *_LINK.findall(text)) if not name.startswith(MADE)]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert [name for name in named_files(text) if not any(ROOT.glob(name.rstrip("/")))] == []


def items(checklist: str) -> list[str]:
    """The items of a checklist."""
    section = CONTRIBUTING.partition(f"\n## {checklist}\n")[2].partition("\n## ")[0]
    return [item.partition("\n\n")[0] for item in section.split("\n- [ ] ")[1:]]


def contents(name: str) -> Iterator[str]:
    """The text of a file, or of all programs of a folder."""
    path = ROOT / name
    files: list[Path] = sorted(path.glob("*.py")) if path.is_dir() else [path]
    return (file.read_text("utf-8") for file in files)


@pytest.mark.parametrize("checklist", CHECKLISTS)
def test_what_an_item_of_a_checklist_names_is_in_its_files(checklist: str) -> None:
    assert len(items(checklist)) > 10
    missing = []
    for item in items(checklist):
        files = named_files(item)
        assert files, item
        text = "\n".join(text for name in files for text in contents(name))
        missing += [
            name for name in _SPAN.findall(item) if _NAME.fullmatch(name) and not re.search(rf"\b{name}\b", text)
        ]
    assert missing == []
