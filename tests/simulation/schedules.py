"""Schedules: what happens in a simulated world, in which order and with which faults; drawn from a seed, and shrunk.

A schedule is short: the actions in their order, and for a few steps how they deviate from the undisturbed order. So it
can be printed, replayed and shortened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random

from common.errors import Reason
from registry.fleet_records import Backup, Primary
from sync.app import RunFailedError
from tests.simulation.actions import ACTIONS, OF_A_BACKUP, POLL, STORIES, WEIGHTS, Action
from tests.simulation.calls import Deviation, Fault
from tests.simulation.end_states import end_state
from tests.simulation.invariants import Watch
from tests.simulation.scheduler import Scheduler, Step
from tests.simulation.servers import ALIAS
from tests.simulation.world import FAN_OUT_LEASE, LEASE, LIFE, SimulatedWorld, copied

EVENT_LIFE = 6 * 3600.0
_LITTLE_MEMORY = 100
"""So few megabytes that ``fleet.at_a_time`` lets a run process one backup at a time."""
MOST_RUNS = 6
"""After the last fault, everything is in order again after at most this many runs."""
WEIGHT_PER_ACTION = 80.0
"""About how much the steps of one action weigh together."""
STALLS = (5.0, 70.0, 114.0, LIFE, LEASE + 5.0, FAN_OUT_LEASE + 5.0)

PEOPLE = tuple(f"person-{number}" for number in range(12))


@dataclass(frozen=True)
class Schedule:
    """A world and what happens in it. ``deviations`` are by step."""

    actions: tuple[Action, ...]
    deviations: tuple[tuple[int, Deviation], ...] = ()
    backups: int = 2
    fan_out_above: int = 100
    four_eyes: bool = False
    eager: bool = True
    """What has arrived for a function is delivered before the next action; otherwise after the last one."""
    pace: float = 0.0
    """Seconds that each call to a server takes, or each call to the server ``only_slow``, if that is not 0."""
    only_slow: int = 0
    one_at_a_time: bool = False
    """A run processes one backup after the other."""
    listeners: bool = False
    """Listeners are replicated too."""

    def __str__(self) -> str:
        actions = "; ".join(map(str, self.actions))
        deviations = ", ".join(f"{step}: {deviation}" for step, deviation in self.deviations)
        eyes = ", four eyes" if self.four_eyes else ""
        slow = f", {self.pace:g} s per call" if self.pace else ""
        slow += f" to b{self.only_slow}" if self.only_slow else ""
        slow += ", one at a time" if self.one_at_a_time else ""
        slow += ", with listeners" if self.listeners else ""
        late = "" if self.eager else ", deliveries come late"
        fleet = f"{self.backups} backups, queued above {self.fan_out_above}{eyes}{slow}{late}"
        return f"{fleet}: {actions} | {deviations or 'undisturbed'}"


@dataclass
class Played:
    """What came of a schedule. ``story`` has one line for each step; ``trace`` has the steps of the actions, without
    those that bring everything in order.
    """

    violations: list[str]
    steps: int
    story: list[str] = field(default_factory=list)
    trace: list[Step] = field(default_factory=list)


def play_seed(seed: int) -> tuple[Schedule, Played]:
    """Play the schedule with this seed; return it with what came of it.

    Its actions come from a few kinds only, or from one of the ``STORIES`` with some more in between: a schedule that
    repeats few kinds finds more than one that has a bit of all. Deviations are drawn step by step, mostly at steps that
    have an effect.
    """
    random = Random(seed)  # noqa: S311 # a schedule, not a secret
    pace = random.choice((0.0,) * 8 + (5.0, 12.0))
    backups = 5 if pace else random.choice((1, 1, 2, 2, 3))
    schedule = Schedule(
        _actions(random, backups),
        backups=backups,
        fan_out_above=0 if pace else random.choice((100, 100, 0)),
        four_eyes=random.random() < 0.15,
        eager=random.random() < 0.6,
        pace=pace,
        only_slow=random.choice((0, 2)) if pace else 0,
        one_at_a_time=random.random() < 0.2,
        listeners=random.random() < 0.3,
    )
    left = random.choice((0, 1, 1, 2, 2, 3))
    chance = left / (len(schedule.actions) * WEIGHT_PER_ACTION)
    deviations: list[tuple[int, Deviation]] = []

    def decide(step: Step) -> Deviation | None:
        if len(deviations) == left or random.random() > chance * _weight(step):
            return None
        deviation = _deviation(random, step)
        deviations.append((step.number, deviation))
        return deviation

    played = _play(schedule, decide)
    return replace(schedule, deviations=tuple(deviations)), played


def _actions(random: Random, backups: int) -> tuple[Action, ...]:
    if random.random() < 0.4:
        kinds = list(random.choice(STORIES))
        for _ in range(random.choice((0, 0, 1, 2))):
            kinds.insert(random.randint(0, len(kinds)), random.choice(tuple(ACTIONS)))
        number = random.randint(2, backups + 1)  # a story is about one backup
        return tuple(replace(_action(random, kind, backups), backup=number) for kind in kinds)
    few = random.choices(tuple(WEIGHTS), tuple(WEIGHTS.values()), k=random.choice((2, 3, 4)))
    some = random.choices((*few, "run", "edit the primary"), k=random.choice((2, 3, 4, 5, 6)))
    return tuple(_action(random, kind, backups) for kind in some)


def _action(random: Random, kind: str, backups: int) -> Action:
    skew = random.choice((0.0, 0.0, 4.0, -4.0)) if kind in ("run", "poll") else 0.0
    return Action(kind, random.randint(2, backups + 1) if kind in OF_A_BACKUP else 2, skew)


def _weight(step: Step) -> float:
    """How often a step is disturbed, compared with others."""
    if step.call.target in ("queue", "function") or step.call.method.startswith("write_"):
        return 8.0
    return 3.0 if step.call.touches and step.call.touches.writes else 1.0


def _deviation(random: Random, step: Step) -> Deviation:
    match random.choice(("fault", "fault", "switch", "switch", "stall")):
        case "fault":
            return Deviation(fault=random.choice((*step.call.faults, Fault.DIES, Fault.DIES_AFTER)))
        case "switch":
            return Deviation(switch=random.randrange(4))
        case _:
            return Deviation(stall=random.choice(STALLS))


def play(schedule: Schedule, *, tells: bool = False, in_order: set[str] | None = None) -> Played:
    """Play a schedule to its end, and then what brings everything in order again; look at all of it.

    ``in_order`` are end states from which everything came in order before (``tests.simulation.end_states``): from one
    of them it is not brought in order again. A new one is added.
    """
    deviations = dict(schedule.deviations)
    return _play(schedule, lambda step: deviations.get(step.number), tells=tells, in_order=in_order)


def _play(
    schedule: Schedule,
    decide: Callable[[Step], Deviation | None],
    *,
    tells: bool = False,
    in_order: set[str] | None = None,
) -> Played:
    scheduler = Scheduler(decide)
    size = (schedule.backups, schedule.fan_out_above, schedule.four_eyes, schedule.listeners)
    world = _world(scheduler, *size)
    story: list[str] = []
    begun = _begun(*size)
    world.doubles = copied(begun.doubles, lambda: scheduler.now)
    scheduler.clock = begun.scheduler.clock
    if tells:
        scheduler.tell = lambda line: story.append(f"{scheduler.steps:4} {scheduler.now:%H:%M:%S} {line}")
    watch = Watch(world)
    world.is_one_clock = not any(action.skew for action in schedule.actions)
    world.pace, world.only_slow = schedule.pace, schedule.only_slow
    world.memory_megabytes = _LITTLE_MEMORY if schedule.one_at_a_time else None
    actions = list(reversed(schedule.actions))
    scheduler.next_action = _acting(world, actions, eager=schedule.eager)
    scheduler.has_action = lambda: bool(actions or world.doubles.events or world.doubles.queue.messages)
    with world.in_force():
        scheduler.run()
        trace = scheduler.trace
        scheduler.trace, scheduler.decide, world.pace = [], lambda _: None, 0.0
        scheduler.kills_at, scheduler.stalls_at = "", ("", 0.0)
        scheduler.tell("from here on nothing is disturbed")
        end = "" if in_order is None else end_state(world, watch.pushes)
        if in_order is None or end not in in_order:
            _come_to_order(world, watch)
            watch.look_at_the_end()
    for process in scheduler.processes:
        error = process.main.error
        if process.main.is_done and error and not isinstance(error, RunFailedError) and not process.is_dead:
            watch.violations.append(f"{process.name} failed: {error!r}")
    if in_order is not None and not watch.violations:
        in_order.add(end)
    return Played(list(dict.fromkeys(watch.violations)), scheduler.steps, story, trace)


def _world(scheduler: Scheduler, backups: int, fan_out_above: int, four_eyes: bool, listeners: bool) -> SimulatedWorld:
    return SimulatedWorld(
        scheduler, backups=backups, fan_out_above=fan_out_above, four_eyes=four_eyes, listeners=listeners
    )


@cache
def _begun(backups: int, fan_out_above: int, four_eyes: bool, listeners: bool) -> SimulatedWorld:
    """A world in which a run has verified every backup. It is copied, and never changed."""
    scheduler = Scheduler()
    world = _world(scheduler, backups, fan_out_above, four_eyes, listeners)
    world.register()
    for server in world.doubles.servers.values():
        server.people = PEOPLE
    scheduler.next_action = _acting(world, [Action("run")])
    with world.in_force():
        scheduler.run()
    return world


def _acting(world: SimulatedWorld, actions: list[Action], *, eager: bool = True) -> Callable[[], bool]:
    """Begins one action after the other, from the last, until one has begun a process. What has arrived for a function
    comes before them if ``eager``, otherwise after them; a message that is invisible comes when it is due.
    """
    doubles = world.doubles

    def deliver() -> bool:
        if doubles.events:
            world.invoke(doubles.events.pop(0), "asked run")
            return True
        return world.deliver()

    def next_action() -> bool:
        if eager and deliver():
            return True
        while actions:
            action = actions.pop()
            world.scheduler.tell(f"-- {action}")
            begun = len(world.scheduler.processes)
            ACTIONS[action.kind](world, action)
            if len(world.scheduler.processes) > begun:
                return True
        if deliver():
            return True
        if not doubles.queue.messages:
            return False
        world.scheduler.clock = max(world.scheduler.clock, min(one.visible_at for one in doubles.queue.messages))
        return deliver()

    return next_action


def _come_to_order(world: SimulatedWorld, watch: Watch) -> None:
    """Nobody disturbs any more, people repair what they have broken, and the product has a number of runs."""
    scheduler, store = world.scheduler, world.store
    scheduler.clock += EVENT_LIFE
    _expect_rest(world, watch)
    for server in world.doubles.servers.values():
        server.shut_by, server.ignores_writes = "", False
    for registered in _registered(world):
        _repair(world, registered)
        scheduler.run()
    for attempt in range(MOST_RUNS):
        if _is_in_order(world):
            break
        for backup in store.backups():
            last = store.status(backup.id)
            if last and last.reason == Reason.ENDS_RUNS:
                world.request("POST", "/sync-runs", {"backups": [backup.id]})
                scheduler.run()
            for who in ("ben", "carla") if last and last.status == "blocked" and last.plan_hash else ():
                world.request(
                    "POST", f"/backups/{backup.id}/approve", {"hash": last.plan_hash if last else ""}, who=who
                )
                scheduler.run()
        scheduler.clock += FAN_OUT_LEASE
        # What a person accepts once is remembered.
        world.request("POST", "/sync-runs", {"accept_primary": attempt == 0})
        scheduler.run()
    for line in _disorder(world):
        watch.expect(11, False, f"{MOST_RUNS} runs after the last fault: {line}")


def _expect_rest(world: SimulatedWorld, watch: Watch) -> None:
    """While nothing changes, looks at the primary start no further run."""
    world.invoke(POLL, "poll")
    world.scheduler.run()
    world.scheduler.clock += FAN_OUT_LEASE
    runs = len(world.store.runs(limit=99))
    second = world.invoke(POLL, "poll")
    world.scheduler.run()
    more = len(world.store.runs(limit=99)) - runs
    watch.expect(9, second.main.error is not None or not more, "looks at an unchanged primary go on starting runs")


def _registered(world: SimulatedWorld) -> tuple[Primary | Backup, ...]:
    primary = world.store.primary()
    return (*([primary] if primary else []), *world.store.backups())


def _repair(world: SimulatedWorld, registered: Primary | Backup) -> None:
    """Let runs write again, and store the present password of a server if another one is stored."""
    password = world.server_of(registered).password
    log_in = {"username": "admin", "password": password} if world.stored_password(registered) != password else {}
    if isinstance(registered, Primary):
        if log_in:
            world.request("PATCH", "/primary", log_in)
        if registered.held:
            world.request("POST", "/primary/resume")
        return
    switches = {} if registered.enabled and not registered.report_only else {"enabled": True, "report_only": False}
    if log_in or switches:
        world.request("PATCH", f"/backups/{registered.id}", log_in | switches)
    if registered.paused:
        world.request("POST", f"/backups/{registered.id}/resume")
    if int(registered.host.rpartition(".")[2]) >= ALIAS:
        world.request("DELETE", f"/backups/{registered.id}")


def _is_in_order(world: SimulatedWorld) -> bool:
    return next(_disorder(world), None) is None


def _disorder(world: SimulatedWorld) -> Iterator[str]:
    store = world.store
    if unfinished := store.unfinished_runs():
        yield f"unfinished: {unfinished}"
    if lease := store.lease():
        yield f"the lease is held: {lease}"
    primary = store.primary()
    source = world.server_of(primary) if primary else world.doubles.servers[1]
    for backup in store.backups():
        server = world.server_of(backup)
        last = store.status(backup.id)
        if server.state != source.state:
            yield f"{backup.id} differs from the primary"
        if server.lasting != server.content["listeners"]:
            yield f"{backup.id} has other listeners after a restart"
        if last is None or last.status not in ("in_sync", "updated") or last.verified_at is None:
            yield f"{backup.id} is {last.status if last else 'unknown'} {last.reason if last else ''}"


def shrunk(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """The shortest schedule found that still fails: actions and deviations are left out as long as it does."""
    is_shorter = True
    while is_shorter:
        is_shorter = False
        for candidate in _shorter(schedule):
            if fails(candidate):
                schedule, is_shorter = candidate, True
                break
    return schedule


def _shorter(schedule: Schedule) -> Iterator[Schedule]:
    for place in range(len(schedule.deviations)):
        yield replace(schedule, deviations=schedule.deviations[:place] + schedule.deviations[place + 1 :])
    for place in range(len(schedule.actions)):
        yield replace(schedule, actions=schedule.actions[:place] + schedule.actions[place + 1 :])
    for place, action in enumerate(schedule.actions):
        if action.skew:
            level = replace(action, skew=0.0)
            yield replace(schedule, actions=(*schedule.actions[:place], level, *schedule.actions[place + 1 :]))
    if schedule.fan_out_above == 0:
        yield replace(schedule, fan_out_above=100)
    if schedule.four_eyes:
        yield replace(schedule, four_eyes=False)
    if schedule.listeners:
        yield replace(schedule, listeners=False)
    if schedule.backups > 1 and all(action.backup == 2 for action in schedule.actions):
        yield replace(schedule, backups=1)
