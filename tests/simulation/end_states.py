"""End states of a simulated world, without what differs between two equal ones: times and identifiers."""

import json
import re
from hashlib import sha256

from tests.simulation.world import SimulatedWorld

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:\+00:00|Z)?|[0-9]{8}T[0-9]{6}\.[0-9]{6}Z|datetime\([^)]*\)"
)
_IDENTIFIER = re.compile(r"\\b[0-9a-f]{8,64}\\b")
_PASSING = ("expires_at", "duration", "revision")
"""Attributes that follow from times, or count writes."""


def end_state(world: SimulatedWorld, pushes: str) -> str:
    """A digest of what decides how a world goes on. ``pushes`` is what was written so far, by which run.

    Times are replaced by their rank: what has ended and what has not is decided by the hours that pass before
    everything is brought in order. Identifiers are replaced by the order in which they appear.
    """
    doubles = world.doubles
    rows = [{name: value for name, value in row.items() if name not in _PASSING} for row in doubles.table.rows]
    servers = [
        (one.number, sorted(map(str, one.content.items())), str(one.lasting), one.password)
        for one in doubles.servers.values()
    ]
    queue = [(one.body, one.receives) for one in doubles.queue.messages]
    text = json.dumps([rows, servers, queue, doubles.events, sorted(doubles.bucket.objects), pushes], sort_keys=True)
    ranks = {time: f"T{rank}" for rank, time in enumerate(sorted(set(_TIME.findall(text))))}
    text = _TIME.sub(lambda match: ranks[match[0]], text)
    order: dict[str, str] = {}
    text = _IDENTIFIER.sub(lambda match: order.setdefault(match[0], f"I{len(order)}"), text)
    return sha256(text.encode()).hexdigest()
