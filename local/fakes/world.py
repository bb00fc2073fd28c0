"""A small fleet with everything that a run over it needs, in memory."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from common.errors import Failure
from common.runtime import Runtime, SystemRuntime
from fleet.restore_source import RestoreSource
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryCredentials
from local.fakes.servers import FakeServers, FleetServer
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from registry.fleet_records import Backup, Credentials, Primary
from registry.run_records import BackupResult, FanOut, Run
from replication.model import PrimaryState
from sync.context import RunContext


class RecordedProgress:
    """A ``Progress`` that records what is reported to it. ``faults`` are the stack traces of unexpected errors, by
    backup.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.faults: dict[str, str] = {}

    def started(self, run: Run) -> None:  # noqa: ARG002 # a test recognises a run by its results
        self.steps.append("started")

    def primary_read(self, run: Run, primary: PrimaryState) -> None:  # noqa: ARG002 # a test knows its run
        self.steps.append("primary_read")

    def queued(self, run: Run, backups: int) -> None:  # noqa: ARG002 # a test knows its run
        self.steps.append(f"queued {backups}")

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:  # noqa: ARG002 # a test knows its run
        self.steps.append(f"{backup_id} not served: {failure.reason}")

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:  # noqa: ARG002 # a test knows its run
        self.steps.append(f"{result.backup_id} {result.status}")
        if fault:
            self.faults[result.backup_id] = fault

    def finished(self, run: Run) -> None:
        self.steps.append(f"finished {run.status}")


@dataclass
class World:
    """A registry with a primary and the backups ``b1``, ``b2`` and ``b3``, all fake; ``context`` is the context of a
    run.

    ``loaded`` is the cache of its only process, see ``RunContext``.
    """

    store: MemoryStore = field(default_factory=MemoryStore)
    credentials: MemoryCredentials = field(default_factory=MemoryCredentials)
    servers: FakeServers = field(default_factory=FakeServers)
    notes: RecordedProgress = field(default_factory=RecordedProgress)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    runtime: Runtime = field(default_factory=SystemRuntime)
    loaded: dict[FanOut, RestoreSource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.save_primary(Primary(*self._start(PRIMARY_ID)))
        for backup_id in ("b1", "b2", "b3"):
            self.add_backup(backup_id)

    def add_backup(self, backup_id: str) -> None:
        """Start another similar server, and register it as a backup."""
        self.store.add_backup(Backup(backup_id, *self._start(backup_id)))

    def _start(self, server_id: str) -> tuple[str, int]:
        port = len(self.servers.by_id) + 1
        server = self.servers.by_id[server_id] = FleetServer(server_id * (port + 1), port)
        self.credentials.put(server_id, Credentials("admin", "password"))
        return server.address

    @property
    def context(self) -> RunContext:
        return RunContext(
            store=self.store,
            credentials=self.credentials,
            servers=self.servers,
            progress=self.notes,
            snapshots=self.snapshots,
            primary=None,
            lease_seconds=60,
            runtime=self.runtime,
            loaded=self.loaded,
        )

    def update(self, backup_id: str, **changes: Any) -> None:
        """Change fields of a registered backup, and store its log-in for the new destination."""
        backup = self.store.backup(backup_id)
        if backup is None:
            raise KeyError(backup_id)
        self.store.update_backup(replace(backup, **changes))
        self.give_log_in(backup.secret_id)

    def give_log_in(self, secret_id: str) -> None:
        """Store a log-in again, as is required after a server's destination changes. Nothing happens if there is no
        log-in.
        """
        with suppress(Failure):
            self.credentials.put(secret_id, self.credentials.stored(secret_id))
