"""Ids as people type them: a whole id, a unique beginning of one, or ``latest``."""

from collections.abc import Sequence

from cerbsync.api import Api, ApiRefused
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.states import Document
from cerbsync.text import joined, one_line

_LATEST_RUNS = 200
_LATEST_SNAPSHOTS = 200


def resolved(typed: str, ids: Sequence[str], what: str, list_command: str) -> str:
    """The id that ``typed`` means, of ids with the newest first. Raises CommandFailed if none or several do."""
    if typed == "latest" and ids:
        return ids[0]
    if typed in ids:
        return typed
    matches = [candidate for candidate in ids if typed and candidate.startswith(typed)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        near = f"; there are {joined(list(ids))}" if ids else ""
        raise CommandFailed(
            Problem.UNKNOWN_NAME,
            f"there is no {what} {one_line(typed)}{near}",
            f"`{list_command}` lists all",
            status=Exit.USAGE,
        )
    raise CommandFailed(
        Problem.AMBIGUOUS_NAME,
        f"{one_line(typed)} is the beginning of {len(matches)} ids: {joined(matches)}",
        "type more of it",
        status=Exit.USAGE,
    )


def backup_id(api: Api, typed: str) -> str:
    """The id of the backup that ``typed`` means. Raises CommandFailed."""
    try:
        return str(api.get("backups", typed)["id"])
    except ApiRefused as error:
        if error.http_status not in (404, 422):
            raise
    return resolved(typed, [entry["id"] for entry in api.entries("backups", of="backups")], "backup", "cerbsync status")


def run_id(api: Api, typed: str) -> str:
    """The id of the run that ``typed`` means, of the latest 200. Raises CommandFailed."""
    runs: list[Document] = api.entries("sync-runs", of="runs", most=_LATEST_RUNS)
    return resolved(typed, [run["id"] for run in runs], "run", "cerbsync history")


def snapshot_key(api: Api, backup: str, typed: str) -> str:
    """The key of the backup's snapshot that ``typed`` means: ``latest``, its key, or the beginning of its run's id.

    A run keeps one snapshot of a backup. Raises CommandFailed.
    """
    listed = api.entries("backups", backup, "snapshots", of="snapshots", most=_LATEST_SNAPSHOTS)
    keys = {entry["run_id"]: entry["key"] for entry in reversed(listed)}
    if typed in keys.values():
        return typed
    of_run = resolved(
        typed, [entry["run_id"] for entry in listed], f"snapshot of {backup}", f"cerbsync snapshots {backup}"
    )
    return str(keys[of_run])
