"""Following a run until it ends: a live table on a terminal, otherwise a line for each backup that is finished."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.output import Output, add_row, new_table
from cerbsync.session import Session
from cerbsync.states import Document, State, exit_status, message_of, state_of_result
from cerbsync.text import count, joined, one_line

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

_SECONDS_BETWEEN = 1.0
_MOST_FAILURES = 5
"""Requests in a row that may fail for the network: the run itself goes on in the stack."""
PATIENCE = 3600.0
"""Seconds. A run over a large fleet takes 15 minutes and, in the queue, some times that."""


def followed(session: Session, run_id: str, patience: float = PATIENCE) -> tuple[Document, list[Document]]:
    """The run and its results, once it has ended; shows how it goes on meanwhile. Raises CommandFailed."""
    output = session.output
    begun = time.monotonic()
    shown: set[str] = set()
    live = None
    if sys.stderr.isatty() and not output.quiet and not output.as_json:
        from rich.live import Live

        live = Live(console=output.err, refresh_per_second=4, transient=True)
        live.start()
    try:
        failures = 0
        while True:
            try:
                run, results = _read(session, run_id)
            except CommandFailed as error:
                failures += 1
                if error.reason != Problem.API_UNREACHABLE or failures > _MOST_FAILURES:
                    raise
                output.say(f"  {error.message}; trying again", "warn")
                time.sleep(_SECONDS_BETWEEN)
                continue
            failures = 0
            _tell(output, run, results, shown)
            if live:
                live.update(_table(run, results))
            if run.get("finished_at"):
                return run, results
            if time.monotonic() - begun > patience:
                raise CommandFailed(
                    Problem.NOT_FINISHED,
                    f"run {run_id} has not ended within {patience / 60:.0f} minutes",
                    f"`cerbsync history --run {run_id}` shows it later",
                )
            time.sleep(_SECONDS_BETWEEN)
    finally:
        if live:
            live.stop()


def _read(session: Session, run_id: str) -> tuple[Document, list[Document]]:
    results: dict[str, Document] = {}
    run: Document = {}
    for page in session.api.pages("sync-runs", run_id):
        run = page
        results.update({result["backup_id"]: result for result in page["results"]})
    return run, list(results.values())


def _tell(output: Output, run: Document, results: Iterable[Document], shown: set[str]) -> None:
    """Tell every result once: as a line of JSON or, without a terminal, as a line of text."""
    on_terminal = sys.stderr.isatty()
    for result in results:
        name = result["backup_id"]
        if name in shown:
            continue
        shown.add(name)
        output.event({"event": "result", "run_id": run["id"], "result": result})
        if not output.as_json and not on_terminal:
            output.say(f"  {one_line(name)}: {state_of_result(result).word}")


def _table(run: Document, results: list[Document]) -> "Group | Text":
    from rich.console import Group
    from rich.text import Text

    done, total = run["progress"]["done"], run["progress"]["total"]
    rows = new_table("BACKUP", "STATE", "WHY")
    for result in results:
        state = state_of_result(result)
        add_row(
            rows,
            (
                (one_line(result["backup_id"]), "name"),
                (state.word, state.style),
                message_of(result["backup_id"], result),
            ),
        )
    head = Text(f"Run {run['id']}: {run['status']}, {done} of {count(total, 'backup')} done")
    return Group(head, rows) if results else head


def conclude(session: Session, run: Document, results: list[Document]) -> Exit:
    """Show how a run has ended; return the exit status."""
    output = session.output
    states = [(result, state_of_result(result)) for result in results]
    output.event(
        {"event": "run", "run": {key: value for key, value in run.items() if key not in ("results", "next", "etag")}}
    )
    if results:
        rows = new_table("BACKUP", "STATE", "WHY", "NEXT")
        for result, state in sorted(states, key=lambda pair: (pair[1].rank, pair[0]["backup_id"])):
            why = message_of(result["backup_id"], result)
            next_step = "" if state.exit_status is Exit.OK else _next_after(run, result, state)
            add_row(
                rows, ((one_line(result["backup_id"]), "name"), (state.word, state.style), why, (next_step, "command"))
            )
        output.table(rows)
    for notice in run.get("notices") or ():
        output.say(f"Note: {one_line(notice['message'])} {one_line(notice['remedy'])}", "warn")
    summary = f"Run {run['id']}: {one_line(run['status'])}"
    if run.get("reason"):
        summary += f" ({one_line(run['message'])})"
    output.show(summary, "good" if run["status"] == "succeeded" else "bad")
    if run["status"] in ("failed", "not_run") and not results:
        output.say(f"Next: {one_line(run['remedy'])}" if run.get("remedy") else "")
        return Exit.FAILED
    missed = [one_line(result["backup_id"]) for result, state in states if state.exit_status is Exit.FAILED]
    if missed:
        output.say(f"Not as wanted: {joined(missed)}", "bad")
    outcome = exit_status(state for _, state in states)
    return Exit.OK if outcome is Exit.DIFFERS else outcome


def _next_after(run: Document, result: Document, state: State) -> str:
    if run.get("dry_run") and state.exit_status is Exit.DIFFERS:
        return f"cerbsync plan {one_line(result['backup_id'])}"
    return state.next_step
