"""In-memory doubles of smaller AWS services: secrets, queue, rule, function and audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from common.errors import Failure, Reason
from registry.audit import AuditRecord, already_recorded
from registry.backup_queue import Message
from registry.fleet_records import Credentials, password_needed
from registry.schedule import Schedule, expression_of


class MemoryCredentials:
    """``registry.store.CredentialStore`` without AWS. Threads may share it."""

    def __init__(self) -> None:
        self._credentials: dict[str, Credentials] = {}
        self._versions = count(1)

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:  # noqa: ARG002 # nothing is cached here
        credentials = self.stored(secret_id)
        if credentials.destination not in ("", destination):
            raise password_needed(credentials.destination, destination)
        return credentials

    def username(self, secret_id: str) -> str:
        return self.stored(secret_id).username

    def stored(self, secret_id: str) -> Credentials:
        """The stored credentials, whatever their destination."""
        credentials = self._credentials.get(secret_id)
        if credentials is None or not credentials.username or not credentials.password:
            raise Failure(Reason.CREDENTIALS_MISSING, f"there are no credentials for {secret_id}")
        return credentials

    def put(self, secret_id: str, credentials: Credentials) -> None:
        self._credentials[secret_id] = replace(credentials, version=f"version-{next(self._versions)}")

    def delete(self, secret_id: str) -> None:
        self._credentials.pop(secret_id, None)


class RotatedCredentials(MemoryCredentials):
    """A store in which every user was renamed: it returns ``cached`` from its cache and ``current`` past it.

    ``asked`` records for each call whether it bypassed the cache.
    """

    def __init__(self, cached: str = "old", current: str = "new") -> None:
        super().__init__()
        self.asked: list[bool] = []
        self._cached = Credentials(cached, "password", version="1")
        self._current = Credentials(current, "password", version="1" if cached == current else "2")

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:  # noqa: ARG002 # the same for everybody
        self.asked.append(fresh)
        return self._current if fresh else self._cached


class MemoryQueue:
    """A ``BackupQueue`` that only records what was sent. ``refused`` are the ids that it rejects."""

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

    def prepare(self, schedule: Schedule) -> "_MemoryChange":
        interval = schedule.interval_minutes
        if interval is None:
            interval = self._schedule.interval_minutes
        else:
            expression_of(interval)
        return _MemoryChange(self, Schedule(schedule.enabled, interval, schedule.polling))

    def make(self, schedule: Schedule) -> Schedule:
        """Set the schedule to return."""
        self._schedule = schedule
        return schedule


@dataclass(frozen=True)
class _MemoryChange:
    keeper: MemorySchedule
    schedule: Schedule

    def make(self) -> Schedule:
        return self.keeper.make(self.schedule)


class MemoryStarter:
    """A ``Starter`` that only records the events."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, object]] = []

    def start(self, event: Mapping[str, object]) -> None:
        self.events.append(event)


class MemoryAuditLog:
    """``AuditLog`` in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[tuple[datetime, str, str], AuditRecord] = {}

    @property
    def records(self) -> tuple[AuditRecord, ...]:
        """The last record of each request."""
        return tuple({(at, request): record for (at, request, _), record in self._rows.items()}.values())

    @property
    def all_records(self) -> tuple[AuditRecord, ...]:
        """All records in the order of writing."""
        return tuple(self._rows.values())

    def write(self, record: AuditRecord) -> None:
        key = (record.at, record.request_id, record.step)
        if key in self._rows:
            raise already_recorded()
        self._rows[key] = record
