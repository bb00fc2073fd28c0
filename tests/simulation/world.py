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
from typing import Any, Protocol, cast
from unittest.mock import patch

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter
from botocore.exceptions import ClientError

from admin_api import checks
from admin_api.app import api
from admin_api.dependencies import Services, services
from cerberus.address_policy import AddressPolicy
from cerberus.certificate import CertificateFacts
from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID, CerberusServers
from local.fakes.aws_services import MemorySchedule
from local.fakes.dynamodb import FakeDynamoDb
from local.fakes.management_api import Answer, FakeApi
from local.fakes.s3 import FakeS3
from local.fakes.secrets_manager import FakeSecretsManager
from local.fakes.servers import FleetServer
from local.fakes.sqs import FakeSqs
from registry.audit import DynamoAuditLog
from registry.backup_queue import SqsQueue
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, destination_of, password_needed
from registry.schedule import LambdaStarter
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots
from sync import app
from sync.context import FanOutTerms, RunContext
from sync.reporting import LoggedProgress
from tests.simulation.scheduler import Border, Call, Disturbance, Fault, Footprint, Process, Scheduler, SimulatedRuntime

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
HOST = "10.0.0.{}"
SPARE = 8
"""The number of a server that is not registered."""
ALIAS = 10
"""Other addresses of servers have numbers from here on: that of the first one this, that of another one its number
more.
"""

type Do = Callable[[], Any]
type Faults = Mapping[Fault, Disturbance]


class SimulatedServer(FleetServer):
    """A Cerberus server. ``password`` is the one that it accepts; with the greeting ``shut_by`` it accepts nobody.

    ``ignores_writes``: it acknowledges what is written and does nothing.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"server-{number}.", 443)
        self.number = number
        self.address = (HOST.format(number), 443)
        self.label = f"server-{number}"
        self.password = f"password-of-{number}"
        self.shut_by = ""
        self.ignores_writes = False

    @property
    def state(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """What runs replicate."""
        return self.greeting, self.people, self.teams

    @property
    def own(self) -> str:
        """What belongs to its machine."""
        settings: str = self.content["settings"]
        return settings.partition("<licence>")[2].partition("</licence>")[0]

    def add_default(self) -> None:
        """Add a value of its own to its settings."""
        settings: str = self.content["settings"]
        if "<port>" not in settings:
            self.content["settings"] = settings.replace("</settings>", "<port>21</port></settings>")

    def is_open(self) -> bool:
        return not self.shut_by or self.greeting != self.shut_by


@dataclass
class Doubles:
    """Everything that lasts when processes end. ``queue`` and ``events`` hold what waits for a function."""

    table: FakeDynamoDb
    secrets: FakeSecretsManager
    bucket: FakeS3
    queue: FakeSqs
    servers: dict[int, SimulatedServer]
    events: list[Mapping[str, object]] = field(default_factory=list)


class Watching(Protocol):
    """Is told of every call to a server. See ``tests.simulation.invariants``."""

    def opened(self, session: "Session") -> None: ...
    def called(self, process: Process, session: "Session", method: str, answer: Any) -> None: ...
    def writing(self, process: Process | None, session: "Session", method: str, given: tuple[Any, ...]) -> None: ...
    def written(self, process: Process | None, session: "Session", method: str) -> None: ...


class _Nobody:
    """Watches nothing."""

    def opened(self, session: "Session") -> None: ...
    def called(self, process: Process, session: "Session", method: str, answer: Any) -> None: ...
    def writing(self, process: Process | None, session: "Session", method: str, given: tuple[Any, ...]) -> None: ...
    def written(self, process: Process | None, session: "Session", method: str) -> None: ...


class SimulatedWorld:
    """A primary (server 1) and backups ``b2``, ``b3`` … with everything around them.

    A run over more than ``fan_out_above`` backups is queued. ``four_eyes``: an approval needs two people.
    """

    def __init__(
        self, scheduler: Scheduler, *, backups: int = 2, fan_out_above: int = 100, four_eyes: bool = False
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
        self.watch: Watching = _Nobody()
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
        store.save_settings(SyncSettings(parts=("settings", "accounts"), approval_by_another=self._four_eyes))
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

        return {**_aws_faults(method, do, named), Fault.PARTLY: Disturbance(refuses_one)}

    def _table(self) -> Any:
        return self._border("table", self.doubles.table, _table_faults, _rows)

    def _credentials(self) -> SecretsManagerCredentials:
        return SecretsManagerCredentials(
            "fleet",
            self._border("secrets", self.doubles.secrets, _aws_faults, _named("secret", "SecretId", "Name")),
            self.runtime,
        )

    def snapshots(self) -> S3Snapshots:
        digests = DynamoSnapshotDigests("registry", self._table(), self.runtime)
        return S3Snapshots(
            "bucket", self._border("bucket", self.doubles.bucket, _aws_faults, _named("object", "Key")), digests
        )

    def _context(self) -> RunContext:
        queue = SqsQueue(
            "queue", lambda: self._border("queue", self.doubles.queue, self._queue_faults, _named("queue"))
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
                "sync", self._border("function", _Function(self.doubles.events), _function_faults, _named("function"))
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


class SimulatedServers:
    """``fleet.servers.Servers`` of the simulated world."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    @contextmanager
    def primary(
        self, primary: Primary, credentials: Credentials, settings: object, deadline: Deadline
    ) -> Iterator[Any]:
        yield self._opened(primary, credentials, deadline)

    @contextmanager
    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: object,
        deadline: Deadline,
        not_at: tuple[str, int] | None = None,
        *_: object,
    ) -> Iterator[Any]:
        if not_at == (backup.host, backup.port):
            raise Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself; nobody has logged in")
        yield self._opened(backup, credentials, deadline)

    def is_same(self, one: tuple[str, int], other: tuple[str, int], _: object) -> bool:
        return one == other

    def _opened(self, registered: Primary | Backup, credentials: Credentials, deadline: Deadline) -> "Session":
        deadline.check()
        if credentials.destination != destination_of(registered):
            raise password_needed(credentials.destination, destination_of(registered))
        return Session(self._world, registered, credentials, deadline.copy())


class Session:
    """A connection to a server, in which every call is a step of the schedule."""

    def __init__(
        self,
        world: SimulatedWorld,
        registered: Primary | Backup,
        credentials: Credentials,
        deadline: Deadline,
    ) -> None:
        self._world = world
        self.registered = registered
        self.registered_id = registered.id if isinstance(registered, Backup) else PRIMARY_ID
        self.server = world.server_of(registered)
        self.credentials = credentials
        self.deadline = deadline
        self.label, self.list_room = self.server.label, self.server.list_room
        self.address = (registered.host, registered.port)
        world.watch.opened(self)

    def __getattr__(self, method: str) -> Any:
        member = getattr(self.server, method)

        def through(*given: Any, **named: Any) -> Any:
            self.deadline.check()

            def do() -> Any:
                process = self._world.scheduler.acting
                self._world.scheduler.clock += self._world.pace_of(self.server)
                self._refuse()
                self._world.watch.writing(process, self, method, given)
                is_ignored = self.server.ignores_writes and method.startswith("write_")
                answer = None if is_ignored else member(*given, **named)
                self._world.watch.written(process, self, method)
                if process:
                    self._world.watch.called(process, self, method, answer)
                return answer

            faults, touches = _server_faults(self.server, method, do), _documents(self.server, method)
            call = Call(self.label, method, do, faults, touches)
            return self._world.scheduler.call(call)

        return through

    def _refuse(self) -> None:
        if not self.server.is_open():
            raise Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")
        if self.credentials.password != self.server.password:
            raise Failure(Reason.AUTHENTICATION_FAILED, "the server refused the log-in")


def _unavailable() -> Exception:
    return ClientError({"Error": {"Code": "InternalServerError", "Message": "no answer"}}, "Call")


def _conflict() -> Exception:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "conflict"},
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    return ClientError(answer, "TransactWriteItems")


def _aws_faults(_: str, do: Do, __: object) -> Faults:
    return {Fault.LOST: Disturbance(None, _unavailable), Fault.UNHEARD: Disturbance(do, _unavailable)}


def _table_faults(method: str, do: Do, named: object) -> Faults:
    conflict = {Fault.CONFLICT: Disturbance(None, _conflict)} if method == "transact_write_items" else {}
    return {**_aws_faults(method, do, named), **conflict}


def _function_faults(method: str, do: Do, named: object) -> Faults:
    return {**_aws_faults(method, do, named), Fault.IGNORED: Disturbance()}  # an event that is never delivered


def _refused() -> Exception:
    return Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")


def _silent() -> Exception:
    return Failure(Reason.READ_TIMEOUT, "the server went silent")


def _server_faults(server: SimulatedServer, method: str, do: Do) -> Faults:
    faults = {Fault.LOST: Disturbance(None, _refused), Fault.UNHEARD: Disturbance(do, _silent)}
    if not method.startswith("write_"):
        return faults

    def keeps() -> None:
        before = server.people
        do()
        server.people = tuple(dict.fromkeys((*before, *server.people)))

    def adds() -> None:
        do()
        server.add_default()

    return {
        **faults,
        Fault.LATE: Disturbance(None, _silent),
        Fault.IGNORED: Disturbance(),
        Fault.PARTLY: Disturbance(keeps),
        Fault.ADDED: Disturbance(adds),
    }


_READING = ("get_", "describe_", "query")


def _named(kind: str, *parameters: str) -> Callable[[str, Mapping[str, Any]], Footprint]:
    """The footprint of calls about one thing that a parameter names."""

    def touches(method: str, named: Mapping[str, Any]) -> Footprint:
        names = frozenset(f"{kind}/{named[parameter]}" for parameter in parameters if parameter in named)
        names = names or frozenset({f"{kind}/"})
        return Footprint(reads=names) if method.startswith(_READING) else Footprint(writes=names)

    return touches


def _rows(method: str, named: Mapping[str, Any]) -> Footprint:
    """The rows that a call to the table reads, writes or has as conditions."""
    if method == "query":
        values = named["ExpressionAttributeValues"].values()
        return Footprint(reads=frozenset(f"row/{value['S']}/" for value in values))
    if method == "get_item":
        return Footprint(reads=frozenset({_row_name(named["Key"])}))
    if method == "put_item":
        return Footprint(writes=frozenset({_row_name(named["Item"])}))
    touched = [(action, content) for one in named["TransactItems"] for action, content in one.items()]
    rows = [(action, _row_name(content["Item"] if action == "Put" else content["Key"])) for action, content in touched]
    return Footprint(
        reads=frozenset(row for action, row in rows if action == "ConditionCheck"),
        writes=frozenset(row for action, row in rows if action != "ConditionCheck"),
    )


def _row_name(row: Mapping[str, Any]) -> str:
    return f"row/{row['pk']['S']}/{row['sk']['S']}"


_WRITTEN = {"write_settings": ("settings",), "write_accounts": ("users", "groups")}


def _documents(server: SimulatedServer, method: str) -> Footprint:
    names = frozenset(f"server/{server.number}/{name}" for name in _WRITTEN.get(method, (method,)))
    if method in ("facts", "fresh_facts", "security"):  # settings decide who may log in
        names = frozenset({f"server/{server.number}/settings"})
    return Footprint(writes=names) if method.startswith("write_") else Footprint(reads=names)


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
        {number: _copied(server) for number, server in doubles.servers.items()},
        list(doubles.events),
    )


def _copied(server: SimulatedServer) -> SimulatedServer:
    other = SimulatedServer(server.number)
    other.content = dict(server.content)
    other.password, other.shut_by = server.password, server.shut_by
    return other
