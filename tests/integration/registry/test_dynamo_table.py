"""What only the DynamoDB store can get wrong: rows, pages, time to live, AWS' errors."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from local.fakes.runtime import FakeRuntime
from registry.aws import Clients, open_clients
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Primary, SyncSettings
from registry.run_records import BackupResult, PartResult, PrimaryAcceptance, PrimaryBaseline, Run
from registry.store import AlreadyRegistered, VersionConflict

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BACKUP = Backup("b1", "files1.example", 8443)
DISCARDED = "DISCARDED"
"""Remembers a removed backup's secret until whoever removed the backup has removed it too."""
ADDED = replace(BACKUP, registration="registration-1", version=1)
"""``BACKUP`` as the first registration of a store."""


def result(backup_id: str = "b1", run_id: str = "r1", **attributes: Any) -> BackupResult:
    """Of the first registration of a store, unless it is said otherwise."""
    registered = {"registration": "registration-1", **attributes}
    return BackupResult(backup_id=backup_id, run_id=run_id, status="synchronized", attempted_at=NOON, **registered)


def bulky(backup_id: str, run_id: str) -> BackupResult:
    """A result of about 50 KB, of which 1 MB are more than a page."""
    return result(backup_id, run_id, warnings=("w" * 1_000,) * 50)


def hold_lease(store: DynamoStore) -> None:
    assert store.acquire_lease("me", now=NOON, expires_at=NOON + timedelta(minutes=1))


class TestRows:
    def test_every_row_is_where_it_is_looked_for(self, dynamo_store: DynamoStore, raw: Any) -> None:
        dynamo_store.save_primary(Primary("main.example", 443))
        dynamo_store.save_settings(SyncSettings())
        dynamo_store.add_backup(replace(BACKUP, host="Files1.Example"))
        hold_lease(dynamo_store)
        dynamo_store.save_baseline(PrimaryBaseline(1, 2, NOON, "r1"), lease_owner="me")
        dynamo_store.save_acceptance(PrimaryAcceptance({}), lease_owner="me")
        dynamo_store.save_run(Run("r1", "schedule", NOON))
        dynamo_store.record_result(result(), lease_owner="me")
        assert {(item["pk"]["S"], item["sk"]["S"]) for item in raw.items()} == {
            ("PRIMARY", "SERVER"),
            ("SETTINGS", "SYNC"),
            ("BACKUP", "b1"),
            ("ADDRESS", "files1.example#8443"),
            ("STATUS", "b1"),
            ("LEASE", "LEASE"),
            ("BASELINE", "PRIMARY"),
            ("ACCEPTANCE", "PRIMARY"),
            ("RUN", "r1"),
            ("RESULT#r1", "b1"),
            ("HISTORY#b1", "r1"),
        }

    def test_only_runs_and_results_expire_and_they_do_in_seconds(self, clients: Clients, raw: Any) -> None:
        store = DynamoStore("registry-test", clients.dynamodb, SystemRuntime(), history_days=30)
        store.save_primary(Primary("main.example", 443))
        store.save_settings(SyncSettings())
        store.add_backup(BACKUP)
        hold_lease(store)
        store.save_baseline(PrimaryBaseline(1, 2, NOON, "r1"), lease_owner="me")
        store.save_run(Run("r1", "schedule", NOON))
        store.record_result(result(), lease_owner="me")
        in_30_days = {"N": str(int(datetime(2026, 3, 31, 12, 0, tzinfo=UTC).timestamp()))}
        assert {item["pk"]["S"]: item["expires_at"] for item in raw.items() if "expires_at" in item} == {
            "RUN": in_30_days,
            "RESULT#r1": in_30_days,
            "HISTORY#b1": in_30_days,
        }

    def test_a_removed_backup_leaves_only_its_history(self, dynamo_store: DynamoStore, raw: Any) -> None:
        dynamo_store.add_backup(BACKUP)
        hold_lease(dynamo_store)
        dynamo_store.record_result(result(), lease_owner="me")
        dynamo_store.release_lease("me")
        dynamo_store.delete_backup("b1")
        assert {item["pk"]["S"] for item in raw.items()} == {"RESULT#r1", "HISTORY#b1", DISCARDED}


class TestPages:
    def test_results_of_more_than_a_page_are_all_read(
        self, dynamo_store: DynamoStore, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold_lease(dynamo_store)
        for number in range(45):
            added = dynamo_store.add_backup(Backup(f"b{number:02}", "files.example", number + 1))
            one = replace(bulky(added.id, "r1"), registration=added.registration)
            dynamo_store.record_result(one, lease_owner="me")
        queries = []
        clients.dynamodb.meta.events.register("before-call.dynamodb.Query", lambda **_: queries.append(1))
        assert [one.backup_id for one in dynamo_store.results("r1")] == [f"b{number:02}" for number in range(45)]
        assert len(queries) >= 3
        assert len(dynamo_store.statuses()) == 45

    def test_a_history_of_more_than_a_page_is_read_as_far_as_asked_for(self, dynamo_store: DynamoStore) -> None:
        hold_lease(dynamo_store)
        for number in range(45):
            dynamo_store.record_result(bulky("b1", f"r{number:02}"), lease_owner="me")
        newest = [f"r{number:02}" for number in range(44, -1, -1)]
        assert [one.run_id for one in dynamo_store.history("b1", limit=40)] == newest[:40]
        assert [one.run_id for one in dynamo_store.history("b1", limit=40, before="r05")] == newest[40:]

    def test_registrations_of_more_than_a_page_are_all_read(self, dynamo_store: DynamoStore) -> None:
        for number in range(12):
            dynamo_store.add_backup(Backup(f"b{number:02}", "f.example", number + 1, rules=("r" * 1_000,) * 100))
        assert len(dynamo_store.backups()) == 12

    def test_a_page_of_runs_asks_for_no_more_than_it_needs(self, dynamo_store: DynamoStore, clients: Clients) -> None:
        for number in range(5):
            dynamo_store.save_run(Run(f"r{number}", "schedule", NOON))
        asked: list[int] = []
        clients.dynamodb.meta.events.register(
            "provide-client-params.dynamodb.Query", lambda params, **_: asked.append(params["Limit"])
        )
        assert [run.id for run in dynamo_store.runs(limit=2)] == ["r4", "r3"]
        assert asked == [2]


class TestUnreadableRows:
    def test_a_bad_registration_is_reported_and_stops_no_other(self, dynamo_store: DynamoStore, raw: Any) -> None:
        dynamo_store.add_backup(BACKUP)
        raw.put("BACKUP", "a-bad", id={"S": "a-bad"}, host={"S": "x.example"}, port={"S": "planted-value"})
        raw.put("BACKUP", "z-copy", id={"S": "b1"}, host={"S": "x.example"}, port={"N": "1"})
        assert dynamo_store.backups() == (ADDED,)
        reported = dict(dynamo_store.unreadable_backups())
        assert set(reported) == {"a-bad", "z-copy"}
        assert "port" in reported["a-bad"]
        assert "planted" not in reported["a-bad"]
        assert "id" in reported["z-copy"]

    def test_asked_for_alone_it_is_a_failure_that_names_the_row(self, dynamo_store: DynamoStore, raw: Any) -> None:
        raw.put("BACKUP", "bad", id={"S": "bad"})
        with pytest.raises(Failure, match="BACKUP / bad") as failed:
            dynamo_store.backup("bad")
        assert failed.value.reason is Reason.RECORD_UNREADABLE

    def test_a_bad_status_is_left_out_of_lists_and_told(self, dynamo_store: DynamoStore, raw: Any) -> None:
        raw.put("STATUS", "bad", backup_id={"S": "bad"})
        assert dynamo_store.statuses() == dynamo_store.statuses(["bad", "unknown"]) == {}
        assert dynamo_store.unreadable_statuses() == (("bad", "run_id: is missing"),)

    def test_it_can_be_replaced(self, dynamo_store: DynamoStore, raw: Any) -> None:
        dynamo_store.add_backup(BACKUP)
        raw.put("BACKUP", "b1", host={"N": "1"}, version={"S": "?"})
        moved = dynamo_store.update_backup(BACKUP)
        assert moved == replace(ADDED, registration="registration-2")
        assert dynamo_store.backups() == (moved,)

    def test_it_can_be_removed_together_with_its_address(self, dynamo_store: DynamoStore, raw: Any) -> None:
        dynamo_store.add_backup(BACKUP)
        raw.put("BACKUP", "b1", host={"N": "1"})
        dynamo_store.delete_backup("b1")
        assert {item["pk"]["S"] for item in raw.items()} == {DISCARDED}

    def test_it_keeps_its_id(self, dynamo_store: DynamoStore, raw: Any) -> None:
        raw.put("BACKUP", "b1", host={"N": "1"})
        with pytest.raises(AlreadyRegistered):
            dynamo_store.add_backup(BACKUP)

    def test_bad_settings_are_never_taken_for_the_defaults(self, dynamo_store: DynamoStore, raw: Any) -> None:
        raw.put("SETTINGS", "SYNC", read_timeout={"S": "soon"}, version={"N": "3"})
        with pytest.raises(Failure) as failed:
            dynamo_store.settings()
        assert failed.value.reason is Reason.RECORD_UNREADABLE
        assert dynamo_store.save_settings(SyncSettings(), expected_version=3) == SyncSettings(version=4)
        assert dynamo_store.settings() == SyncSettings(version=4)

    def test_bad_results_are_left_out_of_lists_and_logged(
        self, dynamo_store: DynamoStore, raw: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        hold_lease(dynamo_store)
        for run_id in ("r1", "r3"):
            dynamo_store.record_result(result(run_id=run_id), lease_owner="me")
        raw.put("HISTORY#b1", "r2", backup_id={"S": "b1"}, status={"S": "planted-value"})
        with caplog.at_level(logging.WARNING):
            assert [one.run_id for one in dynamo_store.history("b1", limit=2)] == ["r3", "r1"]
        assert "HISTORY#b1 / r2" in caplog.text
        assert "planted" not in caplog.text


class TestChangesAtTheSameMoment:
    """Another writer comes between this one's read and its write."""

    @pytest.fixture
    def meanwhile(self, clients: Clients) -> Callable[[Callable[[], object]], None]:
        def arrange(action: Callable[[], object]) -> None:
            pending = [action]

            def once(**_: Any) -> None:
                if pending:
                    pending.pop()()

            clients.dynamodb.meta.events.register("before-parameter-build.dynamodb.TransactWriteItems", once)

        return arrange

    @pytest.mark.parametrize("change", ["update", "delete"])
    def test_a_registration_changed_meanwhile_is_a_conflict(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None], change: str
    ) -> None:
        added = dynamo_store.add_backup(BACKUP)
        theirs = replace(added, enabled=False, host="theirs.example")
        meanwhile(lambda: dynamo_store.update_backup(theirs))
        mine: dict[str, Callable[[], object]] = {
            "update": partial(dynamo_store.update_backup, replace(added, host="mine.example")),
            "delete": partial(dynamo_store.delete_backup, "b1"),
        }
        with pytest.raises(VersionConflict):
            mine[change]()
        (stored,) = dynamo_store.backups()
        assert stored == replace(theirs, registration=stored.registration, version=2)
        dynamo_store.add_backup(Backup("b2", "mine.example", BACKUP.port))
        with pytest.raises(AlreadyRegistered):
            dynamo_store.add_backup(Backup("b3", "theirs.example", BACKUP.port))

    def test_a_registration_removed_meanwhile_does_not_come_back(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None], raw: Any
    ) -> None:
        added = dynamo_store.add_backup(BACKUP)
        meanwhile(lambda: dynamo_store.delete_backup("b1"))
        with pytest.raises(VersionConflict):
            dynamo_store.update_backup(added)
        assert {item["pk"]["S"] for item in raw.items()} == {DISCARDED}

    def test_settings_saved_first_by_two_are_a_conflict_for_the_second(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        for reply_limit in (1, 2):
            meanwhile(partial(dynamo_store.save_settings, SyncSettings(reply_limit_mb=reply_limit)))
            with pytest.raises(VersionConflict):
                dynamo_store.save_settings(SyncSettings(reply_limit_mb=99))
            assert dynamo_store.settings() == SyncSettings(reply_limit_mb=reply_limit, version=reply_limit)

    @pytest.mark.parametrize("named", [Primary("main.example", 443, held="why"), Primary("mine.example", 443)])
    def test_a_primary_saved_meanwhile_is_a_conflict_for_the_second(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None], named: Primary
    ) -> None:
        for version in (1, 2):
            theirs = Primary("main.example", 443, term=version)
            meanwhile(partial(dynamo_store.save_primary, theirs))
            with pytest.raises(VersionConflict):
                dynamo_store.save_primary(named, now=NOON)
            assert dynamo_store.primary() == replace(theirs, version=version)

    def test_a_run_that_begins_meanwhile_keeps_its_primary(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        before = dynamo_store.save_primary(Primary("main.example", 443))
        meanwhile(partial(hold_lease, dynamo_store))
        with pytest.raises(Failure) as failed:
            dynamo_store.save_primary(replace(before, port=444), now=NOON)
        assert failed.value.reason is Reason.LEASE_HELD
        assert dynamo_store.primary() == before

    def test_a_result_recorded_meanwhile_is_merged_into_the_status(
        self, dynamo_store: DynamoStore, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        dynamo_store.add_backup(BACKUP)
        hold_lease(dynamo_store)
        for number in (1, 2):  # the first without, the second with a status stored before
            later = NOON + timedelta(minutes=number)
            theirs = replace(result(run_id=f"r{number}-theirs"), verified_at=later, attempted_at=later)
            mine = replace(result(run_id=f"r{number}-mine"), pushed_at=later, attempted_at=later)
            meanwhile(partial(dynamo_store.record_result, theirs, lease_owner="me"))
            dynamo_store.record_result(mine, lease_owner="me")
            assert dynamo_store.status("b1") == replace(mine, verified_at=later)


class TestSize:
    def test_the_largest_result_is_stored(self, dynamo_store: DynamoStore) -> None:
        dynamo_store.add_backup(BACKUP)
        hold_lease(dynamo_store)
        long = "\N{GRINNING FACE}" * 20_000
        parts = tuple(PartResult(f"part-{number}", "failed", message=long) for number in range(8))
        dynamo_store.record_result(result(message=long, parts=parts, warnings=(long,) * 99), lease_owner="me")
        assert dynamo_store.status("b1") is not None


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def pauses(runtime: FakeRuntime) -> list[float]:
    """The pauses the table makes, which take no time here."""
    return runtime.sleeps


@pytest.fixture
def stubbed(runtime: FakeRuntime) -> Any:
    client = open_clients().dynamodb
    with Stubber(client) as stubber:
        yield DynamoStore("registry-test", client, runtime), stubber
        stubber.assert_no_pending_responses()


def cancelled(stubber: Stubber, *codes: str) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


class TestErrorsOfAws:
    def test_a_conflict_of_transactions_is_repeated_after_a_random_pause(
        self, stubbed: tuple[DynamoStore, Stubber], pauses: list[float]
    ) -> None:
        store, stubber = stubbed
        cancelled(stubber, "TransactionConflict")
        cancelled(stubber, "ThrottlingError")
        stubber.add_response("transact_write_items", {})
        assert store.acquire_lease("a", now=NOON, expires_at=NOON) is not None
        assert len(pauses) == 2
        assert all(0 <= pause <= 1 for pause in pauses)

    def test_conflicts_without_end_are_given_up(
        self, stubbed: tuple[DynamoStore, Stubber], pauses: list[float]
    ) -> None:
        store, stubber = stubbed
        for _ in range(10):
            cancelled(stubber, "TransactionConflict")
        with pytest.raises(Failure, match="10 times") as failed:
            store.release_lease("a")
        assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE
        assert len(pauses) == 9

    def test_a_failed_condition_beside_a_conflict_is_an_answer(self, stubbed: tuple[DynamoStore, Stubber]) -> None:
        store, stubber = stubbed
        stubber.add_response("get_item", {})
        cancelled(stubber, "ConditionalCheckFailed", "None", "None", "None", "TransactionConflict")
        with pytest.raises(Failure) as failed:
            store.record_result(result(), lease_owner="me")
        assert failed.value.reason is Reason.LEASE_LOST

    def test_a_status_that_moved_meanwhile_is_read_and_merged_again(
        self, stubbed: tuple[DynamoStore, Stubber], pauses: list[float]
    ) -> None:
        store, stubber = stubbed
        stubber.add_response("get_item", {})
        cancelled(stubber, "None", "None", "None", "None", "ConditionalCheckFailed")
        stubber.add_response("get_item", {})
        stubber.add_response("transact_write_items", {})
        store.record_result(result(), lease_owner="me")
        assert pauses == []

    def test_a_repetition_after_a_lost_reply_is_recognised_by_its_token(
        self, clients: Clients, dynamo_store: DynamoStore
    ) -> None:
        tokens: list[str] = []
        clients.dynamodb.meta.events.register(
            "before-call.dynamodb.TransactWriteItems",
            lambda params, **_: tokens.append(json.loads(params["body"])["ClientRequestToken"]),
        )
        hold_lease(dynamo_store)
        dynamo_store.release_lease("me")
        assert len(set(tokens)) == 2
        assert all(tokens)

    def test_any_other_error_is_unavailable_with_operation_and_code_only(
        self, stubbed: tuple[DynamoStore, Stubber]
    ) -> None:
        store, stubber = stubbed
        for method, operation in [("get_item", "GetItem"), ("query", "Query")]:
            stubber.add_client_error(method, "AccessDeniedException", "planted-value is not authorized")
            actions: dict[str, Callable[[], object]] = {
                "get_item": store.primary,
                "query": store.backups,
            }
            with pytest.raises(Failure) as failed:
                actions[method]()
            assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE
            assert failed.value.message == f"DynamoDB {operation} failed: AccessDeniedException"

        cancelled(stubber, "ValidationError")
        with pytest.raises(Failure, match="TransactWriteItems failed: TransactionCanceledException"):
            store.add_backup(BACKUP)

    def test_an_aws_that_cannot_be_reached_is_unavailable(
        self, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreachable(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://planted-value")

        for method in ("get_item", "query", "put_item", "transact_write_items"):
            monkeypatch.setattr(clients.dynamodb, method, unreachable)
        store = DynamoStore("registry-test", clients.dynamodb, SystemRuntime())
        for action in (
            store.settings,
            store.backups,
            lambda: store.save_run(Run("r", "t", NOON)),
            lambda: store.release_lease("a"),
        ):
            with pytest.raises(Failure, match="EndpointConnectionError") as failed:
                action()
            assert failed.value.reason is Reason.REGISTRY_UNAVAILABLE
            assert "planted" not in str(failed.value)
