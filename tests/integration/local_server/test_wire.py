"""What goes over the wire is what a gSOAP server sends."""

import gzip
import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from local.cerberus.certificates import Authority, Identity, self_signed
from local.cerberus.contract import PATHS
from local.cerberus.generate import generate
from local.cerberus.server import LocalServer, Options
from local.cerberus.soap import SOAP_11, SOAP_12

type Connect = Callable[..., AbstractContextManager[http.client.HTTPSConnection]]
type Post = Callable[..., Any]
type Envelope = Callable[..., bytes]

TYPES = {SOAP_11: "text/xml; charset=utf-8", SOAP_12: "application/soap+xml; charset=utf-8"}


@pytest.fixture
def connection(server: LocalServer, connect: Connect) -> Iterator[http.client.HTTPSConnection]:
    with connect(server) as opened:
        yield opened


@pytest.mark.parametrize("version", [SOAP_11, SOAP_12])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/xml", "application/soap+xml; action=x", "text/plain", ""])
def test_it_answers_in_the_version_of_the_request_whatever_the_content_type_and_path(
    connection: http.client.HTTPSConnection, post: Post, version: str, path: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type, "SOAPAction": '"anything"'}
    reply = post(connection, "GetHostname", version=version, path=path, headers=headers)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == TYPES[version]
    assert etree.fromstring(reply.body).tag == f"{{{version}}}Envelope"


def test_a_reply_has_the_known_prefixes_a_length_and_escaped_text(
    connection: http.client.HTTPSConnection, post: Post, server: LocalServer
) -> None:
    server.state.store("settings", server.state.document("settings") + "<!-- a\r\nb -->")
    reply = post(connection, "GetConfiguration")

    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="')
    assert b"<SOAP-ENV:Body><ns1:GetConfigurationResponse><ns1:data>&lt;?xml" in reply.body
    assert b"a&#xD;\nb" in reply.body
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert "Transfer-Encoding" not in reply.headers
    assert b"<ns2:mode" not in reply.body
    assert b"<ns2:name>" in post(connection, "GetLicenseInfo").body


def test_good_replies_keep_the_connection_and_the_hundredth_closes_it(
    connection: http.client.HTTPSConnection, post: Post, server: LocalServer
) -> None:
    replies = [post(connection, "ServerStarted") for _ in range(101)]

    assert replies[0].headers["Keep-Alive"] == "timeout=60, max=100"
    assert [number for number, reply in enumerate(replies) if reply.headers["Connection"] == "close"] == [99]
    assert [request.connection for request in server.requests] == [1] * 100 + [2]


def test_a_fault_closes_the_connection(connection: http.client.HTTPSConnection, post: Post) -> None:
    reply = post(connection, "Nope")

    assert reply.status == 400
    assert reply.headers["Connection"] == "close"
    assert b"Method 'x:NopeRequest' not implemented: method name or namespace not recognized" in reply.body
    assert b"<SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value>" in reply.body


@pytest.mark.parametrize("body", [b"", b"hello", b"<a/>", b"<e:Envelope xmlns:e='urn:none'/>"])
def test_a_body_that_is_no_envelope_gets_a_fault(
    connection: http.client.HTTPSConnection, post: Post, server: LocalServer, body: bytes
) -> None:
    reply = post(connection, "GetHostname", body=body)

    assert reply.status == 400
    assert b"SOAP-ENV:Fault" in reply.body
    assert [request.operation for request in server.requests] == [""]


def test_a_header_that_must_be_understood_is_not(
    connection: http.client.HTTPSConnection, post: Post, envelope: Envelope
) -> None:
    header = b'<e:Header><h:h xmlns:h="urn:h" e:mustUnderstand="true"/></e:Header><e:Body>'
    reply = post(connection, "", body=envelope("GetHostname").replace(b"<e:Body>", header))

    assert reply.status == 500
    assert b"SOAP-ENV:MustUnderstand" in reply.body


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_other_methods_are_refused_with_a_fault(connection: http.client.HTTPSConnection, method: str) -> None:
    connection.request(method, PATHS[1])
    reply = connection.getresponse()

    assert reply.status == 405
    assert b"SOAP-ENV:Fault" in reply.read()


def test_the_description_can_be_a_notice_in_html(connect: Connect) -> None:
    with LocalServer(generate(1, users=1), options=Options(wsdl_notice=True)) as server, connect(server) as connection:
        connection.request("GET", f"{PATHS[1]}?wsdl")
        reply = connection.getresponse()

        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert reply.read().startswith(b"<!DOCTYPE html>")


def test_another_path_is_not_found(connection: http.client.HTTPSConnection, post: Post) -> None:
    assert post(connection, "GetHostname", path="/elsewhere").status == 404


def test_chunked_and_zipped_requests_are_read(
    connection: http.client.HTTPSConnection, post: Post, envelope: Envelope
) -> None:
    body = envelope("GetHostname")
    connection.request("POST", PATHS[0], iter([body[:40], body[40:]]), encode_chunked=True, headers={})
    reply = connection.getresponse()

    assert b"server.files.example" in reply.read()
    zipped = post(connection, "", body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert zipped.status == 200


def test_requests_are_recorded(connection: http.client.HTTPSConnection, post: Post, server: LocalServer) -> None:
    post(connection, "GetUserList", headers={"Authorization": "Basic eDp5"})
    post(connection, "SetEventRules", "<x:dataXml/>")

    first, second = server.requests
    assert (first.operation, first.basic, first.writes) == ("GetUserList", True, False)
    assert (second.operation, second.basic, second.writes) == ("SetEventRules", False, True)
    assert first.size > 100
    assert server.writes == [second]
    server.forget_requests()
    assert server.requests == []


@pytest.mark.parametrize(
    ("make", "trusted"),
    [
        (self_signed, True),
        (lambda: self_signed(san=False), False),
        (lambda: self_signed(days=-1), False),
        (lambda: Authority.create().issue(), True),
        (lambda: Authority.create().issue(days=-1), False),
        (lambda: Authority.create().issue("other.example"), False),
    ],
)
def test_certificates_are_what_they_say(connect: Connect, make: Callable[[], Identity], trusted: bool) -> None:
    identity = make()
    with LocalServer(generate(1, users=1), identity=identity) as server, connect(server) as connection:
        if trusted:
            connection.connect()
            sock = connection.sock
            assert isinstance(sock, ssl.SSLSocket)
            assert sock.version() == "TLSv1.3"
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                connection.connect()


def test_the_fingerprint_is_that_of_the_certificate_served(server: LocalServer) -> None:
    pem = ssl.get_server_certificate((server.host, server.port))

    assert ssl.PEM_cert_to_DER_cert(pem) == server.identity.certificate.public_bytes(Encoding.DER)
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == server.fingerprint


def test_an_older_tls_is_refused(server: LocalServer) -> None:
    context = ssl.create_default_context(cadata=server.ca_pem)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((server.host, server.port)) as plain, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(plain, server_hostname=server.host)


def test_calls_at_the_same_time_are_answered_at_the_same_time(connect: Connect, post: Post) -> None:
    barrier = threading.Barrier(8)
    statuses: list[int] = []
    with LocalServer(generate(1, users=6, groups=2), options=Options(latency=0.3)) as server:

        def call() -> None:
            with connect(server) as connection:
                barrier.wait()
                statuses.append(post(connection, "GetHostname").status)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        times = [request.at for request in server.requests]

    assert statuses == [200] * 8
    assert max(times) - min(times) < 0.3


def test_a_hundred_servers_run_at_once(connect: Connect, post: Post) -> None:
    identity = self_signed()
    state = generate(1, users=6, groups=2)
    with ExitStack() as stack:
        servers = [stack.enter_context(LocalServer(state.copy(), identity=identity)) for _ in range(100)]
        assert len({server.port for server in servers}) == 100
        for server in servers[::20]:
            with connect(server) as connection:
                assert post(connection, "GetHostname").status == 200
    for server in servers[::20]:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port))
