"""A server that is slow, however it manages to be, takes its own share of a run's time and nobody else's."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FakeServers, FleetServer
from local.fakes.world import World
from replication.model import Status
from sync.events import RunRequest, Trigger
from sync.results import Report, RunStatus
from sync.run import run
from sync.time_share import LEAST, MOST, TimeShares

SECONDS = 893.0
ONE_AT_A_TIME = 64
"""Megabytes of memory that leave room for one backup."""
GOOD = ("b1", "b2", "b3")


class Clock(FakeRuntime):
    """Its time passes when somebody looks at it: what looks often has worked long."""

    a_look = 0.0

    def monotonic(self) -> float:
        self.advance(self.a_look)
        return super().monotonic()


def drip(world: World, server: FleetServer, *, behind: str = "") -> None:
    """A byte every second, for ever: no single wait is too long."""

    def wait(call: str) -> None:
        while not behind or call == behind:
            world.runtime.sleep(1)
            server.deadline.check()

    server.on_call = wait


class SlowNames(FakeServers):
    """A fleet in which some names are never resolved."""

    runtime: FakeRuntime
    hanging: set[int]

    def is_same(self, one: tuple[str, int], other: tuple[str, int], deadline: Deadline) -> bool:
        while other[1] in self.hanging:
            self.runtime.sleep(1)
            deadline.check()
        return super().is_same(one, other, deadline)


def hang(world: World, server: FleetServer) -> None:
    world.servers.hanging.add(server.address[1])  # type: ignore[attr-defined]


def compute(world: World, server: FleetServer) -> None:
    """What it holds takes long to look at."""
    rules = "".join(f"<rule name='r{i}'><to>{i}</to></rule>" for i in range(3_000))
    server.content["event_rules"] = f"<rules>{rules}</rules>"

    def start(_: str) -> None:
        world.runtime.a_look = 20.0  # type: ignore[attr-defined]

    server.on_call = start


SLOW: dict[str, Callable[[World, FleetServer], None]] = {
    "drips": drip,
    "drips-late": lambda world, server: drip(world, server, behind="account_requests"),
    "hangs": hang,
}
CONTENT: dict[str, dict[str, str]] = {
    "long-text": {"settings": f"<settings><greeting>{'a' * 200_000}</greeting></settings>"},
    "one-name": {"users": f"<users>{'<user name="anna"/>' * 2_000}</users>"},
    "run-time-values": {
        "users": f"<users><user name='anna'><lastLogin>{'1::1 ' * 60}x!</lastLogin></user></users>",
    },
    "blanks": {"users": f"<users><user name='anna'><allowedIp>{' ' * 50_000}-</allowedIp></user></users>"},
}


@pytest.fixture
def runtime() -> Clock:
    return Clock()


@pytest.fixture
def fleet(runtime: Clock) -> World:
    servers = SlowNames()
    servers.runtime, servers.hanging = runtime, set()
    world = World(runtime=runtime, servers=servers)
    for name in (*SLOW, *CONTENT):
        world.add_backup(f"a-{name}")  # before the good ones, in a first run
    for name, make_slow in SLOW.items():
        make_slow(world, servers.by_id[f"a-{name}"])
    for name, content in CONTENT.items():
        servers.by_id[f"a-{name}"].content.update(content)
    return world


def one_run(world: World, seconds: float = SECONDS) -> Report:
    context = replace(world.context, memory_megabytes=ONE_AT_A_TIME, lease_seconds=1_000)
    return run(RunRequest(Trigger.SCHEDULE), context, Deadline(seconds, world.runtime.monotonic))


def test_all_others_are_verified_in_the_same_run_and_the_record_is_complete(fleet: World) -> None:
    report = one_run(fleet)
    results = {result.backup_id: result for result in report.results}
    assert results.keys() == {backup.id for backup in fleet.store.backups()}
    unverified = [results[one] for one in GOOD if not results[one].verified_at]
    assert unverified == []
    for name in SLOW:
        assert (results[f"a-{name}"].status, results[f"a-{name}"].reason) == (Status.FAILED, Reason.TOO_SLOW)
    for name in CONTENT:
        assert results[f"a-{name}"].status in (Status.UPDATED, Status.BLOCKED)
    assert report.run.status == RunStatus.PARTIAL
    assert report.run.finished_at is not None
    assert {result.backup_id for result in fleet.store.results(report.run.id)} == results.keys()


@given(seconds=st.floats(20, 200), slow=st.sets(st.sampled_from(GOOD), max_size=2))
@example(seconds=53.0, slow={"b1"})
def test_however_short_a_run_is_slow_servers_keep_the_others_waiting_for_one_run_each(
    seconds: float, slow: set[str]
) -> None:
    clock = Clock()
    world = World(runtime=clock)
    for backup_id in slow:
        drip(world, world.servers.by_id[backup_id])
    for _ in range(len(slow) + 1):
        one_run(world, seconds)
        clock.advance(900)
    statuses = world.store.statuses()
    assert all(statuses[backup_id].verified_at for backup_id in {*GOOD} - slow)


def test_slow_servers_come_last_in_the_next_run(fleet: World) -> None:
    one_run(fleet)
    fleet.servers.used.clear()
    one_run(fleet)
    served = [name for name, _ in fleet.servers.used]
    slow = [served.index(f"a-{name}") for name in SLOW if f"a-{name}" in served]
    assert max(served.index(backup_id) for backup_id in GOOD) < min(slow)


def test_what_takes_long_to_compare_ends_with_the_time_of_its_server(runtime: Clock) -> None:
    world = World(runtime=runtime)
    compute(world, world.servers.by_id["b1"])
    for other in ("b2", "b3"):
        world.servers.by_id[other].on_call = lambda _: setattr(runtime, "a_look", 0.0)
    results = {result.backup_id: result for result in one_run(world).results}
    assert (results["b1"].status, results["b1"].reason) == (Status.FAILED, Reason.TOO_SLOW)
    assert results["b2"].verified_at
    assert results["b3"].verified_at


@given(
    seconds=st.floats(1, 900),
    backups=st.integers(1, 300),
    at_a_time=st.integers(1, 64),
    slow=st.sets(st.integers(0, 300)),
)
def test_nobody_has_more_than_half_of_the_time_nor_less_than_the_least(
    seconds: float, backups: int, at_a_time: int, slow: set[int]
) -> None:
    runtime = FakeRuntime()
    deadline = Deadline(seconds, runtime.monotonic)
    shares = TimeShares(deadline, at_a_time)
    shares.expect(map(str, range(backups)))
    for number in range(backups):
        left = deadline.remaining()
        share = shares.take(str(number))
        has = share.deadline.remaining()
        others_wait = backups - number > at_a_time
        assert has <= max(seconds * MOST, 0 if others_wait else LEAST) + 1e-6
        assert has >= min(LEAST, seconds * MOST, left) - 1e-6
        assert (share.seconds is None) == (has == pytest.approx(left))
        if number in slow:
            runtime.advance(has / at_a_time)


@given(together=st.integers(0, 40), alone=st.integers(0, 9), at_a_time=st.integers(4, 64), slow=st.booleans())
def test_one_that_is_served_alone_is_a_round_by_itself(
    together: int, alone: int, at_a_time: int, *, slow: bool
) -> None:
    runtime = FakeRuntime()
    deadline = Deadline(3 * SECONDS, runtime.monotonic)
    shares = TimeShares(deadline, at_a_time)
    shares.expect((f"beside {number}" for number in range(together)), (f"alone {number}" for number in range(alone)))
    for number in range(together):
        shares.take(f"beside {number}")
    for number in range(alone):
        share = shares.take(f"alone {number}")
        assert share.deadline.remaining() == pytest.approx(
            min(max(LEAST, deadline.remaining() / (alone - number)), 3 * SECONDS * MOST)
        )
        assert share.seconds is not None or number == alone - 1
        if slow:
            runtime.advance(share.deadline.remaining() - 0.001)


@given(
    backups=st.sets(st.integers(0, 300), min_size=1), gone=st.sets(st.integers(0, 300)), at_a_time=st.integers(1, 64)
)
def test_what_takes_no_time_leaves_its_share_to_the_others(backups: set[int], gone: set[int], at_a_time: int) -> None:
    runtime = FakeRuntime()
    some, others = (TimeShares(Deadline(SECONDS, runtime.monotonic), at_a_time) for _ in range(2))
    some.expect(map(str, backups - gone | {-1}))
    others.expect(map(str, backups | {-1}))
    for number in gone:
        others.forgo(str(number))
    assert others.take("-1").seconds == some.take("-1").seconds


@given(backups=st.integers(1, 14), slow=st.sets(st.integers(0, 13)))
def test_where_each_has_more_than_the_least_all_are_served_however_slow_they_are(backups: int, slow: set[int]) -> None:
    runtime = FakeRuntime()
    deadline = Deadline(SECONDS, runtime.monotonic)
    shares = TimeShares(deadline, 1)
    shares.expect(map(str, range(backups)))
    for number in range(backups):
        assert deadline.remaining() > 1
        share = shares.take(str(number))
        if number in slow:
            runtime.advance(share.deadline.remaining() - 0.001)
