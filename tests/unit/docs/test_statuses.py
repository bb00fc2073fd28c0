"""README explains every status of a run and of a backup, and no other."""

import re

from local.build import ROOT
from registry.run_records import QUEUED
from replication.model import Status
from sync.results import RunStatus

README = (ROOT / "README.md").read_text("utf-8")


def explained(of: str) -> list[str]:
    """The statuses in the first column of the table of this head."""
    table = README.partition(f"| status of a {of} | means |\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \| .+ \|$", table, re.MULTILINE)


def test_every_status_of_a_run_is_explained() -> None:
    assert explained("run") == [QUEUED, *(status.value for status in RunStatus)]


def test_every_status_of_a_backup_is_explained() -> None:
    assert sorted(explained("backup")) == sorted(status.value for status in Status)
