"""A fleet through the queue, with all that can happen to it, on one thread and a clock of its own: twice the same."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.aws_services import MemoryQueue
from local.fakes.journal import Journal, JournaledServers
from local.fakes.runtime import FakeRuntime, Killed
from local.fakes.world import World
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from registry.backup_queue import Message
    from sync.context import RunContext

ROOT = Path(__file__).resolve().parents[3]

BATCH = 10
"""Messages that the queue hands over at a time."""
LEASE = 600
"""Seconds that a run has from the queueing on."""
QUICK = 0.05
"""Seconds that a healthy server takes for an answer."""
LIFE = 60.0
"""Seconds that a process may live."""


class Story:
    """25 backups, one queue, one clock; everything is noted."""

    def __init__(self, seed: int) -> None:
        self.runtime = FakeRuntime(seed=seed)
        self.journal = Journal(self.runtime)
        self.queue = MemoryQueue()
        self.world = World(runtime=self.journal.watch("runtime", self.runtime, ("sleep", "uniform", "new_id")))
        for number in range(4, 26):
            self.world.add_backup(f"b{number}")
        for server in self.world.servers.by_id.values():
            server.on_call = self.taking(QUICK)

    def taking(self, seconds: float, call: str = "") -> Callable[[str], None]:
        """What a server's calls take: all of them alike, or only one so much longer than the others."""
        return lambda name: self.runtime.advance(seconds if call in ("", name) else QUICK)

    def process(self) -> RunContext:
        """What a new process works with."""
        world, watch = self.world, self.journal.watch
        return replace(
            world.context,
            store=watch("store", world.store),
            credentials=watch("credentials", world.credentials, ("get",)),
            servers=JournaledServers(world.servers, self.journal),
            progress=watch("progress", world.notes),
            snapshots=watch("snapshots", world.snapshots),
            fan_out=FanOutTerms(watch("queue", self.queue), above=5, seconds=LEASE),
            loaded={},
        )

    def deadline(self) -> Deadline:
        return Deadline(LIFE - 10, self.runtime.monotonic)

    def start(self) -> str:
        self.journal.note("a run is asked for")
        report = run(RunRequest(Trigger.SCHEDULE), self.process(), self.deadline())
        return f"{report.run.status} {report.run.reason}".strip()

    def work(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Serve messages in a process of their own; which of them come again."""
        self.journal.note(f"{len(messages)} messages are handed over")
        ends_at = self.runtime.now() + timedelta(seconds=LIFE)
        batch = process_batch(messages, self.process(), self.deadline(), ends_at)
        return [message for message in messages if message in batch.again]

    def queued_anew(self, *, after: str) -> Sequence[Message]:
        """Take the messages that lie behind that of a backup."""
        first = [message.backup_id for message in self.queue.messages].index(after) + 1
        taken = self.queue.messages[first:]
        del self.queue.messages[first:]
        return taken

    def next_messages(self) -> Sequence[Message]:
        taken = self.queue.messages[:BATCH]
        del self.queue.messages[:BATCH]
        return taken


def played(seed: int = 0) -> Journal:
    """What happens to a fleet in a bad hour, and that it comes to its end."""
    story = Story(seed)
    world, servers, runtime = story.world, story.world.servers.by_id, story.runtime
    for name in ("b11", "b12", "b15", "b20"):
        servers[name].greeting = "moin"
    servers["b13"].people = ("anna", "boris", "chen", "dora")

    def restarting(call: str) -> None:
        """The listener of b12 comes back only some seconds after new settings."""
        runtime.advance(QUICK)
        if call == "fresh_facts" and runtime.sleeps[-2:] != [1.0, 2.0]:
            raise Failure(Reason.CONNECTION_REFUSED, "nothing listens on this port")

    def dies(_: str) -> None:
        raise Killed

    servers["b12"].on_call = restarting
    story.queue.refused = {"b7"}

    # A run is killed while it reads the primary. Its lease is in the way until it has expired.
    servers[PRIMARY_ID].on_call = dies
    with pytest.raises(Killed):
        story.start()
    servers[PRIMARY_ID].on_call = story.taking(QUICK)
    # Who is killed gives no lease back, other than what an exception leads to.
    world.store.acquire_lease("a dead process", now=runtime.now(), expires_at=runtime.now() + timedelta(minutes=1))
    assert story.start() == "not_run lease_held"
    runtime.advance(60)

    # Through the queue. The first process is killed while it writes to b15.
    assert story.start() == "running"
    first = story.next_messages()
    servers["b15"].on_call = lambda call: dies(call) if call == "write_settings" else None
    with pytest.raises(Killed):
        story.work(first)
    servers["b15"].on_call = story.taking(QUICK)

    # The second one meets a slow server, and begins nothing more after half of its time.
    second = story.next_messages()
    servers["b20"].on_call = story.taking(30, "facts")
    assert story.work(second) == []
    late = story.queued_anew(after="b9")
    servers["b20"].on_call = story.taking(QUICK)
    assert [message.backup_id for message in late] == ["b21", "b22", "b23", "b24", "b25", "b3", "b4"]

    # The third one serves what the first had not claimed; b15 is free when the claim of the first has expired.
    unclaimed = story.work(first)
    assert [message.backup_id for message in unclaimed] == ["b15"]
    runtime.advance(LIFE)
    assert story.work(unclaimed) == []

    # A server hangs until the time of its process is used up.
    servers["b22"].on_call = story.taking(60, "facts")
    assert story.work(late) == []
    servers["b22"].on_call = story.taking(QUICK)

    # The last messages come too late: the lease has expired, the next run has taken over, and its messages are void.
    void = story.next_messages()
    assert [message.backup_id for message in void] == ["b5", "b6", "b8", "b9", "b23", "b24", "b25", "b3", "b4"]
    story.queue.refused = set()
    runtime.advance(LEASE)
    assert story.start() == "running"
    assert story.work(void) == []

    # The next run comes to its end.
    while messages := story.next_messages():
        assert story.work(messages) == []
    return story.journal


def test_the_same_hour_twice_is_the_same_to_the_letter() -> None:
    first, second = played(), played()
    assert first.lines == second.lines
    assert played(seed=1).lines != first.lines


def test_the_hour_is_made_of_all_that_was_meant() -> None:
    text = played().text
    missing = [
        what
        for what in (
            "12:00:00.000000 primary.facts raised Killed",
            "reason=lease_held",
            "backup_id='b7'): 'refused'}",
            "reason=not_queued",
            "snapshots.keep_backup('b11'",
            "b11.write_settings(",
            "b13.write_accounts(",
            "b12.fresh_facts failed: connection_refused",
            "runtime.sleep(1.0)",
            "runtime.sleep(2.0)",
            "b15.write_settings raised Killed",
            "store.claim_backup = held",
            "'b21', this invocation has no time left for the backup; another one processes it [deadline]",
            "reason=run_cut_off",
            "status=succeeded",
        )
        if what not in text
    ]
    assert missing == []


def test_another_process_with_other_hashes_plays_the_same_hour() -> None:
    code = "from tests.unit.sync.test_same_run_twice import digest; print(digest())"
    replay = subprocess.run(  # noqa: S603 # this repository's own code
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"functions{os.pathsep}.", "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert replay.stdout.strip() == digest()


def digest() -> str:
    return hashlib.sha256(played().text.encode()).hexdigest()
