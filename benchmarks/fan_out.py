"""Fleets of small servers through the queue of the real stack in the local cloud.

Everything shares the machine: the servers in two processes, the local cloud
with table, bucket, secrets and queue in one, the function in as many as
serve at a time.
"""

import time

from local.build import build
from local.cloud import LocalCloud
from local.large import LargeFleet
from local.tables import markdown

NAME = "fan-out"
TITLE = "A fleet through the queue"
FLEETS = ((100, 2, False), (1000, 2, False), (1000, 4, False), (1000, 2, True))
"""Backups, invocations at a time, and whether all of these are killed when a tenth of the fleet is done."""
SECONDS = 1800.0


def measured(backups: int, at_a_time: int, *, kill: bool) -> list[str]:
    """One row: a run over a fleet in which every tenth backup differs."""
    parameters = {"FanOutAbove": "1", "FanOutConcurrency": str(at_a_time), "SyncTimeoutSeconds": "60"}
    with LocalCloud() as cloud, LargeFleet(cloud, "queue", backups=backups, **parameters) as fleet:
        fleet.swarm.drift(fleet.names[::10], "set_mime", extension="pdf", kind="application/edited-by-hand")
        started = time.monotonic()
        run_id = fleet.deployment.invoke({"action": "sync"})["run_id"]
        queued = time.monotonic() - started
        if kill:
            while len(fleet.deployment.store.open_backups(run_id)) > backups * 0.9:
                time.sleep(0.1)
            cloud.kill_function(fleet.deployment.outputs["SyncFunctionName"])
        run = fleet.finished(run_id, SECONDS)
        took = time.monotonic() - started
        results = fleet.deployment.store.results(run_id)
        verified = sum(result.verified_at is not None for result in results)
        served = [operations["GetLicenseInfo"] for operations in fleet.swarm.requests().values()]
        if fleet.swarm.differing(fleet.primary.snapshot()):
            raise RuntimeError("a backup is not what the primary is")
    return [
        f"{backups:,}",
        str(at_a_time) + (", killed" if kill else ""),
        f"{queued:.1f}",
        f"{took:.0f}",
        f"{took / backups * 1000:.0f}",
        run.status,
        f"{verified:,}",
        str(sum(count > 1 for count in served)),
    ]


def measure() -> str:
    """The table."""
    build()
    heads = ["backups", "at a time", "s queued", "s in all", "ms each", "run", "verified", "asked twice"]
    rows = [measured(backups, at_a_time, kill=kill) for backups, at_a_time, kill in FLEETS]
    note = "5 users and 2 groups each. The messages of a killed process come again after 90 s."
    return f"{markdown(heads, rows)}\n{note}"
