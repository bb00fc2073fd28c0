"""A snapshot that was kept when the id was another registration goes back on a person's word alone."""

from dataclasses import replace
from typing import Any

import pytest

from common.deadline import Deadline
from local.fakes.runtime import FakeRuntime
from local.fakes.world import World
from registry.fleet_records import Backup
from sync.events import RunRequest, Trigger
from sync.results import Report
from sync.run import run


def started(world: World, trigger: Trigger, **asked: Any) -> Report:
    return run(RunRequest(trigger, ("b1",), **asked), world.context, Deadline(600, world.runtime.monotonic))


@pytest.fixture
def key(world: World) -> str:
    """The key of what ``b1`` held before a run."""
    world.runtime = FakeRuntime()
    world.servers.by_id["b1"].greeting = "moin"
    (result,) = started(world, Trigger.ON_DEMAND).results
    assert result.status == "updated"
    return result.snapshot


def moved(world: World, backup: Backup) -> None:
    world.update(backup.id, port=backup.port + 100)


def registered_anew(world: World, backup: Backup) -> None:
    world.store.delete_backup(backup.id)
    world.store.add_backup(backup)


@pytest.mark.parametrize("change", [moved, registered_anew])
def test_it_is_put_back_only_when_somebody_says_that_it_is_the_same_machine(
    world: World, key: str, change: Any
) -> None:
    backup = world.store.backup("b1")
    assert started(world, Trigger.RESTORE, snapshot=key, dry_run=True).results[0].status == "drifted"
    change(world, backup)
    written = list(world.servers.by_id["b1"].writes)
    (refused,) = started(world, Trigger.RESTORE, snapshot=key).results
    assert (refused.status, refused.reason) == ("failed", "snapshot_of_former_server")
    assert world.servers.by_id["b1"].writes == written
    (done,) = started(world, Trigger.RESTORE, snapshot=key, same_machine=True).results
    assert (done.status, world.servers.by_id["b1"].greeting) == ("restored", "moin")


def test_another_machine_does_not_get_it_on_any_word(world: World, key: str) -> None:
    backup = world.store.backup("b1")
    assert backup is not None
    moved(world, backup)
    server = world.servers.by_id["b1"]
    server.server_facts = replace(server.server_facts, hostname="another.example")
    (refused,) = started(world, Trigger.RESTORE, snapshot=key, same_machine=True).results
    assert refused.reason == "snapshot_unfit"
