"""Where another has to approve, nobody gets a plan through alone, whatever they ask for, forge or wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.people import are_two_people, is_agreed, person_of
from fleet.primary import guard_of
from fleet.servers import PRIMARY_ID
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.runtime import TickingRuntime
from local.fakes.servers import FleetServer
from local.fakes.store import MemoryStore
from local.fakes.world import World
from registry.models import Approval, BackupResult, Run, SyncSettings, new_run_id
from registry.snapshots import SnapshotContent
from replication.model import PartName
from replication.primary import dump, read_primary
from sync.events import read_request
from sync.run import run

ACCOUNT, OTHER = "123456789012", "210987654321"
PERSONAL = f"arn:aws:iam::{ACCOUNT}:role/people/administrators"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCd"


def user(name: str, account: str = ACCOUNT, path: str = "") -> str:
    return f"arn:aws:iam::{account}:user/{path}{name}"


def session(role: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/{name}"


NOBODY = (
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:sts::{ACCOUNT}:federated-user/kim",
    f"arn:aws:sts::{ACCOUNT}:federated-user/alex",
    "unknown",
    "",
)
ALEX = (
    user("alex"),
    user("Alex", path="division/"),
    user("ALEX", OTHER),
    session("administrators", "alex"),
    session("Administrators", "ALEX"),
    f"{POOL}#0b1c",
    f"{POOL}#0B1C",
    *NOBODY,
)
SHARED = (
    session("operators", "alex"),
    session("operators", "kim"),
    session("Operators", "lee@example.com"),
    f"{POOL}#0b1c",
    *NOBODY,
)
"""What one person may be: who has a user of their own, and who is one of many in a role."""
KIM, LEE = user("kim"), session("administrators", "lee")


@dataclass(frozen=True)
class Step:
    """What one person does, or what happens by itself. ``which`` counts from the newest run or result."""

    what: Literal["ask", "queue", "invoke", "deliver", "schedule", "approve", "lose", "demand", "register"]
    who: str = ""
    kind: Literal["run", "dry run", "restore"] = "dry run"
    which: int = 0
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
class Guarded:
    """A backup ``b1`` that has 20 users where the primary has five, so that every plan waits for an approval."""

    world: World = field(default_factory=lambda: World(store=LossyStore(), runtime=TickingRuntime(tick=1e-3)))

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

    def ask(self, who: str, kind: str) -> None:
        """Ask the API for a run: it is queued, and its event is on its way."""
        dry = kind == "dry run"
        target = "/backups/b1/restore" if kind == "restore" else "/sync-runs"
        body = {"snapshot": self.key, "dry_run": True} if kind == "restore" else {"backups": ["b1"], "dry_run": dry}
        assert self.call(who, target, body).status == 202
        self.queued.append(self.api.starter.events[-1])

    def deliver(self, event: object) -> None:
        with suppress(Failure):  # what is refused is not run
            run(read_request(event), self.world.context, Deadline(600, self.world.runtime.monotonic))

    def forge(self, who: str, kind: str, which: int) -> None:
        """Invoke the function with somebody's name, and with the id of a run that was asked for, a new one or none."""
        event: dict[str, object] = {"action": "sync", "backups": ["b1"], "dry_run": kind == "dry run"}
        if kind == "restore":
            event = {"action": "restore", "snapshot": self.key, "dry_run": True}
        if which < len(self.queued):
            event["run_id"] = self.queued[-1 - which]["run_id"]
        elif which % 2:
            event["run_id"] = new_run_id(self.world.runtime.now(), "0badc0de")
        self.deliver({**event, "requested_by": who})

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
                self.ask(step.who, step.kind)
                self.deliver(self.queued.pop())
            case "queue":
                self.ask(step.who, step.kind)
            case "deliver":
                for event in self.queued:
                    self.deliver(event)
                self.queued.clear()
            case "invoke":
                self.forge(step.who, step.kind, step.which)
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
        """Everything that is written while the demand is off does not count: only looks are made then."""
        with self.api.running():
            for step in steps:
                if step.what in ("schedule", "ask", "deliver", "invoke") and not self.is_demanded:
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
            for snapshot in ("", self.key):
                approval = self.api.services().approval(backup, snapshot)
                assert guard_of(self.store.settings(), approval).approved == ""

    def put_back(self) -> None:
        self.deliver({"action": "restore", "snapshot": self.key})


def steps(principals: Sequence[str]) -> st.SearchStrategy[list[Step]]:
    """Whatever one person does with the right to everything but the settings, while records are lost."""
    who, kinds = st.sampled_from(principals), st.sampled_from(["run", "dry run", "dry run", "restore"])
    numbers = st.integers(0, 3)
    losses = st.sampled_from(["run expired", "run unreadable", "result expired", "result unreadable"])
    own = st.builds(Step, st.sampled_from(["ask", "ask", "queue"]), who, kinds)
    forged = st.builds(Step, st.just("invoke"), who | st.sampled_from([KIM, LEE]), kinds, numbers)
    approved = st.builds(Step, st.just("approve"), who, which=numbers)
    lost = st.builds(Step, st.just("lose"), which=numbers, loss=losses)
    other = st.builds(Step, st.sampled_from(["deliver", "schedule", "schedule", "demand", "register"]))
    return st.lists(own | forged | approved | approved | lost | other, min_size=2, max_size=8)


ASKED, SCHEDULED = Step("ask", user("alex")), Step("schedule")
APPROVED = Step("approve", user("alex"))


@given(what=steps(ALEX) | steps(SHARED))
@example(what=[SCHEDULED, APPROVED])
@example(what=[ASKED, SCHEDULED, Step("lose", which=1, loss="result unreadable"), APPROVED])
@example(what=[ASKED, SCHEDULED, Step("lose", which=1, loss="run expired"), APPROVED])
@example(what=[Step("invoke", KIM, which=3), APPROVED])
@example(what=[Step("invoke", KIM, which=2), APPROVED])
@example(what=[Step("queue", user("alex"), "run"), Step("invoke", KIM, "dry run"), APPROVED])
@example(what=[Step("ask", session("operators", "kim")), Step("approve", session("operators", "lee"))])
@example(what=[SCHEDULED, Step("demand"), APPROVED, Step("demand"), APPROVED])
def test_nobody_gets_a_plan_through_alone(what: list[Step]) -> None:
    guarded = Guarded()
    guarded.play(what)
    guarded.demand(wanted=True)
    guarded.schedule()
    guarded.put_back()
    guarded.check()


@given(what=steps(ALEX), restored=st.booleans())
def test_two_people_always_can(what: list[Step], restored: bool) -> None:
    guarded = Guarded()
    guarded.play([*what, Step("deliver")])
    guarded.demand(wanted=True)
    guarded.store.lost.clear()
    finish = guarded.put_back if restored else guarded.schedule
    finish()
    with guarded.api.running():
        answers = [guarded.approve(who) for who in (KIM, LEE)]
    assert [answer.status for answer in answers if answer] == [200, 200]
    finish()
    assert guarded.server.people == guarded.few


class TestWhoAskedIsOneOfTheTwo:
    @staticmethod
    def approved_after(*what: Step, by: str = KIM) -> bool:
        guarded = Guarded()
        guarded.play(what)
        with guarded.api.running():
            answer = guarded.approve(by)
        assert answer is not None
        assert answer.status == 200
        in_force = bool(answer.body["in_force"])
        guarded.schedule()
        assert (len(guarded.server.people) == 5) == in_force
        return in_force

    def test_if_the_api_has_queued_it(self) -> None:
        assert self.approved_after(ASKED)
        assert self.approved_after(ASKED, SCHEDULED)
        assert not self.approved_after(SCHEDULED)
        assert not self.approved_after(Step("invoke", user("alex"), which=3))

    def test_not_if_the_record_does_not_say_that_the_api_has_queued_it(self) -> None:
        guarded = Guarded()
        guarded.play([Step("queue", user("alex"))])
        (queued,) = guarded.store.runs(limit=10)
        guarded.store.save_run(replace(queued, requester_verified=False))  # as older versions do
        guarded.play([Step("deliver")])
        with guarded.api.running():
            answer = guarded.approve(KIM)
        assert answer is not None
        assert answer.body["in_force"] is False

    def test_not_if_somebody_else_may_have_asked_as_well(self) -> None:
        assert not self.approved_after(ASKED, Step("invoke", "", which=3))
        assert not self.approved_after(Step("ask", NOBODY[0]), ASKED)
        for loss in ("run expired", "run unreadable", "result unreadable"):
            assert not self.approved_after(ASKED, SCHEDULED, Step("lose", which=0, loss=loss))

    def test_not_if_that_may_be_who_approves(self) -> None:
        assert not self.approved_after(Step("ask", KIM), ASKED)
        assert not self.approved_after(ASKED, by=f"{POOL}#0b1c")

    def test_also_if_they_asked_after_somebody_had_approved(self) -> None:
        assert self.approved_after(SCHEDULED, Step("approve", KIM), ASKED, by=user("alex"))

    def test_a_run_that_was_queued_by_one_is_not_begun_as_anything_else(self) -> None:
        guarded = Guarded()
        guarded.play([Step("queue", user("alex"), "dry run"), Step("invoke", user("alex"), "run")])
        assert [entry.status for entry in guarded.store.runs(limit=10)] == ["queued"]
        guarded.play([Step("deliver")])
        (entry,) = guarded.store.runs(limit=10)
        assert (entry.status, entry.dry_run, entry.requester_verified) == ("partial", True, True)


class TestPeople:
    @pytest.mark.parametrize("principals", [ALEX, SHARED])
    def test_one_person_is_never_two(self, principals: tuple[str, ...]) -> None:
        assert not are_two_people(principals, [PERSONAL])

    @pytest.mark.parametrize("principal", [*NOBODY, "cognito#0b1c", "arn:aws:sts::1:assumed-role/a", user("a/b c")])
    def test_what_can_be_anybody_is_nobody(self, principal: str) -> None:
        assert person_of(principal, [PERSONAL]) is None

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (user("alex"), user("kim")),
            (user("alex"), session("administrators", "kim")),
            (session("administrators", "alex"), session("administrators", "kim")),
            (session("operators", "alex"), session("approvers", "alex")),
            (session("operators", "alex"), user("alex")),
            (f"{POOL}#0b1c", f"{POOL}#2d3e"),
            (user("alex").replace("arn:aws:", "arn:aws-us-gov:"), user("kim")),
        ],
    )
    def test_two_are_two(self, one: str, other: str) -> None:
        assert are_two_people([one, other], [PERSONAL])

    @pytest.mark.parametrize(
        "role", [PERSONAL.replace(ACCOUNT, OTHER), PERSONAL.replace("administrators", "admin"), "*", ""]
    )
    def test_only_the_very_role_that_is_named_is_personal(self, role: str) -> None:
        assert not are_two_people([session("administrators", "alex"), session("administrators", "kim")], [role])

    def test_what_was_agreed_is_judged_as_the_settings_are_now(self) -> None:
        now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC) + timedelta()
        approval = Approval("b1", "1" * 64, session("administrators", "alex"), now)
        two = replace(approval, agreed=(session("administrators", "kim"),))
        demanding = SyncSettings(approval_by_another=True)
        assert is_agreed(approval, SyncSettings())
        assert not is_agreed(approval, demanding)
        assert not is_agreed(two, demanding)
        assert is_agreed(two, replace(demanding, personal_roles=(PERSONAL,)))
