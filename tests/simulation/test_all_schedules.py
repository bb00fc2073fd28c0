"""All schedules of small worlds, up to two preemptions and one fault: no promise is broken."""

import pytest

from tests.simulation.exhaustive import Bound, explored
from tests.simulation.schedules import Action, Schedule, play

WORLDS = (("edit the primary", "run", "run"), ("edit the primary", "run", "pause"))
BOUND = Bound(preemptions=2, faults=1)


@pytest.mark.parametrize("kinds", WORLDS, ids=", ".join)
def test_no_schedule_of_a_small_world_breaks_a_promise(
    kinds: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    world = Schedule(tuple(Action(kind) for kind in kinds), backups=1)
    count = 0
    for schedule, played in explored(world, BOUND):
        count += 1
        if played.violations:
            story = "\n".join(play(schedule, tells=True).story)
            pytest.fail(f"{schedule}\n{played.violations}\n{story}")
    with capsys.disabled():
        print(f"{count} schedules within {BOUND}: {world}")  # noqa: T201 # what was covered is told
