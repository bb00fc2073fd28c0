"""Names in this repository: words that were replaced do not come back, and no module hides a famous one."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("functions", "cerbsync", "local", "benchmarks", "tests")
WHOLE_NAMES = re.compile(
    r"_?(Surroundings|Serving|Recorder|Earlier|Held|Seen|Standing|Told|Known|Found|told|known|found|around)"
)
"""Names that were replaced. A word of ordinary English may be part of a longer name."""
WORDS = re.compile(
    r"(?:^|_)(surroundings|canary|canaries|brake|facing|noted|hand_out|work_off|Worked|look_briefly|is_recent|"
    r"unproved|of_term|widening|widenings)(?:_|$)"
)
"""Words that were replaced, wherever they stand in a name."""


def python_files() -> list[Path]:
    """Every Python file of the repository's own folders."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that a module defines, uses or imports."""
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "arg", "asname", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield from value.split(".")


def replaced(name: str) -> bool:
    """Whether a name is one of those that were replaced."""
    return bool(WHOLE_NAMES.fullmatch(name) or WORDS.search(name))


def test_no_replaced_word_is_an_identifier() -> None:
    replaced_names = {}
    for path in python_files():
        names = {*identifiers(ast.parse(path.read_text("utf-8"))), path.stem.removeprefix("test_")}
        if old := sorted(filter(replaced, names)):
            replaced_names[str(path.relative_to(ROOT))] = old
    assert replaced_names == {}


def test_documents_are_opened_by_a_method_of_the_new_name() -> None:
    methods = {
        f"{path.relative_to(ROOT)}: {node.name}.{method.name}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name in ("taken", "_taken")
    }
    assert methods == set()


@pytest.mark.parametrize(
    "name",
    [
        *("Surroundings", "_Serving", "test_what_the_brake_stops", "unproved_settings", "look_briefly", "canaries"),
        *("told", "_told", "Told", "known", "_known", "found", "Found", "around"),
    ],
)
def test_a_replaced_word_is_found(name: str) -> None:
    assert replaced(name)


@pytest.mark.parametrize(
    "name",
    [
        *("SeenPart", "held", "earlier_state", "standing", "outstanding", "recorder", "Observer"),
        *("known_parts", "around_items", "test_a_replaced_word_is_found"),
    ],
)
def test_ordinary_words_are_left_alone(name: str) -> None:
    assert not replaced(name)


def test_no_module_bears_the_name_of_the_standard_library_or_of_a_dependency() -> None:
    ours = {path.stem for path in python_files()} | {path.parent.name for path in python_files()}
    rooms = {folder.name for folder in (ROOT / "functions").iterdir() if folder.is_dir()} | set(FOLDERS)
    famous = sys.stdlib_module_names | packages_distributions().keys()
    assert sorted(ours & famous - {"__init__", "__main__"} - rooms) == []
