"""A server is read for one answer at a time: whoever may only look must not keep it busy."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from registry.fleet_records import Backup, Primary, TlsTrust

if TYPE_CHECKING:
    from datetime import datetime

    from local.fakes.management_api import ApiWorld

PRIMARY, BACKUP = "main.example#443", "ftp2.example#8443"
DIGEST = "0a" * 32
PLAN, DIFFERENCE = "/backups/ftp2/plan", f"/primary/states/{DIGEST}/diff"


@pytest.fixture
def fleet(world: ApiWorld) -> ApiWorld:
    world.store.save_primary(Primary("main.example", 443))
    world.store.add_backup(Backup("ftp2", "ftp2.example", 8443, TlsTrust()))
    return world


@pytest.mark.parametrize(
    ("target", "address", "is_refused"),
    [
        (PLAN, BACKUP, True),
        (PLAN, PRIMARY, True),
        (f"{PLAN}?snapshot={DIGEST}", BACKUP, True),
        (f"{PLAN}?snapshot={DIGEST}", PRIMARY, True),  # it is asked who it is
        (PLAN, "ftp3.example#8443", False),
        (DIFFERENCE, PRIMARY, True),
        (DIFFERENCE, BACKUP, False),
        (f"{DIFFERENCE}?to={'0b' * 32}", PRIMARY, False),
    ],
)
def test_a_server_that_is_being_read_is_not_read_for_another_answer(
    fleet: ApiWorld, target: str, address: str, is_refused: bool
) -> None:
    now = fleet.now
    fleet.store.begin_reading(address, "another request", now=now, until=_later(now, 20))
    answer = fleet.call("GET", target)
    assert (answer.status == 429) is is_refused
    if is_refused:
        assert (answer.body["reason"], answer.headers["Retry-After"]) == ("plan_under_way", "5")
        fleet.now = _later(now, 19)
        assert fleet.call("GET", target).headers["Retry-After"] == "1"
        fleet.now = _later(now, 21)
        assert fleet.call("GET", target).status != 429


@pytest.mark.parametrize("target", [PLAN, DIFFERENCE])
def test_whatever_becomes_of_an_answer_its_servers_may_be_read_for_the_next(fleet: ApiWorld, target: str) -> None:
    for _ in range(3):
        assert fleet.call("GET", target).status not in (200, 429)
    for address in (PRIMARY, BACKUP):
        assert fleet.store.begin_reading(address, "another", now=fleet.now, until=_later(fleet.now, 1)) is None


def test_one_server_of_two_that_is_being_read_keeps_the_other_one_free(fleet: ApiWorld) -> None:
    now = fleet.now
    fleet.store.begin_reading(PRIMARY, "another request", now=now, until=_later(now, 20))
    assert fleet.call("GET", PLAN).status == 429
    assert fleet.store.begin_reading(BACKUP, "another", now=now, until=_later(now, 1)) is None


def test_a_backup_at_the_primarys_address_is_called_so(fleet: Any) -> None:
    fleet.store.save_primary(Primary("ftp2.example", 8443))
    assert fleet.call("GET", PLAN).body["reason"] == "same_as_primary"


def _later(time: datetime, seconds: int) -> datetime:
    return time + timedelta(seconds=seconds)
