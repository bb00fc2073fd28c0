"""How many backups are served at a time: what the function's memory has room for."""

from replication.model import PrimaryState
from replication.parts import PARTS

MAX_WORKERS = 64
"""Backups at a time where memory does not matter. Most of a backup's time is waiting for the network."""

BASE = 120 * 1024 * 1024
"""Bytes for the program itself; 73 MB were measured with everything imported and the clients opened."""
ONCE = 10
"""Bytes for each byte of the primary's documents, taken once: the primary's own, and the one document that is parsed as
a whole where it is no plain list, which takes eight times its room."""
EACH = 6
"""Bytes for each byte of the primary's documents that every backup takes while it is served.

Measured over HTTPS with 20,000 users (31 MB), with ``MALLOC_ARENA_MAX=1``: 6.8 times the documents and the program for
one backup, and 4.8 times for each more at most, whether five users differ or 1,500.
"""


def workers(memory_megabytes: int | None, documents: int) -> int:
    """How many backups fit into the memory at a time, from 1 to MAX_WORKERS; None is memory without a limit.

    ``documents`` is the size of the primary's documents in bytes: those of a backup are taken to be as large.
    """
    if memory_megabytes is None or documents == 0:
        return MAX_WORKERS
    room = memory_megabytes * 1024 * 1024 - BASE - ONCE * documents
    return max(1, min(MAX_WORKERS, room // (EACH * documents)))


def size_of(primary: PrimaryState) -> int:
    """The size of the primary's documents in bytes."""
    return sum(part.size(primary.states[part.name]) for part in PARTS if part.name in primary.states)
