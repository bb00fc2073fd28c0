"""Settings of which it cannot be told what belongs together: they wait for a person, and no approval replaces one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, event, given
from lxml import etree

from common.errors import Reason
from local.fakes.snapshots import PartSnapshots
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import PartName, PartStatus, Policy, Status
from replication.plan_details import State, preview
from replication.plan_text import render
from replication.primary import read_primary
from replication.replicate import replicate
from tests.support.documents import parse_text
from tests.support.settings_model import PATTERNS, Case, cases, judge

if TYPE_CHECKING:
    from common.runtime import Runtime
    from replication.model import Outcome
    from tests.unit.replication.conftest import PlanFactory, ServerFactory

PRIMARY = "<s><sites><site><x>new</x></site><site><x>1</x></site></sites></s>"
OWN = "<s><sites><site><x>old</x><cert>b</cert></site><site><x>1</x></site></sites></s>"
SOURCE: dict[str, Any] = {"settings": PRIMARY, "event_rules": "<rules/>", "mime_mappings": ()}
PARTS = frozenset({PartName.SETTINGS, PartName.MIME_MAPPINGS, PartName.IP_BLOCK_LISTS})
POLICY = Policy(PARTS)
"""The type mappings of ``SOURCE`` are blocked until somebody approves them."""


def statuses(outcome: Outcome) -> dict[PartName, PartStatus]:
    return {part.part: part.status for part in outcome.parts}


def test_the_part_is_blocked_with_the_places_and_the_others_go_through(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
) -> None:
    source = read_primary(make_primary(settings=PRIMARY, blocked_addresses="<ips/>"), PARTS)
    server = make_server(settings=OWN)
    outcome = replicate(ReplicationJob(source, POLICY, Guard()), server, snapshots=PartSnapshots(), runtime=clock)
    assert (outcome.status, outcome.reason) == (Status.BLOCKED, Reason.ENTRIES_AMBIGUOUS)
    assert "/s/sites/site" in outcome.message
    assert outcome.verified_at is None
    assert statuses(outcome)[PartName.SETTINGS] is PartStatus.BLOCKED
    assert statuses(outcome)[PartName.IP_BLOCK_LISTS] is PartStatus.PUSHED
    assert server.content["settings"] == OWN
    assert server.writes == ["write_block_lists"]


@pytest.mark.parametrize("aligned", ["primary", "backup", "pattern"])
def test_the_next_run_goes_through_when_it_is_settled(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime, aligned: str
) -> None:
    primary = PRIMARY.replace("new", "old") if aligned == "primary" else PRIMARY
    server = make_server(settings=OWN.replace("old", "new") if aligned == "backup" else OWN)
    policy = Policy(PARTS, Rules.standard(["sites"])) if aligned == "pattern" else POLICY
    source = read_primary(make_primary(settings=primary), PARTS)
    outcome = replicate(ReplicationJob(source, policy, Guard()), server, snapshots=PartSnapshots(), runtime=clock)
    assert outcome.status is Status.IN_SYNC


def test_no_approval_lets_it_through_nor_does_it_hold_back_what_was_approved(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
) -> None:
    source = read_primary(make_primary(**SOURCE), PARTS)
    server = make_server(settings=OWN)

    def run(approved: str = "") -> Outcome:
        return replicate(
            ReplicationJob(source, POLICY, Guard(approved=approved)), server, snapshots=PartSnapshots(), runtime=clock
        )

    first = run()
    assert statuses(first)[PartName.MIME_MAPPINGS] is PartStatus.BLOCKED
    second = run(first.plan_hash)
    assert statuses(second)[PartName.MIME_MAPPINGS] is PartStatus.PUSHED
    assert statuses(second)[PartName.SETTINGS] is PartStatus.BLOCKED
    assert second.status is Status.BLOCKED
    third = run(second.plan_hash)
    assert (third.status, third.plan_hash) == (Status.BLOCKED, "")
    assert server.content["settings"] == OWN


def test_a_suspicion_of_the_last_push_is_told_as_well_and_can_be_approved(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({"settings": OWN}, SOURCE, POLICY, "its port has changed")
    first = Guard().apply(plan)
    (part,) = (part for part in first.parts if part.name is PartName.SETTINGS)
    assert part.settled is not None
    assert part.settled.reason is Reason.ACCESS_NOT_PROVED
    assert "its port has changed" in part.settled.message
    assert "/s/sites/site" in part.settled.message
    second = Guard(approved=first.hash).apply(plan)
    assert [
        part.settled.reason for part in second.parts if part.settled and part.settled.status is PartStatus.BLOCKED
    ] == [Reason.ENTRIES_AMBIGUOUS]


def test_a_plan_shows_what_an_approval_does_not_lift(make_plan_between: PlanFactory) -> None:
    shown = preview(make_plan_between({"settings": OWN}, SOURCE, POLICY), Guard(), ())
    assert [(block.part, block.reason, block.approvable) for block in shown.blocks] == [
        (PartName.SETTINGS, Reason.ENTRIES_AMBIGUOUS, False),
        (PartName.MIME_MAPPINGS, Reason.PART_MISSING_ON_PRIMARY, True),
    ]
    (part,) = (part for part in shown.details.parts if part.part is PartName.SETTINGS)
    assert (part.state, part.reason) == (State.UNDECIDED, Reason.ENTRIES_AMBIGUOUS)
    text = render(shown.details, "b1", blocks=shown.blocks)
    for_approval, for_decision = text.index("Blocked until approved:"), text.index("Waits for a decision (an approval")
    assert for_approval < text.index("part_missing_on_primary") < for_decision < text.index("/s/sites/site")
    assert "\nPlan: nothing is written. Waits for an approval: mime_mappings" in text
    assert ". Waits for a decision: settings." in text


@given(case=cases())
def test_a_run_keeps_what_is_the_backups_or_writes_nothing_and_the_next_one_has_nothing_to_do(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime, case: Case
) -> None:
    assume(len(parse_text(case.primary)))  # without any element inside it is refused as empty
    policy = Policy(frozenset({PartName.SETTINGS}), Rules(PATTERNS))
    source = read_primary(make_primary(settings=case.primary), policy.parts)
    server = make_server(settings=case.own)

    def run() -> Outcome:
        seen = replicate(
            ReplicationJob(source, policy, Guard(), write=False), server, snapshots=PartSnapshots(), runtime=clock
        )
        guard = Guard(approved=seen.plan_hash)
        return replicate(ReplicationJob(source, policy, guard), server, snapshots=PartSnapshots(), runtime=clock)

    first = run()
    event(str(first.status))
    if first.status is Status.BLOCKED:
        assert first.reason is Reason.ENTRIES_AMBIGUOUS
        assert (server.content["settings"], server.writes) == (case.own, [])
        return
    assert first.status in (Status.UPDATED, Status.IN_SYNC), (first.reason, first.message)
    held = server.content["settings"]
    judge(parse_text(held), parse_text(case.primary), parse_text(case.own))
    assert run().status is Status.IN_SYNC
    assert etree.tostring(parse_text(server.content["settings"])) == etree.tostring(parse_text(held))
