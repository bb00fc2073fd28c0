"""The files of the root that tools and people expect: licence, continuous integration, hooks, targets."""

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from local.build import ROOT

APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence as its authors publish it (apache.org/licenses/LICENSE-2.0.txt)."""
OWNER = "Copyright 2026 Synchronization Manager contributors"
CI = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def recipe(target: str) -> list[str]:
    """The commands of a target."""
    return re.findall(r"^\t(.+)$", MAKEFILE.partition(f"\n{target}:")[2].partition("\n\n")[0], re.MULTILINE)


def test_the_licence_is_the_whole_unchanged_text_with_its_owner() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.count(OWNER) == 1
    published = text.replace(OWNER, "Copyright [yyyy] [name of copyright owner]")
    assert hashlib.sha256(published.encode()).hexdigest() == APACHE_2_0


def test_continuous_integration_checks_out_and_calls_the_script_and_nothing_else() -> None:
    steps = re.findall(r"^ +- (\w+): (.+)$", CI.read_text("utf-8").partition("steps:\n")[2], re.MULTILINE)
    assert [(kind, what.partition("@")[0]) for kind, what in steps] == [
        ("uses", "actions/checkout"),
        ("run", ".ci/run"),
    ]
    assert [path.name for path in CI.parent.iterdir()] == [CI.name]


def test_every_hook_is_a_tool_of_the_developers_environment() -> None:
    assert re.findall(r"repo: (.+)", HOOKS) == ["local"]
    assert set(re.findall(r"language: (.+)", HOOKS)) == {"system"}
    entries = re.findall(r"entry: (?:env \S+ )?(\S+)", HOOKS)
    assert entries == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/lint-imports"]
    assert [entry for entry in entries if not (ROOT / entry).is_file()] == []


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy", "lint-imports"])
def test_a_hook_is_what_lint_runs(tool: str) -> None:
    assert any(command.endswith(f"$(bin)/{tool}") for command in recipe("lint"))
    assert f".venv/bin/{tool}" in HOOKS


def test_what_is_formatted_passes_the_check_of_formats(tmp_path: Path) -> None:
    commands = [command.replace("$(bin)/", "").split() for command in recipe("format")]
    assert commands == [["ruff", "check", "--fix"], ["ruff", "format"]]
    file = tmp_path / "untidy.py"
    file.write_text('"""A module."""\nimport sys\nimport os\nprinted = [ os.name,sys.path ]\n', "utf-8")
    for _, *arguments in [*commands, ["ruff", "check"], ["ruff", "format", "--check"]]:
        subprocess.run(  # noqa: S603  (this repository's formatter)
            [ROOT / ".venv" / "bin" / "ruff", *arguments, "--no-cache", "--config", ROOT / "pyproject.toml", file],
            check=True,
            capture_output=True,
        )
    assert file.read_text("utf-8") == '"""A module."""\n\nimport os\nimport sys\n\nprinted = [os.name, sys.path]\n'


def test_all_tests_measure_the_lines_of_the_product() -> None:
    (command,) = [command for command in recipe("test") if "pytest" in command]
    assert {"--cov", "--cov-report=term"} <= set(command.split())
    coverage = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]
    assert coverage["run"]["source"] == ["functions"]
    assert coverage["report"]["skip_covered"], "a line for each covered file would hide the others"
