"""The AWS clients that only the management API needs, created once, in the main thread."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

from registry.aws import CONFIG

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient

_ONCE = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
"""An invocation whose reply was lost must not be sent again: it would be a second run."""


@dataclass(frozen=True)
class ManagementClients:
    """Clients of the services that schedule and start runs."""

    events: "EventBridgeClient"
    functions: "LambdaClient"


def open_management_clients() -> ManagementClients:
    """Create them, from one session of their own."""
    session = Session()
    return ManagementClients(
        events=session.client("events", config=CONFIG), functions=session.client("lambda", config=_ONCE)
    )
