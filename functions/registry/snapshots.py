"""What backups held before they were written to.

One object per snapshot in a bucket that encrypts under KMS and expires old
ones. Snapshots hold password hashes and machine-specific settings, so they are
never logged, and the sync function alone may read them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from common.reasons import Failure, Reason
from registry.errors import calling, error_code, unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BACKUPS = "backups"
_KEY = re.compile(rf"{BACKUPS}/[a-z0-9][a-z0-9-]{{0,62}}/[0-9A-Za-z.-]+")


@dataclass(frozen=True)
class Snapshot:
    """Dumps of parts by the parts' names. ``key`` is where it is; ``origin`` is the backup's id."""

    key: str
    origin: str
    parts: Mapping[str, str]


class SnapshotStore(Protocol):
    """Where snapshots are. Every method may raise Failure(REGISTRY_UNAVAILABLE)."""

    def keep_backup(self, backup_id: str, run_id: str, parts: Mapping[str, str]) -> str:
        """Store what a backup held before this run wrote to it; the snapshot's key."""
        ...

    def load(self, key: str) -> Snapshot:
        """Raises Failure(SNAPSHOT_MISSING) when there is none, or what is there is not what was stored."""
        ...


class S3Snapshots:
    """Snapshots in a bucket. Its encryption and expiry are the bucket's own."""

    def __init__(self, bucket: str, client: "S3Client") -> None:
        self._bucket = bucket
        self._client = client

    def keep_backup(self, backup_id: str, run_id: str, parts: Mapping[str, str]) -> str:
        return self._put(backup_key(backup_id, run_id), backup_id, parts)

    def load(self, key: str) -> Snapshot:
        if not _KEY.fullmatch(key):
            raise Failure(Reason.SNAPSHOT_MISSING, "this is not the key of a snapshot")
        try:
            content = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except ClientError as error:
            # Without the right to list the bucket, S3 says AccessDenied of what is not there.
            if error_code(error) in ("NoSuchKey", "AccessDenied"):
                raise Failure(Reason.SNAPSHOT_MISSING, f"there is no snapshot {key}") from None
            raise unavailable("S3 GetObject", error) from None
        except BotoCoreError as error:
            raise unavailable("S3 GetObject", error) from None
        return decode(key, content)

    def _put(self, key: str, origin: str, parts: Mapping[str, str]) -> str:
        with calling("S3 PutObject"):
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=encode(origin, parts), ContentType="application/json"
            )
        return key


class MemorySnapshots:
    """Snapshots in a dictionary, for tests; encoded all the same."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def keep_backup(self, backup_id: str, run_id: str, parts: Mapping[str, str]) -> str:
        key = backup_key(backup_id, run_id)
        self.stored[key] = encode(backup_id, parts)
        return key

    def load(self, key: str) -> Snapshot:
        if key not in self.stored:
            raise Failure(Reason.SNAPSHOT_MISSING, f"there is no snapshot {key}")
        return decode(key, self.stored[key])


def backup_key(backup_id: str, run_id: str) -> str:
    """Where a backup's snapshot of one run is. Keys of one backup sort by time, as runs' ids do."""
    return f"{BACKUPS}/{backup_id}/{run_id}"


def encode(origin: str, parts: Mapping[str, str]) -> bytes:
    """A snapshot as bytes, with a digest of each part."""
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in parts.items()}
    return json.dumps({"origin": origin, "parts": dict(parts), "digests": digests}).encode()


def decode(key: str, content: bytes) -> Snapshot:
    """The snapshot again. Raises Failure(SNAPSHOT_MISSING) when its digests say that it is not what was stored."""
    try:
        data = json.loads(content)
        parts = {str(name): str(text) for name, text in data["parts"].items()}
        whole = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in parts.items()} == data["digests"]
        origin = str(data["origin"])
    except (ValueError, KeyError, TypeError, AttributeError):  # its text would quote the content
        whole = False
    if not whole:
        raise Failure(Reason.SNAPSHOT_MISSING, f"the snapshot {key} is damaged")
    return Snapshot(key, origin, parts)
