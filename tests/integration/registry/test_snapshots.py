"""Snapshots: what is kept comes back exactly, and nothing else is ever taken for it."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from common.server_types import Features, Licence, Security, ServerFacts, Version
from local.fakes.dynamodb import simulated_client
from local.fakes.runtime import FakeRuntime
from local.fakes.s3 import FakeS3
from local.fakes.snapshots import MemorySnapshots
from local.template import translated
from registry.aws import Clients
from registry.serialization import time_text
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import (
    PRIMARY,
    S3Snapshots,
    SnapshotContent,
    SnapshotStore,
    backup_key,
    backup_of,
    encode,
    primary_key,
)
from tests.integration.registry.conftest import TABLE

PARTS = {"settings": "<settings>ä & <![CDATA[\r\n]]></settings>", "accounts": '{"users": "<users/>", "groups": ""}'}
FACTS = ServerFacts(
    version=Version(12, 11, 5, 0),
    hostname="files-2",
    licence=Licence(valid=True, name="A", company="C", edition="Enterprise", issued=100, installed=200),
    features=Features(server_sync=True, directory_authentication=True, events=False, edition_code=4),
    security=Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
)
HELD = SnapshotContent(PARTS, FACTS, replace(FACTS, hostname="files-1"), auto_block_list=True)
RUN = "20260301T120000.000000Z-0123abcd"
LATER = "20260301T121500.500000Z-0123abcd"


BUCKET = "kept"
SINCE: dict[str, Any] = {"pk": {"S": "DIGESTS"}, "sk": {"S": "SINCE"}, "format": {"N": "1"}}


def digests_in(clients: Clients) -> DynamoSnapshotDigests:
    return DynamoSnapshotDigests(TABLE, clients.dynamodb, SystemRuntime())


@pytest.fixture
def bucket(clients: Clients) -> S3Snapshots:
    """In an empty bucket, with digests in an empty table."""
    clients.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return S3Snapshots(BUCKET, clients.s3, digests_in(clients))


@pytest.fixture(params=["memory", "simulated", "bucket"])
def snapshots(request: pytest.FixtureRequest) -> SnapshotStore:
    if request.param == "memory":
        return MemorySnapshots()
    if request.param == "simulated":
        runtime = SystemRuntime()
        digests = DynamoSnapshotDigests(TABLE, simulated_client(), runtime)
        return S3Snapshots(BUCKET, cast(Any, FakeS3(runtime.now)), digests)
    store: S3Snapshots = request.getfixturevalue("bucket")
    return store


@pytest.mark.parametrize("content", [HELD, replace(HELD, primary=None, auto_block_list=False)])
def test_what_is_kept_comes_back_exactly(snapshots: SnapshotStore, content: SnapshotContent) -> None:
    key = snapshots.keep_backup("files-2", RUN, content)
    kept = snapshots.load(key)
    assert (kept.key, kept.origin, kept.content) == (key, "files-2", content)


def test_the_first_snapshot_of_a_backup_in_a_run_stands(snapshots: SnapshotStore) -> None:
    key = snapshots.keep_backup("files-2", RUN, HELD)
    half_written = replace(HELD, parts={**PARTS, "settings": "<settings/>"})
    assert snapshots.keep_backup("files-2", RUN, half_written) == key
    assert snapshots.load(key).content == HELD
    later = snapshots.keep_backup("files-2", LATER, half_written)
    assert snapshots.load(later).content == half_written


def test_two_machines_under_one_id_in_one_run_have_a_snapshot_each(snapshots: SnapshotStore) -> None:
    other = replace(HELD, parts={**PARTS, "settings": "<other/>"})
    keys = [snapshots.keep_backup("files-2", RUN, held, name) for held, name in ((HELD, "former"), (other, "now"))]
    assert [snapshots.load(key).content for key in keys] == [HELD, other]
    assert {entry.key: entry.registration for entry in snapshots.of_backup("files-2")} == dict(
        zip(keys, ("former", "now"), strict=True)
    )


def test_a_state_of_the_primary_is_kept_under_its_digest_and_once(snapshots: SnapshotStore) -> None:
    digest, content = "0f" * 32, SnapshotContent(PARTS, FACTS)
    key = snapshots.keep_primary(digest, content)
    assert snapshots.keep_primary(digest, content) == key == primary_key(digest)
    kept = snapshots.load(key)
    assert (kept.key, kept.origin, kept.content) == (key, "primary", content)
    assert (snapshots.of_backup("primary"), backup_of(key)) == ((), "")
    with pytest.raises(Failure) as caught:
        snapshots.load(primary_key("f0" * 32))
    assert caught.value.reason is Reason.SNAPSHOT_MISSING


@pytest.mark.parametrize(
    "key",
    [
        "primary/",
        "primary/0f",
        "primary/../backups/b/r",
        "",
        f"backups/files-2/{RUN}/settings",
        f"backups/files-2/{RUN}",
        "../secrets",
        "backups/../x/y",
        "primary",
    ],
)
def test_what_was_never_kept_is_missing(snapshots: SnapshotStore, key: str) -> None:
    with pytest.raises(Failure) as caught:
        snapshots.load(key)
    assert caught.value.reason is Reason.SNAPSHOT_MISSING


def test_a_backups_snapshots_are_listed_newest_first_with_what_is_in_them(snapshots: SnapshotStore) -> None:
    older = snapshots.keep_backup("files-2", RUN, HELD)
    newer = snapshots.keep_backup("files-2", LATER, replace(HELD, parts={"mime_mappings": "[]"}))
    snapshots.keep_backup("files-20", RUN, HELD)
    listed = snapshots.of_backup("files-2")
    assert [(entry.key, entry.run_id, entry.parts) for entry in listed] == [
        (newer, LATER, ("mime_mappings",)),
        (older, RUN, ("settings", "accounts")),
    ]
    assert listed[0].at == datetime(2026, 3, 1, 12, 15, 0, 500_000, tzinfo=UTC)
    assert [entry.size for entry in listed] == [
        len(encode("files-2", replace(HELD, parts={"mime_mappings": "[]"}))),
        len(encode("files-2", HELD)),
    ]
    assert snapshots.of_backup("files-3") == ()


def test_a_key_whose_run_cannot_have_been_is_passed_over(snapshots: SnapshotStore) -> None:
    snapshots.keep_backup("files-2", "20269999T999999.000000Z-00000000", HELD)
    kept = snapshots.keep_backup("files-2", RUN, HELD)
    assert [entry.key for entry in snapshots.of_backup("files-2")] == [kept]


def test_all_pages_of_a_list_are_read(bucket: S3Snapshots, clients: Clients) -> None:
    for number in range(1001):
        key = f"backups/files-2/20260301T120000.{number:06}Z-0123abcd/accounts"
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    listed = bucket.of_backup("files-2")
    assert len(listed) == 1001
    assert listed[0].run_id == "20260301T120000.001000Z-0123abcd"


def test_a_key_says_whose_snapshot_it_is() -> None:
    assert backup_of(f"backups/files-2/{RUN}/settings.accounts") == "files-2"
    assert backup_of(f"backups/files-2/{RUN}/settings.accounts/more") == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        encode("files-2", HELD)[:-40],
        encode("files-2", HELD).replace(b"<users/>", b"<losers/>"),
        encode("files-2", HELD).replace(b'"files-1"', b'"files-9"'),
        encode("files-2", HELD).replace(b'"auto_block_list": true', b'"auto_block_list": false'),
        encode("files-2", HELD).replace(b'"facts"', b'"fakts"'),
    ],
)
def test_a_damaged_one_is_never_given_back(content: bytes) -> None:
    snapshots = MemorySnapshots()
    key = snapshots.keep_backup("files-2", RUN, HELD)
    assert snapshots.stored[key] != content
    snapshots.put(key, content)
    with pytest.raises(Failure) as caught:
        snapshots.load(key)
    assert caught.value.reason is Reason.SNAPSHOT_UNREADABLE
    assert "users" not in str(caught.value)


@pytest.mark.parametrize("written", [SnapshotContent.FORMAT + 1, "next", None])
def test_a_format_that_is_not_known_is_refused(written: object) -> None:
    snapshots = MemorySnapshots()
    key = snapshots.keep_backup("files-2", RUN, HELD)
    snapshots.put(key, json.dumps(json.loads(snapshots.stored[key]) | {"format": written}).encode())
    with pytest.raises(Failure, match="cannot be understood: format: ") as caught:
        snapshots.load(key)
    assert caught.value.reason is Reason.SNAPSHOT_UNREADABLE


def test_a_bucket_that_is_gone_is_a_failure_that_says_so(clients: Clients) -> None:
    snapshots = S3Snapshots("gone", clients.s3, digests_in(clients))
    with pytest.raises(Failure) as caught:
        snapshots.keep_backup("files-2", RUN, HELD)
    assert (caught.value.reason, caught.value.message) == (
        Reason.REGISTRY_UNAVAILABLE,
        "S3 PutObject failed: NoSuchBucket",
    )
    with pytest.raises(Failure, match="S3 ListObjectsV2 failed: NoSuchBucket"):
        snapshots.of_backup("files-2")


def test_nothing_is_kept_without_its_digest(clients: Clients, bucket: S3Snapshots) -> None:
    clients.dynamodb.delete_table(TableName=TABLE)
    with pytest.raises(Failure) as caught:
        bucket.keep_backup("files-2", RUN, HELD)
    assert caught.value.reason is Reason.REGISTRY_UNAVAILABLE
    assert clients.s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


class TestAContentThatWasNotKept:
    """Somebody who may write to the bucket, and not to the table, makes a snapshot that is right in itself."""

    FORGED = replace(HELD, parts={**PARTS, "settings": "<settings><soapPort>1</soapPort></settings>"})

    @pytest.fixture
    def keys(self, bucket: S3Snapshots) -> tuple[str, str]:
        return bucket.keep_backup("files-2", RUN, HELD), bucket.keep_primary("0f" * 32, HELD)

    @given(
        which=st.integers(0, 1),
        settings=st.text(st.characters(codec="utf-8"), max_size=20),
        auto_block_list=st.booleans(),
        hostname=st.sampled_from(["files-2", "files-3"]),
    )
    def test_it_is_refused_whatever_it_is(  # what may be forged
        self,
        bucket: S3Snapshots,
        clients: Clients,
        keys: tuple[str, str],
        which: int,
        settings: str,
        hostname: str,
        *,
        auto_block_list: bool,
    ) -> None:
        facts = replace(FACTS, hostname=hostname)
        forged = replace(HELD, parts={**PARTS, "settings": settings}, facts=facts, auto_block_list=auto_block_list)
        body = encode(("files-2", PRIMARY)[which], forged)
        clients.s3.put_object(Bucket=BUCKET, Key=keys[which], Body=body)
        if forged == HELD:
            assert bucket.load(keys[which]).content == HELD
            return
        with pytest.raises(Failure) as caught:
            bucket.load(keys[which])
        assert caught.value.reason is Reason.SNAPSHOT_ALTERED

    def test_it_is_refused_under_a_key_of_its_own(
        self, bucket: S3Snapshots, clients: Clients, keys: tuple[str, str]
    ) -> None:
        key = keys[0].replace(RUN, LATER)
        for body in (encode("files-2", self.FORGED), encode("files-2", HELD)):
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            with pytest.raises(Failure) as caught:
                bucket.load(key)
            assert caught.value.reason is Reason.SNAPSHOT_ALTERED

    def test_it_does_not_stand_for_what_a_backup_holds_before_a_write(
        self, bucket: S3Snapshots, clients: Clients, keys: tuple[str, str]
    ) -> None:
        """Whoever knows the run and the registration may be there first; then nothing is written to the backup."""
        assert bucket.keep_backup("files-2", RUN, self.FORGED) == keys[0]  # the first one of the run stands
        in_memory = MemorySnapshots()
        for store in (bucket, in_memory):
            key, body = backup_key("files-2", LATER, PARTS), encode("files-2", self.FORGED)
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            in_memory.stored[key] = body
            with pytest.raises(Failure) as caught:
                store.keep_backup("files-2", LATER, HELD)
            assert caught.value.reason is Reason.SNAPSHOT_ALTERED

    def test_one_from_before_there_were_digests_still_goes_back(self, bucket: S3Snapshots, clients: Clients) -> None:
        key = backup_key("files-2", RUN, PARTS)
        clients.s3.put_object(Bucket=BUCKET, Key=key, Body=encode("files-2", HELD))
        assert bucket.load(key).content == HELD
        written_at = clients.s3.head_object(Bucket=BUCKET, Key=key)["LastModified"]
        for since, is_given_back in ((written_at + timedelta(seconds=1), True), (written_at, False)):
            clients.dynamodb.put_item(
                TableName=TABLE,
                Item={
                    "pk": {"S": "DIGESTS"},
                    "sk": {"S": "SINCE"},
                    "at": {"S": time_text(since)},
                    "format": {"N": "1"},
                },
            )
            with nullcontext() if is_given_back else pytest.raises(Failure, match="is not what this product stored"):
                assert bucket.load(key).content == HELD

    def test_the_digest_outlives_its_object_however_the_retention_is_raised_meanwhile(self, clients: Clients) -> None:
        runtime = FakeRuntime()
        DynamoSnapshotDigests(TABLE, clients.dynamodb, runtime).add("one", "0f")
        row = clients.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "DIGEST#one"}, "sk": {"S": "0f"}})["Item"]
        longest = timedelta(days=int(translated()["Parameters"]["SnapshotDays"]["MaxValue"]))
        assert int(row["expires_at"]["N"]) >= (runtime.now() + longest + timedelta(days=7)).timestamp()

    def test_the_first_digest_says_since_when_there_are_any(self, clients: Clients) -> None:
        runtime = FakeRuntime()
        DynamoSnapshotDigests(TABLE, clients.dynamodb, runtime).add("one", "0f")
        first = runtime.now()
        runtime.advance(3600)
        later = DynamoSnapshotDigests(TABLE, clients.dynamodb, runtime)
        later.add("another", "0f")
        assert (later.since(), later.has("one", "0f"), later.has("one", "f0")) == (first, True, False)
