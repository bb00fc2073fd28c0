import subprocess
import sys
from pathlib import Path

import pytest

from local.build import ROOT
from local.trial.request import SNAPSHOTS, Command, read_request

ADDRESSES = ["--primary", "files1.example:8443", "--backup", "[2001:db8::1]:10001"]
PIN = "ab" * 32


def test_servers_trust_and_parts_are_taken_over() -> None:
    request = read_request(
        ["plan", *ADDRESSES, "--primary-fingerprint", f"{PIN},{'cd' * 32}", "--parts", "accounts,settings"]
    )
    assert request.command is Command.PLAN
    assert (request.primary.host, request.primary.port) == ("files1.example", 8443)
    assert (request.backup.host, request.backup.port) == ("2001:db8::1", 10001)
    assert request.primary.trust.pins == (PIN, "cd" * 32)
    assert request.settings.parts == ("accounts", "settings")


def test_only_sync_can_be_told_to_write() -> None:
    request = read_request(["sync", *ADDRESSES, "--yes"])
    assert (request.unasked, request.approved, request.snapshots) == (True, "", SNAPSHOTS)
    for command in ("check", "plan"):
        with pytest.raises(SystemExit):
            read_request([command, *ADDRESSES, "--yes"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["check", "--primary", "files1.example"], "--backup"),
        (["check", "--primary", "files1.example", "--backup", "b:1"], "not HOST:PORT"),
        (["check", "--primary", "https://files1.example:8443", "--backup", "b:1"], "neither a host name"),
        (["check", "--primary", "a:99999", "--backup", "b:1"], "not HOST:PORT"),
        (["check", *ADDRESSES, "--backup-fingerprint", "ab" * 20], "64 hexadecimal"),
        (["check", *ADDRESSES, "--backup-ca", __file__], "no PEM certificate"),
        (["check", *ADDRESSES, "--backup-ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (["check", *ADDRESSES, "--backup-ca", __file__, "--backup-fingerprint", PIN], "not allowed with"),
        (["check", *ADDRESSES, "--wsdl", "/nowhere/own.wsdl"], "/nowhere/own.wsdl"),
        (["plan", *ADDRESSES, "--parts", "users"], "part that does not exist"),
        (["plan", *ADDRESSES, "--allow-network", "loopback"], "CIDR"),
        (["plan", *ADDRESSES, "--primary-password", "x"], "unrecognized"),
        (["push", *ADDRESSES], "invalid choice"),
        ([], "required"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2_and_says_why(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_request(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_it_needs_no_module_that_only_posix_has_and_none_of_the_sdk_beyond_its_errors(tmp_path: Path) -> None:
    absent = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "boto3")
    program = f"""
import sys
for name in {absent!r}:
    sys.modules[name] = None
sys.argv = ["trial", "check", "--help"]
import runpy
runpy.run_module("local.trial", run_name="__main__")
"""
    done = subprocess.run(  # noqa: S603 # this repository's program
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--primary HOST:PORT" in done.stdout
