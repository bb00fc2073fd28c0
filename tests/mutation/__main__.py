"""Changes one module that decides, in one place after the other, and tells which changes no test notices.

``python -m tests.mutation registry/store_rules.py`` goes on where it was interrupted, and begins anew once the module
or one of its tests has changed. A change during which the tests take too long counts as noticed only if they do so
again.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.mutation.modules import MODULES

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".mutants"
_COMMAND = Path(__file__).with_name("mutmut_command.py")
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/{module}"]
also_copy = ["local", "events", "infra", "docs"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider"]
use_git_change_detection = false
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if less than 90 % of the changes are noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("module", choices=MODULES, help="a module below functions/")
    parser.add_argument("--jobs", default="2", help="how many changes are tried in parallel (default: 2)")
    options = parser.parse_args(arguments)
    copy = _copy(options.module)
    subprocess.run(_mutmut("run", "--max-children", options.jobs), cwd=copy, check=True)
    if late := [name for name, status in _results(copy).items() if status == "timeout"]:
        subprocess.run(_mutmut("run", "--max-children", "1", *late), cwd=copy, check=True)
    return _report(options.module, copy)


def _copy(module: str) -> Path:
    """A copy of the project in which mutmut may change the module. The folder is called ``src``, as mutmut expects."""
    copy = WORK / module.replace("/", ".")
    digest = copy / "digest"
    present = _digest(module)
    if digest.exists() and digest.read_text() == present:
        return copy
    shutil.rmtree(copy, ignore_errors=True)
    for name in _git_files():
        target = copy / (f"src{name.removeprefix('functions')}" if name.startswith("functions/") else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    project = copy / "pyproject.toml"
    configuration = _CONFIGURATION.format(module=module, tests=list(MODULES[module]))
    project.write_text(project.read_text().replace('"functions"', '"src"') + configuration)
    digest.write_text(present)
    return copy


def _digest(module: str) -> str:
    """A digest of everything that the outcome for a module depends on most: the module, and its tests."""
    named = (f"functions/{module}", "tests/mutation/", *MODULES[module])
    files = (ROOT / name for name in _git_files() if name.startswith(named))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _git_files() -> list[str]:
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard"),  # noqa: S607 # the developer's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def _mutmut(*arguments: str) -> list[str]:
    return [sys.executable, str(_COMMAND), *arguments]


def _results(copy: Path) -> dict[str, str]:
    listed = subprocess.run(
        _mutmut("results", "--all", "true"), cwd=copy, capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.strip().rpartition(": ") for line in listed.splitlines() if "__mutmut_" in line)
    return {name: status for name, _, status in pairs}


def _report(module: str, copy: Path) -> int:
    results = _results(copy)
    counts = Counter(results.values())
    noticed = counts["killed"] + counts["timeout"]
    for name, status in results.items():
        if status not in ("killed", "timeout"):
            shown = subprocess.run(_mutmut("show", name), cwd=copy, capture_output=True, text=True, check=True).stdout
            lines = [line for line in shown.splitlines() if line.startswith(("+", "-")) and line[1:2] not in ("+", "-")]
            print(f"{name}: {status}", *lines, sep="\n  ")
    share = 100 * noticed / len(results)
    print(f"{module}: {noticed} of {len(results)} changes are noticed, {share:.1f} %; {dict(counts)}")
    return 0 if share >= 90 else 1


if __name__ == "__main__":
    sys.exit(main())
