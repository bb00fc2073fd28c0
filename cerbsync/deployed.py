"""The deployed registrations and settings, read once from the management API, and as a fleet file has them."""

from dataclasses import dataclass
from typing import Any

from cerbsync.api import Api, ApiRefused
from cerbsync.states import Document

SCHEDULE = ("enabled", "interval_minutes", "on_change_polling", "full_verification_minutes")
APPROVALS = ("approval_by_another", "approval_hours", "block_widened_access", "personal_roles")
CONNECTION = ("connect_timeout", "read_timeout", "reply_limit_mb")


@dataclass(frozen=True)
class Deployed:
    """The primary (None if none is registered), the backups by id with their user names, and the settings."""

    primary: Document | None
    backups: dict[str, Document]
    settings: Document


def read(api: Api) -> Deployed:
    """Read everything that a fleet file describes. Raises CommandFailed."""
    try:
        primary: Document | None = api.get("primary")
    except ApiRefused as error:
        if error.reason != "primary_not_registered":
            raise
        primary = None
    # The list has no user names; each backup's own page has.
    names = [entry["id"] for entry in api.entries("backups", of="backups")]
    return Deployed(primary, {name: api.get("backups", name) for name in names}, api.get("sync-settings"))


def server_fields(server: Document) -> dict[str, Any]:
    """Host, port, user name and trust as a fleet file has them."""
    fields: dict[str, Any] = {"host": server["host"], "port": server["port"], "username": server["username"] or "admin"}
    trust = server["tls"]
    if trust["mode"] == "pins":
        fields["pins"] = list(trust["fingerprints"])
    elif trust["mode"] == "ca":
        fields["ca"] = trust["ca_pem"]
    return fields


def backup_fields(backup: Document) -> dict[str, Any]:
    """The fields of a backup in a fleet file, without those that have their default."""
    fields = server_fields(backup)
    defaults: dict[str, Any] = {"enabled": True, "report_only": False, "parts": None, "rules": [], "tags": {}}
    for name, usual in defaults.items():
        if backup[name] != usual:
            fields["keep" if name == "rules" else name] = backup[name]
    return fields


def as_file(deployed: Deployed) -> dict[str, Any]:
    """The document of a fleet file that describes what is deployed."""
    settings = deployed.settings
    document: dict[str, Any] = {"version": 1}
    if deployed.primary is not None:
        document["primary"] = server_fields(deployed.primary)
    document["backups"] = {name: backup_fields(backup) for name, backup in deployed.backups.items()}
    # A rule with another schedule than an interval is left as it is, by not being mentioned.
    document["schedule"] = {name: settings[name] for name in SCHEDULE if settings[name] is not None}
    document["limits"] = dict(settings["limits"])
    document["approvals"] = {name: settings[name] for name in APPROVALS}
    document["connection"] = {name: settings[name] for name in CONNECTION}
    if settings["parts"] is not None:
        document["parts"] = settings["parts"]
    document["keep"] = settings["rules"]
    document["replicate_auto_block_list"] = settings["replicate_auto_block_list"]
    return document
