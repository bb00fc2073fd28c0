"""What the routes work with, built at the first request and kept for those that follow in the same process."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends

from admin_api.environment import Environment
from cerberus.address_policy import AddressPolicy
from registry.audit import AuditLog, DynamoAuditLog
from registry.aws import open_clients
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.invoker import LambdaStarter, Starter
from registry.management import open_management_clients
from registry.models import Primary
from registry.schedule import EventBridgeSchedule, ScheduleKeeper
from registry.snapshots import S3Snapshots, SnapshotStore
from registry.store import CredentialStore, Store


@dataclass(frozen=True)
class Services:
    """The registry, and how servers may be reached.

    ``stack_primary`` is the primary of the stack's parameters, which holds
    until one is registered. ``wsdl`` is the file of the servers' own version,
    None for the one shipped with the product.
    """

    store: Store
    credentials: CredentialStore
    schedule: ScheduleKeeper
    starter: Starter
    audit: AuditLog
    addresses: AddressPolicy
    snapshots: SnapshotStore
    stack_primary: Primary | None = None
    wsdl: Path | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def primary(self) -> Primary | None:
        """The primary in use: the registered one, else the stack's."""
        return self.store.primary() or self.stack_primary

    def term(self) -> int:
        """The primary's term, 0 while there is no primary."""
        primary = self.primary()
        return primary.term if primary else 0


@cache
def services() -> Services:
    """The services on AWS, configured by the environment. Raises Failure(CONFIGURATION_INVALID)."""
    environment = Environment.read()
    clients = open_clients()
    management = open_management_clients()
    return Services(
        store=DynamoStore(environment.table_name, clients.dynamodb, environment.history_days),
        credentials=SecretsManagerCredentials(
            environment.secret_prefix, clients.secretsmanager, key=environment.secret_key
        ),
        schedule=EventBridgeSchedule(environment.interval_rule, environment.polling_rule, management.events),
        starter=LambdaStarter(environment.sync_function, management.functions),
        audit=DynamoAuditLog(environment.table_name, clients.dynamodb, environment.history_days),
        addresses=AddressPolicy.allowing(environment.allowed_networks),
        snapshots=S3Snapshots(environment.snapshot_bucket, clients.s3),
        stack_primary=environment.primary,
        wsdl=environment.wsdl,
    )


Injected = Annotated[Services, Depends(services)]
