"""Stores a backup's content before a push, in a folder of this machine that only its owner can read."""

import os
from collections.abc import Mapping
from pathlib import Path

from common.errors import Failure, Reason
from common.server_types import ServerFacts
from registry.snapshots import Snapshot, SnapshotContent, backup_key, backup_of, decode, encode

_BINARY = getattr(os, "O_BINARY", 0)
"""A flag that keeps Windows from changing line ends; other systems have no such flag."""


def load(path: Path) -> Snapshot:
    """The content of a snapshot file. The end of its path is its key, so the file must keep its name and folders.

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
    """Stores one snapshot file per push below ``folder``, with the same keys and format as in the deployed bucket.

    The files contain password hashes. On POSIX the folders made here have mode 0700
    and each file 0600. On Windows files have the rights of their folder, which
    Python 3.12.4 and newer give to its owner and the administrators alone when
    it is made with mode 0700.
    """

    def __init__(self, folder: Path, backup_id: str, run_id: str, primary: ServerFacts | None) -> None:
        """``primary`` has the facts that the primary reports: a restore later compares servers with these facts."""
        self._folder = folder
        self._backup_id = backup_id
        self._run_id = run_id
        self._primary = primary

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        """Store ``parts``, the dumps by the names of the parts, and return the file's path.

        Raises Failure(SNAPSHOT_NOT_KEPT).
        """
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
    """Create a folder and its missing parents so that only their owner can use them."""
    if not folder.exists():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700)
