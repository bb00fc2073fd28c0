"""The simulated world: servers, AWS services and the processes of the product between them.

Everything that the product's code calls remotely is a double behind a border (``tests.simulation.scheduler``): the
table, the secrets, the bucket, the queue and the function at the interface of boto3, the servers at the interfaces of
``replication.ports``. The code between is the product's own.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from admin_api import checks
from admin_api.app import api
from admin_api.dependencies import Services, services
from cerberus.address_policy import AddressPolicy
from cerberus.certificate import CertificateFacts
from common.deadline import Deadline
from fleet.servers import CerberusServers
from local.fakes.aws_services import MemorySchedule
from local.fakes.dynamodb import FakeDynamoDb
from local.fakes.management_api import Answer, FakeApi
from local.fakes.s3 import FakeS3
from local.fakes.secrets_manager import FakeSecretsManager
from local.fakes.sqs import FakeSqs
from registry.audit import DynamoAuditLog
from registry.backup_queue import SqsQueue
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, destination_of
from registry.schedule import LambdaStarter
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots
from sync import app
from sync.context import FanOutTerms, RunContext
from sync.reporting import LoggedProgress
from tests.simulation.borders import (
    Border,
    Do,
    Faults,
    SimulatedRuntime,
    aws_faults,
    footprint_in_table,
    footprint_of,
    function_faults,
    table_faults,
)
from tests.simulation.calls import Disturbance, Fault, Footprint
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.servers import (
    ALIAS,
    HOST,
    SPARE,
    Nobody,
    SimulatedServer,
    SimulatedServers,
    Watching,
    copied_server,
)

LIFE = 120.0
"""Seconds after which an invocation of the sync function is killed."""
LEASE = 150
FAN_OUT_LEASE = 3600
REQUEST_LIFE = 29.0
"""Seconds after which a request to the management API is killed."""
_LAMBDA = {
    "function_name": "sync",
    "memory_limit_in_mb": 1024,
    "invoked_function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:sync",
    "aws_request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
}


@dataclass
class Doubles:
    """Everything that lasts when processes end. ``queue`` and ``events`` hold what waits for a function."""

    table: FakeDynamoDb
    secrets: FakeSecretsManager
    bucket: FakeS3
    queue: FakeSqs
    servers: dict[int, SimulatedServer]
    events: list[Mapping[str, object]] = field(default_factory=list)


class SimulatedWorld:
    """A primary (server 1) and backups ``b2``, ``b3`` … with everything around them.

    A run over more than ``fan_out_above`` backups is queued. ``four_eyes``: an approval needs two people.
    ``listeners``: they are replicated too.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        backups: int = 2,
        fan_out_above: int = 100,
        four_eyes: bool = False,
        listeners: bool = False,
    ) -> None:
        self.scheduler = scheduler
        self.runtime = SimulatedRuntime(scheduler)
        self.doubles = Doubles(
            FakeDynamoDb(),
            FakeSecretsManager(),
            FakeS3(lambda: scheduler.now),
            FakeSqs(visibility=float(LEASE), most_receives=5),
            {number: SimulatedServer(number) for number in (*range(1, backups + 2), SPARE)},
        )
        self.above = fan_out_above
        self._four_eyes = four_eyes
        self._parts = ("settings", "accounts", "listeners") if listeners else ("settings", "accounts")
        self.watch: Watching = Nobody()
        self.is_one_clock = True
        self._environments: dict[Process, RunContext] = {}
        self._kept: list[RunContext] = []
        self._inside: Process | None = None
        self._requests: dict[Process, tuple[Any, Any, dict[str, Any]]] = {}
        self.answers: list[tuple[str, Answer]] = []
        self.failed: list[str] = []
        self.edits = 0
        self.pace = 0.0
        self.only_slow = 0
        self.memory_megabytes: int | None = None
        self._invocations = 0

    # Setting up

    def register(self) -> None:
        """Register the primary and all backups, with their passwords."""
        store, credentials = self.store, self._credentials()
        store.save_settings(SyncSettings(parts=self._parts, approval_by_another=self._four_eyes))
        primary = store.save_primary(Primary(HOST.format(1), 443))
        credentials.put(primary.secret_id, Credentials("admin", "password-of-1", destination_of(primary)))
        for number in self.doubles.servers:
            if number not in (1, SPARE):
                backup = store.add_backup(Backup(f"b{number}", HOST.format(number), 443))
                destination = destination_of(backup)
                credentials.put(backup.secret_id, Credentials("admin", f"password-of-{number}", destination))

    @cached_property
    def store(self) -> DynamoStore:
        """The registry, read and written by the world itself at once."""
        return DynamoStore("registry", cast(Any, self.doubles.table), self.runtime)

    def server_of(self, registered: Primary | Backup) -> SimulatedServer:
        """The server of a registration."""
        number = int(registered.host.rpartition(".")[2])
        return self.doubles.servers[number - ALIAS or 1 if number >= ALIAS else number]

    def pace_of(self, server: SimulatedServer) -> float:
        """Seconds that a call to a server takes. With ``only_slow``, the number of one, the others take none."""
        return self.pace if self.only_slow in (0, server.number) else 0.0

    def stored_password(self, registered: Primary | Backup) -> str:
        """The password that is stored for a registration, empty if there is none for its destination."""
        text = self.doubles.secrets.readable.get(f"fleet/{registered.secret_id}", "{}")
        values: dict[str, str] = json.loads(text)
        return values["password"] if values.get("destination") == destination_of(registered) else ""

    # Functions

    def invoke(self, event: Mapping[str, object], name: str, *, skew: float = 0.0) -> Process:
        """Begin an invocation of the sync function."""
        self._invocations += 1
        return self.scheduler.start(f"{name} {self._invocations}", lambda: self._sync(event), seconds=LIFE, skew=skew)

    def _sync(self, event: Mapping[str, object]) -> Mapping[str, object]:
        """What Lambda does: a process that is kept from an earlier invocation is used again."""
        process = self.scheduler.process
        if process is None:
            raise RuntimeError("functions run in processes")
        self._environments[process] = self._kept.pop() if self._kept else self._context()
        left = (process.ends_at - self.scheduler.clock) * 1000
        try:
            return app.handler(event, cast(Any, SimpleNamespace(**_LAMBDA, get_remaining_time_in_millis=lambda: left)))
        finally:
            if not process.is_dead:
                self._kept.append(self._environments[process])

    def _run_context(self) -> RunContext:
        """What the handler gets instead of clients of AWS: the environment of its process."""
        process = self.scheduler.process
        if process is None:
            raise RuntimeError("functions run in processes")
        return self._environments[process]

    def deliver(self, *, again: bool = False) -> bool:
        """Begin an invocation with the next messages of the queue; False if none is visible. ``again``: with those that
        another invocation has received and not finished.
        """
        queue = self.doubles.queue
        batch = list(queue.messages) if again else queue.receive(self.scheduler.clock)
        if not batch:
            return False
        event = {"Records": [{"eventSource": "aws:sqs", "messageId": one.id, "body": one.body} for one in batch]}
        self._invocations += 1

        def work() -> None:
            failures = cast("list[Mapping[str, str]]", self._sync(event)["batchItemFailures"])
            queue.finish(batch, [one["itemIdentifier"] for one in failures])

        self.scheduler.start(f"worker {self._invocations}", work, seconds=LIFE)
        return True

    def request(self, method: str, path: str, body: object = None, *, who: str = "anna") -> Process:
        """Begin a request to the management API."""
        self._invocations += 1
        name = f"{method} {path} by {who} {self._invocations}"

        def work() -> Answer:
            fake = FakeApi(f"arn:aws:iam::123456789012:user/{who}")
            headers = {} if body is None else {"content-type": "application/json"}
            text = None if body is None else json.dumps(body)
            answer = fake.resolve(fake.event(method, path, "", headers, text))
            self.answers.append((name, answer))
            return answer

        return self.scheduler.start(name, work, seconds=REQUEST_LIFE)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Both functions belong to this world inside the block. Their log lines and metrics are dropped."""
        api.dependency_overrides[services] = self._services
        self.scheduler.enter = self._enter
        silent = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            # A check looks at the certificate, and opens its own client: both are the world's.
            with (
                patch.object(app, "_run_context", self._run_context),
                patch.object(checks, "inspect_certificate", self._certificate),
                patch.object(checks, "endpoint_of", lambda server, credentials, *_, **__: (server, credentials)),
                patch.object(checks, "PrimaryClient", self._checking),
                patch.dict(os.environ, {"POWERTOOLS_METRICS_NAMESPACE": "simulation"}),
                redirect_stdout(StringIO()),
            ):
                yield
        finally:
            logging.disable(silent)
            api.dependency_overrides.clear()

    def _enter(self, process: Process) -> None:
        """Powertools keeps the request in variables of the process, so each simulated one gets its own."""
        if process is self._inside:
            return
        if self._inside is not None:
            self._requests[self._inside] = (BaseRouter.current_event, BaseRouter.lambda_context, api.context)
        self._inside = process
        kept = self._requests.get(process, (None, None, {}))
        BaseRouter.current_event, BaseRouter.lambda_context, api.context = kept

    def _certificate(self, *_: object, **__: object) -> CertificateFacts:
        begun = self.scheduler.now
        return CertificateFacts("a server", "an issuer", "0" * 64, begun, begun + timedelta(days=90), trusted=True)

    def _checking(
        self, endpoint: tuple[Primary | Backup, Credentials], deadline: Deadline, _: object
    ) -> AbstractContextManager[Any]:
        server, credentials = endpoint
        servers = SimulatedServers(self)
        if isinstance(server, Backup):
            return servers.backup(server, credentials, None, deadline)
        return servers.primary(server, credentials, None, deadline)

    # What the functions are given

    def _border(
        self,
        name: str,
        target: object,
        faults: Callable[[str, Do, Mapping[str, Any]], Faults],
        touches: Callable[[str, Mapping[str, Any]], Footprint],
    ) -> Any:
        return Border(self.scheduler, name, target, faults, touches)

    def _queue_faults(self, method: str, do: Do, named: Mapping[str, Any]) -> Faults:
        def refuses_one() -> Any:
            self.doubles.queue.refused = 1
            return do()

        return {**aws_faults(method, do, named), Fault.PARTLY: Disturbance(refuses_one)}

    def _table(self) -> Any:
        return self._border("table", self.doubles.table, table_faults, footprint_in_table)

    def _credentials(self) -> SecretsManagerCredentials:
        return SecretsManagerCredentials(
            "fleet",
            self._border("secrets", self.doubles.secrets, aws_faults, footprint_of("secret", "SecretId", "Name")),
            self.runtime,
        )

    def snapshots(self) -> S3Snapshots:
        digests = DynamoSnapshotDigests("registry", self._table(), self.runtime)
        return S3Snapshots(
            "bucket", self._border("bucket", self.doubles.bucket, aws_faults, footprint_of("object", "Key")), digests
        )

    def _context(self) -> RunContext:
        queue = SqsQueue(
            "queue", lambda: self._border("queue", self.doubles.queue, self._queue_faults, footprint_of("queue"))
        )
        return RunContext(
            store=DynamoStore("registry", self._table(), self.runtime),
            credentials=self._credentials(),
            servers=cast(Any, SimulatedServers(self)),
            progress=LoggedProgress(app.logger),
            snapshots=self.snapshots(),
            primary=None,
            lease_seconds=LEASE,
            runtime=self.runtime,
            memory_megabytes=self.memory_megabytes,
            fan_out=FanOutTerms(queue, above=self.above, seconds=FAN_OUT_LEASE),
        )

    def _services(self) -> Services:
        table = self._table()
        return SimulatedServices(
            store=DynamoStore("registry", table, self.runtime),
            credentials=self._credentials(),
            schedule=MemorySchedule(),
            starter=LambdaStarter(
                "sync",
                self._border("function", _Function(self.doubles.events), function_faults, footprint_of("function")),
            ),
            audit=DynamoAuditLog("registry", table, self.runtime),
            addresses=AddressPolicy(self.runtime),
            snapshots=self.snapshots(),
            runtime=self.runtime,
            simulated=SimulatedServers(self),
        )


@dataclass(frozen=True)
class SimulatedServices(Services):
    """The services of the management API, with simulated servers."""

    simulated: "SimulatedServers | None" = None

    @property
    def servers(self) -> CerberusServers:
        return cast(CerberusServers, self.simulated)


@dataclass(frozen=True)
class _Function:
    """The function as boto3's Lambda client invokes it."""

    events: list[Mapping[str, object]]

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 # boto3's names
        self.events.append(json.loads(Payload))


def copied(doubles: Doubles, now: Callable[[], Any]) -> Doubles:
    """The same content in doubles of their own."""
    table = FakeDynamoDb()
    for row in doubles.table.rows:
        table.put_item(TableName="registry", Item=row)
    bucket = FakeS3(now)
    bucket.objects = dict(doubles.bucket.objects)
    return Doubles(
        table,
        deepcopy(doubles.secrets),
        bucket,
        deepcopy(doubles.queue),
        {number: copied_server(server) for number, server in doubles.servers.items()},
        list(doubles.events),
    )
