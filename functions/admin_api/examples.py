"""Examples of request bodies for the OpenAPI document. The passwords in them are not real."""

from typing import Any

_FINGERPRINT = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
_PASSWORD = "the administrator's password"  # noqa: S105 - a placeholder


def _example(summary: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "value": value}


NEW_PRIMARY = {
    "pinned": _example(
        "Set a primary with a self-signed certificate",
        {
            "host": "ftp1.example.com",
            "port": 8443,
            "username": "admin",
            "password": _PASSWORD,
            "tls": {"mode": "pins", "fingerprints": [_FINGERPRINT]},
        },
    ),
}
SERVER_TO_LOOK_AT = {
    "any": _example("See the certificate of a server", {"host": "ftp2.example.com", "port": 8443}),
}
PRIMARY_CHANGE = {
    "rotated": _example("Store a new password of the primary", {"password": _PASSWORD}),
    "renewal": _example(
        "Trust the next certificate before the primary's is renewed",
        {"tls": {"mode": "pins", "fingerprints": [_FINGERPRINT, _FINGERPRINT[::-1]]}},
    ),
}
NEW_BACKUP = {
    "pinned": _example(
        "Register a backup with a self-signed certificate",
        {
            "id": "ftp2",
            "host": "ftp2.example.com",
            "port": 8443,
            "secure_connection": True,
            "username": "admin",
            "password": _PASSWORD,
            "enabled": True,
            "tls": {"mode": "pins", "fingerprints": [_FINGERPRINT]},
            "parts": None,
            "rules": ["*passive-address*"],
            "tags": {"site": "Vienna"},
        },
    ),
    "shortest": _example(
        "Register a backup with a certificate of a public authority",
        {"host": "ftp3.example.com", "port": 443, "username": "admin", "password": _PASSWORD},
    ),
}
BACKUP_CHANGE = {
    "password": _example("Store a new password of a backup", {"password": _PASSWORD}),
    "pause": _example("Disable a backup for a while", {"enabled": False}),
    "report": _example("Report differences and never repair them", {"report_only": True}),
    "parts": _example("Replicate only users and groups to this backup", {"parts": ["accounts"]}),
    "renewal": _example(
        "Trust the next certificate before the backup's is renewed",
        {"tls": {"mode": "pins", "fingerprints": [_FINGERPRINT, _FINGERPRINT[::-1]]}},
    ),
}
SYNC_SETTINGS_CHANGE = {
    "interval": _example("Every 30 minutes", {"interval_minutes": 30}),
    "off": _example("No scheduled runs", {"enabled": False}),
}
SYNC_SETTINGS = {
    "defaults": _example(
        "Every 15 minutes, all default parts",
        {
            "enabled": True,
            "interval_minutes": 15,
            "on_change_polling": False,
            "parts": None,
            "rules": [],
            "replicate_auto_block_list": False,
            "limits": None,
            "block_widened_access": False,
            "approval_by_another": False,
            "connect_timeout": 10.0,
            "read_timeout": 60.0,
            "reply_limit_mb": 256,
            "full_verification_minutes": 0,
            "approval_hours": 24,
        },
    ),
    "careful": _example(
        "Narrow limits, and two people for each approval",
        {
            "enabled": True,
            "interval_minutes": 15,
            "on_change_polling": False,
            "parts": None,
            "rules": [],
            "replicate_auto_block_list": False,
            "limits": {
                "removal_floor": 1,
                "removal_share": 0.02,
                "removal_maximum": 20,
                "disabling_floor": 1,
                "disabling_share": 0.02,
                "disabling_maximum": 20,
            },
            "block_widened_access": True,
            "approval_by_another": True,
            "connect_timeout": 10.0,
            "read_timeout": 60.0,
            "reply_limit_mb": 256,
            "full_verification_minutes": 0,
            "personal_roles": ["arn:aws:iam::123456789012:role/administrators"],
            "approval_hours": 24,
        },
    ),
}
PROMOTION = {
    "planned": _example("Promote a backup that was verified recently", {"backup_id": "ftp2"}),
    "forced": _example(
        "Promote a backup although it was not verified recently",
        {"backup_id": "ftp3", "former_id": "ftp1", "force": True},
    ),
}
NEW_RUN = {
    "fleet": _example("Replicate to the whole fleet", {}),
    "dry": _example("Plan the changes of two backups without writing", {"backups": ["ftp2", "ftp3"], "dry_run": True}),
    "seen": _example("Carry out the plan that was reviewed", {"backups": ["ftp2"], "plan_hash": _FINGERPRINT}),
    "older": _example("Push an older state of the primary to the whole fleet", {"state": _FINGERPRINT}),
}
RESTORE = {
    "run": _example("Restore the content from before a run", {"snapshot": "20261122T120000.000000Z-0badc0de"}),
    "confirmed": _example(
        "Carry out the plan that was reviewed",
        {"snapshot": "20261122T120000.000000Z-0badc0de", "plan_hash": _FINGERPRINT},
    ),
}
APPROVAL = {"seen": _example("Approve the plan that was reviewed", {"hash": _FINGERPRINT})}
PAUSE = {"upgrade": _example("Pause a backup during maintenance", {"why": "The server is being upgraded."})}
IMPORT = {
    "look": _example("Show the list of servers without importing", {"dry_run": True}),
    "register": _example(
        "Register the servers whose password is given",
        {
            "dry_run": False,
            "passwords": {"ftp2.example.com:8443": _PASSWORD},
            "tls": {"mode": "pins", "fingerprints": [_FINGERPRINT]},
        },
    ),
}
