"""Log lines and metrics of a run."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from registry.models import BackupResult, Notice, PartResult, Run
from replication.model import Status
from sync.concluding import Report, RunStatus
from sync.reporting import LoggedProgress, emit_metrics

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def finished(status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> Run:
    return Run("r1", "schedule", NOON, status=status, finished_at=NOON + timedelta(seconds=2.5), **changes)


def result(status: str, reason: str = "", **changes: Any) -> BackupResult:
    return BackupResult("b1", "r1", status, NOON, reason=reason, **changes)


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
        ],
    )
    def test_a_backup_with_a_reason_is_a_warning(
        self, progress: LoggedProgress, caplog: pytest.LogCaptureFixture, done: BackupResult, level: str
    ) -> None:
        progress.backup_done(finished(), done, "")
        assert {record.levelname for record in caplog.records} == {level}

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


def printed(
    report: Report, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CerberusSync")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sync")
    emit_metrics(report)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class TestMetrics:
    def test_every_status_has_its_figure(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts = {status.value: number for number, status in enumerate(Status, start=1)}
        [blob] = printed(Report(finished(counts=counts)), capsys, monkeypatch)
        names = {metric["Name"] for metric in blob["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        assert {name: blob[name] for name in names} == {
            "RunsFinished": [1.0],
            "RunsFailed": [0.0],
            "RunDuration": [2.5],
            "BackupsInSync": [1.0],
            "BackupsUpdated": [2.0],
            "BackupsDrifted": [3.0],
            "BackupsBlocked": [5.0],
            "BackupsRolledBack": [6.0],
            "BackupsFailed": [4.0],
            "BackupsIncomplete": [7.0],
        }
        assert blob["service"] == "sync"

    @pytest.mark.parametrize(
        ("status", "done", "failed"),
        [(RunStatus.NOT_RUN, 0, 0), (RunStatus.FAILED, 1, 1), (RunStatus.PARTIAL, 1, 0)],
    )
    def test_a_run_that_was_not_done_is_not_counted_as_one(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        status: RunStatus,
        done: int,
        failed: int,
    ) -> None:
        [blob] = printed(Report(finished(status)), capsys, monkeypatch)
        assert (blob["RunsFinished"], blob["RunsFailed"]) == ([done], [failed])

    def test_reasons_of_run_and_backups_are_counted_by_their_codes(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        results = (result("failed", "not_soap"), result("failed", "not_soap"), result("in_sync"))
        notices = (Notice("state_not_kept", "S3 PutObject failed: SlowDown"),)
        report = Report(finished(RunStatus.PARTIAL, reason="registry_unavailable", notices=notices), results)
        blobs = printed(report, capsys, monkeypatch)
        assert {blob["reason"]: blob["Failures"] for blob in blobs if "Failures" in blob} == {
            "registry_unavailable": [1.0],
            "state_not_kept": [1.0],
            "not_soap": [2.0],
        }
