"""As many backups at a time as the function's memory has room for."""

from __future__ import annotations

import threading
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.budgets import LIST_TREE, TREE_TO_SIZE
from common.deadline import Deadline
from fleet.at_a_time import BASE, EACH, HOSTILE, MAX_WORKERS, ONCE, size_of, workers
from fleet.servers import PRIMARY_ID
from replication.model import PartName
from replication.primary import read_primary
from sync.events import RunRequest, Trigger
from sync.run import run

if TYPE_CHECKING:
    from local.fakes.world import World

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("memory", "documents", "expected"),
    [
        (None, 1000 * MEGABYTE, MAX_WORKERS),
        (256, 0, MAX_WORKERS),
        (256, 100_000, MAX_WORKERS),
        (1024, 1 * MEGABYTE, MAX_WORKERS),
        (1024, 29 * MEGABYTE, 2),
        (1024, 31 * MEGABYTE, 2),
        (2048, 31 * MEGABYTE, 8),
        (10240, 31 * MEGABYTE, 61),
        (256, 31 * MEGABYTE, 1),
        (128, 1, MAX_WORKERS),
        (100, 1, 1),
    ],
)
def test_large_documents_leave_room_for_fewer_backups(memory: int | None, documents: int, expected: int) -> None:
    assert workers(memory, documents) == expected


@given(memory=st.integers(128, 10240), documents=st.integers(1, 2000 * MEGABYTE))
def test_what_is_served_at_a_time_fits_unless_it_is_one(memory: int, documents: int) -> None:
    number = workers(memory, documents)
    assert 1 <= number <= MAX_WORKERS
    free = memory * MEGABYTE - BASE
    own_tree = min(LIST_TREE, TREE_TO_SIZE * documents)
    hostile = min(HOSTILE - own_tree, EACH * documents + free // 2)
    ordinary = ONCE * documents + EACH * documents * (number - 1)
    assert number == 1 or ordinary + max(hostile, EACH * documents) <= free


@given(memory=st.integers(128, 10240), documents=st.integers(1, 2000 * MEGABYTE), more=st.integers(1, 10**9))
def test_more_memory_or_smaller_documents_never_mean_fewer(memory: int, documents: int, more: int) -> None:
    assert workers(memory, documents) <= workers(memory + more, documents)
    assert workers(memory, documents) >= workers(memory, documents + more)


def test_the_size_is_that_of_all_the_primary_s_documents(world: World) -> None:
    server = world.servers.by_id[PRIMARY_ID]
    small = size_of(read_primary(server, frozenset(PartName)))
    server.people = tuple(f"user-{number:04}" for number in range(1000))
    assert size_of(read_primary(server, frozenset(PartName))) - small == pytest.approx(1000 * 24, rel=0.2)


@pytest.mark.parametrize(("memory", "expected"), [(None, 3), (100, 1)])
def test_a_run_serves_as_many_backups_at_a_time_as_have_room(world: World, memory: int | None, expected: int) -> None:
    names: set[str] = set()

    def note(call: str) -> None:
        names.add(threading.current_thread().name)
        if memory is None and call == "facts":
            together.wait()

    together = threading.Barrier(3, timeout=30)
    for backup_id in ("b1", "b2", "b3"):
        world.servers.by_id[backup_id].on_call = note
    context = replace(world.context, memory_megabytes=memory)
    report = run(RunRequest(Trigger.ON_DEMAND), context, Deadline(600, monotonic))
    assert {result.status for result in report.results} <= {"updated", "in_sync"}
    assert len(names) == expected
