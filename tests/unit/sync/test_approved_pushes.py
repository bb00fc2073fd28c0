"""Each push over a guard is covered by one approval: for that content and server, not too old, and not used before."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings

from tests.support.approved_pushes import PEOPLE, STEPS, ApprovedPushes, Change, ChangeKind, Work

type Step = Change | Work

RUN, LOOK, APPROVE, UNDO = Work("run"), Work("look"), Change("approve"), Change("undo")
APPROVED: tuple[Step, ...] = (LOOK, APPROVE)
PUSHED: tuple[Step, ...] = (*APPROVED, RUN)
LAST_CALL = 60
"""No invocation here makes more."""


@settings(max_examples=400)
@given(STEPS)
@example([*PUSHED, UNDO, RUN])
@example([*PUSHED, Work("restore"), Change("resume"), RUN])
@example([*APPROVED, Work("restore"), Change("resume"), RUN])
@example([*APPROVED, Work("run", dies_at=30), UNDO, RUN])
@example([*APPROVED, Change("wait", 3), RUN])
def test_each_push_over_a_guard_is_covered_by_one_approval_and_by_the_registration(steps: Sequence[Step]) -> None:
    ApprovedPushes().play(steps)


def test_an_approval_that_is_given_before_whatever_call_of_a_restore_ends_with_it() -> None:
    kept_and_not_pushed = Work("run", ((23, Change("move")),))
    for call in range(1, LAST_CALL):
        fleet = after(*APPROVED, kept_and_not_pushed, Work("restore", ((call, APPROVE),)))
        assert fleet.store.history("b1", limit=1)[0].status == "restored"


@pytest.mark.parametrize("kind", ["pause", "disable", "report only", "rules", "trust", "move", "delete"])
@pytest.mark.parametrize("before", [(), (Work("fan-out"),)], ids=["one invocation", "fan-out"])
def test_before_whatever_call_a_registration_changes_nothing_is_written_by_the_former_one(
    kind: ChangeKind, before: tuple[Step, ...]
) -> None:
    reasons = set()
    for call in range(1, LAST_CALL):
        changes = ((call, Change(kind, 1)),)
        fleet = after(*APPROVED, *before, Work("deliver" if before else "run", changes))
        reasons |= {result.reason for result in fleet.store.history("b1", limit=1)}
    assert "registration_changed" in reasons


@pytest.mark.parametrize("before", [(), (Work("fan-out"),)], ids=["one invocation", "fan-out"])
def test_before_whatever_call_the_settings_change_nothing_is_written_by_the_former_ones(
    before: tuple[Step, ...],
) -> None:
    reasons = set()
    for call in range(1, LAST_CALL):
        changes = ((call, Change("settings", 1)),)
        fleet = after(*APPROVED, *before, Work("deliver" if before else "run", changes))
        reasons |= {result.reason for result in fleet.store.history("b1", limit=1)}
    assert "settings_changed" in reasons


@pytest.mark.parametrize("approved", [(LOOK,), APPROVED], ids=["none before", "one before"])
@pytest.mark.parametrize("before", [(), (Work("fan-out"),)], ids=["one invocation", "fan-out"])
def test_before_whatever_call_somebody_approves_no_push_goes_by_what_was_given_before(
    approved: tuple[Step, ...], before: tuple[Step, ...]
) -> None:
    """Nor does the first write end an approval that the run has not read."""
    reasons = set()
    for call in range(1, LAST_CALL):
        fleet = after(*approved, *before, Work("deliver" if before else "run", ((call, APPROVE),)))
        reasons |= {result.reason for result in fleet.store.history("b1", limit=1)}
    assert "approval_changed" in reasons


def after(*steps: Step) -> ApprovedPushes:
    fleet = ApprovedPushes()
    fleet.play(steps)
    return fleet


def reason_of(fleet: ApprovedPushes) -> str:
    status = fleet.store.status("b1")
    assert status
    return str(status.reason)


def test_an_approved_push_goes_through_once() -> None:
    fleet = after(*PUSHED)
    assert (len(fleet.pushed), reason_of(fleet), fleet.servers[2].people) == (1, "", PEOPLE[1])


AGAIN: dict[str, list[Step]] = {
    "undone by hand": [UNDO],
    "restored": [Work("restore"), Change("resume")],
    "registered anew": [Change("delete"), Change("add"), UNDO],
}


@pytest.mark.parametrize("steps", AGAIN.values(), ids=list(AGAIN))
def test_it_does_not_go_through_again(steps: list[Step]) -> None:
    fleet = after(*PUSHED, *steps, RUN)
    assert (len(fleet.pushed), reason_of(fleet), fleet.servers[2].people) == (1, "removes_too_much", PEOPLE[0])


UNUSED: dict[str, list[Step]] = {
    "another trust": [Change("trust")],
    "another address": [Change("move", 1)],
    "moved and back": [Change("move", 1), Change("move", 0)],
    "too old": [Change("wait", 3)],
}


@pytest.mark.parametrize("steps", UNUSED.values(), ids=list(UNUSED))
def test_what_was_never_used_ends_as_well(steps: list[Step]) -> None:
    fleet = after(*APPROVED, *steps, RUN)
    assert (fleet.pushed, reason_of(fleet), fleet.store.approval("b1")) == ([], "removes_too_much", None)


def test_a_restore_ends_what_was_given_before_it_and_not_used() -> None:
    """The backup is brought back to the very state that somebody has approved a push of."""
    fleet = after(*PUSHED, UNDO, *APPROVED, Work("restore"), Change("resume"), RUN)
    assert (len(fleet.pushed), fleet.servers[2].people, fleet.store.approval("b1")) == (1, PEOPLE[0], None)


def test_of_one_that_was_too_old_the_result_tells() -> None:
    status = after(*APPROVED, Change("wait", 3), RUN).store.status("b1")
    assert status
    assert any("by somebody has expired: it was given at " in warning for warning in status.warnings)


def test_wherever_a_run_dies_nothing_is_left_that_lets_a_second_push_through() -> None:
    """And whoever dies before the first write has used nothing up."""
    used = set()
    for call in range(1, LAST_CALL):
        for is_after in (False, True):
            fleet = after(*APPROVED, Work("run", dies_at=call, after=is_after))
            is_used_up = fleet.store.approval("b1") is None
            fleet.play([UNDO, RUN])
            assert fleet.servers[2].people == PEOPLE[0 if is_used_up else 1], call
            used.add(is_used_up)
    assert used == {False, True}


@pytest.mark.parametrize("begun", [(*APPROVED, Work("fan-out")), (*APPROVED, Work("asked fan-out"))])
def test_whoever_takes_a_push_over_finishes_it_and_then_it_is_used_up(begun: tuple[Step, ...]) -> None:
    """Wherever the first worker dies, one approval is enough, also if the run was asked for by the hash."""
    for call in range(1, LAST_CALL):
        fleet = after(*begun, Work("deliver", dies_at=call), Work("deliver"))
        assert (fleet.servers[2].people, fleet.servers[2].greeting) == (PEOPLE[1], "hello"), call
        assert len(set(fleet.pushed)) == 1
        fleet.play([UNDO, RUN])
        assert (len(set(fleet.pushed)), reason_of(fleet)) == (1, "removes_too_much")


@pytest.mark.parametrize("deaths", [1, 2])
def test_whoever_takes_a_push_over_says_who_has_approved_it(deaths: int) -> None:
    """The approval is gone by then: it ended with the first write of whoever has died."""
    for call in range(1, LAST_CALL):
        deliveries = [Work("deliver", dies_at=call)] * deaths
        fleet = after(*APPROVED, Work("fan-out"), *deliveries, Work("deliver"))
        (result,) = fleet.store.history("b1", limit=1)
        is_used_up = fleet.store.approval("b1") is None
        assert is_used_up or deaths > 1  # then the backup is left to a person, and no push may have begun
        assert result.approved_by == (("somebody",) if is_used_up else ()), call


@pytest.mark.parametrize("begun", [(*APPROVED, Work("fan-out")), (*APPROVED, Work("asked fan-out"))])
def test_whoever_takes_a_push_over_does_not_take_away_what_came_since(begun: tuple[Step, ...]) -> None:
    died_between = 0
    for call in range(1, LAST_CALL):
        fleet = after(*begun, Work("deliver", dies_at=call))
        server = fleet.servers[2]
        if (server.greeting, server.people) != ("hello", PEOPLE[0]):
            continue
        died_between += 1
        server.people = (*PEOPLE[0], "new")
        fleet.play([Work("deliver")])
        assert (reason_of(fleet), server.people) == ("removes_too_much", (*PEOPLE[0], "new"))
    assert died_between


def test_whoever_takes_over_what_was_asked_for_by_a_hash_writes_the_rest_of_it_and_lets_nothing_through() -> None:
    """The hash approves nothing, whoever dies; and of another rest nothing is written."""
    for call in range(1, LAST_CALL):
        fleet = after(LOOK, Work("asked fan-out"), Work("deliver", dies_at=call), Work("deliver"))
        assert (fleet.pushed, reason_of(fleet), fleet.servers[2].greeting) == ([], "removes_too_much", "hello"), call
