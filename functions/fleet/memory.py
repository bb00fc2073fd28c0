"""How many backups fit into the memory of the function at a time, one hostile one among them.

Apart from ``common.budgets``, because it counts what a whole run takes, of which no room below knows.
"""

from common.budgets import LIST_TREE, MEGABYTE, TREE_TO_SIZE
from replication.model import PrimaryState
from replication.parts import PARTS

MAX_WORKERS = 64
"""Backups at a time where memory does not matter. Most of a backup's time is waiting for the network."""

BASE = 100 * MEGABYTE
"""Bytes for the program itself; 73 MB were measured with everything imported and the clients opened."""
ONCE = 14
"""Bytes for each byte of the primary's documents, taken once: the primary's own, and the one document that is parsed as
a whole where it is no plain list (``budgets.TREE_TO_SIZE``)."""
EACH = 5
"""Bytes for each byte of the primary's documents that every backup takes while it is served.

Measured over HTTPS with 20,000 users (31 MB), with ``MALLOC_ARENA_MAX=1``: 6.8 times the documents and the program for
one backup, and 4.8 times for each more at most, whether five users differ or 1,500.
"""
HOSTILE = 350 * MEGABYTE
"""What one backup takes at most that fills every limit of ``common.budgets`` beside a small primary: 306 MB were
measured with limits a third larger (tests/unit/replication/test_hostile_memory.py)."""


def workers(memory_megabytes: int | None, documents: int) -> int:
    """How many backups fit into the memory at a time, from 1 to MAX_WORKERS; None is memory without a limit.

    ``documents`` is the size of the primary's documents in bytes: those of a backup are taken to be as large. One of
    the backups may be hostile: what it takes beyond the others is set aside, up to half of a small memory. The tree of
    its list is the one that ``ONCE`` counts.
    """
    if memory_megabytes is None or documents == 0:
        return MAX_WORKERS
    free = memory_megabytes * MEGABYTE - BASE
    beyond = HOSTILE - EACH * documents - min(LIST_TREE, TREE_TO_SIZE * documents)
    room = free - ONCE * documents - max(0, min(beyond, free // 2))
    return max(1, min(MAX_WORKERS, room // (EACH * documents)))


def room_for_primary(memory_megabytes: int | None) -> int | None:
    """Bytes for reading the primary, before any backup is served; None where nothing limits the memory."""
    return None if memory_megabytes is None else max(BASE, memory_megabytes * MEGABYTE - BASE)


def size_of(primary: PrimaryState) -> int:
    """The size of the primary's documents in bytes."""
    return sum(part.size(primary.states[part.name]) for part in PARTS if part.name in primary.states)
