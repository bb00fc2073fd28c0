"""Certificates for servers on this machine: self-signed, signed by an authority of our own, expired."""

import datetime
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Identity:
    """A server's certificate and key, and the root that a client needs to trust it.

    ``ca_pem`` is the root: the authority's certificate, or the server's own if it is self-signed. ``fingerprint`` is
    the SHA-256 of the certificate, 64 lower-case hex digits. The key is not shown.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    ca_pem: str

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def server_context(self) -> ssl.SSLContext:
        """A TLS 1.2+ context that serves this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        pem = self.certificate.public_bytes(serialization.Encoding.PEM) + self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with tempfile.TemporaryDirectory() as folder:  # the standard library only loads certificates from files
            path = Path(folder, "server.pem")
            path.write_bytes(pem)
            context.load_cert_chain(path)
        return context


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(cls, name: str = "Local test authority") -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, key, days=365)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def issue(self, host: str = _ADDRESS, *, san: bool = True, days: int = 365) -> Identity:
        """A certificate for ``host``, a name or an address, that expires in ``days``.

        Without ``san`` the name is only in the subject.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        builder = _leaf(_builder(host, str(issuer), key, days=days), host, san=san).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return Identity(builder.sign(self.key, hashes.SHA256()), key, self.pem)


def self_signed(host: str = _ADDRESS, *, san: bool = True, days: int = 365) -> Identity:
    """A certificate as the server's own "Create Cert" button makes it, valid for ``days``. Clients trust it by its
    fingerprint.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _leaf(_builder(host, host, key, days=days), host, san=san).sign(key, hashes.SHA256())
    return Identity(certificate, key, _pem(certificate))


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    start = min(now, end) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _leaf(builder: x509.CertificateBuilder, host: str, *, san: bool) -> x509.CertificateBuilder:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if not san:
        return builder
    names = [_general_name(host)]
    if host == _ADDRESS:
        names.append(x509.DNSName("localhost"))
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
