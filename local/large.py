"""A fleet of a thousand backups, registered with a stack in the local cloud."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from common.runtime import SystemRuntime
from local.cerberus import RemoteServer
from local.cloud import LocalCloud
from local.fleet import PRIMARY, Deployment, FleetError, Servers, password_of
from local.swarm import Swarm
from registry.credentials import SecretsManagerCredentials
from registry.fleet_records import Backup, Credentials, TlsTrust
from registry.run_records import Run

BACKUPS = 1000
_USERS, _GROUPS = 5, 2


class LargeFleet:
    """A primary, ``backups`` small backups, and their own stack in a running local cloud.

    The backups are registered without the management API, which would take a minute.
    """

    def __init__(self, cloud: LocalCloud, stack_name: str, *, backups: int = BACKUPS, **parameters: str) -> None:
        self.names: Sequence[str] = [f"b{number:04}" for number in range(backups)]
        self._cloud = cloud
        self._stack_name = stack_name
        self._parameters = parameters
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            sizes = ("--users", str(_USERS), "--groups", str(_GROUPS))
            self.primary = stack.enter_context(RemoteServer.start(PRIMARY, *sizes))
            self.swarm = stack.enter_context(Swarm(self.names, users=_USERS, groups=_GROUPS))
            servers = Servers(self.primary, {}, {})
            self.deployment = Deployment(
                self._cloud, self._stack_name, servers, SyncEnabled="false", **self._parameters
            )
            self._register()
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def finished(self, run_id: str, seconds: float) -> Run:
        """The record of a run once it has ended. Raises FleetError if that takes longer than the time limit."""
        end = time.monotonic() + seconds
        while (run := self.deployment.store.run(run_id)) is None or run.finished_at is None:
            if time.monotonic() > end:
                raise FleetError(f"the run {run_id} did not end within {seconds:.0f} seconds")
            time.sleep(0.1)
        return run

    def _register(self) -> None:
        secrets = SecretsManagerCredentials(
            self.deployment.outputs["SecretPrefix"], self._cloud.client("secretsmanager"), SystemRuntime()
        )
        secrets.put(PRIMARY, Credentials(self.primary.user, password_of(PRIMARY)))

        def register(name: str) -> None:
            place = self.swarm.places[name]
            secrets.put(name, Credentials("admin", password_of(name)))
            self.deployment.store.add_backup(Backup(name, place.host, place.port, TlsTrust(pins=(place.fingerprint,))))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(register, self.names))
