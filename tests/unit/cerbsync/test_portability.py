"""The command line needs nothing that only a Unix has. It was not run on Windows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from local.build import ROOT

UNIX_MODULES = ("fcntl", "grp", "pwd", "resource", "syslog", "posix", "pty", "termios", "tty")
UNIX_FUNCTIONS = (
    "fork",
    "forkpty",
    "geteuid",
    "getuid",
    "getpgid",
    "killpg",
    "mkfifo",
    "setsid",
    "chown",
    "getloadavg",
)
MASKED = f"""
import os, signal, sys
for name in {UNIX_FUNCTIONS!r}:
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGALRM", "pause", "alarm", "setitimer"):
    if hasattr(signal, name):
        delattr(signal, name)
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {UNIX_MODULES!r}:
            raise ModuleNotFoundError(name, name=name)
for name in {UNIX_MODULES!r}:
    if name != "posix":  # the module of os itself
        sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
from cerbsync.app import main
sys.exit(main(sys.argv[1:]))
"""


def without_unix(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", MASKED, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--help",), 0, "Keep backup Cerberus FTP Servers identical"),
        (("apply", "--dry-run"), 2, "there is no file fleet.yaml"),
        (("status",), 2, "no AWS region is configured"),
        (("status", "--region", "eu-central-1"), 4, "no usable AWS credentials"),
        (("init",), 2, "nobody can be asked here"),
    ],
)
def test_it_runs_without_the_modules_and_functions_of_a_unix(
    arguments: tuple[str, ...], status: int, text: str, tmp_path: Path
) -> None:
    done = without_unix(*arguments, folder=tmp_path)
    assert done.returncode == status, done.stderr
    assert text in done.stdout + done.stderr


def test_every_module_is_imported_without_them(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "cerbsync").rglob("*.py"))
        if path.name != "__main__.py"
    ]
    program = MASKED.partition("from cerbsync.app")[0] + "".join(f"import {name}\n" for name in names)
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_path_is_made_with_a_slash() -> None:
    """Names of files are made by pathlib; texts with slashes are addresses of the API and patterns of settings."""
    for path in (ROOT / "cerbsync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Path", "open"):
                texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                assert not [text for text in texts if "/" in text], path
