"""A primary and its backups as processes, with the stack that manages them, on one machine.

The demo and the end-to-end tests use it to start servers, deploy the built template into a local cloud, and register
the servers.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from common.runtime import SystemRuntime
from local.cerberus.compare import Difference, kept_machine_values, replicable_differences
from local.cerberus.machine import Machine
from local.cerberus.remote import RemoteServer
from local.cerberus.state import Snapshot
from local.cloud import LocalCloud, Reply
from registry.dynamo import DynamoStore
from registry.run_records import BackupResult, Run

PRIMARY = "primary"
BY_RULE = "schedule"
NOT_RUN = "not_run"


class FleetError(Exception):
    """An awaited event did not happen."""


@dataclass(frozen=True)
class Servers:
    """Running servers by name, with the initial content of each."""

    primary: RemoteServer
    backups: Mapping[str, RemoteServer]
    before: Mapping[str, Snapshot]

    def differences(self, name: str) -> list[Difference]:
        """Where a backup differs from the primary, according to the stand-in's own comparison."""
        return replicable_differences(self.primary.snapshot(), self.backups[name].snapshot())

    def lost_machine_values(self, name: str) -> list[Difference]:
        """Machine-specific values that a backup has lost or changed since its start."""
        return kept_machine_values(self.before[name], self.backups[name].snapshot())


def password_of(name: str) -> str:
    """The administrator's password of a local server, derived from the name."""
    return Machine.named(name).admin_password


def start_servers(
    stack: ExitStack,
    names: tuple[str, ...],
    *,
    users: int,
    groups: int,
    arguments: Mapping[str, tuple[str, ...]] | None = None,
) -> Servers:
    """Start a primary and the named backups, all with the same accounts; ``stack`` stops them.

    ``arguments`` are additional ones for named servers.
    """
    sizes = ("--users", str(users), "--groups", str(groups))
    further = arguments or {}
    running = {
        name: stack.enter_context(RemoteServer.start(name, *sizes, *further.get(name, ())))
        for name in (PRIMARY, *names)
    }
    primary = running.pop(PRIMARY)
    return Servers(primary, running, {name: server.snapshot() for name, server in running.items()})


class Deployment:
    """The stack in a running local cloud, with access to its registry."""

    def __init__(self, cloud: LocalCloud, stack_name: str, servers: Servers, **parameters: str) -> None:
        self.servers = servers
        self.outputs = cloud.deploy(
            stack_name,
            {
                "PrimaryHost": servers.primary.host,
                "PrimaryPort": str(servers.primary.port),
                "PrimaryFingerprints": servers.primary.fingerprint,
                "AllowedNetworks": "127.0.0.0/8",
                "SyncEnabled": "true",
                **parameters,
            },
        )
        self.cloud = cloud
        self.store = DynamoStore(self.outputs["TableName"], cloud.client("dynamodb"), SystemRuntime())

    def register(self) -> None:
        """Register the primary and the backups through the management API, as an administrator does."""
        api = self.cloud.management_api(self.outputs)
        _expect(200, api.call("PUT", "/primary", _registration(PRIMARY, self.servers.primary)))
        for name, server in self.servers.backups.items():
            _expect(201, api.call("POST", "/backups", {"id": name, **_registration(name, server)}))

    def plan(self, name: str) -> str:
        """The plan of the next run for a backup, as the management API shows it."""
        reply = self.cloud.management_api(self.outputs).call("GET", f"/backups/{name}/plan")
        _expect(200, reply)
        return str(reply.body["text"])

    def invoke(self, event: object) -> dict[str, Any]:
        """Call the sync function and wait for its answer."""
        answer = self.cloud.client("lambda", read_timeout=400).invoke(
            FunctionName=self.outputs["SyncFunctionName"], Payload=json.dumps(event)
        )
        return dict(json.loads(answer["Payload"].read()))

    def runs(self) -> tuple[Run, ...]:
        """The latest runs, newest first."""
        return self.store.runs(limit=20)

    def wait_for_scheduled_run(
        self, *, after: str, seconds: float, progress: Callable[[float], None]
    ) -> tuple[Run, tuple[BackupResult, ...]]:
        """Wait until a run that the rule started after the run ``after`` (or "") is finished; return the run and its
        results.

        ``progress`` is called about once a second with the seconds waited. Raises FleetError after ``seconds``.
        """
        started = time.monotonic()
        while (waited := time.monotonic() - started) < seconds:
            finished = [
                run
                for run in self.runs()
                if run.id > after and run.trigger == BY_RULE and run.finished_at is not None and run.status != NOT_RUN
            ]
            if finished:
                return finished[-1], self.store.results(finished[-1].id)
            progress(waited)
            time.sleep(1)
        raise FleetError(f"the rule started no run within {seconds:.0f} seconds")


def _registration(name: str, server: RemoteServer) -> dict[str, Any]:
    return {
        "host": server.host,
        "port": server.port,
        "username": server.user,
        "password": password_of(name),
        "tls": {"mode": "pins", "fingerprints": [server.fingerprint]},
    }


def _expect(status: int, reply: Reply) -> None:
    if reply.status != status:
        raise FleetError(f"the management API answered {reply.status}: {reply.body}")
