"""Whatever changes in the registry at whatever moment: nothing of one server counts for another."""

from collections.abc import Sequence

from hypothesis import given, settings

from local.fakes.store import MemoryStore
from tests.support.moving_fleet import STEPS, Change, MovingFleet, Work, play


@settings(max_examples=300)
@given(STEPS)
def test_no_view_ever_shows_anything_of_another_server(steps: Sequence[Change | Work]) -> None:
    play(MemoryStore(), steps)


def test_undisturbed_it_gets_to_every_end() -> None:
    fleet = MovingFleet(MemoryStore())
    seen = []
    for step in (
        Work("run"),
        Change("approve", "b2", 1),
        Work("run"),
        Work("fan-out"),
        Work("deliver"),
        Work("restore"),
        Change("resume", "b1", 1),  # no sentence of before may be left
    ):
        fleet.play([step])
        seen.append([status.status for status in fleet.store.statuses().values()])
    assert seen == [
        ["updated", "blocked"],
        ["updated", "blocked"],
        ["in_sync", "updated"],
        ["in_sync", "updated"],
        ["in_sync", "in_sync"],
        ["restored", "in_sync"],
        ["restored", "in_sync"],
    ]
