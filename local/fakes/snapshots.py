"""Where snapshots go, in memory."""

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
    """``SnapshotStore`` in a dictionary; encoded all the same, and with the digests of what was kept.

    ``stored`` is the bucket: a test that changes it does what somebody does who may write there.
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
        """Keep a content as the product does, whatever is in it: an older or a newer version may have written it."""
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
    """``SnapshotStore``, and ``Snapshots`` of one backup, that encodes as a bucket's does and keeps nothing.

    For measuring memory. Raises AssertionError when something is read back.
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
    """``replication.ports.Snapshots`` in a list, the parts as a store would give them back.

    ``failure`` is raised instead of keeping one.
    """

    def __init__(self, failure: Failure | None = None) -> None:
        self.parts: list[dict[str, str]] = []
        self._failure = failure

    def keep(self, parts: Mapping[str, str], facts: ServerFacts) -> str:  # noqa: ARG002 # only the parts are looked at
        if self._failure:
            raise self._failure
        self.parts.append(json.loads(json.dumps(dict(parts))))
        return f"snapshot-{len(self.parts)}"
