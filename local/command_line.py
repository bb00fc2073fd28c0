"""``cerbsync`` as an administrator has it: a program of its own, with a fleet file and the environment of one stack.

The demo, ``make stack`` and the end-to-end tests use it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cerbsync.yaml_text import dumped
from local.build import ROOT
from local.cloud import LocalCloud
from local.fleet import PRIMARY, Servers, password_of


def environment_of(cloud: LocalCloud, outputs: Mapping[str, str]) -> dict[str, str]:
    """The variables by which ``cerbsync`` finds the stack of a local cloud and its administrator's key."""
    url = f"{cloud.endpoint}/restapis/{outputs['ApiId']}/v1/_user_request_"
    return {**cloud.environment, "CERBSYNC_URL": url}


def fleet_document(servers: Servers, **more: object) -> dict[str, Any]:
    """The fleet file for running servers; ``more`` are further keys of it."""
    places = {
        name: {"host": server.host, "port": server.port, "username": server.user, "pins": [server.fingerprint]}
        for name, server in ((PRIMARY, servers.primary), *servers.backups.items())
    }
    return {"version": 1, "primary": places.pop(PRIMARY), "backups": places, **more}


def passwords_of(servers: Servers) -> dict[str, str]:
    """The environment variables with the servers' passwords, as ``cerbsync apply`` reads them."""
    names = (PRIMARY, *servers.backups)
    return {f"CERBSYNC_PASSWORD_{name.upper().replace('-', '_')}": password_of(name) for name in names}


class CommandEnded(Exception):
    """A command ended with another exit status than expected; the message has its output."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"`{command}` ended with status {status}: {output}")


@dataclass(frozen=True)
class CommandLine:
    """Runs ``cerbsync`` in ``folder``, as a process of its own. ``program`` are the words that start it."""

    folder: Path
    environment: Mapping[str, str]
    program: Sequence[str] = field(default=(sys.executable, "-m", "cerbsync"))

    def write_fleet(self, document: Mapping[str, Any], name: str = "fleet.yaml") -> None:
        """Write the fleet file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(dumped(dict(document)), "utf-8")

    def run(
        self, *arguments: str, expected: Sequence[int] = (0,), more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal; ``more`` are variables. Raises CommandEnded for another status."""
        done = subprocess.run(
            [*self.program, *arguments],
            cwd=self.folder,
            env={**self.variables, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode not in expected:
            command = " ".join(["cerbsync", *arguments])
            raise CommandEnded(command, done.returncode, done.stdout + done.stderr)
        return done

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the process: what the system needs, and the stack's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **self.environment}

    def hash_of(self, *arguments: str) -> str:
        """The hash that a command shows, to confirm it by ``--yes``."""
        return str(json.loads(self.run(*arguments, "--json").stdout)["hash"])
