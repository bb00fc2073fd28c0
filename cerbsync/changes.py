"""The changes of `cerbsync apply`: the difference between a fleet file and the deployed stack, as requests."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cerbsync.deployed import SCHEDULE, Deployed
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.fleet_file import Backup, Fleet, Server
from cerbsync.states import Document
from cerbsync.text import one_line

PRIMARY = "primary"
_DESTINATION = ("host", "port", "tls")


@dataclass(frozen=True)
class Change:
    """One request to the API. ``fields`` are triples of name, present value and wanted value, for people.

    ``server`` is ``primary``, the id of a backup, or empty for the settings. ``asks``: the request needs the server's
    password, which is never part of ``body``.
    """

    verb: str
    server: str
    method: str
    path: tuple[str, ...]
    fields: tuple[tuple[str, Any, Any], ...] = ()
    body: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    asks: bool = False

    @property
    def goes_to(self) -> tuple[str, int, dict[str, Any]] | None:
        """Host, port and trust of the server that would get the password, None if it gets none."""
        return (self.body["host"], self.body["port"], self.body["tls"]) if self.asks else None


def changes_of(fleet: Fleet, deployed: Deployed, *, prune: bool) -> list[Change]:
    """The changes in the order in which they are done; the schedule comes last, so that no run meets half of them.

    Raises CommandFailed if the file cannot be what is wanted.
    """
    _distinct(fleet)
    changes = [_primary(fleet.primary, deployed.primary)]
    wanted, present = fleet.settings(), deployed.settings
    changes.append(_settings({name: wanted[name] for name in wanted if name not in SCHEDULE}, present))
    if prune:
        changes += [_removal(name, deployed.backups[name]) for name in unlisted(fleet, deployed)]
    changes += [_backup(name, backup, deployed.backups.get(name)) for name, backup in fleet.backups.items()]
    changes.append(_settings({name: wanted[name] for name in wanted if name in SCHEDULE}, present))
    return [change for change in changes if change is not None]


def unlisted(fleet: Fleet, deployed: Deployed) -> list[str]:
    """The ids of registered backups that are not in the file."""
    return [name for name in deployed.backups if name not in fleet.backups]


def hash_of(changes: list[Change]) -> str:
    """One hash over all changes, with what is there now and what it becomes. No password is in it."""
    described = [[change.verb, change.server, change.fields] for change in changes]
    return hashlib.sha256(json.dumps(described, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _distinct(fleet: Fleet) -> None:
    seen: dict[tuple[str, int], str] = {}
    for name, server in ((PRIMARY, fleet.primary), *fleet.backups.items()):
        place = (server.host.lower().rstrip("."), server.port)
        if place in seen:
            raise CommandFailed(
                Problem.FILE_INVALID,
                f"{name} has the address of {seen[place]}",
                "give each server its own host or port",
                server=name,
                status=Exit.USAGE,
            )
        seen[place] = name


def _trust(server: Server) -> dict[str, Any]:
    if server.pins:
        return {"mode": "pins", "fingerprints": server.pins}
    if server.ca:
        return {"mode": "ca", "ca_pem": server.ca}
    return {"mode": "system"}


def _place(server: Server) -> dict[str, Any]:
    return {"host": server.host, "port": server.port, "username": server.username, "tls": _trust(server)}


def _normal(name: str, value: Any) -> Any:
    """The value in the one spelling in which two values are compared."""
    if name == "host":
        return str(value).lower().rstrip(".")
    if name == "tls" and value and value["mode"] == "pins":
        return {**value, "fingerprints": sorted(pin.replace(":", "").lower() for pin in value["fingerprints"])}
    if name == "parts" and value is not None:
        return sorted(value)
    return value


def _different(wanted: dict[str, Any], present: Document) -> tuple[tuple[str, Any, Any], ...]:
    return tuple(
        (name, present.get(name), value)
        for name, value in wanted.items()
        if _normal(name, present.get(name)) != _normal(name, value)
    )


def _changed_server(wanted: dict[str, Any], present: Document, server: str, path: tuple[str, ...]) -> Change | None:
    fields = _different(wanted, present)
    if not fields:
        return None
    names = {name for name, _, _ in fields}
    # A password is for one destination, and for one user name: who changes either gives it again.
    asks = bool(names & {*_DESTINATION, "username"})
    body = {name: wanted[name] for name in (*_DESTINATION, "username")} if asks else {}
    body |= {name: value for name, _, value in fields}
    return Change("change", server, "PATCH", path, fields, body, str(present.get("etag", "")), asks)


def _primary(server: Server, present: Document | None) -> Change | None:
    wanted = _place(server)
    if present is None or present["source"] == "stack" or present["username"] is None:
        fields = tuple((name, None, value) for name, value in wanted.items())
        return Change("register", PRIMARY, "PUT", (PRIMARY,), fields, wanted, asks=True)
    return _changed_server(wanted, present, PRIMARY, (PRIMARY,))


def _backup(name: str, backup: Backup, present: Document | None) -> Change | None:
    wanted = _place(backup)
    wanted |= {"enabled": backup.enabled, "report_only": backup.report_only, "parts": backup.parts}
    wanted |= {"rules": backup.keep, "tags": backup.tags}
    if present is None:
        usual = {**Backup.model_construct().model_dump(exclude_none=True), "rules": []}
        fields = tuple(
            (key, None, value) for key, value in wanted.items() if value is not None and usual.get(key) != value
        )
        return Change("register", name, "POST", ("backups",), fields, {"id": name, **wanted}, asks=True)
    return _changed_server(wanted, present, name, ("backups", name))


def _removal(name: str, present: Document) -> Change:
    fields = (("host", present["host"], None), ("port", present["port"], None))
    return Change("remove", name, "DELETE", ("backups", name), fields, version=str(present.get("etag", "")))


def _settings(wanted: dict[str, Any], present: Document) -> Change | None:
    flat = {key: value for key, value in wanted.items() if key != "limits"}
    fields = list(_different(flat, present))
    for key, value in wanted.get("limits", {}).items():
        if present["limits"][key] != value:
            fields.append((f"limits.{key}", present["limits"][key], value))
    if not fields:
        return None
    body = {name: value for name, _, value in fields if not name.startswith("limits.")}
    if any(name.startswith("limits.") for name, _, _ in fields):
        body["limits"] = {**present["limits"], **wanted["limits"]}
    return Change("change", "", "PATCH", ("sync-settings",), tuple(fields), body)


_LABELS = {"rules": "keep", "tls": "trust"}
"""The names of fields in a fleet file, where the API has others."""


def described(change: Change) -> list[str]:
    """The change in lines: what happens to which server, and each value."""
    signs = {"register": "+", "change": "~", "remove": "-"}
    lines = [f"{signs[change.verb]} {change.verb} {change.server or 'settings'}"]
    for name, before, after in change.fields:
        label = _LABELS.get(name, name)
        values = (
            _shown(name, after) if change.verb == "register" else f"{_shown(name, before)} -> {_shown(name, after)}"
        )
        if change.verb == "remove":
            values = _shown(name, before)
        lines.append(f"    {label}: {values}")
    return lines


def _shown(name: str, value: Any) -> str:
    if name == "tls" and value:
        if value["mode"] == "pins":
            return "pins " + ", ".join(one_line(pin) for pin in value["fingerprints"])
        if value["mode"] == "ca":
            digest = hashlib.sha256(value["ca_pem"].encode()).hexdigest()
            return f"own certification authority (SHA-256 of the file {digest[:16]})"
        return "public certification authorities"
    if value is None:
        return "default" if name == "parts" else "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(one_line(entry) for entry in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{one_line(key)}={one_line(entry)}" for key, entry in value.items()) or "none"
    return one_line(value)
