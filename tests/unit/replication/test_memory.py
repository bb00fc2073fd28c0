"""How much memory one large backup takes, in a process of its own, set up as the function's is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from common.runtime import SystemRuntime
from local.cerberus.generate import generate
from local.fakes.snapshots import ForgottenSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import Policy
from replication.primary import read_primary
from replication.replicate import replicate

ROOT = Path(__file__).resolve().parents[3]
USERS = 20_000
"""About 31 MB of XML."""
MOST_MEGABYTES = 500
"""391 were measured. Parsing a document as a whole (240 each), or keeping all canonical texts (200), goes beyond it."""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is measured in another unit elsewhere")
def test_one_differing_backup_of_many_users_takes_limited_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.replication.test_memory"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}", "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    status, changed, megabytes = done.stdout.split()
    assert (status, changed) == ("updated", "1")
    assert int(megabytes) < MOST_MEGABYTES


def _other_layout(text: str) -> str:
    """The document as another server writes it down, so that it has to be parsed to be found equal."""
    return text.replace("><", ">\n<", 1)


def _peak() -> int:
    """Megabytes. Of this program: getrusage would count what the process was before it became this program."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    from local.fakes.servers import FACTS, FakeServer
    from tests.unit.replication.conftest import CONTENT

    large = generate(users=USERS, groups=50)
    content = CONTENT | {"users": large.document("profiles"), "groups": large.document("groups")}
    del large
    elsewhere = replace(FACTS, hostname="primary", licence=replace(FACTS.licence, company="P", issued=1, installed=2))
    policy = Policy()
    primary = read_primary(FakeServer(content, address=("p", 1), server_facts=elsewhere), policy.parts)
    edited = content | {"users": content["users"].replace("Meyer", "Mayer", 1)}
    backup = FakeServer(edited, normalise=_other_layout)
    outcome = replicate(
        ReplicationJob(primary, policy, Guard()), backup, snapshots=ForgottenSnapshots(), runtime=SystemRuntime()
    )
    changes = sum(len(part.changes.changed) for part in outcome.parts)
    sys.stdout.write(f"{outcome.status} {changes} {_peak()}\n")
