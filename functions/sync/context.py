"""The configuration of the function, and the objects that a run uses."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from common.errors import Defect, Failure, contained
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
    """The function's configuration. ``primary`` is None if the stack's parameters name none.

    ``lease_seconds`` is longer than the function's time-out; if the holder of a lease is killed, the next run waits at
    most that long. ``wsdl`` is a WSDL file in the package that fits the servers' version, None for the usual one.
    ``backups_with_metrics`` is how many backups have their own metrics, in addition to those of the fleet.
    ``queue_url``, ``fan_out_above`` and ``fan_out_minutes``: see ``sync.context.FanOutTerms``. ``memory_megabytes`` is
    set by Lambda and None elsewhere.
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
        """Read environment variables; raise Failure(CONFIGURATION_INVALID) that names the missing or invalid one."""
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
    """Receives the events of a run as they happen. Called from several threads."""

    def started(self, run: Run) -> None: ...
    def primary_read(self, run: Run, primary: PrimaryState) -> None: ...
    def queued(self, run: Run, backups: int) -> None:
        """``backups`` is how many backups were put into the queue."""

    def not_served(self, run_id: str, backup_id: str, failure: Failure) -> None:
        """A queue message led to no result, because of ``failure``."""

    def backup_done(self, run: Run, result: BackupResult, fault: str) -> None:
        """``fault`` is the stack trace of an unexpected error, and is empty otherwise."""

    def finished(self, run: Run) -> None: ...


@dataclass(frozen=True)
class ContainedProgress:
    """A ``Progress`` whose own errors do not stop a run: an event that cannot be reported leaves a line on standard
    error.
    """

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
    """When backups are queued instead of being processed by the invocation that reads the primary.

    A run over more than ``above`` backups is always queued. ``seconds`` is the duration of the lease from the time of
    queueing, and so the limit for the run.
    """

    queue: BackupQueue
    above: int
    seconds: int


@dataclass(frozen=True)
class RunContext:
    """The objects and settings that a run uses. ``primary`` is the primary of the stack's parameters, used if none is
    registered.

    ``memory_megabytes`` is the memory limit of the process, None if there is no limit. ``snapshot_days`` is how many
    days the snapshot bucket keeps an object. ``backups_with_metrics`` is how many backups have their own metrics, in
    addition to those of the fleet. ``fan_out`` None means that runs are never queued. ``loaded`` caches the content
    that one queued run pushes. It has only one entry because the content can be large.
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
        """The current primary: the registered one, otherwise the one of the stack's parameters. Raises Failure."""
        return primary_in_use(self.store, self.primary)

    @property
    def log_ins(self) -> LogIns:
        """Access to the servers' passwords."""
        return LogIns(self.store, self.credentials, self.runtime)

    @property
    def source(self) -> Source:
        """The reader of the current primary."""
        return Source(self.log_ins, self.servers, self.primary)
