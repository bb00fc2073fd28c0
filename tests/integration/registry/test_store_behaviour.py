"""What every Store does, shown on each implementation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.errors import Failure, Reason
from registry.fleet_records import Backup, DiscardedSecret, LogIn, Primary, SyncSettings, TlsTrust
from registry.run_records import (
    AcceptedPart,
    Approval,
    BackupResult,
    KeptState,
    Lease,
    PartResult,
    PrimaryAcceptance,
    PrimaryBaseline,
    RecordedFingerprints,
    Run,
)
from registry.store import AlreadyRegistered, Store, VersionConflict
from registry.store_rules import MESSAGE_LIMIT, WARNING_LIMIT, of_primary, promotion
from tests.support.registrations import begin_push

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

BACKUP = Backup(
    id="b1",
    host="Files1.example",
    port=8443,
    trust=TlsTrust(pins=("ab" * 32, "cd" * 32)),
    parts=("settings", "accounts"),
    rules=("//licence",),
    tags={"site": "Graz"},
    created_at=NOON,
    updated_at=NOON + SECOND,
)


def result(backup_id: str = "b1", run_id: str = "r1", **attributes: object) -> BackupResult:
    registration = f"registration-{backup_id.removeprefix('b')}"
    plain = BackupResult(backup_id, run_id, "synchronized", NOON, registration=registration)
    return replace(plain, **attributes)  # type: ignore[arg-type] # each test names fields of the model


def register(store: Store) -> None:
    """Three backups, the first registrations of the store."""
    for number in (1, 2, 3):
        store.add_backup(Backup(f"b{number}", f"files{number}.example", 8443))


ADDED = replace(BACKUP, registration="registration-1", version=1)
"""``BACKUP`` as the first registration of a store."""


def hold_lease(store: Store, owner: str = "me") -> None:
    assert store.acquire_lease(owner, now=NOON, expires_at=NOON + MINUTE) == Lease(owner, NOON + MINUTE)


class TestPrimaryAndSettings:
    def test_nothing_stored_is_no_primary_and_the_default_settings(self, store: Store) -> None:
        assert store.primary() is None
        assert store.settings() == SyncSettings()

    def test_what_was_saved_comes_back_with_the_next_version(self, store: Store) -> None:
        primary = Primary("main.example", 443, TlsTrust(ca_pem="-----BEGIN CERTIFICATE-----"))
        assert store.save_primary(primary) == replace(primary, version=1)
        assert store.save_primary(primary) == replace(primary, version=2) == store.primary()

        settings = SyncSettings(parts=(), rules=("a", "b"), replicate_auto_block_list=True, read_timeout=12.34)
        assert store.save_settings(settings) == replace(settings, version=1) == store.settings()

    def test_no_parts_and_default_parts_are_told_apart(self, store: Store) -> None:
        store.save_settings(SyncSettings(parts=()))
        assert store.settings().parts == ()
        store.save_settings(SyncSettings(parts=None))
        assert store.settings().parts is None

    def test_a_version_that_was_overtaken_is_refused_and_changes_nothing(self, store: Store) -> None:
        first = store.save_primary(Primary("one.example", 443), expected_version=0)
        store.save_primary(Primary("two.example", 443), expected_version=first.version)
        with pytest.raises(VersionConflict):
            store.save_primary(Primary("three.example", 443), expected_version=first.version)
        assert store.primary() == Primary("two.example", 443, version=2)

        store.save_settings(SyncSettings(), expected_version=0)
        with pytest.raises(VersionConflict):
            store.save_settings(SyncSettings(reply_limit_mb=1), expected_version=0)
        assert store.settings().reply_limit_mb == SyncSettings().reply_limit_mb


class TestRegistrations:
    def test_an_added_backup_comes_back_whole_with_version_one(self, store: Store) -> None:
        assert store.add_backup(BACKUP) == ADDED
        assert store.backup("b1") == ADDED
        assert store.backup("b2") is None

    def test_backups_are_listed_in_the_order_of_their_ids(self, store: Store) -> None:
        for backup_id in ("b2", "B9", "b10", "a"):
            store.add_backup(Backup(backup_id, f"{backup_id}.example", 443))
        assert [backup.id for backup in store.backups()] == ["B9", "a", "b10", "b2"]
        assert store.unreadable_backups() == ()

    def test_the_same_id_is_refused(self, store: Store) -> None:
        store.add_backup(BACKUP)
        with pytest.raises(AlreadyRegistered) as refused:
            store.add_backup(Backup("b1", "other.example", 443))
        assert refused.value.existing == "b1"
        assert store.backups() == (ADDED,)

    def test_the_same_host_and_port_is_refused_whatever_the_case(self, store: Store) -> None:
        store.add_backup(BACKUP)
        with pytest.raises(AlreadyRegistered) as refused:
            store.add_backup(Backup("b2", "FILES1.EXAMPLE", 8443))
        assert refused.value.existing == "b1"
        assert store.backup("b2") is None
        store.add_backup(Backup("b2", "files1.example", 8444))

    def test_an_update_replaces_and_counts(self, store: Store) -> None:
        added = store.add_backup(BACKUP)
        changed = replace(added, enabled=False, parts=None, tags={})
        assert store.update_backup(changed, expected_version=1) == replace(changed, version=2)
        assert store.backup("b1") == replace(changed, version=2)
        assert store.update_backup(changed) == replace(changed, version=3)

    def test_an_update_of_an_overtaken_version_is_refused(self, store: Store) -> None:
        added = store.add_backup(BACKUP)
        store.update_backup(replace(added, enabled=False), expected_version=1)
        with pytest.raises(VersionConflict):
            store.update_backup(replace(added, host="lost.example"), expected_version=1)
        assert store.backup("b1") == replace(ADDED, enabled=False, version=2)

    def test_an_update_or_removal_of_nothing_is_an_unknown_backup(self, store: Store) -> None:
        for attempt in (lambda: store.update_backup(BACKUP), lambda: store.delete_backup("b1")):
            with pytest.raises(Failure) as failed:
                attempt()
            assert failed.value.reason is Reason.UNKNOWN_BACKUP
        assert store.backups() == ()

    def test_a_backup_that_moves_frees_its_old_address_and_takes_the_new_one(self, store: Store) -> None:
        added = store.add_backup(BACKUP)
        store.update_backup(replace(added, host="moved.example"))
        store.add_backup(Backup("b2", BACKUP.host, BACKUP.port))
        with pytest.raises(AlreadyRegistered) as refused:
            store.add_backup(Backup("b3", "moved.example", BACKUP.port))
        assert refused.value.existing == "b1"

    def test_a_backup_cannot_move_to_the_address_of_another_one(self, store: Store) -> None:
        store.add_backup(BACKUP)
        other = store.add_backup(Backup("b2", "files2.example", 8443))
        with pytest.raises(AlreadyRegistered) as refused:
            store.update_backup(replace(other, host="files1.example"))
        assert refused.value.existing == "b1"
        assert store.backup("b2") == other

    def test_a_removed_backup_frees_its_id_and_address(self, store: Store) -> None:
        store.delete_backup("b1", expected=store.add_backup(BACKUP))
        assert store.backups() == ()
        assert store.add_backup(BACKUP).version == 1
        store.delete_backup("b1")
        store.add_backup(replace(BACKUP, id="b2"))

    def test_a_removal_of_an_overtaken_version_is_refused(self, store: Store) -> None:
        added = store.add_backup(BACKUP)
        store.update_backup(added)
        with pytest.raises(VersionConflict):
            store.delete_backup("b1", expected=added)
        assert store.backup("b1") is not None

    def test_a_removed_backup_loses_its_status_and_keeps_its_history(self, store: Store) -> None:
        store.add_backup(BACKUP)
        hold_lease(store)
        store.record_result(result(), lease_owner="me")
        store.delete_backup("b1")
        assert store.status("b1") is None
        assert store.history("b1", limit=10) == (result(),)

    def test_a_late_result_of_a_removed_backup_is_not_the_status_of_its_successor(self, store: Store) -> None:
        store.add_backup(BACKUP)
        store.delete_backup("b1")
        hold_lease(store)
        store.record_result(result(), lease_owner="me")
        store.add_backup(BACKUP)
        assert store.status("b1") is None


class TestLease:
    def test_a_free_lease_is_taken_and_shown(self, store: Store) -> None:
        assert store.lease() is None
        end = NOON + timedelta(minutes=15, microseconds=1)
        assert store.acquire_lease("a", now=NOON, expires_at=end) == Lease("a", end)
        assert store.lease() == Lease("a", end)

    def test_a_held_lease_is_not_given_to_another_owner(self, store: Store) -> None:
        store.acquire_lease("a", now=NOON, expires_at=NOON + MINUTE)
        almost = NOON + MINUTE - timedelta(microseconds=1)
        assert store.acquire_lease("b", now=almost, expires_at=NOON + 2 * MINUTE) is None
        assert store.lease() == Lease("a", NOON + MINUTE)

    @pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=400)])
    def test_the_lease_of_a_dead_holder_is_taken_from_its_very_end_on(self, store: Store, late: timedelta) -> None:
        store.acquire_lease("dead", now=NOON, expires_at=NOON + MINUTE)
        now = NOON + MINUTE + late
        assert store.acquire_lease("b", now=now, expires_at=now + MINUTE) == Lease("b", now + MINUTE)

    def test_times_of_other_zones_are_compared_as_the_moments_they_are(self, store: Store) -> None:
        east = timezone(timedelta(hours=5))
        store.acquire_lease("a", now=NOON, expires_at=(NOON + MINUTE).astimezone(east))
        assert store.acquire_lease("b", now=NOON.astimezone(east), expires_at=NOON + 2 * MINUTE) is None
        assert store.acquire_lease("b", now=NOON + MINUTE, expires_at=NOON + 2 * MINUTE) is not None

    def test_the_holder_can_move_its_end(self, store: Store) -> None:
        store.acquire_lease("a", now=NOON, expires_at=NOON + MINUTE)
        assert store.acquire_lease("a", now=NOON, expires_at=NOON + 2 * MINUTE) == Lease("a", NOON + 2 * MINUTE)
        assert store.lease() == Lease("a", NOON + 2 * MINUTE)

    def test_a_released_lease_is_free_at_once(self, store: Store) -> None:
        hold_lease(store, "a")
        assert store.release_lease("a") is True
        assert store.lease() is None
        assert store.release_lease("a") is False
        hold_lease(store, "b")

    def test_a_former_holder_cannot_release_its_successors_lease(self, store: Store) -> None:
        store.acquire_lease("former", now=NOON, expires_at=NOON + MINUTE)
        store.acquire_lease("new", now=NOON + MINUTE, expires_at=NOON + 2 * MINUTE)
        assert store.release_lease("former") is False
        assert store.lease() == Lease("new", NOON + 2 * MINUTE)


class TestRuns:
    def test_a_run_comes_back_whole_and_is_replaced_when_saved_again(self, store: Store) -> None:
        started = Run("r1", "schedule", NOON, requested_by="someone", requested_backups=("b1", "b2"))
        store.save_run(started)
        assert store.run("r1") == started
        finished = replace(started, status="finished", finished_at=NOON + MINUTE, counts={"synchronized": 2})
        store.save_run(finished)
        assert store.run("r1") == finished
        assert store.run("r2") is None

    def test_runs_are_listed_newest_first_page_by_page(self, store: Store) -> None:
        runs = [Run(f"r{number:02}", "schedule", NOON + number * MINUTE) for number in range(7)]
        for run in runs:
            store.save_run(run)
        first = store.runs(limit=3)
        second = store.runs(limit=3, before=first[-1].id)
        third = store.runs(limit=3, before=second[-1].id)
        assert [*first, *second, *third] == runs[::-1]
        assert store.runs(limit=3, before="r00") == ()

    def test_a_page_may_start_at_a_run_that_is_no_longer_there(self, store: Store) -> None:
        store.save_run(Run("r1", "schedule", NOON))
        assert [run.id for run in store.runs(limit=1, before="r5")] == ["r1"]

    def test_a_long_message_is_cut(self, store: Store) -> None:
        store.save_run(Run("r1", "schedule", NOON, message="ä" * (MESSAGE_LIMIT + 1)))
        run = store.run("r1")
        assert run is not None
        assert run.message == "ä" * (MESSAGE_LIMIT - 1) + "…"


class TestResults:
    @pytest.fixture(autouse=True)
    def registered(self, store: Store) -> None:
        register(store)

    def test_a_result_is_found_in_its_run_in_the_history_and_as_status(self, store: Store) -> None:
        hold_lease(store)
        recorded = result(
            reason="write_refused",
            message="said no",
            pushed_at=NOON,
            verified_at=NOON + SECOND,
            duration=1.25,
            parts=(PartResult("accounts", "changed", added=1, removed=2, changed=3), PartResult("settings", "equal")),
            warnings=("one",),
        )
        store.record_result(recorded, lease_owner="me")
        assert store.results("r1") == (recorded,)
        assert store.history("b1", limit=5) == (recorded,)
        assert store.status("b1") == recorded
        assert store.statuses() == {"b1": recorded}

    def test_recorded_again_it_replaces_itself(self, store: Store) -> None:
        hold_lease(store)
        store.record_result(result(status="incomplete"), lease_owner="me")
        store.record_result(result(status="synchronized"), lease_owner="me")
        assert [one.status for one in store.results("r1")] == ["synchronized"]
        assert [one.status for one in store.history("b1", limit=5)] == ["synchronized"]

    def test_what_was_begun_is_known_everywhere_until_its_end_is(self, store: Store) -> None:
        hold_lease(store)
        begun = result(status="incomplete", snapshot="backups/b1/r1/settings")
        begin_push(store, begun, lease_owner="me")
        assert store.results("r1") == store.history("b1", limit=5) == (begun,)
        assert store.status("b1") == begun
        done = result(status="updated")
        store.record_result(done, lease_owner="me")
        assert store.results("r1") == store.history("b1", limit=5) == (done,)

    def test_one_who_lost_the_lease_stores_nothing(self, store: Store) -> None:
        store.acquire_lease("former", now=NOON, expires_at=NOON + MINUTE)
        store.acquire_lease("new", now=NOON + MINUTE, expires_at=NOON + 2 * MINUTE)
        store.record_result(result(run_id="r2", message="of the new one"), lease_owner="new")
        with pytest.raises(Failure) as failed:
            store.record_result(result(run_id="r1", attempted_at=NOON + MINUTE), lease_owner="former")
        assert failed.value.reason is Reason.LEASE_LOST
        assert store.results("r1") == ()
        assert [one.run_id for one in store.history("b1", limit=5)] == ["r2"]
        status = store.status("b1")
        assert status is not None
        assert status.message == "of the new one"

    def test_after_its_release_nobody_stores_anything(self, store: Store) -> None:
        hold_lease(store)
        store.release_lease("me")
        with pytest.raises(Failure) as failed:
            store.record_result(result(), lease_owner="me")
        assert failed.value.reason is Reason.LEASE_LOST
        assert store.statuses() == {}

    def test_an_expired_lease_that_nobody_took_still_lets_its_holder_record(self, store: Store) -> None:
        store.acquire_lease("slow", now=NOON - 2 * MINUTE, expires_at=NOON - MINUTE)
        store.record_result(result(), lease_owner="slow")
        assert store.status("b1") == result()

    def test_the_status_keeps_the_last_push_and_verification(self, store: Store) -> None:
        hold_lease(store)
        store.record_result(result(pushed_at=NOON, verified_at=NOON + SECOND), lease_owner="me")
        failed = result(run_id="r2", status="failed", reason="read_timeout", attempted_at=NOON + MINUTE)
        store.record_result(failed, lease_owner="me")
        assert store.status("b1") == replace(failed, pushed_at=NOON, verified_at=NOON + SECOND)
        assert store.history("b1", limit=1) == (failed,)
        assert store.results("r2") == (failed,)

    def test_an_older_run_does_not_turn_the_status_back(self, store: Store) -> None:
        hold_lease(store)
        newer = result(run_id="r2", attempted_at=NOON + MINUTE, verified_at=NOON + MINUTE)
        older = result(run_id="r1", status="failed", pushed_at=NOON, verified_at=NOON)
        store.record_result(newer, lease_owner="me")
        store.record_result(older, lease_owner="me", late=True)
        assert store.status("b1") == replace(newer, pushed_at=NOON)
        assert [one.run_id for one in store.history("b1", limit=5)] == ["r2", "r1"]

    def test_what_a_clock_that_was_ahead_has_stored_gives_way_to_the_next_run(self, store: Store) -> None:
        hold_lease(store)
        ahead = NOON + timedelta(days=400)
        store.record_result(result(run_id="r9", attempted_at=ahead, verified_at=ahead), lease_owner="me")
        failed = result(run_id="r2", status="failed")
        store.record_result(failed, lease_owner="me")
        assert store.status("b1") == replace(failed, verified_at=NOON)

    def test_statuses_can_be_asked_for_by_id(self, store: Store) -> None:
        hold_lease(store)
        for backup_id in ("b1", "b2", "b3"):
            store.record_result(result(backup_id), lease_owner="me")
        assert store.statuses(["b3", "b1", "never"]) == {"b1": result("b1"), "b3": result("b3")}
        assert store.statuses(iter(())) == {}
        assert set(store.statuses()) == {"b1", "b2", "b3"}

    def test_a_history_is_listed_newest_first_page_by_page(self, store: Store) -> None:
        hold_lease(store)
        for number in range(5):
            store.record_result(result(run_id=f"r{number}", attempted_at=NOON + number * MINUTE), lease_owner="me")
        store.record_result(result("b2"), lease_owner="me")
        first = store.history("b1", limit=3)
        rest = store.history("b1", limit=3, before=first[-1].run_id)
        assert [one.run_id for one in (*first, *rest)] == ["r4", "r3", "r2", "r1", "r0"]

    def test_texts_are_cut_and_warnings_counted_but_numbers_kept(self, store: Store) -> None:
        hold_lease(store)
        long = "x" * 50_000
        store.record_result(
            result(
                message=long,
                parts=tuple(PartResult(f"p{n}", "failed", message=long, added=123_456) for n in range(8)),
                warnings=(long,) * 500,
            ),
            lease_owner="me",
        )
        (stored,) = store.results("r1")
        assert store.status("b1") == stored
        assert len(stored.message) == MESSAGE_LIMIT
        assert {(len(part.message), part.added) for part in stored.parts} == {(MESSAGE_LIMIT, 123_456)}
        assert len(stored.warnings) == WARNING_LIMIT
        assert stored.warnings[-1] == f"and {500 - WARNING_LIMIT + 1} more warnings"


class TestBaseline:
    def test_the_last_one_saved_is_known(self, store: Store) -> None:
        assert store.baseline() is None
        hold_lease(store, "a")
        store.save_baseline(PrimaryBaseline(500, 20, NOON, "r1"), lease_owner="a")
        store.save_baseline(PrimaryBaseline(501, 21, NOON + MINUTE, "r2"), lease_owner="a")
        assert store.baseline() == PrimaryBaseline(501, 21, NOON + MINUTE, "r2")

    def test_who_has_lost_the_lease_replaces_nothing(self, store: Store) -> None:
        hold_lease(store, "a")
        store.save_baseline(PrimaryBaseline(500, 20, NOON, "r1"), lease_owner="a")
        with pytest.raises(Failure) as failed:
            store.save_baseline(PrimaryBaseline(501, 21, NOON, "r2"), lease_owner="b")
        assert failed.value.reason is Reason.LEASE_LOST
        assert store.baseline() == PrimaryBaseline(500, 20, NOON, "r1")


class TestAcceptance:
    def test_the_last_one_saved_is_known_also_that_nothing_is_accepted_any_more(self, store: Store) -> None:
        assert store.acceptance() is None
        hold_lease(store, "a")
        accepted = AcceptedPart("f" * 64, "primary_shrunk", "it holds 2 users", "ann", NOON, "r1")
        first = PrimaryAcceptance({"accounts": accepted}, 2, "main.example#443")
        store.save_acceptance(first, lease_owner="a")
        assert store.acceptance() == first
        store.save_acceptance(replace(first, parts={}), lease_owner="a")
        assert store.acceptance() == PrimaryAcceptance({}, 2, "main.example#443")

    def test_who_has_lost_the_lease_replaces_nothing(self, store: Store) -> None:
        hold_lease(store, "a")
        store.save_acceptance(PrimaryAcceptance({}, 1), lease_owner="a")
        with pytest.raises(Failure) as failed:
            store.save_acceptance(PrimaryAcceptance({}, 2), lease_owner="b")
        assert failed.value.reason is Reason.LEASE_LOST
        assert store.acceptance() == PrimaryAcceptance({}, 1)


class TestApprovals:
    @pytest.fixture(autouse=True)
    def registered(self, store: Store) -> None:
        register(store)

    def test_there_is_none_before_one_is_given(self, store: Store) -> None:
        assert store.approval("b1") is None

    def test_the_last_one_counts_and_each_backup_has_its_own(self, store: Store) -> None:
        first = Approval("b1", "a" * 64, "arn:aws:iam::1:user/ops", NOON, registration="registration-1")
        second = replace(first, plan_hash="b" * 64)
        other = replace(first, backup_id="b2", registration="registration-2")
        for approval in (first, other, second):
            store.approve(approval)
        assert store.approval("b1") == second
        assert store.approval("b2") == other

    def test_one_that_seconds_another_is_stored_only_in_its_place(self, store: Store) -> None:
        first = Approval("b1", "a" * 64, "arn:aws:iam::1:user/ann", NOON, registration="registration-1")
        second = replace(first, approved_by="arn:aws:iam::1:user/bob", at=NOON + MINUTE, agreed=(first.approved_by,))
        store.approve(first)
        store.approve(second, seconds=first)
        assert store.approval("b1") == second
        third = replace(second, approved_by="arn:aws:iam::1:user/chen", at=NOON + 2 * MINUTE)
        with pytest.raises(VersionConflict):
            store.approve(third, seconds=first)
        assert store.approval("b1") == second
        store.withdraw_approval(second)  # it was used up
        with pytest.raises(VersionConflict):
            store.approve(third, seconds=second)
        assert store.approval("b1") is None

    def test_one_that_is_withdrawn_is_gone_and_no_other_one(self, store: Store) -> None:
        first = Approval("b1", "a" * 64, "arn:aws:iam::1:user/ops", NOON, registration="registration-1")
        newer = replace(first, at=NOON + MINUTE)
        store.approve(newer)
        store.withdraw_approval(first)
        assert store.approval("b1") == newer
        for _ in range(2):
            store.withdraw_approval(newer)
            assert store.approval("b1") is None

    def test_one_that_goes_by_an_older_status_is_refused(self, store: Store) -> None:
        hold_lease(store)
        looked_at, since = result(), replace(result(), run_id="r2")
        given = Approval("b1", "a" * 64, "arn:aws:iam::1:user/ops", NOON, registration="registration-1")
        with pytest.raises(VersionConflict):
            store.approve(given, last=looked_at)
        store.record_result(looked_at, lease_owner="me")
        store.approve(given, last=looked_at)
        store.record_result(since, lease_owner="me")
        with pytest.raises(VersionConflict):
            store.approve(replace(given, at=NOON + MINUTE), last=looked_at)
        assert store.approval("b1") == given

    def test_a_result_can_end_it_whichever_it_is(self, store: Store) -> None:
        hold_lease(store)
        for number, registration in enumerate(("registration-1", "another")):
            store.approve(Approval("b1", "a" * 64, "arn:aws:iam::1:user/ops", NOON, registration="registration-1"))
            restored = replace(result(), run_id=f"r{number}", registration=registration)
            store.record_result(restored, lease_owner="me", ends_approval=True)
            assert (store.approval("b1") is None) == (registration == "registration-1")


class TestStatesOfThePrimary:
    STATE = KeptState(
        digest="0f" * 32,
        server="main.example:443",
        version="1.2.3.4",
        parts={"settings": "aa", "accounts": "bb"},
        size=1234,
        users=5,
        groups=2,
        first_run_id="r1",
        first_seen_at=NOON,
        last_run_id="r1",
        last_seen_at=NOON,
        kept_at=NOON,
        kept_until=NOON + timedelta(days=90),
    )

    def test_they_are_listed_newest_first_page_by_page(self, store: Store) -> None:
        assert store.states(limit=5) == ()
        hold_lease(store)
        states = [replace(self.STATE, first_run_id=f"r{number}") for number in (1, 3, 2)]
        for state in states:
            store.record_state(state, lease_owner="me")
        assert [state.first_run_id for state in store.states(limit=2)] == ["r3", "r2"]
        assert store.states(limit=2, before="r2") == (states[0],)

    def test_one_that_is_still_in_force_is_replaced(self, store: Store) -> None:
        hold_lease(store)
        store.record_state(self.STATE, lease_owner="me")
        later = replace(self.STATE, last_run_id="r2", last_seen_at=NOON + MINUTE)
        store.record_state(later, lease_owner="me")
        assert store.states(limit=5) == (later,)

    def test_a_run_that_lost_its_lease_stores_none(self, store: Store) -> None:
        hold_lease(store, "other")
        with pytest.raises(Failure) as failed:
            store.record_state(self.STATE, lease_owner="me")
        assert failed.value.reason is Reason.LEASE_LOST
        assert store.states(limit=5) == ()


OLD = Primary("main.example", 443, TlsTrust(pins=("ef" * 32,)))


def registered(store: Store) -> tuple[Primary, Backup]:
    """A primary and a backup, as a store has them."""
    return store.save_primary(OLD), store.add_backup(BACKUP)


class TestPromotion:
    def test_backup_and_primary_change_places(self, store: Store) -> None:
        old, backup = registered(store)
        made = promotion(old, backup, "main", "because", NOON)
        store.promote(made, now=NOON)
        former = replace(made.former, registration="registration-2")
        assert (store.primary(), store.backups()) == (made.primary, (former,))
        assert (made.primary.host, made.primary.trust, made.primary.secret_id) == (BACKUP.host, BACKUP.trust, "b1")
        assert (made.primary.term, made.primary.held, made.primary.promoted_at) == (1, "because", NOON)
        assert (former.id, former.host, former.trust, former.secret_id) == ("main", OLD.host, OLD.trust, "primary")
        assert (former.enabled, former.paused) == (False, "")

    def test_both_can_be_changed_and_promoted_again_and_the_backup_has_its_rules_back(self, store: Store) -> None:
        old, backup = registered(store)
        store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        now, former = store.primary(), store.backup("main")
        assert now is not None
        assert former is not None
        former = store.update_backup(replace(former, enabled=True), expected_version=former.version)
        now = store.save_primary(replace(now, held=""), expected_version=now.version)
        store.promote(promotion(now, former, "b1", "back again", NOON), now=NOON)
        back, again = store.primary(), store.backup("b1")
        assert back is not None
        assert again is not None
        assert (back.host, back.secret_id, back.term) == (OLD.host, "primary", 2)
        assert (again.rules, again.tags, again.parts, again.secret_id) == (
            BACKUP.rules,
            BACKUP.tags,
            BACKUP.parts,
            "b1",
        )
        assert again.enabled is False

    def test_addresses_go_along(self, store: Store) -> None:
        old, backup = registered(store)
        store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        with pytest.raises(AlreadyRegistered) as refused:
            store.add_backup(Backup("b3", OLD.host.upper(), OLD.port))
        assert refused.value.existing == "main"
        store.add_backup(Backup("b3", BACKUP.host, BACKUP.port))  # a run refuses it: it is the primary

    def test_what_was_known_of_both_as_backups_is_gone(self, store: Store) -> None:
        old, backup = registered(store)
        store.add_backup(Backup("b2", "files2.example", 8443))
        hold_lease(store)
        for name in ("b1", "b2"):
            store.record_result(result(name), lease_owner="me")
        store.release_lease("me")
        store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        assert set(store.statuses()) == {"b2"}
        assert store.history("b1", limit=5) == (result("b1"),)

    def test_a_primary_of_the_stacks_parameters_alone_becomes_a_backup_as_well(self, store: Store) -> None:
        backup = store.add_backup(BACKUP)
        store.promote(promotion(OLD, backup, "main", "because", NOON), now=NOON)
        primary = store.primary()
        assert primary is not None
        assert (primary.host, primary.version) == (BACKUP.host, 1)
        assert [one.host for one in store.backups()] == [OLD.host]

    def test_not_while_a_run_holds_the_lease_and_again_when_that_has_expired(self, store: Store) -> None:
        old, backup = registered(store)
        made = promotion(old, backup, "main", "because", NOON)
        hold_lease(store)
        with pytest.raises(Failure) as failed:
            store.promote(made, now=NOON + MINUTE - SECOND)
        assert failed.value.reason is Reason.LEASE_HELD
        until = f"{NOON + MINUTE:%Y-%m-%d %H:%M:%S} UTC"
        assert failed.value.message == f"another run is under way; its lease ends at {until} at the latest"
        assert (store.primary(), store.backups()) == (old, (backup,))
        store.promote(made, now=NOON + MINUTE)
        assert store.primary() == made.primary

    def test_not_when_the_primary_has_moved(self, store: Store) -> None:
        old, backup = registered(store)
        moved = store.save_primary(replace(old, port=444))
        for stale in (old, replace(OLD, version=0)):
            with pytest.raises(VersionConflict):
                store.promote(promotion(stale, backup, "main", "because", NOON), now=NOON)
        assert (store.primary(), store.backups()) == (moved, (backup,))

    def test_not_when_the_backup_has_changed_or_gone(self, store: Store) -> None:
        old, backup = registered(store)
        store.update_backup(replace(backup, enabled=False))
        with pytest.raises(VersionConflict):
            store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        store.delete_backup("b1")
        with pytest.raises(VersionConflict):
            store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        assert (store.primary(), store.backups()) == (old, ())

    def test_of_two_promotions_that_were_decided_at_the_same_time_one_is_made(self, store: Store) -> None:
        old, backup = registered(store)
        other = store.add_backup(Backup("b2", "files2.example", 8443))
        first, second = (promotion(old, one, "main", "because", NOON) for one in (backup, other))
        store.promote(first, now=NOON)
        with pytest.raises(VersionConflict):
            store.promote(second, now=NOON)
        assert (store.primary(), store.backups()) == (
            first.primary,
            (other, replace(first.former, registration="registration-3")),
        )

    def test_not_under_an_id_or_at_an_address_that_another_backup_has(self, store: Store) -> None:
        old, backup = registered(store)
        other = store.add_backup(Backup("b2", OLD.host, OLD.port))
        for name, holder in (("b2", "b2"), ("main", "b2")):
            with pytest.raises(AlreadyRegistered) as refused:
                store.promote(promotion(old, backup, name, "because", NOON), now=NOON)
            assert refused.value.existing == holder
        assert (store.primary(), store.backups()) == (old, (backup, other))

    def test_a_server_does_not_take_its_own_place(self, store: Store) -> None:
        with pytest.raises(Failure) as failed:
            promotion(OLD, Backup("b1", OLD.host.upper(), OLD.port), "main", "because", NOON)
        assert failed.value.reason is Reason.SAME_AS_PRIMARY

    def test_a_removal_tells_whose_secret_is_to_go(self, store: Store) -> None:
        old, backup = registered(store)
        store.promote(promotion(old, backup, "main", "because", NOON), now=NOON)
        store.add_backup(Backup("b5", "h", 5))
        for backup_id in ("main", "b5"):
            store.delete_backup(backup_id)
        assert store.discarded_secrets() == (DiscardedSecret("b5", "b5"), DiscardedSecret("primary", "main"))


class TestTerms:
    def test_what_was_verified_under_an_earlier_term_is_void(self, store: Store) -> None:
        register(store)
        hold_lease(store)
        before = result(pushed_at=NOON, verified_at=NOON, fingerprints={"accounts": RecordedFingerprints("a", "a")})
        store.record_result(before, lease_owner="me")
        after = result(run_id="r2", term=1, status="drifted", attempted_at=NOON + MINUTE)
        store.record_result(after, lease_owner="me")
        assert store.status("b1") == after
        late = replace(before, run_id="r3", attempted_at=NOON + 2 * MINUTE)
        store.record_result(late, lease_owner="me", late=True)
        assert store.status("b1") == after
        assert of_primary(store.status("b1"), OLD) is None


class TestLogIns:
    LOG_IN = LogIn("b1", "version-1", "b1.example#8443 public-roots")

    def test_nothing_is_remembered_at_first(self, store: Store) -> None:
        assert store.log_in("b1") is None

    def test_what_became_of_a_version_is_remembered_and_replaced(self, store: Store) -> None:
        refused = replace(self.LOG_IN, refused_at=NOON)
        for log_in in (self.LOG_IN, refused, self.LOG_IN):
            assert store.record_log_in(log_in)
            assert store.log_in("b1") == log_in

    def test_one_version_is_for_one_destination(self, store: Store) -> None:
        assert store.record_log_in(self.LOG_IN)
        assert not store.record_log_in(replace(self.LOG_IN, destination="b2.example#8443 public-roots"))
        assert store.log_in("b1") == self.LOG_IN

    def test_another_version_may_be_for_another_one(self, store: Store) -> None:
        assert store.record_log_in(self.LOG_IN)
        other = replace(self.LOG_IN, version="version-2", destination="b2.example#8443 public-roots")
        assert store.record_log_in(other)
        assert store.log_in("b1") == other


class TestDiscardedSecrets:
    def test_a_removed_registration_leaves_its_secret_to_be_deleted(self, store: Store) -> None:
        assert store.discarded_secrets() == ()
        store.add_backup(BACKUP)
        store.add_backup(replace(BACKUP, id="b2", port=9999, secret="another"))
        for backup_id in ("b1", "b2"):
            store.delete_backup(backup_id)
        assert store.discarded_secrets() == (DiscardedSecret("another", "b2"), DiscardedSecret("b1", "b1"))

    def test_that_ends_and_where_it_was_sent_stays(self, store: Store) -> None:
        store.add_backup(BACKUP)
        store.record_log_in(TestLogIns.LOG_IN)
        store.delete_backup("b1")
        for _ in range(2):
            store.end_discarded("b1")
            assert (store.discarded_secrets(), store.log_in("b1")) == ((), TestLogIns.LOG_IN)


class TestReadings:
    ADDRESS = "b1.example#8443"

    def test_one_claim_at_a_time_and_it_ends_by_itself(self, store: Store) -> None:
        end = NOON + SECOND
        assert store.begin_reading(self.ADDRESS, "mine", now=NOON, until=end) is None
        assert store.begin_reading(self.ADDRESS, "another", now=NOON, until=end + SECOND) == end
        assert store.begin_reading("b2.example#8443", "another", now=NOON, until=end) is None
        assert store.begin_reading(self.ADDRESS, "another", now=end, until=end + SECOND) is None

    def test_it_ends_when_it_is_given_back_by_whoever_has_it(self, store: Store) -> None:
        end = NOON + SECOND
        store.begin_reading(self.ADDRESS, "mine", now=NOON, until=end)
        store.end_reading(self.ADDRESS, "another")
        assert store.begin_reading(self.ADDRESS, "another", now=NOON, until=end) == end
        for _ in range(2):
            store.end_reading(self.ADDRESS, "mine")
        assert store.begin_reading(self.ADDRESS, "another", now=NOON, until=end) is None
