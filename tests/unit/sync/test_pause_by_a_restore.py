"""Why a backup is paused that gets something back is true at every moment, wherever the restore fails or dies."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from common.deadline import Deadline
from common.errors import Failure, Reason
from fleet.servers import PRIMARY_ID
from local.fakes.runtime import NOON, FakeRuntime, Killed
from local.fakes.snapshots import MemorySnapshots
from local.fakes.store import MemoryStore
from local.fakes.world import World
from registry.run_records import new_run_id
from registry.snapshots import SnapshotContent
from replication.model import PartName
from replication.primary import dump, fingerprint, read_primary
from sync.events import RunRequest, Trigger
from sync.push_conditions import paused_for
from sync.run import run
from tests.support.borders import Border

if TYPE_CHECKING:
    from collections.abc import Callable

RUN_ID = new_run_id(NOON, "0badc0de")
LAST_CALL = 60
"""No restore here makes more."""
FAULTS = ("dies before", "dies after", "fails", "reply lost")


class Restore:
    """A restore of an older state to ``b1``, of whose calls to the registry and to the server one goes wrong."""

    def __init__(self, fault: str, at: int, *, is_equal: bool) -> None:
        self.world = World(runtime=FakeRuntime())
        self._fault, self._at, self._calls, self._dead = fault, at, 0, False
        self.is_begun = False
        """Whether it is recorded that the backup is about to be written to."""
        source = self.world.servers.by_id[PRIMARY_ID]
        state = read_primary(source, frozenset({PartName.SETTINGS, PartName.ACCOUNTS}))
        self.key = self.world.snapshots.keep_primary(fingerprint(state), SnapshotContent(dump(state), state.facts))
        self.server = self.world.servers.by_id["b1"]
        if not is_equal:
            self.server.greeting, self.server.people = "changed since", ("anna", "boris")
        self.server.on_call = lambda _: self._passed(lambda: None)
        context = replace(
            self.world.context,
            store=cast(MemoryStore, Border(self.world.store, self._stored)),
            snapshots=cast(MemorySnapshots, Border(self.world.snapshots, lambda _, do: self._passed(do))),
        )
        request = RunRequest(Trigger.RESTORE, ("b1",), run_id=RUN_ID, snapshot=self.key)
        with suppress(Killed, Failure):
            run(request, context, Deadline(600, self.world.runtime.monotonic))

    def _stored(self, method: str, do: Callable[[], Any], *_: Any, **__: Any) -> Any:
        def stored() -> Any:
            answer = do()
            self.is_begun = self.is_begun or method == "begin_push"
            return answer

        return self._passed(stored)

    def _passed(self, do: Callable[[], Any]) -> Any:
        if self._dead:
            raise Killed
        self._calls += 1
        is_now = self._calls == self._at
        lost = Failure(Reason.REGISTRY_UNAVAILABLE, "the call failed")
        if is_now and self._fault == "fails":
            raise lost
        self._dead = is_now and self._fault == "dies before"
        if self._dead:
            raise Killed
        answer = do()
        self._dead = is_now and self._fault == "dies after"
        if self._dead:
            raise Killed
        if is_now and self._fault == "reply lost":
            raise lost
        return answer


@pytest.mark.parametrize("is_equal", [False, True], ids=["to be written", "held already"])
@pytest.mark.parametrize("fault", FAULTS)
def test_it_names_a_run_whose_record_says_what_came_of_it_and_nothing_is_written_without_it(
    fault: str, is_equal: bool
) -> None:
    paused = set()
    for call in range(1, LAST_CALL):
        restore = Restore(fault, call, is_equal=is_equal)
        store, backup = restore.world.store, restore.world.store.backup("b1")
        made_by = store.run(RUN_ID)
        assert backup
        paused.add(bool(backup.paused))
        assert backup.paused or not restore.server.writes
        if backup.paused:
            assert made_by
            assert backup.paused == paused_for(made_by)
            assert is_equal or restore.is_begun, f"paused at call {call}, and nothing was begun"
    assert paused == {False, True}
