"""Schedules: what happens in a simulated world, in which order and with which faults; drawn from a seed, and shrunk.

A schedule is short: the actions in their order, and for a few steps how they deviate from the undisturbed order. So it
can be printed, replayed and shortened.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random

from common.errors import Failure
from registry.fleet_records import Backup, Primary
from tests.simulation.end_states import end_state
from tests.simulation.invariants import Watch
from tests.simulation.scheduler import Deviation, Fault, Process, Scheduler, Step
from tests.simulation.world import ALIAS, FAN_OUT_LEASE, HOST, LEASE, LIFE, SPARE, SimulatedWorld, copied

RULE: Mapping[str, object] = {"source": "aws.events", "detail-type": "Scheduled Event"}
POLL: Mapping[str, object] = {"action": "poll"}
EVENT_LIFE = 6 * 3600.0
MOST_RUNS = 6
"""After the last fault, everything is in order again after at most this many runs."""
STALLS = (5.0, 70.0, LIFE, LEASE + 5.0, FAN_OUT_LEASE + 5.0)
FAULTS = tuple(Fault)
STEPS_PER_ACTION = 60

PEOPLE = tuple(f"person-{number}" for number in range(12))


@dataclass(frozen=True)
class Action:
    """One thing that happens. ``backup`` is the number of the server that it concerns, where it concerns one."""

    kind: str
    backup: int = 2
    skew: float = 0.0

    def __str__(self) -> str:
        skew = f", its clock ahead by {self.skew:g} s" if self.skew else ""
        return f"{self.kind} b{self.backup}{skew}" if self.kind in _OF_A_BACKUP else f"{self.kind}{skew}"


@dataclass(frozen=True)
class Schedule:
    """A world and what happens in it. ``deviations`` are by step."""

    actions: tuple[Action, ...]
    deviations: tuple[tuple[int, Deviation], ...] = ()
    backups: int = 2
    fan_out_above: int = 100
    four_eyes: bool = False

    def __str__(self) -> str:
        actions = "; ".join(map(str, self.actions))
        deviations = ", ".join(f"{step}: {deviation}" for step, deviation in self.deviations)
        eyes = ", four eyes" if self.four_eyes else ""
        fleet = f"{self.backups} backups, queued above {self.fan_out_above}{eyes}"
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


def drawn(seed: int) -> Schedule:
    """The schedule with this seed."""
    random = Random(seed)  # noqa: S311 # a schedule, not a secret
    backups = random.choice((1, 2, 2))
    kinds, weights = zip(*_WEIGHTS.items(), strict=True)
    count = random.choice((2, 3, 3, 4, 5, 6))
    actions = tuple(_action(random, random.choices(kinds, weights)[0], backups) for _ in range(count))
    steps = sorted(random.sample(range(1, count * STEPS_PER_ACTION), random.choice((0, 1, 2, 2, 3, 4))))
    deviations = tuple((step, _deviation(random)) for step in steps)
    return Schedule(actions, deviations, backups, random.choice((100, 100, 0)), random.random() < 0.2)


def _action(random: Random, kind: str, backups: int) -> Action:
    skew = random.choice((0.0, 0.0, 4.0, -4.0)) if kind in ("run", "poll") else 0.0
    return Action(kind, random.randint(2, backups + 1) if kind in _OF_A_BACKUP else 2, skew)


def _deviation(random: Random) -> Deviation:
    match random.choice(("fault", "fault", "switch", "switch", "stall")):
        case "fault":
            return Deviation(fault=random.choice(FAULTS))
        case "switch":
            return Deviation(switch=random.randrange(4))
        case _:
            return Deviation(stall=random.choice(STALLS))


def play(schedule: Schedule, *, tells: bool = False, in_order: set[str] | None = None) -> Played:
    """Play a schedule to its end, and then what brings everything in order again; look at all of it.

    ``in_order`` are end states from which everything came in order before (``tests.simulation.end_states``): from one
    of them it is not brought in order again. A new one is added.
    """
    scheduler = Scheduler(dict(schedule.deviations))
    size = (schedule.backups, schedule.fan_out_above, schedule.four_eyes)
    world = _world(scheduler, *size)
    story: list[str] = []
    begun = _begun(*size)
    world.doubles = copied(begun.doubles, lambda: scheduler.now)
    scheduler.clock = begun.scheduler.clock
    if tells:
        scheduler.tell = lambda line: story.append(f"{scheduler.steps:4} {scheduler.now:%H:%M:%S} {line}")
    watch = Watch(world)
    world.is_one_clock = not any(action.skew for action in schedule.actions)
    actions = list(reversed(schedule.actions))
    scheduler.next_action, scheduler.has_action = _acting(world, actions), lambda: bool(actions)
    with world.in_force():
        scheduler.run()
        trace = scheduler.trace
        scheduler.trace, scheduler.deviations = [], {}
        scheduler.tell("from here on nothing is disturbed")
        end = "" if in_order is None else end_state(world, watch.pushes)
        if in_order is None or end not in in_order:
            _come_to_order(world, watch)
            watch.look_at_the_end()
    for process in scheduler.processes:
        error = process.main.error
        if process.main.is_done and error and not isinstance(error, Failure) and not process.is_dead:
            watch.violations.append(f"{process.name} failed: {error!r}")
    if in_order is not None and not watch.violations:
        in_order.add(end)
    return Played(list(dict.fromkeys(watch.violations)), scheduler.steps, story, trace)


def _world(scheduler: Scheduler, backups: int, fan_out_above: int, four_eyes: bool) -> SimulatedWorld:
    return SimulatedWorld(scheduler, backups=backups, fan_out_above=fan_out_above, four_eyes=four_eyes)


@cache
def _begun(backups: int, fan_out_above: int, four_eyes: bool) -> SimulatedWorld:
    """A world in which a run has verified every backup. It is copied, and never changed."""
    scheduler = Scheduler()
    world = _world(scheduler, backups, fan_out_above, four_eyes)
    world.register()
    for server in world.doubles.servers.values():
        server.people = PEOPLE
    scheduler.next_action = _acting(world, [Action("run")])
    with world.in_force():
        scheduler.run()
    return world


def _acting(world: SimulatedWorld, actions: list[Action]) -> Callable[[], bool]:
    """Begins one action after the other, from the last; whatever has arrived for a function meanwhile comes first."""

    def next_action() -> bool:
        if world.doubles.events:
            world.invoke(world.doubles.events.pop(0), "asked run")
            return True
        if world.deliver():
            return True
        if not actions:
            return False
        action = actions.pop()
        world.scheduler.tell(f"-- {action}")
        _ACTIONS[action.kind](world, action)
        return True

    return next_action


def _come_to_order(world: SimulatedWorld, watch: Watch) -> None:
    """Nobody disturbs any more, people repair what they have broken, and the product has a number of runs."""
    scheduler, store = world.scheduler, world.store
    scheduler.clock += EVENT_LIFE
    _expect_rest(world, watch)
    for server in world.doubles.servers.values():
        server.shut_by = ""
    for registered in _registered(world):
        _repair(world, registered)
        scheduler.run()
    for attempt in range(MOST_RUNS):
        if _is_in_order(world):
            break
        for backup in store.backups():
            last = store.status(backup.id)
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
    if registered.host == HOST.format(ALIAS):
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
    if schedule.backups > 1 and all(action.backup == 2 for action in schedule.actions):
        yield replace(schedule, backups=1)


# Actions -------------------------------------------------------------------------------------------------------------


def _edit(world: SimulatedWorld, number: int, *, people: bool) -> None:
    server = world.doubles.servers[number]
    if people:
        world.edits += 1
        server.people = (*server.people, f"guest-{world.edits}")
    else:
        world.edits += 1
        server.greeting = f"edit {world.edits}"


def _primary_number(world: SimulatedWorld) -> int:
    primary = world.store.primary()
    return int(primary.host.rpartition(".")[2]) if primary else 1


def _path(action: Action, tail: str = "") -> str:
    return f"/backups/b{action.backup}{tail}"


def _approve(world: SimulatedWorld, action: Action, who: str) -> None:
    last = world.store.status(f"b{action.backup}")
    plan_hash = last.plan_hash if last and last.plan_hash else "0" * 64
    world.request("POST", _path(action, "/approve"), {"hash": plan_hash}, who=who)


def _restore_state(world: SimulatedWorld, action: Action, backup_id: str) -> None:
    newest = world.store.newest_state()
    if newest:
        world.request("POST", f"/backups/{backup_id}/restore", {"snapshot": newest.digest, "same_machine": False})


def _dry_restore(world: SimulatedWorld, action: Action) -> None:
    last = world.store.status(f"b{action.backup}")
    kept = world.snapshots().of_backup(f"b{action.backup}")
    if kept and last and last.plan_hash:
        body = {"snapshot": kept[0].key, "dry_run": True, "plan_hash": last.plan_hash}
        world.request("POST", _path(action, "/restore"), body)


def _register_as(world: SimulatedWorld, backup_id: str, number: int, password: str) -> None:
    body = {"host": HOST.format(number), "port": 443, "username": "admin", "password": password}
    world.request("POST", "/backups", {"id": backup_id, **body})


def _change_primary(world: SimulatedWorld, action: Action) -> None:
    body = {"host": HOST.format(SPARE), "port": 443, "username": "admin", "password": f"password-of-{SPARE}"}
    world.request("PUT", "/primary", body)


def _add_part(world: SimulatedWorld, action: Action) -> None:
    settings = world.store.settings()
    body = {
        "enabled": True,
        "interval_minutes": None,
        "on_change_polling": False,
        "parts": ["settings", "accounts", "event_rules"],
        "rules": [],
        "replicate_auto_block_list": False,
        "limits": None,
        "block_widened_access": False,
        "approval_by_another": settings.approval_by_another,
        "connect_timeout": 5,
        "read_timeout": 30,
        "reply_limit_mb": 64,
    }
    world.request("PUT", "/sync-settings", body)


def _restore(world: SimulatedWorld, action: Action) -> None:
    kept = world.snapshots().of_backup(f"b{action.backup}")
    if kept:
        world.request("POST", _path(action, "/restore"), {"snapshot": kept[0].key})


def _keep_people(world: SimulatedWorld, share: float) -> None:
    server = world.doubles.servers[_primary_number(world)]
    server.people = server.people[: int(share * len(server.people)) or 1]


def _shut(world: SimulatedWorld, action: Action) -> None:
    """The primary gets a setting that makes one backup refuse every log-in."""
    server = world.doubles.servers[action.backup]
    server.shut_by = "shut"
    world.doubles.servers[_primary_number(world)].greeting = "shut"


def _rotate(world: SimulatedWorld, action: Action) -> None:
    """Somebody changes the password on a server, and then tells the product."""
    server = world.doubles.servers[action.backup]
    world.edits += 1
    server.password = f"password-of-{action.backup} {world.edits}"
    world.request("PATCH", _path(action), {"username": "admin", "password": server.password})


def _delete(world: SimulatedWorld, action: Action) -> None:
    world.request("DELETE", _path(action))


def _register(world: SimulatedWorld, action: Action) -> None:
    _register_as(world, f"b{action.backup}", action.backup, world.doubles.servers[action.backup].password)


def _pass_time(world: SimulatedWorld, action: Action, seconds: float) -> None:
    world.scheduler.clock += seconds


def _request(method: str, tail: str, body: object = None) -> Callable[[SimulatedWorld, Action], Process]:
    return lambda world, action: world.request(method, _path(action, tail), body)


_ACTIONS: dict[str, Callable[[SimulatedWorld, Action], object]] = {
    "run": lambda world, action: world.invoke(RULE, "run", skew=action.skew),
    "poll": lambda world, action: world.invoke(POLL, "poll", skew=action.skew),
    "asked run": lambda world, _: world.request("POST", "/sync-runs", {}),
    "asked dry run": lambda world, _: world.request("POST", "/sync-runs", {"dry_run": True}),
    "edit the primary": lambda world, _: _edit(world, _primary_number(world), people=False),
    "edit the primary's people": lambda world, _: _edit(world, _primary_number(world), people=True),
    "edit": lambda world, action: _edit(world, action.backup, people=False),
    "remove some people": lambda world, _: _keep_people(world, 0.7),
    "remove most people": lambda world, _: _keep_people(world, 0.3),
    "accepting run": lambda world, _: world.request("POST", "/sync-runs", {"accept_primary": True}),
    "approve": lambda world, action: _approve(world, action, "anna"),
    "approve as ben": lambda world, action: _approve(world, action, "ben"),
    "restore the primary's state": lambda world, action: _restore_state(world, action, f"b{action.backup}"),
    "register the alias": lambda world, _: _register_as(world, f"b{ALIAS}", ALIAS, "password-of-1"),
    "restore to the alias": lambda world, action: _restore_state(world, action, f"b{ALIAS}"),
    "register the primary": lambda world, _: _register_as(world, "b7", _primary_number(world), "password-of-7"),
    "change the primary": _change_primary,
    "add a part": _add_part,
    "dry restore": _dry_restore,
    "pause": _request("POST", "/pause", {"why": "because"}),
    "resume": _request("POST", "/resume"),
    "disable": _request("PATCH", "", {"enabled": False}),
    "report only": _request("PATCH", "", {"report_only": True}),
    "restore": _restore,
    "promote": lambda world, action: world.request(
        "POST", "/primary/promote", {"backup_id": f"b{action.backup}", "force": True}
    ),
    "resume the primary": lambda world, _: world.request("POST", "/primary/resume"),
    "shut": _shut,
    "rotate": _rotate,
    "delete": _delete,
    "register": _register,
    "an hour": lambda world, action: _pass_time(world, action, 3600.0),
    "a lease": lambda world, action: _pass_time(world, action, LEASE + 1.0),
}
_OF_A_BACKUP = (
    "approve as ben",
    "restore the primary's state",
    "dry restore",
    "edit",
    "approve",
    "pause",
    "resume",
    "disable",
    "report only",
    "restore",
    "promote",
    "shut",
    "rotate",
    "delete",
    "register",
)
_WEIGHTS = dict.fromkeys(_ACTIONS, 2) | {
    "run": 12,
    "poll": 4,
    "asked run": 4,
    "edit the primary": 6,
    "remove some people": 5,
    "approve": 6,
    "approve as ben": 3,
}
