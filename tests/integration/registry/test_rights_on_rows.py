"""Each function's role may touch exactly those rows of the table that the function works with.

Every method of the store that a function's code calls is called here on DynamoDB as moto plays it. What it asks for, by
action and partition key, is compared with the template: a right that is missing and one that nobody needs are faults.
"""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.runtime import SystemRuntime
from local.build import ROOT
from local.template import Stack
from registry.audit import AUDIT, AuditRecord, DynamoAuditLog, answered
from registry.aws import Clients
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, LogIn, Primary, SyncSettings
from registry.run_records import (
    Approval,
    BackupResult,
    FanOut,
    KeptState,
    PrimaryAcceptance,
    PrimaryBaseline,
    Run,
    ServedNow,
)
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.store import Store
from registry.store_rules import PushConditions, promotion
from tests.integration.registry.conftest import TABLE

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
RUN = "20261122T120000.000000Z-0badc0de"
METHODS = {name for name in dir(Store) if not name.startswith("_")}
STORES = ("store", "_store")
OF_TRANSACTIONS = {
    "Put": "dynamodb:PutItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}

type Rights = set[tuple[str, str]]
"""Actions, and the partition keys that they are for; an asterisk stands for the rest of a key."""


def _called_in(*rooms: str) -> set[str]:
    """The methods of the store that code calls, or hands on to be called."""
    trees = (ast.parse(path.read_text()) for room in rooms for path in (ROOT / "functions" / room).rglob("*.py"))
    attributes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if node.attr in METHODS and _name_of(node.value) in STORES}


def _name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class _Recorded:
    """A store whose calls are remembered by name."""

    def __init__(self, store: DynamoStore) -> None:
        self._store = store
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._store, name)


@contextmanager
def _asked_for(clients: Clients) -> Iterator[Rights]:
    """The rights that the calls within the block need."""
    rights: Rights = set()

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name == "TransactWriteItems":
            for item in params["TransactItems"]:
                ((kind, request),) = item.items()
                rights.add((OF_TRANSACTIONS[kind], _partition(request)))
        else:
            rights.add((f"dynamodb:{model.name}", _partition(params)))

    events = clients.dynamodb.meta.events
    events.register("provide-client-params.dynamodb", record)
    try:
        yield rights
    finally:
        events.unregister("provide-client-params.dynamodb", record)


def _partition(request: dict[str, Any]) -> str:
    if "KeyConditionExpression" in request:
        (name,) = re.findall(r"(#\w+) = ", request["KeyConditionExpression"])
        assert request["ExpressionAttributeNames"][name] == "pk"
        (value,) = re.findall(r"#\w+ = (:\w+)", request["KeyConditionExpression"])
        key = request["ExpressionAttributeValues"][value]["S"]
    else:
        key = (request.get("Key") or request["Item"])["pk"]["S"]
    return re.sub(r"#.+", "#*", key)


def _allowed(role: str) -> Rights:
    """What the template lets a role do with rows of the table."""
    policies = Stack("stack").resources("AWS::IAM::Role")[role]["Policies"]
    rights: Rights = set()
    for statement in (one for policy in policies for one in policy.get("PolicyDocument", {}).get("Statement", ())):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in (one for one in actions if one.startswith("dynamodb:")):
            assert statement["Effect"] == "Allow"
            keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            rights |= {(action, key) for key in keys}
    return rights


def _approval(backup: Backup) -> Approval:
    return Approval(backup.id, "ab" * 32, "arn:x", AT, registration=backup.registration)


def _sync(store: Any) -> None:
    """All that a run, a worker and a look have the store do."""
    one = store.backup("one")
    settings, primary = store.settings(), store.primary()
    store.save_primary(replace(primary, held=""), expected_version=primary.version)
    store.acquire_lease("me", now=AT, expires_at=LATER)
    store.lease()
    store.begin_run(Run(RUN, "schedule", AT))
    store.save_run(Run(RUN, "schedule", AT))
    store.run(RUN), store.runs(limit=1), store.unfinished_runs()
    store.backups(), store.registration("one"), store.unreadable_backups()
    store.status("one"), store.statuses(), store.unreadable_statuses()
    store.log_in("one"), store.record_log_in(LogIn("one", "version", "one.example:1"))
    store.baseline(), store.acceptance(), store.newest_state()
    store.save_baseline(PrimaryBaseline(1, 1, AT, RUN), lease_owner="me")
    store.save_acceptance(PrimaryAcceptance({}), lease_owner="me")
    store.record_state(_state(), lease_owner="me")
    store.begin_fan_out(FanOut(RUN, "me", LATER, "key", "primary", "p.example", 1, 1, 1, 1), [one])
    store.fan_out(RUN), store.open_backups(RUN), store.open_registration(RUN, "one")
    store.claim_backup(RUN, "one", "claim", now=AT, until=LATER)
    store.begin_serving(ServedNow("one", RUN, one.registration, one.version))
    store.served_now()
    store.end_serving("one", RUN)
    given = store.approval("one")
    interim = BackupResult("one", RUN, "incomplete", AT, registration=one.registration)
    store.begin_push(interim, PushConditions(one.version, given, settings.version), lease_owner="me", claim="claim")
    store.withdraw_approval(given)
    store.record_result(replace(interim, status="updated"), lease_owner="me", claim="claim")
    store.result("one", RUN), store.results(RUN)
    paused = store.update_backup(replace(one, paused="put back"), expected_version=one.version)
    without = BackupResult("one", RUN, "incomplete", AT, registration=paused.registration)
    store.begin_push(without, PushConditions(paused.version, None, settings.version), lease_owner="me")
    store.finish_run(Run(RUN, "schedule", AT, finished_at=AT))
    store.release_lease("me")


def _admin_api(store: Any) -> None:
    """All that the management API's routes have the store do."""
    one, primary = store.backup("one"), store.primary()
    store.save_settings(store.settings())
    primary = store.save_primary(primary, expected_version=primary.version)
    store.save_primary(replace(primary, host="q.example"), expected_version=primary.version, now=AT)
    store.backups(), store.registration("one"), store.unreadable_backups()
    store.status("one"), store.statuses(), store.unreadable_statuses()
    store.log_in("one"), store.record_log_in(LogIn("one", "version", "one.example:1"))
    store.begin_reading("one.example#1", "claim", now=AT, until=LATER)
    store.end_reading("one.example#1", "claim")
    store.discarded_secrets(), store.end_discarded("three")
    store.acceptance(), store.baseline(), store.newest_state(), store.states(limit=1), store.lease()
    store.history("one", limit=1), store.unreadable_results("one", since=RUN)
    store.queue_run(Run(RUN, "on_demand", AT, status="queued"))
    store.run(RUN), store.runs(limit=1), store.results(RUN)
    store.finish_run(Run(RUN, "on_demand", AT, finished_at=AT), begun=False)
    store.approve(_approval(one), expected_version=one.version)
    store.approval("one")
    moved = store.update_backup(replace(one, host="moved.example"), expected_version=one.version)
    other = store.add_backup(Backup("two", "two.example", 1))
    store.delete_backup("two")
    assert other.id == "two"
    now = store.primary()
    store.promote(promotion(now, moved, "former", "why", AT), now=AT)


def _state() -> KeptState:
    return KeptState("ab" * 32, "p.example:1", "1", {"accounts": "x"}, 1, 1, 1, RUN, AT, RUN, AT, AT, LATER)


@pytest.mark.parametrize(
    ("role", "rooms", "work"),
    [("SyncRole", ("sync", "fleet"), _sync), ("AdminApiRole", ("admin_api", "fleet"), _admin_api)],
)
def test_a_role_has_the_rights_that_its_function_needs_and_no_others(
    clients: Clients, role: str, rooms: tuple[str, ...], work: Callable[[Any], None]
) -> None:
    store = DynamoStore(TABLE, clients.dynamodb, SystemRuntime())
    store.save_primary(Primary("p.example", 1, held="why"))
    store.save_settings(SyncSettings())
    store.approve(_approval(store.add_backup(Backup("one", "one.example", 1))))
    recorded = _Recorded(store)
    with _asked_for(clients) as needed:
        work(recorded)
        digests = DynamoSnapshotDigests(TABLE, clients.dynamodb, SystemRuntime())
        digests.has("key", "digest")
        digests.since()
        if role == "SyncRole":  # the management API keeps no snapshot
            digests.add("key", "digest")
        else:
            log = DynamoAuditLog(TABLE, clients.dynamodb, SystemRuntime())
            record = AuditRecord("r-1", AT, "arn:x", "198.51.100.7", "POST", "/backups", "/backups")
            log.write(record)
            log.write(answered(record, 201))
    # Code of the fleet's room that only runs use.
    only_in_runs = {"save_acceptance"} if role == "AdminApiRole" else set()
    assert recorded.called == _called_in(*rooms) - only_in_runs
    assert needed == _allowed(role)


def test_no_role_reads_changes_or_removes_an_audit_record() -> None:
    for role in ("SyncRole", "AdminApiRole"):
        on_audit = {action for action, key in _allowed(role) if key.startswith(AUDIT) or key in ("*", "A*")}
        assert on_audit == ({"dynamodb:PutItem"} if role == "AdminApiRole" else set())
