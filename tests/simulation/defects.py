"""Defects that the product once had, each with a world in which the simulation finds it.

``Defect.point`` is the number under which the defect was described; docs/track-record.md has a row for each.
"""

from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from admin_api.routes import restores
from fleet import people
from fleet.primary import PresentPrimary, known_parts
from registry import recorded_results, store_rules
from registry.dynamo import DynamoStore
from replication import plan
from replication.parts.accounts import AccountsPart
from replication.settings_write import SettingsWrite
from sync import backup_runner, fan_out, poll
from sync import run as sync_run
from sync.results import ResultRecorder, finish
from tests.simulation import switches
from tests.simulation.actions import Action
from tests.simulation.calls import Fault
from tests.simulation.exhaustive import Bound, explored
from tests.simulation.schedules import Schedule

UNDISTURBED = Bound(0, 0)


@dataclass(frozen=True)
class Defect:
    """What was once wrong. ``restore`` makes it wrong again inside its block. The simulation finds it in ``world``
    within ``bound``.
    """

    point: int
    what: str
    restore: switches.Switch
    world: Schedule
    bound: Bound = UNDISTURBED


def _world(*kinds: str, backups: int = 1, queued: bool = False, **features: Any) -> Schedule:
    actions = tuple(Action(kind) for kind in kinds)
    return Schedule(actions, backups=backups, fan_out_above=0 if queued else 100, **features)


def _once(fault: Fault, *, preemptions: int = 0) -> Bound:
    return Bound(preemptions, 1, frozenset({fault}))


def first_sign(defect: Defect) -> tuple[int, Schedule | None, list[str]]:
    """Look for a defect in its world: how many schedules were played, the one that shows it, and what it breaks."""
    count = 0
    with defect.restore():
        for schedule, played in explored(defect.world, defect.bound):
            count += 1
            if played.violations:
                return count, schedule, played.violations
    return count, None, []


DEFECTS: tuple[Defect, ...] = (
    Defect(
        7,
        "entries that a server keeps count as its own additions",
        switches.method(7, AccountsPart, "additions", lambda *_: 1),
        _world("rename a person", "run"),
        _once(Fault.PARTLY),
    ),
    Defect(
        9,
        "a part that was not read counts as not offered",
        switches.function(9, plan._not_read, switches.not_offered),
        _world("edit the primary", "run", "add a part", queued=True, eager=False),
    ),
    Defect(
        10,
        "the status of one server counts for another",
        switches.status_stays,
        _world("edit the primary", "run", "move"),
    ),
    Defect(
        14,
        "a refused message ends the run as if nothing had happened",
        switches.function(14, fan_out._record_refused, switches.ends_the_run),
        _world("edit the primary", "run", backups=2, queued=True),
        _once(Fault.PARTLY, preemptions=1),
    ),
    Defect(
        15,
        "a lost reply overwrites the record of a run that has begun",
        switches.method(15, DynamoStore, "finish_run", switches.finish_whatever),
        _world("edit the primary", "asked run"),
        _once(Fault.UNHEARD, preemptions=2),
    ),
    Defect(
        16,
        "a poll pushes what it has read before it had the lease",
        switches.read_once,
        _world("edit the primary", "poll", "edit the primary", "run"),
        Bound(1, 0),
    ),
    Defect(
        17,
        "polling never rests when nothing can be verified",
        switches.function(17, poll._has_tried, lambda run, _: run.status == "succeeded"),
        _world("remove some people", "run"),
    ),
    Defect(
        18,
        "a backup that is taken over loses a part of its snapshot",
        switches.method(18, backup_runner._BackupSnapshots, "keep", switches.keep_without_the_first),
        _world("edit the primary", "rename a person", "run", queued=True),
        _once(Fault.DIES),
    ),
    Defect(
        19,
        "a worker without time records backups that it has never claimed",
        lambda: patch.object(backup_runner.BackupRunner, "in_parallel", switches.cut_off_unclaimed),
        _world(
            "edit the primary",
            "run",
            "hold up who reads a password",
            "deliver again",
            "deliver again",
            backups=2,
            queued=True,
            one_at_a_time=True,
            eager=False,
        ),
        Bound(1, 0),
    ),
    Defect(
        20,
        "the interim result of an older run is overwritten",
        switches.method(20, ResultRecorder, "settle", switches.settle_by_status),
        _world("edit the primary", "kill the next writer", "run", "an hour", "run", "run", queued=True),
        _once(Fault.LOST),
    ),
    Defect(
        21,
        "the baseline is stored without the lease",
        switches.method(21, DynamoStore, "save_baseline", switches.stored_without_the_lease),
        _world(
            "edit the primary",
            "kill who stores the baseline",
            "run",
            "deliver again",
            "hold up who stores the baseline",
            "most of a long lease",
            "deliver again",
            "run",
            queued=True,
            eager=False,
        ),
        Bound(1, 0),
    ),
    Defect(
        21,
        "a run whose event is dropped stays queued for ever",
        lambda: patch.object(sync_run, "finish", switches.stays_queued(finish)),
        _world("edit the primary", "asked run"),
        _once(Fault.IGNORED),
    ),
    Defect(
        22,
        "an approval is never used up",
        lambda: patch.object(recorded_results, "ending", switches.counted(22, switches.approval_stays)),
        _world("remove some people", "run", "approve", "run"),
    ),
    Defect(
        23,
        "one person is enough where two are wanted",
        switches.function(23, people.is_agreed, lambda *_: True),
        _world("remove some people", "run", "approve", "run", four_eyes=True),
    ),
    Defect(
        25,
        "a restore writes to the present primary under another name",
        switches.method(25, PresentPrimary, "check", lambda *_: ()),
        _world(
            "edit the primary", "run", "promote", "register the alias of", "restore the first state to the alias of"
        ),
    ),
    Defect(
        26,
        "another primary is pushed from at once",
        switches.function(26, store_rules.primary_as_named, switches.not_held),
        _world("change the primary"),
    ),
    Defect(
        27,
        "the primary's own address gets the log-in of a backup",
        switches.primary_as_backup,
        _world("register the primary", "run"),
    ),
    Defect(
        29,
        "a late proof of access leaves the new settings",
        switches.method(29, SettingsWrite, "_put_back", switches.late_is_harmless(SettingsWrite._put_back)),
        _world("shut", "run", pace=2.5),
    ),
    Defect(
        47,
        "a failure after the first write is not counted",
        switches.function(47, store_rules._in_a_row, switches.counted_once),
        _world("edit the primary", "break", "run", "run"),
    ),
    Defect(
        48,
        "a registration that is changed during a run is still written to",
        switches.read_when_the_run_begins,
        _world("edit the primary", "run", "disable"),
        Bound(1, 0),
    ),
    Defect(
        49,
        "a run that never asked a backup replaces what is said of it",
        lambda: patch.object(store_rules, "tells_of_the_run_alone", switches.counted(49, lambda _: False)),
        _world("remove some people", "run", "run"),
        _once(Fault.LOST),
    ),
    Defect(
        50,
        "that listeners were not committed is forgotten with the former primary",
        switches.function(50, known_parts, switches.committed_or_not),
        Schedule(
            (Action("edit a listener"), Action("run"), Action("promote", 3), Action("run")), backups=2, listeners=True
        ),
        _once(Fault.LOST),
    ),
    Defect(
        51,
        "a delivery without time counts as an attempt",
        switches.function(51, fan_out._not_requeued, lambda messages, _: set(messages)),
        _world("rename a person", "run", backups=7, queued=True, pace=12.0),
    ),
    Defect(
        52,
        "what a person accepts is not remembered",
        switches.method(52, DynamoStore, "save_acceptance", lambda *_, **__: None),
        _world("remove most people"),
    ),
    Defect(
        53,
        "a dry restore approves the plan",
        switches.method(53, restores, "start", switches.approves),
        _world("edit the primary", "run", "remove some people", "run", "dry restore"),
    ),
)
