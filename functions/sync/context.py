"""The function's configuration, and what a run works with."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from common.contained import Defect, contained
from common.errors import Failure
from common.runtime import Runtime
from fleet.environment import entries, memory_megabytes, number, package_file, required, stack_primary
from fleet.log_ins import LogIns
from fleet.primary import Source, primary_in_use
from fleet.restore_source import RestoreSource
from fleet.servers import Servers
from registry.backup_queue import BackupQueue
from registry.fleet_records import Primary
from registry.run_records import BackupResult, FanOut, Run
from registry.snapshots import SnapshotStore
from registry.store import CredentialStore, Store
from replication.model import PrimaryState


@dataclass(frozen=True)
class Environment:
    """The function's configuration. ``primary`` is None when the stack's parameters name none.

    ``lease_seconds`` is longer than the function can live, so that a lease
    whose holder was killed delays the next run by no more than that. ``wsdl``
    is a file inside the package, of the servers' own version.
    ``backups_with_metrics`` have figures of their own beside those of the fleet.
    ``queue_url``, ``fan_out_above`` and ``fan_out_minutes``: see ``sync.context.FanOutTerms``.
    ``memory_megabytes`` is set by Lambda itself, and None elsewhere.
    """

    table_name: str
    secret_prefix: str
    snapshot_bucket: str
    primary: Primary | None
    allowed_networks: tuple[str, ...]
    history_days: int
    snapshot_days: int
    lease_seconds: int
    queue_url: str
    fan_out_above: int
    fan_out_minutes: int
    wsdl: Path | None = None
    memory_megabytes: int | None = None
    backups_with_metrics: int = 10

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> "Environment":
        """Read the variables; raise Failure(CONFIGURATION_INVALID) naming the one that is missing or wrong."""
        return cls(
            table_name=required(variables, "TABLE_NAME"),
            secret_prefix=required(variables, "SECRET_PREFIX"),
            snapshot_bucket=required(variables, "SNAPSHOT_BUCKET"),
            primary=stack_primary(variables),
            allowed_networks=entries(variables.get("ALLOWED_NETWORKS", "")),
            history_days=number(variables, "HISTORY_DAYS"),
            snapshot_days=number(variables, "SNAPSHOT_DAYS"),
            lease_seconds=number(variables, "LEASE_SECONDS"),
            queue_url=required(variables, "QUEUE_URL"),
            fan_out_above=number(variables, "FAN_OUT_ABOVE"),
            fan_out_minutes=number(variables, "FAN_OUT_MINUTES"),
            wsdl=package_file(variables, "WSDL_FILE"),
            memory_megabytes=memory_megabytes(variables),
            backups_with_metrics=number(variables, "BACKUPS_WITH_METRICS"),
        )


class Progress(Protocol):
    """Receives what happens, as it happens. Called from several threads."""

    def started(self, run: Run) -> None: ...
    def primary_read(self, run: Run, primary: PrimaryState) -> None: ...
    def queued(self, run: Run, backups: int) -> None:
        """So many backups wait in the queue."""

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        """A message of the queue led to no result, and why."""

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        """``fault`` holds the places of an unforeseen error in the program, and is empty otherwise."""

    def finished(self, run: Run) -> None: ...


@dataclass(frozen=True)
class ContainedProgress:
    """A ``Progress`` whose defects end nothing: what could not be reported leaves a line on standard error."""

    inner: Progress

    def started(self, run: Run) -> None:
        self._tell(lambda: self.inner.started(run))

    def primary_read(self, run: Run, primary: PrimaryState) -> None:
        self._tell(lambda: self.inner.primary_read(run, primary))

    def queued(self, run: Run, backups: int) -> None:
        self._tell(lambda: self.inner.queued(run, backups))

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        self._tell(lambda: self.inner.not_served(run_id, backup_id, failure), backup_id)

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        self._tell(lambda: self.inner.backup_done(run, result, fault), result.backup_id)

    def finished(self, run: Run) -> None:
        self._tell(lambda: self.inner.finished(run))

    def _tell(self, tell: Callable[[], None], backup_id: str = "") -> None:
        def missing(defect: Defect) -> None:
            sys.stderr.write(f"{defect.of('a log line', backup_id)}\n")

        contained(tell, missing)


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
class RunContext:
    """What a run works with. ``primary`` is the one of the stack's parameters, for when none is registered.

    ``memory_megabytes`` is what the process may take, None where nothing limits it.
    ``snapshot_days`` is how long the bucket of the snapshots keeps an object.
    ``backups_with_metrics`` have figures of their own beside those of the fleet.
    ``fan_out`` None means that no run is ever fanned out. ``loaded`` is what this process has loaded of a run that
    was fanned out: one entry, because it can be large.
    """

    store: Store
    credentials: CredentialStore
    servers: Servers
    progress: Progress
    snapshots: SnapshotStore
    primary: Primary | None
    lease_seconds: int
    runtime: Runtime
    memory_megabytes: int | None = None
    fan_out: FanOutTerms | None = None
    snapshot_days: int = 90
    backups_with_metrics: int = 10
    loaded: dict[FanOut, RestoreSource] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.progress, ContainedProgress):
            object.__setattr__(self, "progress", ContainedProgress(self.progress))

    @property
    def known_primary(self) -> Primary | None:
        """The primary in use: the registered one, else the stack's. Raises Failure."""
        return primary_in_use(self.store, self.primary)

    @property
    def log_ins(self) -> LogIns:
        """The way to the servers' passwords."""
        return LogIns(self.store, self.credentials, self.runtime)

    @property
    def source(self) -> Source:
        """The primary, to be read."""
        return Source(self.log_ins, self.servers, self.primary)
