"""What is put back reaches a paused backup only by its name, and a person's pause stays with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.runtime import FakeRuntime, Killed
from local.fakes.world import World
from registry.fleet_records import Backup
from registry.snapshots import SnapshotContent, backup_key, primary_key
from replication.model import PartName
from replication.primary import dump, fingerprint, read_primary
from sync.context import FanOutTerms, RunContext
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.results import Report
from sync.run import run

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EARLIER = "20260228T120000.000000Z-0badc0de"
IDS = ("b1", "b2", "b3")
PEOPLE = "the disk is being replaced"
PAUSES = (
    "",
    "",
    PEOPLE,
    f"{primary_key('0a' * 32)} was put back by the run {EARLIER}",
    f"the run {EARLIER} restores {primary_key('0a' * 32)}; its result says what came of it",
    f"{backup_key('b1', EARLIER, ('settings',))} was put back by the run {EARLIER}",
)


@dataclass(frozen=True)
class Registered:
    """How a backup is registered, and whether somebody pauses it while the run reads it."""

    paused: str = ""
    report_only: bool = False
    enabled: bool = True
    paused_meanwhile: bool = False


@dataclass(frozen=True)
class Asked:
    """What is asked for."""

    named: frozenset[str] = frozenset()
    dry_run: bool = False
    queued: bool = False


class Fleet:
    """Three backups that hold another greeting than the older state of the primary, or this very one."""

    def __init__(self, registered: dict[str, Registered], *, is_equal: bool = False) -> None:
        self.world, self.queue = World(runtime=FakeRuntime(NOON)), MemoryQueue()
        source = self.world.servers.by_id[PRIMARY_ID]
        state = read_primary(source, frozenset({PartName.SETTINGS, PartName.ACCOUNTS}))
        self.key = self.world.snapshots.keep_primary(fingerprint(state), SnapshotContent(dump(state), state.facts))
        for backup_id, how in registered.items():
            fields = {"paused": how.paused, "report_only": how.report_only, "enabled": how.enabled}
            self.world.update(backup_id, **fields)
            server = self.world.servers.by_id[backup_id]
            server.greeting = server.greeting if is_equal else "changed since"
            if how.paused_meanwhile:
                server.on_call = partial(self._paused_while_read, backup_id)

    def _paused_while_read(self, backup_id: str, call: str) -> None:
        if call == "facts" and not self.backup(backup_id).paused:
            self.world.update(backup_id, paused=PEOPLE)

    def backup(self, backup_id: str) -> Backup:
        registered = self.world.store.backup(backup_id)
        assert registered is not None
        return registered

    @property
    def context(self) -> RunContext:
        return replace(self.world.context, fan_out=FanOutTerms(self.queue, 0, 600) if self.is_queued else None)

    is_queued = False

    def put_back(self, asked: Asked) -> Report:
        self.is_queued = asked.queued
        request = RunRequest(Trigger.RESTORE, tuple(sorted(asked.named)), dry_run=asked.dry_run, snapshot=self.key)
        report = run(request, self.context, Deadline(600, self.world.runtime.monotonic))
        self.work()
        return report

    def work(self) -> None:
        ends_at = self.world.runtime.now() + timedelta(seconds=60)
        process_batch(self.queue.messages, self.context, Deadline(600, self.world.runtime.monotonic), ends_at)

    def written(self) -> set[str]:
        return {backup_id for backup_id in IDS if self.world.servers.by_id[backup_id].writes}


REGISTERED = st.builds(Registered, st.sampled_from(PAUSES), st.booleans(), st.sampled_from([True, True, False]))
MEANWHILE = st.builds(Registered, paused_meanwhile=st.booleans())
FLEETS = st.fixed_dictionaries(dict.fromkeys(IDS, REGISTERED | MEANWHILE))
ASKED = st.builds(Asked, st.frozensets(st.sampled_from(IDS)), st.booleans(), st.booleans())


@given(registered=FLEETS, asked=ASKED, is_equal=st.booleans())
@example(registered={one: Registered(PEOPLE) for one in IDS}, asked=Asked(), is_equal=False)
@example(registered={one: Registered(PEOPLE) for one in IDS}, asked=Asked(frozenset(IDS)), is_equal=False)
@example(registered={one: Registered(paused_meanwhile=True) for one in IDS}, asked=Asked(), is_equal=False)
def test_a_paused_backup_gets_an_older_state_only_by_its_name_and_its_reason_stays(
    registered: dict[str, Registered], asked: Asked, is_equal: bool
) -> None:
    fleet = Fleet(registered, is_equal=is_equal)
    refused = [
        one for one in asked.named if not registered[one].enabled or (registered[one].report_only and not asked.dry_run)
    ]
    fleet.put_back(asked)

    for backup_id, how in registered.items():
        is_asked = how.enabled and (backup_id in asked.named or not asked.named) and not refused
        # Who pauses it while the run is at it means this run as well.
        may_write = is_asked and not (asked.dry_run or how.report_only or how.paused_meanwhile)
        may_write = may_write and (not how.paused or backup_id in asked.named)
        assert (backup_id in fleet.written()) == (may_write and not is_equal), backup_id
        reason = fleet.backup(backup_id).paused
        if how.paused == PEOPLE or (how.paused_meanwhile and is_asked):
            assert reason == PEOPLE
        elif may_write:
            assert fleet.key in reason
        else:
            assert reason == how.paused


@pytest.mark.parametrize(("why", "stays"), [(why, why == PEOPLE) for why in sorted(set(PAUSES))])
def test_a_backup_gets_its_own_snapshot_back_whoever_paused_it_and_a_persons_reason_stays(
    why: str, stays: bool
) -> None:
    fleet = Fleet({"b1": Registered(why)})
    server = fleet.world.servers.by_id["b1"]
    state = read_primary(server, frozenset({PartName.SETTINGS}))
    server.greeting = "changed once more"
    content, registration = SnapshotContent(dump(state), state.facts), fleet.backup("b1").registration
    fleet.key = fleet.world.snapshots.keep_backup("b1", EARLIER, content, registration)
    fleet.put_back(Asked(frozenset({"b1"})))
    assert (server.greeting, fleet.written()) == ("changed since", {"b1"})
    reason = fleet.backup("b1").paused
    assert (reason == why, fleet.key in reason) == (stays, not stays)


def test_what_is_left_alone_is_said_in_the_run_and_of_each_backup() -> None:
    fleet = Fleet({"b1": Registered(PEOPLE), "b2": Registered(report_only=True), "b3": Registered()})
    report = fleet.put_back(Asked())
    (notice,) = report.run.notices
    assert notice.reason == Reason.BACKUP_PAUSED
    assert notice.message.endswith(": b1, b2")
    messages = {
        result.backup_id: (result.status, result.message.removeprefix(f"{result.backup_id}: "))
        for result in report.results
    }
    assert messages == {
        "b1": ("drifted", f"nothing was restored: it is paused ({PEOPLE})"),
        "b2": ("drifted", "nothing was restored: it has report_only"),
        "b3": ("restored", f"restored from {fleet.key}"),
    }


def test_one_that_holds_it_already_and_is_left_alone_did_not_get_it_back() -> None:
    fleet = Fleet({"b1": Registered(PEOPLE)}, is_equal=True)
    results = {result.backup_id: result.message for result in fleet.put_back(Asked()).results}
    assert results["b1"] == f"b1: it already has the content of {fleet.key}"


def test_a_named_backup_that_is_only_reported_on_ends_the_run_before_any_is_touched() -> None:
    fleet = Fleet({"b1": Registered(report_only=True)})
    report = fleet.put_back(Asked(frozenset({"b1", "b2"})))
    assert (report.run.status, report.run.reason) == ("failed", Reason.BACKUP_REPORT_ONLY)
    assert fleet.written() == set()


@pytest.mark.parametrize("calls", [1, 2])
def test_who_takes_over_from_a_dead_worker_goes_on_although_that_one_has_paused_the_backup(calls: int) -> None:
    fleet = Fleet({})
    server = fleet.world.servers.by_id["b1"]
    writes: list[str] = []

    def dies(call: str) -> None:
        writes.extend([call] if call.startswith("write_") else [])
        if writes and len(writes) == calls:
            server.on_call = lambda _: None
            raise Killed

    server.greeting, server.people = "changed since", ("anna", "boris")
    server.on_call = dies
    with pytest.raises(Killed):
        fleet.put_back(Asked(queued=True))
    assert fleet.key in fleet.backup("b1").paused
    fleet.world.runtime.advance(120)  # type: ignore[attr-defined] # the clock of this test
    fleet.work()
    assert server.greeting == "hello"
    status = fleet.world.store.status("b1")
    assert status is not None
    assert status.status == "restored"
