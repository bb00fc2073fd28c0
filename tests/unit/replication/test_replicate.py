"""The way of one backup: check, read, plan, write, read back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from common.errors import Failure, Reason
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.job import ReplicationJob
from replication.model import Changes, PartName, PartStatus, Policy, PrimaryState, Status
from replication.ports import Authentication, MimeMapping
from replication.primary import dump, read_primary
from replication.replicate import replicate
from tests.support.documents import parse_text

if TYPE_CHECKING:
    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome
    from tests.unit.replication.conftest import ServerFactory


OPEN = Guard(Limits(removal_floor=10**6, disabling_floor=10**6))
"""A guard that lets through what these tests need: they are about what happens after it."""
ALL = Policy(parts=frozenset(PartName))

DRIFT: dict[str, Any] = {
    "settings": (
        "<settings><timeout>1</timeout><soap><port>9</port></soap>"
        "<smtp password='planted-secret-4711' securityAnswer='other-secret'/></settings>"
    ),
    "authentication": Authentication("<sources/>", ()),
    "users": '<users><user name="eve"><hash>other-secret</hash></user><user name="bob"/></users>',
    "groups": "<groups/>",
    "event_rules": "<rules/>",
    "mime_mappings": (MimeMapping("txt", "text/x"),),
    "blocked_addresses": "<ips/>",
    "account_requests": "<requests><r>other-secret</r></requests>",
}
IN_ORDER = [
    "write_settings",
    "write_authentication",
    "write_accounts",
    "write_event_rules",
    "write_mime_mappings",
    "write_block_lists",
    "write_account_requests",
    "write_listener",
    "commit_listeners",
]


@pytest.fixture
def source(make_primary: ServerFactory) -> PrimaryState:
    return read_primary(make_primary(), ALL.parts)


@pytest.fixture
def drifted(make_server: ServerFactory) -> FakeServer:
    """A backup that differs from the primary in every part."""
    server = make_server(**DRIFT)
    first, second = server.content["listeners"]
    server.content["listeners"] = (replace(first, options=first.options | {"welcome": "other-secret"}), second)
    return server


def statuses(outcome: Outcome) -> dict[PartName, PartStatus]:
    return {part.part: part.status for part in outcome.parts}


def reasons(outcome: Outcome) -> dict[PartName, Reason | None]:
    return {part.part: part.reason for part in outcome.parts if part.reason}


def reindented(text: str) -> str:
    """The document as a server might store it: other layout, other order of attributes, no declaration."""
    root = parse_text(text)
    etree.indent(root)
    return etree.tostring(root, method="c14n").decode()


def test_every_part_that_differs_is_written_once_in_order_and_verified(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert outcome.status is Status.UPDATED
    assert drifted.writes == IN_ORDER
    assert statuses(outcome) == dict.fromkeys(PartName, PartStatus.PUSHED)
    assert [part.part for part in outcome.parts] == list(PartName)
    assert all(part.changes for part in outcome.parts)
    assert outcome.reason is None
    assert outcome.pushed_at is not None
    assert outcome.verified_at is not None
    assert outcome.pushed_at < outcome.verified_at


@pytest.mark.parametrize("normalise", [str, reindented])
def test_a_second_run_writes_nothing(normalise: Any, source: PrimaryState, drifted: FakeServer, clock: Runtime) -> None:
    drifted.normalise = normalise
    replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    drifted.calls.clear()
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert outcome.status is Status.IN_SYNC
    assert drifted.writes == []
    assert outcome.pushed_at is None
    assert outcome.verified_at is not None
    assert statuses(outcome) == dict.fromkeys(PartName, PartStatus.UNCHANGED)


def test_only_what_differs_is_written(source: PrimaryState, make_server: ServerFactory, clock: Runtime) -> None:
    backup = make_server(mime_mappings=())
    outcome = replicate(ReplicationJob(source, ALL, OPEN), backup, runtime=clock, snapshots=PartSnapshots())
    assert backup.writes == ["write_mime_mappings"]
    assert statuses(outcome)[PartName.MIME_MAPPINGS] is PartStatus.PUSHED
    assert sum(status is PartStatus.UNCHANGED for status in statuses(outcome).values()) == len(PartName) - 1


def test_only_chosen_parts_are_read_and_written(source: PrimaryState, drifted: FakeServer, clock: Runtime) -> None:
    policy = Policy(parts=frozenset({PartName.EVENT_RULES, PartName.MIME_MAPPINGS}))
    outcome = replicate(ReplicationJob(source, policy, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert drifted.writes == ["write_event_rules", "write_mime_mappings"]
    assert "users" not in drifted.calls
    assert set(statuses(outcome)) == policy.parts


def test_everything_is_read_before_the_first_write(source: PrimaryState, drifted: FakeServer, clock: Runtime) -> None:
    replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    before = drifted.calls[: drifted.calls.index(IN_ORDER[0])]
    reads = {"facts", "settings", "authentication", "users", "groups", "event_rules", "mime_mappings"}
    reads |= {"blocked_addresses", "auto_blocked_addresses", "account_requests", "listeners"}
    assert set(before) == reads


def test_a_look_writes_nothing_and_names_what_differs(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    outcome = replicate(
        ReplicationJob(source, ALL, OPEN, write=False), drifted, runtime=clock, snapshots=PartSnapshots()
    )
    assert outcome.status is Status.DRIFTED
    assert drifted.writes == []
    assert statuses(outcome) == dict.fromkeys(PartName, PartStatus.DIFFERENT)
    assert outcome.pushed_at is outcome.verified_at is None
    accounts = next(part for part in outcome.parts if part.part is PartName.ACCOUNTS)
    assert accounts.changes == Changes(added=("users/ann", "groups/staff"), removed=("users/eve",), changed=())


def test_a_look_at_an_equal_server_verifies_it(
    source: PrimaryState, make_server: ServerFactory, clock: Runtime
) -> None:
    outcome = replicate(
        ReplicationJob(source, ALL, OPEN, write=False), make_server(), runtime=clock, snapshots=PartSnapshots()
    )
    assert outcome.status is Status.IN_SYNC
    assert outcome.verified_at is not None


@pytest.mark.parametrize("call", [call for call in IN_ORDER if call != "commit_listeners"])
def test_a_write_that_is_acknowledged_and_dropped_is_a_failure(
    call: str, source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.dropped = {call}
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.WRITE_NOT_EFFECTIVE)
    assert outcome.pushed_at is not None
    assert outcome.verified_at is None
    failed = [part for part, status in statuses(outcome).items() if status is PartStatus.FAILED]
    assert len(failed) == 1
    assert str(failed[0]) in outcome.message


def test_a_server_that_changes_a_value_it_stores_is_found_out(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.normalise = lambda text: text.replace("planted", "altered")
    assert reasons(replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())) == {
        PartName.SETTINGS: Reason.WRITE_NOT_EFFECTIVE,
        PartName.ACCOUNTS: Reason.WRITE_NOT_EFFECTIVE,
        PartName.EVENT_RULES: Reason.DEPENDENCY_FAILED,
    }


def test_a_refused_write_fails_its_part_and_those_that_depend_on_it_alone(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.failures = {("write_accounts", 1): Failure(Reason.WRITE_REFUSED, "it answered false")}
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.WRITE_REFUSED)
    assert outcome.message == "accounts: it answered false"
    assert reasons(outcome) == {
        PartName.ACCOUNTS: Reason.WRITE_REFUSED,
        PartName.EVENT_RULES: Reason.DEPENDENCY_FAILED,
    }
    assert statuses(outcome)[PartName.EVENT_RULES] is PartStatus.SKIPPED
    assert drifted.writes == [call for call in IN_ORDER if call != "write_event_rules"]
    assert outcome.pushed_at is not None
    assert outcome.verified_at is None


def test_equal_event_rules_do_not_suffer_from_failed_accounts(
    source: PrimaryState, make_server: ServerFactory, clock: Runtime
) -> None:
    backup = make_server(users="<users/>", dropped={"write_accounts"})
    assert (
        statuses(replicate(ReplicationJob(source, ALL, OPEN), backup, runtime=clock, snapshots=PartSnapshots()))[
            PartName.EVENT_RULES
        ]
        is PartStatus.UNCHANGED
    )


@pytest.mark.parametrize(
    "reason",
    [
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_CLOSED,
        Reason.READ_TIMEOUT,
        Reason.CERTIFICATE_PIN_MISMATCH,
        Reason.AUTHENTICATION_FAILED,
        Reason.DEADLINE,
    ],
)
def test_a_failure_of_the_server_as_a_whole_stops_what_is_left(
    reason: Reason, source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.failures = {("write_authentication", 1): Failure(reason, "gone")}
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert drifted.writes == ["write_settings", "write_authentication"]
    assert drifted.calls[-1] == "write_authentication"
    assert outcome.status is (Status.INCOMPLETE if reason is Reason.DEADLINE else Status.FAILED)
    assert outcome.reason is reason
    assert statuses(outcome)[PartName.SETTINGS] is PartStatus.PUSHED
    left = list(PartName)[2:]
    assert {part: statuses(outcome)[part] for part in left} == dict.fromkeys(left, PartStatus.SKIPPED)
    assert {reasons(outcome)[part] for part in left} == {reason}
    assert outcome.pushed_at is not None
    assert outcome.verified_at is None


def test_a_read_back_that_fails_leaves_the_part_unverified(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.failures = {("settings", 2): Failure(Reason.READ_TIMEOUT, "no answer")}
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert outcome.reason is Reason.READ_TIMEOUT
    assert outcome.pushed_at is not None
    assert outcome.verified_at is None
    assert drifted.writes == ["write_settings"]


@pytest.mark.parametrize("call", ["facts", "settings", "users", "listeners", "auto_blocked_addresses"])
@pytest.mark.parametrize("reason", [Reason.READ_TIMEOUT, Reason.READ_REFUSED, Reason.DEADLINE])
def test_a_backup_that_cannot_be_read_is_not_written_to(
    call: str, reason: Reason, source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.failures = {(call, 1): Failure(reason, "no")}
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert drifted.writes == []
    assert outcome.status is (Status.INCOMPLETE if reason is Reason.DEADLINE else Status.FAILED)
    assert (outcome.reason, outcome.message) == (reason, "no")
    assert outcome.pushed_at is outcome.verified_at is None


@pytest.mark.parametrize("document", ["settings", "users", "groups", "event_rules", "blocked_addresses"])
def test_a_backup_that_cannot_be_understood_is_not_written_to(
    document: str, source: PrimaryState, drifted: FakeServer, clock: Runtime, secret: str
) -> None:
    drifted.content[document] = f"<a>{secret}"
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert drifted.writes == []
    assert outcome.reason is Reason.DOCUMENT_MALFORMED
    assert secret not in repr(outcome)


def test_a_part_the_backups_edition_lacks_fails_and_the_others_are_written(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    facts = drifted.server_facts
    drifted.server_facts = replace(facts, features=replace(facts.features, directory_authentication=False))
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert reasons(outcome) == {PartName.AUTHENTICATION: Reason.FEATURE_MISSING}
    assert outcome.status is Status.FAILED
    assert drifted.writes == [call for call in IN_ORDER if call != "write_authentication"]
    assert "authentication" not in drifted.calls


def test_a_part_the_primarys_edition_lacks_is_not_offered_and_nothing_is_missing(
    make_primary: ServerFactory, drifted: FakeServer, clock: Runtime
) -> None:
    facts = make_primary().server_facts
    bare = replace(facts, features=replace(facts.features, events=False))
    outcome = replicate(
        ReplicationJob(read_primary(make_primary(server_facts=bare), ALL.parts), ALL, OPEN),
        drifted,
        runtime=clock,
        snapshots=PartSnapshots(),
    )
    assert statuses(outcome)[PartName.EVENT_RULES] is PartStatus.NOT_OFFERED
    assert outcome.status is Status.UPDATED
    assert "event_rules" not in drifted.calls
    assert any("features" in warning for warning in outcome.warnings)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"event_rules": ""}, PartName.EVENT_RULES),
        ({"account_requests": " "}, PartName.ACCOUNT_REQUESTS),
        ({"blocked_addresses": ""}, PartName.IP_BLOCK_LISTS),
        ({"authentication": Authentication("")}, PartName.AUTHENTICATION),
        ({"mime_mappings": ()}, PartName.MIME_MAPPINGS),
    ],
)
def test_nothing_at_all_from_the_primary_never_empties_a_backup(
    content: dict[str, Any],
    part: PartName,
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
) -> None:
    backup = make_server()
    outcome = replicate(
        ReplicationJob(read_primary(make_primary(**content), ALL.parts), ALL, OPEN),
        backup,
        runtime=clock,
        snapshots=PartSnapshots(),
    )
    assert reasons(outcome) == {part: Reason.PART_MISSING_ON_PRIMARY}
    assert backup.writes == []
    assert outcome.verified_at is None


def test_nothing_on_both_sides_is_equal(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
) -> None:
    nothing: dict[str, Any] = {"event_rules": "", "mime_mappings": (), "authentication": Authentication("")}
    outcome = replicate(
        ReplicationJob(read_primary(make_primary(**nothing), ALL.parts), ALL, OPEN),
        make_server(**nothing),
        runtime=clock,
        snapshots=PartSnapshots(),
    )
    assert outcome.status is Status.IN_SYNC


def test_an_empty_part_of_the_backup_is_filled(
    source: PrimaryState, make_server: ServerFactory, clock: Runtime
) -> None:
    backup = make_server(users="", groups="", event_rules="", blocked_addresses="")
    assert (
        replicate(ReplicationJob(source, ALL, OPEN), backup, runtime=clock, snapshots=PartSnapshots()).status
        is Status.UPDATED
    )


def test_settings_of_the_backup_that_are_empty_stop_everything(
    source: PrimaryState, make_server: ServerFactory, clock: Runtime
) -> None:
    backup = make_server(settings="", users="<users/>")
    outcome = replicate(ReplicationJob(source, ALL, OPEN), backup, runtime=clock, snapshots=PartSnapshots())
    assert outcome.reason is Reason.DOCUMENT_MALFORMED
    assert backup.writes == []


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("dropped", [set(), set(IN_ORDER)])
def test_an_outcome_holds_no_value_of_a_document(
    write: bool, dropped: set[str], source: PrimaryState, drifted: FakeServer, clock: Runtime, secret: str
) -> None:
    drifted.dropped = dropped
    outcome = replicate(
        ReplicationJob(source, ALL, OPEN, write=write), drifted, runtime=clock, snapshots=PartSnapshots()
    )
    for planted in (secret, "other-secret"):
        assert planted not in repr(outcome)
        assert planted in repr(dump(source)) + repr(DRIFT)


def test_machine_specific_values_survive_and_the_rest_becomes_the_primarys(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    settings = parse_text(drifted.content["settings"])
    assert settings.findtext("soap/port") == "9"
    assert settings.findtext("timeout") == "30"


def test_users_that_log_in_during_the_run_are_no_failure(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    drifted.normalise = lambda text: text.replace('<user name="bob"', '<user lastLogin="now" name="bob"')
    outcome = replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
    assert 'lastLogin="now"' in drifted.content["users"]
    assert outcome.status is Status.UPDATED


def test_a_fault_in_the_product_is_not_taken_for_a_failure_of_the_server(
    source: PrimaryState, drifted: FakeServer, clock: Runtime
) -> None:
    def broken(call: str) -> None:
        raise ZeroDivisionError

    drifted.on_call = broken
    with pytest.raises(ZeroDivisionError):
        replicate(ReplicationJob(source, ALL, OPEN), drifted, runtime=clock, snapshots=PartSnapshots())
