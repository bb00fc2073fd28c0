"""Runs the checks between two commits: lint of changed files, types, import contracts, unit tests of changed packages.

``python -m local.check [REVISION]`` compares the working copy, with uncommitted changes, with REVISION or HEAD. ``make
test`` and ``make lint`` run everything.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
UNIT = Path("tests") / "unit"
ALWAYS = ("project",)


def changed_files(revision: str) -> list[Path]:
    """Files that differ from ``revision``, including deleted ones, and new files that git does not ignore."""
    differing = _git("diff", "--name-only", revision)
    return [Path(name) for name in dict.fromkeys([*differing, *_git("ls-files", "--others", "--exclude-standard")])]


def unit_tests_for(files: Iterable[Path]) -> list[str]:
    """The folders of unit tests for these files; all folders if that is undecidable."""
    folders = {folder.name for folder in (ROOT / UNIT).iterdir() if any(folder.rglob("test_*.py"))}
    wanted = set(ALWAYS)
    for file in files:
        match file.parts:
            case ("functions", room, *_) if room in folders:
                wanted |= {room, *importers(room)} if room != "common" else folders
            case ("tests", "unit", folder, *_) if folder in folders:
                wanted.add(folder)
            case ("infra" | "docs", *_):
                wanted |= {"template", "docs"}
            case (page,) if page.endswith(".md"):
                wanted |= {"template", "docs"}
            case (".github" | ".pre-commit-config.yaml" | "LICENSE", *_):
                pass  # covered by tests/unit/project, which always runs
            case ("events" | "benchmarks", *_) | ("tests", "integration" | "e2e", *_):
                pass  # covered by no unit test
            case _:
                wanted |= folders
    return sorted(str(UNIT / folder) for folder in wanted & folders)


def importers(room: str) -> set[str]:
    """The packages, and the folders of unit tests, that import a package and may break when it changes."""
    importing = re.compile(rf"^\s*(from|import) {room}\b", re.MULTILINE)
    folders = [*(ROOT / "functions").iterdir(), *(ROOT / UNIT).iterdir()]
    modules = ((folder.name, module) for folder in folders for module in folder.rglob("*.py"))
    return {name for name, module in modules if name != room and importing.search(module.read_text("utf-8"))}


def main() -> int:
    """Run the checks one after the other until one fails."""
    files = changed_files(sys.argv[1] if len(sys.argv) > 1 else "HEAD")
    if not files:
        print("Nothing has changed. Name a revision to compare with: make check SINCE=main")
        return 0
    python = [str(file) for file in files if file.suffix == ".py" and (ROOT / file).exists()]
    tests = unit_tests_for(files)
    print(f"{len(files)} changed files; unit tests: {', '.join(tests)}", flush=True)
    steps: list[list[str | Path]] = [[BIN / "mypy"], [BIN / "lint-imports"], [BIN / "pytest", "-q", "-n", "2", *tests]]
    if python:
        steps = [[BIN / "ruff", "check", *python], [BIN / "ruff", "format", "--check", *python], *steps]
    return next((code for step in steps if (code := _run(step))), 0)


def _run(command: list[str | Path]) -> int:
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": "functions", "HOME": str(Path.home())}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _git(*arguments: str) -> list[str]:
    command = ["/usr/bin/env", "git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
