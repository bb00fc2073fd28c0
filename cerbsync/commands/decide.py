"""Commands that write to backups, or let a run write: run, approve, pause, resume, restore."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cerbsync.commands.look import Backup, Backups
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.session import Session, command
from cerbsync.text import one_line

PANEL = "Decide"

Yes = Annotated[
    str, typer.Option("--yes", metavar="HASH", help="Confirm exactly what has this hash, without a question.")
]
Everything = Annotated[bool, typer.Option("--all", help="Show long lists as a whole.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    command(app, "run", panel=PANEL)(run)
    command(app, "approve", panel=PANEL)(approve)
    command(app, "pause", panel=PANEL)(pause)
    command(app, "resume", panel=PANEL)(resume)
    command(app, "restore", panel=PANEL)(restore)


def run(
    session: Session,
    backups: Backups = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run until it has ended.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare only; write nothing.")] = False,
    plan: Annotated[
        str, typer.Option("--plan", metavar="HASH", help="Do exactly this plan of one backup, or nothing.")
    ] = "",
    accept_primary: Annotated[
        bool, typer.Option("--accept-primary", help="The primary is meant to be as it is, though it looks emptied.")
    ] = False,
) -> Exit:
    """Start a run over all backups or the named ones. It approves nothing: what waits for an approval, waits on."""
    from cerbsync.ids import backup_id

    names = [backup_id(session.api, typed) for typed in backups or ()]
    body: dict[str, Any] = {"dry_run": dry_run}
    if names:
        body["backups"] = names
    if plan:
        body["plan_hash"] = _whole_hash(session, names, plan)
    if accept_primary:
        body["accept_primary"] = True
    return _start(session, ("sync-runs",), body, wait=wait)


def _whole_hash(session: Session, names: Sequence[str], typed: str) -> str:
    """The hash of the backup's present plan, which begins with ``typed``. Raises CommandFailed."""
    if len(names) != 1:
        raise CommandFailed(Problem.USAGE, "--plan is about one backup", "name that backup", status=Exit.USAGE)
    if len(typed) == 64:
        return typed
    current = str(session.api.get("backups", names[0], "plan")["hash"])
    if len(typed) < 8 or not current.startswith(typed):
        raise CommandFailed(
            Problem.HASH_DIFFERS,
            f"the plan of {names[0]} is another one now, or {one_line(typed)} has less than 8 digits",
            f"`cerbsync plan {names[0]}` shows the present plan",
            server=names[0],
            status=Exit.NOT_CONFIRMED,
        )
    return current


def _start(session: Session, path: tuple[str, ...], body: dict[str, Any], *, wait: bool) -> Exit:
    from cerbsync.follow import conclude, followed

    started = session.api.post(*path, body=body)
    output = session.output
    if not wait:
        output.document(started)
        output.show(f"Run {started['id']} has been requested.")
        output.advise("To follow it:", f"cerbsync history --run {started['id']}")
        return Exit.OK
    output.say(f"Run {started['id']} has been requested.")
    return conclude(session, *followed(session, started["id"]))


def approve(
    session: Session,
    backups: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of backups, or unique beginnings of them.")
    ],
    yes: Yes = "",
    everything: Everything = False,
) -> Exit:
    """Show the plans that wait, ask, approve exactly these plans, run them, and tell how to undo it."""
    from cerbsync.approval import approve_plans
    from cerbsync.ids import backup_id

    names = list(dict.fromkeys(backup_id(session.api, typed) for typed in backups))
    return approve_plans(session, names, yes=yes, everything=everything)


def pause(
    session: Session,
    backup: Backup,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for whoever looks next.")],
) -> Exit:
    """Have nothing written to a backup until it is resumed. Runs go on comparing it."""
    from cerbsync.ids import backup_id

    name = backup_id(session.api, backup)
    session.output.document(session.api.post("backups", name, "pause", body={"why": why}))
    session.output.show(f"{name} is paused.")
    session.output.advise("To go on:", f"cerbsync resume {name}")
    return Exit.OK


def resume(
    session: Session,
    backup: Annotated[str, typer.Argument(metavar="[ID]", help="Id of the backup.")] = "",
    fleet: Annotated[
        bool, typer.Option("--fleet", help="Push to the whole fleet again after a promotion or a new primary.")
    ] = False,
) -> Exit:
    """Let runs write again: to a paused backup or, after a new primary, to the whole fleet."""
    from cerbsync.ids import backup_id

    if bool(backup) == fleet:
        raise CommandFailed(
            Problem.USAGE, "give one ID, or --fleet", "`cerbsync status` shows what is held", status=Exit.USAGE
        )
    if fleet:
        session.output.document(session.api.post("primary", "resume"))
        session.output.show("Runs push to the fleet again.")
    else:
        name = backup_id(session.api, backup)
        session.output.document(session.api.post("backups", name, "resume"))
        session.output.show(f"{name} is no longer paused.")
    session.output.advise(
        "The next scheduled run writes; to have it now:", f"cerbsync run {'' if fleet else name + ' '}--wait"
    )
    return Exit.OK


def restore(
    session: Session,
    backup: Backup,
    snapshot: Annotated[
        str, typer.Argument(metavar="SNAPSHOT", help="latest, or the id (or its beginning) of the run that kept it.")
    ] = "latest",
    same_machine: Annotated[
        bool, typer.Option("--same-machine", help="A snapshot of an earlier registration is of this very machine.")
    ] = False,
    yes: Yes = "",
    everything: Everything = False,
) -> Exit:
    """Put back what a backup held before a run wrote to it: shows the plan, asks, restores, and pauses the backup."""
    from cerbsync.display import is_empty, show_plan
    from cerbsync.ids import backup_id, snapshot_key

    output = session.output
    name = backup_id(session.api, backup)
    key = snapshot_key(session.api, name, snapshot)
    output.say(f"Reading {name} and its snapshot {key} ...")
    plan = session.api.get("backups", name, "plan", snapshot=key)
    show_plan(output, plan, everything=everything)
    if is_empty(plan):
        output.say(f"{name} holds what the snapshot holds; there is nothing to restore.", "good")
        return Exit.OK
    repeat = f"cerbsync restore {name} {snapshot} --yes {plan['hash'][:12]}"
    output.confirm(f"Restore {name} so?", hash_given=yes, hash_wanted=plan["hash"], repeat=repeat)
    body = {"snapshot": key, "plan_hash": plan["hash"], **({"same_machine": True} if same_machine else {})}
    outcome = _start(session, ("backups", name, "restore"), body, wait=True)
    if outcome is Exit.OK:
        output.advise(
            f"{name} is paused, so that no run undoes the restore. When the primary is as it should be:",
            f"cerbsync resume {name}",
        )
    elif outcome is Exit.WAITS:
        output.advise("The restore itself waits for an approval:", f"cerbsync approve {name}")
    return outcome
