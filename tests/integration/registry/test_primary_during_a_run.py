"""No other server becomes the primary while a run is under way, whoever says so, on each implementation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from common.errors import Failure, Reason
from registry.dynamo import DynamoStore
from registry.fleet_records import Primary, TlsTrust
from registry.store import Store, VersionConflict
from registry.store_rules import primary_as_named
from tests.integration.registry.conftest import RawTable

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MAIN = Primary("main.example", 443)
STORED = {"none": None, "registered": MAIN, "of the stack": replace(MAIN, of_stack=True)}
NAMED = {
    "another host": Primary("files.example", 443),
    "another port": Primary("main.example", 444),
    "the same": MAIN,
    "spelled otherwise": Primary("MAIN.example", 443),
    "another trust": Primary("main.example", 443, TlsTrust(pins=("ab" * 32,))),
    "another host of the stack": Primary("files.example", 443, of_stack=True),
}
TIMES = {"before the end of the lease": NOON, "at its end": NOON + MINUTE, "not said": None}


@pytest.mark.parametrize("is_held", [False, True], ids=["free", "under way"])
@pytest.mark.parametrize(("stored", "named"), list(product(STORED, NAMED)))
def test_it_is_refused_exactly_when_that_makes_another_server_the_primary(
    store: Store, stored: str, named: str, is_held: bool
) -> None:
    """What the stack's parameters name is the primary already, so it is stored."""
    registered = STORED[stored]
    for now in TIMES.values():
        before = store.save_primary(registered) if registered else None
        if is_held:
            assert store.acquire_lease("a run", now=NOON, expires_at=NOON + MINUTE)
        wanted = primary_as_named(NAMED[named], before, "it was set", NOON)
        stays = wanted.of_stack or (before is not None and before.source == wanted.source)
        if is_held and not stays and now != NOON + MINUTE:
            with pytest.raises(Failure) as failed:
                store.save_primary(wanted, now=now)
            assert failed.value.reason is Reason.LEASE_HELD
            assert store.primary() == before
        else:
            assert store.save_primary(wanted, now=now) == store.primary()
            assert store.primary() == replace(wanted, version=(before.version if before else 0) + 1)
            return
        store.release_lease("a run")


def test_an_overtaken_version_is_told_first(store: Store) -> None:
    store.save_primary(MAIN)
    assert store.acquire_lease("a run", now=NOON, expires_at=NOON + MINUTE)
    with pytest.raises(VersionConflict):
        store.save_primary(replace(MAIN, port=444), expected_version=0, now=NOON)


def test_under_a_lease_that_cannot_be_understood_nothing_is_moved(dynamo_store: DynamoStore, raw: RawTable) -> None:
    before = dynamo_store.save_primary(MAIN)
    raw.put("LEASE", "LEASE", format={"N": "99"}, held_by={"S": "a run"}, held_until={"S": "2000-01-01T00:00:00Z"})
    with pytest.raises(Failure) as failed:
        dynamo_store.save_primary(replace(MAIN, port=444), now=NOON)
    assert failed.value.reason is Reason.RECORD_UNREADABLE
    assert dynamo_store.primary() == before
    assert dynamo_store.save_primary(replace(MAIN, held="why"), now=NOON).held == "why"
