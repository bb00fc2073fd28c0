"""A store is used from many threads. moto's transactions are not atomic, so this is shown over the table in memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from common.errors import Failure, Reason
from local.fakes.store import MemoryStore
from registry.fleet_records import Backup, Primary
from registry.run_records import BackupResult
from registry.store import AlreadyRegistered, VersionConflict
from registry.store_rules import Promotion, promotion

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
THREADS = 8


def at_once[Answer](action: Callable[[int], Answer]) -> list[Answer]:
    barrier = Barrier(THREADS)

    def start(number: int) -> Answer:
        barrier.wait(timeout=60)
        return action(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(start, range(THREADS)))


def test_of_many_that_want_the_lease_at_once_one_holds_it() -> None:
    store = MemoryStore()
    leases = at_once(lambda n: store.acquire_lease(f"owner-{n}", now=NOON, expires_at=NOON + timedelta(minutes=1)))
    assert [lease for lease in leases if lease is not None] == [store.lease()]


def test_of_many_registrations_of_one_address_at_once_one_is_stored() -> None:
    store = MemoryStore()

    def register(number: int) -> bool:
        try:
            store.add_backup(Backup(f"b{number}", "files.example", 443))
        except AlreadyRegistered:
            return False
        return True

    assert sum(at_once(register)) == len(store.backups()) == 1


def test_of_many_updates_of_one_version_at_once_one_is_stored() -> None:
    store = MemoryStore()
    added = store.add_backup(Backup("b1", "files.example", 443))

    def update(_: int) -> bool:
        try:
            store.update_backup(added, expected_version=1)
        except VersionConflict:
            return False
        return True

    assert sum(at_once(update)) == 1
    assert store.backups()[0].version == 2


def test_results_recorded_at_once_are_all_there() -> None:
    store = MemoryStore()
    store.acquire_lease("me", now=NOON, expires_at=NOON + timedelta(minutes=1))
    at_once(lambda n: store.record_result(BackupResult(f"b{n}", "r1", "synchronized", NOON), lease_owner="me"))
    assert [result.backup_id for result in store.results("r1")] == [f"b{n}" for n in range(THREADS)]


def test_of_many_promotions_at_once_one_is_made() -> None:
    store = MemoryStore()
    old = store.save_primary(Primary("main.example", 443))
    backups = [store.add_backup(Backup(f"b{number}", f"files{number}.example", 443)) for number in range(THREADS)]

    def promote(number: int) -> bool:
        try:
            store.promote(promotion(old, backups[number], "main", "because", NOON), now=NOON)
        except VersionConflict:
            return False
        return True

    assert sum(at_once(promote)) == 1
    primary = store.primary()
    assert primary is not None
    hosts = [primary.host, *(backup.host for backup in store.backups())]
    assert sorted(hosts) == sorted(["main.example", *(backup.host for backup in backups)])


def test_a_promotion_and_a_run_that_begin_at_once_never_both_go_on() -> None:
    for _ in range(20):
        store = MemoryStore()
        made = promotion(
            store.save_primary(Primary("main.example", 443)),
            store.add_backup(Backup("b1", "files.example", 443)),
            "main",
            "because",
            NOON,
        )

        def begin(number: int, store: MemoryStore = store, made: Promotion = made) -> str:
            """Promote, or begin a run and tell what it found for a primary."""
            if number:
                lease = store.acquire_lease(f"r{number}", now=NOON, expires_at=NOON + timedelta(minutes=1))
                primary = store.primary()
                return primary.host if lease and primary else ""
            try:
                store.promote(made, now=NOON)
            except Failure as failure:
                return str(failure.reason)
            return "promoted"

        answers = at_once(begin)
        of_the_run = "main.example" if answers[0] == Reason.LEASE_HELD else "files.example"
        assert [host for host in answers[1:] if host] == [of_the_run]
