"""What is read of a certificate that TLS has taken, whatever is in it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from cerberus.certificate import LONGEST_NAME, end_of, facts_of
from common.plain_text import is_plain

END = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "files.example")])
# Its key and signature differ each time; none of these tests looks at them.
_KEY = ec.derive_private_key(7, ec.SECP256R1())
CERTIFICATE = (
    x509.CertificateBuilder(_NAME, _NAME, _KEY.public_key(), 1, END - timedelta(days=30), END)
    .sign(_KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.DER)
)
SERIAL = CERTIFICATE.index(b"\x02\x01\x01") + 2
SIGNED = CERTIFICATE.index(b"files.example") + 120
"""Bytes before this one are the version, number, names, dates and key."""


def test_the_end_of_a_certificate_is_read() -> None:
    assert end_of(CERTIFICATE) == END


@pytest.mark.parametrize(
    "certificate",
    [
        CERTIFICATE.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1),
        CERTIFICATE.replace(b"300102030405Z", b"301399999999Z"),
        CERTIFICATE.replace(b"291203030405Z", b"000000000000Z"),
        CERTIFICATE[:-1],
        b"",
    ],
    ids=["another version", "no such day", "the year 0", "cut", "empty"],
)
def test_a_certificate_that_the_reader_refuses_has_no_end(certificate: bytes) -> None:
    assert certificate != CERTIFICATE
    assert end_of(certificate) is None


@pytest.mark.filterwarnings("ignore::UserWarning")  # what the reader thinks of a certificate that it reads
@example(changes={SERIAL: 0})
@given(changes=st.dictionaries(st.integers(0, SIGNED), st.integers(0, 255), min_size=1, max_size=4))
def test_no_certificate_raises_anything(changes: dict[int, int]) -> None:
    changed = bytearray(CERTIFICATE)
    for position, octet in changes.items():
        changed[position] = octet
    end = end_of(bytes(changed))
    assert end is None or end.tzinfo is UTC


@given(st.text(min_size=1, max_size=64))
@example("x\r\nINFO forged line\x1b[31m\u202egnp")
def test_no_name_in_a_certificate_acts_on_how_the_rest_is_shown(name: str) -> None:
    try:
        made = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder(made, made, _KEY.public_key(), 1, END - timedelta(days=30), END)
        certificate = builder.sign(_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    except ValueError:  # no certificate can have such a name
        return
    facts = facts_of(certificate)
    assert is_plain(facts.subject)
    assert is_plain(facts.issuer)
    assert len(facts.subject) <= LONGEST_NAME
