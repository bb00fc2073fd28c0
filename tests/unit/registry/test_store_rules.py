"""What both stores have in common."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from common.errors import REASONS_OF_THE_RUN, Reason
from registry.fleet_records import address_key
from registry.run_records import BackupResult, Condition, Notice, PartResult, Run
from registry.serialization import to_row
from registry.store_rules import (
    MESSAGE_LIMIT,
    NOTICE_LIMIT,
    WARNING_LIMIT,
    capped_result,
    capped_run,
    merged_status,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTES = st.integers(0, 5).map(lambda minutes: NOON + timedelta(minutes=minutes))
RESULTS = st.builds(
    BackupResult,
    backup_id=st.just("b1"),
    run_id=st.sampled_from(["r1", "r2", "r3"]),
    status=st.sampled_from(["synchronized", "failed"]),
    attempted_at=MINUTES,
    pushed_at=st.none() | MINUTES,
    verified_at=st.none() | MINUTES,
    failures=st.none() | st.integers(0, 1),
    harmed=st.none() | st.booleans(),
)


REMEMBERED = {"pushed_at": None, "verified_at": None, "failures": None, "harmed": None, "condition": Condition()}
CLOCKS = st.lists(st.sampled_from([0, 0, 0, -3, 60, 60 * 24 * 400]), min_size=1, max_size=6)
"""For each run in order: how many minutes its clock is ahead."""


@given(CLOCKS, st.data())
def test_the_status_is_that_of_the_last_run_whatever_their_clocks_say(clocks: list[int], data: st.DataObject) -> None:
    """And no time in it, but of this run itself, lies after its attempt."""
    status = None
    for number, ahead in enumerate(clocks):
        at = NOON + timedelta(minutes=10 * number + ahead)
        times = st.none() | st.just(at + timedelta(minutes=1))
        result = BackupResult(
            "b1", f"r{number}", data.draw(st.sampled_from(["in_sync", "failed"])), at,
            pushed_at=data.draw(times), verified_at=data.draw(times),
        )  # fmt: skip
        status = merged_status(status, result)
        assert replace(status, **REMEMBERED) == replace(result, **REMEMBERED)  # type: ignore[arg-type]  # as the fields are
        for own, kept in ((result.pushed_at, status.pushed_at), (result.verified_at, status.verified_at)):
            assert kept == own if own else kept is None or kept <= at


@given(st.lists(RESULTS, min_size=1, max_size=6), RESULTS)
def test_the_late_word_of_a_dead_run_moves_nothing_but_the_status_of_that_run(
    results: list[BackupResult], late: BackupResult
) -> None:
    status = reduce(merged_status, results, None)
    assert status is not None
    after = merged_status(status, late, late=True)
    is_own = late.run_id == status.run_id
    assert replace(after, **REMEMBERED) == replace(late if is_own else status, **REMEMBERED)  # type: ignore[arg-type]  # as above
    if not is_own:
        assert after.failures == status.failures
        assert after.verified_at == status.verified_at if status.verified_at else True


@given(st.lists(RESULTS, min_size=1, max_size=6))
def test_without_wrong_clocks_the_newest_known_times_stay(results: list[BackupResult]) -> None:
    in_order = sorted(results, key=lambda result: result.attempted_at)
    at = [replace(one, pushed_at=one.pushed_at and one.attempted_at, run_id=f"r{n}") for n, one in enumerate(in_order)]
    status = reduce(merged_status, at, None)
    assert status is not None
    assert status.pushed_at == max((one.pushed_at for one in at if one.pushed_at), default=None)


def test_failures_are_counted_in_a_row_and_what_says_nothing_of_them_is_passed_over() -> None:
    assert _counted(1, 1, None, 1) == [1, 2, 2, 3]
    assert _counted(1, 1, 0, None, 1) == [1, 2, 0, 0, 1]
    assert _counted(None, 1) == [None, 1]


def test_a_failure_that_is_recorded_twice_in_a_run_counts_once() -> None:
    first = BackupResult("b1", "r1", "failed", NOON, failures=1)
    status = merged_status(merged_status(None, first), replace(first, run_id="r2"))
    assert status.failures == 2
    assert merged_status(first, replace(first, message="in other words")).failures == 1


ENDS = st.sampled_from(["in_sync", "failed", "rolled_back", "incomplete"])


@given(st.lists(st.tuples(st.booleans(), ENDS, st.booleans()), min_size=1, max_size=8))
def test_failures_in_a_row_are_those_of_runs_whatever_each_run_stored_before_its_end(
    runs: list[tuple[bool, str, bool]],
) -> None:
    """Of each run: whether it stored something before its first write, its end, and whether it stored that twice."""
    status, expected = None, 0
    for number, (wrote, end, twice) in enumerate(runs):
        failures = {"in_sync": 0, "incomplete": None}.get(end, 1)
        at = NOON + timedelta(minutes=number)
        last = BackupResult("b1", f"r{number}", end, at, failures=failures)
        begun = replace(last, status="incomplete", reason=Reason.INTERRUPTED, failures=None, snapshot="a snapshot")
        for result in [begun] * wrote + [last] * (1 + twice):
            status = merged_status(status, result)
        expected = {0: 0, 1: expected + 1, None: expected}[failures]
        assert status is not None
        assert (status.failures or 0) == expected


OF_THE_RUN = st.builds(
    BackupResult,
    backup_id=st.just("b1"),
    run_id=st.sampled_from(["r1", "r2", "r3"]),
    status=st.just("incomplete"),
    attempted_at=MINUTES,
    reason=st.sampled_from(REASONS_OF_THE_RUN),
)
OF_THE_BACKUP = st.builds(
    replace,
    RESULTS,
    reason=st.sampled_from(["", "removes_too_much", "interrupted"]),
    plan_hash=st.text("ab", max_size=2),
)


@given(st.lists(OF_THE_BACKUP | OF_THE_RUN, min_size=1, max_size=8))
def test_runs_that_did_not_get_to_a_backup_leave_its_status_as_it_was(results: list[BackupResult]) -> None:
    def after(some: list[BackupResult]) -> BackupResult | None:
        return reduce(merged_status, some, None)

    telling = [result for result in results if result.reason not in REASONS_OF_THE_RUN]
    assert not telling or after(results) == after(telling)


def test_a_deadline_in_the_middle_of_a_push_is_told() -> None:
    well = BackupResult("b1", "r1", "in_sync", NOON)
    cut = BackupResult("b1", "r2", "incomplete", NOON, reason=Reason.DEADLINE, snapshot="a snapshot")
    assert merged_status(well, cut).reason == Reason.DEADLINE


def test_a_late_word_from_an_older_run_is_not_counted() -> None:
    stored = BackupResult("b1", "r2", "synchronized", NOON, failures=0, harmed=False)
    late = BackupResult("b1", "r1", "failed", NOON - timedelta(minutes=1), failures=1, harmed=True)
    assert merged_status(stored, late, late=True) == stored


def test_harm_and_condition_stay_known_until_something_else_is_told() -> None:
    reported = Condition(certificate_ends=NOON, licence_ends=NOON, native_sync=True)
    first = BackupResult("b1", "r1", "failed", NOON, harmed=True, condition=reported)
    silent = BackupResult("b1", "r2", "failed", NOON)
    assert (merged_status(first, silent).harmed, merged_status(first, silent).condition) == (True, reported)
    well = replace(silent, harmed=False, condition=Condition(native_sync=False))
    status = merged_status(first, well)
    assert (status.harmed, status.condition) == (False, replace(reported, native_sync=False))


def _counted(*failures: int | None) -> list[int | None]:
    """The kept number after each of several runs with these results."""
    status, counted = None, []
    for number, failure in enumerate(failures):
        result = BackupResult("b1", f"r{number}", "", NOON + timedelta(minutes=number), failures=failure)
        status = merged_status(status, result)
        counted.append(status.failures)
    return counted


def test_of_two_results_of_the_same_time_the_later_word_counts() -> None:
    first = BackupResult("b1", "r1", "incomplete", NOON)
    second = replace(first, status="synchronized")
    assert merged_status(first, second) == second


@given(st.text(max_size=20), st.integers(1, 65535))
def test_an_address_ignores_the_case_of_the_host_and_no_more(host: str, port: int) -> None:
    assert address_key(host.upper(), port) == address_key(host.upper().casefold(), port)
    assert address_key(host, port) != address_key(host, port + 1)


def test_a_result_within_the_limits_is_untouched() -> None:
    result = BackupResult("b1", "r1", "failed", NOON, message="m" * MESSAGE_LIMIT, warnings=("w",) * WARNING_LIMIT)
    assert capped_result(result) == result


def test_the_largest_result_that_is_stored_fits_into_an_item() -> None:
    long = "\N{GRINNING FACE}" * 100_000
    parts = tuple(PartResult(f"part-{n}", "failed", message=long, added=10**9) for n in range(8))
    capped = capped_result(BackupResult("b1", "r1", "failed", NOON, message=long, parts=parts, warnings=(long,) * 999))
    assert len(str(TypeSerializer().serialize(to_row(capped))).encode()) < 400 * 1024  # braces and quotes included


@given(
    notices=st.lists(st.builds(str.__mul__, st.sampled_from("xä😀"), st.integers(0, 5000)), max_size=60),
    more=st.integers(0, 3000),
)
def test_the_row_of_a_run_has_room_for_its_notices_and_the_urgent_one_is_among_them(
    notices: list[str], more: int
) -> None:
    lost = Notice(Reason.ACCESS_LOST, "nobody may be able to log in any more: ftp2")
    others = [Notice(Reason.BACKUP_PAUSED, text) for text in [*notices, *["n" * 1000] * more]]
    run = capped_run(Run("r", "schedule", NOON, message="😀" * 5000, notices=(*others, lost)))
    assert len(json.dumps(to_row(run), ensure_ascii=False).encode()) < 400_000
    assert run.notices[0] == lost
    assert len(run.notices) == min(len(others) + 1, NOTICE_LIMIT)
