"""Snapshots that are listed, and runs that put one back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.runs import key_for
from common.errors import Failure, Reason
from common.server_types import Features, Licence, Security, ServerFacts, Version
from registry.run_records import BackupResult, KeptState, Run
from registry.snapshots import SnapshotContent
from sync.events import read_request
from tests.support.registrations import as_registered

ME = "arn:aws:sts::123456789012:assumed-role/administrators/alex"
RUN = "20261101T120000.000000Z-0badc0de"
LATER = "20261101T121500.000000Z-0badc0de"
PLAN, STATE = "5f" * 32, "0a" * 32
HELD = SnapshotContent(
    {"accounts": "{}", "event_rules": "<PLANTED/>"},
    ServerFacts(
        version=Version(13, 0, 1, 0),
        hostname="ftp2",
        licence=Licence(valid=True),
        features=Features(server_sync=True, directory_authentication=True, events=True),
        security=Security(soap_enabled=True, soap_secure=True, soap_port=1, tls_key_type="RSA", tls_key_bits=2048),
    ),
)
KEY = f"backups/ftp2/{RUN}/registration-1/accounts.event_rules"


@pytest.fixture
def kept(world: Any, register: Any) -> Any:
    """A world with ``ftp2`` and ``ftp3``, of each of which there are snapshots."""
    for backup_id, port in (("ftp2", 8443), ("ftp3", 8444)):
        register(id=backup_id, port=port)
        world.snapshots.keep_backup(backup_id, RUN, HELD, world.store.registration(backup_id))
    world.snapshots.keep_backup("ftp2", LATER, HELD, world.store.registration("ftp2"))
    return world


def _restore(world: Any, **body: object) -> Any:
    return world.call("POST", "/backups/ftp2/restore", {"snapshot": RUN, **body})


# ---------------------------------------------------------------- lists


def test_snapshots_are_listed_newest_first_with_all_but_their_content(kept: Any) -> None:
    body = kept.call("GET", "/backups/ftp2/snapshots").body
    assert [snapshot["run_id"] for snapshot in body["snapshots"]] == [LATER, RUN]
    assert {**body["snapshots"][1], "size": 0} == {
        "key": KEY,
        "run_id": RUN,
        "at": "2026-11-01T12:00:00Z",
        "parts": ["accounts", "event_rules"],
        "size": 0,
        "former": False,
    }
    assert body["snapshots"][1]["size"] == len(kept.snapshots.stored[KEY])
    assert body["next"] is None
    assert "PLANTED" not in str(body)


def test_a_long_list_has_pages(kept: Any) -> None:
    first = kept.call("GET", "/backups/ftp2/snapshots?limit=1").body
    second = kept.call("GET", f"/backups/ftp2/snapshots?limit=1&next={first['next']}").body
    assert [first["snapshots"][0]["run_id"], second["snapshots"][0]["run_id"]] == [LATER, RUN]
    assert second["next"] is None


def test_a_page_does_not_end_within_a_run(kept: Any) -> None:
    registration = kept.store.registration("ftp2")
    for parts in ({"settings": ""}, {"settings": "", "mime_mappings": ""}):
        kept.snapshots.keep_backup("ftp2", LATER, replace(HELD, parts=parts), registration)
    first = kept.call("GET", "/backups/ftp2/snapshots?limit=1").body
    second = kept.call("GET", f"/backups/ftp2/snapshots?limit=1&next={first['next']}").body
    pages = [[snapshot["run_id"] for snapshot in page["snapshots"]] for page in (first, second)]
    assert (pages, second["next"]) == ([[LATER] * 3, [RUN]], None)


PARTS = st.lists(st.sampled_from(["settings", "accounts", "event_rules"]), min_size=1, unique=True)


@given(st.lists(PARTS, min_size=1, max_size=3))
@settings(max_examples=30)
def test_a_run_means_all_that_it_kept_or_a_refusal_that_names_each(kept: Any, snapshots: list[list[str]]) -> None:
    kept.snapshots.stored.clear()
    backup = kept.store.backup("ftp2")
    keys = [
        kept.snapshots.keep_backup("ftp2", RUN, replace(HELD, parts=dict.fromkeys(parts, "")), backup.registration)
        for parts in snapshots
    ]
    whole = {part for parts in snapshots for part in parts}
    if whole in [set(parts) for parts in snapshots]:
        assert set(key_for(RUN, backup, kept.services()).rpartition("/")[2].split(".")) == whole
        return
    with pytest.raises(Failure) as failed:
        key_for(RUN, backup, kept.services())
    assert failed.value.reason is Reason.SNAPSHOT_UNFIT
    assert all(key in failed.value.message for key in keys)


def test_what_was_kept_of_a_removed_backup_is_listed_and_of_one_that_never_was_there_is_none(kept: Any) -> None:
    kept.call("DELETE", "/backups/ftp2")
    assert len(kept.call("GET", "/backups/ftp2/snapshots").body["snapshots"]) == 2
    answer = kept.call("GET", "/backups/ftp9/snapshots")
    assert (answer.status, answer.body["reason"]) == (404, "unknown_backup")


# ---------------------------------------------------------------- a backup's own


@pytest.mark.parametrize("meant", [RUN, KEY])
def test_a_restore_is_a_run_that_can_be_followed(kept: Any, meant: str) -> None:
    answer = _restore(kept, snapshot=meant)
    run = answer.body
    assert (answer.status, answer.headers["Location"]) == (202, f"/sync-runs/{run['id']}")
    assert (run["trigger"], run["status"], run["snapshot"]) == ("restore", "queued", KEY)
    assert (run["requested_by"], run["requested_backups"], run["notices"]) == (ME, ["ftp2"], [])
    assert kept.starter.events == [
        {
            "action": "restore",
            "snapshot": KEY,
            "same_machine": False,
            "run_id": run["id"],
            "backups": ["ftp2"],
            "dry_run": False,
            "requested_by": ME,
        }
    ]
    assert kept.call("GET", f"/sync-runs/{run['id']}").body["snapshot"] == KEY
    assert kept.store.approval("ftp2") is None


def test_a_dry_run_is_handed_on_as_one(kept: Any) -> None:
    assert _restore(kept, dry_run=True).body["dry_run"] is True
    assert kept.starter.events[0]["dry_run"] is True


def test_the_hash_of_a_plan_that_was_looked_at_belongs_to_the_run_alone(kept: Any) -> None:
    answer = _restore(kept, plan_hash=PLAN)
    assert (answer.status, answer.body["plan_hash"]) == (202, PLAN)
    assert kept.starter.events[0]["plan_hash"] == PLAN
    assert kept.store.approval("ftp2") is None


def test_while_another_run_is_under_way_the_answer_says_what_that_means(kept: Any) -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    kept.store.acquire_lease("20261122T120000.000000Z-0badc0de/1", now=now, expires_at=now + timedelta(minutes=5))
    (notice,) = _restore(kept).body["notices"]
    assert notice["reason"] == "lease_held"
    assert "the run 20261122T120000.000000Z-0badc0de is under way" in notice["message"]
    assert "not repeated" in notice["message"]
    kept.now = now + timedelta(minutes=6)
    assert _restore(kept).body["notices"] == []


def _missing(world: Any) -> dict[str, object]:
    world.snapshots.stored.clear()
    return {}


def _disabled(world: Any) -> dict[str, object]:
    world.call("PATCH", "/backups/ftp2", {"enabled": False})
    return {}


def _report_only(world: Any) -> dict[str, object]:
    world.call("PATCH", "/backups/ftp2", {"report_only": True})
    return {}


def _unregistered(world: Any) -> dict[str, object]:
    world.call("DELETE", "/backups/ftp2")
    return {}


@pytest.mark.parametrize(
    ("prepare", "status", "reason"),
    [
        (_missing, 404, "snapshot_missing"),
        (_unregistered, 404, "unknown_backup"),
        (_disabled, 409, "backup_disabled"),
        (_report_only, 409, "backup_report_only"),
        (lambda _: {"snapshot": KEY.replace("ftp2", "ftp3")}, 409, "snapshot_unfit"),
        (lambda _: {"snapshot": KEY.replace("accounts", "settings")}, 404, "snapshot_missing"),
        (lambda _: {"snapshot": "backups/ftp2"}, 422, "request_invalid"),
        (lambda _: {"snapshot": f"primary/../{KEY}"}, 422, "request_invalid"),
        (lambda _: {"plan_hash": "5f"}, 422, "request_invalid"),
        (lambda _: {"plan_hash": None}, 422, "request_invalid"),
        (lambda _: {"backups": ["ftp3"]}, 422, "request_invalid"),
    ],
)
def test_what_cannot_be_put_back_is_refused_and_nothing_is_started(
    kept: Any, prepare: Callable[[Any], dict[str, object]], status: int, reason: str
) -> None:
    answer = _restore(kept, **prepare(kept))
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert kept.starter.events == []


def test_what_would_be_put_back_to_one_that_is_only_reported_on_can_be_looked_at(kept: Any) -> None:
    _report_only(kept)
    assert _restore(kept, dry_run=True).status == 202


def test_a_restore_that_could_not_be_started_is_recorded_as_failed(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "Lambda Invoke failed: Throttled")

    monkeypatch.setattr(kept.starter, "start", fail)
    assert _restore(kept).status == 503
    (run,) = kept.call("GET", "/sync-runs").body["runs"]
    assert (run["status"], run["reason"], run["trigger"]) == ("failed", "registry_unavailable", "restore")


# ---------------------------------------------------------------- a state of the primary


@pytest.fixture
def state(kept: Any) -> Any:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    lasting = (RUN, now, RUN, now, now, now + timedelta(days=90))
    kept.store.acquire_lease(RUN, now=now, expires_at=now + timedelta(minutes=1))
    kept.store.record_state(KeptState(STATE, "ftp1:8443", "13.0.1.0", {}, 1, 1, 1, *lasting), lease_owner=RUN)
    kept.store.release_lease(RUN)
    return kept


@pytest.mark.parametrize("backups", [None, ["ftp3"]])
def test_an_older_state_of_the_primary_goes_to_the_fleet_or_to_some(state: Any, backups: list[str] | None) -> None:
    run = state.call("POST", "/sync-runs", {"state": STATE} | ({"backups": backups} if backups else {})).body
    assert (run["trigger"], run["snapshot"], run["requested_backups"]) == ("restore", f"primary/{STATE}", backups or [])
    (event,) = state.starter.events
    assert (event["action"], event["snapshot"]) == ("restore", f"primary/{STATE}")
    assert "accept_primary" not in event


@pytest.mark.parametrize("meant", [STATE, f"primary/{STATE}"])
def test_it_goes_to_one_backup_like_a_snapshot(state: Any, meant: str) -> None:
    assert _restore(state, snapshot=meant).body["snapshot"] == f"primary/{STATE}"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"state": "0b" * 32}, 404, "snapshot_missing"),
        ({"state": STATE, "accept_primary": True}, 422, "request_invalid"),
        ({"state": STATE, "backups": ["ftp9"]}, 404, "unknown_backup"),
        ({"state": RUN}, 422, "request_invalid"),
        ({"state": None}, 422, "request_invalid"),
    ],
)
def test_a_state_that_cannot_go_over_is_refused(state: Any, body: dict[str, object], status: int, reason: str) -> None:
    answer = state.call("POST", "/sync-runs", body)
    assert (answer.status, answer.body["reason"]) == (status, reason)
    assert state.starter.events == []


def test_a_named_backup_that_is_only_reported_on_is_refused_an_older_state_and_may_be_looked_at(state: Any) -> None:
    _report_only(state)
    named = {"state": STATE, "backups": ["ftp2"]}
    answer = state.call("POST", "/sync-runs", named)
    assert (answer.status, answer.body["reason"]) == (409, "backup_report_only")
    assert state.call("POST", "/sync-runs", named | {"dry_run": True}).status == 202
    assert state.call("POST", "/sync-runs", {"state": STATE}).status == 202


NEW_RUNS = st.fixed_dictionaries(
    {},
    optional={
        "backups": st.lists(st.sampled_from(["ftp2", "ftp3"]), min_size=1),
        "dry_run": st.booleans(),
        "accept_primary": st.booleans(),
        "state": st.just(STATE),
    },
)


@given(body=NEW_RUNS)
def test_every_run_that_is_started_is_understood(state: Any, body: dict[str, Any]) -> None:
    answer = state.call("POST", "/sync-runs", body)
    if body.get("accept_primary") and "state" in body:
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, "accept_primary")
        return
    request = read_request(state.starter.events[-1])
    assert (request.run_id, request.requested_by, list(request.backups)) == (
        answer.body["id"],
        ME,
        list(dict.fromkeys(body.get("backups", []))),
    )
    assert (request.dry_run, request.accept_primary, request.snapshot) == (
        body.get("dry_run", False),
        body.get("accept_primary", False),
        f"primary/{STATE}" if "state" in body else "",
    )


# ---------------------------------------------------------------- a former registration


def test_a_snapshot_of_before_a_change_of_address_goes_back_on_a_persons_word(kept: Any) -> None:
    kept.call("PATCH", "/backups/ftp2", {"port": 9443, "password": "PLANTED-new"})
    listed = kept.call("GET", "/backups/ftp2/snapshots").body["snapshots"]
    assert [snapshot["former"] for snapshot in listed] == [True, True]
    refused = _restore(kept)
    assert (refused.status, refused.body["reason"], kept.starter.events) == (409, "snapshot_of_former_server", [])
    assert _restore(kept, same_machine=True).status == 202
    assert kept.starter.events[0]["same_machine"] is True


def test_of_two_snapshots_of_one_run_a_run_id_means_that_of_the_server_that_is_registered(kept: Any) -> None:
    kept.call("PATCH", "/backups/ftp2", {"port": 9443, "password": "PLANTED-new"})
    own = kept.snapshots.keep_backup("ftp2", RUN, HELD, kept.store.registration("ftp2"))
    assert _restore(kept).body["snapshot"] == own


def test_what_follows_from_a_restore_is_told_as_the_backup_is_now(kept: Any) -> None:
    kept.store.acquire_lease("me", now=kept.now, expires_at=kept.now + timedelta(minutes=1))
    result = BackupResult("ftp2", RUN, "restored", kept.now, message="it got back something")
    kept.store.record_result(as_registered(result, kept.store), lease_owner="me")
    kept.call("POST", "/backups/ftp2/pause", {"why": "something was put back"})
    message = kept.call("GET", "/backups/ftp2").body["last_result"]["message"]
    assert message == "it got back something; nothing is written to it until it is resumed"
    kept.call("POST", "/backups/ftp2/resume")
    assert kept.call("GET", "/backups/ftp2").body["last_result"]["message"] == "it got back something"
    (shown,) = kept.call("GET", "/backups/ftp2/history").body["results"]
    assert shown["message"] == "it got back something"


# ---------------------------------------------------------------- approvals


@pytest.fixture
def ran(kept: Any) -> Callable[..., None]:
    """Records a run that was stopped at ``ftp2``."""

    def record(plan_hash: str, *, snapshot: str = "", requested_by: str = "", status: str = "blocked") -> None:
        kept.now += timedelta(minutes=1)
        run_id = f"{kept.now:%Y%m%dT%H%M%S.%f}Z-0000000a"
        trigger, asked = ("restore" if snapshot else "on_demand", True) if requested_by else ("schedule", False)
        run = Run(run_id, trigger, kept.now, requested_by=requested_by, snapshot=snapshot, requester_verified=asked)
        kept.store.save_run(run)
        kept.store.acquire_lease(run_id, now=kept.now, expires_at=kept.now + timedelta(minutes=1))
        result = BackupResult("ftp2", run_id, status, kept.now, plan_hash=plan_hash)
        kept.store.record_result(as_registered(result, kept.store), lease_owner=run_id)
        kept.store.release_lease(run_id)

    return record


def test_a_stopped_restore_can_be_approved_also_after_other_runs(kept: Any, ran: Callable[..., None]) -> None:
    ran(PLAN, snapshot=KEY)
    ran("ab" * 32, status="drifted")
    assert kept.call("POST", "/backups/ftp2/approve", {"hash": PLAN}).status == 200


def test_a_scheduled_run_in_between_does_not_hide_who_asked(kept: Any, ran: Callable[..., None]) -> None:
    settings = kept.call("GET", "/sync-settings").body
    kept.call("PUT", "/sync-settings", settings | {"approval_by_another": True})
    ran(PLAN, requested_by=ME)
    ran(PLAN)
    answer = kept.call("POST", "/backups/ftp2/approve", {"hash": PLAN})
    assert (answer.status, answer.body["reason"]) == (403, "approval_by_another")
    ran("ab" * 32)
    assert kept.call("POST", "/backups/ftp2/approve", {"hash": "ab" * 32}).status == 200
