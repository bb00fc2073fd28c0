"""Requests as bytes, replies as values, and everything a reply can do wrong."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cerberus import wsdl
from cerberus.decoder import Values, read_reply
from cerberus.encoder import write_request
from cerberus.transport import Reply
from common import budgets
from common.errors import Failure, Reason
from common.runtime import SystemRuntime
from tests.support.steps import assert_linear

SVC = "http://cerberusllc.com/service/cerberusftpservice"
COM = "http://cerberusllc.com/common"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP_TYPE = "application/soap+xml; charset=utf-8"
CREDENTIALS = ("planted-admin", "planted <passw&rd>")
PLANTED = "planted-reply-content"


def envelope(body: str, soap: str = SOAP_12) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="{soap}"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns1="{SVC}" xmlns:ns2="{COM}">'
        f"<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


def read(operation: str, body: bytes | str, *, status: int = 200, content_type: str = SOAP_TYPE) -> Values:
    raw = envelope(body) if isinstance(body, str) else body
    return read_reply(
        wsdl.service().operation(operation),
        Reply(status, content_type, raw),
        SystemRuntime(),
        budget=budgets.of_primary(None),
        server="S",
    )


def refusal(call: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        call()
    failure = caught.value
    assert PLANTED not in str(failure)
    assert CREDENTIALS[1] not in str(failure)
    assert failure.__context__ is None
    return failure


def users(data: str = "<ns1:data>&lt;users/&gt;</ns1:data>") -> str:
    return f"<ns1:GetProfilesResponse>{data}<ns1:result>true</ns1:result></ns1:GetProfilesResponse>"


def request(operation: str, **fields: Any) -> etree._Element:
    credentials = dict(zip(("user", "password"), CREDENTIALS, strict=True))
    raw = write_request(wsdl.service().operation(operation), {"credentials": credentials, **fields}, SystemRuntime())
    return etree.fromstring(b"".join(raw.pieces))


def attributes(node: etree._Element) -> dict[str, str]:
    return {str(name): str(node.get(name)) for name in node.attrib}


# Requests


def test_a_request_has_its_fields_in_order_each_in_the_namespace_of_its_owner() -> None:
    root = request("SaveProfiles", GroupsXML="<groups/>", ProfilesXML="<users>ä€\r\n</users>")
    assert root.tag == f"{{{SOAP_12}}}Envelope"
    (asked,) = root.iter(f"{{{SVC}}}SaveProfilesRequest")
    assert [node.tag for node in asked] == [
        f"{{{COM}}}credentials",
        f"{{{SVC}}}ProfilesXML",
        f"{{{SVC}}}GroupsXML",
    ]
    assert [(node.tag, node.text) for node in asked[0]] == [
        (f"{{{COM}}}user", CREDENTIALS[0]),
        (f"{{{COM}}}password", CREDENTIALS[1]),
    ]
    assert [node.text for node in list(asked)[1:]] == ["<users>ä€\r\n</users>", "<groups/>"]


def test_the_action_is_in_the_content_type() -> None:
    assert wsdl.service().operation("SaveProfiles").headers == {
        "Content-Type": f'application/soap+xml; charset=utf-8; action="{SVC}/SaveProfiles"'
    }


def test_items_of_a_wrapper_and_attributes_are_qualified() -> None:
    root = request("SaveMimeMappings", mime={"map": [{"ext": "txt", "type": "text/plain"}]})
    (item,) = root.iter(f"{{{COM}}}map")
    assert item.getparent().tag == f"{{{SVC}}}mime"  # type: ignore[union-attr]  # an item has a parent
    root = request(
        "CommitSettings",
        ConfigXML="",
        InterfaceList=[{"id": 1, "type": 3, "ipAddress": "10.0.0.1", "options": OPTIONS}],
    )
    (interface,) = root.iter(f"{{{SVC}}}InterfaceList")
    assert attributes(interface) == {f"{{{COM}}}ipAddress": "10.0.0.1", f"{{{COM}}}type": "3"}
    (passive,) = root.iter(f"{{{COM}}}passiveSettings")
    assert attributes(passive) == {f"{{{COM}}}mode": "Auto"}


OPTIONS: dict[str, Any] = {
    "isActive": True,
    "allowLogin": True,
    "listenPort": 21,
    "connectionLimit": -1,
    "passiveSettings": {"ipAddress": "", "dnsAddress": "", "dontUseExternalIPForLocal": False, "mode": "Auto"},
    "requiresSecureControl": False,
    "requiresSecureData": False,
    "allowWebAccountRequest": False,
    "showWelcomeMsg": False,
    "redirectToHttps": False,
    "defaultWebDirList": 0,
    "showTimezone": False,
    "showLocalTime": False,
    "allowUpdate": False,
    "useHSTS": False,
    "captchaShowLogin": False,
    "captchaShowReq": False,
}


def test_an_empty_wrapper_and_an_empty_text_are_sent() -> None:
    assert len(list(request("SaveMimeMappings", mime={"map": []}).iter(f"{{{SVC}}}mime"))) == 1
    assert len(list(request("SaveConfiguration", ConfigXML="").iter(f"{{{SVC}}}ConfigXML"))) == 1


@pytest.mark.parametrize("bad", ["\x00", "\x08", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_what_xml_cannot_hold_is_refused_by_operation_and_field(bad: str) -> None:
    failure = refusal(lambda: request("SaveProfiles", ProfilesXML=f"{PLANTED}{bad}", GroupsXML=""))
    assert (failure.reason, failure.message) == (
        Reason.CONTENT_UNSENDABLE,
        "SaveProfiles: ProfilesXML holds a character that XML cannot represent",
    )
    failure = refusal(lambda: request("SaveMimeMappings", mime={"map": [{"ext": "a", "type": bad}]}))
    assert failure.reason is Reason.CONTENT_UNSENDABLE
    assert "SaveMimeMappings: mime.map[0].type " in failure.message


@pytest.mark.parametrize(
    "fields",
    [
        {"GroupsXML": ""},
        {"ProfilesXML": None, "GroupsXML": ""},
        {"ProfilesXML": "", "GroupsXML": "", "Extra": PLANTED},
        {"ProfilesXML": {"a": PLANTED}, "GroupsXML": ""},
    ],
    ids=["left out", "None", "unknown", "wrong type"],
)
def test_a_request_that_lacks_a_document_is_never_built(fields: dict[str, Any]) -> None:
    assert refusal(lambda: request("SaveProfiles", **fields)).reason is Reason.CONTENT_UNSENDABLE


def test_unknown_listener_options_are_not_sent_silently_shortened() -> None:
    failure = refusal(lambda: request("ModifyInterface", InterfaceID=1, Opts={**OPTIONS, "newOption": True}))
    assert failure.reason is Reason.CONTENT_UNSENDABLE


SENDABLE = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")


@given(st.text(alphabet=SENDABLE | st.sampled_from("\t\n\r<&>'\"]")))
@settings(max_examples=60)
def test_any_sendable_text_arrives_unchanged(text: str) -> None:
    (sent,) = request("SaveConfiguration", ConfigXML=text).iter(f"{{{SVC}}}ConfigXML")
    assert (sent.text or "") == text


# Replies that are read


@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
def test_a_reply_in_either_soap_version_is_read(soap: str) -> None:
    assert read("GetProfiles", envelope(users(), soap)) == {"data": "<users/>", "result": True}


def test_prefixes_do_not_matter() -> None:
    raw = (
        f'<e:Envelope xmlns:e="{SOAP_12}"><e:Header/><e:Body><GetProfilesResponse xmlns="{SVC}" xmlns:SOAP-ENV="x">'
        f'<data>a</data><q:result xmlns:q="{SVC}">1</q:result></GetProfilesResponse></e:Body></e:Envelope>'
    ).encode()
    assert read("GetProfiles", raw) == {"data": "a", "result": True}


def test_a_same_named_element_of_another_namespace_is_not_it() -> None:
    body = (
        "<ns1:GetProfilesResponse><ns2:data>no</ns2:data><data>no</data><ns1:data>yes</ns1:data>"
        "<ns1:result>true</ns1:result></ns1:GetProfilesResponse>"
    )
    assert read("GetProfiles", body)["data"] == "yes"


def test_an_empty_document_is_an_empty_string_and_an_absent_one_is_absent() -> None:
    assert read("GetProfiles", users("<ns1:data/>"))["data"] == ""
    absent = read("GetProfiles", users(""))
    assert "data" not in absent
    failure = refusal(lambda: absent["data"])
    assert (failure.reason, failure.server) == (Reason.REPLY_INCOMPLETE, "S")
    assert failure.message == "GetProfilesResponse.data is missing"


def test_nil_is_absent() -> None:
    assert "data" not in read("GetProfiles", users('<ns1:data xsi:nil="true"/>'))


@pytest.mark.parametrize(
    "data",
    ["a<!-- note -->b<?pi?>c", "<![CDATA[a]]>b<![CDATA[c]]>", "&#97;b&#x63;"],
    ids=["comments", "cdata", "references"],
)
def test_text_is_read_whole_however_it_is_written(data: str) -> None:
    assert read("GetProfiles", users(f"<ns1:data>{data}</ns1:data>"))["data"] == "abc"


def test_typed_values_keep_their_types() -> None:
    body = (
        "<ns1:GetInterfaceListResponse>"
        '<ns1:InterfaceList ns2:ipAddress="10.0.0.7" ns2:type="4"><ns2:id>9</ns2:id><ns2:options>'
        "<ns2:isActive>1</ns2:isActive><ns2:listenPort> 22 </ns2:listenPort>"
        "<ns2:connectionLimit>-5</ns2:connectionLimit>"
        '<ns2:passiveSettings ns2:mode="DNS"><ns2:dnsAddress>ftp.example</ns2:dnsAddress></ns2:passiveSettings>'
        "</ns2:options></ns1:InterfaceList><ns1:result>true</ns1:result></ns1:GetInterfaceListResponse>"
    )
    assert read("GetInterfaceList", body) == {
        "InterfaceList": [
            {
                "ipAddress": "10.0.0.7",
                "type": 4,
                "id": 9,
                "options": {
                    "isActive": True,
                    "listenPort": 22,
                    "connectionLimit": -5,
                    "passiveSettings": {"mode": "DNS", "dnsAddress": "ftp.example"},
                },
            }
        ],
        "result": True,
    }


def backup_servers(time_text: str = "2024-05-06T07:08:09Z", port: str = "8443", status: str = "success") -> str:
    return (
        "<ns1:GetBackupServersResponse><ns1:config><ns2:config><ns2:enable>true</ns2:enable></ns2:config><ns2:servers>"
        f"<ns2:server><ns2:host>b</ns2:host><ns2:port>{port}</ns2:port><ns2:lastSyncStatus>{status}</ns2:lastSyncStatus>"
        f"<ns2:lastSyncTime>{time_text}</ns2:lastSyncTime></ns2:server></ns2:servers></ns1:config>"
        "<ns1:result>true</ns1:result></ns1:GetBackupServersResponse>"
    )


def test_a_date_is_a_datetime_and_a_new_enumeration_value_is_taken() -> None:
    (server,) = read("GetBackupServers", backup_servers(status="paused"))["config"]["servers"]["server"]
    assert server["lastSyncTime"] == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert server["lastSyncStatus"] == "paused"


def test_text_beside_attributes_is_read() -> None:
    body = (
        "<ns1:GetUserInformationResponse><ns1:UserInformation ns2:name='anna'>"
        "<ns2:authMethod ns2:method='password' ns2:priority='user'>text</ns2:authMethod></ns1:UserInformation>"
        "<ns1:result>true</ns1:result></ns1:GetUserInformationResponse>"
    )
    read_user = read("GetUserInformation", body)["UserInformation"]
    assert read_user["authMethod"] == {"method": "password", "priority": "user", "_value_1": "text"}
    assert read_user["name"] == "anna"


def sprinkled(raw: bytes) -> bytes:
    """``raw`` with unknown elements and attributes at every level that can have them."""
    root = etree.fromstring(raw)
    for node in list(root.iter("*")):
        node.set("{urn:new}attribute", PLANTED)
        node.set("plain", PLANTED)
        if len(node) or not (node.text or "").strip():
            if node.tag in (f"{{{SVC}}}data",):
                continue
            for place in (0, len(node)):
                stranger = etree.Element("{%s}somethingNew" % (SVC if place else "urn:new"))
                stranger.text = PLANTED
                node.insert(place, stranger)
    return etree.tostring(root)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("GetProfiles", users()),
        ("GetBackupServers", backup_servers()),
        (
            "ServerInformation",
            (
                "<ns1:ServerInformationResponse><ns1:result ns2:isSuccess='true'>"
                "<ns2:version ns2:maj='12' ns2:min='11' ns2:maint='6' ns2:build='0'/><ns2:hostname>h</ns2:hostname>"
                "<ns2:isStarted>true</ns2:isStarted></ns1:result></ns1:ServerInformationResponse>"
            ),
        ),
    ],
)
def test_unknown_elements_and_attributes_are_passed_over_at_every_level(operation: str, body: str) -> None:
    raw = envelope(body)
    assert PLANTED.encode() in sprinkled(raw)
    assert read(operation, sprinkled(raw)) == read(operation, raw)


def test_a_text_of_100_mb_is_read() -> None:
    size = 100 * 1024 * 1024
    raw = envelope(users(f"<ns1:data>{'x' * size}</ns1:data>"))
    assert len(read("GetProfiles", raw)["data"]) == size


def test_a_text_of_twice_the_size_is_twice_the_work() -> None:
    assert_linear(
        lambda megabytes: read("GetProfiles", envelope(users(f"<ns1:data>{'x' * (megabytes << 20)}</ns1:data>"))), 2
    )


# Replies that are refused


@pytest.mark.parametrize("raw", [b"", b" \r\n "])
def test_an_empty_reply(raw: bytes) -> None:
    assert refusal(lambda: read("GetProfiles", raw)).reason is Reason.REPLY_EMPTY


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b"<html><body>planted-reply-content</body></html>", "text/html"),
        (b"<html><body>planted-reply-content</body></html>", SOAP_TYPE),
        (b"<!DOCTYPE html><html></html>", "text/xml"),
        (envelope(users()), "text/plain"),
        (envelope(users()), ""),
        (b"<planted-reply-content/>", "text/xml"),
        (envelope(users()).replace(SOAP_12.encode(), b"urn:other"), SOAP_TYPE),
    ],
    ids=["html", "html as soap", "doctype html", "plain text", "no type", "other xml", "other envelope"],
)
def test_what_is_not_soap(raw: bytes, content_type: str) -> None:
    assert refusal(lambda: read("GetProfiles", raw, content_type=content_type)).reason is Reason.NOT_SOAP


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml;charset=utf-8", "APPLICATION/SOAP+XML"])
def test_any_xml_content_type_is_accepted(content_type: str) -> None:
    assert read("GetProfiles", envelope(users()), content_type=content_type)["result"] is True


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "planted-reply-content"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize("reference", [b"&c;", b"&d;", b""])
def test_a_document_type_declaration_is_never_read(reference: bytes) -> None:
    body = envelope(users("<ns1:data>HERE</ns1:data>")).partition(b"\n")[2].replace(b"HERE", reference)
    assert refusal(lambda: read("GetProfiles", BOMB + body)).reason is Reason.REPLY_FORBIDDEN_XML


def test_a_hidden_encoding_is_forbidden() -> None:
    raw = envelope(users()).decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert refusal(lambda: read("GetProfiles", raw)).reason is Reason.REPLY_FORBIDDEN_XML


VALID = envelope(users(f"<ns1:data>{html.escape('<users>' + PLANTED * 3 + 'ä</users>')}</ns1:data>"))


@given(st.integers(min_value=0, max_value=len(VALID) - 1))
@settings(max_examples=300)
def test_no_strict_prefix_of_a_reply_is_ever_read(length: int) -> None:
    failure = refusal(lambda: read("GetProfiles", VALID[:length]))
    assert failure.reason in (Reason.REPLY_MALFORMED, Reason.REPLY_EMPTY)


def test_the_whole_of_that_reply_is_read() -> None:
    assert PLANTED in read("GetProfiles", VALID)["data"]


@pytest.mark.parametrize(
    "body",
    [
        users("<ns1:data>&#x1;</ns1:data><ns1:data>"),
        users("<ns1:data>planted-reply-content</ns1:dat>"),
        users("<ns1:data><users>planted-reply-content</users></ns1:data>"),
        users("<ns1:data>a</ns1:data><ns1:data>b</ns1:data>"),
        users().replace("true", "yes"),
        users().replace("true", ""),
        backup_servers(port="planted-reply-content"),
        backup_servers(port="1_000"),
        backup_servers(port="-1"),
        backup_servers(port=str(2**64)),
        backup_servers(port="9" * 5000),
        backup_servers(port=""),
        backup_servers(time_text="planted-reply-content"),
        backup_servers(time_text="2024-13-45T00:00:00Z"),
        backup_servers(time_text="99999-01-01T00:00:00Z"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_malformed(body: str, caplog: pytest.LogCaptureFixture) -> None:
    operation = "GetProfiles" if "Profiles" in body else "GetBackupServers"
    assert refusal(lambda: read(operation, body)).reason is Reason.REPLY_MALFORMED
    assert PLANTED not in caplog.text


def test_a_bad_number_in_an_attribute_is_malformed() -> None:
    body = (
        "<ns1:ServerInformationResponse><ns1:result><ns2:version ns2:maj='planted-reply-content'/></ns1:result>"
        "</ns1:ServerInformationResponse>"
    )
    failure = refusal(lambda: read("ServerInformation", body))
    assert failure.reason is Reason.REPLY_MALFORMED
    assert failure.message == "ServerInformationResponse.result.version.maj is not a valid int"


@pytest.mark.parametrize(
    "raw",
    [
        envelope(""),
        envelope("<ns1:GetGroupsResponse><ns1:result>true</ns1:result></ns1:GetGroupsResponse>"),
        envelope("<ns1:GetProfilesResponse/>"),
        envelope("<ns1:GetProfilesResponse><ns1:data>planted-reply-content</ns1:data></ns1:GetProfilesResponse>"),
        envelope("").replace(b"SOAP-ENV:Body", b"SOAP-ENV:Header"),
    ],
    ids=["nothing", "another answer", "nothing inside", "no result", "no body"],
)
def test_a_reply_without_what_it_must_have_is_incomplete(raw: bytes) -> None:
    assert refusal(lambda: read("GetProfiles", raw)).reason is Reason.REPLY_INCOMPLETE


# Errors and faults


@pytest.mark.parametrize(
    "raw", [b"", b"<html>planted-reply-content</html>", b"planted-reply-content", BOMB, envelope(users())]
)
@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_http_error_that_tells_no_fault_is_an_http_error(status: int, raw: bytes) -> None:
    failure = refusal(lambda: read("GetProfiles", raw, status=status, content_type="text/html"))
    assert (failure.reason, failure.message) == (Reason.HTTP_ERROR, f"the server answered with HTTP {status}")


def fault_11(text: str) -> str:
    return f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>{text}</faultstring></SOAP-ENV:Fault>"


def fault_12(text: str) -> str:
    return (
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value></SOAP-ENV:Code>"
        f"<SOAP-ENV:Reason><SOAP-ENV:Text xml:lang='en'>{text}</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>"
    )


SHAPES: dict[str, Callable[[str], tuple[bytes, int, str]]] = {
    "1.1": lambda text: (envelope(fault_11(text), SOAP_11), 500, "text/xml"),
    "1.2": lambda text: (envelope(fault_12(text), SOAP_12), 400, SOAP_TYPE),
    "1.2 in 1.1": lambda text: (envelope(fault_12(text), SOAP_11), 400, SOAP_TYPE),
    "1.1 in 1.2": lambda text: (envelope(fault_11(text), SOAP_12), 500, "text/html"),
    "with status 200": lambda text: (envelope(fault_12(text), SOAP_12), 200, SOAP_TYPE),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No SOAP request credentials were provided", Reason.AUTHENTICATION_FAILED),
        ("Unable to authenticate SOAP request", Reason.AUTHENTICATION_FAILED),
        ("UNABLE TO AUTHENTICATE SOAP REQUEST.", Reason.AUTHENTICATION_FAILED),
        ("Invalid credentials", Reason.AUTHENTICATION_FAILED),
        ("The user is not authorized", Reason.AUTHENTICATION_FAILED),
        ("Unauthorized", Reason.AUTHENTICATION_FAILED),
        ("Access denied", Reason.AUTHENTICATION_FAILED),
        (
            "Method 'x:NopeRequest' not implemented: method name or namespace not recognized",
            Reason.OPERATION_UNSUPPORTED,
        ),
        (
            "Method 'ns1:SetAuthenticationListRequest' not implemented: method name or namespace not recognized",
            Reason.OPERATION_UNSUPPORTED,
        ),
        ("The authentication source 'ad' cannot be saved", Reason.SOAP_FAULT),
        ("The source 'access denied' cannot be saved", Reason.SOAP_FAULT),
        ("The credential store of the directory is full", Reason.SOAP_FAULT),
        ("The directory could not authenticate its own account", Reason.SOAP_FAULT),
        ("Validation constraint violation in element 'ns1:authenticationList'", Reason.SOAP_FAULT),
        ("disk full", Reason.SOAP_FAULT),
        ("", Reason.SOAP_FAULT),
    ],
)
def test_a_fault_is_read_by_its_content_in_every_shape(shape: str, text: str, reason: Reason) -> None:
    raw, status, content_type = SHAPES[shape](text)
    assert refusal(lambda: read("GetProfiles", raw, status=status, content_type=content_type)).reason is reason


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Unable to authenticate SOAP request", "the server refused the log-in"),
        (
            "Method 'x' not implemented: method name or namespace not recognized",
            "the server does not know the operation",
        ),
        ("Validation constraint violation: occurrence", "the server found the request not valid"),
        ("disk full", "the server answered with a fault"),
    ],
)
def test_a_fault_is_told_in_words_of_our_own_with_its_code(shape: str, text: str, said: str) -> None:
    raw, status, content_type = SHAPES[shape](text)
    failure = refusal(lambda: read("GetProfiles", raw, status=status, content_type=content_type))
    assert failure.message in (f"{said} (Sender)", f"{said} (Client)")


@pytest.mark.parametrize("shape", SHAPES)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))))
@settings(max_examples=20)
def test_nothing_of_a_faults_text_is_in_the_message(shape: str, text: str) -> None:
    raw, status, content_type = SHAPES[shape](html.escape(f"planted-reply-content {text}"))
    failure = refusal(lambda: read("GetProfiles", raw, status=status, content_type=content_type))
    assert failure.message.startswith("the server ")
    assert len(failure.message) < 60


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("SOAP-ENV:Server", " (Server)"),
        ("Client.Authentication", " (Client)"),
        (" SOAP-ENV:MustUnderstand ", " (MustUnderstand)"),
        ("planted-reply-content", ""),
        ("Client:planted-reply-content", ""),
        ("", ""),
    ],
)
def test_a_fault_code_is_told_only_if_soap_knows_it(code: str, shown: str) -> None:
    fault = f"<SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>disk full</faultstring></SOAP-ENV:Fault>"
    failure = refusal(lambda: read("GetProfiles", envelope(fault, SOAP_11), status=500))
    assert failure.message == f"the server answered with a fault{shown}"


def test_a_fault_without_anything_in_it_is_a_fault() -> None:
    failure = refusal(lambda: read("GetProfiles", envelope("<SOAP-ENV:Fault/>"), status=500))
    assert (failure.reason, failure.message) == (Reason.SOAP_FAULT, "the server answered with a fault")
