"""Trust is one of three, valid from the start, and can never be switched off."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cerberus.tls import CaBundle, Pins, SystemRoots, Trust
from common.errors import Failure, Reason

FIRST, SECOND = hashlib.sha256(b"first").hexdigest(), hashlib.sha256(b"second").hexdigest()


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def pem(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    return certificate.decode()


@pytest.mark.parametrize("trust", [SystemRoots(), Pins((FIRST,))])
def test_no_trust_speaks_less_than_tls_1_2(trust: Trust) -> None:
    assert trust.context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_system_roots_check_chain_and_name_by_the_shipped_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    context = SystemRoots().context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    expected = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    expected.load_verify_locations(certifi.where())
    assert context.cert_store_stats() == expected.cert_store_stats()


def test_a_ca_bundle_replaces_the_public_roots(pem: str) -> None:
    context = CaBundle(pem).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("text", ["\ufeff{}", "# Größe GmbH, 東京\n{}", "{}Ж"])
def test_text_around_the_certificates_may_be_in_any_language(pem: str, text: str) -> None:
    assert CaBundle(text.format(pem)).context().cert_store_stats()["x509"] == 1


def test_a_certificate_with_a_letter_of_another_script_in_it_is_refused(pem: str) -> None:
    middle = len(pem) // 2
    with pytest.raises(Failure) as caught:
        CaBundle(f"{pem[:middle]}Ж{pem[middle + 1 :]}")
    assert caught.value.reason is Reason.REGISTRATION_INVALID


@pytest.mark.parametrize(
    "text",
    ["", "hello", "-----BEGIN CERTIFICATE-----\nplanted\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"],
)
def test_a_text_without_certificates_is_no_ca_bundle(text: str) -> None:
    with pytest.raises(Failure) as caught:
        CaBundle(text)
    assert caught.value.reason is Reason.REGISTRATION_INVALID
    assert "planted" not in str(caught.value)


def test_a_private_key_is_no_part_of_a_ca_bundle(pem: str, key: ec.EllipticCurvePrivateKey) -> None:
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with pytest.raises(Failure) as caught:
        CaBundle(pem + secret)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


def test_pins_may_be_written_with_colons_blanks_and_capitals() -> None:
    written = ":".join(FIRST[i : i + 2] for i in range(0, 64, 2)).upper()
    assert Pins((f" {written} ", SECOND)).fingerprints == (FIRST, SECOND)


@pytest.mark.parametrize(
    "pins",
    [(), (FIRST, SECOND, FIRST), ("",), (FIRST[:-1],), (FIRST + "0",), ("g" * 64,), (FIRST, "a" * 40), ("a" * 32,)],
    ids=["none", "three", "empty", "short", "long", "no hex", "SHA-1", "MD5"],
)
def test_anything_but_one_or_two_sha_256_fingerprints_is_refused(pins: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as caught:
        Pins(pins)
    assert caught.value.reason is Reason.REGISTRATION_INVALID


def test_a_certificate_with_either_pin_is_accepted_and_no_other() -> None:
    pins = Pins((FIRST, SECOND))
    pins.accept(b"first")
    pins.accept(b"second")
    with pytest.raises(Failure) as caught:
        pins.accept(b"third")
    assert caught.value.reason is Reason.CERTIFICATE_PIN_MISMATCH
