"""The function's handler on DynamoDB and Secrets Manager (moto), with the events that AWS and people send."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cerberus.client import BackupClient
from common.errors import Failure, Reason
from local.cerberus import Kind, drift
from registry.aws import open_sqs
from registry.fleet_records import Primary
from sync import app, reporting
from sync.fleet_health import fleet_health_of
from tests.integration.sync.conftest import INVOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from registry.aws import Clients
    from tests.integration.sync.conftest import Evidence, Fleet

pytestmark = pytest.mark.parametrize("registry", ["aws"], indirect=True)

SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-03-01T12:00:00Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:events:eu-central-1:123456789012:rule/sync-schedule"],
    "detail": {},
}
"""What EventBridge sends for a rule with a schedule, docs.aws.amazon.com/eventbridge, "Scheduled events"."""


@dataclass
class Context:
    """What the platform tells a function about its invocation. ``seconds`` is the time it has."""

    seconds: float = INVOCATION
    function_name: str = "sync"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:sync"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class Function:
    """The handler, as the platform calls it. ``reply`` checks that a reply can be sent; ``lines`` are its log."""

    def __init__(self, evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
        self._evidence = evidence
        self._capsys = capsys
        self._printed = ""
        self.log = io.StringIO()

    def __call__(self, event: object, *, seconds: float = INVOCATION) -> dict[str, Any]:
        try:
            reply = json.dumps(app.handler(event, Context(seconds)))  # type: ignore[arg-type]  # as far as it is used
        except BaseException as error:
            self._evidence.add_error(error)
            raise
        self._evidence.add("reply", reply)
        decoded: dict[str, Any] = json.loads(reply)
        return decoded

    def refused(self, event: object, **more: float) -> str:
        """The text of the error that the invocation ends with."""
        with pytest.raises(app.RunFailedError) as caught:
            self(event, **more)
        return str(caught.value)

    def lines(self) -> list[dict[str, Any]]:
        self._evidence.add("log output", self.log.getvalue())
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def metrics(self) -> list[dict[str, Any]]:
        """The blobs in CloudWatch's embedded metric format that were printed since the last call."""
        printed = self._capsys.readouterr()
        self._evidence.add("stdout", printed.out)
        self._evidence.add("stderr", printed.err)
        return [json.loads(line) for line in printed.out.splitlines() if '"_aws"' in line]


@pytest.fixture
def function(
    clients: Clients,
    variables: dict[str, str],
    evidence: Evidence,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Function]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = Function(evidence, capsys)
    [handler] = [each for each in app.logger.handlers if isinstance(each, logging.StreamHandler)]
    before = handler.setStream(made.log)
    app._run_context.cache_clear()
    yield made
    app._run_context.cache_clear()
    handler.setStream(before)
    made.lines()


def figures(blobs: list[dict[str, Any]]) -> dict[str, float]:
    """Metrics without a reason, by name; each blob is held to the format on the way."""
    values: dict[str, float] = {}
    for blob in blobs:
        [directive] = blob["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "CerberusSync"
        for metric in directive["Metrics"]:
            assert metric["Unit"] in ("Count", "Seconds", "None")
            for dimensions in directive["Dimensions"]:
                assert all(isinstance(blob[name], str) for name in dimensions)
                if dimensions == ["service"]:
                    [values[metric["Name"]]] = blob[metric["Name"]]
    return values


def failures(blobs: list[dict[str, Any]]) -> dict[str, float]:
    """Counts of the metric Failures by reason."""
    return {blob["reason"]: blob["Failures"][0] for blob in blobs if "Failures" in blob}


class TestEvents:
    def test_the_scheduled_event_serves_the_whole_fleet(self, fleet: Fleet, function: Function) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        reply = function(SCHEDULED)
        assert reply["status"] == "succeeded"
        assert {backup["id"]: backup["status"] for backup in reply["backups"]} == {"b1": "updated", "b2": "in_sync"}
        assert reply["counts"]["updated"] == 1
        stored = fleet.store.run(reply["run_id"])
        assert stored is not None
        assert (stored.trigger, stored.status) == ("schedule", "succeeded")
        assert {result.backup_id for result in fleet.store.results(reply["run_id"])} == {"b1", "b2"}
        again = function(SCHEDULED)
        assert {backup["status"] for backup in again["backups"]} == {"in_sync"}

    def test_on_demand_serves_the_named_ones(self, fleet: Fleet, function: Function) -> None:
        reply = function({"action": "sync", "backups": ["b2"], "requested_by": "an administrator"})
        assert [backup["id"] for backup in reply["backups"]] == ["b2"]
        assert fleet.servers["b1"].requests == []
        stored = fleet.store.run(reply["run_id"])
        assert stored is not None
        assert (stored.trigger, stored.requested_by) == ("on_demand", "an administrator")
        assert stored.requested_backups == ("b2",)

    def test_a_dry_run_on_demand_writes_nothing(self, fleet: Fleet, function: Function) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        reply = function({"action": "sync", "dry_run": True})
        assert {backup["id"]: backup["status"] for backup in reply["backups"]} == {"b1": "drifted", "b2": "in_sync"}
        [drifted] = [backup for backup in reply["backups"] if backup["id"] == "b1"]
        assert {part["status"] for part in drifted["parts"]} == {"different"}
        assert drifted["verified_at"] is None
        assert fleet.all_writes() == []

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "sync",
            [],
            {},
            {"action": "restore"},
            {"source": "aws.s3", "detail-type": "Scheduled Event"},
            {"action": "sync", "backup": ["b1"]},
            {"action": "sync", "backups": "b1"},
            {"action": "sync", "backups": [1]},
            {"action": "sync", "backups": [""]},
            {"action": "sync", "dry_run": "yes"},
            {"action": "sync", "accept_primary": 1},
            {"action": "sync", "requested_by": None},
        ],
        ids=str,
    )
    def test_an_event_that_is_not_understood_starts_nothing(
        self, fleet: Fleet, function: Function, event: object
    ) -> None:
        assert "event_invalid" in function.refused(event)
        assert fleet.primary.requests == []
        assert fleet.store.runs(limit=10) == ()
        assert any(line.get("reason") == "event_invalid" for line in function.lines())

    @pytest.mark.parametrize(("named", "reason"), [("nobody", "unknown_backup"), ("b2", "backup_disabled")])
    def test_a_backup_that_is_unknown_or_disabled_starts_nothing(
        self, fleet: Fleet, function: Function, named: str, reason: str
    ) -> None:
        registered = fleet.store.backup("b2")
        assert registered is not None
        fleet.store.update_backup(
            type(registered)(registered.id, registered.host, registered.port, registered.trust, enabled=False)
        )
        assert reason in function.refused({"action": "sync", "backups": ["b1", named]})
        [run] = fleet.store.runs(limit=10)
        assert (run.status, run.reason) == ("failed", reason)
        assert fleet.primary.requests == []
        assert failures(function.metrics()) == {reason: 1}


class TestWhatGoesWrong:
    def test_a_primary_that_is_down_is_an_error_after_everything_was_recorded(
        self, fleet: Fleet, function: Function
    ) -> None:
        fleet.primary.refuse_connections()
        assert "connection_refused" in function.refused(SCHEDULED)
        [run] = fleet.store.runs(limit=10)
        assert (run.status, run.reason) == ("failed", "connection_refused")
        assert {result.reason for result in fleet.store.results(run.id)} == {"run_aborted"}
        assert len(fleet.store.results(run.id)) == 2
        assert fleet.store.lease() is None
        blobs = function.metrics()
        assert figures(blobs)["RunsFailed"] == 1
        assert figures(blobs)["BackupsIncomplete"] == 2
        assert failures(blobs) == {"connection_refused": 1, "run_aborted": 2}
        assert [line["level"] for line in function.lines() if line["message"] == "run finished"] == ["ERROR"]

    def test_a_backup_that_is_down_is_no_error_of_the_function(self, fleet: Fleet, function: Function) -> None:
        fleet.servers["b1"].refuse_connections()
        reply = function(SCHEDULED)
        assert reply["status"] == "partial"
        [line] = [line for line in function.lines() if line.get("backup") == "b1"]
        assert (line["level"], line["reason"]) == ("WARNING", "connection_refused")

    def test_a_registration_that_cannot_be_read_stops_nobody_else(
        self, fleet: Fleet, function: Function, clients: Clients
    ) -> None:
        clients.dynamodb.put_item(
            TableName="sync-test",
            Item={"pk": {"S": "BACKUP"}, "sk": {"S": "b9"}, "id": {"S": "b9"}, "host": {"S": "h"}, "port": {"S": "x"}},
        )
        reply = function(SCHEDULED)
        assert {backup["id"]: backup["reason"] for backup in reply["backups"]} == {
            "b1": "",
            "b2": "",
            "b9": "record_unreadable",
        }
        status = fleet.store.status("b9")
        assert status is not None
        assert status.reason == "record_unreadable"

    def test_an_error_in_the_program_stops_its_own_backup_alone_and_its_text_is_not_let_out(
        self, fleet: Fleet, function: Function, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evidence.plant("text of an error in the program", "PLANTED-ERROR-TEXT")
        users = BackupClient.users

        def broken(client: BackupClient) -> str | bytes:
            if client.label.startswith("b1 "):
                raise ZeroDivisionError("PLANTED-ERROR-TEXT")
            return users(client)

        monkeypatch.setattr(BackupClient, "users", broken)
        reply = function(SCHEDULED)
        assert {backup["id"]: backup["reason"] for backup in reply["backups"]} == {"b1": "internal_error", "b2": ""}
        [line] = [line for line in function.lines() if line.get("backup") == "b1"]
        assert "ZeroDivisionError" in line["detail"]
        assert "test_handler.py" in line["fault"]

    def test_too_little_time_for_anything_is_recorded(self, fleet: Fleet, function: Function) -> None:
        assert "deadline" in function.refused(SCHEDULED, seconds=3)
        [run] = fleet.store.runs(limit=10)
        assert run.reason == "deadline"
        assert fleet.primary.requests == []

    def test_a_run_that_is_under_way_already_is_no_error(self, fleet: Fleet, function: Function) -> None:
        now = fleet.clock()
        fleet.clock.forward(hours=1)
        fleet.store.acquire_lease("other", now=now, expires_at=fleet.clock())
        reply = function(SCHEDULED)
        assert (reply["status"], reply["reason"], reply["backups"]) == ("not_run", "lease_held", [])
        assert figures(function.metrics())["RunsFinished"] == 0

    def test_a_registry_that_is_not_there_is_an_error(
        self, fleet: Fleet, function: Function, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TABLE_NAME", "another-table")
        assert "registry_unavailable" in function.refused(SCHEDULED)

    @pytest.mark.parametrize(
        "name",
        [
            "TABLE_NAME",
            "SECRET_PREFIX",
            "SNAPSHOT_BUCKET",
            "HISTORY_DAYS",
            "SNAPSHOT_DAYS",
            "LEASE_SECONDS",
            "BACKUPS_WITH_METRICS",
            "QUEUE_URL",
            "FAN_OUT_ABOVE",
            "FAN_OUT_MINUTES",
        ],
    )
    def test_a_variable_that_is_missing_is_an_error(
        self, fleet: Fleet, function: Function, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.delenv(name)
        message = function.refused(SCHEDULED)
        assert "configuration_invalid" in message
        assert name in message


class TestRunContext:
    def test_the_primary_of_the_stacks_parameters_serves_until_one_is_registered(
        self, fleet: Fleet, function: Function, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clients.dynamodb.delete_item(TableName="sync-test", Key={"pk": {"S": "PRIMARY"}, "sk": {"S": "SERVER"}})
        assert "primary_not_registered" in function.refused(SCHEDULED)
        app._run_context.cache_clear()
        monkeypatch.setenv("PRIMARY_HOST", "127.0.0.1")
        monkeypatch.setenv("PRIMARY_PORT", str(fleet.primary.port))
        monkeypatch.setenv("PRIMARY_FINGERPRINTS", fleet.primary.fingerprint)
        assert function(SCHEDULED)["status"] == "succeeded"
        fleet.store.save_primary(Primary("127.0.0.1", 1))
        assert "password_needed" in function.refused(SCHEDULED)
        fleet.log_in_again("primary")
        app._run_context.cache_clear()  # it may remember for some minutes what was stored
        assert "connection_refused" in function.refused(SCHEDULED)

    def test_loopback_is_refused_unless_it_is_allowed(
        self, fleet: Fleet, function: Function, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("ALLOWED_NETWORKS")
        assert "address_forbidden" in function.refused(SCHEDULED)
        assert fleet.primary.requests == []


class TestWhatIsTold:
    def test_metrics_count_backups_by_status_and_failures_by_reason(
        self, make_fleet: Callable[..., Fleet], function: Function
    ) -> None:
        fleet = make_fleet("b1", "b2", "b3", "b4")
        drift.everywhere(fleet.servers["b1"].state)
        fleet.servers["b3"].fault(Kind.HTML)
        fleet.servers["b4"].fault(Kind.HTML)
        function(SCHEDULED)
        blobs = function.metrics()
        emitted = figures(blobs)
        assert 0 < emitted.pop("RunDuration") < 30
        assert emitted.pop("ItemsChanged") > 0
        assert 300 < emitted.pop("FewestCertificateDays") <= 365
        assert 99 < emitted.pop("FewestLicenceDays") < 356
        assert emitted == {
            "RunsFinished": 1,
            "RunsFailed": 0,
            "BackupsInSync": 1,
            "BackupsUpdated": 1,
            "BackupsDrifted": 0,
            "BackupsBlocked": 0,
            "BackupsRolledBack": 0,
            "BackupsFailed": 2,
            "BackupsIncomplete": 0,
            "BackupsRestored": 0,
            "LongestUnverifiedMinutes": pytest.approx(0, abs=1),
            "MostFailuresInARow": 1,
            "BlockedNow": 0,
            "HarmedNow": 0,
            "NativeSyncsOn": 0,
        }
        assert failures(blobs) == {"not_soap": 2}

    def test_a_fleet_that_cannot_be_looked_at_afterwards_is_no_failure_of_the_run(
        self, fleet: Fleet, function: Function, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: object) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "DynamoDB Query failed: Throttling")

        monkeypatch.setattr(reporting, fleet_health_of.__name__, gone)
        assert function(SCHEDULED)["status"] == "succeeded"
        emitted = figures(function.metrics())
        assert emitted["RunsFinished"] == 1
        assert "MostFailuresInARow" not in emitted  # rather nothing than a fleet that looks well
        (line,) = [line for line in function.lines() if line["message"] == "metrics incomplete"]
        assert (line["level"], line["reason"]) == ("WARNING", "registry_unavailable")

    def test_every_log_line_of_a_run_bears_its_id(self, fleet: Fleet, function: Function) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        reply = function(SCHEDULED)
        lines = function.lines()
        assert [line["message"] for line in lines if line["message"] != "backup done"] == [
            "run started",
            "primary read",
            "run finished",
        ]
        assert {line["run_id"] for line in lines} == {reply["run_id"]}
        [done] = [line for line in lines if line.get("backup") == "b1"]
        assert done["parts"]["accounts"] == "pushed"
        assert done["seconds"] >= 0

    def test_no_secret_is_let_out_while_faults_of_every_shape_are_played(
        self, make_fleet: Callable[..., Fleet], function: Function
    ) -> None:
        """The watch over secrets looks through all of it at the end; here is only the noise."""
        kinds = (Kind.HTML, Kind.TRUNCATED_XML, Kind.TRUNCATED_DATA, Kind.DTD_IN_DATA, Kind.FAULT_11, Kind.FAULT_HYBRID)
        fleet = make_fleet(*(f"b{number}" for number in range(len(kinds))))
        for number, kind in enumerate(kinds):
            server = fleet.servers[f"b{number}"]
            drift.everywhere(server.state)
            server.fault(kind, "GetProfiles", text=f"said {server.state.machine.admin_password}")
        reply = function(SCHEDULED)
        assert reply["counts"]["failed"] == len(kinds)
        fleet.primary.fault(Kind.TRUNCATED_DATA, "GetProfiles")
        assert "document_malformed" in function.refused(SCHEDULED)


class TestTheQueue:
    """The fleet is fanned out above one backup; what comes back is what SQS hands over, and its answer."""

    @pytest.fixture(autouse=True)
    def url(self, function: Function, monkeypatch: pytest.MonkeyPatch) -> str:
        url = open_sqs().create_queue(QueueName="backups")["QueueUrl"]
        monkeypatch.setenv("QUEUE_URL", url)
        monkeypatch.setenv("FAN_OUT_ABOVE", "1")
        return url

    @staticmethod
    def event(url: str, *bodies: str) -> dict[str, Any]:
        """What Lambda makes of the waiting messages, docs.aws.amazon.com/lambda, "Using Lambda with Amazon SQS"."""
        received = open_sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        waiting = [(message["MessageId"], message["Body"]) for message in received]
        waiting += [(f"other-{number}", body) for number, body in enumerate(bodies)]
        return {
            "Records": [
                {
                    "messageId": message_id,
                    "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                    "body": body,
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
                    "messageAttributes": {},
                    "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                    "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:backups",
                    "awsRegion": "eu-central-1",
                }
                for message_id, body in waiting
            ]
        }

    def test_a_run_is_queued_served_and_concluded(self, fleet: Fleet, function: Function, url: str) -> None:
        drift.everywhere(fleet.servers["b1"].state)
        reply = function(SCHEDULED)
        assert (reply["status"], reply["backups"]) == ("running", [])
        assert function.metrics() == []
        assert fleet.servers["b1"].requests == fleet.servers["b2"].requests == []

        event = self.event(url)
        assert len(event["Records"]) == 2
        assert function(event) == {"batchItemFailures": []}
        run = fleet.store.run(reply["run_id"])
        assert run is not None
        assert (run.status, run.counts["updated"], run.counts["in_sync"]) == ("succeeded", 1, 1)
        assert figures(function.metrics())["RunsFinished"] == 1
        assert fleet.store.lease() is None

        assert function(event) == {"batchItemFailures": []}
        assert function.metrics() == [], "the run was told of once"

    def test_a_message_that_cannot_be_understood_comes_again_and_stops_no_other(
        self, fleet: Fleet, function: Function, url: str
    ) -> None:
        function(SCHEDULED)
        assert function(self.event(url, "nonsense")) == {"batchItemFailures": [{"itemIdentifier": "other-0"}]}
        assert fleet.store.runs(limit=1)[0].status == "succeeded"
        assert any(line["message"] == "message not understood" for line in function.lines())

    def test_what_is_held_by_somebody_else_comes_again(self, fleet: Fleet, function: Function, url: str) -> None:
        run_id = function(SCHEDULED)["run_id"]
        now = fleet.clock()
        fleet.store.claim_backup(run_id, "b1", "somebody", now=now, until=now + timedelta(minutes=1))
        event = self.event(url)
        (held,) = [record["messageId"] for record in event["Records"] if '"b1"' in record["body"]]
        assert function(event) == {"batchItemFailures": [{"itemIdentifier": held}]}
        assert function.metrics() == []
        assert fleet.store.runs(limit=1)[0].status == "running"

    def test_a_run_that_somebody_else_has_ended_just_before_is_not_told_of(
        self, fleet: Fleet, function: Function, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        function(SCHEDULED)
        monkeypatch.setattr("registry.dynamo.DynamoStore.finish_run", lambda *_, **__: False)
        assert function(self.event(url)) == {"batchItemFailures": []}
        assert function.metrics() == []
        assert not [line for line in function.lines() if line["message"] == "run finished"]

    def test_records_of_another_source_are_no_messages(self, fleet: Fleet, function: Function) -> None:
        assert "event_invalid" in function.refused({"Records": [{"eventSource": "aws:s3"}]})
        assert "event_invalid" in function.refused({"Records": []})
