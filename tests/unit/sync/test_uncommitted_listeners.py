"""For any order of pushes, cut commits, looks and new primaries: listeners called verified outlive a restart."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import event, example, given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from common.server_types import Listener
from fleet.primary import known_parts
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FACTS, FleetServer
from local.fakes.snapshots import PartSnapshots
from registry.run_records import BackupResult, Run
from registry.store_rules import merged_status
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import Outcome, PartName, Policy
from replication.primary import read_primary
from replication.replicate import replicate
from sync.results import result_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LISTENERS = Policy(parts=frozenset({PartName.LISTENERS}))
STEPS = ("push", "push without a commit", "killed before the commit", "look", "another primary", "edit", "edit back")


def listeners(welcome: str) -> tuple[Listener, ...]:
    return (Listener(1, "10.0.0.1", 1, {"listenPort": 21, "welcome": welcome}),)


@dataclass
class Story:
    """One backup over time, with what the registry remembers of it. ``lasting`` is what a restart would leave."""

    term: int = 0
    status: BackupResult | None = None
    number: int = 0
    lasting: Any = field(default_factory=lambda: listeners("old"))

    def __post_init__(self) -> None:
        self.primary, self.backup = FleetServer("primary", 1), FleetServer("backup", 2)
        self.primary.server_facts = replace(FACTS, hostname="primary")
        self.primary.content["listeners"] = listeners("new")
        self.backup.content["listeners"] = self.lasting

    def do(self, step: str) -> Outcome | None:
        match step:
            case "edit" | "edit back":
                self.primary.content["listeners"] = listeners("new" if step == "edit back" else "newer")
                return None
            case "another primary":
                self.term += 1
                return None
        self.backup.calls.clear()
        cut = step in ("push without a commit", "killed before the commit")
        self.backup.failures = {("commit_listeners", 0): Failure(Reason.WRITE_REFUSED, "no")} if cut else {}
        self.number += 1
        run = Run(f"r{self.number}", "schedule", NOON, term=self.term)
        outcome = replicate(
            ReplicationJob(
                read_primary(self.primary, LISTENERS.parts),
                LISTENERS,
                Guard(),
                previous=known_parts(self.status, run),
                write=step != "look",
            ),
            self.backup,
            snapshots=PartSnapshots(),
            runtime=FakeRuntime(NOON),
            begin=lambda interim: self.record(interim, run),
        )
        if step != "killed before the commit":
            self.record(outcome, run)
        if "commit_listeners" in self.backup.writes and not cut:
            self.lasting = deepcopy(self.backup.content["listeners"])
        return outcome

    def record(self, outcome: Outcome, run: Run) -> None:
        at = NOON + timedelta(minutes=self.number)
        result = result_of(outcome, backup_id="b1", registration="r", run=run, started=at, finished=at)
        self.status = merged_status(self.status, result)


@example(["push without a commit", "another primary", "look", "push"])
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=8))
def test_verified_listeners_are_those_after_a_restart(steps: list[str]) -> None:
    story = Story()
    for step in steps:
        outcome = story.do(step)
        if outcome and outcome.verified_at:
            event(f"verified by {step}")
            assert story.lasting == story.backup.content["listeners"], steps
