"""A primary that cannot be read completely: the run ends, nobody is written to, everybody has a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import Kind, drift

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sync.conftest import Fleet

SERVED = ""
SILENT: dict[str, Any] = {"details": {"seconds": 600}, "settings": {"read_timeout": 0.3}}
DRIPPING: dict[str, Any] = {"details": {"seconds": 0.02}, "seconds": 0.8}
LARGE: dict[str, Any] = {"details": {"size": 1_100_000}, "settings": {"reply_limit_mb": 1}}

EXPECTED: dict[Kind, tuple[str, str, dict[str, Any]]] = {
    Kind.REFUSE: ("connection_refused", "GetProfiles", {}),
    Kind.CLOSE_BEFORE_REPLY: ("connection_closed", "GetProfiles", {}),
    Kind.CLOSE_AFTER_STORING: ("connection_closed", "GetProfiles", {}),
    Kind.CLOSE_MID_REPLY: ("connection_closed", "GetProfiles", {}),
    Kind.SLOW: ("read_timeout", "GetProfiles", SILENT),
    Kind.DRIP: ("deadline", "GetProfiles", DRIPPING),
    Kind.HTML: ("not_soap", "GetProfiles", {}),
    Kind.REDIRECT: ("redirect_refused", "GetProfiles", {}),
    Kind.HTTP_500: ("http_error", "GetProfiles", {}),
    Kind.BASIC_REQUIRED: (SERVED, "*", {}),
    Kind.BASIC_NEVER: ("authentication_failed", "GetProfiles", {}),
    Kind.WRONG_CONTENT_TYPE: ("not_soap", "GetProfiles", {}),
    Kind.EMPTY_BODY: ("reply_empty", "GetProfiles", {}),
    Kind.TRUNCATED_XML: ("reply_malformed", "GetProfiles", {}),
    Kind.DTD: ("reply_forbidden_xml", "GetProfiles", {}),
    Kind.ENTITIES: ("reply_forbidden_xml", "GetProfiles", {}),
    Kind.GZIP: (SERVED, "*", {}),
    Kind.BOMB: ("reply_too_large", "GetConfiguration", {}),
    Kind.PROMISE: ("reply_too_large", "GetConfiguration", {}),
    Kind.UNENDING_HEAD: ("reply_malformed", "GetProfiles", {}),
    Kind.ELEMENTS: ("reply_too_complex", "GetConfiguration", {}),
    Kind.ATTRIBUTES: ("reply_too_complex", "GetProfiles", {}),
    Kind.LONG_NAME: ("reply_too_complex", "GetProfiles", {}),
    Kind.OTHER_NAMESPACE: ("reply_malformed", "GetProfiles", {}),
    Kind.SOAP_11_ONLY: ("soap_version_unsupported", "GetProfiles", {}),
    Kind.CONTROL_CHARACTER: (SERVED, "GetUserList", {}),
    Kind.OVERSIZE: ("reply_too_large", "GetProfiles", LARGE),
    Kind.FAULT_12: ("soap_fault", "GetProfiles", {}),
    Kind.FAULT_12_SUBCODE: ("soap_fault", "GetProfiles", {}),
    Kind.FAULT_11: ("soap_fault", "GetProfiles", {}),
    Kind.FAULT_HYBRID: ("soap_fault", "GetProfiles", {}),
    Kind.FAULT_RECEIVER: ("soap_fault", "GetProfiles", {}),
    Kind.ANSWER_FALSE: ("read_refused", "GetProfiles", {}),
    Kind.DROP_WRITE: (SERVED, "*", {}),  # the primary is never written to
    Kind.NORMALISE: (SERVED, "*", {}),
    Kind.TRUNCATED_DATA: ("document_malformed", "GetProfiles", {}),
    Kind.HALF_LIST: ("primary_incomplete", "GetProfiles", {}),
    Kind.EMPTY_LIST: ("primary_incomplete", "GetProfiles", {}),  # it names users all the same
    Kind.NO_DATA: ("reply_incomplete", "GetProfiles", {}),
    Kind.DTD_IN_DATA: ("document_malformed", "GetProfiles", {}),
    Kind.NEWER_REPLY: (SERVED, "*", {}),
    Kind.NEWER_DOCUMENTS: (SERVED, "*", {}),
    Kind.WRONG_VERSION: (SERVED, "ServerInformation", {}),  # told of each backup instead, below
    Kind.LICENCE_INVALID: ("licence_invalid", "GetLicenseInfo", {}),
    Kind.EDITION_WITHOUT_SYNC: ("edition_without_sync", "GetFeatures", {}),
    Kind.SOAP_NOT_SECURE: (SERVED, "ServerSummaryStatus", {}),  # asked of backups alone
}
"""Reason of the run, the operation the fault is on, and what it takes to see it."""

READS_OF_THE_PRIMARY = {
    "GetConfiguration": Kind.TRUNCATED_DATA,
    "GetAuthenticationList": Kind.NO_DATA,
    "GetGroups": Kind.TRUNCATED_DATA,
    "GetEventRules": Kind.TRUNCATED_DATA,
    "GetMimeMappings": Kind.ANSWER_FALSE,
    "GetIPBlockList": Kind.TRUNCATED_DATA,
    "GetAutoBlockList": Kind.TRUNCATED_DATA,
    "GetRequestedAccounts": Kind.TRUNCATED_DATA,
    "GetInterfaceList": Kind.ANSWER_FALSE,
}


def assert_aborted(fleet: Fleet, reason: str) -> None:
    run = fleet.reports[-1].run
    assert (run.status, run.reason) == ("failed", reason), run.message
    assert fleet.store.run(run.id) == run
    assert fleet.statuses() == {"b1": "incomplete:run_aborted", "b2": "incomplete:run_aborted"}
    assert run.counts["incomplete"] == 2
    assert all(reason in result.message for result in fleet.store.results(run.id))
    assert fleet.all_writes() == []
    assert [len(fleet.servers[backup_id].requests) for backup_id in ("b1", "b2")] == [0, 0]
    assert fleet.store.lease() is None


@pytest.fixture
def drifted(fleet: Fleet) -> Fleet:
    """One backup differs everywhere, so that a run that goes on would write."""
    drift.everywhere(fleet.servers["b1"].state)
    return fleet


def test_every_kind_of_fault_has_its_expectation() -> None:
    assert set(EXPECTED) == set(Kind)


@pytest.mark.parametrize("kind", [kind for kind, (reason, _, _) in EXPECTED.items() if reason])
def test_a_fault_of_the_primary_ends_the_run_before_any_backup_is_touched(drifted: Fleet, kind: Kind) -> None:
    reason, operation, more = EXPECTED[kind]
    drifted.configure(**more.get("settings", {}))
    drifted.primary.fault(kind, operation, **more.get("details", {}))
    drifted.run(seconds=more.get("seconds", 600.0))
    assert_aborted(drifted, reason)


@pytest.mark.parametrize("kind", [kind for kind, (reason, _, _) in EXPECTED.items() if not reason])
def test_what_is_no_fault_of_a_primary_does_not_end_the_run(drifted: Fleet, kind: Kind) -> None:
    _, operation, _ = EXPECTED[kind]
    drifted.primary.fault(kind, operation)
    if kind is Kind.NEWER_DOCUMENTS:
        for backup_id in ("b1", "b2"):
            drifted.servers[backup_id].fault(kind)
    drifted.run()
    if kind is Kind.WRONG_VERSION:
        assert set(drifted.statuses().values()) == {"failed:version_mismatch"}
        assert drifted.all_writes() == []
    else:
        assert drifted.reports[-1].run.status == "succeeded"
        assert drifted.statuses()["b1"] == "updated"


@pytest.mark.parametrize("operation", READS_OF_THE_PRIMARY)
def test_every_single_read_of_the_primary_counts(drifted: Fleet, operation: str) -> None:
    drifted.configure(parts=("settings", "authentication", "accounts", "event_rules", "mime_mappings",
                             "ip_block_lists", "account_requests", "listeners"))  # fmt: skip
    drifted.primary.fault(READS_OF_THE_PRIMARY[operation], operation)
    drifted.run()
    assert drifted.reports[-1].run.status == "failed"
    assert_aborted(drifted, drifted.reports[-1].run.reason)


def test_a_control_character_costs_only_the_part_that_it_is_in(drifted: Fleet) -> None:
    drifted.primary.fault(Kind.CONTROL_CHARACTER, "GetProfiles")
    drifted.run()
    assert drifted.reports[-1].run.status == "partial"
    assert drifted.statuses() == dict.fromkeys(("b1", "b2"), "incomplete:part_not_read")
    parts = {name: part.status for name, part in drifted.parts("b1").items()}
    assert (parts["accounts"], parts["event_rules"], parts["settings"]) == ("not_read", "skipped", "pushed")
    (notice,) = drifted.reports[-1].run.notices
    last_user = drifted.primary.state.names("profiles")[-1]
    assert (notice.reason, last_user in notice.message) == ("character_forbidden", True)
    drifted.primary.clear_faults()
    drifted.run()
    assert drifted.statuses() == {"b1": "updated", "b2": "in_sync"}


@pytest.mark.parametrize("operation", ["GetUserList", "GetGroupList"])
@pytest.mark.parametrize("kind", [Kind.FAULT_RECEIVER, Kind.ANSWER_FALSE, Kind.HTTP_500, Kind.CONTROL_CHARACTER])
def test_a_primary_that_does_not_count_a_second_time_is_doubted_and_served(
    drifted: Fleet, operation: str, kind: Kind
) -> None:
    drifted.primary.fault(kind, operation)
    drifted.run()
    assert drifted.reports[-1].run.status == "succeeded"
    assert drifted.statuses()["b1"] == "updated"
    assert ["not counted a second time" in notice.message for notice in drifted.reports[-1].run.notices] == [True]


class TestTooSmall:
    def test_a_primary_without_users_is_refused_unless_accepted(self, drifted: Fleet) -> None:
        for name in drifted.primary.state.names("profiles"):
            drift.remove_user(drifted.primary.state, name)
        drifted.run()
        assert_aborted(drifted, "primary_empty")
        drifted.run(accept_primary=True)
        assert drifted.statuses()["b1"].startswith("blocked:")
        drifted.approve()
        drifted.run(accept_primary=True)
        assert drifted.reports[-1].run.status == "succeeded"
        assert drifted.servers["b1"].state.names("profiles") == []

    @pytest.mark.parametrize("operation", ["GetProfiles", "GetGroups"])
    def test_a_list_of_half_the_names_is_refused_even_if_an_empty_primary_is_accepted(
        self, drifted: Fleet, operation: str
    ) -> None:
        drifted.primary.fault(Kind.EMPTY_LIST, operation)
        drifted.run(accept_primary=True)
        assert_aborted(drifted, "primary_incomplete")

    def test_a_primary_that_lost_half_its_users_is_refused_unless_accepted(self, drifted: Fleet) -> None:
        drifted.run()
        drifted.forget()
        for name in drifted.primary.state.names("profiles")[:4]:
            drift.remove_user(drifted.primary.state, name)
        drifted.run()
        assert_aborted(drifted, "primary_shrunk")
        drifted.run(accept_primary=True)
        assert drifted.statuses() == dict.fromkeys(("b1", "b2"), "blocked:removes_too_much")
        drifted.approve()
        drifted.run(accept_primary=True)
        assert drifted.statuses() == {"b1": "updated", "b2": "updated"}
        drifted.run()
        assert drifted.reports[-1].run.status == "succeeded"

    def test_half_of_everything_is_told_by_the_size_of_the_last_verified_run(self, drifted: Fleet) -> None:
        drifted.run()
        drifted.forget()
        drifted.primary.fault(Kind.HALF_LIST)  # names and documents agree with each other
        drifted.run()
        assert_aborted(drifted, "primary_shrunk")

    @pytest.mark.parametrize("document", ["profiles", "groups"])
    def test_a_document_of_nothing_at_all_is_refused_even_if_an_empty_primary_is_accepted(
        self, drifted: Fleet, document: str
    ) -> None:
        drifted.primary.state._documents[document] = ""  # no server stores this; one could still answer it
        drifted.run(accept_primary=True)
        assert_aborted(drifted, "primary_empty")


class TestReachingIt:
    def test_a_primary_that_is_down(self, drifted: Fleet) -> None:
        drifted.primary.refuse_connections()
        drifted.run()
        assert_aborted(drifted, "connection_refused")

    def test_a_wrong_password_is_sent_once(self, drifted: Fleet) -> None:
        drifted.log_in("primary", "admin", "PLANTED-wrong-password")
        drifted.run()
        assert_aborted(drifted, "authentication_failed")
        assert len(drifted.primary.requests) == 1

    def test_missing_credentials(self, drifted: Fleet) -> None:
        drifted.registry.credentials.delete("primary")
        drifted.run()
        assert_aborted(drifted, "credentials_missing")
        assert drifted.primary.requests == []

    def test_it_is_read_once_however_many_backups_there_are(self, make_fleet: Callable[..., Fleet]) -> None:
        fleet = make_fleet("b1", "b2", "b3", "b4")
        fleet.run()
        operations = [request.operation for request in fleet.primary.requests]
        assert len(operations) == len(set(operations))
