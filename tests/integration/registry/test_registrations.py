"""What is known of one server counts for no other, on each implementation of the store."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import Failure, Reason
from registry.fleet_records import Backup, Primary, TlsTrust
from registry.run_records import Approval, BackupResult
from registry.store import Store, VersionConflict
from registry.store_rules import of_primary, primary_as_named, promotion
from tests.support.registrations import begin_push

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRIMARY = Primary("main.example", 443)

type Change = Callable[[Store, Backup], object]


def changed(**fields: Any) -> Change:
    return lambda store, backup: store.update_backup(replace(backup, **fields))


def registered_anew(store: Store, backup: Backup) -> None:
    store.delete_backup(backup.id)
    store.add_backup(backup)


def moved_and_back(store: Store, backup: Backup) -> None:
    store.update_backup(replace(backup, port=1))
    store.update_backup(backup)


ANOTHER_SERVER: dict[str, Change] = {
    "host": changed(host="other.example"),
    "port": changed(port=8444),
    "host and trust": changed(host="other.example", trust=TlsTrust(pins=("ab" * 32,))),
    "registered anew": registered_anew,
    "moved and back": moved_and_back,
}
SAME_SERVER: dict[str, Change] = {
    "spelling of the host": changed(host="FILES.example"),
    "switch": changed(enabled=False),
    "parts": changed(parts=("settings",)),
    "pause": changed(paused="why"),
}


@pytest.fixture
def backup(store: Store) -> Backup:
    """A backup with a status and an approval, while the lease is held."""
    store.save_primary(PRIMARY)
    added = store.add_backup(Backup("b1", "files.example", 8443))
    assert store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
    store.record_result(result_of(added), lease_owner="me")
    store.approve(approval_of(added), expected_version=added.version)
    return added


def result_of(backup: Backup, run_id: str = "r1", **fields: Any) -> BackupResult:
    given = {"pushed_at": NOON, "verified_at": NOON, "source": PRIMARY.source, **fields}
    return BackupResult(backup.id, run_id, "in_sync", NOON, registration=backup.registration, **given)


def approval_of(backup: Backup) -> Approval:
    return Approval(backup.id, "a" * 64, "somebody", NOON, registration=backup.registration, source=PRIMARY.source)


@pytest.mark.parametrize("change", ANOTHER_SERVER.values(), ids=list(ANOTHER_SERVER))
class TestAnotherServer:
    def test_has_no_status_no_approval_and_an_identity_of_its_own(
        self, store: Store, backup: Backup, change: Change
    ) -> None:
        change(store, backup)
        assert (store.status("b1"), store.statuses(), store.approval("b1")) == (None, {}, None)
        assert store.registration("b1") not in (backup.registration, "", None)
        assert store.history("b1", limit=5, registration=store.registration("b1")) == ()

    def test_gets_no_status_from_a_late_result_which_is_in_the_run_and_the_history(
        self, store: Store, backup: Backup, change: Change
    ) -> None:
        change(store, backup)
        late = result_of(backup, "r2", snapshot="how to undo it")
        store.record_result(late, lease_owner="me")
        assert store.status("b1") is None
        assert store.results("r2") == store.history("b1", limit=1) == (late,)

    def test_is_not_what_a_run_may_begin_to_write_to(self, store: Store, backup: Backup, change: Change) -> None:
        change(store, backup)
        with pytest.raises(Failure) as failed:
            begin_push(store, result_of(backup, "r2"), lease_owner="me")
        assert failed.value.reason is Reason.REGISTRATION_CHANGED
        assert store.result("b1", "r2") is None

    def test_cannot_be_approved_for_by_who_has_seen_the_former(
        self, store: Store, backup: Backup, change: Change
    ) -> None:
        change(store, backup)
        with pytest.raises(Failure) as failed:
            store.approve(approval_of(backup))
        assert failed.value.reason is Reason.REGISTRATION_CHANGED
        assert store.approval("b1") is None


@pytest.mark.parametrize("change", SAME_SERVER.values(), ids=list(SAME_SERVER))
def test_the_same_server_keeps_all_that_is_known_of_it(store: Store, backup: Backup, change: Change) -> None:
    change(store, backup)
    assert (store.status("b1"), store.approval("b1")) == (result_of(backup), approval_of(backup))
    assert store.registration("b1") == backup.registration


def test_with_another_trust_the_approval_goes_and_the_status_stays(store: Store, backup: Backup) -> None:
    store.update_backup(replace(backup, trust=TlsTrust(pins=("ab" * 32,))))
    assert (store.status("b1"), store.approval("b1")) == (result_of(backup), None)
    assert store.registration("b1") == backup.registration


def test_an_approval_is_refused_when_the_registration_is_not_the_one_that_was_seen(
    store: Store, backup: Backup
) -> None:
    store.update_backup(replace(backup, trust=TlsTrust(pins=("ab" * 32,))))
    with pytest.raises(VersionConflict):
        store.approve(approval_of(backup), expected_version=backup.version)
    assert store.approval("b1") is None


def test_a_removed_backup_has_neither(store: Store, backup: Backup) -> None:
    store.delete_backup("b1")
    store.record_result(result_of(backup, "r2"), lease_owner="me")
    assert (store.status("b1"), store.approval("b1"), store.registration("b1")) == (None, None, None)
    assert len(store.history("b1", limit=5)) == 2


WHY = "somebody has set the primary to another server"


def set_primary(store: Store, named: Primary) -> Primary:
    """When the lease has ended and nobody has taken it: its run may still come back."""
    return store.save_primary(primary_as_named(named, store.primary(), WHY, NOON), now=NOON + MINUTE)


class TestAnotherPrimary:
    def test_changes_the_direction_so_nothing_is_pushed_until_somebody_resumes(
        self, store: Store, backup: Backup
    ) -> None:
        moved = set_primary(store, Primary("other.example", 443))
        assert (moved.held, moved.term, moved.since) == (WHY, 1, NOON)
        again = replace(moved, trust=TlsTrust(pins=("cd" * 32,)))
        assert primary_as_named(again, moved, "another reason", NOON + MINUTE).held == WHY

    def test_voids_what_was_found_and_approved_of_the_former(self, store: Store, backup: Backup) -> None:
        moved = set_primary(store, Primary("other.example", 443))
        assert of_primary(store.status("b1"), moved) is None
        assert of_primary(store.approval("b1"), moved) is None
        back = set_primary(store, PRIMARY)
        assert of_primary(store.status("b1"), back) is None

    def test_named_by_the_stacks_parameters_alone_as_well(self, store: Store, backup: Backup) -> None:
        assert of_primary(store.status("b1"), Primary("main.example", 444)) is None
        assert of_primary(store.status("b1"), Primary("MAIN.example", 443)) == store.status("b1")

    def test_with_another_trust_it_is_the_same(self, store: Store, backup: Backup) -> None:
        named = replace(PRIMARY, trust=TlsTrust(pins=("ab" * 32,)))
        saved = store.save_primary(primary_as_named(named, store.primary(), WHY, NOON))
        assert of_primary(store.status("b1"), saved) == result_of(backup)

    def test_is_not_what_a_run_goes_on_writing_under(self, store: Store, backup: Backup) -> None:
        set_primary(store, Primary("other.example", 443))
        with pytest.raises(Failure) as failed:
            begin_push(store, result_of(backup, "r2"), lease_owner="me")
        assert failed.value.reason is Reason.PRIMARY_REPLACED
        assert store.result("b1", "r2") is None

    def test_leaves_no_verification_in_a_status_that_is_merged(self, store: Store, backup: Backup) -> None:
        other = Primary("other.example", 443)
        later = result_of(backup, "r2", source=other.source, pushed_at=None, verified_at=None)
        store.record_result(replace(later, attempted_at=NOON + MINUTE), lease_owner="me")
        status = store.status("b1")
        assert status is not None
        assert (status.pushed_at, status.verified_at) == (None, None)


BY_WHAT_WAS_READ: dict[str, Change] = {
    "update": lambda store, read: store.update_backup(replace(read, paused="why"), expected_version=read.version),
    "removal": lambda store, read: store.delete_backup(read.id, expected=read),
    "approval": lambda store, read: store.approve(approval_of(read), expected_version=read.version),
    "promotion": lambda store, read: store.promote(
        promotion(replace(PRIMARY, version=1), read, "former", "why", NOON), now=NOON
    ),
}
"""What somebody does who goes by a registration as it was read."""


@pytest.mark.parametrize("port", [8443, 9443])
@pytest.mark.parametrize("versions", [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (1, 3)])
@pytest.mark.parametrize("act", BY_WHAT_WAS_READ)
def test_whoever_goes_by_a_registration_that_has_gone_changes_nothing(
    store: Store, act: str, versions: tuple[int, int], port: int
) -> None:
    store.save_primary(PRIMARY)
    former, since = versions
    read = at_version(former, store.add_backup(Backup("b1", "files.example", 8443)), store)
    store.delete_backup("b1")
    now = at_version(since, store.add_backup(Backup("b1", "files.example", port)), store)
    primary = store.primary()
    with pytest.raises((VersionConflict, Failure)):
        BY_WHAT_WAS_READ[act](store, read)
    assert (store.backups(), store.approval("b1"), store.primary()) == ((now,), None, primary)


def at_version(version: int, backup: Backup, store: Store) -> Backup:
    while backup.version < version:
        backup = store.update_backup(backup, expected_version=backup.version)
    return backup
