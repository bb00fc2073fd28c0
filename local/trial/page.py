"""``make pages``: writes the program's output into docs/try.md.

Each command on the page is run against two local servers, and its output replaces the one on the page. Values that
differ between runs (addresses, fingerprints, hashes, times) are replaced by the page's values, so that a test can check
whether the page is up to date. Two different hashes or snapshots also differ on the page.
"""

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from local.cerberus import LocalServer, Machine, generate
from local.cerberus.drift import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "try.md"

_BLOCK = re.compile(r"^```console\n(?P<command>\$ (?:.*\\\n)*.*\n)(?P<output>(?:(?!```).*\n)*)```$", re.MULTILINE)
_FINGERPRINT = {
    "primary": "9d5b0f5e7a3c1b6f2c40e8f8a2b7d9c4130f6a5e8d7c2b1a90f3e4d5c6b7a801",
    "backup": "27c1e3a4f5b6078899aabbccddeeff00112233445566778899aabbccddeeff12",
}
_ADDRESS = {"primary": "files1.example.com:8443", "backup": "files2.example.com:8443"}
_FIXED = (
    (re.compile(r"^ +\d+\.\d s", re.MULTILINE), "   0.1 s"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "2026-11-22 12:00:02 UTC"),
)  # fmt: skip
_NUMBERED = (
    (re.compile(r"(?<=^Hash: )[0-9a-f]{64}", re.MULTILINE), lambda count: f"{count:x}f70bf18a0860070" * 4),
    (re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}"), lambda count: f"20261122T12{count:02}00.000000Z-{count:x}badc0de"),
)  # fmt: skip
"""Patterns for values that differ between runs, each with a function that makes the example with a number."""


class Examples:
    """Replaces values that differ between runs by the examples of one page."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def fixed(self, text: str) -> str:
        """The text with an example in place of each value that differs between runs. A value that occurs again gets its
        first example again.
        """
        for pattern, fixed in _FIXED:
            text = pattern.sub(fixed, text)
        for pattern, example in _NUMBERED:
            text = pattern.sub(lambda match, make=example: self._example(match[0], make), text)  # type: ignore[misc]
        return text

    def _example(self, value: str, make: Callable[[int], str]) -> str:
        if value in self._given.values():
            return value  # the value is an example already
        numbers = sum(1 for given in self._given.values() if len(given) == len(make(0)))
        return self._given.setdefault(value, make(numbers + 1))


def documented(page: str) -> str:
    """The page's text, with the output that its commands print now."""
    with ExitStack() as stack:
        servers = {name: _start(stack, name) for name in _ADDRESS}
        _drift(servers["backup"])
        home = stack.enter_context(TemporaryDirectory())
        examples = Examples()
        return _BLOCK.sub(lambda block: _renewed(block, servers, home, examples), page)


def _start(stack: ExitStack, name: str) -> LocalServer:
    return stack.enter_context(LocalServer(generate(1, users=20, groups=3, machine=Machine.named(name))))


def _drift(backup: LocalServer) -> None:
    ACTIONS["everywhere"](backup.state)


def _renewed(block: re.Match[str], servers: Mapping[str, LocalServer], home: str, examples: Examples) -> str:
    output = _run(block["command"].removeprefix("$ ").replace("\\\n", " "), servers, home, examples)
    return f"```console\n{block['command']}{output}```"


def _run(command: str, servers: Mapping[str, LocalServer], home: str, examples: Examples) -> str:
    """The output of a command at a terminal where somebody answers yes, with the page's examples."""
    names = {_ADDRESS[name]: f"{server.host}:{server.port}" for name, server in servers.items()}
    names |= {_FINGERPRINT[name]: server.fingerprint for name, server in servers.items()}
    shown = {actual: example for example, actual in names.items()} | {home: "/home/you"}
    shown |= {_as_id(names[address]): _as_id(address) for address in _ADDRESS.values()}
    names |= {
        examples.fixed(_replaced(str(file), shown)): str(file) for file in Path(home).rglob("*") if file.is_file()
    }
    program, *arguments = shlex.split(_replaced(command, names))
    if program != "python":
        raise ValueError(f"{command!r} is no command of this page")
    environment = {**os.environ, "HOME": home, "COLUMNS": "120"}
    for name, server in servers.items():
        environment[f"CERBERUS_{name.upper()}_PASSWORD"] = server.state.machine.admin_password
    ours, theirs = pty.openpty()
    os.write(ours, b"yes\n")
    done = subprocess.run(
        [sys.executable, *arguments, "--allow-network", "127.0.0.0/8"],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    answered = done.stdout.replace("Type yes: ", "Type yes: yes\n")
    return examples.fixed(_replaced(answered, shown))


def _as_id(address: str) -> str:
    """The name of the folder with a backup's snapshots."""
    return re.sub(r"[^a-z0-9]", "-", address)


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    PAGE.write_text(documented(PAGE.read_text()))
