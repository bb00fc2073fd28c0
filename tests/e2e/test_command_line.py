"""``cerbsync``, installed in a fresh environment as docs/cerbsync.md says, against the deployed stack: at a terminal
and without one.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pytest

from local.build import ROOT
from local.cloud import LocalCloud
from local.command_line import CommandLine, environment_of, fleet_document, passwords_of
from local.fleet import PRIMARY, Servers, password_of, start_servers

FIRST, SECOND = "ftp2", "ftp3"
PATIENCE = 120


@dataclass(frozen=True)
class Fleet:
    """Servers, and the command line of the stack that looks after them; ``outputs`` are everything it has shown."""

    servers: Servers
    command_line: CommandLine
    shown: list[str]

    def run(self, *arguments: str, expected: tuple[int, ...] = (0,), more: dict[str, str] | None = None) -> str:
        done = self.command_line.run(*arguments, expected=expected, more=more)
        self.shown.append(done.stdout + done.stderr)
        return done.stdout

    def json(self, *arguments: str, expected: tuple[int, ...] = (0,)) -> Any:
        return json.loads(self.run(*arguments, "--json", expected=expected))

    def at_terminal(self, *arguments: str, answers: tuple[tuple[str, str], ...] = ()) -> tuple[int, str]:
        """Type a command at a terminal, and each answer when its question is there; the status and the screen."""
        program, *words = self.command_line.program
        child: Any = pexpect.spawn(
            program,
            [*words, *arguments],
            cwd=str(self.command_line.folder),
            env={**self.command_line.variables, "TERM": "xterm", "COLUMNS": "140"},
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 140),
        )
        screen = ""
        for question, answer in answers:
            child.expect_exact(question)
            screen += child.before + child.after
            child.sendline(answer)
        child.expect(pexpect.EOF)
        screen += child.before
        child.close()
        self.shown.append(screen)
        return child.exitstatus, screen

    @property
    def writes(self) -> int:
        return sum(len(server.writes) for server in self.servers.backups.values())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed by pip from this repository into an environment that has nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
    (install,) = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs" / "cerbsync.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-ec", install], cwd=ROOT, env=environment, check=True)  # noqa: S603 # the page's own
    return folder / "bin" / "cerbsync"


@pytest.fixture(scope="module")
def fleet(cloud: LocalCloud, installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    outputs = cloud.deploy("cerbsync", {"AllowedNetworks": "127.0.0.0/8", "SyncEnabled": "false"})
    with ExitStack() as stack:
        servers = start_servers(stack, (FIRST, SECOND), users=20, groups=3)
        servers.backups[FIRST].drift("everywhere")
        environment = {**environment_of(cloud, outputs), "PYTHONPATH": ""}
        yield Fleet(servers, CommandLine(tmp_path_factory.mktemp("fleet"), environment, (str(installed),)), [])


def test_six_commands_lead_from_nothing_to_a_verified_backup(fleet: Fleet) -> None:
    """The first of the six has installed the program."""
    primary, backup = fleet.servers.primary, fleet.servers.backups[FIRST]
    status, screen = fleet.at_terminal(
        "init",
        answers=(
            ("Host name or address: ", primary.host),
            ("(HTTPS) [8443]: ", str(primary.port)),
            ("administrator [admin]: ", primary.user),
            ("own console shows? [y/N] ", "y"),
            ("Id, for example ftp2: ", FIRST),
            ("Host name or address: ", backup.host),
            ("(HTTPS) [8443]: ", str(backup.port)),
            ("administrator [admin]: ", backup.user),
            ("own console shows? [y/N] ", "y"),
            ("(Enter: no more): ", ""),
        ),
    )
    assert status == 0, screen
    assert primary.fingerprint in screen
    assert backup.fingerprint in screen
    status, screen = fleet.at_terminal(
        "apply",
        answers=(
            ("Make 2 changes? [y/N] ", "y"),
            ("Password (not shown): ", password_of(PRIMARY)),
            ("Password (not shown): ", password_of(FIRST)),
        ),
    )
    assert status == 0, screen
    assert fleet.at_terminal("run", "--dry-run", "--wait")[0] == 0
    assert fleet.writes == 0
    status, screen = fleet.at_terminal(
        "approve", FIRST, answers=(("Approve and write to 1 backup: ftp2? [y/N] ", "y"),)
    )
    assert status == 0, screen
    status, screen = fleet.at_terminal("status", "--exit-code")
    assert status == 0, screen
    assert "just now" in screen
    assert fleet.servers.differences(FIRST) == []
    assert fleet.servers.lost_machine_values(FIRST) == []
    assert not primary.writes


def test_a_file_registers_what_is_new_and_says_so_when_nothing_is(fleet: Fleet) -> None:
    fleet.command_line.write_fleet(fleet_document(fleet.servers, schedule={"interval_minutes": 60}))
    wanted = fleet.command_line.hash_of("apply", "--dry-run")
    fleet.run("apply", "--yes", wanted[:12], more=passwords_of(fleet.servers))
    assert fleet.run("apply") == "No changes: the stack is as the file says.\n"
    fleet.run("export", "--file", "exported.yaml")
    assert fleet.run("apply", "--file", "exported.yaml") == "No changes: the stack is as the file says.\n"


def test_every_server_is_checked(fleet: Fleet) -> None:
    assert [report["passed"] for report in fleet.json("check")["checks"]] == [True, True, True]
    assert "log in" in fleet.run("check", SECOND)


def test_a_run_is_followed_and_its_push_undone(fleet: Fleet) -> None:
    backup = fleet.servers.backups[FIRST]
    backup.drift("edit_user", name="user000007", path="@email", value="nobody@elsewhere.example")
    before = backup.snapshot()
    assert "~ users/user000007" in fleet.run("plan", FIRST)
    fleet.run("plan", FIRST, "--exit-code", expected=(6,))
    assert "equal, updated" in fleet.run("run", FIRST, "--wait")
    assert fleet.servers.differences(FIRST) == []
    assert fleet.json("snapshots", FIRST)["snapshots"]
    wanted = (
        fleet.command_line.run("restore", FIRST, "latest", expected=(7,))
        .stderr.partition("--yes ")[2]
        .partition("`")[0]
    )
    fleet.run("restore", FIRST, "latest", "--yes", wanted)
    assert backup.snapshot().documents == before.documents
    assert "paused" in fleet.run("status")
    assert "no longer paused" in fleet.run("resume", FIRST)
    fleet.run("run", "--wait")
    assert fleet.servers.differences(FIRST) == []


def test_a_plan_that_waits_is_shown_approved_and_carried_out(fleet: Fleet) -> None:
    for number in range(6):
        fleet.servers.primary.drift("remove_user", name=f"user{number:06}")
    assert "BLOCKED" in fleet.run("run", "--wait", expected=(5,))
    fleet.run("status", "--exit-code", expected=(5,))
    status, screen = fleet.at_terminal("approve", FIRST, answers=(("? [y/N] ", "y"),))
    assert status == 0, screen
    assert fleet.servers.differences(FIRST) == []
    status, screen = fleet.at_terminal("approve", SECOND, answers=(("? [y/N] ", "n"),))
    assert (status, "not confirmed; nothing was done" in screen) == (7, True)


def test_a_pause_holds_and_is_told(fleet: Fleet) -> None:
    fleet.run("pause", SECOND, "--why", "The list is being mended.")
    assert "paused" in fleet.run("status")
    fleet.run("resume", SECOND)


def test_the_schedule_is_set_and_the_doctor_looks_at_it(fleet: Fleet) -> None:
    assert fleet.run("schedule", "on", "--every", "1440") == "Scheduled runs are on: every 1440 minutes.\n"
    assert "schedule: runs come every 1440 minutes" in fleet.run("doctor")
    assert "OFF" in fleet.run("schedule", "off")
    wrong = {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}
    assert "is not permitted" in fleet.command_line.run("status", expected=(4,), more=wrong).stderr


def test_the_list_of_the_primary_itself_becomes_a_file(fleet: Fleet) -> None:
    listed = fleet.json("import", "--file", "native.yaml", "--no-input")
    assert listed["native"]
    assert "password:" not in (fleet.command_line.folder / "native.yaml").read_text("utf-8")


def test_what_happened_is_listed(fleet: Fleet) -> None:
    runs = fleet.json("history")["runs"]
    assert len(runs) >= 5
    assert runs[0]["id"] in fleet.run("history", "--run", "latest", expected=(0, 3, 5))
    assert "equal, updated" in fleet.run("history", FIRST)


def test_a_promotion_is_typed_and_nothing_is_pushed_before_somebody_resumes(fleet: Fleet) -> None:
    status, screen = fleet.at_terminal(
        "promote", FIRST, "--former-id", "ftp1", "--force", answers=((f"Type {FIRST} to promote it: ", FIRST),)
    )
    assert status == 0, screen
    assert "HELD" in fleet.run("status")
    assert "Runs push to the fleet again." in fleet.run("resume", "--fleet")


def test_no_password_was_shown_or_written(fleet: Fleet) -> None:
    written = [path.read_text("utf-8") for path in fleet.command_line.folder.rglob("*") if path.is_file()]
    texts = "\n".join([*fleet.shown, *written])
    assert texts
    for name in (PRIMARY, FIRST, SECOND):
        assert password_of(name) not in texts
