"""What a person has accepted of a primary that looks like a mistake holds until the primary holds something else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.runtime import NOON, TickingRuntime
from local.fakes.world import World
from registry.fleet_records import SyncSettings
from registry.run_records import AcceptedPart, PrimaryAcceptance, PrimaryBaseline, new_run_id
from registry.store_rules import of_primary, primary_as_named, promotion
from sync.events import RunRequest, Trigger
from sync.poll import look_at_primary
from sync.results import Report
from sync.run import run
from tests.support.asked_runs import asked
from tests.support.registrations import remember_baseline

MANY = tuple("abcdefgh")
FEW = ("a", "b")
OTHER_FEW = ("a", "c")
ANN = "arn:aws:iam::123456789012:user/ann"


@dataclass
class Fleet:
    """A world whose clock is its own; ``b1`` to ``b3`` hold what the primary held when it had ``MANY`` users."""

    world: World = field(default_factory=lambda: World(runtime=TickingRuntime(tick=0.001)))

    def __post_init__(self) -> None:
        for server in self.world.servers.by_id.values():
            server.people = MANY
        assert self.run().run.status == "succeeded"

    @property
    def primary(self) -> Any:
        return self.world.servers.by_id[PRIMARY_ID]

    def run(self, *backups: str, accept: bool = False, dry_run: bool = False, run_id: str = "") -> Report:
        """A scheduled run, or one that Ann asks for when it says anything."""
        is_asked_for = bool(backups or accept or dry_run)
        request = RunRequest(
            Trigger.ON_DEMAND if is_asked_for else Trigger.SCHEDULE,
            backups,
            dry_run=dry_run,
            accept_primary=accept,
            requested_by=ANN if is_asked_for else "",
            run_id=run_id,
        )
        return run(request, self.world.context, Deadline(600, self.world.runtime.monotonic))

    def accepted(self) -> dict[str, AcceptedPart]:
        stored = of_primary(self.world.store.acceptance(), self.world.store.primary())
        return dict(stored.parts) if stored else {}


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def reason(report: Report) -> str:
    return report.run.reason


class TestOneAcceptanceSuffices:
    def test_a_primary_that_shrank_although_no_backup_may_be_written_to_yet(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK
        report = fleet.run(accept=True)
        assert {result.status for result in report.results} == {"blocked"}
        assert {result.status for result in fleet.run().results} == {"blocked"}

    def test_one_without_users_also_when_its_backups_are_without_users_too(self, fleet: Fleet) -> None:
        for server in fleet.world.servers.by_id.values():
            server.people = ()
        assert reason(fleet.run()) == Reason.PRIMARY_EMPTY
        for report in (fleet.run(accept=True), fleet.run(), fleet.run()):
            assert {result.status for result in report.results} == {"in_sync"}

    def test_a_look_for_changes_finds_nothing_new_in_what_was_accepted(self, fleet: Fleet) -> None:
        fleet.primary.people = ()
        fleet.run(accept=True)
        look = look_at_primary(fleet.world.context, Deadline(600, fleet.world.runtime.monotonic))
        assert (look.is_run_needed, look.unread) == (False, None)

    def test_who_accepted_what_and_when_is_remembered(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        report = fleet.run(accept=True)
        (accepted,) = fleet.accepted().values()
        assert (accepted.accepted_by, accepted.run_id, accepted.reason) == (ANN, report.run.id, Reason.PRIMARY_SHRUNK)
        assert accepted.message == "it holds 2 users; at the last verified run it held 8"
        assert report.run.finished_at is not None
        assert report.run.started_at < accepted.at < report.run.finished_at

    @pytest.mark.parametrize("is_queued", [False, True])
    def test_only_where_the_management_api_was_asked_is_it_certain_who_accepted(
        self, fleet: Fleet, is_queued: bool
    ) -> None:
        fleet.primary.people = FEW
        request, world = RunRequest(Trigger.ON_DEMAND, accept_primary=True, requested_by=ANN), fleet.world
        if is_queued:
            request = asked(request, world.store, world.runtime.now())
        run(request, world.context, Deadline(600, world.runtime.monotonic))
        (accepted,) = fleet.accepted().values()
        assert (accepted.accepted_by, accepted.requester_verified) == (ANN, is_queued)

    def test_a_run_over_one_backup_accepts_for_all(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        assert len(fleet.run("b2", accept=True).results) == 1
        assert reason(fleet.run()) == ""


class TestNothingIsRemembered:
    def test_of_what_nothing_would_have_stopped(self, fleet: Fleet) -> None:
        fleet.run(accept=True)
        assert fleet.accepted() == {}

    def test_of_a_dry_run_which_goes_on_all_the_same(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        report = fleet.run(accept=True, dry_run=True)
        assert {result.status for result in report.results} == {"blocked"}
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK

    def test_of_a_dry_run_in_which_a_backup_is_equal_because_it_gets_other_parts(self, fleet: Fleet) -> None:
        fleet.world.update("b3", parts=("mime_mappings",))
        fleet.primary.people = FEW
        report = fleet.run(accept=True, dry_run=True)
        assert {result.status for result in report.results} == {"blocked", "in_sync"}
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK

    def test_of_a_run_that_has_lost_its_lease_and_nobody_is_touched(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.primary.people = FEW
        refused = Failure(Reason.LEASE_LOST, "somebody else holds it")

        def save_acceptance(*_: object, **__: object) -> None:
            raise refused

        monkeypatch.setattr(fleet.world.store, "save_acceptance", save_acceptance)
        assert reason(fleet.run(accept=True)) == Reason.LEASE_LOST
        assert [server.writes for server in fleet.world.servers.by_id.values()] == [[], [], [], []]

    def test_of_another_primary_than_whoever_asked_had_seen(self, fleet: Fleet) -> None:
        """The event of the run had waited while somebody set another primary."""
        store, now = fleet.world.store, fleet.world.runtime.now()
        before = store.primary()
        assert before is not None
        store.save_primary(primary_as_named(replace(before, host="127.0.0.9"), before, "another server", now))
        fleet.world.give_log_in("primary")
        fleet.primary.people = ()
        asked = new_run_id(now - timedelta(minutes=1), "0badc0de")
        assert reason(fleet.run(accept=True, run_id=asked)) == Reason.PRIMARY_EMPTY
        assert fleet.accepted() == {}


class TestItEnds:
    def test_when_the_primary_holds_something_else_as_small(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        fleet.run(accept=True)
        fleet.primary.people = OTHER_FEW
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK

    def test_for_good_although_the_same_comes_back(self, fleet: Fleet) -> None:
        """A restart of the primary from an old image, for example: nobody has accepted that."""
        fleet.primary.people = FEW
        fleet.run(accept=True)
        fleet.primary.people = MANY
        fleet.run()
        fleet.primary.people = FEW
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK

    def test_not_by_a_change_of_another_part_nor_by_a_run_that_does_not_read_it(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        fleet.run(accept=True)
        fleet.primary.greeting = "hello again"
        fleet.run()
        fleet.world.store.save_settings(SyncSettings(parts=("settings",)))
        fleet.run()
        fleet.world.store.save_settings(SyncSettings())
        assert reason(fleet.run()) == ""

    def test_for_each_part_by_itself(self, fleet: Fleet) -> None:
        remember_baseline(fleet.world.store, PrimaryBaseline(8, 2, NOON, "r0", settings=9))
        fleet.primary.people = FEW
        fleet.run(accept=True)
        assert set(fleet.accepted()) == {"accounts", "settings"}
        fleet.primary.greeting = "hello again"
        assert reason(fleet.run()) == Reason.PRIMARY_SHRUNK
        assert set(fleet.accepted()) == {"accounts"}

    def test_with_another_primary_that_holds_the_very_same(self, fleet: Fleet) -> None:
        fleet.primary.people = FEW
        fleet.run(accept=True)
        store = fleet.world.store
        before, backup = store.primary(), store.backup("b1")
        assert before is not None
        assert backup is not None
        store.promote(promotion(before, backup, "old", "b1 was made the primary", NOON), now=NOON + timedelta(days=1))
        assert fleet.accepted() == {}


STATES = st.sampled_from([MANY, MANY, FEW, OTHER_FEW, ()])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("holds"), STATES),
        st.tuples(
            st.sampled_from(["run", "run", "accept", "accept", "dry", "accept dry", "named", "other part", "moved"]),
            st.just(()),
        ),
    ),
    min_size=3,
    max_size=14,
)


@given(STEPS, st.booleans())
def test_a_run_goes_on_exactly_from_what_it_may(
    steps: list[tuple[str, tuple[str, ...]]], is_one_without_accounts: bool
) -> None:
    """Beside a model: what was accepted last, forgotten by every run that reads something else.

    The backups answer with what they held at first, and no push of fewer users is approved: the measure stays,
    unless there ``is_one_without_accounts``, which is verified whatever these are. A dry run never changes it.
    """
    fleet = Fleet()
    if is_one_without_accounts:
        fleet.world.update("b3", parts=("mime_mappings",))
    store, held = fleet.world.store, MANY
    accepted: tuple[str, ...] | None = None
    measure = len(MANY)
    for kind, people in steps:
        if kind == "holds":
            held = fleet.primary.people = people
            continue
        if kind == "other part":
            fleet.primary.greeting += "!"
            continue
        if kind == "moved":
            before = store.primary()
            assert before is not None
            named = replace(before, port=before.port + 100, held="")
            store.save_primary(replace(primary_as_named(named, before, "moved", NOON), held=""))
            fleet.world.give_log_in("primary")
            accepted, measure = None, 0
            continue
        accepts = "accept" in kind
        report = fleet.run(*(("b1",) if kind == "named" else ()), accept=accepts, dry_run="dry" in kind)
        is_suspect = not held or len(held) * 2 <= measure
        accepted = accepted if accepted == held else None
        assert (reason(report) in (Reason.PRIMARY_EMPTY, Reason.PRIMARY_SHRUNK)) == (
            is_suspect and not accepts and accepted is None
        )
        if accepts and is_suspect and "dry" not in kind:
            accepted = held
        baseline, former = of_primary(store.baseline(), store.primary()), measure
        measure = baseline.users if baseline else 0
        assert measure == former or "dry" not in kind
        assert bool(fleet.accepted()) == (accepted is not None)


def test_what_is_remembered_of_an_earlier_primary_goes_with_the_next_run(fleet: Fleet) -> None:
    store = fleet.world.store
    fleet.primary.people = FEW
    fleet.run(accept=True)
    before = store.primary()
    assert before is not None
    store.save_primary(replace(before, term=7))
    fleet.run()
    assert store.acceptance() == PrimaryAcceptance({}, 7, before.source)
