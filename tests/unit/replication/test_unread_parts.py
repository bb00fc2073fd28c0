"""A part that nobody read of the primary is not one that the primary does not have."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FleetServer
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import PartName, PartStatus, Policy, PrimaryState, Status
from replication.parts import PARTS
from replication.primary import read_primary
from replication.replicate import replicate

_SOME_PARTS = st.frozensets(st.sampled_from(PartName), min_size=1)


def state_of(primary: FleetServer, read: frozenset[PartName]) -> PrimaryState:
    return read_primary(primary, read)


@given(
    read=_SOME_PARTS,
    chosen=_SOME_PARTS,
    directory=st.booleans(),
    events=st.booleans(),
    differs=st.booleans(),
    write=st.booleans(),
)
def test_only_what_was_compared_or_does_not_exist_counts_as_equal(
    *, read: frozenset[PartName], chosen: frozenset[PartName], directory: bool, events: bool, differs: bool, write: bool
) -> None:
    primary, backup = FleetServer("primary", 1), FleetServer("b1", 2)
    for server in (primary, backup):
        features = replace(server.server_facts.features, directory_authentication=directory, events=events)
        server.server_facts = replace(server.server_facts, features=features)
    if differs:
        backup.people = ("anna", "boris", "dora")
    source = state_of(primary, read)
    outcome = replicate(
        ReplicationJob(source, Policy(chosen), Guard(), write=write),
        backup,
        snapshots=PartSnapshots(),
        runtime=FakeRuntime(),
    )

    offered = {part.name for part in PARTS if part.offered(source.facts.features)}
    missing = chosen & offered - read
    statuses = {part.part: part.status for part in outcome.parts}
    assert {part for part, status in statuses.items() if status is PartStatus.NOT_READ} == missing
    assert {part for part, status in statuses.items() if status is PartStatus.NOT_OFFERED} == chosen - offered
    drifted = differs and not write and PartName.ACCOUNTS in chosen & read
    assert (outcome.verified_at is not None) == (not missing and not drifted)
    if missing and not drifted:
        assert (outcome.status, outcome.reason) == (Status.INCOMPLETE, Reason.PART_NOT_READ)
        assert all(str(part) in outcome.message for part in missing)


def test_what_depends_on_an_unread_part_is_not_written() -> None:
    primary, backup = FleetServer("primary", 1), FleetServer("b1", 2)
    primary.content["event_rules"] = "<rules><rule name='new'/></rules>"
    source = state_of(primary, frozenset({PartName.EVENT_RULES}))
    policy = Policy(frozenset({PartName.ACCOUNTS, PartName.EVENT_RULES}))
    outcome = replicate(
        ReplicationJob(source, policy, Guard()), backup, snapshots=PartSnapshots(), runtime=FakeRuntime()
    )
    assert {part.part: part.reason for part in outcome.parts} == {
        PartName.ACCOUNTS: Reason.PART_NOT_READ,
        PartName.EVENT_RULES: Reason.DEPENDENCY_FAILED,
    }
    assert backup.writes == []
