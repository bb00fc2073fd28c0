"""Fields that the primary and backups share: address, log-in, trust, and the result of a check."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Secret, StringConstraints, field_validator

from admin_api.schemas.fields import LEFT_OUT, Model, accepted, whole_number
from cerberus.address_policy import HOST_NAME, IPV6_ADDRESS, MAX_HOST, checked_host
from cerberus.endpoint import MAX_PORT
from cerberus.tls import CERTIFICATE_MARK, KEY_MARK, MAX_PINS, CaBundle
from common.plain_text import PLAIN

_LARGEST_CA_BUNDLE = 65_536
"""Maximum size of a CA bundle in bytes. A registration with the longest lists and this bundle still fits into a
DynamoDB row, which is limited to 400 KB.
"""


def _host(value: str) -> str:
    return str(accepted(checked_host, value))


def _ca_pem(value: str) -> str:
    if len(value.encode()) > _LARGEST_CA_BUNDLE:  # text around the certificates may have any characters
        raise ValueError(f"It has more than {_LARGEST_CA_BUNDLE} bytes")
    accepted(CaBundle, value)
    return value


HOST_PATTERN = r"^[A-Za-z0-9:][A-Za-z0-9.:_-]*$"
PASSWORD_PATTERN = r"^[^\x00-\x1f\x7f]+$"  # noqa: S105 - a form, not a password
FINGERPRINT_PATTERN = r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"

Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_HOST,
        pattern=HOST_PATTERN,
        description=(
            "Host name or address; no URL. The host is refused if it resolves to a forbidden address, such as that of "
            "the metadata service."
        ),
        json_schema_extra={
            "format": "server-host",
            "anyOf": [
                {"title": "Host name or IPv4 address", "pattern": f"^{HOST_NAME}$"},
                {"title": "IPv6 address", "format": "ipv6", "pattern": f"^({IPV6_ADDRESS})$"},
            ],
        },
    ),
    AfterValidator(_host),
]
Port = Annotated[
    int, Field(ge=1, le=MAX_PORT, description="Port of the server's SOAP service."), BeforeValidator(whole_number)
]
UserName = Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
Password = Annotated[
    Secret[Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=PASSWORD_PATTERN)]],
    Field(
        description="Password of the server's primary administrator, stored in Secrets Manager and never returned.",
        json_schema_extra={"format": "password", "writeOnly": True},
    ),
]


class SystemTrust(Model):
    """Trust in the public certification authorities."""

    mode: Literal["system"]


class CaTrust(Model):
    """Trust in the given certification authorities, in PEM."""

    mode: Literal["ca"]
    ca_pem: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LARGEST_CA_BUNDLE,
            description="Certificates that can be read, and no private key; 65,536 bytes at most.",
            json_schema_extra={
                "format": "pem-certificates",
                "pattern": CERTIFICATE_MARK,
                "not": {"pattern": KEY_MARK},
            },
        ),
        AfterValidator(_ca_pem),
    ]


class PinnedTrust(Model):
    """Trust in certificates with one of these SHA-256 fingerprints; the second one is for a renewal."""

    mode: Literal["pins"]
    fingerprints: Annotated[
        list[Annotated[str, StringConstraints(pattern=FINGERPRINT_PATTERN)]],
        Field(min_length=1, max_length=MAX_PINS),
    ]


Trust = Annotated[SystemTrust | CaTrust | PinnedTrust, Field(discriminator="mode")]


class SecureOnly(Model):
    """The base of requests for a server, which require a secure connection."""

    secure_connection: Annotated[
        Literal[True], Field(description="Always true: over plain HTTP the password could be read on the way.")
    ] = True

    @field_validator("secure_connection", mode="before")
    @classmethod
    def _never_plain(cls, value: object) -> object:
        if value is not True:  # the literal type alone would accept 1 for True
            raise ValueError("It must be true: over plain HTTP the password could be read on the way")
        return value


class ServerChange(SecureOnly):
    """The destination and the log-in of a registered server; omitted fields are kept."""

    host: Host = LEFT_OUT
    port: Port = LEFT_OUT
    username: UserName = LEFT_OUT
    password: Password = LEFT_OUT
    tls: Trust = LEFT_OUT


class ServerToLookAt(SecureOnly):
    """A server that is not registered yet. No log-in is part of this request."""

    host: Host
    port: Port
    tls: Trust = SystemTrust(mode="system")


class CertificateView(Model):
    """The certificate that the server presented. ``fingerprint`` is the SHA-256 to pin, after confirming it through
    another channel.
    """

    subject: str
    issuer: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    trusted: bool


class RequirementView(Model):
    """The result of checking one requirement."""

    id: str
    result: Literal["pass", "fail", "warning", "skipped"]
    reason: str
    detail: str
    remedy: str


class CheckReport(Model):
    """The results for all requirements on one server. ``passed``: no requirement failed and none was skipped."""

    server: str
    checked_at: datetime
    passed: bool
    requirements: list[RequirementView]
    certificate: CertificateView | None
