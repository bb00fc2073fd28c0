"""For any deadline, slow call and lock-out: a backup is as reachable as before, or the result says it is not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hypothesis import event, given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FakeServer
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import PartName, Policy, Status
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from replication.model import Outcome
    from tests.unit.replication.conftest import ServerFactory

SETTINGS = Policy(parts=frozenset({PartName.SETTINGS}))
OLD, NEW = "<settings><timeout>1</timeout></settings>", "<settings><timeout>60</timeout></settings>"

WRITE, PROOF = 3, 4
"""The numbers of the calls that write the settings and that log in anew; before them are the facts and the settings."""
BROKEN = ("not at all", "log-in refused", "connection refused", "other answers")
"""What new settings do to the way in."""


@dataclass
class Slow:
    """A server on a clock of its own: how long each call takes, and what new settings do to the way in.

    ``pace`` is what a call takes if ``delays`` names nothing else for the number of the call. A call that does not
    fit into the time ends with it; a write is then done or not, as ``cut_writes_are_done`` says. ``heals`` is whether
    the old settings give access back.
    """

    pace: float
    delays: dict[int, float]
    broken: str
    heals: bool
    cut_writes_are_done: bool
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    calls: int = 0
    was_broken: bool = False

    def attach(self, server: FakeServer, seconds: float) -> None:
        """Make a server behave so."""
        self.server = server
        self.honest = server.server_facts
        server.deadline = Deadline(seconds, self.runtime.monotonic)
        server.on_call = self._call

    @property
    def locked_out(self) -> bool:
        """Whether access is not what it was before."""
        holds_new = self.server.content["settings"] == NEW
        self.was_broken |= holds_new and self.broken != BROKEN[0]
        return self.was_broken and (holds_new or not self.heals)

    def _call(self, name: str) -> None:
        self.calls += 1
        takes, left = self.delays.get(self.calls, self.pace), self.server.deadline.remaining()
        self.runtime.advance(min(takes, left))
        if takes >= left:
            if name == "write_settings" and self.cut_writes_are_done and left > 0:
                self._store()
            raise Failure(Reason.DEADLINE, "the time of this run was used up")
        facts = self.honest
        if self.locked_out and name == "fresh_facts":
            if self.broken == "log-in refused":
                raise Failure(Reason.AUTHENTICATION_FAILED, "refused")
            if self.broken == "connection refused":
                raise Failure(Reason.CONNECTION_REFUSED, "refused")
            facts = replace(facts, security=replace(facts.security, soap_port=1))
        self.server.server_facts = facts

    def _store(self) -> None:
        self.server.content["settings"] = NEW if self.server.writes == ["write_settings"] else OLD


slow = st.builds(
    Slow,
    pace=st.sampled_from([0.0, 0.1, 1.0, 5.0, 20.0]),
    delays=st.dictionaries(
        st.one_of(st.sampled_from([WRITE, PROOF]), st.integers(1, 20)),
        st.sampled_from([0.0, 1.0, 10.0, 30.0, 60.0, 1000.0]),
        max_size=4,
    ),
    broken=st.sampled_from(BROKEN),
    heals=st.booleans(),
    cut_writes_are_done=st.booleans(),
)
deadlines = st.one_of(st.floats(1, 60), st.floats(1, 600))


def pushed(one: Slow, seconds: float, make_server: ServerFactory, make_primary: ServerFactory) -> Outcome:
    source = read_primary(make_primary(settings=NEW), SETTINGS.parts)
    server = make_server(settings=OLD)
    one.attach(server, seconds)
    return replicate(ReplicationJob(source, SETTINGS, Guard()), server, snapshots=PartSnapshots(), runtime=one.runtime)


@given(slow, deadlines)
def test_a_lock_out_is_called_one_with_the_first_complaint(
    make_server: ServerFactory, make_primary: ServerFactory, one: Slow, seconds: float
) -> None:
    outcome = pushed(one, seconds, make_server, make_primary)
    event(f"{outcome.status} {outcome.reason}")
    if one.locked_out:
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.ACCESS_LOST), outcome.message
        assert "after the new settings" in outcome.message
    elif outcome.reason is Reason.DEADLINE and one.server.content["settings"] == NEW:
        assert one.broken == BROKEN[0], "settings that end every log-in are left in place"


@given(slow, deadlines)
def test_settings_are_written_only_when_there_is_time_to_undo_them(
    make_server: ServerFactory, make_primary: ServerFactory, one: Slow, seconds: float
) -> None:
    """Whatever the write and the proof take: a server that then is as fast as before and heals is not locked out."""
    one.delays = {number: takes for number, takes in one.delays.items() if number in {WRITE, PROOF}}
    one.heals = True
    outcome = pushed(one, seconds, make_server, make_primary)
    assert not one.locked_out
    assert outcome.reason in {None, Reason.DEADLINE, Reason.MACHINE_VALUES_CHANGED}, outcome.message
    if outcome.reason is Reason.MACHINE_VALUES_CHANGED:
        assert one.server.content["settings"] == OLD


@given(slow, st.floats(0.5, 13.9))
def test_without_the_time_for_it_nothing_is_written(
    make_server: ServerFactory, make_primary: ServerFactory, one: Slow, seconds: float
) -> None:
    outcome = pushed(one, seconds, make_server, make_primary)
    assert one.server.writes == []
    assert (outcome.status, outcome.reason) == (Status.INCOMPLETE, Reason.DEADLINE)
