"""What the fixtures of older formats mean: a field that a format does not have yet has its default."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.format_fixtures import BACKUP, EXAMPLES, FIXTURES

_UNREGISTERED: Mapping[str, Any] = {"registration": ""}
_BEFORE_2: Mapping[str, Mapping[str, Any]] = {
    "backup": _UNREGISTERED,
    "primary": {"as_backup": replace(BACKUP, **_UNREGISTERED), "since": None},
    "open": _UNREGISTERED,
    **{kind: {**_UNREGISTERED, "source": ""} for kind in ("status", "result", "history", "approval")},
    "baseline": {"source": ""},
    "run": {"source": "", "same_machine": False, "plan_hash": ""},
}


def meaning(folder: str, kind: str) -> Any:
    """The record that the fixture of a kind in this folder is of."""
    example: Any = EXAMPLES[kind]
    return replace(example, **_BEFORE_2.get(kind, {})) if int(folder) < 2 else example


def newest_before(folder: str, kind: str) -> Path:
    """The fixture of a kind as the version wrote it that wrote this folder's."""
    numbers = [int(path.parent.name) for path in FIXTURES.glob(f"*/{kind}.json")]
    return FIXTURES / str(max(number for number in numbers if number <= int(folder))) / f"{kind}.json"
