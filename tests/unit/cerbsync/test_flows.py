"""Status, plan, run, approve and restore, with replies of a stack that has servers."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

from cerbsync.approval import joint_hash
from local.build import ROOT
from tests.support.command_line import CommandLine

HASH = "ab12" * 16
RUN = "20261201T120000.000000Z-0badc0de"
NOW = "2026-12-01T12:00:00Z"


def backup(name: str, status: str, **more: Any) -> dict[str, Any]:
    last = {
        "run_id": RUN,
        "status": status,
        "reason": more.pop("reason", ""),
        "message": f"{name}: as it is",
        "remedy": "",
        "attempted_at": NOW,
        "pushed_at": None,
        "verified_at": NOW if status in ("in_sync", "updated") else None,
        "plan_hash": HASH,
        "snapshot": "",
    }
    return {
        "id": name,
        "host": f"{name}.example",
        "port": 8443,
        "secure_connection": True,
        "enabled": True,
        "report_only": False,
        "paused": "",
        "tls": {"mode": "system"},
        "parts": None,
        "rules": [],
        "tags": {},
        "created_at": NOW,
        "updated_at": NOW,
        "version": 1,
        "last_result": last,
        **more,
    }


def full(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "username": "admin", "secret": entry["id"], "approval": None}


PRIMARY = {
    "source": "registered",
    "host": "ftp1.example",
    "port": 8443,
    "secure_connection": True,
    "username": "admin",
    "secret": "primary",
    "tls": {"mode": "system"},
    "held": "",
    "promoted_at": None,
    "version": 1,
    "accepted": [],
}


def plan(name: str, *, blocked: bool = False, text: str = "", value: str = HASH) -> dict[str, Any]:
    part: dict[str, Any] = {
        "part": "accounts",
        "state": "blocked" if blocked else "different",
        "reason": "removes_too_much" if blocked else None,
        "message": "",
        "added": 0,
        "removed": 3,
        "changed": 0,
        "items": [],
        "more_items": 0,
        "kept": 0,
        "kept_paths": [],
        "kept_different": 0,
        "kept_different_paths": [],
    }
    block = {
        "part": "accounts",
        "reason": "removes_too_much",
        "message": "3 of 10 users would be removed",
        "remedy": "Approve the plan if it is meant.",
        "approvable": True,
        "numbers": {"removed": 3},
    }
    return {
        "backup_id": name,
        "made_at": NOW,
        "hash": value,
        "parts": [part],
        "warnings": [],
        "exceptions": [],
        "blocked": [block] if blocked else [],
        "widened": [],
        "more_widened": 0,
        "text": text
        or f"Plan for {name}\n\naccounts:\n  - users/anna\n  - users/bert\n\nPlan: 0 to add, 0 to change, 2 to remove.",
    }


def run(*results: dict[str, Any], status: str = "succeeded", dry_run: bool = False) -> dict[str, Any]:
    return {
        "id": RUN,
        "trigger": "api",
        "status": status,
        "reason": "",
        "message": "",
        "remedy": "",
        "dry_run": dry_run,
        "requested_by": "alex",
        "requester_verified": True,
        "requested_backups": [],
        "snapshot": "",
        "plan_hash": "",
        "started_at": NOW,
        "finished_at": NOW,
        "counts": {"updated": len(results), "failed": 0},
        "notices": [],
        "progress": {"done": len(results), "total": len(results)},
        "results": list(results),
        "next": None,
    }


def result(name: str, status: str, reason: str = "") -> dict[str, Any]:
    last = backup(name, status, reason=reason)["last_result"]
    return {**last, "backup_id": name, "former": False, "duration": 1.0, "parts": [], "warnings": [], "approved_by": []}


DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))


class Stack:
    """Scripted replies, each of which must be one that the API's document allows."""

    def __init__(self, cerbsync: CommandLine) -> None:
        self.replies = cerbsync.adapter.scripted
        self.adapter = cerbsync.adapter

    def __call__(self, method: str, path: str, reply: Any, *, of: str, status: int = 200) -> None:
        if status < 300:
            response = DOCUMENT["paths"][of][method.lower()]["responses"][str(status)]
            schema = {**response["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
            jsonschema_rs.validate(schema, reply)
        self.replies[method, path] = lambda _: (status, reply)

    def sent(self, method: str, path: str) -> list[Any]:
        return [body for sent, where, body in self.adapter.sent if (sent, where) == (method, path)]


@pytest.fixture
def stack(cerbsync: CommandLine) -> Stack:
    made = Stack(cerbsync)
    made("GET", "/primary", PRIMARY, of="/primary")
    return made


def listed(stack: Stack, *backups: dict[str, Any]) -> None:
    stack(
        "GET",
        "/backups",
        {"backups": list(backups), "unreadable": [], "more_unreadable": 0, "next": None},
        of="/backups",
    )
    for entry in backups:
        stack("GET", f"/backups/{entry['id']}", full(entry), of="/backups/{backup_id}")


# ---------------------------------------------------------------- status

FLEET = (
    backup("a-equal", "in_sync"),
    backup("b-differs", "drifted"),
    backup("c-blocked", "blocked"),
    backup("d-down", "failed", reason="connection_refused"),
    backup("e-paused", "drifted", paused="The list is being mended."),
    backup("f-new", "in_sync", last_result=None),
)


def test_the_status_has_problems_first_each_with_the_next_command(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, *FLEET)
    ended = cerbsync("status")
    assert ended.status == 0
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert rows[1:] == [
        "primary ftp1.example:8443 primary",
        "d-down d-down.example:8443 unreachable never cerbsync check d-down",
        "c-blocked c-blocked.example:8443 BLOCKED never cerbsync approve c-blocked",
        "f-new f-new.example:8443 not compared never cerbsync run f-new --dry-run --wait",
        "b-differs b-differs.example:8443 differs never cerbsync plan b-differs",
        "e-paused e-paused.example:8443 paused never cerbsync resume e-paused",
        f"a-equal a-equal.example:8443 equal {rows[-1].split(' equal ')[1]}",
    ]
    assert "e-paused: paused, because The list is being mended." in ended.err


@pytest.mark.parametrize(
    ("chosen", "status"),
    [("a", 0), ("ab", 6), ("ac", 5), ("ad", 3), ("d", 1), ("abcd", 3), ("af", 6), ("ae", 6), ("", 0)],
)
def test_the_exit_status_tells_the_state_when_it_is_asked_for(
    cerbsync: CommandLine, stack: Stack, chosen: str, status: int
) -> None:
    listed(stack, *(entry for entry in FLEET if entry["id"][0] in chosen))
    assert cerbsync("status").status == 0
    assert cerbsync("status", "--exit-code").status == status


def test_the_status_for_programs_is_one_document_with_all_fields(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, *FLEET)
    document = cerbsync("status", "--json").document
    assert document["primary"]["host"] == "ftp1.example"
    assert [entry["state"] for entry in document["backups"]][:2] == ["unreachable", "BLOCKED"]
    assert document["backups"][-1]["last_result"]["verified_at"] == NOW


def test_without_a_primary_and_backups_the_status_says_how_to_begin(cerbsync: CommandLine) -> None:
    ended = cerbsync("status")
    assert (ended.status, "not registered" in ended.out, "cerbsync init" in ended.err) == (0, True, True)


@pytest.mark.parametrize("acting", ["\x1b[2J", "\x9b2J", "\u202e", "\r", "\x07"])
def test_a_name_on_a_server_cannot_move_the_cursor(cerbsync: CommandLine, stack: Stack, acting: str) -> None:
    hostile = backup("a", "failed", reason="soap_fault")
    hostile["last_result"]["message"] = f"before{acting}after"
    listed(stack, hostile)
    stack(
        "GET", "/backups/a/plan", plan("a", text=f"accounts:\n  + users/x{acting}y\n"), of="/backups/{backup_id}/plan"
    )
    for command in (("status",), ("plan", "a")):
        ended = cerbsync(*command)
        assert acting not in ended.out + ended.err


# ---------------------------------------------------------------- plan, run, approve


def test_a_plan_ends_with_what_to_type_if_it_is_meant_and_if_not(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, backup("ftp2", "drifted"))
    stack("GET", "/backups/ftp2/plan", plan("ftp2"), of="/backups/{backup_id}/plan")
    ended = cerbsync("plan", "ftp")  # a unique beginning of the id
    assert "  - users/anna" in ended.out
    assert f"cerbsync run ftp2 --plan {HASH[:12]} --wait" in ended.err
    assert "cerbsync pause ftp2" in ended.err
    assert (ended.status, cerbsync("plan", "ftp2", "--exit-code").status) == (0, 6)


def test_a_plan_that_waits_says_why_and_how_to_approve(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, backup("ftp2", "blocked"))
    stack("GET", "/backups/ftp2/plan", plan("ftp2", blocked=True), of="/backups/{backup_id}/plan")
    ended = cerbsync("plan", "ftp2", "--exit-code")
    assert ended.status == 5
    assert "Waits: accounts: 3 of 10 users would be removed" in ended.out
    assert "cerbsync approve ftp2" in ended.err


def test_a_long_part_of_a_plan_is_folded_and_unfolded(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, backup("ftp2", "drifted"))
    text = "accounts:\n" + "".join(f"  + users/user{number:03}\n" for number in range(100))
    stack("GET", "/backups/ftp2/plan", plan("ftp2", text=text), of="/backups/{backup_id}/plan")
    assert "... and 70 more (--all shows them)" in cerbsync("plan", "ftp2").out
    assert "user099" in cerbsync("plan", "ftp2", "--all").out


@pytest.mark.parametrize(
    ("results", "run_status", "status"),
    [
        ([result("a", "updated"), result("b", "in_sync")], "succeeded", 0),
        ([result("a", "updated"), result("b", "failed", "connect_timeout")], "partial", 3),
        ([result("a", "failed", "connect_timeout")], "partial", 1),
        ([result("a", "blocked"), result("b", "in_sync")], "partial", 5),
        ([result("a", "blocked"), result("b", "failed")], "partial", 3),
        ([], "failed", 1),
        ([], "not_run", 1),
    ],
)
def test_a_run_that_is_followed_ends_with_its_status(
    cerbsync: CommandLine, stack: Stack, results: list[dict[str, Any]], run_status: str, status: int
) -> None:
    started = {key: value for key, value in run().items() if key not in ("progress", "results", "next")}
    stack("POST", "/sync-runs", started, of="/sync-runs", status=202)
    stack("GET", f"/sync-runs/{RUN}", run(*results, status=run_status), of="/sync-runs/{run_id}")
    ended = cerbsync("run", "--wait")
    assert ended.status == status
    assert f"Run {RUN}: {run_status}" in ended.out
    lines = [json.loads(line) for line in cerbsync("run", "--wait", "--json").out.splitlines()]
    assert [line["event"] for line in lines] == ["result"] * len(results) + ["run"]


@pytest.mark.parametrize(("lost", "status"), [(5, 0), (6, 1)])
def test_a_network_that_fails_for_a_moment_does_not_end_the_following(
    cerbsync: CommandLine, stack: Stack, monkeypatch: pytest.MonkeyPatch, lost: int, status: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    started = {key: value for key, value in run().items() if key not in ("progress", "results", "next")}
    stack("POST", "/sync-runs", started, of="/sync-runs", status=202)
    left = [lost]

    def reply(_: Any) -> tuple[int, Any]:
        left[0] -= 1
        if left[0] >= 0:
            raise requests.exceptions.ConnectionError("PLANTED")
        return 200, run(result("a", "in_sync"))

    stack.replies["GET", f"/sync-runs/{RUN}"] = reply
    ended = cerbsync("run", "--wait")
    assert ended.status == status
    assert "PLANTED" not in ended.out + ended.err


def test_a_stack_of_another_version_ends_a_command_with_one_line(
    cerbsync: CommandLine, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.replies["GET", "/backups"] = lambda _: (200, {"servers": ["PLANTED"]})
    ended = cerbsync("status")
    assert (ended.status, ended.err.count("\n"), "cerbsync doctor" in ended.err) == (1, 2, True)
    monkeypatch.setenv("CERBSYNC_DEBUG", "1")
    with pytest.raises(KeyError):
        cerbsync("status")


def test_an_approval_is_for_the_plan_that_was_shown_and_its_run_is_followed(
    cerbsync: CommandLine, stack: Stack
) -> None:
    listed(stack, backup("ftp2", "blocked"))
    stack("GET", "/backups/ftp2/plan", plan("ftp2", blocked=True), of="/backups/{backup_id}/plan")
    approval = {
        "backup_id": "ftp2",
        "hash": HASH,
        "snapshot": "",
        "approved_by": "alex",
        "agreed": [],
        "in_force": True,
        "missing_approvals": 0,
        "at": NOW,
        "ends_at": NOW,
    }
    stack("POST", "/backups/ftp2/approve", approval, of="/backups/{backup_id}/approve")
    started = {key: value for key, value in run().items() if key not in ("progress", "results", "next")}
    stack("POST", "/sync-runs", started, of="/sync-runs", status=202)
    stack("GET", f"/sync-runs/{RUN}", run(result("ftp2", "updated")), of="/sync-runs/{run_id}")
    assert cerbsync("approve", "ftp2", typed="n\n").status == 7
    assert cerbsync("approve", "ftp2", "--yes", "0" * 64).status == 7
    assert stack.sent("POST", "/backups/ftp2/approve") == []
    ended = cerbsync("approve", "ftp2", typed="y\n")
    assert ended.status == 0
    assert stack.sent("POST", "/backups/ftp2/approve") == [{"hash": HASH}]
    assert stack.sent("POST", "/sync-runs") == [{"backups": ["ftp2"], "plan_hash": HASH}]
    assert "cerbsync restore ftp2 latest" in ended.err
    assert cerbsync("approve", "ftp2", "--yes", HASH[:12]).status == 0


def test_a_plan_that_has_changed_since_the_last_run_is_compared_again_first(
    cerbsync: CommandLine, stack: Stack
) -> None:
    listed(stack, backup("ftp2", "blocked"))
    stack("GET", "/backups/ftp2/plan", plan("ftp2", blocked=True, value="cd" * 32), of="/backups/{backup_id}/plan")
    started = {key: value for key, value in run().items() if key not in ("progress", "results", "next")}
    stack("POST", "/sync-runs", started, of="/sync-runs", status=202)
    stack("GET", f"/sync-runs/{RUN}", run(result("ftp2", "drifted"), dry_run=True), of="/sync-runs/{run_id}")
    assert cerbsync("approve", "ftp2", "--no-input").status == 7
    assert stack.sent("POST", "/sync-runs") == [{"backups": ["ftp2"], "dry_run": True}]


def test_the_joint_hash_is_of_the_backups_and_their_plans_in_any_order() -> None:
    pairs = [("a", "1" * 64), ("b", "2" * 64)]
    assert joint_hash(pairs) == joint_hash(pairs[::-1])
    assert joint_hash(pairs) != joint_hash([("a", "2" * 64), ("b", "1" * 64)])
    assert joint_hash(pairs[:1]) == "1" * 64


def test_a_restore_is_of_the_latest_snapshot_and_of_the_plan_that_was_shown(
    cerbsync: CommandLine, stack: Stack
) -> None:
    listed(stack, backup("ftp2", "updated"))
    keys = [f"backups/ftp2/{name}/0123/settings" for name in (RUN, RUN.replace("1201T12", "1130T12"))]
    entries = [
        {"key": key, "run_id": key.split("/")[2], "at": NOW, "parts": ["settings"], "size": 2000, "former": False}
        for key in keys
    ]
    stack("GET", "/backups/ftp2/snapshots", {"snapshots": entries, "next": None}, of="/backups/{backup_id}/snapshots")
    stack("GET", "/backups/ftp2/plan", plan("ftp2"), of="/backups/{backup_id}/plan")
    started = {key: value for key, value in run().items() if key not in ("progress", "results", "next")}
    stack("POST", "/backups/ftp2/restore", started, of="/backups/{backup_id}/restore", status=202)
    stack("GET", f"/sync-runs/{RUN}", run(result("ftp2", "restored")), of="/sync-runs/{run_id}")
    assert cerbsync("restore", "ftp2").status == 7
    assert cerbsync("restore", "ftp2", "latest", "--yes", HASH[:12]).status == 0
    assert cerbsync("restore", "ftp2", "20261130", "--yes", HASH).status == 0
    assert cerbsync("restore", "ftp2", "2026", "--yes", HASH).status == 2
    assert stack.sent("POST", "/backups/ftp2/restore") == [{"snapshot": key, "plan_hash": HASH} for key in keys]


def test_a_promotion_is_confirmed_by_the_whole_id(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, backup("ftp2", "in_sync"))
    for arguments, typed in ((("--yes", "ftp"), None), ((), None), ((), "ftp\n"), ((), "y\n")):
        assert cerbsync("promote", "ftp2", *arguments, typed=typed).status == 7
    assert stack.sent("POST", "/primary/promote") == []


# ---------------------------------------------------------------- the API refuses


@pytest.mark.parametrize(
    ("http", "reply", "status", "reason"),
    [
        (403, {"message": "Forbidden"}, 4, "not_permitted"),
        (403, {"message": "The security token included in the request is expired"}, 4, "not_permitted"),
        (401, {"message": "Unauthorized"}, 4, "not_permitted"),
        (502, {"message": "Internal server error"}, 1, "api_reply_invalid"),
        (200, "<html>", 1, "api_reply_invalid"),
        (
            503,
            {"reason": "registry_unavailable", "detail": "The table does not answer.", "remedy": "Try again."},
            1,
            "registry_unavailable",
        ),
    ],
)
def test_a_refusal_of_the_stack_is_told_with_its_reason(
    cerbsync: CommandLine, stack: Stack, http: int, reply: Any, status: int, reason: str
) -> None:
    stack.replies["GET", "/primary"] = lambda _: (http, reply)
    ended = cerbsync("status", "--json")
    assert (ended.status, ended.out, ended.error["reason"]) == (status, "", reason)
    assert ended.error["next_step"]


def test_the_schedule_is_shown_switched_and_set(cerbsync: CommandLine) -> None:
    assert "every 15 minutes" in cerbsync("schedule").out
    assert cerbsync("schedule", "off").out == "Scheduled runs are OFF; switched on, they would come every 15 minutes.\n"
    assert cerbsync("schedule", "on", "--every", "30").out == "Scheduled runs are on: every 30 minutes.\n"
    refused = cerbsync("schedule", "--every", "100000")
    assert (refused.status, "interval_minutes" in refused.err) == (1, True)


def test_quiet_leaves_data_and_errors(cerbsync: CommandLine, stack: Stack) -> None:
    listed(stack, *FLEET)
    ended = cerbsync("status", "--quiet")
    assert (ended.err, "d-down" in ended.out) == ("", True)


def test_init_asks_five_things_for_each_server_and_writes_no_password(cerbsync: CommandLine, stack: Stack) -> None:
    fingerprint = "cd" * 32
    certificate = {
        "subject": "CN=ftp",
        "issuer": "CN=ftp",
        "fingerprint": fingerprint,
        "not_before": NOW,
        "not_after": NOW,
        "trusted": False,
    }
    report = {"server": "x:1", "checked_at": NOW, "passed": False, "requirements": [], "certificate": certificate}
    stack("POST", "/check", report, of="/check")
    ended = cerbsync("init", typed="ftp1.example\n\n\ny\nftp2\nftp2.example\n9443\nroot\nn\n\n")
    assert ended.status == 0, ended.err
    text = Path("fleet.yaml").read_text("utf-8")
    assert "host: ftp1.example\n  port: 8443\n  username: admin\n  pins:\n    - " + fingerprint in text
    assert "  ftp2:\n    host: ftp2.example\n    port: 9443\n    username: root\nschedule:" in text
    assert cerbsync("init", typed="").status == 2  # the file is there
    assert cerbsync("apply", "--dry-run").status == 0
