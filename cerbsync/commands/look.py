"""Commands that look and change nothing: status, plan, check, history, snapshots."""

import sys
import time
from typing import Annotated, Any

import typer

from cerbsync.display import show_report
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.output import add_row, new_table
from cerbsync.session import Session, command
from cerbsync.states import exit_status, message_of, state_of, state_of_result
from cerbsync.text import address_of, ago, count, joined, local_time, one_line

PANEL = "Look"

ExitCode = Annotated[bool, typer.Option("--exit-code", help="Tell the state by the exit status, too.")]
Backup = Annotated[str, typer.Argument(metavar="ID", help="Id of the backup, or a unique beginning of it.")]
Backups = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of backups (default: all).")]
_WATCH_SECONDS = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, "status", panel=PANEL)(status)
    command(app, "plan", panel=PANEL)(plan)
    command(app, "check", panel=PANEL)(check)
    command(app, "history", panel=PANEL)(history)
    command(app, "snapshots", panel=PANEL)(snapshots)


def status(
    session: Session,
    exit_code: ExitCode = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every 5 seconds, until Ctrl-C.")] = False,
) -> Exit:
    """Show the primary and all backups, problems first, each with the next command."""
    if watch and not (sys.stdout.isatty() or session.output.as_json):
        raise CommandFailed(Problem.USAGE, "--watch needs a terminal", "leave it out, or add --json", status=Exit.USAGE)
    while True:
        answer = _show_status(session, clears=watch)
        if not watch:
            return answer if exit_code else Exit.OK
        time.sleep(_WATCH_SECONDS)


def _show_status(session: Session, *, clears: bool) -> Exit:
    output = session.output
    primary = _primary(session)
    entries: list[dict[str, Any]] = []
    unreadable: list[dict[str, Any]] = []
    for page in session.api.pages("backups"):
        entries += page["backups"]
        unreadable += page["unreadable"]
    rated = sorted(((state_of(entry), entry) for entry in entries), key=lambda pair: (pair[0].rank, pair[1]["id"]))
    document = {
        "primary": primary,
        "backups": [{**entry, "state": state.word, "next_step": state.next_step} for state, entry in rated],
        "unreadable": unreadable,
    }
    output.event(document) if clears else output.document(document)
    if clears and not output.as_json:
        output.out.clear()
        output.show(f"{local_time(session.now.isoformat())}, every {_WATCH_SECONDS:.0f} s, Ctrl-C ends it", "quiet")
    rows = new_table("SERVER", "ADDRESS", "STATE", "VERIFIED", "NEXT")
    if primary is None:
        add_row(rows, (("primary", "name"), "-", ("not registered", "bad"), "", ("cerbsync init", "command")))
    else:
        held = bool(primary["held"])
        word, style, next_step = ("HELD", "bad", "cerbsync resume --fleet") if held else ("primary", "", "")
        add_row(rows, (("primary", "name"), address_of(primary), (word, style), "", (next_step, "command")))
    for state, entry in rated:
        verified = ago((entry.get("last_result") or {}).get("verified_at"), session.now)
        add_row(
            rows,
            (
                (one_line(entry["id"]), "name"),
                address_of(entry),
                (state.word, state.style),
                verified,
                (state.next_step, "command"),
            ),
        )
    output.table(rows)
    for state, entry in rated:
        result = entry.get("last_result")
        if entry["paused"]:
            output.say(f"{one_line(entry['id'])}: paused, because {one_line(entry['paused'])}", "warn")
        elif result and state.exit_status in (Exit.FAILED, Exit.WAITS):
            output.say(f"{one_line(entry['id'])}: {message_of(entry['id'], result)}", "warn")
    if primary and primary["held"]:
        output.say(f"primary: {one_line(primary['held'])}", "warn")
    for entry in unreadable:
        output.say(f"{one_line(entry['id'])}: its record cannot be read: {one_line(entry['complaint'])}", "bad")
    if not entries and not unreadable:
        output.advise("No backup is registered. To register:", "cerbsync init", "cerbsync apply")
    if unreadable:
        return Exit.FAILED
    return exit_status(state for state, _ in rated)


def _primary(session: Session) -> dict[str, Any] | None:
    from cerbsync.api import ApiRefused

    try:
        return session.api.get("primary")
    except ApiRefused as error:
        if error.http_status == 404 and error.reason == "primary_not_registered":
            return None
        raise


def plan(
    session: Session,
    backup: Backup,
    snapshot: Annotated[str, typer.Option("--restore", metavar="SNAPSHOT", help="The plan of a restore.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Show long lists as a whole.")] = False,
    exit_code: ExitCode = False,
) -> Exit:
    """Show what a run would change on a backup, read from both servers now. Secrets are masked."""
    from cerbsync.display import is_empty, show_plan
    from cerbsync.ids import backup_id, snapshot_key

    output = session.output
    name = backup_id(session.api, backup)
    key = snapshot_key(session.api, name, snapshot) if snapshot else None
    output.say(f"Reading the primary and {name} ..." if key is None else f"Reading {name} and its snapshot ...")
    answer = session.api.get("backups", name, "plan", snapshot=key)
    output.document(answer)
    show_plan(output, answer, everything=everything)
    if is_empty(answer):
        output.say(f"{name} is equal; nothing would be written.", "good")
        return Exit.OK
    again = f"cerbsync restore {name} {snapshot}" if snapshot else f"cerbsync approve {name}"
    waits = bool(answer["blocked"])
    meant = again if waits or snapshot else f"cerbsync run {name} --plan {answer['hash'][:12]} --wait"
    output.advise("If this is meant:", meant)
    output.advise(
        "If not, mend the primary. Until then, nothing is written to the backup after:",
        f"cerbsync pause {name} --why TEXT",
    )
    if not exit_code:
        return Exit.OK
    return Exit.WAITS if waits else Exit.DIFFERS


def check(
    session: Session,
    backups: Backups = None,
    primary: Annotated[bool, typer.Option("--primary", help="Check the primary, too (without ids: always).")] = False,
) -> Exit:
    """Try servers: name, port, certificate, log-in, version, licence. Writes nothing to them."""
    from cerbsync.ids import backup_id

    names = [backup_id(session.api, typed) for typed in backups or ()]
    paths: list[tuple[str, ...]] = [("primary", "check")] if primary or not names else []
    if not names:
        names = [entry["id"] for entry in session.api.entries("backups", of="backups")]
    paths += [("backups", name, "check") for name in names]
    reports = []
    for path in paths:
        session.output.say(f"Checking {path[-2]} ...")
        reports.append(session.api.post(*path))
        show_report(session, reports[-1])
    session.output.document({"checks": reports})
    passed = [report["passed"] for report in reports]
    if all(passed):
        return Exit.OK
    return Exit.PARTIAL if any(passed) else Exit.FAILED


def history(
    session: Session,
    backup: Annotated[str, typer.Argument(metavar="[ID]", help="Results of this backup (default: all runs).")] = "",
    run: Annotated[
        str, typer.Option("--run", metavar="RUN", help="One run with its results: an id, its beginning, or latest.")
    ] = "",
    most: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
) -> Exit:
    """Show runs, the results of a backup, or one run as a whole."""
    from cerbsync.follow import conclude, followed
    from cerbsync.ids import backup_id, run_id

    output = session.output
    if run:
        if backup:
            raise CommandFailed(
                Problem.USAGE, "give an id or --run, not both", "leave one of them out", status=Exit.USAGE
            )
        return conclude(session, *followed(session, run_id(session.api, run)))
    if backup:
        name = backup_id(session.api, backup)
        results = session.api.entries("backups", name, "history", of="results", most=most)
        output.document({"results": results})
        rows = new_table("WHEN", "RUN", "STATE", "CHANGED", "WHY")
        for result in results:
            state = state_of_result(result)
            changed = joined([part["part"] for part in result["parts"] if part["status"] == "pushed"], 3)
            add_row(
                rows,
                (
                    local_time(result["attempted_at"]),
                    result["run_id"],
                    (state.word, state.style),
                    changed,
                    message_of(name, result),
                ),
            )
        output.table(rows)
        if not results:
            output.say(f"No run has compared {name} yet.")
        return Exit.OK
    runs = session.api.entries("sync-runs", of="runs", most=most)
    output.document({"runs": runs})
    rows = new_table("STARTED", "RUN", "BY", "STATUS", "BACKUPS")
    for entry in runs:
        counts = joined([f"{number} {one_line(word)}" for word, number in entry["counts"].items()], 8)
        by = one_line(entry["requested_by"] or entry["trigger"])
        add_row(rows, (local_time(entry["started_at"]), entry["id"], by, _run_status(entry), counts))
    output.table(rows)
    if not runs:
        output.say("No run has been recorded yet.")
    return Exit.OK


def _run_status(run: dict[str, Any]) -> tuple[str, str]:
    styles = {"succeeded": "good", "partial": "warn", "failed": "bad"}
    word = one_line(run["status"]).replace("_", " ")
    return f"{word}{' (dry run)' if run['dry_run'] else ''}", styles.get(run["status"], "")


def snapshots(
    session: Session,
    backup: Backup,
    most: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
) -> Exit:
    """List what was kept of a backup before it was written to, newest first."""
    from cerbsync.ids import backup_id

    output = session.output
    name = backup_id(session.api, backup)
    answer = session.api.entries("backups", name, "snapshots", of="snapshots", most=most)
    output.document({"snapshots": answer})
    rows = new_table("KEPT AT", "BY RUN", "SIZE", "PARTS", "")
    for entry in answer:
        former = ("of an earlier registration", "warn") if entry["former"] else ""
        parts = count(len(entry["parts"]), "part")
        add_row(rows, (local_time(entry["at"]), entry["run_id"], f"{-(-entry['size'] // 1024):,} KB", parts, former))
    output.table(rows)
    if answer:
        output.advise(
            "To look at a restore, and to restore:",
            f"cerbsync plan {name} --restore latest",
            f"cerbsync restore {name} latest",
        )
    else:
        output.say(f"Nothing was written to {name} yet, so no snapshot was kept.")
    return Exit.OK
