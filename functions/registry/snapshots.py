"""What backups held before they were written to, and every state of the primary that a run has read.

One object per snapshot, and one per distinct state, in a bucket that encrypts
under KMS and expires old ones. The table has the digest of each, and without it
nothing is given back: see ``registry.snapshot_digests``. They hold password hashes and machine-specific
settings, so they are never logged, and nothing of them is ever shown but keys
and sizes and, as in a plan, how two states differ.

A key says whose snapshot it is, which run kept it, and of which parts, so that
a list of keys is a list of snapshots:
``backups/ID/RUN/REGISTRATION/accounts.event_rules``. With another registration
the same id is another server, also within one run. Of a backup without one
that level is missing. A state's key is its digest: ``primary/DIGEST``.
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
from common.patterns import whole
from common.server_types import ServerFacts
from registry.aws_errors import calling, error_code, unavailable
from registry.run_records import RUN_ID, is_run_id, requested_at
from registry.serialization import FORMAT_FIELD, Unreadable, numbered, read

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BACKUPS = "backups"
PRIMARY = "primary"

_PART = "[a-z][a-z_]*"
_KEY = whole(
    rf"{BACKUPS}/(?P<origin>[a-z0-9][a-z0-9-]{{0,62}})/(?P<run>{RUN_ID.pattern.pattern})/"
    rf"(?:(?P<registration>[a-z0-9-]{{1,63}})/)?(?P<parts>{_PART}(?:\.{_PART})*)"
)
_PRIMARY_KEY = whole(rf"{PRIMARY}/[0-9a-f]{{64}}")


@dataclass(frozen=True)
class SnapshotContent:
    """What a server held, and what has to be known to put it back.

    ``parts`` are dumps by the parts' names; ``facts`` is what the server said
    of itself then. Of a backup: ``primary`` is what the primary of that time
    said of itself, so that a restore can tell it from the backup, and
    ``auto_block_list`` whether the run was going to replace the list of
    automatically blocked addresses too. Whoever changes a field, also one of
    ``ServerFacts``, raises ``FORMAT``: see ``registry.serialization``.
    """

    FORMAT: ClassVar[int] = 1

    parts: Mapping[str, str]
    facts: ServerFacts
    primary: ServerFacts | None = None
    auto_block_list: bool = False

    def with_later(self, later: "SnapshotContent") -> "SnapshotContent":
        """What was held before a run of which ``later`` was kept too, after it may have written what this one holds."""
        return replace(
            self,
            parts={**self.parts, **{name: text for name, text in later.parts.items() if name not in self.parts}},
            auto_block_list=self.auto_block_list or later.auto_block_list,
        )


@dataclass(frozen=True)
class Snapshot:
    """What was kept under ``key``; ``origin`` is the backup's id, or ``primary``."""

    key: str
    origin: str
    content: SnapshotContent


@dataclass(frozen=True)
class SnapshotEntry:
    """A snapshot in a list. ``at`` is when its run was asked for, ``size`` in bytes.

    ``registration`` is what the backup was registered as.
    """

    key: str
    run_id: str
    at: datetime
    parts: tuple[str, ...]
    size: int
    registration: str = ""


class SnapshotStore(Protocol):
    """Where snapshots are. Every method may raise Failure(REGISTRY_UNAVAILABLE)."""

    def keep_backup(self, backup_id: str, run_id: str, content: SnapshotContent, registration: str = "") -> str:
        """Store what a backup held before this run wrote to it; the snapshot's key.

        ``registration`` is ``Backup.registration``. The first one of a run stands: who serves a backup again, because
        whoever began was killed, finds what that one may have written. Raises Failure(SNAPSHOT_ALTERED or
        SNAPSHOT_UNREADABLE) when something else is in its place, so that nothing is written without a way back.
        """

    def keep_primary(self, digest: str, content: SnapshotContent) -> str:
        """Store a state of the primary under its digest, 64 hex digits; its key. Storing it again renews its age."""

    def load(self, key: str) -> Snapshot:
        """Raises Failure: SNAPSHOT_MISSING, SNAPSHOT_ALTERED when it is not what was kept, SNAPSHOT_UNREADABLE."""

    def of_backup(self, backup_id: str) -> tuple[SnapshotEntry, ...]:
        """All snapshots of a backup, newest first."""


class SnapshotDigests(Protocol):
    """Digests of what was kept, by key. Every method may raise Failure(REGISTRY_UNAVAILABLE)."""

    def add(self, key: str, digest: str) -> None:
        """Store that this content is kept under ``key``. Call it before the content is written there."""

    def has(self, key: str, digest: str) -> bool:
        """Whether this content was kept under ``key``."""

    def since(self) -> datetime | None:
        """When the first digest was stored, None when there is none."""


class S3Snapshots:
    """Snapshots in a bucket, their digests in the table. Encryption and expiry are the bucket's own."""

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
    """Where a backup's snapshot of one run is. Keys of one backup sort by time, as runs' ids do.

    Raises ValueError for what cannot be in a key.
    """
    level = f"{registration}/" if registration else ""
    key = f"{BACKUPS}/{backup_id}/{run_id}/{level}{'.'.join(parts)}"
    if not _KEY.fullmatch(key):
        raise ValueError("not the id of a backup, the id of a run and names of parts")
    return key


def backup_of(key: str) -> str:
    """The id of the backup whose snapshot this is the key of, empty for any other text."""
    match = _KEY.fullmatch(key)
    return match["origin"] if match else ""


def registration_of(key: str) -> str:
    """What the backup was registered as whose snapshot this is the key of, empty where that is not known."""
    match = _KEY.fullmatch(key)
    return (match["registration"] or "") if match else ""


def primary_key(digest: str) -> str:
    """Where the state of the primary with this digest is."""
    return f"{PRIMARY}/{digest}"


def encode(origin: str, content: SnapshotContent) -> bytes:
    """A snapshot as bytes, with a digest of each part and of what the servers reported."""
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
    """The snapshot again. Raises Failure(SNAPSHOT_UNREADABLE) when it is damaged, or of a format not known here."""
    try:
        data = json.loads(content)
        record = {name: value for name, value in data.items() if name not in ("origin", "digests")}
        snapshot = Snapshot(key, str(data["origin"]), read(SnapshotContent, record))
        whole = _digests(data) == data["digests"] and data["origin"] == (backup_of(key) or PRIMARY)
        whole = whole and FORMAT_FIELD in data  # there was never one without
    except Unreadable as unreadable:
        raise Failure(Reason.SNAPSHOT_UNREADABLE, f"the snapshot {key} cannot be understood: {unreadable}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # its text would quote the content
        whole = False
    if not whole:
        raise Failure(Reason.SNAPSHOT_UNREADABLE, f"the snapshot {key} is damaged")
    return snapshot


def _plain_content(content: SnapshotContent) -> dict[str, Any]:
    """As JSON can say it."""

    def said(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: said(inner) for name, inner in value.items()}
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: said(value) for name, value in numbered(content).items()}


_NOT_DIGESTED = (FORMAT_FIELD, "origin", "parts", "digests")
"""What a digest of the rest does not cover: each of these is checked by itself."""


def _digests(content: Mapping[str, Any]) -> dict[str, str]:
    """By part, and under ``server`` of all the rest."""
    beside = {name: value for name, value in content.items() if name not in _NOT_DIGESTED}
    texts = {**content["parts"], "server": json.dumps(beside, sort_keys=True)}
    return {name: _digest(text) for name, text in texts.items()}


def _digest(text: str) -> str:
    digest = hashlib.sha256()
    for piece in pieces_of(text):
        digest.update(piece.encode())
    return digest.hexdigest()


def entries_of(objects: Iterable[tuple[str, int]]) -> tuple[SnapshotEntry, ...]:
    """The snapshots among keys and their sizes, newest first; other keys are passed over."""
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
    """Whether this is the key of a backup's snapshot or of a state of the primary, kept or not."""
    return any(pattern.fullmatch(text) for pattern in (_KEY, _PRIMARY_KEY))


def snapshot_missing(key: str) -> Failure:
    """What to raise when nothing is kept under this key."""
    message = f"there is no snapshot {key}" if is_key(key) else "this is not the key of a snapshot"
    return Failure(Reason.SNAPSHOT_MISSING, message)


def content_digest(content: bytes) -> str:
    """The digest of a snapshot as it is stored, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def check_digest(key: str, content: bytes, written_at: datetime, digests: SnapshotDigests) -> None:
    """Raise Failure(SNAPSHOT_ALTERED) unless this very content was kept under ``key``.

    ``written_at`` is the bucket's own time of the object, which nobody can set. One from before the first digest,
    so of an earlier version of this product, is let through.
    """
    if digests.has(key, content_digest(content)):
        return
    since = digests.since()
    if since is not None and written_at >= since:
        raise snapshot_altered(key)


def snapshot_altered(key: str) -> Failure:
    """What to raise when the content under this key is not what was kept there."""
    return Failure(Reason.SNAPSHOT_ALTERED, f"the snapshot {key} is not what this product has kept there")
