"""Certificates: who is trusted, who is not, and that nothing is sent before that is known."""

import hashlib
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from cerberus.address_policy import AddressPolicy
from cerberus.certificate import inspect_certificate
from cerberus.tls import CaBundle, Pins, SystemRoots, Trust
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import SystemRuntime

LOCAL = AddressPolicy.allowing(["127.0.0.0/8"], SystemRuntime())


def pin(certificate: Any) -> str:
    return hashlib.sha256(certificate.der).hexdigest()


def refused(client: Any, reason: Reason) -> Failure:
    with pytest.raises(Failure) as caught:
        client.users()
    assert caught.value.reason is reason
    return caught.value


def test_a_certificate_of_the_own_bundle_is_trusted(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    assert connect(server).users() == "<users/>"
    assert connect(server, host="localhost").users() == "<users/>"
    both = CaBundle(certificates.other.pem + certificates.good.pem)
    assert connect(server, trust=both).users() == "<users/>"


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        ("other", "self-signed certificate"),
        ("expired", "certificate has expired"),
        ("elsewhere", "not valid for this host"),
    ],
)
def test_an_untrusted_certificate_is_refused_before_a_byte_is_sent(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace, shown: str, complaint: str
) -> None:
    server = serve(wire.always(wire.users()), getattr(certificates, shown))
    bundle = certificates.good.pem if shown == "other" else getattr(certificates, shown).pem
    failure = refused(connect(server, trust=CaBundle(bundle)), Reason.CERTIFICATE_UNTRUSTED)
    assert complaint in failure.message
    assert server.connections == 1
    assert server.received == 0


def test_system_roots_do_not_trust_a_self_signed_certificate(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(wire.users()))
    refused(connect(server, trust=SystemRoots()), Reason.CERTIFICATE_UNTRUSTED)
    assert server.received == 0


@pytest.mark.parametrize("shown", ["good", "expired", "elsewhere"])
def test_a_pin_stands_for_the_whole_certificate(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace, shown: str
) -> None:
    certificate = getattr(certificates, shown)
    server = serve(wire.always(wire.users()), certificate)
    assert connect(server, trust=Pins((pin(certificate),))).users() == "<users/>"


def test_the_second_pin_works_before_and_after_a_renewal(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    pins = Pins((pin(certificates.good), pin(certificates.other)))
    for certificate in (certificates.good, certificates.other):
        assert connect(serve(wire.always(wire.users()), certificate), trust=pins).users() == "<users/>"


def test_a_wrong_pin_is_refused_before_a_byte_is_sent(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    client = connect(server, trust=Pins((pin(certificates.other),)))
    for _ in range(2):
        refused(client, Reason.CERTIFICATE_PIN_MISMATCH)
    assert server.connections == 2
    assert server.received == 0


def test_servers_do_not_share_trust(
    serve: Any, connect: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    """One client with a pin does not loosen what another one asks for."""
    server = serve(wire.always(wire.users()))
    assert connect(server, trust=Pins((pin(certificates.good),))).users() == "<users/>"
    refused(connect(server, trust=CaBundle(certificates.other.pem)), Reason.CERTIFICATE_UNTRUSTED)
    refused(connect(server, trust=Pins((pin(certificates.other),))), Reason.CERTIFICATE_PIN_MISMATCH)


# Looking at a certificate without trusting it


def look(server: Any, trust: Trust, addresses: AddressPolicy = LOCAL) -> Any:
    return inspect_certificate(
        "127.0.0.1", server.port, trust=trust, addresses=addresses, timeout=60, deadline=Deadline(600, monotonic)
    )


def test_a_certificate_is_shown_with_its_fingerprint_and_end_and_nothing_is_sent(
    serve: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    facts = look(server, SystemRoots())
    assert (facts.subject, facts.issuer, facts.fingerprint) == ("CN=localhost", "CN=localhost", pin(certificates.good))
    assert (facts.not_after - facts.not_before).days == 3
    assert facts.not_after.tzinfo is not None
    assert (facts.trusted, facts.complaint) == (False, "the certificate is not trusted: self-signed certificate")
    assert server.received == 0


def test_it_is_told_whether_the_given_trust_accepts_it(
    serve: Any, wire: SimpleNamespace, certificates: SimpleNamespace
) -> None:
    server = serve(wire.always(wire.users()))
    assert look(server, CaBundle(certificates.good.pem)).trusted
    assert look(server, Pins((pin(certificates.good),))).trusted
    mismatch = look(server, Pins((pin(certificates.other),)))
    assert (mismatch.trusted, mismatch.fingerprint) == (False, pin(certificates.good))


def test_looking_obeys_the_address_policy(serve: Any, wire: SimpleNamespace) -> None:
    server = serve(wire.always(wire.users()))
    with pytest.raises(Failure) as caught:
        look(server, SystemRoots(), AddressPolicy(SystemRuntime()))
    assert caught.value.reason is Reason.ADDRESS_FORBIDDEN
    assert server.connections == 0


def test_looking_at_a_port_without_tls_fails(serve: Any, wire: SimpleNamespace) -> None:
    with pytest.raises(Failure) as caught:
        look(serve(wire.always(b""), plain=True), SystemRoots())
    assert caught.value.reason is Reason.TLS_FAILED
