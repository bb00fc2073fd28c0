"""Every command of the root's pages and docs/ is run: here, by a test named here, or not, for a reason beside it."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from local.build import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {"sh", "shell", "console", "bash", "powershell"}
OTHER = {"json", "toml", "yaml", "text", "xml", "python"}

BY_ANOTHER_TEST = {
    ("docs/api.md", "sh"): "tests/e2e/test_api_guide.py",
    ("docs/api.md", "shell"): "tests/integration/admin_api",
    ("docs/cerbsync.md", "sh"): "tests/e2e/test_command_line.py",
    ("docs/cerbsync.md", "console"): "tests/unit/cerbsync/test_page.py",
    ("docs/try.md", "console"): "local/trial/page.py",
}
"""What runs all blocks of one language of a page. A folder's tests run them by section, and name each section."""

TOO_LONG = {
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make check": "tests/unit/project/test_check.py",
    "make format": "tests/unit/project/test_root_files.py",  # it would change files under the tests that read them
    "make explore": "tests/unit/project/test_steady_examples.py",  # its option, on a few tests
    "make mutants MODULE=registry/store_rules.py": "tests/unit/project/test_mutation.py",  # its table
    "make demo": "tests/e2e/test_replication.py",  # the same servers, stack and rule, and more of them
}
"""Commands that take minutes, and what runs them, or what they run, instead."""

STEADY = {"make simulate": "make simulate SECONDS=10 FIRST=1"}
"""What is run for a command that draws a seed, so that it gives the same answer every time."""

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_LOOKS_LIKE_A_COMMAND = re.compile(
    r"^(?: {4}|\t)(?:\$ )?(?:make|sam|aws|python3?|pip|curl|git|docker|npm|export) ", re.MULTILINE
)
_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block below a heading of a page. ``why`` says why it is not run, empty when it is."""

    page: str
    section: str
    language: str
    text: str
    why: str

    @property
    def commands(self) -> list[str]:
        """Its lines, those that go on joined, without comments and prompts."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip() for line in lines if line.strip()]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in _BLOCK.finditer(text):
        section = re.findall(r"^#+ (.+)$", text[: match.start()], re.MULTILINE)[-1]
        yield Block(str(page.relative_to(ROOT)), section, match["language"], match["text"], match["why"] or "")


BLOCKS = [block for page in PAGES for block in _blocks(page)]


def _to_run() -> list[str]:
    """The commands that nobody else runs."""
    return [
        command
        for block in BLOCKS
        if block.language in COMMANDS and not block.why and (block.page, block.language) not in BY_ANOTHER_TEST
        for command in block.commands
        if command not in TOO_LONG
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page: Path) -> None:
    text = page.read_text()
    unknown = [block.text[:60] for block in _blocks(page) if block.language not in COMMANDS | OTHER]
    assert unknown == [], f"a fence without a language, or of one that is not known: {COMMANDS | OTHER}"
    outside = _BLOCK.sub("", text)
    assert "```" not in outside
    assert _LOOKS_LIKE_A_COMMAND.findall(outside) == [], "a command that is only indented: put it into a fence"


def test_there_are_commands() -> None:
    assert len([block for block in BLOCKS if block.language in COMMANDS]) > 15
    assert "make help" in _to_run()


@pytest.mark.parametrize("command", _to_run())
def test_it_does_what_it_says(command: str) -> None:
    done = subprocess.run(  # noqa: S602 # the pages' own commands, as a reader's shell takes them
        STEADY.get(command, command),
        shell=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_run_elsewhere_is_run_there() -> None:
    for (page, language), runner in BY_ANOTHER_TEST.items():
        blocks = [block for block in BLOCKS if (block.page, block.language) == (page, language) and not block.why]
        assert blocks, f"{page} has no {language}"
        path = ROOT / runner
        text = "".join(file.read_text() for file in (sorted(path.glob("*.py")) if path.is_dir() else [path]))
        assert Path(page).name in text
        assert f"```{language}" in text
        assert [block.section for block in blocks if path.is_dir() and f'"{block.section}"' not in text] == []
    for command, instead in TOO_LONG.items():
        assert (ROOT / instead).is_file()
        if instead == ".ci/run":
            assert command in (ROOT / instead).read_text()


def test_what_is_not_run_names_tests_that_exist() -> None:
    for block in BLOCKS:
        for test in re.findall(r"tests/[\w/]+\.py", block.why):
            assert (ROOT / test).is_file(), test


def _mentioned() -> list[str]:
    """Every command, in a block or in a sentence."""
    spans = [span for page in PAGES for span in _SPAN.findall(_BLOCK.sub("", page.read_text()))]
    return [*spans, *(command for block in BLOCKS if block.language in COMMANDS for command in block.commands)]


def test_targets_modules_and_files_that_commands_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    template = (ROOT / "infra" / "template.yaml").read_text()
    wrong = []
    for command in _mentioned():
        wrong += [command for target in re.findall(r"^make ([a-z]+)\b", command) if target not in targets]
        wrong += [command for module in re.findall(r"-m (local[\w.]*)", command) if find_spec(module) is None]
        wrong += [command for path in re.findall(r"events/[\w/-]+\.json", command) if not (ROOT / path).is_file()]
        wrong += [
            command for name in re.findall(r"sam local invoke (\w+)", command) if f"\n  {name}:\n" not in template
        ]
        wrong += [command for path in re.findall(r"\S*requirements[\w-]*\.txt", command) if not (ROOT / path).is_file()]
    assert wrong == []


def test_benchmarks_that_pages_name_exist_and_are_started_with_the_path_they_need() -> None:
    pages = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    named = re.findall(r"`([^`]*)-m benchmarks ?([\w-]*)`", pages)
    assert named
    assert {before for before, _ in named} == {"PYTHONPATH=functions .venv/bin/python "}
    assert {name for _, name in named} <= {str(benchmark.NAME) for benchmark in benchmarks.ALL}
