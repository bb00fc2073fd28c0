"""What replication says is what the registry remembers, without the names of anybody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.reasons import Failure, Reason
from registry.models import BackupResult, PartResult
from replication.model import Changes, Outcome, PartName, PartOutcome, PartStatus, Status
from sync import records

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_a_result_has_counts_in_place_of_names() -> None:
    changes = Changes(added=("anna", "boris"), removed=("chen",), changed=("dora", "emil", "fay"))
    outcome = Outcome(
        Status.FAILED,
        Reason.WRITE_REFUSED,
        "accounts: it said no",
        pushed_at=NOON,
        verified_at=None,
        parts=(PartOutcome(PartName.ACCOUNTS, PartStatus.FAILED, changes, Reason.WRITE_REFUSED, "it said no"),),
        warnings=("a warning",),
    )
    result = records.result_of(
        outcome, backup_id="b1", run_id="r1", started=NOON, finished=NOON + timedelta(seconds=1.5)
    )
    assert result == BackupResult(
        backup_id="b1",
        run_id="r1",
        status="failed",
        attempted_at=NOON,
        reason="write_refused",
        message="accounts: it said no",
        pushed_at=NOON,
        verified_at=None,
        duration=1.5,
        parts=(PartResult("accounts", "failed", "write_refused", "it said no", added=2, removed=1, changed=3),),
        warnings=("a warning",),
    )


@pytest.mark.parametrize("reason", Reason)
def test_only_what_the_run_itself_had_no_time_for_is_incomplete(reason: Reason) -> None:
    outcome = records.failed(Failure(reason, "why"))
    expected = Status.INCOMPLETE if reason in (Reason.DEADLINE, Reason.RUN_ABORTED) else Status.FAILED
    assert (outcome.status, outcome.reason, outcome.message) == (expected, reason, "why")


def test_every_status_is_counted_also_when_it_is_nobodys() -> None:
    one = BackupResult("b1", "r1", Status.UPDATED, NOON)
    assert records.counts([one, replace(one, backup_id="b2"), replace(one, status=Status.FAILED)]) == {
        "in_sync": 0,
        "updated": 2,
        "drifted": 0,
        "blocked": 0,
        "rolled_back": 0,
        "failed": 1,
        "incomplete": 0,
    }
