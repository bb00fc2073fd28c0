"""Store today's records as fixtures of their format: ``PYTHONPATH=functions python -m local.format_fixtures``.

``tests/fixtures/formats/N/KIND.json`` is a record in format N, as stored in the table, the bucket or the queue. Later
versions of the product must read it, so an existing file is never overwritten. Folder 0 has records of revision
f04d3c2, which had no format numbers yet.

Every field of an example has a unique value that is not its default.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from common.server_types import Features, Licence, Security, ServerFacts, Version
from local.fakes.runtime import FakeRuntime
from registry.audit import AuditRecord, DynamoAuditLog
from registry.backup_queue import Message
from registry.claims import LeaseRow, OpenBackupRow, ReadingRow
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, DiscardedSecret, LogIn, Primary, PushLimits, SyncSettings, TlsTrust
from registry.run_records import (
    AcceptedPart,
    Approval,
    BackupResult,
    Condition,
    FanOut,
    KeptState,
    Notice,
    PartResult,
    PrimaryAcceptance,
    PrimaryBaseline,
    RecordedFingerprints,
    Run,
    ServedNow,
)
from registry.serialization import Stored
from registry.snapshot_digests import DigestRow, DigestsSince, DynamoSnapshotDigests
from registry.snapshots import PRIMARY, SnapshotContent, backup_key, encode, primary_key
from registry.table import AddressRow, UnfinishedRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "formats"

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
RUN_ID = "20260301T120000.123456Z-0badc0de"
DIGEST = "0123456789abcdef" * 4
HASH = "fedcba9876543210" * 4
BACKUP_ID = "files-2"
OWNER = f"{RUN_ID}/0123456789abcdef0123456789abcdef"
CLAIM = "fedcba9876543210fedcba9876543210"
REGISTRATION = FakeRuntime().new_id()
"""The first registration id that a store creates if its runtime is a ``FakeRuntime``."""
SOURCE = "files-1.example#9443"


def later(minutes: int) -> datetime:
    """A time in the examples that no other field has."""
    return AT + timedelta(minutes=minutes)


CONDITION = Condition(certificate_ends=later(1), licence_ends=later(2), native_sync=True)
BACKUP = Backup(
    id=BACKUP_ID,
    host="files-2.example",
    port=8443,
    trust=TlsTrust(ca_pem="-----BEGIN CERTIFICATE-----", pins=(DIGEST, HASH)),
    enabled=False,
    parts=("settings", "accounts"),
    rules=("nodeHostName", "!server/name"),
    report_only=True,
    paused="hardware is exchanged",
    tags={"site": "Zürich"},
    created_at=later(3),
    updated_at=later(4),
    secret="files-2-secret",  # noqa: S106 - the id of a secret is none
    registration=REGISTRATION,
    version=1,
)
PRIMARY_RECORD = Primary(
    host="files-1.example",
    port=9443,
    trust=TlsTrust(ca_pem="-----BEGIN CERTIFICATE-----", pins=(HASH,)),
    secret="files-1-secret",  # noqa: S106 - the id of a secret is none
    term=3,
    held="files-1 was made the primary",
    promoted_at=later(5),
    as_backup=BACKUP,
    since=later(20),
    of_stack=True,
    version=1,
)
SETTINGS = SyncSettings(
    parts=("settings", "listeners"),
    rules=("siteName",),
    replicate_auto_block_list=True,
    limits=PushLimits(1, 0.25, 2, 3, 0.5, 4),
    block_widened_access=True,
    approval_by_another=True,
    connect_timeout=2.5,
    read_timeout=30.5,
    reply_limit_mb=64,
    full_verification_minutes=45,
    personal_roles=("arn:aws:iam::123456789012:role/administrators",),
    approval_hours=36,
    version=1,
)
RESULT = BackupResult(
    backup_id=BACKUP_ID,
    run_id=RUN_ID,
    status="failed",
    attempted_at=AT,
    reason="write_not_effective",
    message="it still holds what it held",
    pushed_at=later(6),
    verified_at=later(7),
    duration=12.25,
    parts=(
        PartResult("settings", "failed", "write_not_effective", "as before", 1, 2, 3, "backup_edited", 4, ("/s/a",)),
    ),
    warnings=("its licence ends soon", "zwölf"),
    plan_hash=HASH,
    snapshot=backup_key(BACKUP_ID, RUN_ID, ("settings",)),
    fingerprints={"settings": RecordedFingerprints(DIGEST, HASH)},
    basis=DIGEST,
    term=3,
    failures=1,
    harmed=True,
    condition=CONDITION,
    settings_before=backup_key(BACKUP_ID, RUN_ID, ("settings", "accounts")),
    registration=REGISTRATION,
    source=SOURCE,
    approved_parts={"settings": HASH},
    approved_by=("arn:aws:iam::123456789012:user/kim",),
)
RUN = Run(
    id=RUN_ID,
    trigger="on_demand",
    started_at=AT,
    requested_by="arn:aws:iam::123456789012:user/ann",
    requested_backups=(BACKUP_ID,),
    dry_run=True,
    snapshot=primary_key(DIGEST),
    plan_hash=HASH,
    status="partial",
    reason="access_lost",
    message="nobody may be able to log in any more",
    finished_at=later(8),
    counts={"failed": 1},
    notices=(Notice("state_not_kept", "what the primary holds was not kept"),),
    term=3,
    held=True,
    state=DIGEST,
    primary=CONDITION,
    source=SOURCE,
    same_machine=True,
    accept_primary=True,
    requester_verified=True,
)
FAN_OUT = FanOut(RUN_ID, OWNER, later(9), primary_key(DIGEST), "primary files-1", "files-1.example", 9443, 5, 6, 7)
SERVED = ServedNow(BACKUP_ID, RUN_ID, REGISTRATION, 3, 1)
BASELINE = PrimaryBaseline(5, 6, later(10), RUN_ID, DIGEST, 7, 3, SOURCE)
ACCEPTANCE = PrimaryAcceptance(
    parts={
        "accounts": AcceptedPart(
            fingerprint=DIGEST,
            reason="primary_shrunk",
            message="it holds 2 users; at the last verified run it held 5",
            accepted_by="arn:aws:iam::123456789012:user/ann",
            requester_verified=True,
            at=later(21),
            run_id=RUN_ID,
        )
    },
    term=3,
    source=SOURCE,
)
STATE = KeptState(
    digest=DIGEST,
    server="files-1.example:9443",
    version="12.11.5.0",
    parts={"accounts": HASH},
    size=1234,
    users=5,
    groups=6,
    first_run_id=RUN_ID,
    first_seen_at=later(11),
    last_run_id="20260301T130000.000000Z-0badc0de",
    last_seen_at=later(12),
    kept_at=later(13),
    kept_until=later(14),
)
DISCARDED = DiscardedSecret(BACKUP.secret, BACKUP_ID)
LOG_IN = LogIn("files-2-secret", "0badc0de-0000-4000-8000-000000000000", f"{SOURCE} pin:{HASH}", later(22))
APPROVAL = Approval(
    backup_id=BACKUP_ID,
    plan_hash=HASH,
    approved_by="arn:aws:iam::123456789012:user/bob",
    at=later(15),
    term=3,
    registration=REGISTRATION,
    source=SOURCE,
    snapshot=primary_key(DIGEST),
    agreed=("arn:aws:iam::123456789012:user/ann",),
    ends_at=later(20),
)
AUDIT = AuditRecord(
    request_id="request-1",
    at=later(16),
    who="arn:aws:iam::123456789012:user/bob",
    source="192.0.2.1",
    method="PATCH",
    route="/backups/<backup_id>",
    resource="/backups/files-2",
    fields=("host", "port"),
    status=200,
    former_destination=f"files-2.example#8443 pin:{DIGEST}",
    destination=f"files-3.example#8443 pin:{HASH}",
)
FACTS = ServerFacts(
    version=Version(12, 11, 5, 1),
    hostname="files-2",
    licence=Licence(True, "Ann", "Example", "Enterprise", 100, 200, 30, "none"),
    features=Features(server_sync=True, directory_authentication=True, events=True, edition_code=4),
    security=Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
    certificate_ends=later(17),
    native_sync=True,
)
CONTENT = SnapshotContent(
    parts={"settings": "<settings>ä &amp; ]]></settings>", "accounts": '{"users": "<users/>", "groups": ""}'},
    facts=FACTS,
    primary=FACTS,
    auto_block_list=True,
)

EXAMPLES: Mapping[str, Stored] = {
    "primary": PRIMARY_RECORD,
    "settings": SETTINGS,
    "backup": BACKUP,
    "address": AddressRow(BACKUP_ID),
    "status": RESULT,
    "approval": APPROVAL,
    "lease": LeaseRow(OWNER, later(18)),
    "baseline": BASELINE,
    "acceptance": ACCEPTANCE,
    "login": LOG_IN,
    "discarded": DISCARDED,
    "reading": ReadingRow(CLAIM, later(23)),
    "state": STATE,
    "run": RUN,
    "unfinished": UnfinishedRow(),
    "fanout": FAN_OUT,
    "open": OpenBackupRow(CLAIM, later(19), REGISTRATION),
    "result": RESULT,
    "history": RESULT,
    "audit": AUDIT,
    "served": SERVED,
    "digest": DigestRow(),
    "digests": DigestsSince(FakeRuntime().now()),
    "snapshot": CONTENT,
    "primary_state": CONTENT,
    "message": Message(RUN_ID, BACKUP_ID),
}
"""The examples by kind: the first word of a row's key, or the name of another stored object."""

SNAPSHOT_KEYS = {"snapshot": backup_key(BACKUP_ID, RUN_ID, CONTENT.parts), "primary_state": primary_key(DIGEST)}


def stored_now() -> dict[str, str]:
    """The text of today's fixture for each kind of record, as the product writes it."""
    rows = {
        item["pk"]["S"].partition("#")[0].lower(): json.dumps(item, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for item in _rows().values()
    }
    snapshots = {
        "snapshot": encode(BACKUP_ID, CONTENT).decode(),
        "primary_state": encode(PRIMARY, CONTENT).decode(),
    }
    return rows | snapshots | {"message": Message(RUN_ID, BACKUP_ID).text()}


def write_missing(folder: Path) -> list[Path]:
    """Write the missing fixtures of today's formats; return their names."""
    written = []
    for kind, text in stored_now().items():
        path = folder / str(EXAMPLES[kind].FORMAT) / f"{kind}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written


@dataclass
class _WriteOnlyTable:
    """The part of DynamoDB's client that the store needs for writing; it records the items and accepts every
    condition.
    """

    items: dict[tuple[str, str], Mapping[str, Any]]

    def get_item(self, **request: Any) -> dict[str, Any]:
        item = self.items.get((request["Key"]["pk"]["S"], request["Key"]["sk"]["S"]))
        return {"Item": item} if item else {}

    def query(self, **_: object) -> dict[str, Any]:
        return {"Items": []}

    def put_item(self, **request: Any) -> None:
        item = request["Item"]
        self.items[item["pk"]["S"], item["sk"]["S"]] = item

    def transact_write_items(self, **request: Any) -> None:
        for write in request["TransactItems"]:
            if "Put" in write:
                self.put_item(**write["Put"])


def _rows() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """One row of each kind, written by the store itself."""
    table = _WriteOnlyTable({})
    client = cast("DynamoDBClient", table)
    store = DynamoStore("table", client, FakeRuntime())
    store.save_primary(PRIMARY_RECORD)
    store.save_settings(SETTINGS)
    store.add_backup(BACKUP)
    store.approve(APPROVAL)
    store.acquire_lease(OWNER, now=AT, expires_at=later(18))
    store.save_baseline(BASELINE, lease_owner=OWNER)
    store.save_acceptance(ACCEPTANCE, lease_owner=OWNER)
    store.record_log_in(LOG_IN)
    store.record_state(STATE, lease_owner=OWNER)
    store.begin_run(RUN)
    store.begin_fan_out(FAN_OUT, [BACKUP])
    store.claim_backup(RUN_ID, BACKUP_ID, CLAIM, now=AT, until=later(19))
    store.begin_serving(SERVED)
    store.record_result(RESULT, lease_owner=OWNER)
    store.delete_backup(BACKUP_ID)
    store.begin_reading(SOURCE, CLAIM, now=AT, until=later(23))
    DynamoAuditLog("table", client, FakeRuntime()).write(AUDIT)
    DynamoSnapshotDigests("table", client, FakeRuntime()).add(SNAPSHOT_KEYS["snapshot"], HASH)
    return table.items


def main() -> None:
    """Write the missing fixtures and print their names."""
    for path in write_missing(FIXTURES):
        print(f"wrote {path.relative_to(FIXTURES.parent.parent.parent)}")


if __name__ == "__main__":
    main()
