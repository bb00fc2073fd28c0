"""One backup that fills every limit takes no memory from the others: measured as the peak of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleet.at_a_time import HOSTILE

ROOT = Path(__file__).resolve().parents[3]
MEMORY = 1024
PROGRAM = 80
"""Megabytes that the function's own program takes beyond this one's: clients of AWS, and the run time."""


def measured(**asked: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.replication.hostile_fleet"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}{os.pathsep}{ROOT}", "MALLOC_ARENA_MAX": "1"},
        input=json.dumps(asked) + "\n",
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is measured in another unit elsewhere")
def test_as_many_are_served_beside_a_hostile_backup_as_without_it() -> None:
    figures = measured(megabytes=1.0, of_users="users", of_others="values", hostile=True)
    assert figures["ordinary"] == {"updated": 63}
    assert figures["hostile"].startswith("failed:")
    assert figures["peak"] + PROGRAM < MEMORY
    assert (figures["peak"] - figures["before"]) * 2**20 < HOSTILE
