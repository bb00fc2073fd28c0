"""AWS' errors as the one failure that callers know.

Separate from ``registry.aws``, because what runs from a laptop needs this and no AWS SDK beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import Failure, Reason


def error_code(error: ClientError | BotoCoreError) -> str:
    """The code AWS gave, or the kind of trouble there was in reaching AWS at all."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "Unknown")
    return type(error).__name__


def unavailable(operation: str, error: ClientError | BotoCoreError) -> Failure:
    """REGISTRY_UNAVAILABLE with operation and code. AWS' own message is left out: it can quote what was sent."""
    return Failure(Reason.REGISTRY_UNAVAILABLE, f"{operation} failed: {error_code(error)}")


@contextmanager
def calling(operation: str) -> Iterator[None]:
    """Turn every AWS error of the block into ``unavailable``."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise unavailable(operation, error) from None
