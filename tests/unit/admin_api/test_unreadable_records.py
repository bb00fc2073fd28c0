"""What the API says of records that nobody understands, such as those of a newer version."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from admin_api.promotion import concerns_about, warnings_about
from admin_api.schemas.servers import CheckReport
from common.errors import Failure, Reason
from local.fakes.store import MemoryStore
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Primary
from registry.run_records import BackupResult
from tests.support.registrations import as_registered

WHY = "the stored row STATUS / ftp2 cannot be understood: format: 2 is not known here; the newest known one is 1"


@pytest.fixture
def unreadable(world: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets a method of the store find nothing but a record of a newer version."""

    def arrange(method: str) -> None:
        def fails(*_: object, **__: object) -> None:
            raise Failure(Reason.RECORD_UNREADABLE, WHY)

        monkeypatch.setattr(world.store, method, fails)

    return arrange


def test_a_status_is_told_beside_the_list_and_not_as_never_run(
    world: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(id="ftp2")
    monkeypatch.setattr(world.store, "unreadable_statuses", lambda: (("ftp2", "format: 2 is not known here"),))
    answer = world.call("GET", "/backups")
    assert [backup["id"] for backup in answer.body["backups"]] == ["ftp2"]
    assert answer.body["unreadable"] == [{"id": "ftp2", "complaint": "its last result: format: 2 is not known here"}]


@pytest.mark.parametrize(
    ("method", "request_line", "body"),
    [
        ("settings", "GET /sync-settings", None),
        ("settings", "PUT /sync-settings", "what is shown"),
        ("primary", "GET /primary", None),
        ("primary", "PUT /primary", {"host": "files-9.example", "port": 443}),
        ("status", "GET /backups/ftp2", None),
        ("status", "POST /backups/ftp2/approve", {"hash": "ab" * 32}),
        ("backup", "PATCH /backups/ftp2", {"port": 1}),
    ],
)
def test_what_is_asked_for_alone_is_a_problem_that_names_the_row_and_nothing_is_stored_over_it(
    world: Any, register: Any, unreadable: Callable[[str], None], method: str, request_line: str, body: object
) -> None:
    register(id="ftp2")
    body = world.call("GET", "/sync-settings").body if body == "what is shown" else body
    before = (world.store.settings(), world.store.primary(), world.store.backup("ftp2"))
    unreadable(method)
    answer = world.call(*request_line.split(), body)
    assert (answer.status, answer.body["reason"]) == (500, "record_unreadable")
    assert "STATUS / ftp2" in answer.body["detail"]
    intact = (
        DynamoStore.settings(world.store),
        DynamoStore.primary(world.store),
        DynamoStore.backup(world.store, "ftp2"),
    )
    assert intact == before


def test_a_registration_can_still_be_removed(world: Any, register: Any, unreadable: Callable[[str], None]) -> None:
    register(id="ftp2")
    unreadable("backup")
    assert world.call("DELETE", "/backups/ftp2").status == 204
    assert world.store.backups() == ()


class TestPromotion:
    """The primary may be lost: what is not known speaks against a promotion, and a person may overrule it."""

    BACKUP = Backup("ftp2", "ftp2.example", 8443)
    PRIMARY = Primary("files-1.example", 443, version=1)

    def concerns(self, world: Any) -> list[str]:
        check = CheckReport(server="ftp2", checked_at=world.now, passed=True, requirements=[], certificate=None)
        backup = world.store.backups()[0] if world.store.backups() else self.BACKUP
        return list(concerns_about(backup, self.PRIMARY, check, world.services()))

    def verified(self, world: Any) -> None:
        store: MemoryStore = world.store
        store.add_backup(self.BACKUP)
        store.acquire_lease("me", now=world.now, expires_at=world.now + timedelta(minutes=1))
        result = BackupResult("ftp2", "r1", "in_sync", world.now, verified_at=world.now)
        store.record_result(as_registered(replace(result, pushed_at=world.now), store), lease_owner="me")

    @pytest.mark.parametrize("method", ["status", "newest_state"])
    def test_what_is_not_understood_speaks_against_it(
        self, world: Any, unreadable: Callable[[str], None], method: str
    ) -> None:
        self.verified(world)
        assert self.concerns(world) == []
        unreadable(method)
        assert self.concerns(world) == [WHY]

    def test_of_a_status_that_is_not_understood_nobody_knows_whether_native_sync_is_off(
        self, world: Any, monkeypatch: pytest.MonkeyPatch, unreadable: Callable[[str], None]
    ) -> None:
        monkeypatch.setattr(world.store, "statuses", lambda _: {})
        unreadable("status")
        (warning,) = warnings_about(self.BACKUP, world.services())
        assert warning.startswith("It is unknown")

    def test_a_registry_that_is_down_is_not_overruled(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def down(_: str) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "throttled")

        monkeypatch.setattr(world.store, "status", down)
        with pytest.raises(Failure, match="throttled"):
            self.concerns(world)


def test_a_run_over_a_registration_that_cannot_be_read_says_so_at_once(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.store, "unreadable_backups", lambda: (("ftp2", "format: 2 is not known here"),))
    answer = world.call("POST", "/sync-runs", {"backups": ["ftp2"]})
    assert (answer.status, answer.body["reason"]) == (500, "record_unreadable")
    assert "format: 2 is not known here" in answer.body["detail"]
    assert world.starter.events == []
