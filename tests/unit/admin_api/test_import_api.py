from typing import Any

import pytest

from cerberus.client import NativeSync, NativeTarget, PrimaryClient
from registry.models import Credentials, Primary


@pytest.fixture
def native(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary with a native list in which everything that can be wrong is."""
    world.store.save_primary(Primary("ftp1.example", 8443))
    world.credentials.put("primary", Credentials("admin", "PLANTED-primary"))
    world.names["inside.example"] = ["169.254.169.254"]
    targets = (
        NativeTarget("ftp2.example", 8443, True, "admin", True),
        NativeTarget("FTP3.example", 8443, True, "root", False),
        NativeTarget("plain.example", 80, False, "admin", True),
        NativeTarget("inside.example", 8443, True, "admin", True),
        NativeTarget("a b", 8443, True, "admin", True),
        NativeTarget("ftp5.example", 0, True, "admin", True),
        NativeTarget("ftp6.example", 8443, True, "", True),
    )
    monkeypatch.setattr(PrimaryClient, "native_sync", lambda _: NativeSync(True, 5, True, targets))


def test_every_entry_is_judged_and_both_pushing_is_warned_of(world: Any, register: Any, native: None) -> None:
    register(id="known", host="ftp3.example")
    report = world.call("POST", "/backups/import", {"passwords": {"ftp2.example:8443": "PLANTED-two"}}).body
    assert report["native"] == {"enabled": True, "interval_minutes": 5, "on_change": True}
    assert "both would push" in report["warnings"][0]
    assert [(entry["host"], entry["action"]) for entry in report["backups"]] == [
        ("ftp2.example", "would_register"),
        ("FTP3.example", "already_registered"),
        ("plain.example", "refused"),
        ("inside.example", "refused"),
        ("a b", "refused"),
        ("ftp5.example", "refused"),
        ("ftp6.example", "refused"),
    ]
    assert report["backups"][1]["id"] == "known"
    assert "plain HTTP" in report["backups"][2]["detail"]


def test_what_is_refused_is_not_registered_even_with_a_password(world: Any, native: None) -> None:
    hosts = ("ftp2.example:8443", "FTP3.example:8443", "plain.example:80", "inside.example:8443")
    body = {"dry_run": False, "passwords": dict.fromkeys(hosts, "PLANTED")}
    report = world.call("POST", "/backups/import", body).body
    actions = [entry["action"] for entry in report["backups"]]
    assert actions == ["registered", "registered", "refused", "refused", "refused", "refused", "refused"]
    stored = {backup.host: backup for backup in world.store.backups()}
    assert set(stored) == {"ftp2.example", "FTP3.example"}
    assert stored["FTP3.example"].enabled is False
    assert world.credentials.stored(stored["FTP3.example"].secret_id).username == "root"
