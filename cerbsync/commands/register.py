"""Commands that register servers and set the fleet: init, apply, export, import."""

from pathlib import Path
from typing import Annotated

import typer

from cerbsync.commands.decide import Yes
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.session import Session, command

PANEL = "Register"

File = Annotated[Path, typer.Option("--file", "-f", help="The fleet file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
Descriptor = Annotated[
    int | None,
    typer.Option(
        "--passwords-fd",
        metavar="N",
        min=0,
        help="Read passwords from this file descriptor, as JSON by server (0: input).",
    ),
]
_FLEET = Path("fleet.yaml")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, "init", panel=PANEL)(init)
    command(app, "apply", panel=PANEL)(apply)
    command(app, "export", panel=PANEL)(export)
    command(app, "import", panel=PANEL)(import_list)


def init(session: Session, file: File = _FLEET, force: Force = False) -> Exit:
    """Ask for each server's address and user name, show the certificates to compare, and write fleet.yaml."""
    from cerbsync.interview import ask_fleet

    if not session.output.asks:
        raise CommandFailed(
            Problem.NEEDS_CONFIRMATION,
            "init asks questions, and nobody can be asked here",
            "write fleet.yaml by hand (docs/fleet.schema.json), or `cerbsync export` it from a stack",
            status=Exit.USAGE,
        )
    return ask_fleet(session, file, replace=force)


def apply(
    session: Session,
    file: File = _FLEET,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove registered backups that the file does not list.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; change nothing.")] = False,
    yes: Yes = "",
    passwords_fd: Descriptor = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: status 6 if anything would change.")
    ] = False,
) -> Exit:
    """Make the registrations, the schedule and the limits as fleet.yaml says: shows what differs, asks, does it."""
    from cerbsync import fleet_file
    from cerbsync.registration import apply_fleet

    fleet = fleet_file.read(file)
    outcome = apply_fleet(session, fleet, file, prune=prune, dry_run=dry_run, yes=yes, descriptor=passwords_fd)
    return Exit.OK if outcome is Exit.DIFFERS and not exit_code else outcome


def export(
    session: Session,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Write this file (default: standard output).")
    ] = None,
    force: Force = False,
) -> Exit:
    """Write fleet.yaml from what is deployed."""
    from cerbsync import deployed, fleet_file
    from cerbsync.yaml_text import dumped

    document = deployed.as_file(deployed.read(session.api))
    output = session.output
    if "primary" not in document:
        raise CommandFailed(
            "primary_not_registered",
            "no primary is registered, so there is no fleet to write",
            "`cerbsync init` begins one",
        )
    output.document(document)
    if file is None:
        output.show(dumped(document).rstrip("\n"))
    else:
        fleet_file.write(file, document, replace=force)
        output.say(f"Wrote {file}. `cerbsync apply --file {file}` says that nothing differs.")
    return Exit.OK


def import_list(session: Session, file: File = _FLEET, force: Force = False) -> Exit:
    """Write the list of the primary's own Synchronization Manager into fleet.yaml, to look at and to apply."""
    from cerbsync.native_list import take_over

    return take_over(session, file, replace=force)
