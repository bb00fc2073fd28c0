"""Events are understood completely or not at all."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from registry.run_records import new_run_id
from sync.events import RunRequest, Trigger, read_request

KNOWN = {"action", "backups", "dry_run", "accept_primary", "requested_by", "run_id"}


def test_the_scheduled_event_asks_for_the_whole_fleet() -> None:
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
    assert read_request(event) == RunRequest(Trigger.SCHEDULE)


def test_on_demand_the_whole_fleet_is_the_default() -> None:
    assert read_request({"action": "sync"}) == RunRequest(Trigger.ON_DEMAND)


def test_a_look_for_changes_is_about_the_whole_fleet() -> None:
    assert read_request({"action": "poll"}) == RunRequest(Trigger.CHANGE)
    with pytest.raises(Failure):
        read_request({"action": "poll", "backups": ["b1"]})


@pytest.mark.parametrize(
    "run_id", ["r1", " ", "../x", 7, None, "20269999T999999.000000Z-00000000", "20260230T000000.000000Z-00000000"]
)
def test_a_run_id_is_one_that_the_product_made(run_id: object) -> None:
    with pytest.raises(Failure) as caught:
        read_request({"action": "sync", "run_id": run_id})
    assert caught.value.reason is Reason.EVENT_INVALID


def test_on_demand_everything_can_be_said() -> None:
    run_id = new_run_id(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), "0badc0de")
    event = {
        "action": "sync",
        "backups": ["b2", "b1", "b2"],
        "dry_run": True,
        "accept_primary": True,
        "requested_by": "an administrator",
        "run_id": run_id,
    }
    assert read_request(event) == RunRequest(
        Trigger.ON_DEMAND,
        ("b2", "b1"),
        dry_run=True,
        accept_primary=True,
        requested_by="an administrator",
        run_id=run_id,
    )


@given(st.text().filter(lambda name: name not in KNOWN), st.none() | st.booleans() | st.text())
def test_no_field_is_passed_over(name: str, value: object) -> None:
    with pytest.raises(Failure) as caught:
        read_request({"action": "sync", name: value})
    assert caught.value.reason is Reason.EVENT_INVALID


@given(
    st.sampled_from(["dry_run", "accept_primary"]),
    st.one_of(st.none(), st.integers(), st.text(), st.lists(st.booleans())),
)
def test_a_flag_is_true_or_false_and_nothing_like_it(name: str, value: object) -> None:
    with pytest.raises(Failure) as caught:
        read_request({"action": "sync", name: value})
    assert caught.value.reason is Reason.EVENT_INVALID


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_else_comes_is_refused_as_an_invalid_event(event: object) -> None:
    with pytest.raises(Failure) as caught:
        read_request(event)
    assert caught.value.reason is Reason.EVENT_INVALID


SNAPSHOT = "backups/b1/20260301T120000.000000Z-0123abcd/accounts.event_rules"
STATE = "primary/" + "0a" * 32


class TestRestore:
    def test_a_backups_own_snapshot_goes_back_to_it(self) -> None:
        assert read_request({"action": "restore", "snapshot": SNAPSHOT}) == RunRequest(
            Trigger.RESTORE, ("b1",), snapshot=SNAPSHOT
        )

    def test_a_state_of_the_primary_goes_to_the_fleet_or_to_whom_it_is_for(self) -> None:
        run_id = new_run_id(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), "0badc0de")
        assert read_request({"action": "restore", "snapshot": STATE}) == RunRequest(Trigger.RESTORE, snapshot=STATE)
        more = {"backups": ["b2"], "dry_run": True, "requested_by": "somebody", "run_id": run_id}
        assert read_request({"action": "restore", "snapshot": STATE, **more}) == RunRequest(
            Trigger.RESTORE, ("b2",), dry_run=True, requested_by="somebody", run_id=run_id, snapshot=STATE
        )

    @pytest.mark.parametrize("backups", [["b2"], ["b1", "b2"]])
    def test_a_snapshot_goes_to_no_other_backup(self, backups: list[str]) -> None:
        with pytest.raises(Failure) as caught:
            read_request({"action": "restore", "snapshot": SNAPSHOT, "backups": backups})
        assert caught.value.reason is Reason.SNAPSHOT_UNFIT

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"snapshot": ""},
            {"snapshot": 7},
            {"snapshot": "backups/b1"},
            {"snapshot": "primary/../backups"},
            {"snapshot": STATE, "accept_primary": True},
            {"snapshot": STATE, "dry_run": "no"},
            {"snapshot": STATE, "backups": [""]},
        ],
    )
    def test_anything_else_is_refused(self, fields: dict[str, object]) -> None:
        with pytest.raises(Failure) as caught:
            read_request({"action": "restore", **fields})
        assert caught.value.reason is Reason.EVENT_INVALID

    def test_a_replication_names_no_snapshot(self) -> None:
        with pytest.raises(Failure):
            read_request({"action": "sync", "snapshot": STATE})
