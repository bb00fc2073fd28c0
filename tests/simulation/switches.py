"""Switches that restore defects which the product once had.

Each replaces a function, or a condition of the table, by what was once there, for as long as its block lasts. The
numbers are those of ``tests.simulation.defects``.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from boto3.dynamodb.conditions import Attr

from admin_api import registration
from admin_api.runs import start
from common.errors import Failure, Reason
from fleet.primary import Source
from fleet.servers import refuse_primary
from registry import recorded_results, registrations, store_rules
from registry.dynamo import DynamoStore
from registry.run_records import Approval, BackupResult
from registry.serialization import to_row
from registry.snapshots import SnapshotContent
from registry.store_rules import of_primary
from registry.table import APPROVAL, BASELINE, Check, keys
from replication.model import PartFingerprints, PartName, PartOutcome, PartStatus
from replication.settings_write import SettingsWrite
from sync import backup_runner, push_conditions
from sync import run as sync_run
from sync.results import ResultRecorder, RunStatus, failed_outcome, finish
from tests.simulation.servers import SimulatedServers

APPLIED: Counter[int] = Counter()
"""How often what a defect replaces was reached, by its point."""

type Switch = Callable[[], AbstractContextManager[object]]


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


def counted(point: int, function: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*given: Any, **named: Any) -> Any:
        APPLIED[point] += 1
        return function(*given, **named)

    return counted


def method(point: int, owner: Any, name: str, function: Callable[..., Any]) -> Switch:
    return lambda: patch.object(owner, name, counted(point, function))


def function(point: int, original: Callable[..., Any], function: Callable[..., Any]) -> Switch:
    return lambda: _everywhere(original, counted(point, function))


# 9: a part that was not read counts as one that the edition does not have


def not_offered(part: Any, _why: object) -> PartOutcome:
    return PartOutcome(part.name, PartStatus.NOT_OFFERED, message="the primary's edition does not have this part")


# 10: the status and the approval stay when a registration gets another server


@contextmanager
def status_stays() -> Iterator[None]:
    APPLIED[10] += 1
    with (
        patch.object(registrations, "_WITH_A_REGISTRATION", ()),
        _everywhere(store_rules.of_registration, lambda record, _: record),
    ):
        yield


# 14: a queue that refuses one message ends the run as if nothing had happened


def ends_the_run(recorder: ResultRecorder, fan: Any, _primary: object, refused: Mapping[Any, str]) -> Any:
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


def finish_whatever(store: DynamoStore, run: Any, *, begun: bool = True) -> bool:
    return _finish_run(store, run, begun=True)


# 16: what the poll has read before the lease is pushed


@contextmanager
def read_once() -> Iterator[None]:
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


def keep_without_the_first(self: Any, parts: Mapping[str, str], facts: Any) -> str:
    recorder, backup = self.runner.recorder, self.backup
    content = SnapshotContent(parts, facts, self.runner.facts_of_primary, False)
    key: str = recorder.context.snapshots.keep_backup(backup.id, recorder.run.id, content, backup.registration)
    return key


# 19: a worker without time records backups that it has never claimed

_in_parallel = backup_runner.BackupRunner.in_parallel


def cut_off_unclaimed(self: Any, items: Any, do: Any) -> Any:
    results, late = _in_parallel(self, items, do)
    recorder = self.recorder
    for backup_id in late:
        if isinstance(backup_id, str) and backup_id not in recorder.claims:
            APPLIED[19] += 1
            queued_as = recorder.context.store.registration(backup_id)
            recorder.record_failure(backup_id, queued_as, Failure(Reason.DEADLINE, "the run ended before it was done"))
    return results, late


# 20: the interim result of an older run is not found


def settle_by_status(self: ResultRecorder, backup_id: str, failure: Failure, *, late: bool = False) -> None:
    store = self.context.store
    result = store.status(backup_id)
    if result is None or result.run_id != self.run.id:
        queued_as = store.open_registration(self.run.id, backup_id) or ""
        result = self.new_result(backup_id, queued_as, failed_outcome(failure))
    self._store(result, late=late)


# 21: the baseline is stored without the lease; a run whose event is dropped stays queued for ever


def stored_without_the_lease(store: DynamoStore, baseline: Any, *, lease_owner: str) -> None:
    store._table.put({**keys(*BASELINE), **to_row(baseline)})


def stays_queued(finish_it: Callable[..., Any]) -> Callable[..., Any]:
    def without(context: Any, run: Any, status: Any, reason: Any = None, *rest: Any, **named: Any) -> Any:
        if reason is Reason.EVENT_DROPPED:
            APPLIED[21] += 1
            return None
        return finish_it(context, run, status, reason, *rest, **named)

    return without


# 22: an approval is never used up


def approval_stays(approval: Approval) -> Check:
    return Check(APPROVAL, approval.backup_id, Attr("pk").exists())


# 26: another primary is pushed from at once

_primary_as_named = store_rules.primary_as_named


def not_held(*given: Any) -> Any:
    return replace(_primary_as_named(*given), held="")


# 27: the primary's own address is registered, and gets the log-in of a backup


@contextmanager
def primary_as_backup() -> Iterator[None]:
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


def late_is_harmless(put_back: Callable[..., None]) -> Callable[..., None]:
    def without(self: SettingsWrite, part: Any, complaint: Any) -> None:
        raise Failure(Reason.DEADLINE, complaint.text)

    return without


# 47: a failure after the first write is not counted


def counted_once(stored: BackupResult, new: BackupResult) -> int | None:
    if not new.failures:
        return stored.failures if new.failures is None else 0
    before = stored.failures or 0
    return max(before, 1) if stored.run_id == new.run_id else before + 1


# 48: a registration is read once, when the run begins


@contextmanager
def read_when_the_run_begins() -> Iterator[None]:
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


# 50: that listeners were not committed is forgotten when another server becomes the primary


def committed_or_not(registered: BackupResult | None, of: Any) -> dict[PartName, PartFingerprints]:
    return {
        PartName(name): PartFingerprints(part.desired, part.held)
        for name, part in (registered.fingerprints if registered else {}).items()
        if of_primary(registered, of) is not None
    }


# 53: a dry restore approves the plan

_start = start


def approves(services: Any, **named: Any) -> Any:
    if named.get("dry_run") and named.get("plan_hash"):
        APPLIED[53] += 1
        backup = services.store.backup(named["backups"][0])
        services.approve(backup, named["plan_hash"], named["requested_by"], services.last_result(backup))
    return _start(services, **named)
