"""The state of a server in words, and the command that its administrator types next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cerbsync.errors import Exit, worst
from cerbsync.text import one_line

type Document = dict[str, Any]

_UNREACHABLE = frozenset(
    {
        "name_not_resolved",
        "address_forbidden",
        "connection_refused",
        "connection_failed",
        "connection_closed",
        "connect_timeout",
        "read_timeout",
    }
)


@dataclass(frozen=True)
class State:
    """A backup's state. ``rank`` orders problems first; ``exit_status`` is what the state means for a script."""

    word: str
    style: str
    rank: int
    next_step: str
    exit_status: Exit


def state_of(backup: Document) -> State:
    """The state of a backup as ``GET /backups`` shows it, before its last result is considered."""
    name = one_line(backup["id"])
    result: Document | None = backup.get("last_result")
    if backup.get("paused"):
        return State("paused", "warn", 5, f"cerbsync resume {name}", Exit.DIFFERS)
    if not backup.get("enabled", True):
        return State("disabled", "quiet", 6, "set `enabled: true` in fleet.yaml, then cerbsync apply", Exit.DIFFERS)
    if result is None:
        return State("not compared", "warn", 4, f"cerbsync run {name} --dry-run --wait", Exit.DIFFERS)
    return _of_result(name, str(result.get("status")), str(result.get("reason") or ""))


def message_of(name: object, result: Document) -> str:
    """The result's message in one line, without the backup's id, which stands beside it."""
    return one_line(result["message"]).removeprefix(f"{one_line(name)}: ")


def state_of_result(result: Document) -> State:
    """The state of a backup after one run."""
    return _of_result(one_line(result["backup_id"]), str(result.get("status")), str(result.get("reason") or ""))


def _of_result(name: str, status: str, reason: str) -> State:
    match status:
        case "in_sync":
            return State("equal", "good", 9, "", Exit.OK)
        case "updated":
            return State("equal, updated", "good", 9, "", Exit.OK)
        case "restored":
            return State("restored", "good", 8, f"cerbsync resume {name}", Exit.OK)
        case "drifted":
            return State("differs", "changed", 5, f"cerbsync plan {name}", Exit.DIFFERS)
        case "blocked":
            return State("BLOCKED", "bad", 1, f"cerbsync approve {name}", Exit.WAITS)
        case "rolled_back":
            return State("ROLLED BACK", "bad", 1, f"cerbsync history {name}", Exit.FAILED)
        case "incomplete" if reason.startswith("primary_"):
            return State("not compared", "bad", 2, "cerbsync check --primary", Exit.FAILED)
        case "incomplete":
            return State("incomplete", "bad", 2, f"cerbsync run {name} --wait", Exit.FAILED)
        case "failed" if reason in _UNREACHABLE:
            return State("unreachable", "bad", 0, f"cerbsync check {name}", Exit.FAILED)
        case "failed":
            return State("FAILED", "bad", 0, f"cerbsync check {name}", Exit.FAILED)
    # A newer stack may have further states: they are shown as they are.
    return State(one_line(status).replace("_", " "), "warn", 3, f"cerbsync history {name}", Exit.FAILED)


def exit_status(states: Iterable[State]) -> Exit:
    """The exit status over several servers: ``FAILED`` becomes ``PARTIAL`` if not all have failed."""
    rated = list(states)
    failed = sum(state.exit_status is Exit.FAILED for state in rated)
    if 0 < failed < len(rated):
        return Exit.PARTIAL
    return worst(state.exit_status for state in rated)
