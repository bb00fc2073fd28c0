"""Switches that restore defects which the product once had, to show that the simulation finds them.

Each replaces a function, or a condition of the table, by what was once there, for as long as its block lasts.
``Defect.point`` is the number under which the defect was described; docs/track-record.md has a row for each.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from boto3.dynamodb.conditions import Attr

from admin_api import registration
from admin_api.routes import restores
from admin_api.runs import start
from common.errors import Failure, Reason
from fleet import people
from fleet.primary import PresentPrimary, Source
from fleet.servers import refuse_primary
from registry import recorded_results, registrations, store_rules
from registry.dynamo import DynamoStore
from registry.run_records import Approval, BackupResult
from registry.snapshots import SnapshotContent
from registry.table import APPROVAL, Check
from replication import plan
from replication.model import PartOutcome, PartStatus
from replication.parts.accounts import AccountsPart
from replication.settings_write import SettingsWrite
from sync import backup_runner, fan_out, poll, push_conditions
from sync import run as sync_run
from sync.results import ResultRecorder, RunStatus, failed_outcome, finish
from tests.simulation.actions import Action
from tests.simulation.calls import Fault
from tests.simulation.exhaustive import Bound, explored
from tests.simulation.schedules import Schedule
from tests.simulation.servers import SimulatedServers

UNDISTURBED = Bound(0, 0)
APPLIED: Counter[int] = Counter()
"""How often what a defect replaces was reached, by its point."""

type Switch = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Defect:
    """What was once wrong. ``restore`` makes it wrong again inside its block. The simulation finds it in ``world``
    within ``bound``.
    """

    point: int
    what: str
    restore: Switch
    world: Schedule
    bound: Bound = UNDISTURBED


@contextmanager
def _everywhere(original: Any, replacement: Any) -> Iterator[None]:
    """Replace a function in all modules of the product that have imported it."""
    rooms = ("common", "registry", "replication", "fleet", "sync", "admin_api", "cerberus")
    changed = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in rooms:
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, replacement)
                    changed.append((module, attribute))
    try:
        yield
    finally:
        for module, attribute in changed:
            setattr(module, attribute, original)


def _counted(point: int, function: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        APPLIED[point] += 1
        return function(*given, **named)

    return counted


def _method(point: int, owner: Any, name: str, function: Callable[..., Any]) -> Switch:
    return lambda: patch.object(owner, name, _counted(point, function))


def _function(point: int, original: Callable[..., Any], function: Callable[..., Any]) -> Switch:
    return lambda: _everywhere(original, _counted(point, function))


# 9: a part that was not read counts as one that the edition does not have


def _not_offered(part: Any, _why: object) -> PartOutcome:
    return PartOutcome(part.name, PartStatus.NOT_OFFERED, message="the primary's edition does not have this part")


# 10: the status and the approval stay when a registration gets another server


@contextmanager
def _status_stays() -> Iterator[None]:
    APPLIED[10] += 1
    with (
        patch.object(registrations, "_WITH_A_REGISTRATION", ()),
        _everywhere(store_rules.of_registration, lambda record, _: record),
    ):
        yield


# 14: a queue that refuses one message ends the run as if nothing had happened


def _ends_the_run(recorder: ResultRecorder, fan: Any, _primary: object, refused: Mapping[Any, str]) -> Any:
    context, run = recorder.context, recorder.run
    aborted = Failure(Reason.RUN_ABORTED, "nothing was done: a message was refused")
    results = [
        recorder.record_failure(one, context.store.open_registration(run.id, one) or "", aborted)
        for one in context.store.open_backups(run.id)
    ]
    context.store.release_lease(fan.owner)
    return finish(context, run, RunStatus.FAILED, Reason.NOT_QUEUED, str(aborted), results)


# 15: a lost reply overwrites the record of a run that has begun

_finish_run = DynamoStore.finish_run


def _finish_whatever(store: DynamoStore, run: Any, *, begun: bool = True) -> bool:
    return _finish_run(store, run, begun=True)


# 16: what the poll has read before the lease is pushed


@contextmanager
def _read_once() -> Iterator[None]:
    read = Source.read
    states: dict[int, Any] = {}

    def remembered(source: Source, parts: Any, settings: Any, deadline: Any) -> Any:
        if id(deadline) in states:
            APPLIED[16] += 1
            return states[id(deadline)][1]
        state = read(source, parts, settings, deadline)
        states[id(deadline)] = (deadline, state)  # holds the deadline, so that no other gets its id
        return state

    with patch.object(Source, "read", remembered):
        yield


# 18: a backup that is taken over keeps only what was left of its old content


def _keep_without_the_first(self: Any, parts: Mapping[str, str], facts: Any) -> str:
    recorder, backup = self.runner.recorder, self.backup
    content = SnapshotContent(parts, facts, self.runner.facts_of_primary, False)
    key: str = recorder.context.snapshots.keep_backup(backup.id, recorder.run.id, content, backup.registration)
    return key


# 20: the interim result of an older run is not found


def _settle_by_status(self: ResultRecorder, backup_id: str, failure: Failure, *, late: bool = False) -> None:
    store = self.context.store
    result = store.status(backup_id)
    if result is None or result.run_id != self.run.id:
        queued_as = store.open_registration(self.run.id, backup_id) or ""
        result = self.new_result(backup_id, queued_as, failed_outcome(failure))
    self._store(result, late=late)


# 22: an approval is never used up


def _approval_stays(approval: Approval) -> Check:
    return Check(APPROVAL, approval.backup_id, Attr("pk").exists())


# 26: another primary is pushed from at once

_primary_as_named = store_rules.primary_as_named


def _not_held(*given: Any) -> Any:
    return replace(_primary_as_named(*given), held="")


# 27: the primary's own address is registered, and gets the log-in of a backup


@contextmanager
def _primary_as_backup() -> Iterator[None]:
    opened = SimulatedServers.backup

    def anywhere(self: Any, backup: Any, credentials: Any, settings: Any, deadline: Any, *_: Any) -> Any:
        return opened(self, backup, credentials, settings, deadline)

    def unknown(*_: Any, **__: Any) -> None:
        APPLIED[27] += 1

    with (
        _everywhere(registration.refuse_known_server, unknown),
        _everywhere(refuse_primary, unknown),
        patch.object(SimulatedServers, "backup", anywhere),
    ):
        yield


# 29: a proof that is late is no reason to put the settings back


def _late_is_harmless(put_back: Callable[..., None]) -> Callable[..., None]:
    def without(self: SettingsWrite, part: Any, complaint: Any) -> None:
        raise Failure(Reason.DEADLINE, complaint.text)

    return without


# 47: a failure after the first write is not counted


def _counted_once(stored: BackupResult, new: BackupResult) -> int | None:
    if not new.failures:
        return stored.failures if new.failures is None else 0
    before = stored.failures or 0
    return max(before, 1) if stored.run_id == new.run_id else before + 1


# 48: a registration is read once, when the run begins


@contextmanager
def _read_when_the_run_begins() -> Iterator[None]:
    chosen: dict[tuple[str, str], Any] = {}
    choose, registered_now = sync_run.choose, push_conditions.registered_now

    def choosing(requested: Any, registered: Any, unreadable: Any, statuses: Any, run_id: str) -> Any:
        backups = choose(requested, registered, unreadable, statuses, run_id)
        chosen.update({(run_id, backup.id): backup for backup in backups})
        return backups

    def as_chosen(recorder: Any, backup_id: str, registration_: str) -> Any:
        APPLIED[48] += 1
        return chosen.get((recorder.run.id, backup_id)) or registered_now(recorder, backup_id, registration_)

    def any_version(registration_: str, version: int | None = None) -> Any:
        return Attr("registration").eq(registration_)

    with (
        _everywhere(choose, choosing),
        _everywhere(registered_now, as_chosen),
        patch.object(recorded_results, "registered_as", any_version),
    ):
        yield


# 53: a dry restore approves the plan

_start = start


def _approves(services: Any, **named: Any) -> Any:
    if named.get("dry_run") and named.get("plan_hash"):
        APPLIED[53] += 1
        backup = services.store.backup(named["backups"][0])
        services.approve(backup, named["plan_hash"], named["requested_by"], services.last_result(backup))
    return _start(services, **named)


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
        _method(7, AccountsPart, "additions", lambda *_: 1),
        _world("rename a person", "run"),
        _once(Fault.PARTLY),
    ),
    Defect(
        9,
        "a part that was not read counts as not offered",
        _function(9, plan._not_read, _not_offered),
        _world("edit the primary", "run", "add a part", queued=True, eager=False),
    ),
    Defect(
        10,
        "the status of one server counts for another",
        _status_stays,
        _world("edit the primary", "run", "move"),
    ),
    Defect(
        14,
        "a refused message ends the run as if nothing had happened",
        _function(14, fan_out._record_refused, _ends_the_run),
        _world("edit the primary", "run", backups=2, queued=True),
        _once(Fault.PARTLY, preemptions=1),
    ),
    Defect(
        15,
        "a lost reply overwrites the record of a run that has begun",
        _method(15, DynamoStore, "finish_run", _finish_whatever),
        _world("edit the primary", "asked run"),
        _once(Fault.UNHEARD, preemptions=2),
    ),
    Defect(
        16,
        "a poll pushes what it has read before it had the lease",
        _read_once,
        _world("edit the primary", "poll", "edit the primary", "run"),
        Bound(1, 0),
    ),
    Defect(
        17,
        "polling never rests when nothing can be verified",
        _function(17, poll._has_tried, lambda run, _: run.status == "succeeded"),
        _world("remove some people", "run"),
    ),
    Defect(
        18,
        "a backup that is taken over loses a part of its snapshot",
        _method(18, backup_runner._BackupSnapshots, "keep", _keep_without_the_first),
        _world("edit the primary", "rename a person", "run", queued=True),
        _once(Fault.DIES),
    ),
    Defect(
        20,
        "the interim result of an older run is overwritten",
        _method(20, ResultRecorder, "settle", _settle_by_status),
        _world("edit the primary", "kill the next writer", "run", "an hour", "run", "run", queued=True),
        _once(Fault.LOST),
    ),
    Defect(
        22,
        "an approval is never used up",
        lambda: patch.object(recorded_results, "ending", _counted(22, _approval_stays)),
        _world("remove some people", "run", "approve", "run"),
    ),
    Defect(
        23,
        "one person is enough where two are wanted",
        _function(23, people.is_agreed, lambda *_: True),
        _world("remove some people", "run", "approve", "run", four_eyes=True),
    ),
    Defect(
        25,
        "a restore writes to the present primary under another name",
        _method(25, PresentPrimary, "check", lambda *_: ()),
        _world(
            "edit the primary", "run", "promote", "register the alias of", "restore the first state to the alias of"
        ),
    ),
    Defect(
        26,
        "another primary is pushed from at once",
        _function(26, _primary_as_named, _not_held),
        _world("change the primary"),
    ),
    Defect(
        27,
        "the primary's own address gets the log-in of a backup",
        _primary_as_backup,
        _world("register the primary", "run"),
    ),
    Defect(
        29,
        "a late proof of access leaves the new settings",
        _method(29, SettingsWrite, "_put_back", _late_is_harmless(SettingsWrite._put_back)),
        _world("shut", "run", pace=2.5),
    ),
    Defect(
        47,
        "a failure after the first write is not counted",
        _function(47, store_rules._in_a_row, _counted_once),
        _world("edit the primary", "break", "run", "run"),
    ),
    Defect(
        48,
        "a registration that is changed during a run is still written to",
        _read_when_the_run_begins,
        _world("edit the primary", "run", "disable"),
        Bound(1, 0),
    ),
    Defect(
        49,
        "a run that never asked a backup replaces what is said of it",
        lambda: patch.object(store_rules, "tells_of_the_run_alone", _counted(49, lambda _: False)),
        _world("remove some people", "run", "run"),
        _once(Fault.LOST),
    ),
    Defect(
        51,
        "a delivery without time counts as an attempt",
        _function(51, fan_out._not_requeued, lambda messages, _: set(messages)),
        _world("rename a person", "run", backups=7, queued=True, pace=12.0),
    ),
    Defect(
        52,
        "what a person accepts is not remembered",
        _method(52, DynamoStore, "save_acceptance", lambda *_, **__: None),
        _world("remove most people"),
    ),
    Defect(
        53,
        "a dry restore approves the plan",
        _method(53, restores, "start", _approves),
        _world("edit the primary", "run", "remove some people", "run", "dry restore"),
    ),
)
