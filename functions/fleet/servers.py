"""Builds clients for registered servers."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cerberus.address_policy import AddressPolicy
from cerberus.client import BackupClient, PrimaryClient
from cerberus.endpoint import Endpoint, OperationBudgets, Timeouts
from cerberus.same_server import Address, same_server
from cerberus.tls import CaBundle, Pins, SystemRoots, Trust
from common.budgets import MEGABYTE, AccountSizes
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import Runtime
from registry.fleet_records import Backup, Credentials, Primary, SyncSettings, TlsTrust, destination_of, password_needed
from replication.ports import ReadableServer, WritableServer

PRIMARY_ID = "primary"
"""The primary's id in messages and in the names of secrets. No backup may have it."""


def endpoint_of(
    server: Primary | Backup,
    credentials: Credentials,
    settings: SyncSettings,
    addresses: AddressPolicy,
    wsdl: Path | None = None,
    *,
    beside: AccountSizes | None = None,
    room: int | None = None,
    not_at: Address | None = None,
) -> Endpoint:
    """The endpoint of a registered server. ``beside`` and ``room`` limit the size of its replies, see
    ``OperationBudgets``.

    ``not_at`` is the primary's address if ``server`` is a backup, otherwise None.

    Raises Failure: REGISTRATION_INVALID, and PASSWORD_NEEDED if the credentials were given for another server.
    """
    destination = destination_of(server)
    if credentials.destination != destination:
        raise password_needed(credentials.destination or "no server", destination)
    name = server.id if isinstance(server, Backup) else PRIMARY_ID
    return Endpoint(
        label=f"{name} ({server.host}:{server.port})",
        host=server.host,
        port=server.port,
        credentials=(credentials.username, credentials.password),
        trust=trust_of(server.trust),
        timeouts=Timeouts(connect=settings.connect_timeout, read=settings.read_timeout),
        budgets=OperationBudgets(settings.reply_limit_mb * MEGABYTE, beside, room),
        addresses=addresses,
        wsdl=wsdl,
        not_at=not_at,
    )


def trust_of(trust: TlsTrust) -> Trust:
    """The TLS trust that a registration specifies. Raises Failure(REGISTRATION_INVALID)."""
    if trust.pins and trust.ca_pem:
        raise Failure(Reason.REGISTRATION_INVALID, "a server is trusted by a CA bundle or by pins, not by both")
    if trust.pins:
        return Pins(trust.pins)
    return CaBundle(trust.ca_pem) if trust.ca_pem else SystemRoots()


class Servers(Protocol):
    """Opens connections to registered servers. The client for the primary can only read."""

    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[ReadableServer]: ...

    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: SyncSettings,
        deadline: Deadline,
        not_at: Address,
        beside: AccountSizes | None = None,
    ) -> AbstractContextManager[WritableServer]:
        """A client for a backup that never logs in at ``not_at``, the primary's address, even if the backup's name
        resolves to it.

        ``beside`` holds the sizes of the primary's lists, which limit the backup's lists.
        """

    def is_same(self, one: Address, other: Address, deadline: Deadline) -> bool:
        """Whether two hosts with ports resolve to the same server address. No server is contacted."""


@dataclass(frozen=True)
class CerberusServers:
    """Servers over HTTPS SOAP. ``addresses`` is the policy for the addresses that connections may use.

    ``wsdl`` is a WSDL file that fits the servers' version, None for the one shipped with the product. ``room`` is the
    memory in bytes for the primary's lists, None for no limit.
    """

    addresses: AddressPolicy
    runtime: Runtime
    wsdl: Path | None = None
    room: int | None = None

    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[ReadableServer]:
        return PrimaryClient(
            endpoint_of(primary, credentials, settings, self.addresses, self.wsdl, room=self.room),
            deadline,
            self.runtime,
        )

    def backup(
        self,
        backup: Backup,
        credentials: Credentials,
        settings: SyncSettings,
        deadline: Deadline,
        not_at: Address,
        beside: AccountSizes | None = None,
    ) -> AbstractContextManager[WritableServer]:
        endpoint = endpoint_of(
            backup, credentials, settings, self.addresses, self.wsdl, beside=beside, room=self.room, not_at=not_at
        )
        return BackupClient(endpoint, deadline, self.runtime)

    def is_same(self, one: Address, other: Address, deadline: Deadline) -> bool:
        return same_server(one, other, self.addresses, deadline)


def refuse_primary(
    primary: Address, backup: Backup, is_same: Callable[[Address, Address, Deadline], bool], deadline: Deadline
) -> None:
    """Raise Failure(SAME_AS_PRIMARY) if the backup's address is the primary's, before its password is sent."""
    if is_same(primary, (backup.host, backup.port), deadline):
        raise Failure(Reason.SAME_AS_PRIMARY, "its address leads to the primary itself; nobody has logged in")
