"""What both stores have in common."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from registry.items import to_row
from registry.models import BackupResult, PartResult
from registry.semantics import MESSAGE_LIMIT, WARNING_LIMIT, address_key, capped_result, merged_status

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
)


@given(st.lists(RESULTS, min_size=1, max_size=6))
def test_the_status_has_the_newest_attempt_and_the_newest_times_in_whatever_order_results_come(
    results: list[BackupResult],
) -> None:
    status = None
    for result in results:
        status = merged_status(status, result)
    assert status is not None
    assert status.attempted_at == max(result.attempted_at for result in results)
    assert status.pushed_at == max((r.pushed_at for r in results if r.pushed_at), default=None)
    assert status.verified_at == max((r.verified_at for r in results if r.verified_at), default=None)
    assert replace(status, pushed_at=None, verified_at=None) in [
        replace(result, pushed_at=None, verified_at=None) for result in results
    ]


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
