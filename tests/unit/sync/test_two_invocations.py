"""Whatever two invocations come together, and whatever call of one goes wrong: one writer, one truth, nothing lost."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.two_invocations import FAULTS, KINDS, Fault, Invocation, Kind, Pair

CALLS = st.integers(1, 90)
"""No kind of invocation makes more; beyond its last call nothing goes wrong."""


@settings(max_examples=400)
@given(st.sampled_from(KINDS), st.sampled_from(FAULTS), CALLS, st.sampled_from(KINDS))
@example("on demand", "unheard", 2, "schedule")  # Lambda has the event, and its answer is lost
@example("schedule", "dies", 34, "promotion")  # what it had begun is of a server that is no backup any more
@example("schedule", "lost", 33, "poll")  # the end of a backup is not recorded
@example("fan-out", "dies after", 20, "batch")
@example("batch", "too late", 22, "schedule")
def test_two_invocations_leave_one_truth(first: Kind, fault: Fault, call: int, second: Kind) -> None:
    Pair().play(Invocation(first, fault, call), Invocation(second))


def test_undisturbed_each_kind_does_its_work() -> None:
    calls = {}
    for kind in KINDS:
        first = Invocation(kind)
        Pair().play(first, Invocation("schedule"))
        calls[kind] = next(first.calls) - 1
    assert calls.pop("promotion") == 1
    assert all(20 < made < 90 for made in calls.values()), calls
