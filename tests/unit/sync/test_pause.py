"""The pause of a backup that gets something back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.store import MemoryStore
from registry.fleet_records import Backup
from registry.run_records import Run
from sync.push_conditions import pause

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "primary/" + "0a" * 32
RUN = Run("20260301T120000.000000Z-0badc0de", "restore", NOON, requested_backups=("b1",), snapshot=KEY)
WHY = f"the run {RUN.id} restores {KEY}; its result says what came of it"
EARLIER = WHY.replace("20260301", "20260228")
BY_AN_EARLIER_VERSION = f"{KEY} was put back by the run {RUN.id}".replace("20260301", "20260228")


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.add_backup(Backup("b1", "files.example", 1))
    return store


def registered(store: MemoryStore) -> Backup:
    backup = store.backup("b1")
    assert backup is not None
    return backup


def paused(store: MemoryStore) -> Backup:
    backup = pause(registered(store), RUN, store, FakeRuntime(NOON))
    assert backup == registered(store)
    return backup


def test_it_says_why_and_since_when(store: MemoryStore) -> None:
    backup = paused(store)
    assert (backup.paused, backup.updated_at) == (WHY, NOON)


@pytest.mark.parametrize("earlier", [EARLIER, BY_AN_EARLIER_VERSION])
def test_it_takes_the_place_of_an_earlier_restore_and_is_not_written_twice(store: MemoryStore, earlier: str) -> None:
    store.update_backup(Backup("b1", "files.example", 1, paused=earlier))
    backup = paused(store)
    assert backup.paused == WHY
    assert paused(store) == backup


@pytest.mark.parametrize(
    "why",
    [
        "an upgrade",
        f"{EARLIER}, and it stays",
        f"{BY_AN_EARLIER_VERSION}, and it stays",
        "the disk was put back by the run on Monday",
        "the run on Monday restores the disk; its result says what came of it",
        "x was put back by",
    ],
)
def test_a_pause_that_a_person_made_stays_with_its_reason(store: MemoryStore, why: str) -> None:
    before = store.update_backup(Backup("b1", "files.example", 1, paused=why))
    assert paused(store) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda store, backup: store.delete_backup(backup.id),
        lambda store, backup: store.update_backup(replace(backup, enabled=False)),
        lambda store, backup: store.update_backup(replace(backup, tags={"site": "Graz"})),
        lambda store, backup: store.update_backup(replace(backup, host="other.example")),
        lambda store, backup: store.update_backup(replace(backup, report_only=True)),
        lambda store, backup: store.update_backup(replace(backup, paused="an upgrade")),
    ],
)
def test_whatever_somebody_changes_after_it_was_read_stops_it(
    store: MemoryStore, change: Callable[[MemoryStore, Backup], object]
) -> None:
    read = registered(store)
    change(store, read)
    before = store.backup("b1")
    with pytest.raises(Failure) as caught:
        pause(read, RUN, store, FakeRuntime(NOON))
    assert caught.value.reason is Reason.REGISTRATION_CHANGED
    assert store.backup("b1") == before
