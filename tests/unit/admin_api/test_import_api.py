from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerberus.client import NativeSync, NativeTarget, PrimaryClient
from common.plain_text import is_plain
from local.fakes.aws_services import MemoryCredentials
from local.fakes.store import MemoryStore
from registry.fleet_records import Credentials, Primary


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


# ---------------------------------------------------------------- lists of all kinds

HOSTS = [
    "ftp1.example",
    "FTP1.example.",
    "primary-alias.example",
    "ftp3.example",
    "ftp3-alias.example",
    "a b",
    "127.0.0.1",
]
USERS = st.sampled_from(["admin", "", "ad\nmin", "ad\u202emin", "\x1b[2J", "a" * 257, "Zoë"])
TARGETS = st.lists(
    st.builds(
        NativeTarget, st.sampled_from(HOSTS), st.sampled_from([8443, 8444, 0]), st.booleans(), USERS, st.booleans()
    ),
    max_size=6,
)
NAMES = {
    "ftp1.example": ["198.18.0.1"],
    "primary-alias.example": ["198.18.0.1"],
    "ftp3.example": ["10.0.0.3"],
    "ftp3-alias.example": ["10.0.0.3", "10.0.0.4"],
}


@pytest.fixture
def listed(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The world, with a setter for the primary's list."""
    world.names.update(NAMES)

    def set_list(targets: Sequence[NativeTarget]) -> None:
        world.store, world.credentials = MemoryStore(), MemoryCredentials()
        world.store.save_primary(Primary("ftp1.example", 8443))
        world.credentials.put("primary", Credentials("admin", "PLANTED-primary"))
        monkeypatch.setattr(PrimaryClient, "native_sync", lambda _: NativeSync(False, 5, False, tuple(targets)))

    world.set_list = set_list
    return world


def _server(host: str, port: int) -> tuple[str, int]:
    """The server that an address leads to in this world."""
    name = host.lower().rstrip(".")
    return (NAMES.get(name, [name])[0], port)


@given(targets=TARGETS)
def test_a_dry_import_says_what_the_other_one_does_and_each_server_has_one_registration(
    listed: Any, targets: list[NativeTarget]
) -> None:
    listed.set_list(targets)
    passwords = {f"{target.host}:{target.port}": "PLANTED" for target in targets}
    would = listed.call("POST", "/backups/import", {"passwords": passwords}).body["backups"]
    before = len(listed.audit.all_records)
    done = listed.call("POST", "/backups/import", {"passwords": passwords, "dry_run": False}).body["backups"]
    moved = {one.resource for one in listed.audit.all_records[before:] if one.destination and not one.status}
    assert {f"/backups/{one['id']}" for one in done if one["action"] == "registered"} <= moved
    assert [entry["action"].replace("would_register", "registered") for entry in would] == [
        entry["action"] for entry in done
    ]
    assert all(is_plain(entry["host"]) and is_plain(entry["username"]) for entry in done)
    stored = listed.store.backups()
    servers = [_server(backup.host, backup.port) for backup in stored]
    assert len(set(servers)) == len(servers)
    assert _server("ftp1.example", 8443) not in servers
    assert all(is_plain(listed.log_in(backup.id).username) for backup in stored)
    assert sum(entry["action"] == "registered" for entry in done) == len(stored)


def test_of_a_list_without_end_the_first_thousand_are_looked_at(listed: Any) -> None:
    listed.set_list([NativeTarget(f"b{number}.example", 1, True, "admin", True) for number in range(1005)])
    report = listed.call("POST", "/backups/import", {}).body
    assert (len(report["backups"]), report["more"]) == (1000, 5)
