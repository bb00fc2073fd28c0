"""Runs that are under way, and the backups of theirs that wait in the queue, on each implementation of the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import Failure, Reason
from registry.fleet_records import Backup
from registry.run_records import BackupResult, Claim, FanOut, Run, ServedNow
from registry.store import Store
from tests.support.registrations import begin_push

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = Run("r1", "schedule", NOON)
FAN_OUT = FanOut("r1", "me", NOON + MINUTE, "primary/digest", "primary", "main.example", 443, 3, 2, 1)
RESULT = BackupResult("b1", "r1", "in_sync", NOON, registration="registration-1")


def reason_of(act: object) -> Reason:
    with pytest.raises(Failure) as failed:
        act()  # type: ignore[operator]  # a test's own lambda
    return failed.value.reason


@pytest.fixture
def fanned_out(store: Store) -> Store:
    assert store.acquire_lease("me", now=NOON, expires_at=NOON + MINUTE)
    backups = [store.add_backup(Backup(name, name, 443)) for name in ("b1", "b2")]
    store.begin_fan_out(FAN_OUT, reversed(backups))
    return store


def claimed(store: Store, claim: str, backup_id: str = "b1", at: datetime = NOON) -> Claim:
    return store.claim_backup("r1", backup_id, claim, now=at, until=at + MINUTE)


class TestRunsUnderWay:
    def test_a_run_that_has_begun_is_unfinished_until_it_is_finished(self, store: Store) -> None:
        store.begin_run(RUN)
        store.begin_run(replace(RUN, id="r0"))
        assert store.unfinished_runs() == ("r0", "r1")
        assert store.run("r1") == RUN
        assert store.finish_run(replace(RUN, status="succeeded", finished_at=NOON))
        assert store.unfinished_runs() == ("r0",)

    def test_the_first_final_record_stands(self, store: Store) -> None:
        store.begin_run(RUN)
        first = replace(RUN, status="succeeded", finished_at=NOON)
        assert store.finish_run(first)
        assert not store.finish_run(replace(first, status="failed"))
        assert store.run("r1") == first

    def test_a_run_can_be_finished_that_never_began(self, store: Store) -> None:
        done = replace(RUN, status="not_run", finished_at=NOON)
        assert store.finish_run(done)
        assert store.run("r1") == done
        assert store.unfinished_runs() == ()

    def test_a_run_that_was_asked_for_begins_once(self, store: Store) -> None:
        store.queue_run(replace(RUN, status="queued"))
        assert store.unfinished_runs() == ("r1",)
        assert store.begin_run(replace(RUN, status="running"))
        assert not store.begin_run(replace(RUN, status="running", message="again"))
        assert store.finish_run(replace(RUN, status="succeeded", finished_at=NOON))
        assert not store.begin_run(replace(RUN, status="running"))
        assert not store.save_run(replace(RUN, status="running"))
        assert (store.run("r1"), store.unfinished_runs()) == (replace(RUN, status="succeeded", finished_at=NOON), ())

    def test_the_end_of_a_run_that_never_began_is_not_stored_once_it_has(self, store: Store) -> None:
        never = replace(RUN, status="not_run", finished_at=NOON)
        store.queue_run(replace(RUN, status="queued"))
        assert store.finish_run(never, begun=False)
        assert not store.finish_run(replace(never, status="failed"), begun=False)
        assert (store.run("r1"), store.unfinished_runs()) == (never, ())
        begun = replace(RUN, id="r2", status="running")
        assert store.begin_run(begun)
        assert not store.finish_run(replace(never, id="r2"), begun=False)
        assert (store.run("r2"), store.unfinished_runs()) == (begun, ("r2",))


class TestServedNow:
    def test_it_is_remembered_until_the_run_that_serves_it_has_done(self, store: Store) -> None:
        one, other = ServedNow("b1", "r1", "registration-1", 3), ServedNow("b2", "r1", "registration-2", 1, deaths=1)
        store.begin_serving(one)
        store.begin_serving(other)
        assert store.served_now() == {"b1": one, "b2": other}
        store.end_serving("b1", "r1")
        store.end_serving("b1", "r1")
        assert store.served_now() == {"b2": other}

    def test_a_late_end_of_another_run_changes_nothing(self, store: Store) -> None:
        store.begin_serving(ServedNow("b1", "r1", "registration-1", 3))
        later = ServedNow("b1", "r2", "registration-1", 3, deaths=1)
        store.begin_serving(later)
        store.end_serving("b1", "r1")
        assert store.served_now() == {"b1": later}


class TestOpenBackups:
    def test_how_it_was_fanned_out_comes_back(self, fanned_out: Store) -> None:
        assert fanned_out.fan_out("r1") == FAN_OUT
        assert fanned_out.fan_out("r2") is None

    def test_all_are_open_at_first_each_in_its_own_run(self, fanned_out: Store) -> None:
        assert fanned_out.open_backups("r1") == ("b1", "b2")
        assert fanned_out.open_backups("r2") == ()

    def test_more_than_one_transaction_can_write(self, store: Store) -> None:
        ids = [f"b{number:04}" for number in range(250)]
        store.begin_fan_out(FAN_OUT, [Backup(backup_id, backup_id, 443) for backup_id in ids])
        assert store.open_backups("r1") == tuple(ids)

    def test_what_it_was_registered_as_stays_with_it(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        fanned_out.delete_backup("b1")
        assert fanned_out.open_registration("r1", "b1") == "registration-1"
        assert fanned_out.open_registration("r1", "b3") is None
        fanned_out.record_result(RESULT, lease_owner="me", claim="one")
        assert fanned_out.open_registration("r1", "b1") is None

    def test_one_claim_holds_until_its_end(self, fanned_out: Store) -> None:
        assert claimed(fanned_out, "one") is Claim.MINE
        assert claimed(fanned_out, "other") is Claim.HELD
        assert claimed(fanned_out, "other", at=NOON + MINUTE - timedelta(microseconds=1)) is Claim.HELD
        assert claimed(fanned_out, "other", at=NOON + MINUTE) is Claim.MINE
        assert claimed(fanned_out, "one", at=NOON + MINUTE) is Claim.HELD

    def test_ones_own_claim_can_be_made_again(self, fanned_out: Store) -> None:
        assert claimed(fanned_out, "one") is Claim.MINE
        assert claimed(fanned_out, "one") is Claim.MINE

    def test_what_is_not_open_cannot_be_claimed(self, fanned_out: Store) -> None:
        assert claimed(fanned_out, "one", "b3") is Claim.CLOSED
        assert fanned_out.open_backups("r1") == ("b1", "b2")

    def test_a_claim_leaves_the_backup_open(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        assert fanned_out.open_backups("r1") == ("b1", "b2")

    def test_a_final_result_with_the_claim_closes_it(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        fanned_out.record_result(RESULT, lease_owner="me", claim="one")
        assert fanned_out.open_backups("r1") == ("b2",)
        assert fanned_out.results("r1") == (RESULT,)
        assert claimed(fanned_out, "other", at=NOON + MINUTE) is Claim.CLOSED

    def test_the_beginning_of_a_push_leaves_it_open(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        begin_push(fanned_out, RESULT, lease_owner="me", claim="one")
        assert fanned_out.open_backups("r1") == ("b1", "b2")
        assert fanned_out.results("r1") == (RESULT,)
        assert fanned_out.status("b1") == RESULT

    @pytest.mark.parametrize("final", [True, False])
    def test_without_the_claim_nothing_is_stored(self, fanned_out: Store, *, final: bool) -> None:
        def record() -> None:
            if final:
                fanned_out.record_result(RESULT, lease_owner="me", claim="one")
            else:
                begin_push(fanned_out, RESULT, lease_owner="me", claim="one")

        assert reason_of(record) is Reason.CLAIM_LOST
        claimed(fanned_out, "other")
        assert reason_of(record) is Reason.CLAIM_LOST
        assert fanned_out.open_backups("r1") == ("b1", "b2")
        assert (fanned_out.results("r1"), fanned_out.status("b1"), fanned_out.history("b1", limit=1)) == ((), None, ())

    def test_a_second_result_with_a_claim_that_was_used_is_refused(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        fanned_out.record_result(RESULT, lease_owner="me", claim="one")
        again = replace(RESULT, status="failed")
        assert reason_of(lambda: fanned_out.record_result(again, lease_owner="me", claim="one")) is Reason.CLAIM_LOST
        assert fanned_out.results("r1") == (RESULT,)

    def test_the_lease_is_asked_for_first(self, fanned_out: Store) -> None:
        claimed(fanned_out, "one")
        assert reason_of(lambda: fanned_out.record_result(RESULT, lease_owner="you", claim="one")) is Reason.LEASE_LOST
        assert fanned_out.open_backups("r1") == ("b1", "b2")
