"""The configuration of the function, and the services that routes use: created at the first request, then reused."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends

from admin_api.groups import UserPool
from cerberus.address_policy import AddressPolicy
from common.runtime import Runtime, SystemRuntime
from fleet.approvals import CurrentApproval, current_approval, end_if_given
from fleet.at_a_time import room_for_primary
from fleet.environment import Variables, entries, memory_megabytes, number, package_file, required, stack_primary
from fleet.log_ins import LogIns
from fleet.primary import Source
from fleet.servers import CerberusServers
from registry.audit import AuditLog, DynamoAuditLog
from registry.aws import open_clients, open_management_clients
from registry.credentials import SecretsManagerCredentials
from registry.dynamo import DynamoStore
from registry.fleet_records import Backup, Primary
from registry.run_records import Approval, BackupResult
from registry.schedule import EventBridgeSchedule, LambdaStarter, ScheduleKeeper, Starter
from registry.snapshot_digests import DynamoSnapshotDigests
from registry.snapshots import S3Snapshots, SnapshotStore
from registry.store import CredentialStore, Store
from registry.store_rules import of_primary, of_registration


@dataclass(frozen=True)
class Environment:
    """The configuration of the function. ``primary`` is None if the stack's parameters name none."""

    table_name: str
    secret_prefix: str
    snapshot_bucket: str
    sync_function: str
    interval_rule: str
    polling_rule: str
    primary: Primary | None
    allowed_networks: tuple[str, ...]
    history_days: int
    secret_key: str = ""
    wsdl: Path | None = None
    memory_megabytes: int | None = None
    user_pool: UserPool | None = None

    @classmethod
    def read(cls, variables: Variables = os.environ) -> "Environment":
        """Read environment variables; raise Failure(CONFIGURATION_INVALID) that names the missing or invalid one."""
        return cls(
            table_name=required(variables, "TABLE_NAME"),
            secret_prefix=required(variables, "SECRET_PREFIX"),
            snapshot_bucket=required(variables, "SNAPSHOT_BUCKET"),
            sync_function=required(variables, "SYNC_FUNCTION"),
            interval_rule=required(variables, "INTERVAL_RULE"),
            polling_rule=required(variables, "POLLING_RULE"),
            primary=stack_primary(variables),
            allowed_networks=entries(variables.get("ALLOWED_NETWORKS", "")),
            history_days=number(variables, "HISTORY_DAYS"),
            secret_key=variables.get("SECRET_KEY", "").strip(),
            wsdl=package_file(variables, "WSDL_FILE"),
            memory_megabytes=memory_megabytes(variables),
            user_pool=_user_pool(variables),
        )


def _user_pool(variables: Variables) -> UserPool | None:
    if not variables.get("USER_POOL", "").strip():
        return None
    return UserPool(entries(variables.get("USER_POOL_CLIENTS", "")), required(variables, "USER_POOL_GROUPS"))


@dataclass(frozen=True)
class Services:
    """The registry, and the objects for contacting servers.

    ``stack_primary`` is the primary of the stack's parameters, used until one is registered. ``wsdl`` is a WSDL file
    that fits the servers' version, None for the one shipped with the product. ``room`` is the memory in bytes for a
    server's lists, None for no limit. ``user_pool`` is None if requests are signed and IAM authorizes them.
    """

    store: Store
    credentials: CredentialStore
    schedule: ScheduleKeeper
    starter: Starter
    audit: AuditLog
    addresses: AddressPolicy
    snapshots: SnapshotStore
    runtime: Runtime
    stack_primary: Primary | None = None
    wsdl: Path | None = None
    room: int | None = None
    user_pool: UserPool | None = None

    @property
    def servers(self) -> CerberusServers:
        """Clients for the registered servers."""
        return CerberusServers(self.addresses, self.runtime, self.wsdl, self.room)

    @property
    def log_ins(self) -> LogIns:
        """Access to the servers' passwords."""
        return LogIns(self.store, self.credentials, self.runtime)

    @property
    def source(self) -> Source:
        """The reader of the current primary."""
        return Source(self.log_ins, self.servers, self.stack_primary)

    def primary(self) -> Primary | None:
        """The current primary: the registered one, otherwise the one of the stack's parameters."""
        return self.source.registered

    def last_result(self, backup: Backup) -> BackupResult | None:
        """The last result for the backup's current registration and the current primary."""
        return of_primary(of_registration(self.store.status(backup.id), backup.registration), self.primary())

    def approval(self, backup: Backup) -> CurrentApproval | None:
        """The approval of the backup, None if it is void. Raises Failure(RECORD_UNREADABLE)."""
        given, settings = self.store.approval(backup.id), self.store.settings()
        return current_approval(given, backup, self.primary(), settings, self.runtime.now())

    def approve(
        self,
        backup: Backup,
        plan_hash: str,
        who: str,
        last: BackupResult | None,
        snapshot: str = "",
        *,
        agreed: tuple[str, ...] = (),
        seconds: Approval | None = None,
    ) -> Approval:
        """Store an approval for the backup; it replaces the approval that is given as ``seconds``.

        ``last`` is the backup's last result as it was read. Raises VersionConflict, Failure(REGISTRATION_CHANGED).
        """
        primary, now = self.primary(), self.runtime.now()
        given = Approval(
            backup_id=backup.id,
            plan_hash=plan_hash,
            approved_by=who,
            at=now,
            term=primary.term if primary else 0,
            source=primary.source if primary else "",
            registration=backup.registration,
            snapshot=snapshot,
            agreed=agreed,
            ends_at=end_if_given(now, self.store.settings()),
        )
        self.store.approve(given, expected_version=backup.version, seconds=seconds, last=last)
        return given


@cache
def services() -> Services:
    """The services on AWS, configured from environment variables. Raises Failure(CONFIGURATION_INVALID)."""
    environment = Environment.read()
    runtime = SystemRuntime()
    clients = open_clients()
    management = open_management_clients()
    return Services(
        store=DynamoStore(environment.table_name, clients.dynamodb, runtime, environment.history_days),
        credentials=SecretsManagerCredentials(
            environment.secret_prefix, clients.secretsmanager, runtime, key=environment.secret_key
        ),
        schedule=EventBridgeSchedule(environment.interval_rule, environment.polling_rule, management.events),
        starter=LambdaStarter(environment.sync_function, management.functions),
        audit=DynamoAuditLog(environment.table_name, clients.dynamodb, runtime, environment.history_days),
        addresses=AddressPolicy.allowing(environment.allowed_networks, runtime),
        snapshots=S3Snapshots(
            environment.snapshot_bucket,
            clients.s3,
            DynamoSnapshotDigests(environment.table_name, clients.dynamodb, runtime),
        ),
        runtime=runtime,
        stack_primary=environment.primary,
        wsdl=environment.wsdl,
        room=room_for_primary(environment.memory_megabytes),
        user_pool=environment.user_pool,
    )


Injected = Annotated[Services, Depends(services)]
