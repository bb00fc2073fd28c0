"""A hash that is given is compared before the first write, however a run was started and whatever the guards say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from fleet.approvals import current_approval, guard_of
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import FakeRuntime
from registry.fleet_records import SyncSettings
from registry.run_records import Approval
from registry.snapshots import SnapshotContent
from replication.model import PartName
from replication.primary import dump, fingerprint, read_primary
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from local.fakes.servers import FleetServer
    from local.fakes.world import World
    from registry.run_records import BackupResult
    from sync.context import RunContext

MANY = tuple(f"user{number}" for number in range(20))
ZEROS = "0" * 64
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

KEPT = frozenset({PartName.SETTINGS, PartName.ACCOUNTS})
WAYS = ("schedule", "on demand", "restore of a snapshot", "restore of a state", "fan-out")


class Binding:
    """A fleet of which only ``b1`` differs: in its greeting, and where it is blocked in 15 users too many."""

    def __init__(self, world: World, way: str, *, blocked: bool) -> None:
        self.world, self.way = world, way
        self.queue = MemoryQueue()
        for backup_id in ("b2", "b3"):
            world.store.delete_backup(backup_id)
        world.runtime = FakeRuntime(NOON)
        self.backup.people = MANY[:5] if way == "restore of a snapshot" else MANY
        self.source.people = MANY[:5] if blocked and way != "restore of a snapshot" else MANY
        if not blocked:
            self.backup.people = MANY
        self.key = self._put_away()
        if way == "restore of a snapshot":
            self.backup.people = MANY
        self.backup.greeting = "changed since"
        self.held = dict(self.backup.content)

    @property
    def source(self) -> FleetServer:
        return self.world.servers.by_id[PRIMARY_ID]

    @property
    def backup(self) -> FleetServer:
        return self.world.servers.by_id["b1"]

    def _put_away(self) -> str:
        """What is put back: the state of the backup or of the primary as it is now."""
        if not self.way.startswith("restore"):
            return ""
        of_backup = self.way == "restore of a snapshot"
        state = read_primary(self.backup if of_backup else self.source, KEPT)
        content = SnapshotContent(dump(state), state.facts)
        if of_backup:
            registration = self.world.store.registration("b1") or ""
            return self.world.snapshots.keep_backup("b1", "20260301T110000.000000Z-0badc0de", content, registration)
        return self.world.snapshots.keep_primary(fingerprint(state), content)

    @property
    def context(self) -> RunContext:
        terms = FanOutTerms(self.queue, above=0, seconds=600) if self.way == "fan-out" else None
        return replace(self.world.context, fan_out=terms)

    def approve(self, plan_hash: str) -> None:
        """Let the plan of what this way does through."""
        approval = Approval("b1", plan_hash, "a colleague", self.world.runtime.now(), snapshot=self.key)
        self.world.store.approve(as_registered(approval, self.world.store))

    def run(self, plan_hash: str = "", *, dry_run: bool = False) -> BackupResult:
        """Start a run in this way; what came of it. A scheduled one cannot be given a hash: it is approved."""
        trigger = {"schedule": Trigger.SCHEDULE, "on demand": Trigger.ON_DEMAND, "fan-out": Trigger.ON_DEMAND}.get(
            self.way, Trigger.RESTORE
        )
        backups = () if trigger is Trigger.SCHEDULE else ("b1",)
        if trigger is Trigger.SCHEDULE:
            if plan_hash:
                self.approve(plan_hash)
            plan_hash = ""
        request = RunRequest(trigger, backups, dry_run=dry_run, snapshot=self.key, plan_hash=plan_hash)
        run(request, self.context, Deadline(600, self.world.runtime.monotonic))
        if self.queue.messages:
            ends_at = self.world.runtime.now() + timedelta(seconds=60)
            process_batch(self.queue.messages, self.context, Deadline(600, self.world.runtime.monotonic), ends_at)
            self.queue.messages.clear()
        status = self.world.store.status("b1")
        assert status is not None
        return status


@pytest.mark.parametrize(("way", "blocked"), list(product(WAYS, (False, True))))
def test_with_another_hash_nothing_is_written_and_with_the_right_one_all(world: World, way: str, blocked: bool) -> None:
    binding = Binding(world, way, blocked=blocked)
    seen = binding.run(dry_run=True)
    assert (seen.status, binding.backup.writes) == ("blocked" if blocked else "drifted", [])

    refused = binding.run(ZEROS)
    assert (refused.status, refused.reason) == ("blocked", "plan_not_current")
    assert (binding.backup.writes, binding.backup.content) == ([], binding.held)
    assert refused.plan_hash == seen.plan_hash
    registered = world.store.backup("b1")
    assert registered is not None
    assert registered.paused == ""

    if blocked:
        binding.approve(seen.plan_hash)
    done = binding.run(seen.plan_hash)
    assert done.status == ("restored" if way.startswith("restore") else "updated"), done.message
    assert len(binding.backup.people) == (5 if blocked else 20)
    assert binding.backup.greeting == "hello"
    assert done.plan_hash == seen.plan_hash
    assert world.store.approval("b1") is None


@pytest.mark.parametrize("way", WAYS)
def test_what_moved_since_it_was_looked_at_is_not_written_over(world: World, way: str) -> None:
    binding = Binding(world, way, blocked=False)
    seen = binding.run(dry_run=True)
    binding.backup.greeting = "changed again"
    refused = binding.run(seen.plan_hash)
    assert (refused.reason, binding.backup.writes) == ("plan_not_current", [])
    assert refused.plan_hash not in ("", seen.plan_hash)


@pytest.mark.parametrize("way", WAYS[1:])
def test_a_hash_is_compared_also_where_nothing_is_to_be_done(world: World, way: str) -> None:
    binding = Binding(world, way, blocked=False)
    assert binding.run().status in ("updated", "restored")
    refused = binding.run(ZEROS)
    assert (refused.status, refused.reason) == ("blocked", "plan_not_current")


def test_an_approval_that_was_void_or_used_stops_no_second_run(world: World) -> None:
    binding = Binding(world, "schedule", blocked=True)
    assert binding.run(ZEROS).reason == "plan_not_current"
    status = binding.run()
    assert (status.reason, binding.backup.greeting) == ("removes_too_much", "hello")
    assert binding.run(status.plan_hash).status == "updated"
    binding.source.greeting = "good morning"
    assert binding.run().status == "updated"


def test_what_a_run_records_is_the_hash_of_what_is_left(world: World) -> None:
    binding = Binding(world, "schedule", blocked=True)
    whole = binding.run(dry_run=True).plan_hash
    left = binding.run().plan_hash
    assert whole != left
    assert binding.run(dry_run=True).plan_hash == left


@pytest.mark.parametrize("way", WAYS[1:])
def test_a_hash_that_is_given_to_a_run_approves_nothing(world: World, way: str) -> None:
    binding = Binding(world, way, blocked=True)
    seen = binding.run(dry_run=True)
    assert binding.run(ZEROS).reason == "plan_not_current"
    assert binding.run(seen.plan_hash).reason == "removes_too_much"
    assert len(binding.backup.people) == 20
    assert world.store.approval("b1") is None


@pytest.mark.parametrize("way", WAYS)
def test_a_result_says_who_has_approved_what_its_push_did(world: World, way: str) -> None:
    binding = Binding(world, way, blocked=True)
    if way == "schedule":
        binding.run()  # pushes the greeting: only the users wait
        binding.backup.greeting = "changed again"
    binding.approve(binding.run(dry_run=True).plan_hash)
    done = binding.run()
    assert (done.status, done.approved_by) == ("restored" if binding.key else "updated", ("a colleague",))
    binding.backup.greeting = "changed by hand"
    assert binding.run().approved_by == ()


def test_only_an_approval_lets_through_and_only_one_of_two_people_where_that_is_demanded(world: World) -> None:
    demanding = SyncSettings(approval_by_another=True)
    backup = world.store.backup("b1")
    assert backup
    ann, bob = (f"arn:aws:iam::123456789012:user/{name}" for name in ("ann", "bob"))
    approval = as_registered(Approval("b1", "1" * 64, ann, NOON, agreed=(bob,)), world.store)

    def let_through(given: Approval, settings: SyncSettings) -> str:
        current = current_approval(given, backup, world.store.primary(), settings, NOON)
        assert current
        return guard_of(settings, current.in_force(), "2" * 64).approved

    assert let_through(approval, demanding) == "1" * 64
    assert let_through(replace(approval, agreed=()), demanding) == ""
    assert let_through(replace(approval, agreed=()), SyncSettings()) == "1" * 64
    assert guard_of(SyncSettings(), None, "2" * 64).approved == ""


def test_an_approval_of_a_restore_is_left_alone_by_runs_that_do_something_else(world: World) -> None:
    binding = Binding(world, "restore of a snapshot", blocked=True)
    stopped = binding.run()
    assert stopped.reason == "removes_too_much"
    approval = Approval("b1", stopped.plan_hash, "a colleague", world.runtime.now(), snapshot=binding.key)
    world.store.approve(as_registered(approval, world.store))
    world.update("b1", report_only=True)  # so that nothing moves
    run(RunRequest(Trigger.SCHEDULE), world.context, Deadline(600, world.runtime.monotonic))
    other = world.store.status("b1")
    assert other is not None
    assert other.reason != "plan_not_current"
    world.update("b1", report_only=False)
    assert binding.run().status == "restored"
    assert world.store.approval("b1") is None
