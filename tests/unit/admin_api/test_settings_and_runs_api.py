from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from common.errors import Failure, Reason
from local.fakes.aws_services import MemorySchedule
from registry.fleet_records import PushLimits
from registry.run_records import BackupResult, PartResult, Run
from registry.schedule import Schedule
from tests.support.registrations import as_registered

# ---------------------------------------------------------------- settings


def test_settings_show_the_rules_state(world: Any) -> None:
    world.schedule.make(Schedule(enabled=False, interval_minutes=7, polling=True))
    shown = world.call("GET", "/sync-settings").body
    assert (shown["enabled"], shown["interval_minutes"], shown["on_change_polling"]) == (False, 7, True)
    assert (shown["connect_timeout"], shown["read_timeout"], shown["reply_limit_mb"]) == (10.0, 60.0, 256)


def test_what_is_shown_can_be_put_again_and_changes_nothing(world: Any) -> None:
    shown = world.call("GET", "/sync-settings")
    again = world.call("PUT", "/sync-settings", shown.body, If_Match=shown.headers["ETag"])
    assert (again.status, again.body) == (200, shown.body)


def test_putting_settings_stores_them_and_changes_the_rules(world: Any) -> None:
    body = world.call("GET", "/sync-settings").body | {
        "enabled": False,
        "interval_minutes": 1440,
        "on_change_polling": True,
        "parts": ["accounts", "settings"],
        "rules": ["*logo*"],
        "connect_timeout": 3,
        "reply_limit_mb": 64,
    }
    answer = world.call("PUT", "/sync-settings", body)
    assert (answer.status, answer.body, answer.headers["ETag"]) == (200, body, '"1"')
    assert world.schedule.read() == Schedule(enabled=False, interval_minutes=1440, polling=True)
    stored = world.store.settings()
    assert (stored.parts, stored.rules, stored.reply_limit_mb) == (("accounts", "settings"), ("*logo*",), 64)


def test_a_null_interval_leaves_the_rules_expression(world: Any) -> None:
    body = world.call("GET", "/sync-settings").body | {"interval_minutes": None}
    assert world.call("PUT", "/sync-settings", body).body["interval_minutes"] == 15


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interval_minutes", 0),
        ("interval_minutes", 1441),
        ("interval_minutes", 1.5),
        ("interval_minutes", True),
        ("enabled", None),
        ("connect_timeout", 0),
        ("read_timeout", 601),
        ("reply_limit_mb", 0),
        ("parts", ["all"]),
        ("rules", ["/"]),
    ],
)
def test_settings_out_of_bounds_are_refused_and_change_nothing(world: Any, field: str, value: object) -> None:
    body = world.call("GET", "/sync-settings").body
    answer = world.call("PUT", "/sync-settings", body | {field: value})
    assert (answer.status, answer.body["errors"][0]["field"].split(".")[0]) == (422, field)
    assert world.call("GET", "/sync-settings").body == body


def test_a_setting_that_is_left_out_is_refused(world: Any) -> None:
    body = world.call("GET", "/sync-settings").body
    del body["rules"]
    answer = world.call("PUT", "/sync-settings", body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "rules")


def test_settings_based_on_an_older_version_are_refused(world: Any) -> None:
    body = world.call("GET", "/sync-settings").body
    world.call("PUT", "/sync-settings", body)
    answer = world.call("PUT", "/sync-settings", body | {"enabled": False}, If_Match='"0"')
    assert answer.status == 412
    assert world.schedule.read().enabled


def test_limits_that_are_null_are_shown_with_the_defaults_numbers_and_are_not_fixed_by_sending_those_back(
    world: Any,
) -> None:
    body = world.call("GET", "/sync-settings").body
    assert body["limits"] == {
        "removal_floor": 2,
        "removal_share": 0.1,
        "removal_maximum": 100,
        "disabling_floor": 2,
        "disabling_share": 0.1,
        "disabling_maximum": 100,
    }
    for limits in (None, body["limits"]):
        assert world.call("PUT", "/sync-settings", body | {"limits": limits}).body == body
        assert world.store.settings().limits is None


def test_what_the_guards_go_by_is_stored_and_stays_when_it_is_sent_again(world: Any) -> None:
    body = world.call("GET", "/sync-settings").body
    limits = body["limits"] | {"removal_share": 0.5, "disabling_maximum": 0}
    wanted = body | {"limits": limits, "block_widened_access": True, "approval_by_another": True}
    assert world.call("PUT", "/sync-settings", wanted).body == wanted
    assert world.call("PUT", "/sync-settings", wanted | {"rules": ["*logo*"]}).status == 200
    stored = world.store.settings()
    assert stored.limits == PushLimits(2, 0.5, 100, 2, 0.1, 0)
    assert (stored.block_widened_access, stored.approval_by_another) == (True, True)


@pytest.mark.parametrize("share", [5e-324, 1e-131, 0.1234567, 1 - 1e-9])
def test_a_share_is_rounded_to_what_can_be_stored(world: Any, share: float) -> None:
    body = world.call("GET", "/sync-settings").body
    stored = world.call("PUT", "/sync-settings", body | {"limits": body["limits"] | {"removal_share": share}})
    assert (stored.status, stored.body["limits"]["removal_share"]) == (200, round(share, 6))


class _Unwilling(MemorySchedule):
    """A schedule that says no, before or while it is changed, and meanwhile does what a test says."""

    def __init__(self, *, at_once: bool, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._at_once, self._meanwhile = at_once, meanwhile

    def prepare(self, schedule: Schedule) -> Any:
        if self._at_once:
            raise Failure(Reason.RULE_MISSING, "the rule interval is not there; nothing was changed")
        return super().prepare(schedule)

    def make(self, schedule: Schedule) -> Schedule:
        self._meanwhile()
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "EventBridge PutRule failed: ThrottlingException")


@pytest.mark.parametrize(
    ("at_once", "status", "reason"), [(True, 409, "rule_missing"), (False, 503, "registry_unavailable")]
)
def test_settings_are_stored_only_together_with_the_schedule(
    world: Any, at_once: bool, status: int, reason: str
) -> None:
    world.schedule = _Unwilling(at_once=at_once)
    body = world.call("GET", "/sync-settings").body
    answer = world.call("PUT", "/sync-settings", body | {"enabled": False, "rules": ["*logo*"], "read_timeout": 5})
    assert (answer.status, answer.body["reason"], "could not be restored" in answer.body["detail"]) == (
        status,
        reason,
        False,
    )
    assert world.call("GET", "/sync-settings").body == body


def test_settings_that_could_not_be_put_back_are_told_of(world: Any) -> None:
    def change_meanwhile() -> None:
        world.store.save_settings(replace(world.store.settings(), rules=("*by another*",)))

    world.schedule = _Unwilling(at_once=False, meanwhile=change_meanwhile)
    body = world.call("GET", "/sync-settings").body
    answer = world.call("PUT", "/sync-settings", body | {"rules": ["*logo*"]})
    assert (answer.status, "could not be restored" in answer.body["detail"]) == (503, True)
    assert world.store.settings().rules == ("*by another*",)


def test_what_is_odd_about_the_rules_is_shown_and_can_be_sent_back(world: Any) -> None:
    world.schedule.make(Schedule(False, None, False, notes=("The rule interval is not there.",)))
    shown = world.call("GET", "/sync-settings").body
    assert (shown["interval_minutes"], shown["schedule_notes"]) == (None, ["The rule interval is not there."])
    assert world.call("PUT", "/sync-settings", shown).status == 200


@pytest.mark.parametrize(("name", "value"), [("removal_share", 1.1), ("removal_floor", -1), ("disabling_maximum", 0.5)])
def test_limits_out_of_bounds_are_refused(world: Any, name: str, value: float) -> None:
    body = world.call("GET", "/sync-settings").body
    answer = world.call("PUT", "/sync-settings", body | {"limits": body["limits"] | {name: value}})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, f"limits.{name}")


# ---------------------------------------------------------------- starting runs


def test_a_run_is_queued_handed_over_and_can_be_followed(world: Any, register: Any) -> None:
    register(id="ftp2")
    answer = world.call("POST", "/sync-runs", {"backups": ["ftp2", "ftp2"], "dry_run": True})
    run_id = answer.body["id"]
    assert (answer.status, answer.headers["Location"]) == (202, f"/sync-runs/{run_id}")
    assert world.starter.events == [
        {
            "action": "sync",
            "run_id": run_id,
            "backups": ["ftp2"],
            "dry_run": True,
            "accept_primary": False,
            "requested_by": "arn:aws:sts::123456789012:assumed-role/administrators/alex",
        }
    ]
    shown = world.call("GET", answer.headers["Location"]).body
    assert (shown["status"], shown["dry_run"], shown["progress"]) == ("queued", True, {"done": 0, "total": 1})
    assert shown["requester_verified"] is True


def test_who_asked_for_a_run_is_shown_as_not_verified_when_only_an_invocation_says_so(world: Any) -> None:
    world.store.save_run(Run("20261122T120000.000000Z-0badc0de", "on_demand", world.now, requested_by="kim"))
    (shown,) = world.call("GET", "/sync-runs").body["runs"]
    assert (shown["requested_by"], shown["requester_verified"]) == ("kim", False)


def test_a_run_over_the_fleet_names_no_backup(world: Any, register: Any) -> None:
    register(id="ftp2")
    register(id="ftp3", port=9000, enabled=False)
    answer = world.call("POST", "/sync-runs", {})
    assert "backups" not in world.starter.events[0]
    assert world.call("GET", answer.headers["Location"]).body["progress"] == {"done": 0, "total": 1}


def test_a_run_over_a_backup_that_is_unknown_or_disabled_is_not_started(world: Any, register: Any) -> None:
    register(id="ftp2", enabled=False)
    unknown = world.call("POST", "/sync-runs", {"backups": ["ftp9"]})
    disabled = world.call("POST", "/sync-runs", {"backups": ["ftp2"]})
    assert (unknown.status, unknown.body["reason"]) == (404, "unknown_backup")
    assert (disabled.status, disabled.body["reason"]) == (409, "backup_disabled")
    assert world.starter.events == []


def test_an_empty_list_of_backups_does_not_mean_all(world: Any) -> None:
    assert world.call("POST", "/sync-runs", {"backups": []}).status == 422


def test_a_run_that_could_not_be_handed_over_is_recorded_as_failed(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "Lambda Invoke failed: TooManyRequestsException")

    monkeypatch.setattr(world.starter, "start", fail)
    assert world.call("POST", "/sync-runs", {}).status == 503
    (run,) = world.call("GET", "/sync-runs").body["runs"]
    assert (run["status"], run["reason"]) == ("failed", "registry_unavailable")


@pytest.mark.parametrize("meanwhile", ["running", "succeeded", "not_run"])
def test_a_lost_answer_changes_nothing_of_a_run_that_has_begun_or_ended(
    world: Any, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    begun: list[Run] = []

    def start(event: dict[str, Any]) -> None:
        queued = world.store.run(event["run_id"])
        begun.append(replace(queued, status=meanwhile, finished_at=None if meanwhile == "running" else world.now))
        world.store.save_run(begun[0])
        raise Failure(Reason.REGISTRY_UNAVAILABLE, "Lambda Invoke failed: ReadTimeoutError")

    monkeypatch.setattr(world.starter, "start", start)
    assert world.call("POST", "/sync-runs", {}).status == 202
    assert world.store.runs(limit=9) == tuple(begun)


# ---------------------------------------------------------------- following runs


def test_runs_and_histories_are_paged_newest_first(world: Any, register: Any) -> None:
    register(id="ftp2")
    ids = [_finished_run(world, "ftp2") for _ in range(5)]
    for target, key, name in (("/sync-runs", "runs", "id"), ("/backups/ftp2/history", "results", "run_id")):
        seen: list[str] = []
        page = world.call("GET", f"{target}?limit=2").body
        seen += [entry[name] for entry in page[key]]
        while page["next"]:
            page = world.call("GET", f"{target}?limit=2&next={page['next']}").body
            seen += [entry[name] for entry in page[key]]
        assert seen == ids[::-1]


def test_a_run_shows_the_result_of_every_backup(world: Any, register: Any) -> None:
    register(id="ftp2")
    shown = world.call("GET", f"/sync-runs/{_finished_run(world, 'ftp2')}").body
    assert shown["progress"] == {"done": 1, "total": 1}
    (result,) = shown["results"]
    assert (result["backup_id"], result["status"], result["duration"]) == ("ftp2", "updated", 1.5)
    assert (result["plan_hash"], result["snapshot"]) == ("ab" * 32, "backups/ftp2/kept")
    assert result["parts"] == [
        {
            "part": "accounts",
            "status": "pushed",
            "reason": "",
            "message": "",
            "added": 1,
            "removed": 0,
            "changed": 2,
            "cause": "backup_edited",
            "kept_different": 2,
            "kept_different_paths": ["/s/soapPort", "/s/wsdl"],
        }
    ]
    assert world.call("GET", "/backups/ftp2").body["last_result"]["pushed_at"] == result["pushed_at"]


def test_an_unknown_run_is_not_found_and_a_malformed_id_refused(world: Any) -> None:
    answer = world.call("GET", "/sync-runs/20261122T120000.000000Z-00000000")
    assert (answer.status, answer.body["reason"]) == (404, "unknown_run")
    assert world.call("GET", "/sync-runs/latest").status == 422


def _finished_run(world: Any, backup_id: str) -> str:
    world.now += timedelta(minutes=1)
    run_id = f"{world.now:%Y%m%dT%H%M%S.%f}Z-0000000a"
    world.store.save_run(
        Run(run_id, "schedule", world.now, status="succeeded", finished_at=world.now, counts={"updated": 1})
    )
    world.store.acquire_lease(run_id, now=world.now, expires_at=world.now + timedelta(minutes=1))
    result = BackupResult(
        backup_id,
        run_id,
        "updated",
        world.now,
        pushed_at=world.now,
        verified_at=world.now,
        duration=1.5,
        parts=(
            PartResult(
                "accounts",
                "pushed",
                added=1,
                changed=2,
                cause="backup_edited",
                kept_different=2,
                kept_different_paths=("/s/soapPort", "/s/wsdl"),
            ),
        ),
        plan_hash="ab" * 32,
        snapshot="backups/ftp2/kept",
    )
    world.store.record_result(as_registered(result, world.store), lease_owner=run_id)
    world.store.release_lease(run_id)
    return run_id
