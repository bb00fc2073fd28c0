"""Plans of what would be put back, made now, of a real stand-in; the primary need not be there."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any
from urllib.parse import quote

import pytest

from cerberus.client import BackupClient
from common.deadline import Deadline
from common.runtime import SystemRuntime
from fleet.servers import endpoint_of
from local.cerberus import LocalServer, Machine, drift, generate
from registry.snapshots import SnapshotContent
from replication.model import PartName
from replication.primary import dump, fingerprint, read_primary

RUN = "20261101T120000.000000Z-0badc0de"
USERS = 20


@pytest.fixture
def backup() -> Iterator[LocalServer]:
    with LocalServer(generate(1, users=USERS, groups=3, machine=Machine.named("b"))) as running:
        yield running


@pytest.fixture
def plan(
    gateway: Any, backup: LocalServer, registration: Callable[[LocalServer], dict[str, Any]]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """The plan of putting back what ``b`` holds now; its primary is registered, and nobody is there."""
    assert gateway.call("PUT", "/primary", registration(backup) | {"host": "127.0.0.2", "port": 9})[0] == 200
    assert gateway.call("POST", "/backups", {"id": "b", **registration(backup)})[0] == 201
    parts = frozenset(PartName) - {PartName.LISTENERS}
    endpoint = endpoint_of(
        gateway.store.backup("b"), gateway.credentials.stored("b"), gateway.store.settings(), gateway.addresses
    )
    with BackupClient(endpoint, Deadline(600, monotonic), SystemRuntime()) as client:
        state = read_primary(client, parts)
        content = SnapshotContent(dump(state), client.facts())
    gateway.snapshots.keep_backup("b", RUN, content, gateway.store.registration("b"))
    gateway.snapshots.keep_primary(fingerprint(state), content)

    def of(snapshot: str) -> tuple[int, dict[str, Any]]:
        status, body = gateway.call("GET", f"/backups/b/plan?snapshot={quote(snapshot, safe='')}")
        return status, body

    return of


def test_it_says_what_would_come_back_and_from_where(plan: Any, backup: LocalServer) -> None:
    drift.set_setting(backup.state, "general/welcomeMessage", "Since then")
    status, body = plan(RUN)
    assert status == 200, body
    settings = next(part for part in body["parts"] if part["part"] == "settings")
    (field,) = settings["items"][0]["fields"]
    assert (field["before"], settings["changed"]) == ("Since then", 1)
    assert f"from backups/b/{RUN}/registration-1/settings.authentication." in body["text"].splitlines()[0]
    assert body["blocked"] == []
    assert backup.writes == []


def test_what_the_guards_stop_is_shown_with_a_hash_that_changes_with_the_plan(
    plan: Any, backup: LocalServer, gateway: Any
) -> None:
    for number in range(5):
        drift.add_user(backup.state, f"since-{number}", "PLANTEDHASH-of-somebody")
    _, body = plan(RUN)
    (block,) = body["blocked"]
    assert (block["reason"], block["numbers"]["removed"]) == ("removes_too_much", 5)
    assert "PLANTED" not in str(body)
    confirmed = {"snapshot": RUN, "plan_hash": body["hash"]}
    assert gateway.call("POST", "/backups/b/restore", confirmed)[0] == 202
    assert plan(RUN)[1]["hash"] == body["hash"]
    drift.add_user(backup.state, "one-more")
    assert plan(RUN)[1]["hash"] != body["hash"]


def state_kept(gateway: Any) -> str:
    (digest,) = (key.removeprefix("primary/") for key in gateway.snapshots.stored if key.startswith("primary/"))
    return str(digest)


def test_a_state_of_the_primary_is_checked_as_one(plan: Any, gateway: Any) -> None:
    status, body = plan(state_kept(gateway))
    assert (status, body["reason"]) == (409, "same_as_primary")  # its host name and licence are those of the state


@pytest.mark.parametrize(
    ("snapshot", "status", "reason"),
    [
        ("20261101T130000.000000Z-0badc0de", 404, "snapshot_missing"),
        ("0b" * 32, 404, "snapshot_missing"),
        (f"backups/c/{RUN}/settings", 409, "snapshot_unfit"),
        ("nonsense", 422, "request_invalid"),
    ],
)
def test_what_there_is_no_plan_of(plan: Any, snapshot: str, status: int, reason: str) -> None:
    answer = plan(snapshot)
    assert (answer[0], answer[1]["reason"]) == (status, reason)


def test_there_is_no_plan_of_another_state_than_the_digest_names(plan: Any, gateway: Any) -> None:
    kept = gateway.snapshots.stored[f"primary/{state_kept(gateway)}"]
    gateway.snapshots.put(f"primary/{'0b' * 32}", kept)
    status, body = plan("0b" * 32)
    assert (status, body["reason"]) == (409, "snapshot_altered")


def test_there_is_no_plan_of_a_damaged_one(plan: Any, gateway: Any) -> None:
    for key, content in gateway.snapshots.stored.items():
        gateway.snapshots.put(key, content[:-100])
    status, body = plan(RUN)
    assert (status, body["reason"]) == (409, "snapshot_unreadable")
