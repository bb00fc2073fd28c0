"""The digests of snapshots: which contents this product has stored under which key of the snapshot bucket.

Anybody who may write to the bucket could write a snapshot with matching digests inside it. Fewer principals may write
to the table, so the run that stores a snapshot stores its digest in the table. Content without a digest is not
restored, unless it is older than the first digest.

=============  =============================  ================================================
pk             sk                             what
=============  =============================  ================================================
DIGEST# + key  SHA-256 of the content, hex    that this content was kept under the key
DIGESTS        SINCE                          DigestsSince
=============  =============================  ================================================

A key has several rows if a worker died after storing its content and its successor stored different content.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from boto3.dynamodb.conditions import Attr

from common.runtime import Runtime
from registry.serialization import to_row
from registry.table import ConditionsFailed, Put, Table, keys, read_row

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient

_SINCE = ("DIGESTS", "SINCE")
_KEPT = timedelta(days=3650 + 7)
"""The bucket's retention may be increased to up to ten years while it contains objects. The bucket expires an object
some time after its last day; the digest must outlive it, because a snapshot without a digest counts as altered.
"""


@dataclass(frozen=True)
class DigestRow:
    """A content was stored under a key. The row's own key contains the snapshot's key and the digest."""

    FORMAT: ClassVar[int] = 1


@dataclass(frozen=True)
class DigestsSince:
    """The time at which the first digest was stored. Older snapshots have no digest."""

    FORMAT: ClassVar[int] = 1

    at: datetime


class DynamoSnapshotDigests:
    """``SnapshotDigests`` in the product's table."""

    def __init__(self, table_name: str, client: "DynamoDBClient", runtime: Runtime) -> None:
        self._table = Table(table_name, client, runtime)
        self._runtime = runtime
        self._has_begun = False

    def add(self, key: str, digest: str) -> None:
        now = self._runtime.now()
        if not self._has_begun:
            self._begin(now)
        expires_at = int((now + _KEPT).timestamp())
        self._table.put({**keys(f"DIGEST#{key}", digest), **to_row(DigestRow()), "expires_at": expires_at})

    def has(self, key: str, digest: str) -> bool:
        return self._table.get(f"DIGEST#{key}", digest) is not None

    def since(self) -> datetime | None:
        row = self._table.get(*_SINCE)
        return read_row(DigestsSince, row).at if row else None

    def _begin(self, now: datetime) -> None:
        """Store the time of the first digest, once in the life of the table."""
        since = DigestsSince(now.replace(microsecond=0))  # the bucket has whole seconds
        with suppress(ConditionsFailed):  # the time was stored before
            self._table.transact(Put({**keys(*_SINCE), **to_row(since)}, Attr("pk").not_exists()))
        self._has_begun = True
