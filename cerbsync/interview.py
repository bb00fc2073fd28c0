"""``cerbsync init``: asks what the native dialog asks, shows certificates, and writes the fleet file."""

import re
from pathlib import Path
from typing import Any

from cerbsync import fleet_file
from cerbsync.api import ApiRefused
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.output import Output
from cerbsync.session import Session
from cerbsync.states import Document
from cerbsync.text import address_of, one_line
from cerbsync.yaml_text import dumped

_USUAL_PORT = 8443
_ID = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")


def ask_fleet(session: Session, file: Path, *, replace: bool) -> Exit:
    """Ask for the primary and the backups; write the file. Raises CommandFailed."""
    output = session.output
    if file.exists() and not replace:
        raise CommandFailed(
            Problem.FILE_EXISTS,
            f"{file} is there already",
            "add servers to it with an editor, give --force to replace it, or --file with another name",
            status=Exit.USAGE,
        )
    output.say(
        "Five questions for each server. Its password is asked for by `cerbsync apply`, and never written to a file."
    )
    output.say("The primary, whose users, groups and settings the others shall have:", "name")
    primary = _server(session)
    backups: dict[str, Any] = {}
    while True:
        output.say("A backup:" if not backups else "The next backup:", "name")
        name = _id(output, backups)
        if not name:
            break
        backups[name] = _server(session)
    if not backups:
        raise CommandFailed(
            Problem.NOT_CONFIRMED,
            "no backup was named; nothing was written",
            "type `cerbsync init` again",
            status=Exit.NOT_CONFIRMED,
        )
    document = {
        "version": 1,
        "primary": primary,
        "backups": backups,
        "schedule": {"enabled": False, "interval_minutes": 15},  # `cerbsync schedule on` follows the first look
    }
    fleet_file.parse(dumped(document), file)  # answers are checked before they are written
    fleet_file.write(file, document, replace=replace)
    output.show(f"Wrote {file}.")
    output.advise("Look at it, then register the servers:", "cerbsync apply")
    return Exit.OK


def _id(output: Output, taken: dict[str, Any]) -> str:
    last = " (Enter: no more)" if taken else ""
    while True:
        answer = output.ask(f"  Id, for example ftp2{last}: ").strip()
        if not answer and taken:
            return ""
        if _ID.match(answer) and answer != "primary" and answer not in taken:
            return answer
        output.say(
            "  Use small letters, digits and hyphens, for example ftp2, and every id once; not the word primary."
        )


def _server(session: Session) -> dict[str, Any]:
    output = session.output
    server: dict[str, Any] = {"host": _asked(output, "Host name or address", "")}
    server["port"] = _port(output)
    server["username"] = _asked(output, "User name of the primary administrator", "admin")
    report = looked_at(session, server)
    if report is None:
        output.say("  The stack did not look at it; `cerbsync apply` shows its certificate.")
        return server
    certificate = report.get("certificate")
    if certificate is None:
        for step in report["requirements"]:
            if step["result"] == "fail":
                output.say(f"  {one_line(step['detail'])} {one_line(step['remedy'])}", "bad")
        return server
    if certificate["trusted"]:
        output.say(
            f"  Its certificate is trusted by public authorities ({one_line(certificate['fingerprint'])}).", "good"
        )
        return server
    output.say(f"  It shows a certificate of {one_line(certificate['subject'])} that nobody vouches for:")
    output.say(f"    {one_line(certificate['fingerprint'])}", "name")
    if output.ask_yes("  Is this the fingerprint that the server's own console shows?"):
        server["pins"] = [certificate["fingerprint"]]
    else:
        output.say("  Then do not send it a password: compare them, and write `pins:` into the file.", "warn")
    return server


def looked_at(session: Session, server: dict[str, Any]) -> Document | None:
    """The stack's report on a server without logging in, None if the stack cannot look (an older one)."""
    session.output.say(f"  Looking at {address_of(server)} from the stack ...")
    try:
        return session.api.post("check", body={"host": server["host"], "port": server["port"]})
    except ApiRefused as error:
        if error.reason in ("route_unknown", "method_not_allowed", "not_permitted"):
            return None
        session.output.say(f"  {error.message} {error.next_step}", "bad")
        return None


def _asked(output: Output, what: str, usual: str) -> str:
    while True:
        answer = output.ask(f"  {what}{f' [{usual}]' if usual else ''}: ").strip() or usual
        if answer:
            return answer


def _port(output: Output) -> int:
    while True:
        answer = _asked(output, "Port of its SOAP service (HTTPS)", str(_USUAL_PORT))
        if re.match(r"^[0-9]{1,5}$", answer) and 1 <= int(answer) <= 65535:
            return int(answer)
        output.say("  A port is a number from 1 to 65535.")
