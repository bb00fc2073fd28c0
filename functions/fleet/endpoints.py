"""From a registration to the endpoint of a server that can be talked to."""

from pathlib import Path

from cerberus.address_policy import AddressPolicy
from cerberus.endpoint import MEGABYTE, Endpoint, Timeouts
from cerberus.tls import CaBundle, Pins, SystemRoots, Trust
from common.errors import Failure, Reason
from registry.models import Backup, Credentials, Primary, SyncSettings, TlsTrust

PRIMARY_ID = "primary"
"""The primary's id, in messages and among the secrets. No backup may have it."""


def endpoint_of(
    server: Primary | Backup,
    credentials: Credentials,
    settings: SyncSettings,
    addresses: AddressPolicy,
    wsdl: Path | None = None,
) -> Endpoint:
    """The endpoint of a registered server. Raises Failure(REGISTRATION_INVALID)."""
    name = server.id if isinstance(server, Backup) else PRIMARY_ID
    return Endpoint(
        label=f"{name} ({server.host}:{server.port})",
        host=server.host,
        port=server.port,
        credentials=(credentials.username, credentials.password),
        trust=trust_of(server.trust),
        timeouts=Timeouts(connect=settings.connect_timeout, read=settings.read_timeout),
        reply_limit=settings.reply_limit_mb * MEGABYTE,
        addresses=addresses,
        wsdl=wsdl,
    )


def trust_of(trust: TlsTrust) -> Trust:
    """The trust a registration asks for. Raises Failure(REGISTRATION_INVALID)."""
    if trust.pins and trust.ca_pem:
        raise Failure(Reason.REGISTRATION_INVALID, "a server is trusted by a CA bundle or by pins, not by both")
    if trust.pins:
        return Pins(trust.pins)
    return CaBundle(trust.ca_pem) if trust.ca_pem else SystemRoots()
