"""However often a backup is taken over within a run: one snapshot holds all that the run may have written."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.runs import key_for
from common.deadline import Deadline
from local.fakes.aws_services import MemoryQueue
from local.fakes.management_api import FakeApi
from local.fakes.runtime import FakeRuntime, Killed
from local.fakes.world import World
from registry.run_records import BackupResult
from replication.model import Status
from sync.context import FanOutTerms
from sync.events import RunRequest, Trigger
from sync.fan_out import process_batch
from sync.run import run
from tests.support.registrations import as_registered

HELD = {
    "settings": "<settings><greeting>hello</greeting></settings>",
    "users": '<users><user name="anna" note="hello"/><user name="boris"/></users>',
    "event_rules": '<rules><rule name="mail" note="hello"/></rules>',
    "account_requests": '<requests><request name="dora" note="hello"/></requests>',
}
WRITES = {
    "write_settings": "settings",
    "write_accounts": "users",
    "write_event_rules": "event_rules",
    "write_account_requests": "account_requests",
}
"""The document that a call writes."""
PART_OF = {"users": "accounts"}
LIVES = st.lists(
    st.tuples(st.sets(st.sampled_from(sorted(HELD)), max_size=2), st.integers(1, 40)), min_size=1, max_size=4
)


@settings(max_examples=150)
@given(LIVES, st.booleans())
def test_the_snapshot_that_a_run_names_holds_what_was_there_before_its_first_write(
    lives: Sequence[tuple[set[str], int]], clock_was_ahead: bool
) -> None:
    """Each life: what somebody edits on the backup before it, and the call of the server at which it dies.

    ``clock_was_ahead``: the status is of a time that has not come, so that no result of the run takes its place.
    """
    runtime = FakeRuntime()
    world = World(runtime=runtime)
    queue = MemoryQueue()
    context = replace(world.context, fan_out=FanOutTerms(queue, above=0, seconds=36_000))
    for name in ("primary", "b1"):
        world.servers.by_id[name].content.update(HELD)
    server = world.servers.by_id["b1"]
    if clock_was_ahead:
        ahead = BackupResult("b1", "r0", Status.IN_SYNC, runtime.now() + timedelta(days=1))
        world.store.acquire_lease("before", now=runtime.now(), expires_at=runtime.now())
        world.store.record_result(as_registered(ahead, world.store), lease_owner="before")
        world.store.release_lease("before")
    run_id = run(RunRequest(Trigger.SCHEDULE, ("b1",)), context, Deadline(600, runtime.monotonic)).run.id
    held = {name: {text} for name, text in HELD.items()}
    written: set[str] = set()

    for number, (edited, dies_at) in enumerate([*lives, (set(), 0)]):
        for name in edited:
            server.content[name] = HELD[name].replace("hello", f"edit {number}")
        for name in held.keys() - written:
            held[name].add(server.content[name])
        calls = count(1)

        def on_call(call: str, calls: Iterator[int] = calls, dies_at: int = dies_at) -> None:
            written.update({WRITES[call]} if call in WRITES else ())
            if next(calls) == dies_at:
                raise Killed

        server.on_call = on_call
        ends_at = runtime.now() + timedelta(seconds=60)
        with suppress(Killed):
            process_batch(queue.messages, context, Deadline(50, runtime.monotonic), ends_at)
        runtime.advance(60)

    (result,) = world.store.results(run_id)
    assert result.status in ("updated", "in_sync")
    if written:
        backup = world.store.backup("b1")
        assert backup
        api = FakeApi("somebody", store=world.store, snapshots=world.snapshots, runtime=world.runtime)
        assert key_for(run_id, backup, api.services()) == result.snapshot
        kept = world.snapshots.load(result.snapshot).content.parts
        for name in written:
            part = kept[PART_OF.get(name, name)].replace('\\"', '"')
            assert any(text in part for text in held[name])
