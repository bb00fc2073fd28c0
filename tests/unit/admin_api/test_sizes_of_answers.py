"""No answer is larger than Lambda passes on, whatever is stored; its pages together hold all, the urgent part first."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from admin_api.pages import LARGEST_ANSWER, refuse_too_large
from common.errors import Failure, Reason
from local.fakes.management_api import Answer, ApiWorld
from local.fakes.store import MemoryStore
from registry.fleet_records import Backup, TlsTrust
from registry.run_records import BackupResult, Notice, PartResult, Run
from registry.store_rules import MESSAGE_LIMIT, WARNING_LIMIT
from replication.model import PartName, Status

LAMBDA_PASSES_ON = 6_291_556
"""Bytes of the JSON of a reply, by AWS' documentation."""
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = "20261122T120000.000000Z-0badc0de"
STATUSES = [*Status]


@dataclass(frozen=True)
class Fleet:
    """What is stored: so many backups, runs and notices, and texts of so many of this character."""

    backups: int
    runs: int
    notices: int
    character: str
    length: int

    @property
    def text(self) -> str:
        return self.character * self.length

    def ids(self) -> list[str]:
        return [f"b{number:05}" for number in range(self.backups)]

    def run_ids(self) -> list[str]:
        return [f"{AT + timedelta(minutes=number):%Y%m%dT%H%M%S.%f}Z-0badc0de" for number in range(self.runs)]

    def store(self) -> MemoryStore:
        store = MemoryStore()
        parts = tuple(PartResult(part, "failed", message=self.text) for part in PartName)
        store.acquire_lease("me", now=AT, expires_at=AT + timedelta(hours=1))
        for number, name in enumerate(self.ids()):
            tags = {f"{tag}": self.text[:256] for tag in range(50)}
            rules = tuple(f"{rule}{self.text[:200]}" for rule in range(200))
            added = store.add_backup(Backup(name, f"{name}.example", 1, TlsTrust("x" * 60_000), tags=tags, rules=rules))
            result = BackupResult(
                name,
                RUN,
                STATUSES[number % len(STATUSES)],
                AT,
                Reason.ACCESS_LOST if number == self.backups - 1 else "",
                self.text,
                parts=parts,
                warnings=(self.text,) * WARNING_LIMIT,
                registration=added.registration,
            )
            store.record_result(result, lease_owner="me")
        for name in self.run_ids():
            notices = tuple(Notice(Reason.BACKUP_PAUSED, self.text) for _ in range(self.notices))
            named = tuple("b" * 63 for _ in range(1000))
            store.save_run(Run(name, "schedule", AT, requested_backups=named, notices=notices, message=self.text))
            if backup := store.backup("b00000"):
                result = BackupResult(
                    "b00000", name, "failed", AT, "", self.text, parts=parts, registration=backup.registration
                )
                store.record_result(result, lease_owner="me")
        store.save_run(Run(RUN, "schedule", AT))
        return store


FLEETS = st.builds(
    Fleet,
    backups=st.integers(0, 40),
    runs=st.integers(0, 60),
    notices=st.integers(0, 60),
    character=st.sampled_from(["x", '"', "\\", "ä", "😀", "\x1f"]),
    length=st.integers(0, MESSAGE_LIMIT),
)
LARGE = Fleet(backups=30, runs=100, notices=50, character='"', length=MESSAGE_LIMIT)


def _fits(answer: Answer) -> Answer:
    assert answer.status == 200, answer.text[:300]
    assert len(json.dumps({"statusCode": 200, "multiValueHeaders": answer.all_headers, "body": answer.text})) < (
        LAMBDA_PASSES_ON
    )
    return answer


def _all(world: ApiWorld, target: str, key: str, name: str, limit: int) -> list[str]:
    """The names of all entries on all pages."""
    entries: list[str] = []
    after = ""
    while True:
        body = _fits(world.call("GET", f"{target}?limit={limit}{after}")).body
        assert len(body[key]) <= limit
        entries += [entry[name] for entry in body[key]]
        if not body["next"]:
            return entries
        assert body[key], "a page that leads on has something"
        after = f"&next={body['next']}"


@settings(max_examples=8)
@given(fleet=FLEETS, limit=st.sampled_from([1, 7, 200]))
@example(fleet=LARGE, limit=200)
def test_every_page_fits_and_together_they_hold_all(world: ApiWorld, fleet: Fleet, limit: int) -> None:
    world.store = fleet.store()
    ids, runs = fleet.ids(), fleet.run_ids()
    assert _all(world, "/backups", "backups", "id", limit) == ids
    assert sorted(_all(world, "/sync-runs", "runs", "id", limit)) == sorted({*runs, RUN})
    assert sorted(_all(world, f"/sync-runs/{RUN}", "results", "backup_id", limit)) == ids
    if ids:
        assert sorted(_all(world, "/backups/b00000/history", "results", "run_id", limit)) == sorted({*runs, RUN})


def test_of_a_run_the_servers_that_nobody_can_log_in_to_come_first_and_those_that_are_well_last(
    world: ApiWorld,
) -> None:
    fleet = Fleet(backups=25, runs=0, notices=0, character="x", length=10)
    world.store = fleet.store()
    shown: list[Any] = []
    after = ""
    while after is not None:
        body = world.call("GET", f"/sync-runs/{RUN}?limit=4" + (f"&next={after}" if after else "")).body
        assert body["progress"]["done"] == 25
        shown += body["results"]
        after = body["next"]
    assert (shown[0]["backup_id"], shown[0]["reason"]) == ("b00024", "access_lost")
    statuses = [result["status"] for result in shown[1:]]
    order = ["rolled_back", "failed", "blocked", "incomplete", "drifted", "restored", "updated", "in_sync"]
    assert statuses == sorted(statuses, key=order.index)


@pytest.mark.parametrize("next_page", ["b00001", "1-", "x-b1", "10-b1", "1-B1", "1-b1%0A"])
def test_a_place_that_no_answer_has_named_is_refused(world: ApiWorld, next_page: str) -> None:
    world.store = Fleet(1, 1, 0, "x", 1).store()
    assert world.call("GET", f"/sync-runs/{RUN}?next={next_page}").status == 422


def test_records_that_cannot_be_understood_are_listed_up_to_a_number(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = tuple((f"b{number}", "x\x1b" * 5000) for number in range(5000))
    monkeypatch.setattr(world.store, "unreadable_backups", lambda: unreadable)
    body = _fits(world.call("GET", "/backups")).body
    assert (len(body["unreadable"]), body["more_unreadable"]) == (200, 4800)
    assert body["unreadable"][0]["complaint"][:4] == "x?x?"


def test_an_answer_that_would_be_lost_is_a_failure_that_is_told() -> None:
    for body in ("x" * (LARGEST_ANSWER + 1), '"' * (LARGEST_ANSWER // 2 + 1), "😀" * (LARGEST_ANSWER // 10)):
        with pytest.raises(Failure, match="too many"):
            refuse_too_large(body)
    assert refuse_too_large("x" * 1000) == "x" * 1000
