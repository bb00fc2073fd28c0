"""The pause of a backup that gets something back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.store import MemoryStore
from registry.models import Backup, Run
from sync.pause import pause

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "primary/" + "0a" * 32
RUN = Run("20260301T120000.000000Z-0badc0de", "restore", NOON, requested_backups=("b1",), snapshot=KEY)
WHY = f"{KEY} was put back by the run {RUN.id}"
EARLIER = WHY.replace("20260301", "20260228")


class Busy(MemoryStore):
    """A store in which somebody changes the backup between reading and writing, as often as there are changes."""

    def __init__(self, *changes: Callable[[Backup], Backup]) -> None:
        super().__init__()
        self.add_backup(Backup("b1", "files.example", 1))
        self._changes = list(changes)

    def update_backup(self, backup: Backup, **more: Any) -> Backup:
        if self._changes:
            registered = self.backup(backup.id)
            assert registered is not None
            super().update_backup(self._changes.pop()(registered))
        return super().update_backup(backup, **more)


def tagged(backup: Backup) -> Backup:
    return replace(backup, tags={"changed": "meanwhile"})


def paused(store: MemoryStore, run: Run = RUN) -> Backup:
    registered = store.backup("b1") or Backup("b1", "files.example", 1)
    pause(registered, run, store, FakeRuntime(NOON))
    stored = store.backup("b1")
    assert stored is not None
    return stored


def test_it_says_why_and_since_when() -> None:
    backup = paused(Busy())
    assert (backup.paused, backup.updated_at) == (WHY, NOON)


def test_it_takes_the_place_of_an_earlier_restore_and_is_not_written_twice() -> None:
    store = Busy()
    store.update_backup(Backup("b1", "files.example", 1, paused=EARLIER))
    backup = paused(store)
    assert backup.paused == WHY
    assert paused(store) == backup


@pytest.mark.parametrize(
    "why", ["an upgrade", f"{EARLIER}, and it stays", "the disk was put back by the run on Monday", "x was put back by"]
)
def test_a_pause_that_a_person_made_stays_with_its_reason(why: str) -> None:
    store = Busy()
    before = store.update_backup(Backup("b1", "files.example", 1, paused=why))
    assert paused(store) == before


def test_what_somebody_changes_at_the_same_time_is_kept() -> None:
    backup = paused(Busy(tagged))
    assert (backup.paused, dict(backup.tags)) == (WHY, {"changed": "meanwhile"})


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        (MemoryStore(), Reason.UNKNOWN_BACKUP),
        (Busy(lambda backup: replace(backup, enabled=False)), Reason.BACKUP_DISABLED),
        (Busy(*[tagged] * 9), Reason.REGISTRY_UNAVAILABLE),
        (Busy(lambda backup: replace(backup, host="other.example")), Reason.REGISTRATION_CHANGED),
        (Busy(lambda backup: replace(backup, report_only=True)), Reason.BACKUP_REPORT_ONLY),
        (Busy(lambda backup: replace(backup, paused="an upgrade")), Reason.BACKUP_PAUSED),
    ],
)
def test_without_it_there_is_a_failure(store: MemoryStore, reason: Reason) -> None:
    with pytest.raises(Failure) as caught:
        paused(store, replace(RUN, requested_backups=()))
    assert caught.value.reason is reason
