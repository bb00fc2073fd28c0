"""The program as it is started on a laptop, against two local servers."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest

from local.build import ROOT
from local.cerberus import LocalServer, Machine, Secrets, generate
from local.cerberus.compare import kept_machine_values, replicable_differences
from local.cerberus.drift import ACTIONS, set_mime
from local.cerberus.faults import Fault, Kind
from local.trial.page import PAGE, documented
from registry.snapshots import decode


@dataclass
class Laptop:
    """Two servers, and the program that is told where they are. ``said`` is all it ever printed."""

    primary: LocalServer
    backup: LocalServer
    home: Path
    said: str = ""

    @property
    def servers(self) -> dict[str, LocalServer]:
        return {"primary": self.primary, "backup": self.backup}

    @property
    def trust(self) -> list[str]:
        return [text for name, one in self.servers.items() for text in (f"--{name}-fingerprint", one.fingerprint)]

    @property
    def passwords(self) -> dict[str, str]:
        return {
            f"CERBERUS_{name.upper()}_PASSWORD": server.state.machine.admin_password
            for name, server in self.servers.items()
        }

    def command(self, command: str, *arguments: str) -> list[str]:
        where = [text for name, one in self.servers.items() for text in (f"--{name}", f"{one.host}:{one.port}")]
        local = ["--allow-network", "127.0.0.0/8"]
        return [sys.executable, "-m", "local.trial", command, *where, *local, *arguments]

    def run(self, command: str, *arguments: str, variables: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Exit status, standard output, standard error; there is no terminal."""
        done = subprocess.run(  # noqa: S603 # this repository's program
            self.command(command, *arguments),
            cwd=ROOT,
            env={"HOME": str(self.home), **(self.passwords if variables is None else variables)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def differences(self) -> list[object]:
        return list(replicable_differences(self.primary.snapshot(), self.backup.snapshot()))


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    """An administrator's machine. Whatever was printed holds no secret, and the primary was never written to."""
    states = [generate(1, users=30, groups=3, machine=Machine.named(name)) for name in ("primary", "backup")]
    with LocalServer(states[0]) as primary, LocalServer(states[1]) as backup:
        made = Laptop(primary, backup, tmp_path)
        yield made
        secrets = [secret for state in states for secret in (*state.machine.secrets, state.machine.admin_password)]
        assert [number for number, one in enumerate([*secrets, *Secrets()]) if one in made.said] == []
        assert primary.writes == []


def test_an_untrusted_certificate_is_shown_and_nothing_is_sent(laptop: Laptop) -> None:
    for command in ("check", "plan", "sync"):
        status, out, err = laptop.run(command, variables={})
        assert status == 1
        assert laptop.primary.fingerprint in out + err
        assert "certificate_untrusted" in out + err
    assert laptop.primary.requests == laptop.backup.requests == []


def test_a_wrong_pin_is_a_mismatch_and_nothing_is_sent(laptop: Laptop) -> None:
    status, out, _ = laptop.run("check", "--primary-fingerprint", "ab" * 32, "--backup-fingerprint", "ab" * 32)
    assert (status, out.count("[certificate_pin_mismatch]")) == (1, 2)
    assert laptop.primary.requests == laptop.backup.requests == []


def test_what_no_approval_lets_through_is_blocked_and_the_rest_goes_on(laptop: Laptop) -> None:
    ACTIONS["set_setting"](laptop.primary.state, "sites/site/host", "new.files.example")
    ACTIONS["set_setting"](laptop.backup.state, "sites/site/host", "old.files.example")
    ACTIONS["set_setting"](laptop.backup.state, "sites/site/certificate", "own.crt")
    status, out, err = laptop.run("sync", *laptop.trust, "--yes")
    assert status == 4
    assert "Waits for a decision (an approval does not help):" in out
    assert "BLOCKED: nothing was written." in err
    assert "--approve" not in err
    assert laptop.backup.writes == []

    ACTIONS["add_user"](laptop.primary.state, "newcomer")
    status, out, err = laptop.run("sync", *laptop.trust, "--yes")
    assert status == 4
    assert [write.operation for write in laptop.backup.writes] == ["SaveProfiles"]
    assert "entries_ambiguous" in err


def test_servers_of_an_own_authority_are_trusted_by_its_certificate(laptop: Laptop, tmp_path: Path) -> None:
    files = []
    for name, server in laptop.servers.items():
        (tmp_path / f"{name}.pem").write_text(server.ca_pem)
        files += [f"--{name}-ca", str(tmp_path / f"{name}.pem")]
    status, out, _ = laptop.run("check", *files)
    assert (status, "meet every requirement" in out) == (0, True)


def test_a_check_names_what_is_not_met_and_what_to_do(laptop: Laptop) -> None:
    laptop.backup.state.version = (12, 11, 5, 0)
    status, out, _ = laptop.run("check", *laptop.trust)
    assert status == 1
    assert "backup same_version fail version_mismatch" in " ".join(out.split())
    assert "Install the same four-part version on both servers." in out


def test_a_check_and_a_plan_warn_of_a_rule_that_matches_nothing(laptop: Laptop) -> None:
    for command in ("check", "plan"):
        _, out, _ = laptop.run(command, *laptop.trust, "--rule", "welcomeMesage")
        assert 'The keep pattern "welcomeMesage" matches nothing on either server.' in out


def test_a_rule_that_can_match_nothing_is_refused_with_the_command_line(laptop: Laptop) -> None:
    status, _, err = laptop.run("plan", *laptop.trust, "--rule", "[")
    assert status == 2
    assert "cannot be used" in err


def test_what_is_kept_although_it_differs_is_told_after_a_sync(laptop: Laptop) -> None:
    set_mime(laptop.backup.state, "pdf", "text/plain")
    _, out, _ = laptop.run("sync", *laptop.trust, "--yes")
    result = out.rpartition("Kept although it differs:\n")[2]
    assert "  = /settings/remote/soap/port\n" in result
    assert "  = ... and 12 more\n" in result


def test_a_check_goes_on_without_the_primary(laptop: Laptop) -> None:
    laptop.primary.refuse_connections()
    status, out, _ = laptop.run("check", *laptop.trust)
    assert (status, "[connection_refused]" in out) == (1, True)
    assert "backup   valid_licence" in out


def test_a_missing_password_is_said_by_the_name_of_its_variable(laptop: Laptop) -> None:
    status, _, err = laptop.run("plan", *laptop.trust, variables={})
    assert (status, "CERBERUS_PRIMARY_PASSWORD" in err, "[credentials_missing]" in err) == (1, True, True)


def test_a_wrong_password_is_tried_once(laptop: Laptop) -> None:
    variables = {**laptop.passwords, "CERBERUS_PRIMARY_PASSWORD": "a wrong one"}
    status, _, err = laptop.run("plan", *laptop.trust, variables=variables)
    assert (status, "[authentication_failed]" in err, "a wrong one" in err) == (1, True, False)
    assert len(laptop.primary.requests) == 1


def test_a_plan_shows_what_differs_and_writes_nothing(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    status, out, _ = laptop.run("plan", *laptop.trust)
    assert status == 3
    assert 'welcomeMessage = "Drifted"' in out
    assert laptop.backup.writes == []


def test_without_a_terminal_nothing_is_written_unless_told(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    status, _, err = laptop.run("sync", *laptop.trust)
    assert (status, "--yes" in err, laptop.backup.writes) == (5, True, [])


def test_a_sync_makes_the_backup_equal_and_keeps_what_it_held(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    before = laptop.backup.snapshot()
    status, out, err = laptop.run("sync", *laptop.trust, "--yes")
    assert (status, "backup: updated, verified at " in out) == (0, True)
    assert laptop.differences() == []
    assert kept_machine_values(before, laptop.backup.snapshot()) == []
    folder = laptop.home / "cerberus-snapshots"
    (kept,) = [path for path in folder.rglob("*") if path.is_file()]
    assert str(kept) in err
    assert kept.stat().st_mode & 0o077 == 0
    assert "Drifted" in decode(kept.relative_to(folder).as_posix(), kept.read_bytes()).content.parts["settings"]
    assert laptop.run("plan", *laptop.trust)[0] == 0
    assert laptop.run("sync", *laptop.trust)[0] == 0


def test_what_was_kept_is_put_back_exactly_and_without_the_primary(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    before = laptop.backup.snapshot()
    laptop.run("sync", *laptop.trust, "--yes")
    folder = laptop.home / "cerberus-snapshots"
    (kept,) = [path for path in folder.rglob("*") if path.is_file()]
    laptop.primary.refuse_connections()
    trust = ("--backup-fingerprint", laptop.backup.fingerprint, "--snapshot", str(kept))
    assert laptop.run("restore", *trust)[0] == 5
    status, out, _ = laptop.run("restore", *trust, "--yes")
    assert (status, "backup: restored" in out) == (0, True)
    assert replicable_differences(before, laptop.backup.snapshot()) == []
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2


@pytest.mark.parametrize("passwords", [True, False], ids=["asked", "nobody knows its password"])
def test_nothing_is_put_back_on_the_server_that_is_the_primary_now_at_whatever_address(
    laptop: Laptop, passwords: bool
) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    laptop.run("sync", *laptop.trust, "--yes")
    (kept,) = [path for path in (laptop.home / "cerberus-snapshots").rglob("*") if path.is_file()]
    writes = len(laptop.backup.writes)
    with LocalServer(laptop.backup.state) as twin:  # the backup's machine at another address
        later = replace(laptop, primary=twin)
        variables = (
            later.passwords if passwords else {"CERBERUS_BACKUP_PASSWORD": later.passwords["CERBERUS_BACKUP_PASSWORD"]}
        )
        status, out, err = later.run("restore", *later.trust, "--snapshot", str(kept), variables=variables)
        laptop.said += later.said
    assert (status, "[same_as_primary]" in err) == ((1, True) if passwords else (5, False))
    assert passwords or "make sure that this backup is another server" in out
    assert len(laptop.backup.writes) == writes


def test_a_file_that_is_no_snapshot_or_was_changed_is_not_put_back(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    laptop.run("sync", *laptop.trust, "--yes")
    (kept,) = [path for path in (laptop.home / "cerberus-snapshots").rglob("*") if path.is_file()]
    writes = len(laptop.backup.writes)
    kept.write_bytes(kept.read_bytes().replace(b"Drifted", b"Forged!"))
    only = ("--backup-fingerprint", laptop.backup.fingerprint, "--yes", "--snapshot")
    for path, reason in ((kept, "snapshot_unreadable"), (Path(__file__), "snapshot_missing")):
        status, _, err = laptop.run("restore", *only, str(path))
        assert (status, f"[{reason}]" in err) == (1, True)
    assert len(laptop.backup.writes) == writes


def test_what_cannot_be_kept_is_not_written_over(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    (laptop.home / "file").write_text("in the way")
    status, _, err = laptop.run("sync", *laptop.trust, "--yes", "--snapshots", str(laptop.home / "file"))
    assert (status, "[snapshot_not_kept]" in err, laptop.backup.writes) == (1, True, [])


def test_a_part_that_fails_is_told_with_its_reason(laptop: Laptop) -> None:
    ACTIONS["everywhere"](laptop.backup.state)
    laptop.backup.faults.add(Fault(Kind.ANSWER_FALSE, "SaveMimeMappings"))
    status, out, err = laptop.run("sync", *laptop.trust, "--yes")
    assert status == 1
    assert "mime_mappings failed write_refused" in " ".join(out.split())
    assert "Check the server's log" in err


def test_the_guards_stop_until_exactly_that_plan_is_approved(laptop: Laptop) -> None:
    for number in range(3, 10):
        ACTIONS["add_user"](laptop.backup.state, name=f"extra{number}")
    only = ("--parts", "accounts")
    status, out, _ = laptop.run("plan", *laptop.trust, *only)
    assert (status, "[removes_too_much]" in out) == (4, True)
    assert laptop.run("sync", *laptop.trust, *only)[0] == 4  # nobody is asked for what could not be done
    assert laptop.run("sync", *laptop.trust, *only, "--yes")[0] == 4
    status, _, err = laptop.run("sync", *laptop.trust, *only, "--approve", "00" * 32)
    assert (status, "[plan_not_current]" in err, laptop.backup.writes) == (4, True, [])
    plan = out.partition("Hash: ")[2].strip()
    assert laptop.run("sync", *laptop.trust, *only, "--approve", plan)[0] == 0
    assert laptop.differences() == []


def test_what_is_not_blocked_goes_on(laptop: Laptop) -> None:
    for number in range(3, 10):
        ACTIONS["add_user"](laptop.backup.state, name=f"extra{number}")
    ACTIONS["set_mime"](laptop.backup.state, extension="pdf", kind="text/plain")
    status, out, _ = laptop.run("sync", *laptop.trust, "--yes")
    assert (status, "mime_mappings     pushed" in out) == (4, True)
    assert {write.operation for write in laptop.backup.writes} == {"SaveMimeMappings"}


def _terminal(laptop: Laptop) -> tuple[subprocess.Popen[str], int]:
    """A sync that somebody started at a terminal, waiting to be confirmed, and the end to type at."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 # this repository's program
        laptop.command("sync", *laptop.trust),
        cwd=ROOT,
        env={"HOME": str(laptop.home), **laptop.passwords},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    asked = ""
    while not asked.endswith("Type yes: "):
        asked += _stream(process.stderr).read(1)
    laptop.said += asked
    return process, ours


def _stream(pipe: IO[str] | None) -> IO[str]:
    assert pipe
    return pipe


@pytest.mark.parametrize(("typed", "status"), [("yes", 0), ("YES", 0), ("y", 5), ("", 5)])
def test_only_yes_is_yes(laptop: Laptop, typed: str, status: int) -> None:
    ACTIONS["set_mime"](laptop.backup.state, extension="pdf", kind="text/plain")
    process, ours = _terminal(laptop)
    os.write(ours, f"{typed}\n".encode())
    laptop.said += "".join(process.communicate(timeout=600))
    os.close(ours)
    assert (process.returncode, laptop.differences() == []) == (status, status == 0)


def test_what_moved_while_somebody_thought_is_not_written_over(laptop: Laptop) -> None:
    ACTIONS["set_mime"](laptop.backup.state, extension="pdf", kind="text/plain")
    process, ours = _terminal(laptop)
    ACTIONS["set_mime"](laptop.backup.state, extension="txt", kind="text/markdown")
    os.write(ours, b"yes\n")
    said = "".join(process.communicate(timeout=600))
    os.close(ours)
    assert (process.returncode, "[plan_not_current]" in said, laptop.backup.writes) == (4, True, [])


def test_the_page_shows_what_the_program_prints() -> None:
    page = PAGE.read_text()
    assert documented(page) == page
