"""``python -m local.demo``: the product's main job, on one machine, in under three minutes.

A primary with 500 users and three backups are started: one has drifted in
several parts, one is equal, one is down. The real template is deployed by the
real SAM CLI into a local cloud. ``cerbsync`` registers the servers, and shows
the plan of the backup that has drifted. The stack's EventBridge rule does the
rest. Then a backup is edited by hand, and the next scheduled run repairs it.

Ends with status 0 only if the reachable backups are equal to the primary,
have kept every machine-specific value, and the primary was never written to.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from local.cloud import CloudFailed, LocalCloud
from local.command_line import CommandEnded, CommandLine, environment_of, fleet_document, passwords_of
from local.fleet import Deployment, FleetError, Servers, start_servers
from local.tables import table
from registry.run_records import BackupResult, Run

DRIFTED, EQUAL, DOWN = "backup-drifted", "backup-equal", "backup-down"
REACHABLE = (DRIFTED, EQUAL)
USERS, GROUPS = 500, 20
INTERVAL = 60.0
EXIT_PARTIAL = 3
"""The exit status of ``cerbsync apply`` if a registered server does not answer: one of the backups is down."""
PATIENCE = 150.0
"""Seconds to wait for a scheduled run: a new rule first fires after one interval."""


def main() -> int:
    """Run the demo; return 0 if everything is as expected."""
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            problems = _demonstrate(stack)
    except (CloudFailed, FleetError, CommandEnded) as error:
        problems = [str(error)]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    if not problems:
        print("\nThe reachable backups equal the primary and have kept every machine-specific value;")
        print("the primary was never written to.")
    print(f"The demo took {time.monotonic() - started:.0f} s.")
    return 1 if problems else 0


def _demonstrate(stack: ExitStack) -> list[str]:
    _say(f"Starting a primary with {USERS} users and three backups ...")
    servers = start_servers(stack, (DRIFTED, EQUAL, DOWN), users=USERS, groups=GROUPS)
    servers.backups[DRIFTED].drift("everywhere")
    servers.backups[DOWN].refuse_connections()
    _say(f"{DRIFTED} differs from the primary in {len(servers.differences(DRIFTED))} places; {DOWN} is down.")
    cloud = stack.enter_context(LocalCloud())
    deployment = Deployment(cloud, "demo", servers, SyncIntervalMinutes="1")
    with TemporaryDirectory() as folder:
        command_line = CommandLine(Path(folder), environment_of(cloud, deployment.outputs))
        command_line.write_fleet(fleet_document(servers))
        wanted = command_line.hash_of("apply", "--dry-run")[:12]
        _type(command_line, "apply", "--yes", wanted, expected=(EXIT_PARTIAL,), more=passwords_of(servers))
        _type(command_line, "plan", DRIFTED)
        _type(command_line, "status")

    _say("Waiting for the stack's own EventBridge rule to fire (once a minute) ...")
    first, results = _scheduled_run(deployment, after="")
    _show(first, results)
    problems = _check(results, servers, changed=DRIFTED)

    _say(f"Editing {EQUAL} by hand: a user and the welcome message changed ...")
    servers.backups[EQUAL].drift("edit_user", name="user000007", path="@email", value="nobody@elsewhere.example")
    servers.backups[EQUAL].drift("set_setting", path="general/welcomeMessage", value="Changed by hand")
    _say(f"{EQUAL} differs from the primary in {len(servers.differences(EQUAL))} places.")
    _say("Waiting for the next scheduled run to repair it ...")
    second, results = _scheduled_run(deployment, after=first.id)
    _show(second, results)
    return problems + _check(results, servers, changed=EQUAL)


def _type(
    command_line: CommandLine, *arguments: str, expected: Sequence[int] = (0,), more: Mapping[str, str] | None = None
) -> None:
    """Run a command of ``cerbsync``, and show it with its output."""
    _say(f"\n$ cerbsync {' '.join(arguments)}")
    _say(command_line.run(*arguments, expected=expected, more=more).stdout.rstrip())


def _scheduled_run(deployment: Deployment, *, after: str) -> tuple[Run, tuple[BackupResult, ...]]:
    run, results = deployment.wait_for_scheduled_run(after=after, seconds=PATIENCE, progress=_tick)
    _end_line()
    return run, results


def _check(results: tuple[BackupResult, ...], servers: Servers, *, changed: str) -> list[str]:
    """Unexpected results of a run in which ``changed`` had to be written to."""
    problems = []
    statuses = {result.backup_id: result.status for result in results}
    expected = {name: "updated" if name == changed else "in_sync" for name in REACHABLE} | {DOWN: "failed"}
    if statuses != expected:
        problems.append(f"the run's results are {statuses}, expected {expected}")
    for name in REACHABLE:
        problems += [f"{name} is not equal: {difference}" for difference in servers.differences(name)]
        problems += [f"{name} lost a machine-specific value: {lost}" for lost in servers.lost_machine_values(name)]
    if servers.primary.writes:
        problems.append("the primary was written to")
    return problems


def _show(run: Run, results: tuple[BackupResult, ...]) -> None:
    """The run as a table: backup, status, reason, parts changed, verified at."""
    rows = [("BACKUP", "STATUS", "REASON", "VERIFIED AT (UTC)", "PARTS CHANGED")]
    rows += [
        (
            result.backup_id,
            result.status,
            result.reason or "-",
            f"{result.verified_at:%Y-%m-%d %H:%M:%S}" if result.verified_at else "-",
            ", ".join(part.part for part in result.parts if part.status == "pushed") or "-",
        )
        for result in results
    ]
    missed = [result.backup_id for result in results if result.status == "failed"]
    because = f" (not reached: {', '.join(missed)})" if missed else ""
    print(f"\nRun {run.id}, started by {run.trigger}: {run.status}{because}")
    print(table(rows, indent="  "), flush=True)


def _say(text: str) -> None:
    print(text, flush=True)


def _tick(waited: float) -> None:
    """Show progress: one line that is rewritten on a terminal, otherwise a line every ten seconds."""
    if sys.stdout.isatty():
        print(f"\r  {waited:3.0f} s", end="", flush=True)
    elif int(waited) % 10 == 0:
        print(f"  {waited:3.0f} s", flush=True)


def _end_line() -> None:
    if sys.stdout.isatty():
        print()


if __name__ == "__main__":
    sys.exit(main())
