"""Whatever is drawn - actions, faults, interleavings - no promise is broken, and in the end everything is in order."""

import pytest

from tests.simulation.schedules import play, play_seed, shrunk

SCHEDULES = 2000
IN_ONE_TEST = 100


@pytest.mark.generated
@pytest.mark.parametrize("group", range(SCHEDULES // IN_ONE_TEST))
def test_no_schedule_breaks_a_promise(group: int, seed: int) -> None:
    first = seed * 1_000_000 + group * IN_ONE_TEST
    for number in range(first, first + IN_ONE_TEST):
        schedule, played = play_seed(number)
        if played.violations:
            shortest = shrunk(schedule, lambda candidate: bool(play(candidate).violations))
            story = "\n".join(play(shortest, tells=True).story)
            pytest.fail(f"seed {number}: {shortest}\n{play(shortest).violations}\n{story}")


def test_a_schedule_is_the_same_every_time() -> None:
    schedule, _ = play_seed(7)
    assert play_seed(7)[0] == schedule
    assert play(schedule, tells=True).story == play(schedule, tells=True).story
