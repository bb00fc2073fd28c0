"""Where a stack names a user pool: who is in which group may do what, and nobody else anything."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.app import api
from admin_api.groups import GROUP_OF, Group, UserPool
from admin_api.problems import Refused
from local.fakes.management_api import Answer, ApiWorld

POOL = UserPool(clients=("client-1", "client-2"), prefix="sync")
CLAIMS = {"token_use": "id", "aud": "client-1", "sub": "8f2c", "iss": "https://pool.example"}
OPERATIONS = {operation.id: (operation.method, operation.path) for operation in api.operations}
FILLED = {"{backup_id}": "ftp2", "{run_id}": "20261122T120000.000000Z-0badc0de", "{digest}": "ab" * 32}


@pytest.fixture
def pool(world: ApiWorld) -> ApiWorld:
    world.user_pool = POOL
    return world


def _sent(world: ApiWorld, operation: str, claims: object) -> Answer:
    method, path = OPERATIONS[operation]
    for name, value in FILLED.items():
        path = path.replace(name, value)
    event = world.event(method, path, "", {}, None)
    event["requestContext"] |= {"identity": {"sourceIp": "198.51.100.7"}, "authorizer": {"claims": claims}}
    return world.resolve(event)


def _is_refused(answer: Answer) -> bool:
    return answer.status == 403 and answer.body["reason"] == "not_permitted"


def test_every_operation_has_a_group_and_there_is_no_other() -> None:
    assert set(GROUP_OF) == set(OPERATIONS)


def test_what_changes_something_is_not_for_readers() -> None:
    for operation, (method, _) in OPERATIONS.items():
        assert (GROUP_OF[operation] > Group.READER) == (method != "GET"), operation


def test_what_decides_what_the_fleet_holds_is_for_approvers_alone() -> None:
    """Who chooses the primary, what waits for an approval, and the approval itself."""
    assert {operation for operation, group in GROUP_OF.items() if group is Group.APPROVER} == {
        "putPrimary",
        "changePrimary",
        "promoteBackup",
        "resumePrimary",
        "changeSyncSettings",
        "putSyncSettings",
        "approvePlan",
    }


@pytest.mark.parametrize("operation", GROUP_OF)
@pytest.mark.parametrize("group", [None, *Group])
def test_a_group_may_do_what_it_and_those_below_it_may(pool: ApiWorld, operation: str, group: Group | None) -> None:
    named = {} if group is None else {"cognito:groups": f"others,sync-{group.label}"}
    expected = group is not None and group >= GROUP_OF[operation]
    assert _is_refused(_sent(pool, operation, CLAIMS | named)) != expected


def _damaged() -> Iterator[tuple[str, dict[str, Any]]]:
    groups = {"cognito:groups": "sync-approver"}
    yield "no claims", {}
    yield "an access token", CLAIMS | groups | {"token_use": "access"}
    yield "no kind of token", {name: value for name, value in (CLAIMS | groups).items() if name != "token_use"}
    yield "another client", CLAIMS | groups | {"aud": "client-3"}
    yield "no client", {name: value for name, value in (CLAIMS | groups).items() if name != "aud"}
    yield "a part of a client's id", CLAIMS | groups | {"aud": "client"}
    for name in (
        "approver",
        "SYNC-approver",
        "sync-approver2",
        "xsync-approver",
        "other-approver",
        "[sync-approver]",
        "",
    ):
        yield f"the group {name}", CLAIMS | {"cognito:groups": name}


@pytest.mark.parametrize(("what", "claims"), list(_damaged()))
def test_a_token_that_is_another_one_may_not_even_read(pool: ApiWorld, what: str, claims: dict[str, Any]) -> None:
    assert _is_refused(_sent(pool, "getHealth", claims)), what


def test_without_app_clients_nobody_is_let_in(pool: ApiWorld) -> None:
    pool.user_pool = UserPool((), "sync")
    for audience in ("client-1", "", None):
        assert _is_refused(_sent(pool, "getHealth", CLAIMS | {"aud": audience, "cognito:groups": "sync-approver"}))


def test_what_was_refused_is_recorded_and_not_done(pool: ApiWorld) -> None:
    _sent(pool, "startRun", CLAIMS | {"cognito:groups": "sync-reader"})
    (record,) = pool.audit.records
    assert (record.who, record.route, record.status) == ("https://pool.example#8f2c", "/sync-runs", 403)
    assert pool.store.runs(limit=1) == ()


def test_without_a_user_pool_no_claims_are_needed(world: ApiWorld) -> None:
    assert world.call("GET", "/health").status == 200


@given(st.lists(st.sampled_from(["sync-reader", "sync-operator", "sync-approver", "x", "sync-", "reader"])))
def test_of_several_groups_the_one_that_may_most_counts(names: list[str]) -> None:
    held = [group for group in Group if f"sync-{group.label}" in names]
    for listed in (",".join(names), names):
        for operation, demanded in GROUP_OF.items():
            event = {"requestContext": {"authorizer": {"claims": CLAIMS | {"cognito:groups": listed}}}}
            try:
                POOL.refuse_unless_permitted(operation, event)
            except Refused:
                assert max(held, default=0) < demanded
            else:
                assert max(held) >= demanded
