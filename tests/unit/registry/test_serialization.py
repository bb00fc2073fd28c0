"""Every model survives its way into a DynamoDB item and back."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import example, given
from hypothesis import strategies as st

from registry.fleet_records import Backup, Primary, PushLimits, SyncSettings, TlsTrust
from registry.run_records import (
    Approval,
    BackupResult,
    KeptState,
    Notice,
    PartResult,
    PrimaryBaseline,
    RecordedFingerprints,
    Run,
)
from registry.serialization import Unreadable, from_row, time_text, to_row

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.lists(TEXTS, max_size=4).map(tuple)
COUNTS = st.integers(0, 10**9)
SECONDS = st.floats(0, 1e6, allow_subnormal=False).filter(lambda seconds: seconds == 0 or seconds > 1e-100)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001 # bounds have none
MAYBE_TIMES = st.none() | TIMES
TRUSTS = st.builds(TlsTrust, ca_pem=TEXTS, pins=NAMES)
PARTS = st.builds(PartResult, TEXTS, TEXTS, TEXTS, TEXTS, COUNTS, COUNTS, COUNTS, TEXTS)
LIMITS = st.builds(PushLimits, COUNTS, SECONDS, COUNTS, COUNTS, SECONDS, COUNTS)

BACKUPS = st.builds(
    Backup,
    id=TEXTS,
    host=TEXTS,
    port=COUNTS,
    trust=TRUSTS,
    enabled=st.booleans(),
    parts=st.none() | NAMES,
    rules=NAMES,
    report_only=st.booleans(),
    paused=TEXTS,
    tags=st.dictionaries(TEXTS, TEXTS, max_size=4),
    created_at=MAYBE_TIMES,
    updated_at=MAYBE_TIMES,
    secret=TEXTS,
    version=COUNTS,
)
RECORDS = st.one_of(
    st.builds(
        Primary,
        host=TEXTS,
        port=COUNTS,
        trust=TRUSTS,
        secret=TEXTS,
        term=COUNTS,
        held=TEXTS,
        promoted_at=MAYBE_TIMES,
        as_backup=st.none() | BACKUPS,
        version=COUNTS,
    ),
    BACKUPS,
    st.builds(
        SyncSettings,
        parts=st.none() | NAMES,
        rules=NAMES,
        replicate_auto_block_list=st.booleans(),
        limits=st.none() | LIMITS,
        block_widened_access=st.booleans(),
        approval_by_another=st.booleans(),
        connect_timeout=SECONDS,
        read_timeout=SECONDS,
        reply_limit_mb=COUNTS,
        full_verification_minutes=COUNTS,
        personal_roles=NAMES,
        version=COUNTS,
    ),
    st.builds(
        BackupResult,
        backup_id=TEXTS,
        run_id=TEXTS,
        status=TEXTS,
        attempted_at=TIMES,
        reason=TEXTS,
        message=TEXTS,
        pushed_at=MAYBE_TIMES,
        verified_at=MAYBE_TIMES,
        duration=SECONDS,
        parts=st.lists(PARTS, max_size=3).map(tuple),
        warnings=NAMES,
        plan_hash=TEXTS,
        snapshot=TEXTS,
        fingerprints=st.dictionaries(TEXTS, st.builds(RecordedFingerprints, TEXTS, TEXTS), max_size=3),
    ),
    st.builds(
        Run,
        id=TEXTS,
        trigger=TEXTS,
        started_at=TIMES,
        requested_by=TEXTS,
        requested_backups=NAMES,
        status=TEXTS,
        reason=TEXTS,
        message=TEXTS,
        finished_at=MAYBE_TIMES,
        counts=st.dictionaries(TEXTS, COUNTS, max_size=4),
        notices=st.lists(st.builds(Notice, TEXTS, TEXTS), max_size=2).map(tuple),
        term=COUNTS,
        held=st.booleans(),
    ),
    st.builds(
        KeptState,
        digest=TEXTS,
        server=TEXTS,
        version=TEXTS,
        parts=st.dictionaries(TEXTS, TEXTS, max_size=4),
        size=COUNTS,
        users=COUNTS,
        groups=COUNTS,
        first_run_id=TEXTS,
        first_seen_at=TIMES,
        last_run_id=TEXTS,
        last_seen_at=TIMES,
        kept_at=TIMES,
        kept_until=TIMES,
    ),
    st.builds(PrimaryBaseline, COUNTS, COUNTS, TIMES, TEXTS, TEXTS, COUNTS, COUNTS),
    st.builds(Approval, TEXTS, TEXTS, TEXTS, TIMES, COUNTS),
)

BACKUP = Backup("b1", "files.example", 8443)


def through_dynamodb(row: dict[str, Any]) -> dict[str, Any]:
    serializer, deserializer = TypeSerializer(), TypeDeserializer()
    return {name: deserializer.deserialize(serializer.serialize(value)) for name, value in row.items()}


@given(RECORDS)
def test_what_is_written_is_read_back_equal(record: Any) -> None:
    assert from_row(type(record), through_dynamodb(to_row(record))) == record


@given(RECORDS)
def test_attributes_nobody_knows_are_refused_and_those_of_the_table_are_not(record: Any) -> None:
    row = {**to_row(record), "pk": "X", "sk": "Y", "expires_at": 1}
    assert from_row(type(record), through_dynamodb(row), beside=("pk", "sk", "expires_at")) == record
    with pytest.raises(Unreadable, match="of_a_newer_version"):
        from_row(type(record), {**to_row(record), "of_a_newer_version": {"a": [1]}})


@given(TIMES, TIMES)
def test_time_texts_compare_like_the_times(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


def test_a_time_without_a_zone_is_neither_written_nor_read() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 # the very thing that must be refused
    with pytest.raises(ValueError, match="zone"):
        to_row(replace(BACKUP, created_at=naive))
    with pytest.raises(Unreadable, match="created_at"):
        from_row(Backup, {**to_row(BACKUP), "created_at": "2026-03-01T00:00:00"})


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("port", "planted-value"),
        ("host", ["planted-value"]),
        ("trust", "planted-value"),
        ("trust", {"pins": "planted-value"}),
        ("tags", {"site": ["planted-value"]}),
        ("updated_at", "planted-value"),
        *(("port", number) for number in (10**400, -(10**400), Decimal("1e126"), Decimal("NaN"), Decimal("Infinity"))),
        *(("version", number) for number in (2**64, 1.0, Decimal("0.5"))),
    ],
)
def test_a_complaint_names_the_attribute_and_not_its_value(attribute: str, value: object) -> None:
    with pytest.raises(Unreadable, match=attribute) as refused:
        from_row(Backup, {**to_row(BACKUP), attribute: value})
    assert "planted" not in str(refused.value)


def test_a_missing_attribute_without_default_is_a_complaint_and_one_with_default_is_not() -> None:
    row = to_row(BACKUP)
    assert from_row(Backup, {name: row[name] for name in ("id", "host", "port")}) == BACKUP  # without a format
    del row["host"]
    with pytest.raises(Unreadable, match="host"):
        from_row(Backup, row)


def test_times_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    row = to_row(replace(BACKUP, created_at=datetime(2026, 3, 1, 1, 30, tzinfo=east)))
    assert row["created_at"] == "2026-02-28T23:30:00.000000+00:00"
    assert from_row(Backup, row).created_at == datetime(2026, 2, 28, 23, 30, tzinfo=UTC)


@dataclass(frozen=True)
class _Measured:
    FORMAT: ClassVar[int] = 1

    value: float


@given(st.floats(min_value=-(2**63), max_value=2**63) | st.floats(min_value=-1e-90, max_value=1e-90))
@example(5e-324)
@example(1e-131)
@example(-0.0)
def test_dynamodb_takes_every_number_that_is_stored_and_gives_it_back(value: float) -> None:
    stored = TypeSerializer().serialize(to_row(_Measured(value))["value"])
    assert abs(Decimal(stored["N"])) >= Decimal("1e-130") or Decimal(stored["N"]) == 0
    again = from_row(_Measured, {"format": 1, "value": TypeDeserializer().deserialize(stored)}).value
    assert again == (value if abs(value) >= 1e-100 else 0)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e20, -(2.0**64)])
def test_a_number_that_no_reader_takes_back_is_not_stored(value: float) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        to_row(_Measured(value))
