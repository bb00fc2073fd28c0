"""What the clients read and write, operation by operation, as it is on the wire."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree

from cerberus.client import BackupClient, NativeSync, NativeTarget
from common.errors import Failure, Reason
from common.server_types import (
    Authentication,
    AuthenticationSource,
    Features,
    Licence,
    Listener,
    MimeMapping,
    Security,
    ServerFacts,
    Version,
)

OPERATION = re.compile(rb"Body><\w+:(\w+)Request\b")


@pytest.fixture
def talk(serve: Any, connect: Any, wire: SimpleNamespace) -> Callable[..., tuple[BackupClient, Any]]:
    """A client of a server that answers each operation with the given content and result."""

    def start(result: str = "true", **contents: str) -> tuple[BackupClient, Any]:
        def script(_: Any, connection: Any, request: Any) -> None:
            (operation,) = (name.decode() for name in OPERATION.findall(request.body))
            ending = (
                ""
                if operation in ("ServerInformation", "ServerSummaryStatus")
                else f"<ns1:result>{result}</ns1:result>"
            )
            body = f"<ns1:{operation}Response>{contents.get(operation, '')}{ending}</ns1:{operation}Response>"
            connection.sendall(wire.http(wire.envelope(body)))

        server = serve(script)
        return connect(server), server

    return start


def sent(server: Any) -> Any:
    """The request element of the last request, as nested lists of name, attributes, and text or children."""

    def plain(node: etree._Element) -> Any:
        names = {etree.QName(str(key)).localname: value for key, value in node.attrib.items()}
        content = [plain(child) for child in node] or (node.text or "")
        return [etree.QName(node).localname, names, content] if names else [etree.QName(node).localname, content]

    root = etree.fromstring(server.requests[-1].body)
    (body,) = root.iter("{http://www.w3.org/2003/05/soap-envelope}Body")
    name, content = plain(body[0])
    assert content[0] == ["credentials", [["user", "planted-admin"], ["password", "planted-pässword"]]]
    return [name, content[1:]]


DOCUMENTS = {
    "settings": ("GetConfiguration", "data"),
    "users": ("GetProfiles", "data"),
    "groups": ("GetGroups", "data"),
    "event_rules": ("GetEventRules", "dataXml"),
    "blocked_addresses": ("GetIPBlockList", "data"),
    "auto_blocked_addresses": ("GetAutoBlockList", "data"),
    "account_requests": ("GetRequestedAccounts", "dataXml"),
}


@pytest.mark.parametrize("method", DOCUMENTS)
def test_a_document_is_read_as_it_is(talk: Any, method: str) -> None:
    operation, field = DOCUMENTS[method]
    client, server = talk(**{operation: f"<ns1:{field}>&lt;a b=&quot;1&quot;/&gt;&#xD;\n</ns1:{field}>"})
    assert getattr(client, method)() == '<a b="1"/>\r\n'
    assert sent(server) == [f"{operation}Request", []]


@pytest.mark.parametrize("method", DOCUMENTS)
def test_an_absent_document_is_incomplete_and_an_empty_one_is_empty(talk: Any, method: str) -> None:
    operation, field = DOCUMENTS[method]
    with pytest.raises(Failure) as caught:
        getattr(talk()[0], method)()
    assert (caught.value.reason, caught.value.server) == (Reason.REPLY_INCOMPLETE, "backup-1 (localhost)")
    assert getattr(talk(**{operation: f"<ns1:{field}/>"})[0], method)() == ""


@pytest.mark.parametrize(
    "method", [*DOCUMENTS, "user_names", "group_names", "listeners", "mime_mappings", "native_sync"]
)
def test_a_read_answered_with_false_is_refused(talk: Any, method: str) -> None:
    with pytest.raises(Failure) as caught:
        getattr(talk(result="false")[0], method)()
    assert (caught.value.reason, caught.value.server) == (Reason.READ_REFUSED, "backup-1 (localhost)")


def test_names_are_lists(talk: Any) -> None:
    client, _ = talk(GetUserList="<ns1:UserList>anna</ns1:UserList><ns1:UserList>Bob</ns1:UserList>", GetGroupList="")
    assert client.user_names() == ("anna", "Bob")
    assert client.group_names() == ()


def test_authentication_is_a_document_and_a_list(talk: Any) -> None:
    client, _ = talk(
        GetAuthenticationList="<ns1:dataXml>d</ns1:dataXml><ns1:authenticationList><ns2:enabled>true</ns2:enabled>"
        "<ns2:name>corp</ns2:name><ns2:type>LDAP</ns2:type></ns1:authenticationList>"
    )
    assert client.authentication() == Authentication("d", (AuthenticationSource(True, "corp", "LDAP", ""),))
    with pytest.raises(Failure) as caught:
        talk(GetAuthenticationList="")[0].authentication()
    assert caught.value.reason is Reason.REPLY_INCOMPLETE


def test_mime_mappings_are_pairs_and_a_missing_list_is_not_an_empty_one(talk: Any) -> None:
    entry = "<ns2:map><ns2:ext>txt</ns2:ext><ns2:type>text/plain</ns2:type></ns2:map>"
    assert talk(GetMimeMappings=f"<ns1:mime>{entry}</ns1:mime>")[0].mime_mappings() == (
        MimeMapping("txt", "text/plain"),
    )
    assert talk(GetMimeMappings="<ns1:mime/>")[0].mime_mappings() == ()
    with pytest.raises(Failure) as caught:
        talk()[0].mime_mappings()
    assert caught.value.reason is Reason.REPLY_INCOMPLETE


LISTENER = (
    '<ns1:InterfaceList ns2:ipAddress="10.0.0.7" ns2:type="4"><ns2:id>9</ns2:id><ns2:options>'
    "<ns2:isActive>true</ns2:isActive><ns2:allowLogin>true</ns2:allowLogin><ns2:listenPort>22</ns2:listenPort>"
    "<ns2:connectionLimit>-1</ns2:connectionLimit><ns2:passiveSettings ns2:mode='DirectIP'>"
    "<ns2:ipAddress>1.2.3.4</ns2:ipAddress><ns2:dontUseExternalIPForLocal>false</ns2:dontUseExternalIPForLocal>"
    "</ns2:passiveSettings><ns2:requiresSecureControl>true</ns2:requiresSecureControl>"
    "<ns2:requiresSecureData>true</ns2:requiresSecureData>"
    "<ns2:allowWebAccountRequest>false</ns2:allowWebAccountRequest><ns2:showWelcomeMsg>false</ns2:showWelcomeMsg>"
    "<ns2:redirectToHttps>false</ns2:redirectToHttps><ns2:defaultWebDirList>2</ns2:defaultWebDirList>"
    "<ns2:showTimezone>false</ns2:showTimezone><ns2:showLocalTime>false</ns2:showLocalTime>"
    "<ns2:allowUpdate>false</ns2:allowUpdate><ns2:useHSTS>true</ns2:useHSTS>"
    "<ns2:captchaShowLogin>false</ns2:captchaShowLogin><ns2:captchaShowReq>false</ns2:captchaShowReq>"
    "</ns2:options></ns1:InterfaceList>"
)


def test_listeners_are_read_and_go_back_as_they_came(talk: Any) -> None:
    client, server = talk(GetInterfaceList=LISTENER)
    (listener,) = client.listeners()
    assert (listener.id, listener.address, listener.protocol) == (9, "10.0.0.7", 4)
    assert type(listener.options) is dict
    assert listener.options["passiveSettings"] == {
        "ipAddress": "1.2.3.4",
        "dontUseExternalIPForLocal": False,
        "mode": "DirectIP",
    }
    assert listener.options["listenPort"] == 22
    assert listener.options["useHSTS"] is True
    assert "logoPath" not in listener.options
    client.write_listener(listener)
    operation, (interface_id, options) = sent(server)
    assert (operation, interface_id) == ("ModifyInterfaceRequest", ["InterfaceID", "9"])
    assert options[0] == "Opts"
    assert [name for name, *_ in options[1]] == list(listener.options)
    client.commit_listeners((listener,), "<settings/>")
    operation, (interface, settings) = sent(server)
    assert (operation, settings) == ("CommitSettingsRequest", ["ConfigXML", "<settings/>"])
    assert interface == [
        "InterfaceList",
        {"ipAddress": "10.0.0.7", "type": "4"},
        [["id", "9"], ["options", options[1]]],
    ]


def test_a_listener_that_lacks_a_required_option_is_not_sent(talk: Any) -> None:
    client, server = talk()
    with pytest.raises(Failure) as caught:
        client.write_listener(Listener(1, "", 1, {"isActive": True}))
    assert caught.value.reason is Reason.CONTENT_UNSENDABLE
    assert "allowLogin" in caught.value.message
    assert server.connections == 0


WRITES: dict[str, tuple[tuple[Any, ...], list[Any]]] = {
    "write_settings": (("<s/>",), ["SaveConfigurationRequest", [["ConfigXML", "<s/>"]]]),
    "write_accounts": (("<u/>", ""), ["SaveProfilesRequest", [["ProfilesXML", "<u/>"], ["GroupsXML", ""]]]),
    "write_event_rules": (("<e/>",), ["SetEventRulesRequest", [["dataXml", "<e/>"]]]),
    "write_account_requests": (("<r/>",), ["SetRequestedAccountsRequest", [["dataXml", "<r/>"]]]),
    "write_block_lists": (
        ("<m/>", "<a/>"),
        ["SaveBlockListRequest", [["IPBlockList", "<m/>"], ["AutoBlockListXML", "<a/>"]]],
    ),
    "write_mime_mappings": (
        ((MimeMapping("a", "b/c"),),),
        ["SaveMimeMappingsRequest", [["mime", [["map", [["ext", "a"], ["type", "b/c"]]]]]]],
    ),
    "write_authentication": (
        (Authentication("<l/>", (AuthenticationSource(False, "n", "AD", "d"),)),),
        [
            "SetAuthenticationListRequest",
            [
                ["dataXml", "<l/>"],
                ["authenticationList", [["enabled", "false"], ["name", "n"], ["type", "AD"], ["description", "d"]]],
            ],
        ],
    ),
}


@pytest.mark.parametrize("method", WRITES)
def test_a_write_sends_its_operation(talk: Any, method: str) -> None:
    arguments, expected = WRITES[method]
    client, server = talk()
    assert getattr(client, method)(*arguments) is None
    assert sent(server) == expected


@pytest.mark.parametrize("method", WRITES)
def test_a_write_answered_with_false_is_refused(talk: Any, method: str) -> None:
    client, server = talk(result="false")
    with pytest.raises(Failure) as caught:
        getattr(client, method)(*WRITES[method][0])
    assert (caught.value.reason, caught.value.server) == (Reason.WRITE_REFUSED, "backup-1 (localhost)")
    assert len(server.requests) == 1


INFORMATION = (
    '<ns1:result ns2:isSuccess="true"><ns2:version ns2:maj="12" ns2:min="11" ns2:maint="6" ns2:build="3"/>'
    "<ns2:hostname>files</ns2:hostname><ns2:isStarted>true</ns2:isStarted></ns1:result>"
)
LICENCE = (
    "<ns1:LicenseInformation><ns2:name>N</ns2:name><ns2:companyName>C</ns2:companyName>"
    "<ns2:issuedDate>18446744073709551615</ns2:issuedDate><ns2:daysValid>-3</ns2:daysValid>"
    "<ns2:installedDate>7</ns2:installedDate><ns2:isValid>false</ns2:isValid>"
    "<ns2:productEdition>Enterprise</ns2:productEdition><ns2:errorMessage>expired</ns2:errorMessage>"
    "</ns1:LicenseInformation>"
)
FEATURES = (
    "<ns1:Features><ns2:enableActiveDirectory>false</ns2:enableActiveDirectory>"
    "<ns2:enableLDAPAuthentication>true</ns2:enableLDAPAuthentication><ns2:enableEvents>false</ns2:enableEvents>"
    "<ns2:enableServerSync>true</ns2:enableServerSync><ns2:productEditionCode>5</ns2:productEditionCode></ns1:Features>"
)
SUMMARY = (
    "<ns1:result><ns2:sslKeyType>RSA</ns2:sslKeyType><ns2:sslKeyBits>2048</ns2:sslKeyBits>"
    "<ns2:isSoapWebEnabled>true</ns2:isSoapWebEnabled><ns2:isSoapSecure>true</ns2:isSoapSecure>"
    "<ns2:soapPort>8443</ns2:soapPort></ns1:result>"
)


NATIVE = (
    "<ns1:config><ns2:config><ns2:enable>true</ns2:enable></ns2:config><ns2:servers>"
    "<ns2:server><ns2:host>b1</ns2:host><ns2:port>8443</ns2:port><ns2:enableSync>false</ns2:enableSync></ns2:server>"
    "<ns2:server><ns2:host>b2</ns2:host><ns2:port>8443</ns2:port><ns2:enableSync>true</ns2:enableSync></ns2:server>"
    "</ns2:servers></ns1:config>"
)


def facts(**changes: str) -> dict[str, str]:
    return {
        "ServerInformation": INFORMATION,
        "GetLicenseInfo": LICENCE,
        "GetFeatures": FEATURES,
        "ServerSummaryStatus": SUMMARY,
        "GetBackupServers": NATIVE,
        **changes,
    }


def test_facts_are_what_five_operations_and_the_certificate_say(talk: Any) -> None:
    client, server = talk(**facts())
    server_facts = client.facts()
    assert server_facts.certificate_ends is not None
    assert timedelta() < server_facts.certificate_ends - datetime.now(UTC) < timedelta(days=400)
    assert replace(server_facts, certificate_ends=None) == ServerFacts(
        version=Version(12, 11, 6, 3),
        hostname="files",
        licence=Licence(False, "N", "C", "Enterprise", 18446744073709551615, 7, -3, "expired"),
        features=Features(server_sync=True, directory_authentication=True, events=False, edition_code=5),
        security=Security(True, True, 8443, "RSA", 2048),
        native_sync=True,
    )
    assert len(server.requests) == 5
    assert server.connections == 1


@pytest.mark.parametrize(
    ("native", "pushes"),
    [
        (NATIVE, True),
        (NATIVE.replace("<ns2:enable>true", "<ns2:enable>false"), False),
        (NATIVE.replace("<ns2:enableSync>true", "<ns2:enableSync>false"), False),
        ("", None),
    ],
)
def test_a_server_pushes_itself_when_it_is_on_and_has_somewhere_to_push_to(
    talk: Any, native: str, pushes: bool | None
) -> None:
    client, _ = talk(**facts(GetBackupServers=native))
    assert client.facts().native_sync is pushes


@pytest.mark.parametrize(
    ("operation", "content", "missing"),
    [
        ("ServerInformation", "", "ServerInformationResponse.result is missing"),
        ("ServerInformation", INFORMATION.replace('ns2:build="3"', ""), "result.version.build is missing"),
        ("GetLicenseInfo", "", "GetLicenseInfoResponse.LicenseInformation is missing"),
        ("GetFeatures", FEATURES.replace("enableServerSync", "other"), "Features.enableServerSync is missing"),
        ("ServerSummaryStatus", SUMMARY.replace("isSoapSecure", "other"), "result.isSoapSecure is missing"),
    ],
)
def test_a_fact_that_is_missing_is_incomplete(talk: Any, operation: str, content: str, missing: str) -> None:
    client, _ = talk(**facts(**{operation: content}))
    with pytest.raises(Failure) as caught:
        client.facts()
    assert caught.value.reason is Reason.REPLY_INCOMPLETE
    assert caught.value.message.endswith(missing)
    assert caught.value.server == "backup-1 (localhost)"


def test_information_that_was_not_successful_is_refused(talk: Any) -> None:
    client, _ = talk(**facts(ServerInformation=INFORMATION.replace('isSuccess="true"', 'isSuccess="false"')))
    with pytest.raises(Failure) as caught:
        client.facts()
    assert caught.value.reason is Reason.READ_REFUSED


def test_the_native_synchronization_is_read_without_its_passwords(talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    client, _ = talk(
        GetBackupServers="<ns1:config><ns2:config><ns2:enable>true</ns2:enable>"
        "<ns2:syncIntervalMinutes>15</ns2:syncIntervalMinutes><ns2:syncOnServerChange>true</ns2:syncOnServerChange>"
        "</ns2:config><ns2:servers><ns2:server><ns2:host>b1</ns2:host><ns2:port>8443</ns2:port>"
        "<ns2:useSSL>true</ns2:useSSL><ns2:username>admin</ns2:username><ns2:password>planted-target-password"
        "</ns2:password><ns2:enableSync>true</ns2:enableSync><ns2:lastSyncStatus>fail</ns2:lastSyncStatus>"
        "<ns2:lastSyncTime>2024-05-06T07:08:09Z</ns2:lastSyncTime></ns2:server></ns2:servers></ns1:config>"
    )
    with caplog.at_level(logging.DEBUG):
        native = client.native_sync()
    target = NativeTarget("b1", 8443, True, "admin", True)
    assert native == NativeSync(True, 15, True, (target,))
    assert "planted" not in repr(native) + caplog.text


def test_what_cannot_be_sent_never_reaches_the_server(talk: Any) -> None:
    client, server = talk()
    with pytest.raises(Failure) as caught:
        client.write_accounts("<users>\x01</users>", "")
    assert caught.value.reason is Reason.CONTENT_UNSENDABLE
    assert "SaveProfiles: ProfilesXML" in caught.value.message
    assert server.connections == 0
