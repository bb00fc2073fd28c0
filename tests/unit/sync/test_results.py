"""What replication says is what the registry remembers, without the names of anybody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import REASONS_OF_THE_RUN, Failure, Reason
from common.server_types import Features, Licence, Security, ServerFacts, Version
from registry.run_records import BackupResult, Condition, PartResult, Run
from registry.store_rules import merged_status
from replication.model import Changes, Outcome, PartName, PartOutcome, PartStatus, Status
from sync.results import failed_outcome, result_of, status_counts

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

RUN = Run("r1", "schedule", NOON, term=2)


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
    result = result_of(
        outcome, backup_id="b1", registration="r", run=RUN, started=NOON, finished=NOON + timedelta(seconds=1.5)
    )
    assert result == BackupResult(
        backup_id="b1",
        registration="r",
        run_id="r1",
        term=2,
        status="failed",
        attempted_at=NOON,
        reason="write_refused",
        message="b1: accounts: it said no",
        pushed_at=NOON,
        verified_at=None,
        duration=1.5,
        parts=(PartResult("accounts", "failed", "write_refused", "b1: it said no", added=2, removed=1, changed=3),),
        warnings=("a warning",),
        failures=1,
    )


@given(
    backup_id=st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True),
    begins=st.sampled_from(["", "{}", "{} was disabled", "{}-2: it", "{}x it", "it", "accounts: it", "b1 "]),
)
def test_each_message_of_a_result_names_the_backup(backup_id: str, begins: str) -> None:
    """Whoever reads it in a history, a chat or a log does not see of which server the row is."""
    message = begins.format(backup_id)
    parts = tuple(PartOutcome(name, PartStatus.FAILED, message=message) for name in PartName)
    result = result_of(
        Outcome(Status.FAILED, message=message, parts=parts),
        backup_id=backup_id,
        registration="r",
        run=RUN,
        started=NOON,
        finished=NOON,
    )
    for stored in (result.message, *(part.message for part in result.parts)):
        assert stored.endswith(message)
        assert bool(stored) == bool(message)
        assert not stored or stored == backup_id or stored.startswith((f"{backup_id} ", f"{backup_id}: "))


@pytest.mark.parametrize(
    ("status", "reason", "failures", "harmed"),
    [
        (Status.IN_SYNC, None, 0, False),
        (Status.UPDATED, None, 0, False),
        (Status.DRIFTED, None, 0, False),
        (Status.BLOCKED, Reason.REMOVES_TOO_MUCH, 0, False),
        (Status.FAILED, Reason.READ_TIMEOUT, 1, None),
        (Status.FAILED, Reason.ACCESS_LOST, 1, True),
        (Status.ROLLED_BACK, Reason.MACHINE_VALUES_CHANGED, 1, True),
        (Status.INCOMPLETE, Reason.DEADLINE, None, None),
        (Status.INCOMPLETE, Reason.RUN_ABORTED, None, None),
    ],
)
def test_what_counts_as_a_failure_and_as_harm(
    status: Status, reason: Reason | None, failures: int | None, harmed: bool | None
) -> None:
    result = result_of(Outcome(status, reason), backup_id="b1", registration="r", run=RUN, started=NOON, finished=NOON)
    assert (result.failures, result.harmed, result.condition) == (failures, harmed, Condition())


def licence_facts(days_left: int) -> ServerFacts:
    return ServerFacts(
        Version(1, 2, 3, 4),
        "host",
        Licence(valid=True, days_left=days_left),
        Features(server_sync=True, directory_authentication=True, events=True),
        Security(soap_enabled=True, soap_secure=True, soap_port=1, tls_key_type="EC", tls_key_bits=384),
        certificate_ends=NOON,
        native_sync=False,
    )


@pytest.mark.parametrize(
    ("days_left", "ends"),
    [
        (30, NOON + timedelta(days=30)),
        (0, NOON + timedelta(days=36_500)),
        (-3, NOON + timedelta(days=36_500)),
        (18446744073709551615, NOON + timedelta(days=36_500)),
    ],
)
def test_the_days_of_a_licence_are_remembered_as_its_end(days_left: int, ends: datetime) -> None:
    outcome = Outcome(Status.FAILED, Reason.VERSION_MISMATCH, facts=licence_facts(days_left))
    result = result_of(outcome, backup_id="b1", registration="r", run=RUN, started=NOON, finished=NOON)
    assert result.condition == Condition(certificate_ends=NOON, licence_ends=ends, native_sync=False)


@pytest.mark.parametrize("reason", Reason)
def test_only_what_lies_with_the_run_or_with_who_changed_something_is_incomplete(reason: Reason) -> None:
    outcome = failed_outcome(Failure(reason, "why"))
    expected = Status.INCOMPLETE if reason in REASONS_OF_THE_RUN else Status.FAILED
    assert (outcome.status, outcome.reason, outcome.message) == (expected, reason, "why")


def test_every_status_is_counted_also_when_it_is_nobodys() -> None:
    one = BackupResult("b1", "r1", Status.UPDATED, NOON)
    assert status_counts([one, replace(one, backup_id="b2"), replace(one, status=Status.FAILED)]) == {
        "in_sync": 0,
        "updated": 2,
        "drifted": 0,
        "blocked": 0,
        "rolled_back": 0,
        "failed": 1,
        "incomplete": 0,
        "restored": 0,
    }


def test_a_licence_that_is_over_has_ended() -> None:
    facts = licence_facts(0)
    over = replace(facts, licence=replace(facts.licence, valid=False))
    outcome = Outcome(Status.FAILED, Reason.LICENCE_INVALID, facts=over)
    result = result_of(outcome, backup_id="b1", registration="r", run=RUN, started=NOON, finished=NOON)
    assert result.condition.licence_ends == NOON


@given(st.lists(st.sampled_from([None, 0, 3, 400]), min_size=1, max_size=6))
def test_what_was_told_of_a_licence_last_holds(told_days: list[int | None]) -> None:
    """None: the server could not be asked; 0: its licence has no end."""
    status: BackupResult | None = None
    for number, days in enumerate(told_days):
        at = NOON + timedelta(minutes=number)
        outcome = Outcome(Status.FAILED, Reason.VERSION_MISMATCH, facts=None if days is None else licence_facts(days))
        result = result_of(outcome, backup_id="b1", registration="r", run=RUN, started=at, finished=at)
        status = merged_status(status, result)
    assert status is not None
    reported = [(number, days) for number, days in enumerate(told_days) if days is not None]
    if not reported:
        assert status.condition.licence_ends is None
    else:
        number, days = reported[-1]
        assert status.condition.licence_ends == NOON + timedelta(minutes=number, days=days or 36_500)
