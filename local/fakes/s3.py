"""An S3 bucket in memory, with the methods of boto3 that the product uses.

This module is separate from ``local.fakes.snapshots``, because that module does not depend on AWS' interface.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


class FakeS3:
    """Objects by key, with the time of their last change by ``now``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self._now = now

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803, ARG002 - boto3's names
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803, ARG002
        IfNoneMatch: str = "",  # noqa: N803
    ) -> None:
        """Store an object; with ``IfNoneMatch="*"`` only if there is none under this key."""
        if IfNoneMatch and Key in self.objects:
            raise _error("PutObject", "PreconditionFailed")
        self.objects[Key] = (Body, self._now())

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803, ARG002
        if Key not in self.objects:
            raise _error("GetObject", "NoSuchKey")
        content, at = self.objects[Key]
        return {"Body": BytesIO(content), "LastModified": at}

    def list_objects(self, prefix: str) -> dict[str, Any]:
        """All objects whose key has this prefix, in the order of their keys, as one page."""
        entries = [
            {"Key": key, "Size": len(self.objects[key][0])} for key in sorted(self.objects) if key.startswith(prefix)
        ]
        return {"Contents": entries} if entries else {}

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """The paginator of ``list_objects_v2``."""
        if operation != "list_objects_v2":
            raise NotImplementedError(operation)

        def paginate(*, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803, ARG001
            yield self.list_objects(Prefix)

        return SimpleNamespace(paginate=paginate)


def _error(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)
