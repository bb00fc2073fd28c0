"""``cerbsync apply``: shows what differs, looks at new servers, asks, takes the passwords, and does it."""

from pathlib import Path
from typing import Any

from cerbsync import deployed as deployed_state
from cerbsync.api import ApiRefused
from cerbsync.changes import PRIMARY, Change, changes_of, described, hash_of, unlisted
from cerbsync.display import show_report, tell_certificate
from cerbsync.errors import CommandFailed, Exit
from cerbsync.fleet_file import Fleet
from cerbsync.passwords import passwords_for
from cerbsync.session import Session
from cerbsync.text import address_of, count, joined, one_line

_STYLES = {"+": "added", "-": "removed", "~": "changed"}


def apply_fleet(
    session: Session, fleet: Fleet, file: Path, *, prune: bool, dry_run: bool, yes: str, descriptor: int | None
) -> Exit:
    """Apply the file; return the exit status, ``DIFFERS`` for a dry run with changes. Raises CommandFailed."""
    output = session.output
    output.say("Reading what is registered ...")
    present = deployed_state.read(session.api)
    changes = changes_of(fleet, present, prune=prune)
    kept = [] if prune else unlisted(fleet, present)
    if kept:
        output.say(f"Not in {file}, and left alone: {joined(kept)} (--prune removes them).", "warn")
    if not changes:
        output.document({"changes": [], "hash": "", "applied": False})
        output.show("No changes: the stack is as the file says.", "good")
        return Exit.OK
    whole = hash_of(changes)
    for change in changes:
        for line in described(change):
            output.show(line, _STYLES.get(line[:1], ""))
    _look_at_new(session, changes)
    output.show(f"Hash of these changes: {whole}", "quiet")
    if dry_run:
        output.document(_document(changes, whole, [], applied=False))
        return Exit.DIFFERS
    options = f"{'' if file == Path('fleet.yaml') else f' --file {file}'}{' --prune' if prune else ''}"
    output.confirm(
        f"Make {count(len(changes), 'change')}?",
        hash_given=yes,
        hash_wanted=whole,
        repeat=f"cerbsync apply{options} --yes {whole[:12]}",
    )
    needed = {change.server: _asked_for(change) for change in changes if change.asks}
    passwords = passwords_for(needed, output, descriptor)
    return _carry_out(session, changes, whole, passwords)


def _asked_for(change: Change) -> str:
    return f"{change.server}: {one_line(change.body['username'])} at {address_of(change.body)}"


def _look_at_new(session: Session, changes: list[Change]) -> None:
    """Look at every server that would get a password, as the stack sees it, before anybody types one."""
    for change in changes:
        if change.goes_to is None:
            continue
        host, port, trust = change.goes_to
        session.output.say(f"Looking at {change.server} ({address_of(change.body)}) ...")
        try:
            report = session.api.post("check", body={"host": host, "port": port, "tls": trust})
        except ApiRefused as error:
            if error.reason not in ("route_unknown", "method_not_allowed", "not_permitted"):
                raise
            return  # an older stack looks at a server when it is registered
        tell_certificate(session.output, change.server, report)


def _carry_out(session: Session, changes: list[Change], whole: str, passwords: dict[str, str]) -> Exit:
    output = session.output
    reports: list[dict[str, Any]] = []
    for number, change in enumerate(changes, 1):
        name = change.server or "settings"
        output.say(f"[{number}/{len(changes)}] {change.verb} {name} ...")
        try:
            answer = _sent(session, change, passwords.get(change.server))
        except CommandFailed as error:
            done = (
                f"{number - 1} of {len(changes)} changes were made before this" if number > 1 else "nothing was changed"
            )
            raise CommandFailed(
                error.reason,
                f"{error.message} ({done})",
                error.next_step or "mend it, and type `cerbsync apply` again: it does what is left",
                server=change.server,
                status=error.status,
                details=error.details,
            ) from None
        if "check" in answer:
            reports.append(answer["check"])
    output.document(_document(changes, whole, reports, applied=True))
    for report in reports:
        show_report(session, report)
    output.show(f"{count(len(changes), 'change')} made.", "good")
    failed = [report["server"] for report in reports if not report["passed"]]
    if failed:
        output.say(f"Registered, and not usable yet: {joined(failed)}.", "bad")
        output.advise(
            "Mend what is said above, then:",
            "cerbsync apply",
            f"cerbsync check {' '.join(failed)}".replace(f" {PRIMARY}", " --primary"),
        )
        return Exit.PARTIAL
    registered = [change.server for change in changes if change.verb == "register" and change.server != PRIMARY]
    if registered:
        output.advise(
            "Nothing has been written to the new backups. To compare, to read a plan, and to let a run write:",
            "cerbsync run --dry-run --wait",
            f"cerbsync plan {registered[0]}",
            "cerbsync run --wait",
        )
    return Exit.OK


def _sent(session: Session, change: Change, password: str | None) -> dict[str, Any]:
    body = {**change.body, "password": password} if change.asks else change.body
    match change.method:
        case "POST":
            return session.api.post(*change.path, body=body)
        case "PUT":
            return session.api.put(*change.path, body=body, version=change.version)
        case "PATCH":
            return session.api.patch(*change.path, body=body, version=change.version)
        case _:
            return session.api.delete(*change.path, version=change.version)


def _document(changes: list[Change], whole: str, reports: list[dict[str, Any]], *, applied: bool) -> dict[str, Any]:
    listed = [
        {
            "action": change.verb,
            "server": change.server,
            "fields": [{"name": name, "before": before, "after": after} for name, before, after in change.fields],
        }
        for change in changes
    ]
    return {"changes": listed, "hash": whole, "checks": reports, "applied": applied}
