"""Runs the commands of the trial. Progress goes to standard error, results go to standard output."""

import io
import sys
import time
from collections.abc import Sequence
from enum import IntEnum

from common.errors import Failure, Reason, places
from common.runtime import SystemRuntime
from fleet.servers import PRIMARY_ID
from local.tables import table
from local.trial.request import BACKUP_ID, Command, Request, log_in_of, read_request
from local.trial.session import Looked, Session
from replication.guards.preflight import Finding
from replication.model import Outcome, Status
from replication.plan_text import kept_lines, printable, render


class Exit(IntEnum):
    """The program's exit status. Status 2 is missing here: ``argparse`` uses it for a wrong command line."""

    AS_IT_SHOULD_BE = 0
    FAILED = 1
    DIFFERS = 3
    BLOCKED = 4
    NOT_CONFIRMED = 5


def main(arguments: Sequence[str]) -> int:
    """Run the command in the command line's ``arguments`` and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack letters of a name
    request = read_request(arguments)
    try:
        return _COMMANDS[request.command](request, Session(request, log_in_of, _Progress(), SystemRuntime()))
    except Failure as failure:
        _tell(f"FAILED: {printable(str(failure))}")
    except KeyboardInterrupt:
        _tell("\nInterrupted. If the backup was being written to, sync again: that is always safe.")
    except Exception as error:  # noqa: BLE001 - the error's text may quote a server
        message = f"the program failed ({type(error).__name__}: {places(error)})"
        _tell(f"FAILED: {Failure(Reason.INTERNAL_ERROR, message)}")
    return Exit.FAILED


def _check(_: Request, session: Session) -> Exit:
    findings = [(server_id, finding) for server_id in (PRIMARY_ID, BACKUP_ID) for finding in session.examine(server_id)]
    rows = [("SERVER", "REQUIREMENT", "RESULT", "DETAIL")]
    rows += [(server_id, finding.requirement, *_judged(finding)) for server_id, finding in findings]
    _show(table(rows))
    failures = [finding.failure for _, finding in findings if finding.failure]
    if failures:
        _show("\n" + "".join(f"{printable(str(failure))}\n" for failure in failures))
        return Exit.FAILED
    _show("\nBoth servers meet every requirement.\n")
    return Exit.AS_IT_SHOULD_BE


def _judged(finding: Finding) -> tuple[str, str]:
    if finding.failure:
        return "fail", finding.failure.reason
    return ("warning", printable(" ".join(finding.warnings))) if finding.warnings else ("pass", "")


def _plan(request: Request, session: Session) -> Exit:
    looked = _looked(request, session)
    if looked.failing:
        return Exit.FAILED
    if looked.blocked:
        return Exit.BLOCKED
    return Exit.DIFFERS if looked.writable else Exit.AS_IT_SHOULD_BE


def _sync(request: Request, session: Session) -> Exit:
    looked = _looked(request, session)
    if looked.preview.outdated:
        message = "the plan has changed since it was approved; nothing was written"
        _tell(f"BLOCKED: {Failure(Reason.PLAN_NOT_CURRENT, message)}")
        return Exit.BLOCKED
    if not looked.writable | looked.blocked:
        return Exit.FAILED if looked.failing else Exit.AS_IT_SHOULD_BE
    let_through = looked.approvable if request.approved else frozenset()
    stopped = looked.blocked - let_through
    if stopped >= looked.writable or (stopped and request.snapshot):
        approve = "If it is meant, give --approve with the plan's hash." if looked.approvable - let_through else ""
        _tell(f"BLOCKED: nothing was written. {approve}".strip())
        return Exit.BLOCKED
    if not (request.unasked or request.approved or _confirmed(looked)):
        _tell("Not confirmed; nothing was written.")
        return Exit.NOT_CONFIRMED
    return _report(session.push(looked))


def _looked(request: Request, session: Session) -> Looked:
    session.demand_trust()
    looked = session.look()
    seen = looked.preview
    name = f"{BACKUP_ID} ({request.backup.host}:{request.backup.port})"
    _show(render(seen.details, name, blocks=seen.blocks, access_increases=seen.access_increases))
    return looked


def _confirmed(looked: Looked) -> bool:
    if not sys.stdin.isatty():
        _tell("There is no terminal to ask at: give --yes, or --approve with the plan's hash.")
        return False
    rest = " Blocked parts stay as they are." if looked.blocked else ""
    print(f"\nWrite this to the backup?{rest} Type yes: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() == "yes"


def _report(outcome: Outcome) -> Exit:
    rows = [("PART", "STATUS", "REASON"), *((part.part, part.status, part.reason or "-") for part in outcome.parts)]
    verified = f", verified at {outcome.verified_at:%Y-%m-%d %H:%M:%S} UTC" if outcome.verified_at else ""
    _show(f"\n{BACKUP_ID}: {outcome.status}{verified}\n")
    if outcome.parts:
        _show(table(rows, indent="  "))
    if paths := [line for part in outcome.parts for line in kept_lines(part.kept.count, part.kept.paths)]:
        _show("\nKept although it differs:\n" + "".join(f"  = {path}\n" for path in paths))
    if outcome.snapshot:
        _tell(f"The earlier content is in {outcome.snapshot}. The file holds password hashes; only you can read it.")
    if outcome.reason:
        failure = Failure(outcome.reason, outcome.message)
        _tell(f"{outcome.status.upper()}: {printable(str(failure))}")
    if outcome.status is Status.BLOCKED:
        return Exit.BLOCKED
    return Exit.AS_IT_SHOULD_BE if outcome.status in _GOOD else Exit.FAILED


_GOOD = (Status.UPDATED, Status.IN_SYNC, Status.RESTORED)
_COMMANDS = {Command.CHECK: _check, Command.PLAN: _plan, Command.SYNC: _sync, Command.RESTORE: _sync}


class _Progress:
    """Prints each step to standard error, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        _tell(f"{time.monotonic() - self._started:6.1f} s  {text}")


def _show(text: str) -> None:
    print(text, end="", flush=True)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
