"""A run that the management API has queued begins only as what was queued, whoever invokes the function."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from registry.run_records import QUEUED, Run, new_run_id
from sync.events import RunRequest, Trigger
from sync.run import run

if TYPE_CHECKING:
    from local.fakes.world import World
    from sync.results import Report

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN_ID = new_run_id(NOON, "0badc0de")
OTHERS = {
    "trigger": Trigger.SCHEDULE,
    "backups": ("b2",),
    "dry_run": False,
    "accept_primary": True,
    "requested_by": "kim",
    "snapshot": "primary/" + "0a" * 32,
    "plan_hash": "5f" * 32,
    "same_machine": True,
}
"""For each field of a request another value than that of what was queued."""


@dataclass
class Queued:
    """A dry run over ``b1`` that alex has asked for."""

    world: World
    request = RunRequest(Trigger.ON_DEMAND, ("b1",), dry_run=True, requested_by="alex", run_id=RUN_ID)

    def __post_init__(self) -> None:
        self.world.runtime = FakeRuntime(NOON)
        asked = Run(RUN_ID, "on_demand", NOON, "alex", ("b1",), dry_run=True, status=QUEUED, requester_verified=True)
        self.world.store.queue_run(asked)

    def begin(self, request: RunRequest) -> Report:
        return run(request, self.world.context, Deadline(600, self.world.runtime.monotonic))

    @property
    def record(self) -> Run:
        record = self.world.store.run(RUN_ID)
        assert record is not None
        return record


@pytest.fixture
def queued(world: World) -> Queued:
    return Queued(world)


def test_each_field_of_a_request_has_another_value_here() -> None:
    names = {field.name for field in fields(RunRequest)} - {"run_id"}
    assert names == OTHERS.keys()
    assert all(getattr(Queued.request, name) != other for name, other in OTHERS.items())


@pytest.mark.parametrize("name", OTHERS)
def test_an_event_that_differs_in_any_field_is_refused_and_what_was_queued_still_waits(
    queued: Queued, name: str
) -> None:
    with pytest.raises(Failure) as failed:
        queued.begin(replace(queued.request, **{name: OTHERS[name]}))  # type: ignore[arg-type] # the value of this field
    assert failed.value.reason is Reason.EVENT_INVALID
    assert queued.record.status == QUEUED
    assert queued.world.store.lease() is None
    assert queued.begin(queued.request).run.status == "succeeded"
    assert queued.record.requester_verified


def test_a_run_that_nobody_has_queued_is_not_said_to_be_asked_for(queued: Queued) -> None:
    other = replace(queued.request, run_id=new_run_id(NOON, "12345678"))
    for request in (other, replace(queued.request, run_id="")):
        report = queued.begin(request)
        assert (report.run.requested_by, report.run.requester_verified) == ("alex", False)
