"""A first write is recorded only while registration and approval are as they were read, on each implementation."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.fakes.store import MemoryStore
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Primary, SyncSettings, TlsTrust
from registry.run_records import Approval, BackupResult
from registry.store import AlreadyRegistered, Store, VersionConflict
from registry.store_rules import PushConditions
from tests.integration.registry.conftest import RawTable

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HASH = "a" * 64

type Change = Callable[[Store, Backup], object]


def changed(**fields: Any) -> Change:
    return lambda store, backup: store.update_backup(replace(backup, **fields))


def deleted(store: Store, backup: Backup) -> None:
    store.delete_backup(backup.id)


def registered_anew(store: Store, backup: Backup) -> None:
    store.delete_backup(backup.id)
    store.add_backup(backup)


CHANGES: dict[str, Change] = {
    "paused": changed(paused="somebody works on it"),
    "disabled": changed(enabled=False),
    "report only": changed(report_only=True),
    "rules": changed(rules=("nodeHostName",)),
    "parts": changed(parts=("settings",)),
    "trust": changed(trust=TlsTrust(pins=("ab" * 32,))),
    "host": changed(host="other.example"),
    "port": changed(port=1),
    "secret": changed(secret="another"),
    "deleted": deleted,
    "registered anew": registered_anew,
    "stored again": changed(),
}


@pytest.fixture
def backup(store: Store) -> Backup:
    """A backup while the lease is held."""
    store.save_primary(Primary("main.example", 443))
    assert store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
    return store.add_backup(Backup("b1", "files.example", 8443))


def approval_of(backup: Backup, **fields: Any) -> Approval:
    return Approval(backup.id, HASH, "somebody", NOON, registration=backup.registration, **fields)


def begun(backup: Backup, **fields: Any) -> BackupResult:
    given = {"reason": "interrupted", "approved_parts": {"accounts": HASH}, **fields}
    return BackupResult(backup.id, "r1", "incomplete", NOON, registration=backup.registration, **given)


def begin(
    store: Store,
    backup: Backup,
    approval: Approval | None = None,
    settings_version: int = 0,
    paused: Backup | None = None,
    **fields: Any,
) -> None:
    conditions = PushConditions(backup.version, approval, settings_version, paused)
    store.begin_push(begun(backup, **fields), conditions, lease_owner="me")


def stored(store: Store) -> tuple[object, ...]:
    return store.results("r1"), store.history("b1", limit=5), store.status("b1"), store.approval("b1")


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_changes_of_the_registration_nothing_is_stored(store: Store, backup: Backup, change: Change) -> None:
    approval = approval_of(backup)
    store.approve(approval)
    change(store, backup)
    before = stored(store)
    for read in (None, approval):
        with pytest.raises(Failure) as failed:
            begin(store, backup, read)
        assert failed.value.reason is Reason.REGISTRATION_CHANGED
        assert stored(store) == before


def test_what_has_gone_is_told_from_what_was_changed(store: Store, backup: Backup) -> None:
    for change, message in ((changed(paused="why"), "was changed after it was read"), (deleted, "was removed")):
        change(store, backup)
        with pytest.raises(Failure, match=message):
            begin(store, backup)


def test_what_has_not_changed_is_stored(store: Store, backup: Backup) -> None:
    begin(store, backup)
    assert stored(store) == ((begun(backup),), (begun(backup),), begun(backup), None)


def defaults_of(kind: str, model: type[Any]) -> list[tuple[str, str]]:
    """The attributes that a row of an older format may lack, each with the key of the row."""
    return [(kind, field.name) for field in fields(model) if field.default is not MISSING]


@pytest.mark.parametrize(("kind", "attribute"), [*defaults_of("PRIMARY", Primary), *defaults_of("BACKUP", Backup)])
def test_what_an_older_format_lacks_is_no_change(
    dynamo_store: DynamoStore, raw: RawTable, kind: str, attribute: str
) -> None:
    dynamo_store.save_primary(Primary("main.example", 443))
    dynamo_store.add_backup(Backup("b1", "files.example", 8443))
    (row,) = [item for item in raw.items() if item["pk"]["S"] == kind]
    lacks = {name: value for name, value in row.items() if name not in (attribute, "format", "pk", "sk")}
    raw.put(row["pk"]["S"], row["sk"]["S"], **lacks)
    assert dynamo_store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
    backup, primary = dynamo_store.backup("b1"), dynamo_store.primary()
    assert backup
    assert primary
    begin(dynamo_store, backup, term=primary.term)
    assert dynamo_store.status("b1") == begun(backup, term=primary.term)


@pytest.mark.parametrize("snapshot", ["", "backups/b1/r0/settings"])
def test_it_ends_the_approval_whatever_that_lets_through(store: Store, backup: Backup, snapshot: str) -> None:
    approval = approval_of(backup, snapshot=snapshot)
    store.approve(approval)
    begin(store, backup, approval)
    assert store.approval("b1") is None
    with pytest.raises(Failure) as failed:
        begin(store, backup, approval)
    assert failed.value.reason is Reason.APPROVAL_CHANGED


@pytest.mark.parametrize("settings_before", [0, 1, 2])
def test_with_other_settings_of_the_fleet_than_were_read_nothing_is_stored(
    store: Store, backup: Backup, settings_before: int
) -> None:
    for _ in range(settings_before):
        store.save_settings(SyncSettings())
    store.save_settings(SyncSettings(block_widened_access=True))
    before = stored(store)
    with pytest.raises(Failure) as failed:
        begin(store, backup, settings_version=settings_before)
    assert failed.value.reason is Reason.SETTINGS_CHANGED
    assert stored(store) == before
    begin(store, backup, settings_version=settings_before + 1)
    assert store.status("b1") == begun(backup)


def test_beside_another_term_of_the_primary_nothing_is_stored(store: Store, backup: Backup) -> None:
    primary = store.primary()
    assert primary
    store.save_primary(replace(primary, term=1))
    before = stored(store)
    with pytest.raises(Failure) as failed:
        begin(store, backup)
    assert failed.value.reason is Reason.PRIMARY_REPLACED
    assert stored(store) == before
    begin(store, backup, term=1)


def test_the_pause_of_a_restore_is_stored_with_the_record_or_not_at_all(store: Store, backup: Backup) -> None:
    paused = replace(backup, paused="a restore")
    store.save_settings(SyncSettings())
    with pytest.raises(Failure):
        begin(store, backup, settings_version=0, paused=paused)
    assert store.backup("b1") == backup
    begin(store, backup, settings_version=1, paused=paused)
    assert store.backup("b1") == replace(paused, version=backup.version + 1)
    assert store.status("b1") == begun(backup)
    with pytest.raises(Failure) as failed:
        begin(store, backup, settings_version=1, paused=paused)
    assert failed.value.reason is Reason.REGISTRATION_CHANGED


def withdrawn(store: Store, approval: Approval) -> None:
    store.withdraw_approval(approval)


def given_again(store: Store, approval: Approval) -> None:
    store.approve(replace(approval, at=NOON + MINUTE))


def of_another_plan(store: Store, approval: Approval) -> None:
    store.approve(replace(approval, plan_hash="b" * 64))


@pytest.mark.parametrize("change", [withdrawn, given_again, of_another_plan])
def test_with_another_approval_than_was_read_nothing_is_stored(
    store: Store, backup: Backup, change: Callable[[Store, Approval], None]
) -> None:
    approval = approval_of(backup)
    store.approve(approval)
    change(store, approval)
    before = stored(store)
    with pytest.raises(Failure) as failed:
        begin(store, backup, approval)
    assert failed.value.reason is Reason.APPROVAL_CHANGED
    assert stored(store) == before


def test_one_that_was_given_since_is_not_ended_unseen(store: Store, backup: Backup) -> None:
    approval = approval_of(backup)
    store.approve(approval)
    with pytest.raises(Failure) as failed:
        begin(store, backup)
    assert failed.value.reason is Reason.APPROVAL_CHANGED
    assert store.approval("b1") == approval


def test_a_final_result_asks_for_neither_and_leaves_the_approval_alone(store: Store, backup: Backup) -> None:
    approval = approval_of(backup)
    store.approve(approval)
    store.update_backup(replace(backup, paused="why"))
    done = replace(begun(backup), status="updated", reason="", approved_parts={})
    store.record_result(done, lease_owner="me")
    assert stored(store) == ((done,), (done,), done, approval)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["approve", "withdraw", "read", "read", "begin", "begin", "restore", "settings", "term", "end", *CHANGES]
        ),
        st.sampled_from(["a" * 64, "b" * 64]),
    ),
    min_size=4,
    max_size=14,
)


class _Play:
    """One order of what people and runs do to a backup."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.save_primary(Primary("main.example", 443))
        store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
        self.backup = store.add_backup(Backup("b1", "files.example", 8443))
        self.read = self.backup, store.approval("b1"), store.settings().version, store.primary()
        self._numbers = count(1)

    def do(self, step: str, plan_hash: str) -> None:
        with suppress(Failure, VersionConflict, AlreadyRegistered):
            self._do(step, plan_hash)

    def _do(self, step: str, plan_hash: str) -> None:
        registered, given = self.store.backup("b1"), self.store.approval("b1")
        version, primary = self.store.settings().version, self.store.primary()
        assert primary
        match step:
            case "approve":
                at = NOON + timedelta(seconds=next(self._numbers))
                self.store.approve(replace(approval_of(self.read[0]), plan_hash=plan_hash, at=at))
            case "withdraw" if self.read[1]:
                self.store.withdraw_approval(self.read[1])
            case "read" if registered:
                self.read = registered, given, version, primary
            case "begin" | "restore":
                read, approval, settings_read, primary_read = self.read
                paused = replace(read, paused=plan_hash) if step == "restore" else None
                begin(self.store, read, approval, settings_read, paused, term=primary_read.term if primary_read else 0)
                assert (registered, given, version, primary) == self.read, "a push began by what is not so any more"
                assert self.store.approval("b1") is None
                now = self.store.backup("b1")
                assert now == (replace(paused, version=read.version + 1) if paused else read)
            case "settings":
                self.store.save_settings(SyncSettings(rules=(plan_hash,)))
            case "term":
                self.store.save_primary(replace(primary, term=primary.term + 1))
            case "end":
                self.store.record_result(replace(begun(self.read[0]), status="updated"), lease_owner="me")
            case _ if step in CHANGES:
                CHANGES[step](self.store, self.backup)
            case _:
                pass


@settings(max_examples=200)
@given(STEPS)
def test_in_every_order_no_push_begins_by_what_has_changed(steps: list[tuple[str, str]]) -> None:
    play = _Play(MemoryStore())
    for step in steps:
        play.do(*step)
