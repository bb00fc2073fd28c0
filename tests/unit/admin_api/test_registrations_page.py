"""The page on changes of registrations says what the program does: each row is done and looked at."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.schemas.backups import BackupChange
from admin_api.schemas.primary import PrimaryChange
from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.primary import pending_access_proof_of
from fleet.servers import PRIMARY_ID
from local.build import ROOT
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.servers import FACTS, FakeServers, FleetServer
from local.fakes.world import RecordedProgress
from registry.fleet_records import Backup, Credentials, Primary
from registry.run_records import (
    AcceptedPart,
    Approval,
    BackupResult,
    Condition,
    PrimaryAcceptance,
    PrimaryBaseline,
    new_run_id,
)
from registry.snapshots import SnapshotContent
from registry.store_rules import of_primary, of_registration
from sync.context import RunContext
from sync.events import RunRequest, Trigger
from sync.fleet_health import BackupHealth, fleet_health_of
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sync.results import Report

PAGE = (ROOT / "docs" / "registrations.md").read_text("utf-8")
SUBJECT, OTHER, FORMER = "ftp2", "ftp3", "ftp1"
PLAN = "5f" * 32
HOUR = timedelta(hours=1)
_METHOD = re.compile(r"(GET|PUT|POST|PATCH|DELETE) (/\S+)")
UNCHANGED = {"/check", "/primary/check", "/backups/{backup_id}/check"}
"""They look at servers, and change nothing."""
ELSEWHERE = {"/backups/{backup_id}/approve", "/backups/{backup_id}/restore", "/backups/import", "/sync-runs"}
"""They give an approval, start runs, or register backups that were not there."""


@dataclass(frozen=True)
class Row:
    """One change, its requests, and what the page says follows, by column."""

    change: str
    spans: tuple[str, ...]
    cells: dict[str, str]

    @property
    def requests(self) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
        """Method, path and body of each."""
        for position, span in enumerate(self.spans):
            if request := _METHOD.fullmatch(span):
                following = self.spans[position + 1] if position + 1 < len(self.spans) else ""
                yield request[1], request[2], json.loads(following) if following.startswith("{") else None

    @property
    def stack_primary(self) -> Primary | None:
        """The primary that a deployment names, None where the row is not about one."""
        parameters = dict(span.split("=") for span in self.spans if re.fullmatch(r"Primary\w+=\S+", span))
        return Primary(parameters["PrimaryHost"], 443) if parameters else None


def rows() -> list[Row]:
    lines = [line for line in PAGE.partition("## The columns")[0].splitlines() if line.startswith("| ")]
    head, *body = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    columns = [name.strip() for name in head]
    return [
        Row(
            cells[0],
            tuple(re.findall(r"`([^`]*)`", cells[1])),
            {name: cell.partition(";")[0] for name, cell in zip(columns[2:], cells[2:], strict=True)},
        )
        for cells in body[1:]
    ]


ROWS = rows()


class Remembered:
    """A primary and two backups of which all there is is remembered, and what is left of it after changes.

    ``of_stack``: the stack's parameters name the primary.
    ``plain``: only what a run remembers that has verified all.
    """

    def __init__(self, world: ApiWorld, *, of_stack: bool = False, plain: bool = False) -> None:
        self.world, self.store = world, world.store
        self.primary = Primary("main.example", 443)
        if of_stack:
            world.stack_primary = self.primary
        else:
            self.primary = self.store.save_primary(self.primary)
        self.servers = FakeServers()
        for port, server_id in enumerate((PRIMARY_ID, SUBJECT, OTHER), start=1):
            self.servers.by_id[server_id] = FleetServer(f"{server_id}.", port)
        body = {"username": "admin", "password": "PLANTED"}
        world.credentials.put(self.primary.secret_id, Credentials(**body))
        for backup_id, port in ((SUBJECT, 8443), (OTHER, 8444)):
            made = world.call(
                "POST", "/backups", {"id": backup_id, "host": f"{backup_id}.example", "port": port} | body
            )
            assert made.status == 201
        self.secret_id = self._subject().secret_id
        world.now += HOUR
        self.verified_at = world.now
        if plain:
            assert self._run().run.status == "succeeded"
        else:
            self._remember()
        world.now += HOUR
        self.changed_at = world.now

    @classmethod
    def after(cls, row: Row, world: ApiWorld, *, plain: bool = False) -> Remembered:
        """What is left after one change."""
        made = cls(world, of_stack=row.stack_primary is not None, plain=plain)
        refused = made.do(row)
        assert refused is None, refused
        return made

    def do(self, row: Row) -> Answer | None:
        """Make the change; the answer that refused it, None when it was made."""
        for method, path, sent in row.requests:
            settings = (
                self.world.call("GET", "/sync-settings").body if (method, path) == ("PUT", "/sync-settings") else {}
            )
            answer = self.world.call(method, path, None if sent is None else settings | sent)
            if answer.status >= 300:
                return answer
            self._follow(path, sent)
        if row.stack_primary:
            self.world.stack_primary = row.stack_primary
            self.world.credentials.put(self.primary.secret_id, Credentials("admin", "PLANTED"))
        self.world.now += HOUR
        return None

    def _remember(self) -> None:
        store, now, run_id = self.store, self.world.now, new_run_id(self.world.now, "0badc0de")
        assert store.acquire_lease("a run", now=now, expires_at=now)
        content = SnapshotContent({"settings": "<settings/>"}, FACTS)
        for backup in store.backups():
            key = self.world.snapshots.keep_backup(backup.id, run_id, content, backup.registration)
            result = BackupResult(
                backup.id,
                run_id,
                "blocked",
                now,
                verified_at=now,
                plan_hash=PLAN,
                failures=2,
                harmed=True,
                condition=Condition(now + HOUR, now + HOUR, native_sync=True),
                settings_before=key,
                registration=backup.registration,
                source=self.primary.source,
            )
            store.record_result(result, lease_owner="a run")
            given = Approval(backup.id, PLAN, "ann", now, registration=backup.registration, source=self.primary.source)
            store.approve(given)
        baseline = PrimaryBaseline(3, 2, now, run_id, "0a" * 32, 1, source=self.primary.source)
        store.save_baseline(baseline, lease_owner="a run")
        part = AcceptedPart("0a" * 32, "primary_shrunk", "it holds 3 users", "ann", now, run_id)
        store.save_acceptance(PrimaryAcceptance({"accounts": part}, source=self.primary.source), lease_owner="a run")
        store.release_lease("a run")

    def _follow(self, path: str, sent: dict[str, Any] | None) -> None:
        """Move the servers as the registrations have moved."""
        if path == "/primary/promote" and sent:
            servers = self.servers.by_id
            servers[sent["former_id"]], servers[PRIMARY_ID] = servers[PRIMARY_ID], servers[sent["backup_id"]]

    def refuse_log_in(self) -> None:
        """Let the backup have refused its log-in."""
        subject = self._subject()
        self.world.services().log_ins.remember_refusal(subject, self.world.log_in(SUBJECT))

    def _subject(self) -> Backup:
        subject = self.store.backup(SUBJECT)
        assert subject is not None
        return subject

    # What is left

    def refused_log_in(self) -> str:
        """Whether anybody would log in with the secret that the backup had."""
        servers: list[Primary | Backup] = [*self.store.backups(), self.present]
        for server in servers:
            if server.secret_id == self.secret_id:
                return "stays" if self._is_refused(server) else "goes"
        return "goes"

    def _is_refused(self, server: Primary | Backup) -> bool:
        try:
            self.world.services().log_ins.permitted(server)
        except Failure as failure:
            return failure.reason is Reason.AUTHENTICATION_FAILED
        return False

    @property
    def present(self) -> Primary:
        primary = self.world.services().primary()
        assert primary is not None
        return primary

    @property
    def status(self) -> BackupResult | None:
        """What is stored of the backup as it is registered."""
        return of_registration(self.store.status(SUBJECT), self.store.registration(SUBJECT) or "")

    @property
    def health(self) -> BackupHealth | None:
        health = fleet_health_of(self.store, None, self.world.now, self.present)
        return next((one for one in health.backups if one.id == SUBJECT), None)

    def last_result(self) -> str:
        """The same in the list, alone, by the filter and in the metrics."""
        listed = {one["id"]: one for one in self.world.call("GET", "/backups").body["backups"]}.get(SUBJECT)
        if listed is None:
            assert self.world.call("GET", f"/backups/{SUBJECT}").status == 404
            assert self.store.status(SUBJECT) is None
            return "goes"
        shown = listed["last_result"]
        alone = self.world.call("GET", f"/backups/{SUBJECT}").body["last_result"]
        assert alone == shown
        status = shown["status"] if shown else ""
        filtered = self.world.call("GET", f"/backups?status={status or 'never_run'}").body["backups"]
        assert SUBJECT in {one["id"] for one in filtered}
        if self.health:
            assert (self.health.status, self.health.reason) == (status, shown["reason"] if shown else "")
        if shown:
            return "stays"
        return "goes" if self.store.status(SUBJECT) is None else "does not count"

    def unverified_since(self) -> str:
        if self.health is None:
            return "not counted"
        since = self.world.now - timedelta(minutes=self.health.unverified)
        if since >= self.changed_at:
            return "the change"
        return "last verified" if abs(since - self.verified_at) < timedelta(minutes=1) else f"{since}"

    def own_state(self) -> str:
        if self.health is None:
            return "goes" if self.status is None else "not counted"
        tells = (self.health.failures, self.health.harmed, self.health.native_sync)
        ends = (self.health.certificate_days, self.health.licence_days)
        if tells == (2, True, True) and None not in ends:
            return "stays"
        assert (tells, ends) == ((0, False, False), (None, None))
        return "goes"

    def pending_proof(self) -> str:
        return "stays" if pending_access_proof_of(self.status, self.world.snapshots) else "goes"

    def approval(self) -> str:
        backup = self.store.backup(SUBJECT)
        if backup and self.world.services().approval(backup):
            return "stays"
        return "goes" if self.store.approval(SUBJECT) is None else "does not count"

    def history_and_snapshots(self) -> str:
        (result,) = self.world.call("GET", f"/backups/{SUBJECT}/history?registrations=all").body["results"]
        (snapshot,) = self.world.call("GET", f"/backups/{SUBJECT}/snapshots").body["snapshots"]
        assert result["former"] == snapshot["former"]
        return "former" if result["former"] else "stays"

    def term(self) -> str:
        further = self.present.term - self.primary.term
        words = ["same", "next", "next but one"][further]
        assert bool(self.present.held) == bool(self.world.call("GET", "/primary").body["held"])
        return f"{words}, held" if self.present.held else words

    def baseline_and_accepted(self) -> str:
        counts = of_primary(self.store.baseline(), self.present) is not None
        assert bool(self.world.call("GET", "/primary").body["accepted"]) == counts
        return "stays" if counts else "does not count"

    def next_run(self) -> str:
        """What a run does when the primary holds something else than its backups."""
        self.servers.by_id[PRIMARY_ID].greeting = "good morning"
        if SUBJECT not in {result.backup_id for result in self._run().results}:
            return "leaves it out"
        return "writes" if self.servers.by_id[SUBJECT].writes else "only looks"

    def next_run_is_refused(self) -> str:
        """Why a run that begins now is not done."""
        return self._run().run.reason

    def _run(self) -> Report:
        context = RunContext(
            store=self.store,
            credentials=self.world.credentials,
            servers=self.servers,
            progress=RecordedProgress(),
            snapshots=self.world.snapshots,
            primary=self.world.stack_primary,
            lease_seconds=60,
            runtime=self.world.runtime,
        )
        return run(RunRequest(Trigger.SCHEDULE), context, Deadline(600, self.world.runtime.monotonic))


LOOKED_AT_ALONE = ("refused log-in", "next scheduled run", "during a run")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.change)
def test_while_a_run_is_under_way_the_change_is_made_or_refused_as_the_page_says(world: ApiWorld, row: Row) -> None:
    """And no row that is done makes another server the primary, unless the stack's parameters do."""
    made = Remembered(world, of_stack=row.stack_primary is not None)
    before = made.store.primary()
    assert made.store.acquire_lease("a run", now=world.now, expires_at=world.now + 24 * HOUR)
    refused = made.do(row)
    if refused:
        assert (refused.status, refused.body["reason"], row.cells["during a run"]) == (409, "lease_held", "refused")
    else:
        assert row.cells["during a run"] == "done"
    after = made.store.primary()
    assert (after and after.source) == (before and before.source)
    if row.stack_primary:
        assert made.next_run_is_refused() == "lease_held"
        assert made.present.source == row.stack_primary.source == (made.store.primary() or made.primary).source


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.change)
def test_what_is_remembered_after_a_change_is_as_the_page_says(world: ApiWorld, row: Row) -> None:
    after = Remembered.after(row, world)
    assert {
        "last result": after.last_result(),
        "unverified since": after.unverified_since(),
        "own state": after.own_state(),
        "pending proof": after.pending_proof(),
        "approval": after.approval(),
        "history, snapshots": after.history_and_snapshots(),
        "term": after.term(),
        "baseline, accepted": after.baseline_and_accepted(),
    } == {name: cell for name, cell in row.cells.items() if name not in LOOKED_AT_ALONE}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.change)
def test_a_refused_log_in_is_remembered_as_the_page_says(world: ApiWorld, row: Row) -> None:
    remembered = Remembered(world, of_stack=row.stack_primary is not None)
    remembered.refuse_log_in()
    assert remembered.do(row) is None
    assert remembered.refused_log_in() == row.cells["refused log-in"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.change)
def test_the_next_scheduled_run_does_what_the_page_says(world: ApiWorld, row: Row) -> None:
    assert Remembered.after(row, world, plain=True).next_run() == row.cells["next scheduled run"]


@given(st.lists(st.sampled_from([row for row in ROWS if not row.stack_primary]), min_size=2, max_size=4))
def test_what_a_change_ends_no_later_change_brings_back(changes: list[Row]) -> None:
    """Whatever is done after it, moving a server back to where it was included; some of it may be refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _nobody)
        world = ApiWorld()
        with world.running():
            remembered = Remembered(world)
            made = [row for row in changes if remembered.do(row) is None]
            left = {
                "last result": remembered.last_result(),
                "pending proof": remembered.pending_proof(),
                "approval": remembered.approval(),
                "history, snapshots": remembered.history_and_snapshots(),
                "baseline, accepted": remembered.baseline_and_accepted(),
            }
    for name, cell in left.items():
        if any(row.cells[name] in ("goes", "does not count", "former") for row in made):
            assert cell != "stays", (name, [row.change for row in made])


def _nobody(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


def test_every_field_of_a_change_has_a_row() -> None:
    sent: dict[str, set[str]] = {}
    for row in ROWS:
        for method, path, body in row.requests:
            sent.setdefault(f"{method} {path}", set()).update(body or {})
    constant = {"secure_connection"}
    assert sent["PATCH /backups/ftp2"] == set(BackupChange.model_fields) - constant
    assert sent["PATCH /primary"] == set(PrimaryChange.model_fields) - constant


def test_every_route_that_changes_a_registration_has_a_row() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    changing = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if method != "get" and path not in UNCHANGED | ELSEWHERE
    }
    named = {
        f"{method} {re.sub(r'/ftp[0-9]', '/{backup_id}', path)}" for row in ROWS for method, path, _ in row.requests
    }
    assert named == changing
