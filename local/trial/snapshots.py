"""What a backup held before it is written to, in a folder of this machine that only its owner can read."""

import os
from collections.abc import Mapping
from pathlib import Path

from common.errors import Failure, Reason
from common.server_types import ServerFacts
from registry.snapshots import Snapshot, SnapshotContent, backup_key, backup_of, decode, encode

_BINARY = getattr(os, "O_BINARY", 0)
"""Without it Windows would write line ends of its own; other systems do not know it."""


def load(path: Path) -> Snapshot:
    """What is in a file that ``FolderSnapshots`` wrote; its place below the folder is part of its name.

    Raises Failure(SNAPSHOT_MISSING or SNAPSHOT_UNREADABLE).
    """
    key = "/".join(path.resolve().parts[-4:])
    if not backup_of(key):
        raise Failure(Reason.SNAPSHOT_MISSING, f"{path} is not named like a file that a sync has kept")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(Reason.SNAPSHOT_MISSING, f"{path} cannot be read: {error.strerror}") from None
    return decode(key, content)


class FolderSnapshots:
    """Keeps one file per push below ``folder``, named and written as in the deployed product's bucket.

    They hold password hashes. On POSIX the folders made here have mode 0700
    and each file 0600. On Windows files have the rights of their folder, which
    Python 3.12.4 and newer give to its owner and the administrators alone when
    it is made with mode 0700.
    """

    def __init__(self, folder: Path, backup_id: str, run_id: str, primary: ServerFacts | None) -> None:
        """``primary`` is what the primary says of itself, so that a file can later be put back."""
        self._folder = folder
        self._backup_id = backup_id
        self._run_id = run_id
        self._primary = primary

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        """Store dumps by the parts' names; the file's path. Raises Failure(SNAPSHOT_NOT_KEPT)."""
        path = self._folder / backup_key(self._backup_id, self._run_id, parts)
        try:
            _make_private(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(self._backup_id, SnapshotContent(parts, facts, self._primary)))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Failure(
                Reason.SNAPSHOT_NOT_KEPT,
                f"what it holds cannot be kept in {path}: {error.strerror}; nothing was written",
            ) from None
        return str(path)


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone."""
    if not folder.exists():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700)
