"""Links between pages lead to a page, and to a heading of it; and code names pages that exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from local.build import ROOT

PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
CODE = ("functions", "local", "benchmarks", "tests", "infra")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"(?<![\w/.])docs/[\w./-]+\.md\b")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings."""
    text = FENCED.sub("", page.read_text("utf-8"))
    return frozenset(anchor(heading) for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE))


def anchor(heading: str) -> str:
    """What a link to a heading says: lower-case words with hyphens, as GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead_links(page: Path) -> Iterator[str]:
    """The links of a page to files or headings that do not exist. Addresses of the web are not looked at."""
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (heading and file.suffix == ".md" and heading not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Some page\n\n## What's `here`\n", "utf-8")
    page = tmp_path / "page.md"
    page.write_text("# A\n\n[a](other.md#whats-here) [b](other.md#gone) [c](gone.md) [d](#a) [e](#b)\n", "utf-8")
    assert list(dead_links(page)) == ["other.md#gone", "gone.md", "#b"]


def test_the_pages_that_code_names_exist() -> None:
    files = [ROOT / "Makefile", *(path for folder in CODE for path in (ROOT / folder).rglob("*") if path.is_file())]
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in files
        if file.suffix in ("", ".py", ".yaml", ".toml", ".txt")
        for name in NAMED.findall(file.read_text("utf-8", errors="replace"))
    }
    assert len(named) > 10
    assert {(file, name) for file, name in named if not (ROOT / name).exists()} == set()
