"""Approvals and pauses."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry.run_records import BackupResult, PartResult, Run
from tests.support.registrations import as_registered

ME = "arn:aws:sts::123456789012:assumed-role/administrators/alex"
KIM = ME.replace("alex", "kim")
ROLE = "arn:aws:iam::123456789012:role/administrators"
PLAN = "5f" * 32


@pytest.fixture
def last(world: Any, register: Any) -> Any:
    """Registers ``ftp2`` and records a last result for it."""
    register(id="ftp2")

    def record(
        status: str, *, requested_by: str = "", plan_hash: str = PLAN, parts: tuple[PartResult, ...] = ()
    ) -> str:
        world.now += timedelta(minutes=1)
        run = Run(
            f"{world.now:%Y%m%dT%H%M%S.%f}Z-0000000a",
            "on_demand" if requested_by else "schedule",
            world.now,
            requested_by=requested_by,
            requester_verified=bool(requested_by),
        )
        world.store.save_run(run)
        world.store.acquire_lease(run.id, now=world.now, expires_at=world.now + timedelta(minutes=1))
        world.store.record_result(
            as_registered(
                BackupResult("ftp2", run.id, status, world.now, plan_hash=plan_hash, parts=parts), world.store
            ),
            lease_owner=run.id,
        )
        world.store.release_lease(run.id)
        return run.id

    return record


def _approve(world: Any, plan_hash: str = PLAN) -> Any:
    return world.call("POST", "/backups/ftp2/approve", {"hash": plan_hash})


# ---------------------------------------------------------------- approvals


@pytest.mark.parametrize("status", ["blocked", "drifted"])
def test_an_approval_records_the_plan_and_who_looked_at_it(world: Any, last: Any, status: str) -> None:
    last(status)
    answer = _approve(world)
    assert answer.status == 200
    stored = world.store.approval("ftp2")
    assert answer.body | {"at": "..."} == {
        "backup_id": "ftp2",
        "hash": PLAN,
        "snapshot": "",
        "approved_by": ME,
        "at": "...",
        "agreed": [],
        "in_force": True,
        "missing_approvals": 0,
        "ends_at": (stored.at + timedelta(hours=24)).isoformat().replace("+00:00", "Z"),
    }
    assert world.call("GET", "/backups/ftp2").body["approval"] == answer.body
    assert (stored.plan_hash, stored.approved_by) == (PLAN, ME)
    assert answer.body["at"] == stored.at.isoformat().replace("+00:00", "Z")


def test_a_blocked_part_can_be_approved_beside_one_that_failed(world: Any, last: Any) -> None:
    last("failed", parts=(PartResult("settings", "failed"), PartResult("accounts", "blocked")))
    assert _approve(world).status == 200


def test_another_plan_than_that_of_the_last_result_is_not_approved_and_the_right_one_named(
    world: Any, last: Any
) -> None:
    last("blocked", plan_hash="ab" * 32)
    last("blocked")
    answer = _approve(world, "ab" * 32)
    assert (answer.status, answer.body["reason"]) == (409, "plan_not_current")
    assert PLAN in answer.body["detail"]
    assert world.store.approval("ftp2") is None


@pytest.mark.parametrize("status", ["in_sync", "updated", "failed", "incomplete", "rolled_back"])
def test_where_no_plan_waits_nothing_is_approved(world: Any, last: Any, status: str) -> None:
    last(status)
    answer = _approve(world)
    assert (answer.status, answer.body["reason"]) == (409, "nothing_to_approve")
    assert answer.body["detail"] == f"no plan of ftp2 waits for an approval: its last result is {status}"
    assert world.store.approval("ftp2") is None


def test_before_the_first_run_nothing_is_approved(world: Any, last: Any) -> None:
    answer = _approve(world)
    assert (answer.status, answer.body["reason"]) == (409, "nothing_to_approve")


def _shown(world: Any) -> Any:
    return world.call("GET", "/backups/ftp2").body["approval"]


def test_an_approval_is_shown_until_something_else_than_a_push_ends_it(world: Any, last: Any) -> None:
    last("blocked")
    assert _shown(world) is None
    _approve(world)
    moved = {"host": "files9.example", "password": "PLANTED-again"}
    for change, is_shown in (({"tags": {"site": "Graz"}}, True), (moved, False)):
        assert bool(world.call("PATCH", "/backups/ftp2", change).body["approval"]) == is_shown
        assert bool(_shown(world)) == is_shown


def test_an_approval_is_shown_with_who_else_has_to_give_it_and_a_new_one_takes_its_place(world: Any, last: Any) -> None:
    _demand_another(world, personal_roles=[ROLE])
    last("blocked")
    _approve(world)
    assert (_shown(world)["in_force"], _shown(world)["missing_approvals"]) == (False, 1)
    world.caller = KIM
    _approve(world)
    assert (_shown(world)["agreed"], _shown(world)["missing_approvals"]) == ([ME], 0)
    last("blocked", plan_hash="ab" * 32)
    _approve(world, "ab" * 32)
    assert (_shown(world)["hash"], _shown(world)["missing_approvals"]) == ("ab" * 32, 1)


def test_an_approval_that_has_ended_with_its_age_is_not_shown(world: Any, last: Any) -> None:
    last("blocked")
    _approve(world)
    world.now += timedelta(hours=24)
    assert _shown(world) is None


def test_a_result_without_a_plan_is_not_approved_by_an_empty_hash(world: Any, last: Any) -> None:
    last("blocked", plan_hash="")
    assert _approve(world, "").status == 422
    assert _approve(world).status == 409


@pytest.mark.parametrize("plan_hash", ["5F" * 32, "5f" * 31, "5f" * 33, PLAN + "\n", None])
def test_what_is_no_hash_is_refused(world: Any, last: Any, plan_hash: object) -> None:
    last("blocked")
    answer = world.call("POST", "/backups/ftp2/approve", {"hash": plan_hash})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "hash")


def _demand_another(world: Any, **more: object) -> None:
    body = world.call("GET", "/sync-settings").body
    assert world.call("PUT", "/sync-settings", body | {"approval_by_another": True} | more).status == 200


def test_where_another_is_demanded_nobody_approves_what_they_asked_for(world: Any, last: Any) -> None:
    last("blocked", requested_by=ME)
    assert _approve(world).status == 200
    _demand_another(world)
    answer = _approve(world)
    assert (answer.status, answer.body["reason"]) == (403, "approval_by_another")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_where_another_is_demanded_everybody_else_approves(world: Any, last: Any) -> None:
    _demand_another(world, personal_roles=[ROLE])
    last("blocked", requested_by=KIM)
    answer = _approve(world)
    assert (answer.status, answer.body["agreed"], answer.body["in_force"]) == (200, [KIM], True)


def test_sessions_of_a_role_in_which_people_choose_their_names_are_one_person(world: Any, last: Any) -> None:
    _demand_another(world)
    last("blocked", requested_by=KIM)
    answer = _approve(world)
    assert (answer.status, answer.body["reason"]) == (403, "approval_by_another")


def test_where_another_is_demanded_and_nobody_asked_two_people_approve(world: Any, last: Any) -> None:
    _demand_another(world, personal_roles=[ROLE])
    last("blocked")
    for who, agreed, in_force in ((ME, [], False), (ME, [ME], False), (KIM, [ME], True), (ME, [ME], True)):
        world.caller = who
        answer = _approve(world)
        assert (answer.status, set(answer.body["agreed"]), answer.body["in_force"]) == (200, set(agreed), in_force)
    assert world.store.approval("ftp2").approved_by == KIM


def test_where_another_is_demanded_and_who_asked_is_forgotten_nobody_approves(
    world: Any, last: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _demand_another(world)
    last("blocked", requested_by=ME)
    monkeypatch.setattr(world.store, "run", lambda _: None)
    answer = _approve(world)
    assert (answer.status, answer.body["reason"]) == (409, "nothing_to_approve")
    assert "ftp2" in answer.body["detail"]
    assert world.store.approval("ftp2") is None


@pytest.mark.parametrize("role", ["administrators", "arn:aws:iam::123456789012:user/alex", ROLE + "/", ROLE + "*", ""])
def test_what_is_no_role_is_refused(world: Any, role: str) -> None:
    body = world.call("GET", "/sync-settings").body
    answer = world.call("PUT", "/sync-settings", body | {"personal_roles": [role]})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "personal_roles.0")


# ---------------------------------------------------------------- pauses


def test_a_pause_says_why_and_lasts_until_the_backup_is_resumed(world: Any, register: Any) -> None:
    register(id="ftp2")
    paused = world.call("POST", "/backups/ftp2/pause", {"why": "An upgrade."})
    assert (paused.status, paused.body["paused"], paused.headers["ETag"]) == (200, "An upgrade.", '"registration-1.2"')
    assert world.store.backup("ftp2").paused == "An upgrade."
    changed = world.call("PATCH", "/backups/ftp2", {"tags": {"site": "Graz"}})
    assert changed.body["paused"] == "An upgrade."
    assert world.call("GET", "/backups").body["backups"][0]["paused"] == "An upgrade."
    resumed = world.call("POST", "/backups/ftp2/resume")
    assert (resumed.status, resumed.body["paused"], resumed.headers["ETag"]) == (200, "", '"registration-1.4"')


def test_resuming_a_backup_that_is_not_paused_changes_nothing(world: Any, register: Any) -> None:
    register(id="ftp2")
    answer = world.call("POST", "/backups/ftp2/resume")
    assert (answer.status, answer.headers["ETag"]) == (200, '"registration-1.1"')


@pytest.mark.parametrize("body", [{"why": ""}, {"why": "two\nlines"}, {"why": "x" * 501}, {}])
def test_a_pause_without_a_plain_reason_is_refused(world: Any, register: Any, body: dict[str, str]) -> None:
    register(id="ftp2")
    assert world.call("POST", "/backups/ftp2/pause", body).status == 422
    assert world.store.backup("ftp2").paused == ""


@pytest.mark.parametrize(("action", "body"), [("pause", {"why": "An upgrade."}), ("resume", None)])
def test_a_pause_based_on_an_older_version_is_refused(world: Any, register: Any, action: str, body: object) -> None:
    register(id="ftp2")
    answer = world.call("POST", f"/backups/ftp2/{action}", body, If_Match='"0"')
    assert (answer.status, answer.body["detail"]) == (412, "ftp2 was changed by another request meanwhile")


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("GET", "plan", None),
        ("POST", "approve", {"hash": PLAN}),
        ("POST", "pause", {"why": "An upgrade."}),
        ("POST", "resume", None),
    ],
)
def test_a_backup_that_is_not_registered_is_not_found(world: Any, method: str, action: str, body: object) -> None:
    answer = world.call(method, f"/backups/ftp9/{action}", body)
    assert (answer.status, answer.body["reason"]) == (404, "unknown_backup")


def test_whether_a_backup_is_only_reported_on_is_registered_shown_and_changed(world: Any, register: Any) -> None:
    assert register(id="ftp2").body["backup"]["report_only"] is False
    assert register(id="ftp3", port=9000, report_only=True).body["backup"]["report_only"] is True
    assert world.call("PATCH", "/backups/ftp2", {"report_only": True}).body["report_only"] is True
    assert world.call("PATCH", "/backups/ftp2", {"enabled": False}).body["report_only"] is True
    assert world.call("PATCH", "/backups/ftp2", {"report_only": None}).status == 422


def test_backups_that_the_guards_stopped_can_be_listed(world: Any, last: Any) -> None:
    run_id = last("blocked")
    (listed,) = world.call("GET", "/backups?status=blocked").body["backups"]
    assert (listed["last_result"]["plan_hash"], listed["last_result"]["run_id"]) == (PLAN, run_id)


def test_a_plan_without_a_primary_is_not_found(world: Any, register: Any) -> None:
    register(id="ftp2")
    answer = world.call("GET", "/backups/ftp2/plan")
    assert (answer.status, answer.body["reason"]) == (404, "primary_not_registered")


@pytest.mark.parametrize(("hours", "is_in_force"), [(0, True), (2, True), (23, True), (25, False)])
@pytest.mark.parametrize("later_hours", [1, 24, 168])
def test_an_approval_ends_when_it_was_said_to_or_sooner_by_shorter_hours_and_never_later(
    world: Any, register: Any, hours: int, is_in_force: bool, later_hours: int
) -> None:
    register(id="ftp2")
    backup = world.store.backup("ftp2")
    world.services().approve(backup, "a" * 64, "somebody", None)
    world.store.save_settings(replace(world.store.settings(), approval_hours=later_hours))
    world.now += timedelta(hours=hours)
    assert bool(world.services().approval(backup)) == (is_in_force and hours < later_hours)
