"""All schedules of a small world up to a bound: so many preemptions, so many faults.

A schedule is extended by one deviation after the other. Of two neighbouring places for a preemption, only one is tried
if the call between them is independent of everything that the other process does meanwhile: both lead to the same
(partial-order reduction). What a process does meanwhile is known from the schedule that was tried at the later place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulation.calls import Deviation, Fault, Footprint
from tests.simulation.scheduler import Step
from tests.simulation.schedules import Played, Schedule, play


@dataclass(frozen=True)
class Bound:
    """How many deviations of each kind a schedule may have. ``kinds``: only these faults, empty for all."""

    preemptions: int
    faults: int
    kinds: frozenset[Fault] = frozenset()


def explored(schedule: Schedule, bound: Bound, in_order: set[str] | None = None) -> Iterator[tuple[Schedule, Played]]:
    """Every schedule within the bound that begins like ``schedule``, with what came of it.

    ``in_order`` as in ``schedules.play``.
    """
    in_order = set() if in_order is None else in_order
    played = play(schedule, in_order=in_order)
    yield schedule, played
    last = max((step for step, _ in schedule.deviations), default=-1)
    later: Footprint | None = None
    for step in reversed([step for step in played.trace if step.number > last]):
        if bound.faults:
            for fault in _faults(step):
                if bound.kinds and fault not in bound.kinds:
                    continue
                extended = _extended(schedule, step, Deviation(fault=fault))
                yield from explored(extended, replace(bound, faults=bound.faults - 1), in_order)
        if not bound.preemptions or not step.can_switch:
            continue
        if later is not None and step.call.touches and not step.call.touches.conflicts(later):
            continue
        extended = _extended(schedule, step, Deviation(switch=0))
        tried = explored(extended, replace(bound, preemptions=bound.preemptions - 1), in_order)
        first = next(tried)
        later = _meanwhile(step, first[1])
        yield first
        yield from tried


def _extended(schedule: Schedule, step: Step, deviation: Deviation) -> Schedule:
    return replace(schedule, deviations=(*schedule.deviations, (step.number, deviation)))


def _faults(step: Step) -> Iterator[Fault]:
    """The faults that lead to different things: a read that is lost and one whose reply is lost are the same to all.

    A death after a call is the death before the next one.
    """
    yield Fault.DIES
    yield Fault.LOST
    if step.call.touches and step.call.touches.writes:
        yield Fault.UNHEARD
        yield from (fault for fault in (Fault.LATE, Fault.PARTLY, Fault.IGNORED) if fault in step.call.faults)


def _meanwhile(step: Step, played: Played) -> Footprint:
    """What others do between a preemption before ``step`` and the moment at which its process goes on."""
    union = Footprint()
    for other in played.trace:
        if other.number > step.number:
            if other.process.name == step.process.name:
                break
            union |= other.call.touches or Footprint()
    return union
