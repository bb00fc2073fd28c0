"""A program for ``test_hostile_memory``: backups of one primary side by side, one of which fills every budget.

It is given megabytes of the primary's users and what the hostile one fills its budgets with, and prints how many
backups were served at a time, the statuses of the ordinary ones, what became of the hostile one, and its own peak.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from threading import Event, Semaphore, Thread

from common.runtime import SystemRuntime
from fleet.at_a_time import size_of, workers
from local.cerberus.generate import generate
from local.fakes.hostile import HostileServer
from local.fakes.servers import FACTS, FakeServer
from local.fakes.snapshots import ForgottenSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import Policy
from replication.parts.accounts import account_sizes
from replication.primary import read_primary
from replication.replicate import replicate
from tests.unit.replication.conftest import CONTENT

MEMORY = 1024
USERS_OF_A_MEGABYTE = 640


def peak_megabytes() -> int:
    """Of this program: getrusage would count what the process was before it became this program."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main(megabytes: float, of_users: str, of_others: str, *, hostile: bool) -> dict[str, object]:
    """Serve as many backups at a time as the function's memory has room for."""
    large = generate(users=int(megabytes * USERS_OF_A_MEGABYTE), groups=50)
    content = CONTENT | {"users": large.document("profiles").encode(), "groups": large.document("groups").encode()}
    del large
    edited = {**content, "users": content["users"].replace(b"Meyer", b"Mayer", 1)}
    if edited["users"] == content["users"]:
        raise ValueError("so few users differ in nothing")
    elsewhere = replace(FACTS, hostname="primary", licence=replace(FACTS.licence, company="P", issued=1, installed=2))
    policy = Policy()
    primary = read_primary(FakeServer(content, address=("p", 1), server_facts=elsewhere), policy.parts)
    at_a_time = workers(MEMORY, size_of(primary))

    holding, done = Semaphore(0), Event()

    def hold(call: str) -> None:
        """At its largest, right before it is written to, an ordinary backup waits for the hostile one."""
        if call == "write_accounts":
            holding.release()
            done.wait()

    outcomes = []

    def serve(server: FakeServer) -> None:
        outcome = replicate(
            ReplicationJob(primary, policy, Guard()), server, snapshots=ForgottenSnapshots(), runtime=SystemRuntime()
        )
        outcomes.append((server, outcome))

    ordinary = [FakeServer(dict(edited), normalise=lambda text: text, on_call=hold) for _ in range(at_a_time - 1)]
    threads = [Thread(target=serve, args=(server,)) for server in ordinary]
    for thread in threads:
        thread.start()
    for _ in threads:
        holding.acquire()
    before = peak_megabytes()
    last = (
        HostileServer(dict(edited), beside=account_sizes(primary), of_users=of_users, of_others=of_others)
        if hostile
        else FakeServer(dict(edited))
    )
    serve(last)
    done.set()
    for thread in threads:
        thread.join()
    (of_last,) = [outcome for server, outcome in outcomes if server is last]
    return {
        "at_a_time": at_a_time,
        "ordinary": Counter(str(outcome.status) for server, outcome in outcomes if server is not last),
        "hostile": f"{of_last.status}:{of_last.reason or ''}",
        "message": of_last.message,
        "before": before,
        "peak": peak_megabytes(),
    }


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    sys.stdout.write(json.dumps(main(**asked)))
