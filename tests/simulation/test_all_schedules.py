"""All schedules of small worlds up to a bound of preemptions and faults: no promise is broken."""

import pytest

from tests.simulation.actions import Action
from tests.simulation.exhaustive import Bound, explored
from tests.simulation.schedules import Schedule, play

WORLDS = (
    (("edit the primary", "run", "pause"), Bound(preemptions=2, faults=1)),
    # With two preemptions it is three times as many.
    (("edit the primary", "run", "run"), Bound(preemptions=1, faults=1)),
)


@pytest.mark.parametrize(("kinds", "bound"), WORLDS, ids=lambda value: str(value))
def test_no_schedule_of_a_small_world_breaks_a_promise(
    kinds: tuple[str, ...], bound: Bound, capsys: pytest.CaptureFixture[str]
) -> None:
    world = Schedule(tuple(Action(kind) for kind in kinds), backups=1)
    count = 0
    for schedule, played in explored(world, bound):
        count += 1
        if played.violations:
            story = "\n".join(play(schedule, tells=True).story)
            pytest.fail(f"{schedule}\n{played.violations}\n{story}")
    with capsys.disabled():
        print(f"{count} schedules within {bound}: {world}")  # noqa: T201 # what was covered is told
