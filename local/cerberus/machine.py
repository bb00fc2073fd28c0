"""The differences between the servers of a fleet, and the secrets that are planted in the servers' content.

Every secret is a recognisable text chosen by the caller, so that a test can search logs, tables and replies for it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

SECTIONS = (
    "license",
    "soap",
    "remote_admin",
    "web_admin",
    "certificate",
    "private_key",
    "ca",
    "crl",
    "sync",
)
"""The machine-specific categories of the modelled settings; ``Machine.absent`` may name any of them."""


@dataclass(frozen=True)
class Secrets:
    """Secrets in the content: the same on every server of a fleet.

    ``password_hash`` starts every user's stored hash.
    """

    password_hash: str = field(default="PLANTEDHASH", repr=False)
    bind_password: str = field(default="PLANTEDBINDPASSWORD", repr=False)
    captcha_private_key: str = field(default="PLANTEDCAPTCHAKEY", repr=False)

    def __iter__(self) -> Iterator[str]:
        """The planted strings themselves."""
        return iter((self.password_hash, self.bind_password, self.captcha_private_key))


@dataclass(frozen=True)
class Machine:
    """The machine-specific values of one server. Create it with ``Machine.named``; its keywords change single values.

    Ports are values in the settings document, independent of the stand-in's actual port. ``absent`` names sections (see
    SECTIONS) that are missing in this machine's settings.
    """

    name: str
    host: str
    address: str
    passive_address: str
    admin_user: str
    admin_password: str = field(repr=False)
    license_key: str = field(repr=False)
    issued: int
    installed: int
    days_valid: int
    soap_port: int
    soap_secure: bool
    remote_access: bool
    web_admin_port: int
    certificate: str
    certificate_path: str
    private_key: str = field(repr=False)
    private_key_path: str
    key_type: str
    key_bits: int
    ca: str
    ca_path: str
    crl: str
    crl_path: str
    sync_host: str
    sync_password: str = field(repr=False)
    absent: tuple[str, ...] = ()

    @classmethod
    def named(cls, name: str, **changes: object) -> Self:
        """Values that depend only on the name, so that two runs agree and two names differ."""
        digest = hashlib.sha256(name.encode()).digest()
        tag = digest.hex()[:8].upper()
        folder = f"C:\\ProgramData\\Cerberus LLC\\Cerberus FTP Server\\certificates\\{name}"
        made = cls(
            name=name,
            host=f"{name}.files.example",
            address=f"10.{digest[0]}.{digest[1]}.{1 + digest[2] % 250}",
            passive_address=f"203.0.113.{1 + digest[3] % 250}",
            admin_user="admin",
            admin_password=f"PLANTEDADMINPASSWORD-{tag}",
            license_key=f"PLANTEDLICENSEKEY-{tag}",
            issued=1_700_000_000 + int.from_bytes(digest[4:7]),
            installed=1_720_000_000 + int.from_bytes(digest[7:10]),
            days_valid=100 + digest[10],
            soap_port=10_001 + digest[11],
            soap_secure=True,
            remote_access=True,
            web_admin_port=8_443 + digest[12],
            certificate=f"-----BEGIN CERTIFICATE-----\nSERVER{tag}\n-----END CERTIFICATE-----",
            certificate_path=f"{folder}\\server.crt",
            private_key=f"-----BEGIN PRIVATE KEY-----\nPLANTEDPRIVATEKEY{tag}\n-----END PRIVATE KEY-----",
            private_key_path=f"{folder}\\server.key",
            key_type=("RSA", "EC")[digest[13] % 2],
            key_bits=(2048, 384)[digest[13] % 2],
            ca=f"-----BEGIN CERTIFICATE-----\nAUTHORITY{tag}\n-----END CERTIFICATE-----",
            ca_path=f"{folder}\\ca.pem",
            crl=f"-----BEGIN X509 CRL-----\nREVOKED{tag}\n-----END X509 CRL-----",
            crl_path=f"{folder}\\revoked.crl",
            sync_host=f"native-{name}.files.example",
            sync_password=f"PLANTEDSYNCPASSWORD-{tag}",
        )
        return replace(made, **changes)  # type: ignore[arg-type]  # the dataclass itself refuses unknown names

    @property
    def secrets(self) -> tuple[str, ...]:
        """The planted secrets of this machine, each without line breaks."""
        key = self.private_key.splitlines()
        return (self.admin_password, self.license_key, self.sync_password, key[1] if len(key) > 1 else key[0])

    @property
    def admin_hash(self) -> str:
        """The stored form of the administrator's password in the settings document."""
        return password_digest(self.admin_password)


def password_digest(password: str) -> str:
    """Base16 of the SHA-512 of a fixed modelled salt and the password."""
    return hashlib.sha512(b"modelled-salt" + password.encode()).hexdigest().upper()
