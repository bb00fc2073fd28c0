"""The AWS clients, created once.

Threads may share clients but not sessions, so open the clients in the main thread at start-up. Region, credentials and
endpoints come from the environment, as in every AWS tool (AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

if TYPE_CHECKING:  # the stubs are not in the Lambda package
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=64,  # one connection for each backup processed at a time
)
"""Time-outs are in seconds. With the SDK's default time-outs of 60 seconds, one lost packet could use up a run's whole
time.
"""

# The level is fixed, even if the root logger is set to DEBUG: at that level botocore writes every request and reply to
# the log, with the values of secrets.
logging.getLogger("botocore").setLevel(logging.INFO)


@dataclass(frozen=True)
class Clients:
    """The clients of the AWS services that the registry always uses."""

    dynamodb: "DynamoDBClient"
    secretsmanager: "SecretsManagerClient"
    s3: "S3Client"


def open_clients() -> Clients:
    """Create all clients from one new session."""
    session = Session()
    return Clients(
        dynamodb=session.client("dynamodb", config=CONFIG),
        secretsmanager=session.client("secretsmanager", config=CONFIG),
        s3=session.client("s3", config=CONFIG),
    )


def open_sqs() -> "SQSClient":
    """The SQS client, created on demand because few invocations need it and creating it takes time."""
    return Session().client("sqs", config=CONFIG)


_ONCE = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
"""The configuration for invoking the sync function. A call whose reply was lost must not be repeated, because a
repeated call would start a second run.
"""


@dataclass(frozen=True)
class ManagementClients:
    """Clients of the services that schedule and start runs."""

    events: "EventBridgeClient"
    functions: "LambdaClient"


def open_management_clients() -> ManagementClients:
    """Create the clients from one new session."""
    session = Session()
    return ManagementClients(
        events=session.client("events", config=CONFIG), functions=session.client("lambda", config=_ONCE)
    )
