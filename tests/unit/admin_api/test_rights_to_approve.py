"""Only who may approve approves: no way of starting a run lets through what waits, and none leaves an approval."""

from itertools import product
from typing import Literal, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.blocked_backup import BlockedBackup, Step

type Kind = Literal["run", "dry run", "restore", "dry restore"]
KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
ALEX, KIM = (f"arn:aws:iam::123456789012:user/{name}" for name in ("alex", "kim"))
STARTS: tuple[Literal["ask", "invoke"], ...] = ("ask", "invoke")
WHO = st.sampled_from([ALEX, KIM, ""])


@st.composite
def starts(draw: st.DrawFn) -> list[Step]:
    """Every way to start something, by anybody, with and without the hash of the newest plan."""
    kinds, numbers = st.sampled_from(KINDS), st.integers(0, 3)
    asked = st.builds(Step, st.sampled_from(["ask", "queue"]), st.sampled_from([ALEX, KIM]), kinds, bound=st.booleans())
    invoked = st.builds(Step, st.just("invoke"), WHO, kinds, numbers, bound=st.booleans())
    other = st.builds(Step, st.sampled_from(["deliver", "schedule", "demand", "register"]))
    return draw(st.lists(asked | invoked | other, min_size=1, max_size=8))


@given(what=starts(), fan_out=st.booleans())
@example(what=[Step("ask", ALEX, "dry restore"), Step("ask", ALEX, "dry restore", bound=True)], fan_out=False)
def test_whoever_may_only_start_runs_gets_nothing_through_that_waits(what: list[Step], fan_out: bool) -> None:
    blocked = BlockedBackup(fan_out=fan_out)
    blocked.demand(wanted=False)
    blocked.play(what)
    assert blocked.store.approval("b1") is None
    blocked.schedule()
    blocked.put_back()
    blocked.check()


@pytest.mark.parametrize(("start", "kind", "fan_out"), list(product(STARTS, KINDS, (False, True))))
def test_in_each_way_the_hash_binds_and_an_approval_lets_through(
    start: Literal["ask", "invoke"], kind: Kind, fan_out: bool
) -> None:
    blocked = BlockedBackup(fan_out=fan_out)
    blocked.demand(wanted=False)
    looked: Kind = "dry restore" if kind.endswith("restore") else "dry run"
    bound = Step(start, ALEX, kind, which=3, bound=True)
    blocked.play([Step(start, ALEX, looked, which=3), bound])
    assert blocked.store.approval("b1") is None
    with blocked.api.running():
        answer = blocked.approve(KIM)
        assert answer is not None
        assert answer.status == 200
        blocked.do(bound)
    assert len(blocked.server.people) == (20 if kind.startswith("dry") else 5)
    assert (blocked.store.approval("b1") is None) == (not kind.startswith("dry"))
