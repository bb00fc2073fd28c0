"""The product's run over a fleet of measured servers, in a process of its own.

Everything is the product's own but what is AWS: registrations, results and
credentials are in memory, and snapshots are encoded and then forgotten.
``python -m benchmarks.ours`` takes a line of JSON and prints one.
"""

import json
import sys
import time
from collections import Counter
from time import monotonic
from typing import Any

from benchmarks.measuring import peak_bytes
from benchmarks.servers import HOST, PRIMARY, FleetAccess
from cerberus.address_policy import AddressPolicy
from common.deadline import Deadline
from common.runtime import SystemRuntime
from fleet.servers import PRIMARY_ID, CerberusServers
from local.fakes.aws_services import MemoryCredentials
from local.fakes.snapshots import ForgottenSnapshots
from local.fakes.store import MemoryStore
from local.fakes.world import RecordedProgress
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust
from sync.context import RunContext
from sync.events import RunRequest, Trigger
from sync.results import Report
from sync.run import run


def context(access: FleetAccess, memory_megabytes: int | None = None, full_verification_minutes: int = 0) -> RunContext:
    """All that a run needs, with every backup registered."""
    store, credentials = MemoryStore(), MemoryCredentials()
    store.save_settings(SyncSettings(full_verification_minutes=full_verification_minutes))
    trust = TlsTrust(ca_pem=access.ca_pem)
    for name, port in access.ports.items():
        server_id = PRIMARY_ID if name == PRIMARY else name
        credentials.put(server_id, Credentials(access.user, access.passwords[name]))
        if name == PRIMARY:
            store.save_primary(Primary(HOST, port, trust))
        else:
            store.add_backup(Backup(name, HOST, port, trust))
    return RunContext(
        store=store,
        credentials=credentials,
        servers=CerberusServers(AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime()), SystemRuntime()),
        progress=RecordedProgress(),
        snapshots=ForgottenSnapshots(),
        primary=None,
        lease_seconds=900,
        runtime=SystemRuntime(),
        memory_megabytes=memory_megabytes,
    )


def one_run(context: RunContext) -> Report:
    """A scheduled run over the whole fleet."""
    return run(RunRequest(Trigger.SCHEDULE), context, Deadline(600, monotonic))


def measured(context: RunContext) -> dict[str, Any]:
    """One run: wall and CPU seconds of this process, and how many backups ended in which status."""
    wall, cpu = time.perf_counter(), time.process_time()
    report = one_run(context)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": peak_bytes(),
        "statuses": dict(Counter(f"{r.status}{':' + r.reason if r.reason else ''}" for r in report.results)),
        "messages": sorted({r.message for r in report.results if r.message})[:3],
    }


def main() -> None:
    """Do as many runs as asked, one after the other, and print the figures of each."""
    asked = json.loads(sys.stdin.readline())
    run_context = context(
        FleetAccess(**asked["access"]), asked.get("memory_megabytes"), asked.get("full_verification_minutes", 0)
    )
    print(json.dumps([measured(run_context) for _ in range(asked["runs"])]), flush=True)


if __name__ == "__main__":
    main()
