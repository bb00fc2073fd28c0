"""What every fault of a backup is recorded as, that the others are served, and what was written by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from local.cerberus import Kind, Machine, drift, replicable_differences
from local.cerberus.server import Options
from local.cerberus.soap import Behaviour
from tests.support.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sync.conftest import Fleet


@dataclass(frozen=True)
class Expected:
    """What a fault comes to.

    ``outcome`` is status and reason of the backup, ``writes`` the writing
    requests that reached it, ``stored`` whether the new users are there
    afterwards (None: not said). ``details`` are the fault's, ``settings`` the
    fleet's. ``everywhere``: all servers are like that. ``patience``: seconds
    that the backup is given for an answer; ``late``: the run's time ends when
    the others are done and the backup was asked for what the fault is on.
    """

    outcome: str
    writes: tuple[str, ...] = ()
    stored: bool | None = False
    operation: str = ""
    details: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    patience: float | None = None
    late: bool = False
    everywhere: bool = False


ACCOUNTS, MIME = "SaveProfiles", "SaveMimeMappings"
BOTH = (ACCOUNTS, MIME)
"""What differs in these tests, in the order of writing: the second one is tried unless the server as a whole failed."""

DRIPPING: dict[str, Any] = {"details": (("seconds", 0.02),), "late": True}
LARGE: dict[str, Any] = {"details": (("size", 1_100_000),), "settings": (("reply_limit_mb", 1),)}


def served(**more: Any) -> Expected:
    return Expected("updated", BOTH, stored=True, **more)


READING: dict[Kind, Expected] = {
    Kind.REFUSE: Expected("failed:connection_refused"),
    Kind.CLOSE_BEFORE_REPLY: Expected("failed:connection_closed"),
    Kind.CLOSE_AFTER_STORING: Expected("failed:connection_closed"),
    Kind.CLOSE_MID_REPLY: Expected("failed:connection_closed"),
    Kind.SLOW: Expected("failed:read_timeout", details=(("seconds", 600),), patience=0.3),
    Kind.DRIP: Expected("incomplete:deadline", **DRIPPING),
    Kind.HTML: Expected("failed:not_soap"),
    Kind.REDIRECT: Expected("failed:redirect_refused"),
    Kind.HTTP_500: Expected("failed:http_error"),
    Kind.BASIC_REQUIRED: served(),
    Kind.BASIC_NEVER: Expected("failed:authentication_failed"),
    Kind.WRONG_CONTENT_TYPE: Expected("failed:not_soap"),
    Kind.EMPTY_BODY: Expected("failed:reply_empty"),
    Kind.TRUNCATED_XML: Expected("failed:reply_malformed"),
    Kind.DTD: Expected("failed:reply_forbidden_xml"),
    Kind.ENTITIES: Expected("failed:reply_forbidden_xml"),
    Kind.GZIP: served(operation="*"),
    Kind.BOMB: Expected("failed:reply_too_large"),
    Kind.PROMISE: Expected("failed:reply_too_large"),
    Kind.UNENDING_HEAD: Expected("failed:reply_malformed"),
    Kind.ELEMENTS: Expected("failed:reply_too_complex"),
    Kind.ATTRIBUTES: Expected("failed:reply_too_complex"),
    Kind.LONG_NAME: Expected("failed:reply_too_complex"),
    Kind.OTHER_NAMESPACE: Expected("failed:reply_malformed"),
    Kind.SOAP_11_ONLY: Expected("failed:soap_version_unsupported"),
    Kind.CONTROL_CHARACTER: Expected("failed:character_forbidden", (MIME,)),
    Kind.OVERSIZE: Expected("failed:reply_too_large", **LARGE),
    Kind.FAULT_12: Expected("failed:soap_fault"),
    Kind.FAULT_12_SUBCODE: Expected("failed:soap_fault"),
    Kind.FAULT_11: Expected("failed:soap_fault"),
    Kind.FAULT_HYBRID: Expected("failed:soap_fault"),
    Kind.FAULT_RECEIVER: Expected("failed:soap_fault"),
    Kind.ANSWER_FALSE: Expected("failed:read_refused"),
    Kind.DROP_WRITE: served(),
    Kind.NORMALISE: served(),
    Kind.TRUNCATED_DATA: Expected("failed:document_malformed"),
    # What such a server tells of its users is never what was sent to it.
    Kind.HALF_LIST: Expected("failed:write_not_effective", BOTH, stored=True),
    Kind.EMPTY_LIST: Expected("failed:write_not_effective", BOTH, stored=True),
    Kind.NO_DATA: Expected("failed:reply_incomplete"),
    Kind.DTD_IN_DATA: Expected("failed:document_malformed"),
    Kind.NEWER_REPLY: served(operation="*"),
    Kind.NEWER_DOCUMENTS: served(operation="*", everywhere=True),
    Kind.WRONG_VERSION: Expected("failed:version_mismatch", operation="ServerInformation"),
    Kind.LICENCE_INVALID: Expected("failed:licence_invalid", operation="GetLicenseInfo"),
    Kind.EDITION_WITHOUT_SYNC: Expected("failed:edition_without_sync", operation="GetFeatures"),
    Kind.SOAP_NOT_SECURE: Expected("failed:soap_not_secure", operation="ServerSummaryStatus"),
}
"""By what happens when the users are read, unless ``operation`` says otherwise."""

WRITING: dict[Kind, Expected | None] = {
    # A write is sent once: whoever closes the connection may have stored it.
    Kind.REFUSE: Expected("failed:connection_closed", (ACCOUNTS,)),
    Kind.CLOSE_BEFORE_REPLY: Expected("failed:connection_closed", (ACCOUNTS,)),
    Kind.CLOSE_AFTER_STORING: Expected("failed:connection_closed", (ACCOUNTS,), stored=True),
    Kind.CLOSE_MID_REPLY: Expected("failed:connection_closed", (ACCOUNTS,), stored=True),
    # All that comes before it has to be answered in that time, too, on a busy machine as well.
    Kind.SLOW: Expected("failed:read_timeout", (ACCOUNTS,), stored=None, details=(("seconds", 4),), patience=3.0),
    Kind.DRIP: Expected("incomplete:deadline", (ACCOUNTS,), stored=True, **DRIPPING),
    Kind.HTML: Expected("failed:not_soap", BOTH),
    Kind.REDIRECT: Expected("failed:redirect_refused", BOTH),
    Kind.HTTP_500: Expected("failed:http_error", BOTH),
    Kind.BASIC_REQUIRED: Expected("updated", (ACCOUNTS, ACCOUNTS, MIME), stored=True),
    Kind.BASIC_NEVER: Expected("failed:authentication_failed", (ACCOUNTS, ACCOUNTS)),
    Kind.WRONG_CONTENT_TYPE: Expected("failed:not_soap", BOTH, stored=True),
    Kind.EMPTY_BODY: Expected("failed:reply_empty", BOTH, stored=True),
    Kind.TRUNCATED_XML: Expected("failed:reply_malformed", BOTH, stored=True),
    Kind.DTD: Expected("failed:reply_forbidden_xml", BOTH, stored=True),
    Kind.ENTITIES: Expected("failed:reply_forbidden_xml", BOTH, stored=True),
    Kind.GZIP: Expected("updated", BOTH, stored=True),
    Kind.BOMB: Expected("failed:reply_too_large", BOTH, stored=True),
    Kind.PROMISE: Expected("failed:reply_too_large", BOTH, stored=True),
    Kind.UNENDING_HEAD: Expected("failed:reply_malformed", BOTH, stored=True),
    Kind.ELEMENTS: Expected("failed:reply_too_large", BOTH, stored=True),
    Kind.ATTRIBUTES: Expected("failed:reply_too_complex", BOTH, stored=True),
    Kind.LONG_NAME: Expected("failed:reply_too_large", BOTH, stored=True),
    Kind.OTHER_NAMESPACE: Expected("failed:reply_malformed", BOTH, stored=True),
    Kind.SOAP_11_ONLY: Expected("failed:soap_version_unsupported", BOTH),
    Kind.CONTROL_CHARACTER: None,
    Kind.OVERSIZE: Expected("failed:reply_too_large", BOTH, stored=True, **LARGE),
    Kind.FAULT_12: Expected("failed:soap_fault", BOTH),
    Kind.FAULT_12_SUBCODE: Expected("failed:soap_fault", BOTH),
    Kind.FAULT_11: Expected("failed:soap_fault", BOTH),
    Kind.FAULT_HYBRID: Expected("failed:soap_fault", BOTH),
    Kind.FAULT_RECEIVER: Expected("failed:soap_fault", BOTH),
    Kind.ANSWER_FALSE: Expected("failed:write_refused", BOTH),
    Kind.DROP_WRITE: Expected("failed:write_not_effective", BOTH),
    Kind.NORMALISE: served(),
    Kind.NEWER_REPLY: served(),
    # These spoil a document or a fact in a reply; the reply to a write has none.
    Kind.TRUNCATED_DATA: None,
    Kind.HALF_LIST: None,
    Kind.EMPTY_LIST: None,
    Kind.NO_DATA: None,
    Kind.DTD_IN_DATA: None,
    Kind.NEWER_DOCUMENTS: None,
    Kind.WRONG_VERSION: None,
    Kind.LICENCE_INVALID: None,
    Kind.EDITION_WITHOUT_SYNC: None,
    Kind.SOAP_NOT_SECURE: None,
}
"""By what happens when the users are written; None where the fault has no meaning for a write."""


def holds(fleet: Fleet, backup_id: str) -> bool:
    """Whether a backup has the primary's users and groups. What a newer version adds, only its replies hold."""
    primary, backup = fleet.primary.snapshot(), fleet.servers[backup_id].snapshot()
    return all("future" in each.path for each in replicable_differences(primary, backup, parts=("accounts",)))


def play(fleet: Fleet, kind: Kind, operation: str, expected: Expected) -> None:
    """One run with the fault on ``b1``; users and mappings of ``b1`` and ``b2`` differ from the primary's."""
    fleet.configure(**dict(expected.settings))
    if expected.patience is not None:
        fleet.lose_patience("b1", expected.patience)
    for backup_id in ("b1", "b2"):
        drift.add_user(fleet.servers[backup_id].state, "made-by-hand")
        drift.remove_mime(fleet.servers[backup_id].state, "pdf")
    for server_id in fleet.servers if expected.everywhere else ("b1",):
        fleet.servers[server_id].fault(kind, expected.operation or operation, **dict(expected.details))

    asked = expected.operation or operation
    fleet.run(until=(lambda: fleet.done("b2", "b3") and fleet.asked("b1", asked)) if expected.late else None)

    assert fleet.statuses() == {"b1": expected.outcome, "b2": "updated", "b3": "in_sync"}, fleet.result("b1").message
    assert tuple(fleet.writes("b1")) == expected.writes
    if expected.stored is not None:
        assert holds(fleet, "b1") is expected.stored
    assert holds(fleet, "b2")
    assert (fleet.result("b1").verified_at is not None) == (expected.outcome == "updated")


@pytest.fixture
def trio(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet("b1", "b2", "b3", users=4)


def test_every_kind_of_fault_has_its_expectation() -> None:
    assert set(READING) == set(Kind)
    assert set(WRITING) == set(Kind)


class TestReading:
    @pytest.mark.parametrize("kind", READING)
    def test_a_fault_is_recorded_and_the_others_are_served(self, trio: Fleet, kind: Kind) -> None:
        expected = READING[kind]
        play(trio, kind, "GetProfiles", expected)
        recovers(trio, expected)


class TestWriting:
    @pytest.mark.parametrize("kind", [kind for kind, expected in WRITING.items() if expected])
    def test_a_fault_is_recorded_and_the_others_are_served(self, trio: Fleet, kind: Kind) -> None:
        expected = WRITING[kind]
        assert expected is not None
        play(trio, kind, "SaveProfiles", expected)
        if kind is Kind.SLOW:  # carried out although nobody waits for it any more
            eventually(lambda: holds(trio, "b1"))
        recovers(trio, expected)


def recovers(fleet: Fleet, expected: Expected) -> None:
    """The next run, without the fault unless it was none, ends with equal servers; one after it writes nothing."""
    fleet.configure()
    fleet.lose_patience("b1", 60)
    if expected.outcome == "updated":
        fleet.forget()
        fleet.run()
        assert fleet.statuses()["b1"] == "in_sync"
        assert fleet.all_writes() == []
        return
    fleet.servers["b1"].clear_faults()
    if expected.outcome == "failed:authentication_failed":
        fleet.log_in_again("b1")
    fleet.run()
    assert fleet.statuses()["b1"] in ("updated", "in_sync")
    assert holds(fleet, "b1")
    fleet.forget()
    fleet.run()
    assert fleet.all_writes() == []


class TestWhatAFaultLeavesBehind:
    def test_a_failed_read_leaves_the_backup_as_it_was(self, trio: Fleet) -> None:
        drift.everywhere(trio.servers["b1"].state)
        before = trio.servers["b1"].snapshot()
        trio.servers["b1"].fault(Kind.ANSWER_FALSE, "GetRequestedAccounts")  # the last one that is read
        trio.run()
        assert trio.statuses()["b1"] == "failed:read_refused"
        assert trio.servers["b1"].snapshot() == before
        assert trio.writes("b1") == []

    def test_what_depends_on_a_part_that_failed_is_skipped_and_the_rest_is_not(self, trio: Fleet) -> None:
        drift.everywhere(trio.servers["b1"].state)
        trio.servers["b1"].fault(Kind.ANSWER_FALSE, "SaveProfiles")
        trio.run()
        parts = {name: f"{part.status}:{part.reason}".rstrip(":") for name, part in trio.parts("b1").items()}
        assert parts == {
            "settings": "pushed",
            "authentication": "pushed",
            "accounts": "failed:write_refused",
            "event_rules": "skipped:dependency_failed",
            "mime_mappings": "pushed",
            "ip_block_lists": "pushed",
            "account_requests": "pushed",
        }
        assert "SetEventRules" not in trio.writes("b1")
        assert trio.result("b1").pushed_at is not None

    def test_after_the_server_as_a_whole_failed_no_more_parts_are_tried(self, trio: Fleet) -> None:
        drift.everywhere(trio.servers["b1"].state)
        trio.servers["b1"].fault(Kind.REFUSE, "SetAuthenticationList")
        trio.run()
        assert trio.writes("b1") == ["SaveConfiguration", "SetAuthenticationList"]
        assert [part.status for part in trio.result("b1").parts] == ["pushed", "failed", *["skipped"] * 5]

    def test_an_acknowledged_write_that_was_dropped_is_pushed_but_not_verified(self, trio: Fleet) -> None:
        drift.add_user(trio.servers["b1"].state, "made-by-hand")
        trio.servers["b1"].fault(Kind.DROP_WRITE, "SaveProfiles")
        trio.run()
        result = trio.result("b1")
        assert (result.reason, result.verified_at) == ("write_not_effective", None)
        assert result.pushed_at is not None

    @pytest.mark.parametrize("kind", [Kind.NORMALISE, Kind.NEWER_REPLY])
    def test_a_server_with_its_own_way_of_writing_things_down_is_not_pushed_to_again(
        self, trio: Fleet, kind: Kind
    ) -> None:
        drift.everywhere(trio.servers["b1"].state)
        trio.servers["b1"].fault(kind)
        trio.run()
        assert trio.statuses()["b1"] == "updated"
        assert len(trio.writes("b1")) == 7
        trio.forget()
        trio.run()
        assert trio.statuses()["b1"] == "in_sync"
        assert trio.writes("b1") == []

    def test_documents_with_what_a_newer_version_has_are_replicated_in_every_part(self, trio: Fleet) -> None:
        drift.everywhere(trio.servers["b1"].state)
        for server in trio.servers.values():
            server.fault(Kind.NEWER_DOCUMENTS)
        trio.run()
        assert trio.statuses()["b1"] == "updated"
        trio.forget()
        trio.run()
        assert set(trio.statuses().values()) == {"in_sync"}
        assert trio.all_writes() == []

    def test_a_connection_that_was_closed_in_between_is_replaced_for_a_read(self, trio: Fleet) -> None:
        trio.servers["b1"].fault(Kind.CLOSE_BEFORE_REPLY, "GetProfiles", times=1)
        trio.run()
        assert trio.statuses()["b1"] == "in_sync"

    @pytest.mark.parametrize("c_style", [True, False])
    def test_a_fault_that_quotes_the_log_in_is_recorded_without_it(
        self, make_fleet: Callable[..., Fleet], c_style: bool
    ) -> None:
        fleet = make_fleet()
        machine = Machine.named("b1")
        options = Options(Behaviour(c_style_faults=c_style))
        server = fleet.add_backup("b1", state=fleet.state(machine), options=options)
        said = f"Disk full, said {machine.admin_user}/{machine.admin_password}"
        server.fault(Kind.FAULT_RECEIVER, "GetGroups", text=said)
        fleet.run()
        assert fleet.statuses()["b1"] == "failed:soap_fault"
        assert "Disk full" not in fleet.result("b1").message
        assert "the server answered with a fault" in fleet.result("b1").message
