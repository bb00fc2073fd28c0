"""Wrong inputs, each with the message that tells how to mend it."""

from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.unit.cerbsync.test_apply import FLEET

MISTAKES = {
    "a word for a port": (
        ("port: 9443", "port: soap"),
        "line 17: backups.ftp3.port: has to be a whole number, without quotes",
    ),
    "a port that is none": (("port: 9443", "port: 70000"), "backups.ftp3.port: has to be at most 65535"),
    "no port": (("    port: 9443\n", ""), "line 15: backups.ftp3.port: is missing"),
    "a misspelled key": (("    username: root", "    user: root"), "line 18: backups.ftp3.user: is no known key"),
    "a password": (
        ("    username: root", "    username: root\n    password: x"),
        "backups.ftp3.password: is no known key",
    ),
    "half a fingerprint": (
        (f"pins: [{'ab' * 32}]\nbackups", "pins: [abab]\nbackups"),
        "a fingerprint has 64 hexadecimal digits",
    ),
    "an id with capitals": (
        ("  ftp3:", "  FTP3:"),
        "FTP3 cannot be an id of a backup: use small letters, digits and hyphens",
    ),
    "the primary's id": (("  ftp3:", "  primary:"), "primary cannot be an id of a backup"),
    "an id that is a number": (("  ftp3:", "  33:"), "line 15: backups.33: has to be a text; put a number"),
    "a tag that is a number": (
        ("site: Vienna", "floor: 3"),
        "backups.ftp2.tags.floor: has to be a text; put a number or truth value in",
    ),
    "a truth value in words": (("interval_minutes: 30", "enabled: yes"), "schedule.enabled: has to be true or false"),
    "two trusts": (("    keep:", "    ca: own.pem\n    keep:"), "backups.ftp2: give pins or ca, not both"),
    "a missing certificate": (
        ("    username: root", "    username: root\n    ca: own.pem"),
        "ftp3: ca: own.pem cannot be read (FileNotFoundError)",
    ),
    "one key twice": (
        ("    username: root", "    username: root\n    username: admin"),
        "line 19: username is there twice",
    ),
    "an alias": (("  ftp3:", "  ftp3: &x"), "line 15: anchors and aliases (& and *) are not supported"),
    "a tabulator": (("    port: 9443", "\tport: 9443"), "line 17: "),
    "a list instead of keys": (
        ("schedule:\n  interval_minutes: 30", "schedule: [30]"),
        "schedule: has to be keys with values",
    ),
    "an interval of no minutes": (
        ("interval_minutes: 30", "interval_minutes: 0"),
        "schedule.interval_minutes: has to be at least 1",
    ),
    "an unknown part": (
        ("    keep:", "    parts: [people]\n    keep:"),
        "backups.ftp2.parts.0: has to be one of 'settings', 'authentication'",
    ),
    "a share above one": (("removal_floor: 5", "removal_share: 10"), "limits.removal_share: has to be at most 1"),
    "another version": (("version: 1", "version: 2"), "line 1: version: has to be one of 1"),
    "one address twice": (
        ("ftp3.example\n    port: 9443", "ftp2.example\n    port: 8443"),
        "ftp3: ftp3 has the address of ftp2",
    ),
}


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_in_the_file_is_told_with_its_place(cerbsync: CommandLine, change: str) -> None:
    (before, after), message = MISTAKES[change]
    assert before in FLEET
    Path("fleet.yaml").write_text(FLEET.replace(before, after, 1), "utf-8")
    ended = cerbsync("apply", "--dry-run")
    assert ended.status == 2
    assert message in " ".join(ended.err.split())
    assert "Next: " in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("- a\n", "line 1: it has to begin with keys such as version"),
        ("version: 1\n", "primary: is missing"),
        ("a: [" * 40, "fleet.yaml"),
        ("\x00", "characters that YAML does not allow"),
        ("x: " + "y" * 1_000_001, "it has more than 1,000,000 characters"),
    ],
)
def test_a_text_that_is_no_fleet_is_refused(cerbsync: CommandLine, text: str, message: str) -> None:
    Path("fleet.yaml").write_text(text, "utf-8")
    ended = cerbsync("apply", "--dry-run")
    assert (ended.status, message in ended.err) == (2, True), ended.err


def test_many_mistakes_are_told_together(cerbsync: CommandLine) -> None:
    Path("fleet.yaml").write_text(FLEET.replace("port: ", "port: x"), "utf-8")
    ended = cerbsync("apply", "--dry-run")
    assert "fleet.yaml has 3 mistakes" in ended.err
    assert ended.err.count("has to be a whole number") == 3


COMMANDS = {
    ("apply",): (2, "there is no file fleet.yaml", "cerbsync init"),
    ("apply", "--file", "other.yaml"): (2, "there is no file other.yaml", "cerbsync init"),
    ("init",): (2, "init asks questions, and nobody can be asked here", "fleet.schema.json"),
    ("plan", "ftp9"): (2, "there is no backup ftp9", "cerbsync status"),
    ("plan",): (2, "Missing argument 'ID'", "cerbsync plan --help"),
    ("pause", "ftp9"): (2, "Missing option '--why'", "cerbsync pause --help"),
    ("resume",): (2, "give one ID, or --fleet", "cerbsync status"),
    ("run", "--plan", "abcd"): (2, "--plan is about one backup", "name that backup"),
    ("history", "ftp2", "--run", "latest"): (2, "give an id or --run, not both", "leave one of them out"),
    ("history", "--run", "latest"): (2, "there is no run latest", "cerbsync history"),
    ("history", "--limit", "0"): (2, "--limit", "cerbsync history --help"),
    ("schedule", "often"): (2, "often is neither on nor off", "cerbsync schedule on --every 15"),
    ("status", "--watch"): (2, "--watch needs a terminal", "--json"),
    ("statsu",): (2, "No such command 'statsu'", "--help"),
    ("status", "--jsn"): (2, "No such option: --jsn", "cerbsync status --help"),
    ("export",): (1, "no primary is registered", "cerbsync init"),
    ("check",): (1, "no primary is registered", ""),
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_wrong_command_tells_what_to_type(cerbsync: CommandLine, arguments: tuple[str, ...]) -> None:
    status, message, next_step = COMMANDS[arguments]
    ended = cerbsync(*arguments)
    assert (ended.status, ended.out) == (status, "")
    assert message in ended.err
    assert next_step in ended.err


def test_an_error_is_one_json_document_for_a_program(cerbsync: CommandLine) -> None:
    ended = cerbsync("plan", "ftp9", "--json")
    assert ended.out == ""
    assert ended.error == {
        "reason": "unknown_name",
        "server": "",
        "message": "there is no backup ftp9",
        "next_step": "`cerbsync status` lists all",
        "details": [],
        "status": 2,
    }
