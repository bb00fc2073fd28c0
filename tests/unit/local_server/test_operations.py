"""The operations do to the state what they say."""

from collections.abc import Callable

import pytest

from local.cerberus import documents
from local.cerberus.contract import OPERATIONS
from local.cerberus.machine import Machine
from local.cerberus.operations import HANDLERS, WRITES
from local.cerberus.soap import NO_CREDENTIALS, SOAP_11, WRONG_CREDENTIALS, Behaviour, Reply
from local.cerberus.state import ServerState
from local.cerberus.values import escape

type Ask = Callable[..., Reply]
type Text = Callable[[Reply, str], str | None]


def test_every_operation_of_the_contract_is_there() -> None:
    assert HANDLERS.keys() == OPERATIONS.keys()
    assert len(HANDLERS) == 70


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("version", [SOAP_11, "http://www.w3.org/2003/05/soap-envelope"])
def test_every_operation_answers_an_empty_request_with_its_reply_element(
    ask: Ask, operation: str, version: str
) -> None:
    reply = ask(operation, version=version)

    if operation in ("ModifyInterface", "GetInterfaceByID"):
        assert reply.status == 200
    assert f"<ns1:{OPERATIONS[operation].response}>".encode() in reply.body[0]
    assert f'xmlns:SOAP-ENV="{version}"'.encode() in reply.body[0]


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - WRITES))
def test_reading_changes_nothing(ask: Ask, state: ServerState, operation: str) -> None:
    before = state.snapshot()
    ask(operation)

    assert state.snapshot() == before


def test_wrong_credentials_are_a_fault(ask: Ask) -> None:
    reply = ask("GetUserList", password="wrong")

    assert (reply.status, reply.close) == (400, True)
    assert WRONG_CREDENTIALS.encode() in reply.body[0]
    assert b"SOAP-ENV:Sender" in reply.body[0]


@pytest.mark.parametrize(
    "credentials",
    ["", "<c:credentials/>", "<s:credentials><c:user>admin</c:user></s:credentials>"],
)
def test_no_credentials_are_another_fault(ask: Ask, credentials: str) -> None:
    reply = ask("GetUserList", credentials=credentials)

    assert reply.status == 400
    assert NO_CREDENTIALS.encode() in reply.body[0]


def test_no_credentials_can_also_get_a_normal_answer_that_holds_nothing(ask: Ask, state: ServerState) -> None:
    reply = ask("GetUserList", credentials="", behaviour=Behaviour(anonymous_answers=True))
    write = ask("SaveProfiles", credentials="", behaviour=Behaviour(anonymous_answers=True))

    assert reply.status == write.status == 200
    assert b"<ns1:result>false</ns1:result>" in reply.body[0]
    assert b"UserList>" not in reply.body[0]
    assert len(state.names("profiles")) == 12


def test_a_badly_built_save_profiles_really_stores_an_empty_user_list(ask: Ask, state: ServerState) -> None:
    reply = ask("SaveProfiles", f"<c:ProfilesXML>{escape(state.document('profiles'))}</c:ProfilesXML>")

    assert b"<ns1:result>true</ns1:result>" in reply.body[0]
    assert state.names("profiles") == state.names("groups") == []


def test_documents_are_stored_as_given(ask: Ask, state: ServerState, text: Text) -> None:
    given = '<?xml version="1.0"?>\n<x:settings   xmlns:x="http://cerberusllc.com/common"><x:a>é\t</x:a></x:settings>'
    ask("SaveConfiguration", f"<s:ConfigXML>{escape(given)}</s:ConfigXML>")

    assert state.document("settings") == given


def test_documents_that_are_no_xml_are_refused_and_none_of_the_call_is_stored(ask: Ask, state: ServerState) -> None:
    before = state.snapshot()
    users = escape(documents.empty("profiles"))
    reply = ask("SaveProfiles", f"<s:ProfilesXML>{users}</s:ProfilesXML><s:GroupsXML>&lt;groups&gt;</s:GroupsXML>")

    assert b"<ns1:result>false</ns1:result>" in reply.body[0]
    assert state.snapshot() == before


def test_a_user_is_added_told_renamed_and_deleted(ask: Ask, state: ServerState, text: Text) -> None:
    user = (
        '<s:User c:name="Zoë" c:email="z@x.example"><c:password c:value="ABC" c:type="sha256" c:noExpire="true"'
        ' c:lastChange="2026-01-01T00:00:00Z"/><c:isDisabled c:value="true"/><c:groupList><c:group c:name="g"/>'
        "</c:groupList></s:User>"
    )
    assert text(ask("AddUser", user), "result") == "true"
    assert text(ask("AddUser", user.replace("Zoë", "ZOË")), "result") == "false"
    assert state.names("profiles")[-1] == "Zoë"
    answer = ask("GetUserInformation", "<s:userName>zoë</s:userName>").body[0].decode()
    assert 'ns2:email="z@x.example"' in answer
    assert '<ns2:group ns2:name="g"></ns2:group>' in answer
    ask("RenameUser", "<s:userName>Zoë</s:userName><s:newUserName>Zora</s:newUserName>")
    assert state.names("profiles")[-1] == "Zora"
    root = "<s:Root><c:name>r</c:name><c:path>D:\\r</c:path></s:Root>"
    assert text(ask("AddRoot", f"<s:userName>Zora</s:userName>{root}"), "result") == "true"
    assert "<ns1:name>r</ns1:name>" in state.document("profiles")
    assert text(ask("DeleteRoot", "<s:userName>Zora</s:userName><s:dirName>r</s:dirName>"), "result") == "true"
    assert text(ask("DeleteUser", "<s:name>ZORA</s:name>"), "result") == "true"
    assert len(state.names("profiles")) == 12


def test_a_hash_kind_that_the_contract_lacks_is_told_as_it_is(ask: Ask, state: ServerState) -> None:
    answer = ask("GetUserInformation", f"<s:userName>{state.names('profiles')[2]}</s:userName>").body[0]

    assert b'ns2:type="pbkdf2_sha256"' in answer


def test_a_listener_is_modified(ask: Ask, state: ServerState) -> None:
    number = state.interfaces[0]["id"]
    opts = "<s:Opts><c:listenPort>2121</c:listenPort></s:Opts>"
    ask("ModifyInterface", f"<s:InterfaceID>{number}</s:InterfaceID>{opts}")

    assert state.interfaces[0]["options"]["listenPort"] == 2121
    assert b"<ns2:listenPort>2121</ns2:listenPort>" in ask("GetInterfaceList").body[0]
    assert b"listenPort&gt;2121&lt;" in ask("GetInterfaces").body[0]


def test_an_address_is_blocked_and_released(ask: Ask, state: ServerState) -> None:
    entry = '<c:entry c:type="single"><c:addressFrom>192.0.2.9</c:addressFrom><c:addressTo/></c:entry>'
    ask("AddIp", f"<s:ipEntry>{entry}<c:note>n</c:note></s:ipEntry>")
    assert "192.0.2.9<" in state.document("ip_block_list")
    ask("DeleteIp", '<s:ipEntry c:type="single"><c:addressFrom>192.0.2.9</c:addressFrom></s:ipEntry>')
    assert "192.0.2.9<" not in state.document("ip_block_list")
    ask("BlockAddress", "<s:ipaddress>192.0.2.9</s:ipaddress>")
    assert "192.0.2.9<" in state.document("auto_block_list")


def test_mime_mappings_and_the_authentication_list_are_replaced(ask: Ask, state: ServerState) -> None:
    ask("SaveMimeMappings", "<s:mime><c:map><c:ext>a</c:ext><c:type>b/c</c:type></c:map></s:mime>")
    entry = "<c:enabled>true</c:enabled><c:name>n</c:name><c:type>LDAP</c:type><c:description>d</c:description>"
    ask("SetAuthenticationList", f"<s:dataXml/><s:authenticationList>{entry}</s:authenticationList>")

    assert state.mime == [{"ext": "a", "type": "b/c"}]
    assert state.sources == [{"enabled": True, "name": "n", "type": "LDAP", "description": "d"}]
    assert state.document("authentication") == documents.empty("authentication")


def test_the_native_sync_list_is_the_section_of_the_settings(ask: Ask, state: ServerState, text: Text) -> None:
    assert text(ask("GetBackupServers"), "host") == state.machine.sync_host
    config = (
        "<c:config><c:enable>true</c:enable><c:syncIntervalMinutes>9</c:syncIntervalMinutes></c:config>"
        "<c:servers><c:server><c:host>h2</c:host><c:port>1</c:port></c:server></c:servers>"
    )
    ask("SaveBackupServers", f"<s:config>{config}</s:config>")

    assert state.setting("syncManager/server[h2]/port") == "1"
    assert text(ask("GetBackupServers"), "syncIntervalMinutes") == "9"


def test_typed_answers_follow_the_settings(ask: Ask, state: ServerState, text: Text) -> None:
    assert text(ask("ServerSummaryStatus"), "soapPort") == str(state.machine.soap_port)
    assert text(ask("GetLicenseInfo"), "isValid") == "true"
    with state.edit("settings") as root:
        documents.set_value(root, "remote/soap/port", "4711")
        documents.set_value(root, "remote/soap/@secure", "false")
        documents.set_value(root, "security/privateKey/@bits", "9")
        documents.set_value(root, "general/license/key", "of another machine")
    status = ask("ServerSummaryStatus")

    assert [text(status, name) for name in ("soapPort", "isSoapSecure", "sslKeyBits")] == ["4711", "false", "9"]
    assert text(ask("GetLicenseInfo"), "isValid") == "false"


def test_the_administrator_of_another_machine_takes_over_with_its_settings(ask: Ask, state: ServerState) -> None:
    with state.edit("settings") as root:
        documents.set_value(root, "remote/remoteAdmin/account/@passwordHash", Machine.named("other").admin_hash)

    assert ask("GetHostname").status == 400
    assert ask("GetHostname", password=Machine.named("other").admin_password).status == 200


@pytest.mark.parametrize(("edition", "sync"), [("Standard", "false"), ("Professional", "true"), ("Enterprise", "true")])
def test_features_follow_the_edition(ask: Ask, state: ServerState, text: Text, edition: str, sync: str) -> None:
    state.edition = edition

    assert text(ask("GetFeatures"), "enableServerSync") == sync
