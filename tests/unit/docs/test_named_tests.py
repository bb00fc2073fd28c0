"""Pages that name a test name one that there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
PAGES = ("track-record.md", "threat-model.md")
_NAMED = re.compile(r"`((?:unit|integration|e2e)/[\w/]+\.py)?(?:::([\w:]+))?`")


def named_tests(page: str) -> list[tuple[str, str]]:
    """File and name of each test of a page; ``…::name`` is of the file that was named last."""
    text, file, named = (ROOT / "docs" / page).read_text(encoding="utf-8"), "", []
    for match in _NAMED.finditer(text.replace("`…::", "`::")):
        file = match[1] or file
        if file:
            named.append((file, match[2] or ""))
    return named


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = named_tests(page)
    assert len(named) > 20
    missing = []
    for file, name in named:
        path = TESTS / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        words = [re.search(rf"\b(?:class|def) {part}\b", text) for part in name.split("::") if part]
        if not text or not all(words):
            missing.append(f"{file}::{name}")
    assert missing == []
