"""Another primary in the stack's parameters is a change of direction like any other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from fleet.primary import primary_in_use
from fleet.servers import PRIMARY_ID
from local.fakes.runtime import NOON, TickingRuntime
from local.fakes.store import MemoryStore
from local.fakes.world import World
from registry.fleet_records import Primary, TlsTrust
from registry.run_records import PrimaryBaseline
from registry.store import VersionConflict
from registry.store_rules import primary_as_named
from sync.events import RunRequest, Trigger
from sync.results import Report
from sync.run import run
from tests.support.asked_runs import asked
from tests.support.registrations import remember_baseline

HOSTS = ("main1.example", "main2.example", "main3.example")


@dataclass
class Stack:
    """A deployment whose parameters name the primary; no one is registered. Its backups differ before each run."""

    world: World = field(default_factory=lambda: World(runtime=TickingRuntime(tick=0.001)))
    configured: Primary | None = field(default_factory=lambda: Primary(HOSTS[0], 443))
    runs: int = 0

    def __post_init__(self) -> None:
        backups = self.world.store.backups()
        self.world.store = MemoryStore()
        for backup in backups:
            self.world.store.add_backup(backup)

    def deploy(self, host: str, trust: TlsTrust | None = None, *, with_password: bool = True) -> None:
        """Name another primary in the parameters, and store its log-in by hand, as the guide says."""
        self.configured = Primary(host, 443, trust or TlsTrust())
        if with_password:
            self.world.give_log_in(PRIMARY_ID)

    def run(self, *backups: str, trigger: Trigger = Trigger.SCHEDULE) -> Report:
        self.runs += 1
        self.world.servers.by_id[PRIMARY_ID].greeting = f"hello {self.runs}"
        context = replace(self.world.context, primary=self.configured)
        request = RunRequest(trigger, backups)
        if trigger is Trigger.ON_DEMAND:
            request = asked(request, self.world.store, self.world.runtime.now())
        return run(request, context, Deadline(600, self.world.runtime.monotonic))

    def pushes(self, *backups: str, trigger: Trigger = Trigger.SCHEDULE) -> bool:
        """Whether a run writes to every backup it is for; it never writes to only some."""
        statuses = {result.status for result in self.run(*backups, trigger=trigger).results}
        assert len(statuses) == 1
        return statuses == {"updated"}

    @property
    def primary(self) -> Primary | None:
        return primary_in_use(self.world.store, self.configured)

    def resume(self) -> None:
        primary = self.primary
        assert primary is not None
        self.world.store.save_primary(replace(primary, held=""), expected_version=primary.version)


@pytest.fixture
def stack() -> Stack:
    return Stack()


def test_a_new_host_is_held_and_says_why_until_somebody_resumes(stack: Stack) -> None:
    assert stack.pushes()
    stack.deploy(HOSTS[1])
    assert stack.primary
    assert stack.primary.held == "the stack's parameters name main2.example:443 instead of main1.example:443"
    assert not stack.pushes()
    assert not stack.pushes()
    stack.resume()
    assert stack.pushes()


def test_a_run_over_the_whole_fleet_that_a_person_asks_for_resumes(stack: Stack) -> None:
    stack.run()
    stack.deploy(HOSTS[1])
    assert stack.pushes(trigger=Trigger.ON_DEMAND)
    assert stack.pushes()


def test_one_over_named_backups_pushes_to_those_and_the_hold_stays(stack: Stack) -> None:
    stack.run()
    stack.deploy(HOSTS[1])
    assert stack.pushes("b2", trigger=Trigger.ON_DEMAND)
    assert not stack.pushes()


def test_it_is_noticed_too_where_an_earlier_version_has_not_stored_which_one_it_was(stack: Stack) -> None:
    baseline = PrimaryBaseline(3, 2, NOON, "r0", source=Primary(HOSTS[0], 443).source)
    remember_baseline(stack.world.store, baseline)
    assert stack.pushes()
    remember_baseline(stack.world.store, baseline)
    fresh = Stack()
    remember_baseline(fresh.world.store, baseline)
    fresh.deploy(HOSTS[1])
    assert not fresh.pushes()


def test_another_trust_or_spelling_is_the_same_server(stack: Stack) -> None:
    stack.run()
    stack.deploy(HOSTS[0].upper(), TlsTrust(pins=("ab" * 32,)))
    assert stack.pushes()
    assert stack.primary
    assert (stack.primary.trust.pins, stack.primary.term) == (("ab" * 32,), 0)


@pytest.mark.parametrize(("host", "pins"), [(HOSTS[1], ()), (HOSTS[0], ("ab" * 32,))])
def test_the_stored_password_is_not_sent_to_another_one_in_the_parameters(
    stack: Stack, host: str, pins: tuple[str, ...]
) -> None:
    assert stack.pushes()
    stack.deploy(host, TlsTrust(pins=pins), with_password=False)
    opened = list(stack.world.servers.used)
    for trigger in Trigger.SCHEDULE, Trigger.ON_DEMAND:
        report = stack.run(trigger=trigger)
        assert (report.run.status, report.run.reason) == ("failed", "password_needed")
    assert stack.world.servers.used == opened
    stack.deploy(HOSTS[0].upper(), with_password=False)
    assert stack.pushes(trigger=Trigger.ON_DEMAND)


def test_without_one_in_the_parameters_there_is_none(stack: Stack) -> None:
    stack.run()
    stack.configured = None
    assert stack.primary is None


def test_a_registered_one_counts_whatever_the_parameters_say(stack: Stack) -> None:
    stack.run()
    before, named = stack.primary, Primary("registered.example", 443)
    stack.world.store.save_primary(primary_as_named(named, before, "it was set", NOON))
    stack.deploy(HOSTS[1])
    assert stack.primary
    assert (stack.primary.host, stack.primary.of_stack, stack.primary.term) == ("registered.example", False, 1)


def test_what_another_invocation_has_stored_meanwhile_counts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    store, save = stack.world.store, stack.world.store.save_primary

    def overtaken(primary: Primary, *, expected_version: int | None = None) -> Primary:  # it is too late
        monkeypatch.undo()
        save(replace(primary, held="it was resumed by nobody"))
        raise VersionConflict

    monkeypatch.setattr(store, "save_primary", overtaken)
    assert not stack.pushes()
    assert stack.primary
    assert stack.primary.held == "it was resumed by nobody"


@given(
    st.lists(
        st.tuples(st.just("deploy"), st.sampled_from(HOSTS))
        | st.tuples(st.sampled_from(["run", "run", "resume", "named"]), st.just("")),
        max_size=12,
    )
)
def test_only_what_somebody_has_meant_is_pushed_from(steps: list[tuple[str, str]]) -> None:
    """Beside a model: which host a run has seen last, and whether pushing from it is held."""
    stack = Stack()
    seen, held, configured, terms = "", False, HOSTS[0], 0
    for kind, host in steps:
        if kind == "deploy":
            stack.deploy(host)
            configured = host
            continue
        if seen not in ("", configured):
            held, terms = True, terms + 1
        if kind == "resume":
            if seen:  # nobody resumes what was never held
                stack.resume()
                seen, held = configured, False
            continue
        seen = configured
        if kind == "named":
            assert stack.pushes("b2", trigger=Trigger.ON_DEMAND)
        else:
            assert stack.pushes() is not held
        assert stack.primary
        assert (stack.primary.host, bool(stack.primary.held), stack.primary.term) == (configured, held, terms)
        assert stack.primary.of_stack
