"""A backup whose plan waits for an approval, and whatever may happen to it through the API and by invocations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.runtime import TickingRuntime
from local.fakes.servers import FleetServer
from local.fakes.store import MemoryStore
from local.fakes.world import World
from registry.fleet_records import SyncSettings
from registry.run_records import BackupResult, Run, new_run_id
from registry.snapshots import SnapshotContent
from replication.model import PartName
from replication.primary import dump, read_primary
from sync.context import FanOutTerms
from sync.events import read_request
from sync.fan_out import process_batch
from sync.run import run

ACCOUNT = "123456789012"
PERSONAL = f"arn:aws:iam::{ACCOUNT}:role/people/administrators"


@dataclass(frozen=True)
class Step:
    """What one person does, or what happens by itself.

    ``which`` counts from the newest run or result. ``bound``: the newest plan's hash is given to what is asked for.
    """

    what: Literal["ask", "queue", "invoke", "deliver", "schedule", "approve", "lose", "demand", "register"]
    who: str = ""
    kind: Literal["run", "dry run", "restore", "dry restore"] = "dry run"
    which: int = 0
    bound: bool = False
    loss: Literal["run expired", "run unreadable", "result expired", "result unreadable"] = "run expired"


class LossyStore(MemoryStore):
    """A store whose records expire, or were written by a newer version."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: set[tuple[str, str]] = set()

    def run(self, run_id: str) -> Run | None:
        if ("run unreadable", run_id) in self.lost:
            raise Failure(Reason.RECORD_UNREADABLE, "its format is not known here")
        return None if ("run expired", run_id) in self.lost else super().run(run_id)

    def history(self, backup_id: str, *, limit: int, **more: Any) -> tuple[BackupResult, ...]:
        gone = {run_id for what, run_id in self.lost if what.startswith("result")}
        results = super().history(backup_id, limit=10_000, **more)
        return tuple(result for result in results if result.run_id not in gone)[:limit]

    def unreadable_results(self, backup_id: str, *, since: str) -> tuple[str, ...]:  # there is only one
        return tuple(run_id for what, run_id in self.lost if what == "result unreadable" and run_id >= since)


class Api(ApiWorld):
    """The API, behind a user pool for a caller who has a subject of it."""

    def event(self, *request: Any) -> dict[str, Any]:
        event = super().event(*request)
        issuer, _, subject = self.caller.partition("#")
        if subject:
            event["requestContext"]["authorizer"] = {"claims": {"iss": issuer, "sub": subject}}
        return event


@dataclass
class BlockedBackup:
    """A backup ``b1`` that has 20 users where the primary has five, so that every plan waits for an approval."""

    fan_out: bool = False
    world: World = field(default_factory=lambda: World(store=LossyStore(), runtime=TickingRuntime(tick=1e-3)))
    queue: MemoryQueue = field(default_factory=MemoryQueue)

    def __post_init__(self) -> None:
        runtime = self.world.runtime
        assert isinstance(runtime, TickingRuntime)
        self.api = Api(store=self.store, snapshots=self.world.snapshots, runtime=runtime)
        self.queued: list[Mapping[str, object]] = []
        for backup_id in ("b2", "b3"):
            self.store.delete_backup(backup_id)
        self.world.servers.by_id[PRIMARY_ID].people = self.few
        self.server.people = self.few
        content = read_primary(self.server, frozenset({PartName.SETTINGS, PartName.ACCOUNTS}))
        self.snapshot = SnapshotContent(dump(content), content.facts)
        self.server.people = tuple(f"user{number}" for number in range(20))
        self.demand(wanted=True)
        self.keep()

    few = tuple(f"user{number}" for number in range(5))

    @property
    def store(self) -> LossyStore:
        assert isinstance(self.world.store, LossyStore)
        return self.world.store

    @property
    def server(self) -> FleetServer:
        return self.world.servers.by_id["b1"]

    def keep(self) -> None:
        """Keep a snapshot of the backup as it is registered now."""
        run_id = new_run_id(self.world.runtime.now(), "0badc0de")
        registration = self.store.registration("b1") or ""
        self.key = self.world.snapshots.keep_backup("b1", run_id, self.snapshot, registration)

    def demand(self, *, wanted: bool) -> None:
        settings = SyncSettings(approval_by_another=wanted, personal_roles=(PERSONAL,))
        self.store.save_settings(settings)

    def call(self, who: str, target: str, body: object) -> Answer:
        self.api.caller = who
        return self.api.call("POST", target, body)

    def ask(self, step: Step) -> None:
        """Ask the API for a run: it is queued, and its event is on its way."""
        plan = {"plan_hash": self.hashes()[0]} if step.bound and self.hashes() else {}
        body: dict[str, object] = {"dry_run": step.kind.startswith("dry"), **plan}
        if step.kind.endswith("restore"):
            answer = self.call(step.who, "/backups/b1/restore", body | {"snapshot": self.key})
        else:
            answer = self.call(step.who, "/sync-runs", body | {"backups": ["b1"]})
        assert answer.status == 202
        self.queued.append(self.api.starter.events[-1])

    def deliver(self, event: object) -> None:
        """Invoke the function, and those that serve what it queues."""
        terms = FanOutTerms(self.queue, 0, 600) if self.fan_out else None
        context = replace(self.world.context, fan_out=terms)
        with suppress(Failure):  # what is refused is not run
            run(read_request(event), context, Deadline(600, context.runtime.monotonic))
        ends_at = context.runtime.now() + timedelta(seconds=60)
        process_batch(self.queue.messages, context, Deadline(600, context.runtime.monotonic), ends_at)
        self.queue.messages.clear()

    def forge(self, step: Step) -> None:
        """Invoke the function with somebody's name, and with the id of a run that was asked for, a new one or none."""
        own = {"action": "restore", "snapshot": self.key} if step.kind.endswith("restore") else {"action": "sync"}
        event: dict[str, object] = {**own, "backups": ["b1"], "dry_run": step.kind.startswith("dry")}
        if step.bound and self.hashes():
            event["plan_hash"] = self.hashes()[0]
        if step.which < len(self.queued):
            event["run_id"] = self.queued[-1 - step.which]["run_id"]
        elif step.which % 2:
            event["run_id"] = new_run_id(self.world.runtime.now(), "0badc0de")
        self.deliver({**event, "requested_by": step.who})

    def hashes(self) -> list[str]:
        return [result.plan_hash for result in self.store.history("b1", limit=200) if result.plan_hash]

    def approve(self, who: str, which: int = 0) -> Answer | None:
        plans = list(dict.fromkeys(self.hashes()))
        return self.call(who, "/backups/b1/approve", {"hash": plans[which]}) if which < len(plans) else None

    def lose(self, step: Step) -> None:
        """One record expires, or turns out to be of a newer version."""
        runs = [entry.id for entry in self.store.runs(limit=200)]
        if step.which < len(runs):
            self.store.lost.add((step.loss, runs[step.which]))

    def schedule(self) -> None:
        self.deliver({"source": "aws.events", "detail-type": "Scheduled Event"})

    def do(self, step: Step) -> None:
        match step.what:
            case "ask":
                self.ask(step)
                self.deliver(self.queued.pop())
            case "queue":
                self.ask(step)
            case "deliver":
                for event in self.queued:
                    self.deliver(event)
                self.queued.clear()
            case "invoke":
                self.forge(step)
            case "schedule":
                self.schedule()
            case "approve":
                self.approve(step.who, step.which)
            case "lose":
                self.lose(step)
            case "demand":
                self.demand(wanted=not self.store.settings().approval_by_another)
            case "register":
                backup = self.store.backup("b1")
                assert backup is not None
                self.store.delete_backup("b1")
                self.store.add_backup(backup)
                self.keep()

    def play(self, steps: Sequence[Step]) -> None:
        """Do all of it, and look after each step.

        What one person approves while nobody demands two is not pushed: it waits until two are demanded.
        """
        with self.api.running():
            for step in steps:
                is_alone_enough = self.store.approval("b1") and not self.is_demanded
                if is_alone_enough and step.what in ("schedule", "ask", "deliver", "invoke"):
                    continue
                self.do(step)
                self.check()

    @property
    def is_demanded(self) -> bool:
        return self.store.settings().approval_by_another

    def check(self) -> None:
        """Nothing of what waits may go through."""
        assert len(self.server.people) == 20
        backup = self.store.backup("b1")
        assert backup is not None
        if self.is_demanded:
            approval = self.api.services().approval(backup)
            assert approval is None or approval.missing

    def put_back(self) -> None:
        self.deliver({"action": "restore", "snapshot": self.key})
