"""The command of the runbook that reads the audit records names what is in them."""

import re
from dataclasses import fields
from datetime import UTC, datetime

from local.build import ROOT
from registry.audit import AuditRecord
from registry.serialization import to_row

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")


def test_the_command_shows_attributes_that_records_have() -> None:
    record = AuditRecord("1", datetime(2026, 11, 22, tzinfo=UTC), "ann", "198.51.100.7", "POST", "/r", "/r", status=200)
    kinds = {name: "N" if isinstance(value, int) else "S" for name, value in to_row(record).items()}
    (query,) = re.findall(r"Items\[\]\.\{(.+?)\}", RUNBOOK)
    shown = dict(re.findall(r"(\w+): (\w+\.[SN])", query))
    assert set(shown) < {one.name for one in fields(AuditRecord)}
    assert shown == {name: f"{name}.{kinds[name]}" for name in shown}
