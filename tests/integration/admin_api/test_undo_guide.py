"""The commands that docs/api.md has for undoing a run, typed as they stand there; the runs are real ones."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger

from common.deadline import Deadline
from common.runtime import SystemRuntime
from fleet.servers import CerberusServers
from local.cerberus import LocalServer, drift, replicable_differences
from local.events import PLAN
from registry.fleet_records import Backup, Credentials, Primary, TlsTrust
from sync.context import RunContext
from sync.events import read_request
from sync.reporting import LoggedProgress
from sync.run import run

GUIDE = Path(__file__).parents[3] / "docs" / "api.md"


def test_every_command_for_undoing_a_run_does_what_the_guide_says(
    gateway: Any,
    server: Callable[..., LocalServer],
    type_guide: Callable[[str, str], Any],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    def start(event: Mapping[str, object]) -> None:
        context = RunContext(
            store=gateway.store,
            credentials=gateway.credentials,
            servers=CerberusServers(gateway.addresses, SystemRuntime()),
            progress=LoggedProgress(Logger()),
            snapshots=gateway.snapshots,
            primary=None,
            lease_seconds=60,
            runtime=SystemRuntime(),
        )
        run(read_request(event), context, Deadline(600, monotonic))

    monkeypatch.setattr(gateway.starter, "start", start)
    with server("primary") as primary, server("ftp2") as backup, gateway.listening() as address:
        for name, running in (("primary", primary), ("ftp2", backup)):
            machine = running.state.machine
            gateway.credentials.put(name, Credentials(machine.admin_user, machine.admin_password))
        gateway.store.save_primary(Primary(primary.host, primary.port, TlsTrust(pins=(primary.fingerprint,))))
        gateway.store.add_backup(Backup("ftp2", backup.host, backup.port, TlsTrust(pins=(backup.fingerprint,))))
        drift.add_user(backup.state, "maria")
        drift.set_setting(backup.state, "general/welcomeMessage", "Welcome to files 2")
        before = backup.snapshot()
        start({"action": "sync"})
        assert replicable_differences(primary.snapshot(), backup.snapshot()) == []
        primary.refuse_connections()
        done = type_guide("When something has to be undone", address)
        assert done.returncode == 0, done.stdout + done.stderr
        assert backup.snapshot() == before
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["text"] in done.stdout
    assert _shown(plan["text"]) in GUIDE.read_text()
    restored = json.loads((tmp_path / "restored.json").read_text())
    assert restored["last_result"]["status"] == "restored"
    assert restored["last_result"]["run_id"] in restored["paused"]
    assert restored["last_result"]["plan_hash"] == plan["hash"]
    assert json.loads((tmp_path / "resumed.json").read_text())["paused"] == ""


def _shown(text: str) -> str:
    """The plan as the guide shows it: indented, with address, run and hash of its example."""
    text = text.replace("127.0.0.1:", "ftp2.example.com:")
    text = re.sub(r"example.com:[0-9]+", "example.com:8443", text)
    text = re.sub(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{8}", "20261122T120000.000000Z-0badc0de", text)
    text = text.replace("/registration-1/", "/4f1d2c3b5a69788790a1b2c3d4e5f607/")
    text = re.sub(r"Hash: [0-9a-f]{64}", f"Hash: {PLAN}", text)
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())
