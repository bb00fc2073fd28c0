"""Snapshots: the content of backups before they were written to, and every state of the primary that a run has read.

Each snapshot and each distinct state is one object in a bucket that encrypts with KMS and expires old objects. The
table has the digest of each, and a snapshot without a digest is not restored, with one exception: see
``registry.snapshot_digests``. Snapshots contain password hashes and machine-specific settings, so they are never
logged. Users see only keys, sizes, and differences between states in the form of a plan.

A key contains the backup, the run that stored it, and the parts, so that a list of keys is a list of snapshots:
``backups/ID/RUN/REGISTRATION/accounts.event_rules``. Another registration of the same id is another server, even within
one run. The level ``REGISTRATION`` is absent for a backup whose registration has no identifier. The key of a state of
the primary is its digest: ``primary/DIGEST``.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from common.chunks import json_string, pieces_of
from common.errors import Failure, Reason
from common.patterns import Whole
from common.server_types import ServerFacts
from registry.aws_errors import calling, error_code, unavailable
from registry.run_records import RUN_ID, is_run_id, requested_at
from registry.serialization import FORMAT_FIELD, Unreadable, numbered, read

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BACKUPS = "backups"
PRIMARY = "primary"

_PART = "[a-z][a-z_]*"
_KEY = Whole(
    rf"{BACKUPS}/(?P<origin>[a-z0-9][a-z0-9-]{{0,62}})/(?P<run>{RUN_ID.pattern.pattern})/"
    rf"(?:(?P<registration>[a-z0-9-]{{1,63}})/)?(?P<parts>{_PART}(?:\.{_PART})*)"
)
_PRIMARY_KEY = Whole(rf"{PRIMARY}/[0-9a-f]{{64}}")


@dataclass(frozen=True)
class SnapshotContent:
    """The content of a server, and the facts needed for restoring it.

    ``parts`` maps the names of parts to their dumps; ``facts`` are the facts that the server reported. For a backup,
    ``primary`` has the facts that the primary reported, so that a restore can distinguish the two servers.
    ``auto_block_list`` says whether the run was also going to replace the list of automatically blocked addresses. A
    change of a field, also in ``ServerFacts``, must increase ``FORMAT``: see ``registry.serialization``.
    """

    FORMAT: ClassVar[int] = 1

    parts: Mapping[str, str]
    facts: ServerFacts
    primary: ServerFacts | None = None
    auto_block_list: bool = False

    def with_later(self, later: "SnapshotContent") -> "SnapshotContent":
        """The content before a run, from its first snapshot (this one) and a ``later`` one; a part in both is taken
        from the first.
        """
        return replace(
            self,
            parts={**self.parts, **{name: text for name, text in later.parts.items() if name not in self.parts}},
            auto_block_list=self.auto_block_list or later.auto_block_list,
        )


@dataclass(frozen=True)
class Snapshot:
    """A snapshot with its ``key``; ``origin`` is the backup's id, or ``primary`` for a state of the primary."""

    key: str
    origin: str
    content: SnapshotContent


@dataclass(frozen=True)
class SnapshotEntry:
    """A snapshot in a list. ``at`` is when its run was requested, ``size`` is in bytes.

    ``registration`` is the backup's registration at that time.
    """

    key: str
    run_id: str
    at: datetime
    parts: tuple[str, ...]
    size: int
    registration: str = ""


class SnapshotStore(Protocol):
    """Stores and loads snapshots. Every method may raise Failure(REGISTRY_UNAVAILABLE)."""

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent, registration: str = "") -> str:
        """Store the content of a backup before this run writes to it; return the snapshot's key.

        ``registration`` is ``Backup.registration``. The first snapshot of a run is kept: if a worker was killed, its
        successor finds the content from before that worker's writes. Raises Failure(SNAPSHOT_ALTERED or
        SNAPSHOT_UNREADABLE) if the content under that key cannot be restored, so that nothing is written without a way
        back.
        """

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        """Store a state of the primary under its digest, 64 hexadecimal digits; return its key. Storing a state again
        resets its age.
        """

    def load(self, key: str) -> Snapshot:
        """Load a snapshot. Raises Failure: SNAPSHOT_MISSING, SNAPSHOT_ALTERED if it is not what this product stored,
        SNAPSHOT_UNREADABLE.
        """

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        """All snapshots of a backup, newest first."""


class SnapshotDigests(Protocol):
    """Stores the digests of snapshots by key. Every method may raise Failure(REGISTRY_UNAVAILABLE)."""

    def add(self, key: str, digest: str) -> None:
        """Record that content with this digest is stored under ``key``. Call it before the content is written."""

    def has(self, key: str, digest: str) -> bool:
        """Whether this product stored content with this digest under ``key``."""

    def since(self) -> datetime | None:
        """When the first digest was stored, None if there is none."""


class S3Snapshots:
    """Snapshots in a bucket, with their digests in the table. The bucket itself handles encryption and expiry."""

    def __init__(self, bucket: str, client: "S3Client", digests: SnapshotDigests) -> None:
        self._bucket = bucket
        self._client = client
        self._digests = digests

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent, registration: str = "") -> str:
        key = backup_key(backup_id, run_id, content.parts, registration)
        try:
            self._put(key, backup_id, content, IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) != "PreconditionFailed":
                raise unavailable("S3 PutObject", error) from None
        except BotoCoreError as error:
            raise unavailable("S3 PutObject", error) from None
        else:
            return key
        self.load(key)
        return key

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        with calling("S3 PutObject"):
            self._put(primary_key(digest), PRIMARY, content)
        return primary_key(digest)

    def load(self, key: str) -> Snapshot:
        if not is_key(key):
            raise snapshot_missing(key)
        try:
            stored = self._client.get_object(Bucket=self._bucket, Key=key)
            content = stored["Body"].read()
        except ClientError as error:
            if error_code(error) == "NoSuchKey":
                raise snapshot_missing(key) from None
            raise unavailable("S3 GetObject", error) from None
        except BotoCoreError as error:
            raise unavailable("S3 GetObject", error) from None
        check_digest(key, content, stored["LastModified"], self._digests)
        return decode(key, content)

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        with calling("S3 ListObjectsV2"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{BACKUPS}/{backup_id}/"
            )
            objects = [(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", ())]
        return entries_of(objects)

    def _put(self, key: str, origin: str, content: SnapshotContent, **conditions: Any) -> None:
        body = encode(origin, content)
        self._digests.add(key, content_digest(body))
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **conditions)


def backup_key(backup_id: str, run_id: str, parts: Iterable[str], registration: str = "") -> str:
    """The key of a backup's snapshot from one run. Keys of one backup sort by time, as run ids do.

    Raises ValueError for values that cannot be in a key.
    """
    level = f"{registration}/" if registration else ""
    key = f"{BACKUPS}/{backup_id}/{run_id}/{level}{'.'.join(parts)}"
    if not _KEY.fullmatch(key):
        raise ValueError("not the id of a backup, the id of a run and names of parts")
    return key


def backup_of(key: str) -> str:
    """The id of the backup that the snapshot with this key belongs to, empty for any other text."""
    match = _KEY.fullmatch(key)
    return match["origin"] if match else ""


def registration_of(key: str) -> str:
    """The registration of the backup that the snapshot with this key belongs to, empty if unknown."""
    match = _KEY.fullmatch(key)
    return (match["registration"] or "") if match else ""


def primary_key(digest: str) -> str:
    """The key of the primary's state with this digest."""
    return f"{PRIMARY}/{digest}"


def encode(origin: str, content: SnapshotContent) -> bytes:
    """The snapshot as bytes, with digests of each part and of the other fields."""
    data = {FORMAT_FIELD: content.FORMAT, "origin": origin, **_plain_content(content)}
    beside = {name: value for name, value in data.items() if name != "parts"}
    out = BytesIO()
    out.write(json.dumps({**beside, "digests": _digests(data)})[:-1].encode())
    out.write(b', "parts": {')
    for number, (name, text) in enumerate(content.parts.items()):
        out.write(f"{', ' if number else ''}{json.dumps(name)}: ".encode())
        for piece in json_string(pieces_of(text)):
            out.write(piece.encode())
    out.write(b"}}")
    return out.getvalue()


def decode(key: str, content: bytes) -> Snapshot:
    """Parse a snapshot. Raises Failure(SNAPSHOT_UNREADABLE) if it is damaged or of an unknown format."""
    try:
        data = json.loads(content)
        record = {name: value for name, value in data.items() if name not in ("origin", "digests")}
        snapshot = Snapshot(key, str(data["origin"]), read(SnapshotContent, record))
        whole = _digests(data) == data["digests"] and data["origin"] == (backup_of(key) or PRIMARY)
        whole = whole and FORMAT_FIELD in data  # every snapshot has a format
    except Unreadable as unreadable:
        raise Failure(Reason.SNAPSHOT_UNREADABLE, f"the snapshot {key} cannot be understood: {unreadable}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # the text would quote the content
        whole = False
    if not whole:
        raise Failure(Reason.SNAPSHOT_UNREADABLE, f"the snapshot {key} is damaged")
    return snapshot


def _plain_content(content: SnapshotContent) -> dict[str, Any]:
    """The content as values that JSON can represent."""

    def said(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: said(inner) for name, inner in value.items()}
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: said(value) for name, value in numbered(content).items()}


_NOT_DIGESTED = (FORMAT_FIELD, "origin", "parts", "digests")
"""Fields that the digest of the rest does not cover, because each is checked separately."""


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    """The digests of each part and, under ``server``, of all other fields."""
    beside = {name: value for name, value in content.items() if name not in _NOT_DIGESTED}
    texts = {**content["parts"], "server": json.dumps(beside, sort_keys=True)}
    return {name: _digest(text) for name, text in texts.items()}


def _digest(text: str) -> str:
    digest = hashlib.sha256()
    for piece in pieces_of(text):
        digest.update(piece.encode())
    return digest.hexdigest()


def entries_of(objects: Iterable[tuple[str, int]]) -> tuple[SnapshotEntry, ...]:
    """The snapshots in a list of keys and sizes, newest first; other keys are ignored."""
    matches = ((_KEY.fullmatch(key), size) for key, size in sorted(objects, reverse=True))
    read = ((match, size) for match, size in matches if match and is_run_id(match["run"]))
    return tuple(
        SnapshotEntry(
            match.string,
            match["run"],
            requested_at(match["run"]),
            tuple(match["parts"].split(".")),
            size,
            match["registration"] or "",
        )
        for match, size in read
    )


def is_key(text: str) -> bool:
    """Whether the text is a possible key of a backup's snapshot or of a state of the primary."""
    return any(pattern.fullmatch(text) for pattern in (_KEY, _PRIMARY_KEY))


def snapshot_missing(key: str) -> Failure:
    """The failure for a key without a snapshot."""
    message = f"there is no snapshot {key}" if is_key(key) else "this is not the key of a snapshot"
    return Failure(Reason.SNAPSHOT_MISSING, message)


def content_digest(content: bytes) -> str:
    """The digest of a stored snapshot, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def check_digest(key: str, content: bytes, written_at: datetime, digests: SnapshotDigests) -> None:
    """Raise Failure(SNAPSHOT_ALTERED) unless this product stored exactly this content under ``key``.

    ``written_at`` is the time that the bucket itself recorded, which nobody can set. An object from before the first
    digest, stored by an older version of this product, is accepted.
    """
    if digests.has(key, content_digest(content)):
        return
    since = digests.since()
    if since is not None and written_at >= since:
        raise snapshot_altered(key)


def snapshot_altered(key: str) -> Failure:
    """The failure for content that differs from what this product stored under the key."""
    return Failure(Reason.SNAPSHOT_ALTERED, f"the snapshot {key} is not what this product stored there")
