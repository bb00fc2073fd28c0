"""Commands about the fleet as a whole: promote, schedule, doctor."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cerbsync.commands.look import Backup
from cerbsync.commands.register import File
from cerbsync.display import show_report
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.session import Session, command
from cerbsync.text import address_of, one_line

PANEL = "Look after the fleet"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, "schedule", panel=PANEL)(schedule)
    command(app, "promote", panel=PANEL)(promote)
    command(app, "doctor", panel=PANEL)(doctor)
    command(app, "login", panel=PANEL)(login)


def schedule(
    session: Session,
    switch: Annotated[str, typer.Argument(metavar="[on|off]", help="Switch scheduled runs on or off.")] = "",
    every: Annotated[
        int | None, typer.Option("--every", metavar="MINUTES", min=1, help="Minutes between runs.")
    ] = None,
) -> Exit:
    """Show when runs come by themselves, switch that on or off, or set the interval."""
    if switch not in ("", "on", "off"):
        raise CommandFailed(
            Problem.USAGE,
            f"{one_line(switch)} is neither on nor off",
            "`cerbsync schedule on --every 15`",
            status=Exit.USAGE,
        )
    body: dict[str, Any] = {}
    if switch:
        body["enabled"] = switch == "on"
    if every is not None:
        body["interval_minutes"] = every
    settings = session.api.patch("sync-settings", body=body) if body else session.api.get("sync-settings")
    output = session.output
    output.document(settings)
    interval = settings["interval_minutes"]
    when = f"every {interval} minutes" if interval else "by a schedule that was set in EventBridge"
    if settings["enabled"]:
        output.show(f"Scheduled runs are on: {when}.", "good")
    else:
        output.show(f"Scheduled runs are OFF; switched on, they would come {when}.", "warn")
        output.advise("To switch them on:", "cerbsync schedule on")
    if settings["on_change_polling"]:
        output.show("The primary is looked at every minute, and a change starts a run.")
    for note in settings["schedule_notes"]:
        output.say(f"Note: {one_line(note)}", "warn")
    return Exit.OK


def promote(
    session: Session,
    backup: Backup,
    former: Annotated[str, typer.Option("--former-id", metavar="ID", help="Id of the old primary as a backup.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Promote in spite of what speaks against it.")] = False,
    yes: Annotated[
        str, typer.Option("--yes", metavar="ID", help="Confirm by the backup's whole id, without a question.")
    ] = "",
) -> Exit:
    """Make a backup the primary. Nothing is pushed after it, until somebody resumes the fleet."""
    from cerbsync.ids import backup_id

    output = session.output
    name = backup_id(session.api, backup)
    registered = session.api.get("backups", name)
    result = registered.get("last_result")
    output.show(f"{name} ({address_of(registered)}) becomes the primary of all other servers.")
    output.show(f"Its last result: {one_line(result['message']) if result else 'it was never compared'}")
    _confirm_by_name(session, name, yes)
    body: dict[str, Any] = {"backup_id": name}
    if former:
        body["former_id"] = former
    if force:
        body["force"] = True
    promoted = session.api.post("primary", "promote", body=body)
    output.document(promoted)
    output.show(
        f"{name} is the primary now; the former one is the backup {one_line(promoted['former']['id'])}.", "good"
    )
    show_report(session, promoted["check"])
    for line in promoted["concerns"]:
        output.say(f"Overruled: {one_line(line)}", "warn")
    for line in promoted["warnings"]:
        output.say(f"To do: {one_line(line)}", "warn")
    output.advise(
        "Nothing is pushed until you say that the new direction is meant:", "cerbsync status", "cerbsync resume --fleet"
    )
    return Exit.OK


def _confirm_by_name(session: Session, name: str, yes: str) -> None:
    output = session.output
    if yes == name:
        return
    if yes or not output.asks:
        raise CommandFailed(
            Problem.NEEDS_CONFIRMATION,
            f"--yes names {one_line(yes)}"
            if yes
            else "a promotion is confirmed by typing the id, and nobody can be asked here",
            f"type `cerbsync promote {name} --yes {name}`",
            server=name,
            status=Exit.NOT_CONFIRMED,
        )
    if output.ask(f"Type {name} to promote it: ").strip() != name:
        raise CommandFailed(
            Problem.NOT_CONFIRMED,
            "not confirmed; nothing was done",
            f"type `cerbsync promote {name}` again",
            status=Exit.NOT_CONFIRMED,
        )


def doctor(session: Session, file: File = Path("fleet.yaml")) -> Exit:
    """Look for what is wrong with the log-in, the stack, the clock and the schedule, each with its remedy."""
    from cerbsync.diagnosis import diagnose

    return diagnose(session, file)


def login(
    session: Session,
    domain: Annotated[
        str, typer.Option("--domain", envvar="CERBSYNC_DOMAIN", help="Address of the user pool's log-in page.")
    ],
    client_id: Annotated[
        str, typer.Option("--client-id", envvar="CERBSYNC_CLIENT_ID", help="Id of the pool's app client.")
    ],
) -> Exit:
    """Log in with the browser, for a stack that has a Cognito user pool. The key store of this machine keeps it."""
    import webbrowser

    from cerbsync.login import KeyStore, log_in
    from cerbsync.stack import checked_url

    place = checked_url(domain)
    session.output.say(f"Logging in for the API at {session.deployment.url}.")
    KeyStore().store(session.deployment.url, log_in(place, client_id, webbrowser.open, session.output.say))
    session.output.show("Logged in.", "good")
    session.output.advise("To see how things are:", "cerbsync status")
    return Exit.OK
