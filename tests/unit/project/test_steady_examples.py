"""Generated tests try the same examples every time: these do, and the settings of all others let them."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

TESTS = Path(__file__).resolve().parents[2]
OF_THE_PROFILE = {"derandomize", "database", "deadline", "backend"}
"""Settings that tests/conftest.py decides on for all."""


def _examples() -> list[object]:
    drawn: list[object] = []

    @settings(max_examples=200, phases=[Phase.generate])
    @given(st.integers() | st.text() | st.floats())
    def collect(value: object) -> None:
        drawn.append(value)

    collect()
    return drawn


def test_examples_do_not_depend_on_the_modules_that_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _examples()
    source = tmp_path / "local_constants.py"
    source.write_text(
        "\n".join(f"N{number} = {number}, 'text {number}', {number}.25" for number in range(70_001, 70_100))
    )
    spec = importlib.util.spec_from_file_location("local_constants", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "local_constants", module)
    spec.loader.exec_module(module)
    assert repr(_examples()) == repr(before)


def test_the_seed_of_a_test_is_fixed_unless_new_ones_are_asked_for(pytestconfig: pytest.Config) -> None:
    exploring = pytestconfig.option.explore is not None
    assert settings.default is not None
    assert (settings.default.derandomize, settings.default.database) == (not exploring, None)


def test_exploring_runs_the_generated_tests_alone_with_a_seed_that_it_names() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "--explore", "4711"]
    done = subprocess.run(  # noqa: S603 - this program, on this repository
        [*command, "tests/unit/common/test_safe_xml.py"], cwd=TESTS.parent, capture_output=True, text=True, check=True
    )
    assert "generated tests: seed 4711; again: make explore SEED=4711" in done.stdout
    assert re.search(r"= 3 passed, \d+ deselected", done.stdout)


def _nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted(TESTS.rglob("test_*.py")):
        if "hypothesis" in (text := path.read_text()):
            yield from ((path, node) for node in ast.walk(ast.parse(text)))


def _chosen_settings() -> Iterator[tuple[str, ast.keyword]]:
    for path, node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "settings":
            yield from ((f"{path}:{node.lineno} {word.arg}", word) for word in node.keywords)


def test_no_test_has_a_seed_a_deadline_or_a_memory_of_its_own() -> None:
    places = [place for place, word in _chosen_settings() if word.arg in OF_THE_PROFILE]
    for path, node in _nodes():
        if isinstance(node, ast.ImportFrom) and node.module == "hypothesis":
            places += [f"{path}:{node.lineno} {name.name}" for name in node.names if name.name == "seed"]
    assert not places


def test_no_test_has_health_checks_of_its_own() -> None:
    """Whoever suppresses one replaces the profile's list, which suppresses that of time."""
    assert [place for place, word in _chosen_settings() if word.arg == "suppress_health_check"] == []
