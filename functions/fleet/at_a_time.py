"""How many backups can be processed at a time in the function's memory, even if one of them is hostile.

The number is that of one invocation. Up to ``FanOutConcurrency`` invocations process a queued fleet together, each at
most this number of backups and at most ten, the size of a batch (infra/template.yaml). A backup during which a process
died is processed alone (``sync.deadly_backups``).

This module is separate from ``common.budgets``, because that module limits single replies, and this one the memory of a
whole run.
"""

from common.budgets import LIST_TREE, MEGABYTE, TREE_TO_SIZE
from replication.model import PrimaryState
from replication.parts import PARTS

MAX_WORKERS = 64
"""Number of backups processed at a time if memory is not limited. Most of the time of a backup is spent waiting for the
network.
"""

BASE = 100 * MEGABYTE
"""Memory for the program itself; with all imports and open clients, 73 MB were measured."""
ONCE = 14
"""Memory per byte of the primary's documents that a run needs once, not for each backup. The primary's own content
takes some, and so does one document that is parsed as a whole because it is not a plain list
(``budgets.TREE_TO_SIZE``).
"""
EACH = 5
"""Memory per byte of the primary's documents that each backup in progress takes.

Measured over HTTPS with 20,000 users (31 MB) and ``MALLOC_ARENA_MAX=1``: one backup takes 6.8 times the documents,
besides the program. Each further backup takes at most 4.8 times the documents, whether five users differ or 1,500.
"""
HOSTILE = 350 * MEGABYTE
"""Maximum memory of a backup that reaches every limit of ``common.budgets`` beside a small primary: 306 MB were
measured with limits a third larger (tests/unit/replication/test_hostile_memory.py).
"""


def workers(memory_megabytes: int | None, documents: int) -> int:
    """How many backups fit into memory at a time, from 1 to MAX_WORKERS; ``memory_megabytes`` None means no limit.

    ``documents`` is the size of the primary's documents in bytes; a backup's documents are assumed to be as large. One
    of the backups may be hostile: the extra memory that it may use is reserved, up to half of the free memory. ``ONCE``
    already includes the tree of the hostile backup's list.
    """
    if memory_megabytes is None or documents == 0:
        return MAX_WORKERS
    free = memory_megabytes * MEGABYTE - BASE
    beyond = HOSTILE - EACH * documents - min(LIST_TREE, TREE_TO_SIZE * documents)
    room = free - ONCE * documents - max(0, min(beyond, free // 2))
    return max(1, min(MAX_WORKERS, room // (EACH * documents)))


def room_for_primary(memory_megabytes: int | None) -> int | None:
    """Bytes available for reading the primary, before any backup is processed; None if memory is not limited."""
    return None if memory_megabytes is None else max(BASE, memory_megabytes * MEGABYTE - BASE)


def size_of(primary: PrimaryState) -> int:
    """The size of the primary's documents in bytes."""
    return sum(part.size(primary.states[part.name]) for part in PARTS if part.name in primary.states)
