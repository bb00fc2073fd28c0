"""``cerbsync import``: the list of the primary's own Synchronization Manager becomes part of the fleet file."""

from pathlib import Path
from typing import Any

from cerbsync import deployed, fleet_file
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.interview import looked_at
from cerbsync.output import add_row, new_table
from cerbsync.session import Session
from cerbsync.text import address_of, one_line


def take_over(session: Session, file: Path, *, replace: bool) -> Exit:
    """Read the list, look at each server's certificate, and write the file with what is deployed and the list.

    Nothing is registered: `cerbsync apply` shows what it would do first. Raises CommandFailed.
    """
    output = session.output
    output.say("Reading the list of the primary's Synchronization Manager ...")
    report = session.api.post("backups", "import", body={"dry_run": True})
    document = deployed.as_file(deployed.read(session.api))
    backups: dict[str, Any] = document["backups"]
    rows = new_table("SERVER", "ADDRESS", "USER NAME", "IN THE FILE AS")
    for entry in report["backups"]:
        name = _id_of(entry, backups)
        if entry["action"] == "already_registered":
            outcome: tuple[str, str] = (f"{name} (registered already)", "quiet")
        elif entry["action"] == "refused":
            outcome = (f"left out: {one_line(entry['detail'])}", "bad")
        else:
            backups[name] = _server(session, entry)
            outcome = (name, "good")
        add_row(rows, (one_line(entry["host"]), address_of(entry), one_line(entry["username"]), outcome))
    output.document({"native": report["native"], "warnings": report["warnings"], "fleet": document})
    output.table(rows)
    for warning in report["warnings"]:
        output.say(f"Note: {one_line(warning)}", "warn")
    if report["more"]:
        output.say(f"Note: {report['more']} further entries of the list were not read.", "warn")
    if not report["backups"]:
        raise CommandFailed(
            Problem.NOTHING_TO_DO, "the primary's own list names no server", "`cerbsync init` asks for the servers"
        )
    fleet_file.write(file, document, replace=replace)
    output.say(f"Wrote {file}.")
    output.advise("Look at it, compare the fingerprints, then register:", "cerbsync apply")
    if report["native"]["enabled"]:
        output.say("Switch the primary's own Synchronization Manager off before: two of them would write.", "warn")
    return Exit.OK


def _id_of(entry: dict[str, Any], taken: dict[str, Any]) -> str:
    if entry["id"]:
        return str(entry["id"])
    wanted = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in entry["host"].lower())
    name = wanted.strip("-")[:50] or "backup"
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name}-{number}"
        number += 1
    return candidate


def _server(session: Session, entry: dict[str, Any]) -> dict[str, Any]:
    server: dict[str, Any] = {name: entry[name] for name in ("host", "port", "username")}
    if not entry["enabled"]:
        server["enabled"] = False
    report = looked_at(session, server)
    certificate = report.get("certificate") if report else None
    if certificate and not certificate["trusted"]:
        fingerprint = one_line(certificate["fingerprint"])
        if session.output.asks and session.output.ask_yes(f"  Does the server's own console show {fingerprint}?"):
            server["pins"] = [fingerprint]
    return server
