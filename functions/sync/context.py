"""What a run works with, handed down to everything that takes part in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from common.errors import Failure
from fleet.primary import Source
from fleet.servers import Servers
from registry.backup_queue import BackupQueue
from registry.models import BackupResult, Primary, Run
from registry.snapshots import SnapshotStore
from registry.store import CredentialStore, Store
from replication.model import PrimaryState


class Progress(Protocol):
    """Is told what happens, as it happens. Called from several threads."""

    def started(self, run: Run) -> None: ...
    def primary_read(self, run: Run, primary: PrimaryState) -> None: ...
    def queued(self, run: Run, backups: int) -> None:
        """So many backups wait in the queue."""
        ...

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        """A message of the queue led to no result, and why."""
        ...

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        """``fault`` holds the places of an unforeseen error in the program, and is empty otherwise."""
        ...

    def finished(self, run: Run) -> None: ...


@dataclass(frozen=True)
class FanOutTerms:
    """When backups are queued rather than served by the invocation that reads the primary.

    ``above`` so many they always are. ``seconds`` is how long the lease then
    is, counted from the queueing: the run has to be done by then.
    """

    queue: BackupQueue
    above: int
    seconds: int


@dataclass(frozen=True)
class Surroundings:
    """What a run works with. ``primary`` is the one of the stack's parameters, for when none is registered.

    ``memory_megabytes`` is what the process may take, None where nothing limits it.
    ``snapshot_days`` is how long the bucket of the snapshots keeps an object.
    ``backups_with_metrics`` have figures of their own beside those of the fleet.
    ``fan_out`` None means that no run is ever fanned out.
    """

    store: Store
    credentials: CredentialStore
    servers: Servers
    progress: Progress
    snapshots: SnapshotStore
    primary: Primary | None
    lease_seconds: int
    memory_megabytes: int | None = None
    fan_out: FanOutTerms | None = None
    snapshot_days: int = 90
    backups_with_metrics: int = 10
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def known_primary(self) -> Primary | None:
        """The primary in use: the registered one, else the stack's. Raises Failure."""
        return self.store.primary() or self.primary

    @property
    def source(self) -> Source:
        """The primary, to be read."""
        return Source(self.store, self.credentials, self.servers, self.primary)
