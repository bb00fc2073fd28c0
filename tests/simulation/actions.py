"""The things that can happen in a simulated world, and stories that are made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.simulation.scheduler import Process
from tests.simulation.servers import ALIAS, HOST, SPARE
from tests.simulation.world import FAN_OUT_LEASE, LEASE, LIFE, SimulatedWorld

RULE: Mapping[str, object] = {"source": "aws.events", "detail-type": "Scheduled Event"}
POLL: Mapping[str, object] = {"action": "poll"}


@dataclass(frozen=True)
class Action:
    """One thing that happens. ``backup`` is the number of the server that it concerns, where it concerns one."""

    kind: str
    backup: int = 2
    skew: float = 0.0

    def __str__(self) -> str:
        skew = f", its clock ahead by {self.skew:g} s" if self.skew else ""
        return f"{self.kind} b{self.backup}{skew}" if self.kind in OF_A_BACKUP else f"{self.kind}{skew}"


def _edit(world: SimulatedWorld, number: int, *, people: bool) -> None:
    server = world.doubles.servers[number]
    if people:
        world.edits += 1
        server.people = (*server.people, f"guest-{world.edits}")
    else:
        world.edits += 1
        server.greeting = f"edit {world.edits}"


def _edit_listener(world: SimulatedWorld) -> None:
    if "listeners" in (world.store.settings().parts or ()):
        world.edits += 1
        world.doubles.servers[_primary_number(world)].welcome(f"welcome {world.edits}")


def _rename(world: SimulatedWorld) -> None:
    """One person on the primary gets another name: one goes, one comes."""
    server = world.doubles.servers[_primary_number(world)]
    world.edits += 1
    server.people = (*server.people[1:], f"newcomer-{world.edits}")


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


def _restore_first(world: SimulatedWorld, backup_id: str) -> None:
    states = world.store.states(limit=99)
    if states:
        world.request("POST", f"/backups/{backup_id}/restore", {"snapshot": states[-1].digest})


def _move(world: SimulatedWorld, action: Action) -> None:
    """The registration of a backup gets another server."""
    log_in = {"username": "admin", "password": f"password-of-{SPARE}"}
    world.request("PATCH", _path(action), {"host": HOST.format(SPARE), **log_in})


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
        "parts": [*(settings.parts or ()), "event_rules"],
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


def _break(world: SimulatedWorld, action: Action) -> None:
    """From now on the server acknowledges what is written and does nothing."""
    world.doubles.servers[action.backup].ignores_writes = True


def _rotate(world: SimulatedWorld, action: Action) -> None:
    """Somebody changes the password on a backup's server, and then tells the product."""
    backup = world.store.backup(f"b{action.backup}")
    server = world.server_of(backup) if backup else world.doubles.servers[action.backup]
    world.edits += 1
    server.password = f"password-of-{server.number} {world.edits}"
    world.request("PATCH", _path(action), {"username": "admin", "password": server.password})


def _delete(world: SimulatedWorld, action: Action) -> None:
    world.request("DELETE", _path(action))


def _register(world: SimulatedWorld, action: Action) -> None:
    _register_as(world, f"b{action.backup}", action.backup, world.doubles.servers[action.backup].password)


def _pass_time(world: SimulatedWorld, action: Action, seconds: float) -> None:
    world.scheduler.clock += seconds


def _request(method: str, tail: str, body: object = None) -> Callable[[SimulatedWorld, Action], Process]:
    return lambda world, action: world.request(method, _path(action, tail), body)


_BASELINE = "row/BASELINE"
ACTIONS: dict[str, Callable[[SimulatedWorld, Action], object]] = {
    "run": lambda world, action: world.invoke(RULE, "run", skew=action.skew),
    "poll": lambda world, action: world.invoke(POLL, "poll", skew=action.skew),
    "asked run": lambda world, _: world.request("POST", "/sync-runs", {}),
    "asked dry run": lambda world, _: world.request("POST", "/sync-runs", {"dry_run": True}),
    "edit the primary": lambda world, _: _edit(world, _primary_number(world), people=False),
    "edit the primary's people": lambda world, _: _edit(world, _primary_number(world), people=True),
    "edit a listener": lambda world, _: _edit_listener(world),
    "restart": lambda world, action: world.doubles.servers[action.backup].restart(),
    "rename a person": lambda world, _: _rename(world),
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
    "register the alias of": lambda world, action: _register_as(
        world, f"b{ALIAS + action.backup}", ALIAS + action.backup, f"password-of-{action.backup}"
    ),
    "restore the first state to the alias of": lambda world, action: _restore_first(world, f"b{ALIAS + action.backup}"),
    "change the primary": _change_primary,
    "move": _move,
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
    "kill the next writer": lambda world, _: setattr(world.scheduler, "kills_at", "write_"),
    "kill who stores the baseline": lambda world, _: setattr(world.scheduler, "kills_at", _BASELINE),
    "hold up who stores the baseline": lambda world, _: setattr(world.scheduler, "stalls_at", (_BASELINE, 70.0)),
    "hold up who reads a password": lambda world, _: setattr(world.scheduler, "stalls_at", ("secrets", LIFE - 2.0)),
    "break": lambda world, action: _break(world, action),
    "deliver again": lambda world, _: world.deliver(again=True),
    "rotate": _rotate,
    "delete": _delete,
    "register": _register,
    "an hour": lambda world, action: _pass_time(world, action, 3600.0),
    "most of a long lease": lambda world, action: _pass_time(world, action, FAN_OUT_LEASE - 30.0),
    "a lease": lambda world, action: _pass_time(world, action, LEASE + 1.0),
}
OF_A_BACKUP = (
    "approve as ben",
    "restore the primary's state",
    "break",
    "restart",
    "dry restore",
    "register the alias of",
    "restore the first state to the alias of",
    "move",
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
WEIGHTS = dict.fromkeys(ACTIONS, 2) | {
    "run": 12,
    "poll": 4,
    "asked run": 4,
    "edit the primary": 6,
    "remove some people": 5,
    "approve": 6,
    "approve as ben": 3,
}

STORIES: tuple[tuple[str, ...], ...] = (
    ("edit the primary", "run", "run"),
    ("edit the primary", "poll", "edit the primary", "run"),
    ("edit the primary", "asked run"),
    ("rename a person", "run", "run"),
    ("edit the primary", "run", "add a part"),
    ("edit the primary", "run", "disable"),
    ("edit the primary", "run", "move", "run"),
    ("edit the primary", "run", "delete", "register"),
    ("remove some people", "run", "approve", "run", "restore", "resume", "run"),
    ("remove some people", "run", "approve", "edit", "run"),
    ("remove some people", "asked run", "approve", "run"),
    ("remove some people", "run", "dry restore", "run"),
    ("remove most people", "accepting run", "approve", "run"),
    ("edit the primary", "run", "restore", "run"),
    ("edit the primary", "run", "promote", "register the alias of", "restore the first state to the alias of"),
    ("shut", "run", "run"),
    ("shut", "kill the next writer", "run", "run"),
    ("edit the primary", "kill the next writer", "run", "an hour", "run", "run"),
    ("rename a person", "run", "deliver again"),
    ("rename a person", "run", "hold up who reads a password", "deliver again", "deliver again", "run"),
    (
        "edit the primary",
        "kill who stores the baseline",
        "run",
        "deliver again",
        "hold up who stores the baseline",
        "most of a long lease",
        "deliver again",
        "run",
    ),
    ("edit a listener", "run", "restart", "run"),
    ("edit a listener", "run", "promote", "run", "restart", "run"),
    ("rotate", "run"),
    ("edit the primary", "run", "an hour", "run", "run"),
    ("change the primary", "run", "resume the primary", "run"),
)
"""Actions that belong together, each about one backup."""
