"""Snapshots: what is kept comes back exactly, and nothing else is ever taken for it."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from common.reasons import Failure, Reason
from registry.clients import open_clients
from registry.snapshots import MemorySnapshots, S3Snapshots, SnapshotStore, encode

PARTS = {"settings": "<settings>ä & <![CDATA[\r\n]]></settings>", "accounts": '{"users": "<users/>", "groups": ""}'}
RUN = "20260301T120000.000000Z-0123abcd"


@pytest.fixture(params=["memory", "s3"])
def snapshots(request: pytest.FixtureRequest) -> Iterator[SnapshotStore]:
    if request.param == "memory":
        yield MemorySnapshots()
        return
    with mock_aws():
        client = open_clients().s3
        client.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield S3Snapshots("kept", client)


def test_what_is_kept_comes_back_exactly(snapshots: SnapshotStore) -> None:
    key = snapshots.keep_backup("files-2", RUN, PARTS)
    found = snapshots.load(key)
    assert (found.key, found.origin, found.parts) == (key, "files-2", PARTS)


@pytest.mark.parametrize("key", ["", "backups/files-2/nothing", "../secrets", "backups/../x/y", "primary"])
def test_what_was_never_kept_is_missing(snapshots: SnapshotStore, key: str) -> None:
    with pytest.raises(Failure) as caught:
        snapshots.load(key)
    assert caught.value.reason is Reason.SNAPSHOT_MISSING


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", encode("files-2", PARTS)[:-40], encode("files-2", PARTS).replace(b"users", b"losers")],
)
def test_a_damaged_one_is_never_given_back(content: bytes) -> None:
    snapshots = MemorySnapshots()
    key = snapshots.keep_backup("files-2", RUN, PARTS)
    snapshots.stored[key] = content
    with pytest.raises(Failure) as caught:
        snapshots.load(key)
    assert caught.value.reason is Reason.SNAPSHOT_MISSING
    assert "users" not in str(caught.value)


def test_a_bucket_that_is_gone_is_a_failure_that_says_so() -> None:
    with mock_aws():
        snapshots = S3Snapshots("gone", open_clients().s3)
        with pytest.raises(Failure) as caught:
            snapshots.keep_backup("files-2", RUN, PARTS)
        assert (caught.value.reason, caught.value.message) == (
            Reason.REGISTRY_UNAVAILABLE,
            "S3 PutObject failed: NoSuchBucket",
        )
