"""A backup is spared the reading only while nothing at all has moved since it was verified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.runtime import WallClockRuntime
from registry.fleet_records import SyncSettings
from sync.events import RunRequest, Trigger
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.fakes.world import World
    from registry.run_records import BackupResult

START = datetime(2026, 1, 1, tzinfo=UTC)
BRIEF = ["security"]


class Scheduled:
    """Runs over a world whose clock is moved by hand; ``calls`` are those of b1 in the last run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = START
        self.calls: list[str] = []

    def run(self, *, minutes: float = 5, trigger: Trigger = Trigger.SCHEDULE, **request: Any) -> BackupResult:
        self.now += timedelta(minutes=minutes)
        backup = self.world.servers.by_id["b1"]
        backup.calls.clear()
        run(
            RunRequest(trigger, **request),
            replace(self.world.context, runtime=WallClockRuntime(lambda: self.now)),
            Deadline(600, monotonic),
        )
        self.calls = list(backup.calls)
        status = self.world.store.status("b1")
        assert status is not None
        return status

    @property
    def read(self) -> bool:
        return "users" in self.calls


@pytest.fixture
def scheduled(world: World) -> Scheduled:
    """After a run that has verified everything, with 60 minutes to go."""
    world.store.save_settings(SyncSettings(full_verification_minutes=60))
    runs = Scheduled(world)
    assert runs.run().status in ("in_sync", "updated")
    assert runs.read
    return runs


def test_an_unchanged_backup_is_asked_one_thing_and_keeps_the_time_of_its_verification(scheduled: Scheduled) -> None:
    verified = scheduled.now
    for _ in range(3):
        status = scheduled.run()
        assert scheduled.calls == BRIEF
        assert (status.status, status.verified_at, status.attempted_at) == ("in_sync", verified, scheduled.now)
        assert status.fingerprints
        assert {part.status for part in status.parts} == {"unchanged"}
        assert "not read again" in status.message
        kept = {part.part: part.kept_different_paths for part in status.parts if part.kept_different}
        assert kept == {"settings": ("/settings/licence",)}, "what was found at the verification is still told"


def test_when_the_verification_is_too_old_everything_is_read_again(scheduled: Scheduled) -> None:
    scheduled.run(minutes=59.9)
    assert scheduled.calls == BRIEF
    status = scheduled.run(minutes=0.2)
    assert scheduled.read
    assert status.verified_at == scheduled.now


def test_by_default_every_run_reads_everything(world: World) -> None:
    runs = Scheduled(world)
    runs.run()
    runs.run(minutes=0.1)
    assert runs.read


def _registration(**changes: object) -> Callable[[World], None]:
    return lambda world: world.update("b1", **changes)


def _setting(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.store.save_settings(SyncSettings(full_verification_minutes=60, **changes))

    return change


def _primary(name: str, value: object) -> Callable[[World], None]:
    return lambda world: setattr(world.servers.by_id[PRIMARY_ID], name, value)


def _insecure(world: World) -> None:
    server = world.servers.by_id["b1"]
    server.server_facts = replace(
        server.server_facts, security=replace(server.server_facts.security, soap_secure=False)
    )


MOVES: dict[str, Callable[[World], None]] = {
    "the primary's users": _primary("people", ("anna", "boris")),
    "the primary's settings": _primary("greeting", "welcome"),
    "the backup's address": _registration(port=77),
    "the backup's tags": _registration(tags={"a": "b"}),
    "the backup's parts": _registration(parts=("settings", "accounts")),
    "the backup's rules": _registration(rules=("greeting",)),
    "the backup is paused": _registration(paused="being looked at"),
    "the backup is reported on": _registration(report_only=True),
    "the fleet's parts": _setting(parts=("accounts",)),
    "the fleet's rules": _setting(rules=("greeting",)),
    "the automatic list": _setting(replicate_auto_block_list=True),
    "the backup's SOAP is not secure": _insecure,
}


@pytest.mark.parametrize("what", MOVES)
def test_whatever_has_moved_means_a_full_look(scheduled: Scheduled, what: str) -> None:
    MOVES[what](scheduled.world)
    scheduled.run()
    assert "facts" in scheduled.calls


@pytest.mark.parametrize("request_", [{"dry_run": True}, {"backups": ("b1",)}, {}])
def test_who_asks_for_a_run_gets_a_full_look(scheduled: Scheduled, request_: dict[str, Any]) -> None:
    scheduled.run(trigger=Trigger.ON_DEMAND, **request_)
    assert scheduled.read


def test_a_paused_backup_is_looked_at_in_full_every_time(scheduled: Scheduled) -> None:
    scheduled.world.update("b1", paused="being looked at")
    for _ in range(2):
        scheduled.run()
        assert scheduled.read


@pytest.mark.parametrize(
    "failing", ["security", "facts", "users"], ids=["the brief look fails", "its facts", "reading users"]
)
def test_after_a_failure_everything_is_read_again(scheduled: Scheduled, failing: str) -> None:
    def fail(call: str) -> None:
        if call == failing:
            raise Failure(Reason.READ_TIMEOUT, "silent")

    backup = scheduled.world.servers.by_id["b1"]
    backup.on_call = fail
    assert scheduled.run(minutes=5 if failing == "security" else 61).status == "failed"
    backup.on_call = lambda _: None
    assert scheduled.run().status == "in_sync"
    assert scheduled.read


def test_an_edit_on_a_backup_is_found_by_the_next_full_verification(scheduled: Scheduled) -> None:
    backup = scheduled.world.servers.by_id["b1"]
    backup.people = ("anna", "boris", "chen", "mallory")
    scheduled.run()
    assert scheduled.calls == BRIEF
    scheduled.run(minutes=60)
    assert list(backup.people) == ["anna", "boris", "chen"]


def test_credentials_that_were_changed_are_tried_in_a_brief_look_too(scheduled: Scheduled) -> None:
    def refuse(call: str) -> None:
        if call == "security":
            raise Failure(Reason.AUTHENTICATION_FAILED, "refused")

    scheduled.world.servers.by_id["b1"].on_call = refuse
    assert scheduled.run().reason == "authentication_failed"
    assert scheduled.calls == BRIEF
