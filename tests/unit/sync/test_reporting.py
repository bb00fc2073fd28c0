"""Log lines and metrics of a run."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from local.fakes.runtime import WallClockRuntime
from registry.run_records import BackupResult, Condition, Notice, PartResult, Run
from replication.model import Status
from sync import reporting
from sync.reporting import LoggedProgress, emit_metrics
from sync.results import Report, RunStatus
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.fakes.world import World

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def finished(status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> Run:
    return Run("r1", "schedule", NOON, status=status, finished_at=NOON + timedelta(seconds=2.5), **changes)


def result(status: str, reason: str = "", **changes: Any) -> BackupResult:
    defaults = {"backup_id": "b1", "run_id": "r1", "attempted_at": NOON, "status": status, "reason": reason}
    return BackupResult(**{**defaults, **changes})


@pytest.fixture
def progress(caplog: pytest.LogCaptureFixture) -> LoggedProgress:
    logger = Logger(service="reporting-test")
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    return LoggedProgress(logger)


class TestLines:
    @pytest.mark.parametrize(
        ("done", "level"),
        [
            (result("in_sync"), "INFO"),
            (result("failed", "read_timeout"), "WARNING"),
            (result("incomplete", "deadline"), "WARNING"),
            (result("failed", "access_lost"), "ERROR"),
        ],
    )
    def test_a_backup_with_a_reason_is_a_warning_and_lost_access_an_error(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture, done: BackupResult, level: str
    ) -> None:
        progress.backup_done(finished(), done, "")
        assert {record.levelname for record in caplog.records} == {level}

    def test_a_run_after_which_nobody_can_log_in_to_a_backup_is_an_error(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture
    ) -> None:
        progress.finished(finished(RunStatus.PARTIAL, reason="access_lost"))
        assert {record.levelname for record in caplog.records} == {"ERROR"}

    @pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.NOT_RUN])
    def test_only_a_failed_run_is_an_error(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture, status: RunStatus
    ) -> None:
        progress.finished(finished(status))
        expected = "ERROR" if status is RunStatus.FAILED else "INFO"
        assert {record.levelname for record in caplog.records} == {expected}

    def test_a_run_with_a_notice_is_a_warning_that_names_it(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture
    ) -> None:
        progress.finished(finished(notices=(Notice("state_not_kept", "S3 PutObject failed: SlowDown"),)))
        record = caplog.records[0]
        assert record.levelname == "WARNING"
        assert vars(record)["notices"] == [{"reason": "state_not_kept", "message": "S3 PutObject failed: SlowDown"}]

    @pytest.mark.parametrize("fault", ["", "servers.py:1 users"])
    def test_places_of_a_fault_are_told_when_there_are_any(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture, fault: str
    ) -> None:
        part = PartResult("accounts", "failed")
        progress.backup_done(finished(), result("failed", "internal_error", parts=(part,)), fault)
        said = vars(caplog.records[0])
        assert said["parts"] == {"accounts": "failed"}
        assert said.get("fault", "") == fault


type Blobs = list[dict[str, Any]]


@pytest.fixture
def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World
) -> Callable[[Report], Blobs]:
    """What a report prints about the fleet of ``world``, of which two backups have figures of their own."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CerberusSync")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "stack")
    context = replace(world.context, runtime=WallClockRuntime(lambda: NOON), backups_with_metrics=2)

    def emit(report: Report) -> Blobs:
        emit_metrics(report, context)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return emit


def of_fleet(blobs: Blobs) -> dict[str, float]:
    """All figures that have no dimension but the stack's name."""
    return {
        metric["Name"]: blob[metric["Name"]][0]
        for blob in blobs
        for directive in blob["_aws"]["CloudWatchMetrics"]
        if directive["Dimensions"] == [["service"]]
        for metric in directive["Metrics"]
    }


class TestMetrics:
    def test_every_status_has_its_figure(self, printed: Callable[[Report], Blobs]) -> None:
        counts = {status.value: number for number, status in enumerate(Status, start=1)}
        parts = (
            PartResult("settings", "pushed", added=1, removed=2, changed=3),
            PartResult("accounts", "failed", added=9),
        )
        blob = printed(Report(finished(counts=counts), (result("updated", parts=parts),)))[0]
        assert of_fleet([blob]) == {
            "RunsFinished": 1.0,
            "RunsFailed": 0.0,
            "RunDuration": 2.5,
            "ItemsChanged": 6.0,
            "BackupsInSync": 1.0,
            "BackupsUpdated": 2.0,
            "BackupsDrifted": 3.0,
            "BackupsBlocked": 5.0,
            "BackupsRolledBack": 6.0,
            "BackupsFailed": 4.0,
            "BackupsIncomplete": 7.0,
            "BackupsRestored": 8.0,
        }
        assert blob["service"] == "stack"

    @pytest.mark.parametrize(
        ("status", "reason", "done", "failed"),
        [
            (RunStatus.FAILED, "primary_empty", 1, 1),
            (RunStatus.PARTIAL, "", 1, 0),
            (RunStatus.NOT_RUN, "no_backups", 1, 0),
            (RunStatus.NOT_RUN, "lease_held", 0, None),
            (RunStatus.NOT_RUN, "already_started", 0, None),
        ],
    )
    def test_only_what_another_run_does_is_not_counted_as_one(
        self, printed: Callable[[Report], Blobs], status: RunStatus, reason: str, done: int, failed: int | None
    ) -> None:
        figures = of_fleet(printed(Report(finished(status, reason=reason))))
        assert (figures["RunsFinished"], figures.get("RunsFailed")) == (done, failed)
        assert ("LongestUnverifiedMinutes" in figures) == bool(done)

    def test_reasons_of_run_and_backups_are_counted_by_their_codes(self, printed: Callable[[Report], Blobs]) -> None:
        results = (result("failed", "not_soap"), result("failed", "not_soap"), result("in_sync"))
        notices = (Notice("state_not_kept", "S3 PutObject failed: SlowDown"),)
        report = Report(finished(RunStatus.PARTIAL, reason="registry_unavailable", notices=notices), results)
        blobs = printed(report)
        assert {blob["reason"]: blob["Failures"] for blob in blobs if "Failures" in blob} == {
            "registry_unavailable": [1.0],
            "state_not_kept": [1.0],
            "not_soap": [2.0],
        }

    def test_the_first_backups_have_figures_of_their_own_and_no_more(
        self, printed: Callable[[Report], Blobs], world: World
    ) -> None:
        world.update("b1", created_at=NOON - timedelta(minutes=7))
        ends = Condition(NOON + timedelta(days=3), NOON + timedelta(days=4), native_sync=False)
        remember(world, result("failed", "not_soap", failures=1, condition=ends))
        blobs = [blob for blob in printed(Report(finished())) if "backup" in blob]
        assert [blob["backup"] for blob in blobs] == ["b1", "b2"]
        first, second = blobs
        assert first["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["backup", "service"]]
        names = ("UnverifiedMinutes", "FailuresInARow", "CertificateDays", "LicenceDays", "status", "reason")
        assert [first[name] for name in names] == [[7.0], [1.0], [3.0], [4.0], "failed", "not_soap"]
        assert [second.get(name) for name in names] == [[0.0], [0.0], None, None, "", ""]

    def test_every_metric_that_is_declared_is_emitted_and_no_other(
        self, printed: Callable[[Report], Blobs], world: World
    ) -> None:
        ends = Condition(NOON, NOON, native_sync=True)
        remember(world, result("failed", "not_soap", condition=ends))
        blobs = printed(Report(finished(primary=ends), (result("failed", "not_soap"),)))
        emitted = {
            (metric["Name"], metric["Unit"], frozenset(dimensions))
            for blob in blobs
            for directive in blob["_aws"]["CloudWatchMetrics"]
            for dimensions in directive["Dimensions"]
            for metric in directive["Metrics"]
        }
        assert emitted == {
            (metric.name, metric.unit.value, frozenset({reporting.SERVICE, *metric.dimensions}))
            for metric in reporting.METRICS
        }
        # The format's own limits.
        assert all(len(d["Metrics"]) <= 100 for blob in blobs for d in blob["_aws"]["CloudWatchMetrics"])


class TestFleet:
    """What the alarms read: the worst of all backups, from what is remembered of them."""

    @pytest.fixture
    def fleet(self, printed: Callable[[Report], Blobs]) -> Callable[..., dict[str, float]]:
        def look(primary: Condition | None = None) -> dict[str, float]:
            return of_fleet(printed(Report(finished(primary=primary)))[1:])

        return look

    def test_a_fleet_without_results_is_well(self, fleet: Callable[..., dict[str, float]]) -> None:
        assert fleet(Condition()) == {
            "LongestUnverifiedMinutes": 0,
            "MostFailuresInARow": 0,
            "BlockedNow": 0,
            "HarmedNow": 0,
            "NativeSyncsOn": 0,
        }

    def test_the_worst_of_all_backups_counts(self, fleet: Callable[..., dict[str, float]], world: World) -> None:
        def days(certificate: int, licence: int) -> Condition:
            return Condition(NOON + timedelta(days=certificate), NOON + timedelta(days=licence), native_sync=True)

        remember(
            world,
            result("in_sync", verified_at=NOON - timedelta(minutes=5), failures=0, condition=days(100, 200)),
            result("blocked", verified_at=NOON - timedelta(minutes=50), backup_id="b2", condition=days(90, 300)),
            result("failed", backup_id="b3", failures=1, harmed=True),
            result("failed", backup_id="b3", run_id="r2", failures=1, verified_at=NOON - timedelta(minutes=6)),
        )
        assert fleet(days(95, 199)) == {
            "LongestUnverifiedMinutes": 50,
            "MostFailuresInARow": 2,
            "BlockedNow": 1,
            "HarmedNow": 1,
            "NativeSyncsOn": 3,
            "FewestCertificateDays": 90,
            "FewestLicenceDays": 199,
        }

    def test_what_includes_the_primary_is_not_told_without_it(self, fleet: Callable[..., dict[str, float]]) -> None:
        assert not {"NativeSyncsOn", "FewestCertificateDays", "FewestLicenceDays"} & set(fleet(None))

    def test_neither_is_what_the_run_has_read_of_a_primary_that_was_replaced_meanwhile(
        self, fleet: Callable[..., dict[str, float]], world: World
    ) -> None:
        registered = world.store.primary()
        assert registered is not None
        world.store.save_primary(replace(registered, term=1))
        assert fleet(Condition(NOON + timedelta(days=3), NOON, native_sync=True)) == fleet()

    @pytest.mark.parametrize(
        ("change", "counted"),
        [
            ({}, {"LongestUnverifiedMinutes": 60, "MostFailuresInARow": 1, "HarmedNow": 1, "NativeSyncsOn": 1}),
            ({"enabled": False}, {"LongestUnverifiedMinutes": 0, "MostFailuresInARow": 0, "NativeSyncsOn": 0}),
            ({"paused": "being moved"}, {"LongestUnverifiedMinutes": 0, "MostFailuresInARow": 0, "HarmedNow": 0}),
            ({"paused": "being moved"}, {"FewestCertificateDays": 3, "NativeSyncsOn": 1}),
            ({"report_only": True}, {"LongestUnverifiedMinutes": 0, "MostFailuresInARow": 1, "HarmedNow": 1}),
        ],
    )
    def test_what_is_looked_after_otherwise_does_not_count(
        self,
        fleet: Callable[..., dict[str, float]],
        world: World,
        change: dict[str, object],
        counted: dict[str, float],
    ) -> None:
        condition = Condition(NOON + timedelta(days=3), native_sync=True)
        hour_ago = NOON - timedelta(hours=1)
        remember(world, result("failed", verified_at=hour_ago, failures=1, harmed=True, condition=condition))
        world.update("b1", **change)
        figures = fleet(Condition())
        assert {name: figures[name] for name in counted} == counted

    def test_a_registration_that_cannot_be_read_is_not_forgotten(
        self, fleet: Callable[..., dict[str, float]], world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.add_backup("b9")
        others = tuple(backup for backup in world.store.backups() if backup.id != "b9")
        monkeypatch.setattr(world.store, "backups", lambda: others)
        monkeypatch.setattr(world.store, "unreadable_backups", lambda: (("b9", "no host"),))
        remember(world, result("failed", "record_unreadable", backup_id="b9", failures=1))
        assert fleet()["MostFailuresInARow"] == 1


def remember(world: World, *results: BackupResult) -> None:
    world.store.acquire_lease("me", now=NOON, expires_at=NOON + timedelta(minutes=1))
    for one in results:
        world.store.record_result(as_registered(one, world.store), lease_owner="me")
