"""Converts AWS errors to the product's own exception.

This module is separate from ``registry.aws``, because programs on a laptop use it without the AWS SDK.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import Failure, Reason


def error_code(error: ClientError | BotoCoreError) -> str:
    """AWS' error code, or the name of the exception if AWS could not be reached."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "Unknown")
    return type(error).__name__


def unavailable(operation: str, error: ClientError | BotoCoreError) -> Failure:
    """The failure REGISTRY_UNAVAILABLE with operation and error code. The message from AWS is omitted because it can
    quote the request.
    """
    return Failure(Reason.REGISTRY_UNAVAILABLE, f"{operation} failed: {error_code(error)}")


@contextmanager
def calling(operation: str) -> Iterator[None]:
    """Convert every AWS error inside the block with ``unavailable``."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise unavailable(operation, error) from None
