"""A run that is killed after any of its remote calls leaves nothing that the next run does not mend.

The sync function runs in a process of its own, against servers over HTTPS and the local cloud's table, bucket and
secrets. It is killed with SIGKILL after each remote call in turn: calls of servers and of AWS alike.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from common.runtime import SystemRuntime
from local.build import ROOT
from local.cerberus import drift, kept_machine_values, replicable_differences
from local.cloud import LocalCloud
from registry.aws import Clients
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.run_records import Approval
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots
from replication.model import PartName
from tests.support.aws_account import create_table
from tests.support.registrations import as_registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.cerberus.compare import Difference
    from local.cerberus.state import ServerState
    from local.cerberus.state import Snapshot as ServerSnapshot
    from registry.run_records import BackupResult
    from tests.integration.sync.conftest import Evidence, Fleet, Registry

ALL_PARTS = tuple(part.value for part in PartName)
PROGRAM = Path(__file__).with_name("killable.py")
WRITERS = {
    "SaveConfiguration",
    "SetAuthenticationList",
    "SaveProfiles",
    "SetEventRules",
    "SaveMimeMappings",
    "SaveBlockList",
    "SetRequestedAccounts",
    "ModifyInterface",
    "CommitSettings",
}
KEYS = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]


class Account:
    """Table, bucket and secrets of a local cloud; what is in table and bucket can be put back."""

    def __init__(self, cloud: LocalCloud, variables: dict[str, str]) -> None:
        self.variables = {**cloud.environment, **variables}
        self._table, self._bucket = variables["TABLE_NAME"], variables["SNAPSHOT_BUCKET"]
        self.lease_seconds = int(variables["LEASE_SECONDS"])
        self.clients = Clients(cloud.client("dynamodb"), cloud.client("secretsmanager"), cloud.client("s3"))
        create_table(self.clients.dynamodb, self._table)
        self.clients.s3.create_bucket(
            Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        self.store = DynamoStore(self._table, self.clients.dynamodb, SystemRuntime())
        self.credentials = SecretsManagerCredentials(
            variables["SECRET_PREFIX"], self.clients.secretsmanager, SystemRuntime()
        )
        digests = DynamoSnapshotDigests(self._table, self.clients.dynamodb, SystemRuntime())
        self.snapshots = S3Snapshots(self._bucket, self.clients.s3, digests)

    def rows(self) -> list[dict[str, Any]]:
        pages = self.clients.dynamodb.get_paginator("scan").paginate(TableName=self._table)
        return [item for page in pages for item in page["Items"]]

    def put_back(self, rows: list[dict[str, Any]]) -> None:
        """Table as it was when these were all rows, and no snapshot of a backup."""
        kept = {(row["pk"]["S"], row["sk"]["S"]): row for row in rows}
        for row in self.rows():
            key = row["pk"]["S"], row["sk"]["S"]
            if key not in kept:
                self.clients.dynamodb.delete_item(TableName=self._table, Key={"pk": row["pk"], "sk": row["sk"]})
            elif kept[key] != row:
                self.clients.dynamodb.put_item(TableName=self._table, Item=kept[key])
        for entry in self.snapshots.of_backup("b1"):
            self.clients.s3.delete_object(Bucket=self._bucket, Key=entry.key)


class Function:
    """The sync function in a process of its own, one fork for each invocation."""

    def __init__(self, account: Account, log: Path, stack: ExitStack) -> None:
        environment = {"PATH": os.defpath, "PYTHONPATH": f"{ROOT}/functions{os.pathsep}{ROOT}", **account.variables}
        self._process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - a program of these tests
                [sys.executable, PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(log.open("w")),
                text=True,
                env=environment,
                cwd=ROOT,
            )
        )
        stack.callback(self._process.kill)

    def __call__(
        self, event: dict[str, str] | None = None, *, kill_after: int | None = None, forward: float = 0.0
    ) -> dict[str, Any]:
        """One invocation: exit ``status``, remote ``calls``, ``reply``. ``forward`` moves its clock by seconds."""
        assert self._process.stdin
        assert self._process.stdout
        order = {"event": event or {"action": "sync"}, "kill_after": kill_after, "forward": forward}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def put_back(state: ServerState, held: ServerSnapshot) -> None:
    """Let a server hold what it held then, as if it had just been started."""
    for name, text in held.documents.items():
        assert state.store(name, text)
    state.sources, state.mime = list(held.sources), list(held.mime)
    state.commit([dict(interface) for interface in held.interfaces])


@pytest.fixture
def account(variables: dict[str, str]) -> Iterator[Account]:
    with LocalCloud() as cloud:
        yield Account(cloud, variables)


@pytest.fixture
def registry(account: Account, memory_registry: Registry) -> Registry:
    return type(memory_registry)(account.store, account.credentials, account.rows)


@pytest.fixture
def function(account: Account, evidence: Evidence, tmp_path: Path) -> Iterator[Function]:
    log = tmp_path / "log"
    with ExitStack() as stack:
        yield Function(account, log, stack)
    evidence.add("log of the function", log.read_text())


class World:
    """A fleet of one backup that was verified once and has drifted in every part since."""

    def __init__(self, fleet: Fleet, account: Account, function: Function) -> None:
        self.fleet = fleet
        self.account = account
        self.function = function
        self.server = fleet.servers["b1"]
        self.restored: set[str] = set()
        fleet.configure(parts=ALL_PARTS)
        assert function()["reply"]["status"] == "succeeded"
        drift.everywhere(self.server.state)
        for protocol, port in ((0, 21), (3, 443)):
            drift.set_listener_option(self.server.state, protocol, port, "connectionLimit", 7)
        self.drifted = self.server.snapshot()
        self.rows = account.rows()
        verified_at = self.status.verified_at
        assert verified_at is not None
        self.verified_at = verified_at

    @property
    def status(self) -> BackupResult:
        status = self.account.store.status("b1")
        assert status is not None
        return status

    def put_back(self) -> None:
        put_back(self.server.state, self.drifted)
        self.account.put_back(self.rows)

    def differences(self) -> list[Difference]:
        """Where the backup is not what the primary is, after a restart of its service."""
        self.server.state.restart()
        return replicable_differences(self.fleet.primary.snapshot(), self.server.snapshot(), ALL_PARTS)

    def assert_true_so_far(self, *, wrote: bool) -> None:
        """Of a run that was killed nothing is said that does not hold, and what was there before can be found."""
        status = self.status
        if status.verified_at != self.verified_at:
            assert self.differences() == []
        if wrote:
            assert (
                self.account.store.history("b1", limit=1)[0].snapshot == self.account.snapshots.of_backup("b1")[0].key
            )
            assert status.status in ("incomplete", "updated")

    def assert_every_snapshot_restores(self, left: ServerSnapshot) -> None:
        """The oldest holds what was there before the killed run, a second one what that run ``left``."""
        for entry, server in zip(reversed(self.account.snapshots.of_backup("b1")), (self.drifted, left), strict=False):
            parts = self.account.snapshots.load(entry.key).content.parts
            assert_holds(parts, server)
            content = json.dumps(dict(parts), sort_keys=True)
            if content not in self.restored:
                self.restored.add(content)
                self.restore(entry.key)
                assert_holds(parts, self.server.snapshot())

    def restore(self, key: str) -> None:
        """Put a snapshot back through the function; what the guards stop is approved. Then the server restarts."""
        order = {"action": "restore", "snapshot": key}
        [result] = self.function(order)["reply"]["backups"]
        if result["status"] == "blocked":
            approval = Approval("b1", self.status.plan_hash, "a colleague", datetime.now(UTC), snapshot=key)
            self.account.store.approve(as_registered(approval, self.account.store))
            [result] = self.function(order)["reply"]["backups"]
        assert result["status"] == "restored", result
        self.server.state.restart()

    def assert_converged(self) -> None:
        """By the stand-in's own comparison, which shares nothing with the product."""
        assert self.differences() == []
        assert kept_machine_values(self.drifted, self.server.snapshot(), ALL_PARTS) == []
        assert self.status.status in ("updated", "in_sync")
        assert self.status.verified_at is not None
        assert self.status.verified_at > self.verified_at
        assert self.account.store.lease() is None


def held_by(server: ServerSnapshot) -> dict[str, object]:
    """What a server holds, by part, in the form of a snapshot's parts."""
    texts = server.documents
    return {
        "settings": texts["settings"],
        "authentication": {"document": texts["authentication"], "sources": server.sources},
        "accounts": {"users": texts["profiles"], "groups": texts["groups"]},
        "event_rules": texts["event_rules"],
        "mime_mappings": [[each["ext"], each["type"]] for each in server.mime],
        "ip_block_lists": {"manual": texts["ip_block_list"], "automatic": texts["auto_block_list"]},
        "account_requests": texts["requested_accounts"],
        "listeners": [{**interface, "address": interface["ipAddress"]} for interface in server.interfaces],
    }


def assert_holds(parts: Mapping[str, str], server: ServerSnapshot) -> None:
    """Every one of these parts of a snapshot is exactly what the server held."""
    held = held_by(server)
    for part, text in parts.items():
        if part in ("settings", "event_rules", "account_requests"):
            assert text == held[part], part
            continue
        kept, expected = json.loads(text), held[part]
        if part == "listeners":
            kept = [(each["id"], each["address"], each["options"]) for each in kept]
            expected = [(each["id"], each["ipAddress"], each["options"]) for each in server.interfaces]
        assert kept == expected, part


def test_a_run_that_is_killed_after_any_remote_call_is_mended_by_the_next(
    make_fleet: Callable[..., Fleet], account: Account, function: Function
) -> None:
    world = World(make_fleet("b1"), account, function)
    calls = function()["calls"]
    world.assert_converged()
    assert {call.split()[-1] for call in calls} >= WRITERS
    first_write = next(n for n, call in enumerate(calls) if call.endswith("SaveConfiguration"))
    for position in range(1, len(calls) + 1):
        world.put_back()
        killed = function(kill_after=position)
        assert (killed["status"], killed["calls"]) == (-signal.SIGKILL, calls[:position])
        world.assert_true_so_far(wrote=position > first_write)
        left = world.server.snapshot()
        after_a_while = function(forward=account.lease_seconds + 1)
        assert after_a_while["reply"]["status"] == "succeeded", calls[position - 1]
        world.assert_converged()
        world.assert_every_snapshot_restores(left)
