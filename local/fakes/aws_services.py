"""The other services of AWS that the registry uses, in memory: secrets, bucket, queue, rule, function and audit."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from common.errors import Failure, Reason
from common.server_types import ServerFacts
from registry.audit import AuditRecord
from registry.backup_queue import Message
from registry.models import Credentials
from registry.schedule import Schedule, expression_of
from registry.snapshots import (
    BACKUPS,
    PRIMARY,
    Snapshot,
    SnapshotContent,
    SnapshotEntry,
    backup_key,
    decode,
    encode,
    entries_of,
    primary_key,
    snapshot_missing,
)


class MemoryCredentials:
    """``registry.store.CredentialStore`` without AWS. May be shared by threads."""

    def __init__(self) -> None:
        self._credentials: dict[str, Credentials] = {}

    def get(self, secret_id: str, *, fresh: bool = False) -> Credentials:  # noqa: ARG002 # nothing is cached here
        found = self._credentials.get(secret_id)
        if found is None or not found.username or not found.password:
            raise Failure(Reason.CREDENTIALS_MISSING, f"there are no credentials for {secret_id}")
        return found

    def put(self, secret_id: str, credentials: Credentials) -> None:
        self._credentials[secret_id] = credentials

    def delete(self, secret_id: str) -> None:
        self._credentials.pop(secret_id, None)


class RotatedCredentials(MemoryCredentials):
    """A store whose every user was renamed: it gives ``cached``, and ``current`` to who asks past its cache.

    ``asked`` says of each time whether it was past the cache.
    """

    def __init__(self, cached: str = "old", current: str = "new") -> None:
        super().__init__()
        self.asked: list[bool] = []
        self._cached = Credentials(cached, "password")
        self._current = Credentials(current, "password")

    def get(self, secret_id: str, *, fresh: bool = False) -> Credentials:  # noqa: ARG002 # the same for everybody
        self.asked.append(fresh)
        return self._current if fresh else self._cached


class MemorySnapshots:
    """``SnapshotStore`` in a dictionary; encoded all the same."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent) -> str:
        key = backup_key(backup_id, run_id, content.parts)
        self.stored.setdefault(key, encode(backup_id, content))
        return key

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        key = primary_key(digest)
        self.stored[key] = encode(PRIMARY, content)
        return key

    def load(self, key: str) -> Snapshot:
        if key not in self.stored:
            raise snapshot_missing(key)
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

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent) -> str:
        return f"{backup_id}/{run_id}/{len(encode(backup_id, content))}"

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        return f"{digest}/{len(encode(PRIMARY, content))}"

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        raise AssertionError(f"the snapshots of {backup_id} are forgotten")

    def load(self, key: str) -> Snapshot:
        raise AssertionError(f"the snapshot {key} is forgotten")


class MemoryQueue:
    """``BackupQueue`` that only remembers what was sent. ``refused`` are the ids it does not take."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refused: set[str] = set()

    def send(self, messages: Sequence[Message]) -> Mapping[Message, str]:
        self.messages += [message for message in messages if message.backup_id not in self.refused]
        return {message: "refused" for message in messages if message.backup_id in self.refused}


class MemorySchedule:
    """``ScheduleKeeper`` without AWS."""

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._schedule = schedule or Schedule(enabled=True, interval_minutes=15, polling=False)

    def read(self) -> Schedule:
        return self._schedule

    def change(self, schedule: Schedule) -> Schedule:
        interval = schedule.interval_minutes
        if interval is None:
            interval = self._schedule.interval_minutes
        else:
            expression_of(interval)
        self._schedule = Schedule(schedule.enabled, interval, schedule.polling)
        return self._schedule


class MemoryStarter:
    """``Starter`` that only remembers what was to be started."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, object]] = []

    def start(self, event: Mapping[str, object]) -> None:
        self.events.append(event)


class MemoryAuditLog:
    """``AuditLog`` in a dictionary."""

    def __init__(self) -> None:
        self._records: dict[tuple[datetime, str], AuditRecord] = {}

    @property
    def records(self) -> tuple[AuditRecord, ...]:
        return tuple(self._records.values())

    def write(self, record: AuditRecord) -> None:
        self._records[record.at, record.request_id] = record
