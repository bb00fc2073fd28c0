"""What the fixtures of older formats mean: a field that a format does not have yet has its default."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.format_fixtures import ACCEPTANCE, BACKUP, EXAMPLES, FIXTURES, RESULT

_UNREGISTERED: Mapping[str, Any] = {"registration": ""}
_PARTS = tuple(replace(part, kept_different=0, kept_different_paths=()) for part in RESULT.parts)
_ACCEPTED = {name: replace(part, requester_verified=False) for name, part in ACCEPTANCE.parts.items()}
_NEW_IN: Mapping[int, Mapping[str, Mapping[str, Any]]] = {
    2: {
        "audit": {"former_destination": "", "destination": ""},
        "backup": _UNREGISTERED,
        "primary": {"as_backup": replace(BACKUP, **_UNREGISTERED), "since": None},
        "open": _UNREGISTERED,
        **{kind: {**_UNREGISTERED, "source": "", "parts": _PARTS} for kind in ("status", "result", "history")},
        "approval": {**_UNREGISTERED, "source": ""},
        "baseline": {"source": ""},
        "run": {"source": "", "same_machine": False, "plan_hash": ""},
        "settings": {"personal_roles": ()},
        "acceptance": {"parts": _ACCEPTED},
    },
    3: {
        "run": {"state": ""},
        "approval": {"snapshot": ""},
        "settings": {"approval_hours": 24},
        "primary": {"of_stack": False},
        **{kind: {"approved_parts": {}} for kind in ("status", "result", "history")},
    },
    4: {
        "run": {"accept_primary": False, "requester_verified": False},
        "approval": {"agreed": ()},
        **{kind: {"approved_by": ()} for kind in ("status", "result", "history")},
    },
    5: {"approval": {"ends_at": None}},
}
"""By format and kind, the fields that came with it, and what records of older formats mean by not having them."""

YOUNGER_KINDS = frozenset({"acceptance", "digest", "digests", "login", "discarded", "reading", "served"})
"""What the first version did not store at all: there is no fixture of it in folder 0."""


def meaning(folder: str, kind: str) -> Any:
    """The record that the fixture of a kind in this folder is of."""
    record: Any = EXAMPLES[kind]
    for number, kinds in _NEW_IN.items():
        if int(folder) < number:
            record = replace(record, **kinds.get(kind, {}))
    return record


def kinds_in(folder: str) -> frozenset[str]:
    """The kinds of records that the version knew which wrote this folder's."""
    return frozenset(EXAMPLES) - (YOUNGER_KINDS if folder == "0" else frozenset())


def newest_before(folder: str, kind: str) -> Path:
    """The fixture of a kind as the version wrote it that wrote this folder's."""
    numbers = [int(path.parent.name) for path in FIXTURES.glob(f"*/{kind}.json")]
    return FIXTURES / str(max(number for number in numbers if number <= int(folder))) / f"{kind}.json"
