"""A backup takes the place of a primary that is gone: the commands that docs/api.md has for it, and what is refused."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from common.deadline import Deadline
from common.runtime import SystemRuntime
from fleet.servers import CerberusServers
from local.cerberus import LocalServer, drift, replicable_differences
from registry.fleet_records import Backup, Credentials, Primary, TlsTrust
from sync.context import RunContext
from sync.events import read_request
from sync.reporting import LoggedProgress
from sync.run import run

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"
BACKUPS = ("ftp2", "ftp3", "ftp4")


@dataclass
class Fleet:
    """A primary and three backups, equal and verified; runs that are asked for are real ones."""

    gateway: Any
    servers: dict[str, LocalServer]
    after: Callable[[Mapping[str, object]], object] = field(default=lambda _: None)

    def start(self, event: Mapping[str, object]) -> None:
        context = RunContext(
            store=self.gateway.store,
            credentials=self.gateway.credentials,
            servers=CerberusServers(self.gateway.addresses, SystemRuntime()),
            progress=LoggedProgress(Logger()),
            snapshots=self.gateway.snapshots,
            primary=None,
            lease_seconds=60,
            runtime=SystemRuntime(),
        )
        run(read_request(event), context, Deadline(600, monotonic))
        self.after(event)

    def differences(self, one: str, other: str) -> list[Any]:
        return list(replicable_differences(self.servers[one].snapshot(), self.servers[other].snapshot()))

    def promote(self, **body: Any) -> tuple[int, Any]:
        status, answer = self.gateway.call("POST", "/primary/promote", {"backup_id": "ftp2", **body})
        return status, answer


@pytest.fixture
def fleet(gateway: Any, server: Callable[..., LocalServer], monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(server(name)) for name in ("ftp1", *BACKUPS)}
        for name, running in servers.items():
            machine = running.state.machine
            secret = "primary" if name == "ftp1" else name
            gateway.credentials.put(secret, Credentials(machine.admin_user, machine.admin_password))
            trust = TlsTrust(pins=(running.fingerprint,))
            if name == "ftp1":
                gateway.store.save_primary(Primary(running.host, running.port, trust))
            else:
                gateway.store.add_backup(Backup(name, running.host, running.port, trust))
        made = Fleet(gateway, servers)
        monkeypatch.setattr(gateway.starter, "start", made.start)
        made.start({"action": "sync"})
        yield made


def test_every_command_for_a_lost_primary_does_what_the_guide_says(
    fleet: Fleet, type_guide: Callable[[str, str], Any], tmp_path: Path
) -> None:
    servers, store = fleet.servers, fleet.gateway.store
    drift.add_user(servers["ftp4"].state, "maria")
    servers["ftp1"].refuse_connections()
    before = servers["ftp1"].snapshot()
    seen: list[Any] = []

    def after(event: Mapping[str, object]) -> None:
        seen.append((event["dry_run"], bool(store.primary().held), servers["ftp1"].snapshot() == before))
        if len(seen) == 2:  # the old primary is there again, and the new one has moved on
            servers["ftp1"].accept_connections()
            drift.set_mime(servers["ftp2"].state, "pdf", "text/plain")

    fleet.after = after
    with fleet.gateway.listening() as address:
        done = type_guide("When the primary is lost", address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[:3]] == [[name, "enabled"] for name in BACKUPS]
    assert seen == [(True, True, True), (False, False, True), (False, False, False)]
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["text"] in done.stdout
    assert _shown(plan["text"]) in GUIDE.read_text()
    promoted = json.loads((tmp_path / "promoted.json").read_text())
    assert (promoted["former"]["id"], promoted["former"]["enabled"]) == ("ftp1", False)
    assert json.loads((tmp_path / "primary.json").read_text())["held"] == ""
    assert json.loads((tmp_path / "followed.json").read_text())["last_result"]["status"] == "updated"
    for name in ("ftp1", "ftp3", "ftp4"):
        assert fleet.differences("ftp2", name) == []


EXAMPLE = "2b8e4c90d1f36a5707f1c5d28e93ab46a4c0d7e9135f8b62904de1f7ac3b5860"
"""The hash of the guide's example: another plan than the one for undoing a run."""


def _shown(text: str) -> str:
    """The plan as the guide shows it: indented, with address, time and hash of its example."""
    text = re.sub(r"127\.0\.0\.1:[0-9]+", "ftp4.example.com:8443", text)
    text = re.sub(r"[0-9]{4}-[0-9-]+ [0-9:]+ UTC", "2026-11-22 12:00:00 UTC", text)
    text = re.sub(r"Hash: [0-9a-f]{64}", f"Hash: {EXAMPLE}", text)
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def test_the_guide_shows_why_one_is_refused(fleet: Fleet) -> None:
    fleet.gateway.call("POST", "/backups/ftp3/pause", {"why": "The disk is being replaced."})
    status, problem = fleet.promote(backup_id="ftp3")
    assert (status, problem["reason"]) == (409, "promotion_unsafe")
    assert f"    {problem['detail']}\n" in GUIDE.read_text()


def test_who_promoted_is_shown_and_recorded(fleet: Fleet) -> None:
    status, answer = fleet.promote()
    assert status == 200, answer
    assert (answer["concerns"], answer["check"]["passed"]) == ([], True)
    assert "by arn:aws:iam::123456789012:user/alex" in answer["primary"]["held"]
    assert fleet.gateway.call("GET", "/primary")[1] == answer["primary"] | {"accepted": []}
    (record,) = [one for one in fleet.gateway.audit.records if one.route == "/primary/promote"]
    assert (record.who, record.fields, record.status) == (
        "arn:aws:iam::123456789012:user/alex",
        ("backup_id",),
        200,
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"enabled": False}, "it is disabled"),
        ({"parts": ["accounts"]}, "it never received settings, authentication, event_rules"),
    ],
)
def test_one_that_is_not_fit_is_refused_until_it_is_forced(fleet: Fleet, change: dict[str, Any], why: str) -> None:
    assert fleet.gateway.call("PATCH", "/backups/ftp2", change)[0] == 200
    status, problem = fleet.promote()
    assert (status, problem["reason"]) == (409, "promotion_unsafe")
    assert why in problem["detail"]
    assert fleet.gateway.store.primary().term == 0
    status, answer = fleet.promote(force=True)
    assert status == 200
    assert any(why in concern for concern in answer["concerns"])


def test_one_that_is_behind_or_does_not_answer_is_refused(fleet: Fleet) -> None:
    drift.set_mime(fleet.servers["ftp1"].state, "pdf", "text/plain")
    fleet.start({"action": "sync", "backups": ["ftp3"]})
    fleet.servers["ftp2"].refuse_connections()
    status, problem = fleet.promote()
    assert status == 409
    assert "before the primary's newest state" in problem["detail"]
    assert "it fails the check port_reachable now" in problem["detail"]
    assert fleet.promote(backup_id="ftp3")[0] == 200


def test_one_whose_new_settings_nobody_has_proved_is_refused(fleet: Fleet) -> None:
    store, now = fleet.gateway.store, datetime.now(UTC)
    last = store.status("ftp2")
    store.acquire_lease("a run", now=now, expires_at=now)
    store.record_result(replace(last, attempted_at=now, settings_before="a snapshot"), lease_owner="a run")
    status, problem = fleet.promote()
    assert (status, problem["reason"]) == (409, "promotion_unsafe")
    assert "access to it has not been proved since (a snapshot)" in problem["detail"]


@pytest.mark.parametrize("last_status", ["incomplete", "failed", "blocked", "drifted", "restored"])
def test_one_whose_last_result_says_that_it_may_differ_is_refused(fleet: Fleet, last_status: str) -> None:
    """A run that dies leaves what it stored before its first write: no time of a push, and an older verification."""
    store, now = fleet.gateway.store, datetime.now(UTC)
    store.acquire_lease("a run", now=now, expires_at=now)
    last = replace(store.status("ftp2"), run_id="r9", attempted_at=now, status=last_status)
    store.record_result(last, lease_owner="a run")
    status, problem = fleet.promote()
    assert (status, problem["reason"]) == (409, "promotion_unsafe")
    assert f"its last result is {last_status}" in problem["detail"]
    assert fleet.promote(force=True)[0] == 200


def test_after_a_promotion_nobody_was_verified_under_the_new_primary(fleet: Fleet) -> None:
    assert fleet.promote()[0] == 200
    status, problem = fleet.promote(backup_id="ftp3")
    assert (status, problem["reason"]) == (409, "promotion_unsafe")
    assert "it was never found equal to this primary" in problem["detail"]


def test_the_old_primary_comes_back_and_the_other_has_its_id_and_rules_again(fleet: Fleet) -> None:
    fleet.gateway.call("PATCH", "/backups/ftp2", {"rules": ["*welcome-message*"], "tags": {"site": "Vienna"}})
    assert fleet.promote(former_id="ftp1")[0] == 200
    status, answer = fleet.promote(backup_id="ftp1", force=True)
    assert status == 200
    former = answer["former"]
    assert (former["id"], former["rules"], former["tags"]) == ("ftp2", ["*welcome-message*"], {"site": "Vienna"})
    assert former["enabled"] is False
    assert answer["primary"]["secret"] == "primary"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"backup_id": "nobody"}, 404, "unknown_backup"),
        ({"former_id": "ftp2"}, 409, "already_registered"),
        ({"former_id": "ftp3"}, 409, "already_registered"),
        ({"former_id": "primary"}, 422, "request_invalid"),
    ],
)
def test_what_cannot_be_is_refused_also_by_force(fleet: Fleet, body: dict[str, Any], status: int, reason: str) -> None:
    before = fleet.gateway.store.primary(), fleet.gateway.store.backups()
    answered, problem = fleet.promote(force=True, **body)
    assert (answered, problem["reason"]) == (status, reason)
    assert (fleet.gateway.store.primary(), fleet.gateway.store.backups()) == before


def test_a_new_registration_under_a_promoted_backups_id_touches_no_secret_of_it(fleet: Fleet) -> None:
    fleet.promote()
    credentials = fleet.gateway.credentials.stored("ftp2")
    body = {"id": "ftp2", "host": "localhost", "port": 8443, "username": "another", "password": "PLANTED-other"}
    assert fleet.gateway.call("POST", "/backups", body)[0] == 201
    assert fleet.gateway.credentials.stored(fleet.gateway.store.primary().secret_id) == credentials
    assert fleet.gateway.call("DELETE", "/backups/ftp2")[0] == 204
    assert fleet.gateway.credentials.stored("ftp2") == credentials


def test_a_hold_ends_when_somebody_resumes(fleet: Fleet) -> None:
    fleet.promote()
    assert fleet.gateway.call("POST", "/primary/resume")[1]["held"] == ""
    assert fleet.gateway.call("POST", "/primary/resume")[0] == 200
    assert fleet.gateway.store.primary().held == ""


def test_setting_the_primary_anew_keeps_the_hold_and_its_secret(fleet: Fleet) -> None:
    fleet.promote()
    before = fleet.gateway.store.primary()
    machine = fleet.servers["ftp2"].state.machine
    body = {"host": before.host, "port": before.port, "username": machine.admin_user, "password": "PLANTED-new"}
    assert fleet.gateway.call("PUT", "/primary", body)[0] == 200
    after = fleet.gateway.store.primary()
    assert (after.held, after.term, after.as_backup) == (before.held, 1, before.as_backup)
    assert fleet.gateway.credentials.stored("ftp2").password == "PLANTED-new"
    assert fleet.gateway.credentials.stored("primary").password != "PLANTED-new"
