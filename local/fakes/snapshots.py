"""Snapshot stores in memory."""

import json
from collections.abc import Mapping

from common.errors import Failure
from common.server_types import ServerFacts
from registry.snapshots import (
    BACKUPS,
    PRIMARY,
    Snapshot,
    SnapshotContent,
    SnapshotEntry,
    backup_key,
    content_digest,
    decode,
    encode,
    entries_of,
    primary_key,
    snapshot_altered,
    snapshot_missing,
)


class MemorySnapshots:
    """A ``SnapshotStore`` in a dictionary, with encoding and digests as in the product.

    ``stored`` is the bucket: a test that changes it acts as somebody with write permission.
    """

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.digests: set[tuple[str, str]] = set()

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent, registration: str = "") -> str:
        key = backup_key(backup_id, run_id, content.parts, registration)
        if key in self.stored:
            self.load(key)
        else:
            self.put(key, encode(backup_id, content))
        return key

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        key = primary_key(digest)
        self.put(key, encode(PRIMARY, content))
        return key

    def put(self, key: str, content: bytes) -> None:
        """Store any content, for example of an older or newer version."""
        self.stored[key] = content
        self.digests.add((key, content_digest(content)))

    def load(self, key: str) -> Snapshot:
        if key not in self.stored:
            raise snapshot_missing(key)
        if (key, content_digest(self.stored[key])) not in self.digests:
            raise snapshot_altered(key)
        return decode(key, self.stored[key])

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        return entries_of(
            (key, len(content)) for key, content in self.stored.items() if key.startswith(f"{BACKUPS}/{backup_id}/")
        )


class ForgottenSnapshots:
    """A ``SnapshotStore``, and ``Snapshots`` of one backup, that encodes like the product and stores nothing.

    This store is for measuring memory. Raises AssertionError if something is read back.
    """

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:
        return str(len(encode("b1", SnapshotContent(parts, facts))))

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent, registration: str = "") -> str:
        return f"{backup_id}/{run_id}/{registration}/{len(encode(backup_id, content))}"

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        return f"{digest}/{len(encode(PRIMARY, content))}"

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        raise AssertionError(f"the snapshots of {backup_id} are forgotten")

    def load(self, key: str) -> Snapshot:
        raise AssertionError(f"the snapshot {key} is forgotten")


class PartSnapshots:
    """``replication.ports.Snapshots`` in a list, with the parts as a store returns them.

    ``failure`` is raised instead of storing a snapshot.
    """

    def __init__(self, failure: Failure | None = None) -> None:
        self.parts: list[dict[str, str]] = []
        self._failure = failure

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:  # noqa: ARG002 # only the parts are looked at
        if self._failure:
            raise self._failure
        self.parts.append(json.loads(json.dumps(dict(parts))))
        return f"snapshot-{len(self.parts)}"
