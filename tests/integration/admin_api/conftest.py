"""The API over HTTP shapes with an in-memory registry, and real Cerberus stand-ins to register."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cerberus import LocalServer, Machine, generate
from local.fakes.management_api import AUTHORIZATION, FakeGateway


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    made = FakeGateway()
    with made.running():
        yield made


@pytest.fixture
def server() -> Callable[..., LocalServer]:
    """Makes a stand-in with a few users; the test starts it with ``with``."""

    def make(name: str, **options: Any) -> LocalServer:
        return LocalServer(generate(1, users=3, groups=2, machine=Machine.named(name), **options))

    return make


@pytest.fixture
def registration() -> Callable[[LocalServer], dict[str, Any]]:
    """What to send to register a running stand-in, its certificate pinned."""

    def made(running: LocalServer) -> dict[str, Any]:
        return {
            "host": running.host,
            "port": running.port,
            "username": running.state.machine.admin_user,
            "password": running.state.machine.admin_password,
            "tls": {"mode": "pins", "fingerprints": [running.fingerprint]},
        }

    return made


GUIDE = Path(__file__).parents[3] / "docs" / "api.md"
PRELUDE = """set -e -o pipefail
api() {
  method=$1 path=$2; shift 2
  curl --silent --show-error --fail-with-body --request "$method" "$API$path" --header "$SIGNED" \\
    --header "Content-Type: application/json" "$@"
}
id() { python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }
follow() { echo "followed $1"; }
"""
"""What the guide has defined before, but signed as this gateway wants it; runs are handed over, and not waited for."""


@pytest.fixture
def type_guide(tmp_path: Path) -> Callable[[str, str], "subprocess.CompletedProcess[str]"]:
    """Types all commands of one section of docs/api.md, against an API at an address."""

    def type_commands(section: str, address: str) -> "subprocess.CompletedProcess[str]":
        text = GUIDE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
        commands = re.findall(r"^```shell\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert commands
        return subprocess.run(  # noqa: S603 # the guide's own commands
            ["/bin/bash", "-c", PRELUDE + "\n".join(commands)],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "API": address, "SIGNED": f"Authorization: {AUTHORIZATION}"},
            capture_output=True,
            text=True,
            check=False,
        )

    return type_commands
