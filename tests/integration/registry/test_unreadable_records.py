"""What the store does with each kind of record that it cannot understand, and with those of older formats."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from common.errors import Failure, Reason
from local.format_fixtures import (
    AT,
    BACKUP,
    BACKUP_ID,
    CLAIM,
    EXAMPLES,
    FAN_OUT,
    FIXTURES,
    OWNER,
    PRIMARY_RECORD,
    RESULT,
    RUN_ID,
    STATE,
    later,
)
from registry.aws import Clients
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup
from registry.run_records import Claim, Lease
from registry.store import AlreadyRegistered
from registry.store_rules import promotion
from tests.support.formats import kinds_in, meaning, newest_before
from tests.support.registrations import begin_push

ROWS = [kind for kind in EXAMPLES if kind not in ("snapshot", "primary_state", "message")]
LONG_AFTER = AT + timedelta(days=30)
OTHER = Backup("other", "other.example", 443)

type Item = dict[str, Any]


def fixture(kind: str) -> Item:
    folder = str(EXAMPLES[kind].FORMAT)
    item: Item = json.loads((FIXTURES / folder / f"{kind}.json").read_text("utf-8"))
    return item


def newer(item: Item) -> Item:
    return {**item, "format": {"N": "99"}}


def with_more(item: Item) -> Item:
    return {**item, "keep": {"L": []}}


def renamed(item: Item) -> Item:
    """The first attribute of the record, if it has any, under another name."""
    own = sorted(item.keys() - {"pk", "sk", "expires_at", "revision", "format", "id"})
    return {("was_renamed" if name in own[:1] else name): value for name, value in item.items()}


def by_key(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


SPOILED: list[Callable[[Item], Item]] = [newer, with_more, renamed]
ALONE: list[tuple[str, Callable[[DynamoStore], object]]] = [
    ("primary", lambda store: store.primary()),
    ("settings", lambda store: store.settings()),
    ("backup", lambda store: store.backup(BACKUP_ID)),
    ("status", lambda store: store.status(BACKUP_ID)),
    ("history", lambda store: store.result(BACKUP_ID, RUN_ID)),
    ("approval", lambda store: store.approval(BACKUP_ID)),
    ("baseline", lambda store: store.baseline()),
    ("acceptance", lambda store: store.acceptance()),
    ("state", lambda store: store.newest_state()),
    ("run", lambda store: store.run(RUN_ID)),
    ("fanout", lambda store: store.fan_out(RUN_ID)),
    ("lease", lambda store: store.lease()),
    # What nobody understands is not free, however long ago it may have ended.
    ("lease", lambda store: store.acquire_lease("me", now=LONG_AFTER, expires_at=LONG_AFTER)),
    ("lease", lambda store: store.promote(promotion(PRIMARY_RECORD, BACKUP, "old", "why", AT), now=LONG_AFTER)),
    ("open", lambda store: store.claim_backup(RUN_ID, BACKUP_ID, "me", now=LONG_AFTER, until=LONG_AFTER)),
    ("address", lambda store: store.add_backup(replace(OTHER, host=BACKUP.host, port=BACKUP.port))),
]
IN_LISTS: list[tuple[str, Callable[[DynamoStore], object], object]] = [
    ("backup", lambda store: store.backups(), ()),
    ("status", lambda store: store.statuses(), {}),
    ("status", lambda store: store.statuses([BACKUP_ID]), {}),
    ("history", lambda store: store.history(BACKUP_ID, limit=5), ()),
    ("state", lambda store: store.states(limit=5), ()),
    ("run", lambda store: store.runs(limit=5), ()),
    ("history", lambda store: store.unreadable_results(BACKUP_ID, since=""), (RUN_ID,)),
    ("history", lambda store: store.unreadable_results(BACKUP_ID, since=RUN_ID), (RUN_ID,)),
    ("history", lambda store: store.unreadable_results(BACKUP_ID, since=f"{RUN_ID}0"), ()),
    # The keys alone say all: it is still open, or has no end.
    ("open", lambda store: store.open_backups(RUN_ID), (BACKUP_ID,)),
    ("unfinished", lambda store: store.unfinished_runs(), (RUN_ID,)),
]


@pytest.fixture
def table(clients: Clients, raw: Any) -> Callable[..., None]:
    def put(*items: Item) -> None:
        for item in items:
            raw.put(item["pk"]["S"], item["sk"]["S"], **{name: item[name] for name in item.keys() - {"pk", "sk"}})

    return put


@pytest.mark.parametrize("spoil", SPOILED)
class TestUnknown:
    @pytest.mark.parametrize(("kind", "ask"), ALONE)
    def test_asked_for_alone_it_is_a_failure_that_names_the_row_and_it_stays(
        self,
        kind: str,
        ask: Callable[[DynamoStore], object],
        spoil: Callable[[Item], Item],
        dynamo_store: DynamoStore,
        table: Callable[..., None],
        raw: Any,
    ) -> None:
        item = spoil(fixture(kind))
        table(item)
        with pytest.raises(Failure, match=f"{item['pk']['S']} / {item['sk']['S']} cannot be understood: ") as failed:
            ask(dynamo_store)
        assert failed.value.reason is Reason.RECORD_UNREADABLE
        assert raw.items() == [item]

    @pytest.mark.parametrize(("kind", "ask", "left"), IN_LISTS)
    def test_in_a_list_it_does_not_hide_the_others(
        self,
        kind: str,
        ask: Callable[[DynamoStore], object],
        left: object,
        spoil: Callable[[Item], Item],
        dynamo_store: DynamoStore,
        table: Callable[..., None],
    ) -> None:
        table(spoil(fixture(kind)))
        assert ask(dynamo_store) == left

    def test_a_registration_and_a_status_are_told_beside_the_list(
        self, spoil: Callable[[Item], Item], dynamo_store: DynamoStore, table: Callable[..., None]
    ) -> None:
        table(spoil(fixture("backup")), spoil(fixture("status")))
        for unreadable in (dynamo_store.unreadable_backups(), dynamo_store.unreadable_statuses()):
            assert [backup_id for backup_id, _ in unreadable] == [BACKUP_ID]

    def test_a_result_is_a_failure_in_its_run(
        self, spoil: Callable[[Item], Item], dynamo_store: DynamoStore, table: Callable[..., None]
    ) -> None:
        table(spoil(fixture("result")))
        (result,) = dynamo_store.results(RUN_ID)
        assert (result.backup_id, result.run_id, result.attempted_at) == (BACKUP_ID, RUN_ID, AT)
        assert (result.status, result.reason) == ("failed", Reason.RECORD_UNREADABLE)
        assert f"RESULT#{RUN_ID} / {BACKUP_ID} cannot be understood: " in result.message

    def test_a_status_stays_as_it_is_and_nothing_is_begun(
        self, spoil: Callable[[Item], Item], dynamo_store: DynamoStore, table: Callable[..., None], raw: Any
    ) -> None:
        """A pending proof of access, or the key of what was kept before a push, may be in it."""
        status = spoil(fixture("status"))
        table(status, fixture("lease"), fixture("backup"))
        with pytest.raises(Failure) as failed:
            begin_push(dynamo_store, RESULT, lease_owner=OWNER)
        assert failed.value.reason is Reason.RECORD_UNREADABLE
        assert by_key(raw.items()) == by_key([status, fixture("lease"), fixture("backup")])
        dynamo_store.record_result(RESULT, lease_owner=OWNER)
        assert raw.item("STATUS", BACKUP_ID) == status
        assert dynamo_store.results(RUN_ID) == dynamo_store.history(BACKUP_ID, limit=5) == (RESULT,)


class TestLease:
    @pytest.mark.parametrize("end", [{"S": ""}, {"S": "1"}, {"S": "soon"}, {"N": "1"}, {"NULL": True}, None])
    def test_one_without_a_time_as_its_end_is_never_free(
        self, end: Item | None, dynamo_store: DynamoStore, table: Callable[..., None], raw: Any
    ) -> None:
        takes: dict[str, Callable[[], object]] = {
            "lease": lambda: dynamo_store.acquire_lease("me", now=LONG_AFTER, expires_at=LONG_AFTER),
            "open": lambda: dynamo_store.claim_backup(RUN_ID, BACKUP_ID, "me", now=LONG_AFTER, until=LONG_AFTER),
        }
        for kind, take in takes.items():
            item = {name: value for name, value in fixture(kind).items() if name != "held_until"}
            item |= {"held_until": end} if end else {}
            table(item)
            if kind == "open" and end in (None, {"NULL": True}):
                assert take() is Claim.HELD
            else:
                with pytest.raises(Failure) as failed:
                    take()
                assert failed.value.reason is Reason.RECORD_UNREADABLE
            assert raw.item(item["pk"]["S"], item["sk"]["S"]) == item

    def test_its_holder_may_give_back_what_nobody_else_understands(
        self, dynamo_store: DynamoStore, table: Callable[..., None], raw: Any
    ) -> None:
        table(newer(fixture("lease")))
        assert dynamo_store.release_lease(OWNER)
        assert raw.items() == []


ABOUT_ADDRESSES: dict[str, Callable[[DynamoStore], object]] = {
    "a change of something else": lambda store: store.update_backup(replace(BACKUP, enabled=False)),
    "a change of the port": lambda store: store.update_backup(replace(BACKUP, port=1)),
    "its removal": lambda store: store.delete_backup(BACKUP_ID),
    "another backup at this address": lambda store: store.add_backup(replace(BACKUP, id="another")),
    "its promotion": lambda store: store.promote(
        promotion(PRIMARY_RECORD, BACKUP, "former", "why", AT), now=LONG_AFTER
    ),
}


@pytest.mark.parametrize("change", ABOUT_ADDRESSES.values(), ids=ABOUT_ADDRESSES)
def test_an_address_of_a_newer_version_is_neither_replaced_nor_given_up(
    change: Callable[[DynamoStore], object], dynamo_store: DynamoStore, table: Callable[..., None], raw: Any
) -> None:
    items = [newer(fixture("address")), fixture("backup"), fixture("primary")]
    table(*items)
    with pytest.raises(Failure, match="format: 99 is not known here") as failed:
        change(dynamo_store)
    assert failed.value.reason is Reason.RECORD_UNREADABLE
    assert by_key(raw.items()) == by_key(items)


@pytest.mark.parametrize("kind", ["result", "history"])
def test_a_result_of_a_newer_version_is_not_replaced(
    kind: str, dynamo_store: DynamoStore, table: Callable[..., None], raw: Any
) -> None:
    """After the death of who served a backup, and a return to an older version, this is where to find what was kept."""
    item = newer(fixture(kind))
    table(item, fixture("lease"))
    with pytest.raises(Failure, match="format: 99 is not known here") as failed:
        dynamo_store.record_result(RESULT, lease_owner=OWNER)
    assert failed.value.reason is Reason.RECORD_UNREADABLE
    assert by_key(raw.items()) == by_key([item, fixture("lease")])


@pytest.mark.parametrize("folder", sorted(path.name for path in FIXTURES.iterdir()))
class TestOlderFormats:
    """A table as a former version has left it, a run under way included."""

    @pytest.fixture(autouse=True)
    def stored(self, folder: str, table: Callable[..., None]) -> None:
        table(
            *(json.loads(newest_before(folder, kind).read_text("utf-8")) for kind in ROWS if kind in kinds_in(folder))
        )

    def test_all_of_it_is_read_as_it_was_meant(self, folder: str, dynamo_store: DynamoStore) -> None:
        meant = partial(meaning, folder)
        assert dynamo_store.primary() == meant("primary")
        assert dynamo_store.settings() == meant("settings")
        assert dynamo_store.backups() == (meant("backup"),)
        assert dynamo_store.unreadable_backups() == dynamo_store.unreadable_statuses() == ()
        assert dynamo_store.status(BACKUP_ID) == dynamo_store.result(BACKUP_ID, RUN_ID) == meant("status")
        assert dynamo_store.statuses() == {BACKUP_ID: meant("status")}
        assert dynamo_store.results(RUN_ID) == dynamo_store.history(BACKUP_ID, limit=5) == (meant("result"),)
        assert dynamo_store.approval(BACKUP_ID) == meant("approval")
        assert dynamo_store.baseline() == meant("baseline")
        assert dynamo_store.acceptance() == (meant("acceptance") if "acceptance" in kinds_in(folder) else None)
        assert dynamo_store.newest_state() == STATE
        assert dynamo_store.states(limit=5) == (STATE,)
        assert dynamo_store.run(RUN_ID) == meant("run")
        assert dynamo_store.runs(limit=5) == (meant("run"),)
        assert dynamo_store.fan_out(RUN_ID) == FAN_OUT
        assert dynamo_store.lease() == Lease(OWNER, later(18))
        assert dynamo_store.open_backups(RUN_ID) == (BACKUP_ID,)
        assert dynamo_store.unfinished_runs() == (RUN_ID,)

    def test_a_lease_and_a_claim_hold_until_they_end(self, dynamo_store: DynamoStore) -> None:
        before, after = later(17), later(20)
        assert dynamo_store.acquire_lease("me", now=before, expires_at=after) is None
        assert dynamo_store.claim_backup(RUN_ID, BACKUP_ID, "me", now=before, until=after) is Claim.HELD
        assert dynamo_store.claim_backup(RUN_ID, BACKUP_ID, CLAIM, now=before, until=after) is Claim.MINE
        assert dynamo_store.acquire_lease("me", now=after, expires_at=later(30)) == Lease("me", later(30))
        assert dynamo_store.claim_backup(RUN_ID, BACKUP_ID, "me", now=after, until=later(30)) is Claim.MINE

    def test_its_run_goes_on_and_its_records_are_written_anew(self, folder: str, dynamo_store: DynamoStore) -> None:
        result = replace(meaning(folder, "result"), attempted_at=later(1), fingerprints={})
        dynamo_store.record_result(result, lease_owner=OWNER, claim=CLAIM)
        assert dynamo_store.open_backups(RUN_ID) == ()
        assert dynamo_store.results(RUN_ID) == (result,)
        assert dynamo_store.status(BACKUP_ID) == replace(result, failures=1, fingerprints=RESULT.fingerprints)
        registered = dynamo_store.backup(BACKUP_ID)
        assert registered
        assert dynamo_store.update_backup(registered, expected_version=1).version == 2
        with pytest.raises(AlreadyRegistered):
            dynamo_store.add_backup(replace(OTHER, host=BACKUP.host, port=BACKUP.port))
