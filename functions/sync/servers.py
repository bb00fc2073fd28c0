"""From a registration to a server that can be talked to."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cerberus.addresses import AddressPolicy
from cerberus.endpoint import MEGABYTE, Endpoint, Timeouts
from cerberus.servers import BackupClient, PrimaryClient
from cerberus.trust import CaBundle, Pins, SystemRoots, Trust
from common.deadline import Deadline
from common.reasons import Failure, Reason
from registry.models import Backup, Credentials, Primary, SyncSettings, TlsTrust
from registry.ports import CredentialStore
from replication.ports import ReadableServer, WritableServer

PRIMARY_ID = "primary"


class Servers(Protocol):
    """Opens connections to registered servers. The primary's can only read."""

    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[ReadableServer]: ...

    def backup(
        self, backup: Backup, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[WritableServer]: ...


@dataclass(frozen=True)
class CerberusServers:
    """Servers over HTTPS SOAP. ``addresses`` says where connections may lead.

    ``wsdl`` is the file of the servers' own version, None for the one shipped with the product.
    """

    addresses: AddressPolicy
    wsdl: Path | None = None

    def primary(
        self, primary: Primary, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[ReadableServer]:
        return PrimaryClient(self._endpoint(PRIMARY_ID, primary, credentials, settings), deadline)

    def backup(
        self, backup: Backup, credentials: Credentials, settings: SyncSettings, deadline: Deadline
    ) -> AbstractContextManager[WritableServer]:
        return BackupClient(self._endpoint(backup.id, backup, credentials, settings), deadline)

    def _endpoint(
        self, name: str, server: Primary | Backup, credentials: Credentials, settings: SyncSettings
    ) -> Endpoint:
        return Endpoint(
            label=f"{name} ({server.host}:{server.port})",
            host=server.host,
            port=server.port,
            credentials=(credentials.username, credentials.password),
            trust=trust_of(server.trust),
            timeouts=Timeouts(connect=settings.connect_timeout, read=settings.read_timeout),
            reply_limit=settings.reply_limit_mb * MEGABYTE,
            addresses=self.addresses,
            wsdl=self.wsdl,
        )


def trust_of(trust: TlsTrust) -> Trust:
    """The trust a registration asks for. Raises Failure(REGISTRATION_INVALID)."""
    if trust.pins and trust.ca_pem:
        raise Failure(Reason.REGISTRATION_INVALID, "a server is trusted by a CA bundle or by pins, not by both")
    if trust.pins:
        return Pins(trust.pins)
    return CaBundle(trust.ca_pem) if trust.ca_pem else SystemRoots()


def with_credentials[Result](
    store: CredentialStore, server_id: str, use: Callable[[Credentials], Result], refused: Callable[[Result], bool]
) -> Result:
    """Call ``use`` with a server's credentials and, if they were ``refused`` and have changed since, once more.

    A changed secret is noticed within one run, and unchanged credentials are
    never tried twice: a server may lock the address out.
    """
    known = store.get(server_id)
    result = use(known)
    if refused(result):
        current = store.get(server_id, fresh=True)
        if current != known:
            return use(current)
    return result
