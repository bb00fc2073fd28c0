"""Two runs at once, a holder of the lease that died, and too little time."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import sync.backup_runner
from local.cerberus import Kind, drift
from local.cerberus.server import Options
from sync.backup_runner import GRACE
from sync.results import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sync.conftest import Fleet


@pytest.mark.parametrize("registry", ["memory", "aws"], indirect=True)
class TestTheLease:
    def test_of_two_runs_at_once_one_does_the_work_and_the_other_says_that_it_did_not(self, fleet: Fleet) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        fleet.primary.fault(Kind.SLOW, "ServerInformation", seconds=0.3)
        under_way = threading.Event()
        fleet.progress.on_started = under_way.set
        reports: list[Report] = []
        worker = threading.Thread(target=lambda: reports.append(fleet.run()))
        worker.start()
        assert under_way.wait(5)

        second = fleet.run()
        worker.join(10)

        assert (second.run.status, second.run.reason) == ("not_run", "lease_held")
        assert second.results == ()
        assert fleet.store.results(second.run.id) == ()
        [first] = reports
        assert first.run.status == "succeeded"
        assert {run.id: run.status for run in fleet.store.runs(limit=10)} == {
            first.run.id: "succeeded",
            second.run.id: "not_run",
        }
        assert fleet.writes("b1").count("SaveProfiles") == 1
        assert fleet.store.lease() is None

    def test_a_holder_that_died_delays_by_one_lease_at_most(self, fleet: Fleet) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        taken = fleet.clock()
        fleet.store.acquire_lease("died", now=taken, expires_at=taken + timedelta(seconds=fleet.lease_seconds))
        assert fleet.run().run.reason == "lease_held"
        fleet.clock.forward(seconds=fleet.lease_seconds - 10)
        assert fleet.run().run.reason == "lease_held"
        assert fleet.all_writes() == []
        fleet.clock.forward(seconds=10)
        assert fleet.run().run.status == "succeeded"
        assert fleet.statuses()["b1"] == "updated"
        assert fleet.store.lease() is None

    def test_a_run_that_lost_its_lease_records_no_result(self, fleet: Fleet) -> None:
        def take_over() -> None:
            later = fleet.clock() + timedelta(hours=1)
            fleet.store.acquire_lease("other", now=later, expires_at=later + timedelta(hours=1))

        fleet.progress.on_started = take_over
        report = fleet.run()
        assert {result.reason for result in report.results} == {"lease_lost"}
        assert report.run.status == "partial"
        assert fleet.store.results(report.run.id) == ()
        lease = fleet.store.lease()
        assert lease is not None
        assert lease.owner == "other"


class TestTheDeadline:
    def test_what_does_not_fit_is_recorded_and_comes_first_next_time(
        self, make_fleet: Callable[..., Fleet], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sync.backup_runner, "MAX_WORKERS", 2)
        fleet = make_fleet()
        names = ("b1", "b2", "b3", "b4", "b5", "b6")
        for name in names:
            fleet.add_backup(name, options=Options(latency=0.08))  # 13 reads: 1.04 seconds each

        started = time.monotonic()
        report = fleet.run(seconds=1.6)
        took = time.monotonic() - started

        done = [name for name, status in fleet.statuses().items() if status == "in_sync"]
        left = [name for name, status in fleet.statuses().items() if status == "incomplete:deadline"]
        assert done == ["b1", "b2"]
        assert left == ["b3", "b4", "b5", "b6"]
        assert report.run.status == "partial"
        assert took < 1.6 + GRACE
        fleet.forget()

        fleet.run(seconds=3.5)

        first_seen = {name: fleet.servers[name].requests[0].at for name in names if fleet.servers[name].requests}
        order = sorted(first_seen, key=first_seen.__getitem__)
        assert set(order[:4]) == set(left)
        assert all(fleet.statuses()[name] == "in_sync" for name in left)

    def test_servers_that_hang_do_not_hold_a_run_past_its_deadline(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet("b1", "b2", "b3")
        fleet.configure(read_timeout=30)
        for name in ("b1", "b2"):
            fleet.servers[name].fault(Kind.SLOW, "GetProfiles", seconds=30)
        started = time.monotonic()
        fleet.run(seconds=0.8)
        assert time.monotonic() - started < 0.8 + GRACE
        assert fleet.statuses() == {"b1": "incomplete:deadline", "b2": "incomplete:deadline", "b3": "in_sync"}

    def test_a_deadline_in_the_middle_of_writing_says_what_was_written(self, fleet: Fleet) -> None:
        fleet.configure(read_timeout=30)
        drift.everywhere(fleet.servers["b1"].state)
        fleet.servers["b1"].fault(Kind.SLOW, "SaveProfiles", seconds=30)
        fleet.run(seconds=1.0)
        assert fleet.statuses()["b1"] == "incomplete:deadline"
        assert fleet.writes("b1") == ["SaveConfiguration", "SetAuthenticationList", "SaveProfiles"]
        statuses = {name: part.status for name, part in fleet.parts("b1").items()}
        assert (statuses["settings"], statuses["accounts"], statuses["mime_mappings"]) == (
            "pushed",
            "failed",
            "skipped",
        )
        assert fleet.result("b1").pushed_at is not None
        assert fleet.result("b1").verified_at is None

    def test_a_run_without_any_time_touches_no_server(self, fleet: Fleet) -> None:
        report = fleet.run(seconds=-5.0)
        assert (report.run.status, report.run.reason) == ("failed", "deadline")
        assert fleet.primary.requests == []
        assert fleet.statuses() == {"b1": "incomplete:run_aborted", "b2": "incomplete:run_aborted"}


class TestSize:
    def test_twenty_thousand_users_are_replicated(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet("b1", users=20_000, groups=20)
        assert len(fleet.primary.state.document("profiles")) > 10 * 1024 * 1024
        state = fleet.servers["b1"].state
        drift.remove_user(state, "user019999")
        drift.edit_user(state, "user010001", "@email", "drifted@elsewhere.example")
        fleet.configure(read_timeout=60)

        fleet.run(seconds=120)

        assert fleet.statuses() == {"b1": "updated"}
        accounts = fleet.parts("b1")["accounts"]
        assert (accounts.added, accounts.removed, accounts.changed) == (1, 0, 1)
        assert state.document("profiles") == fleet.primary.state.document("profiles")
        fleet.forget()
        fleet.run(seconds=120)
        assert fleet.statuses() == {"b1": "in_sync"}
        assert fleet.all_writes() == []
