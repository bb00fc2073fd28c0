"""The plan counts, and spoilt replies are spoilt in the way they say."""

from collections.abc import Callable
from xml.parsers import expat

import pytest
from lxml import etree

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.faults import Fault, FaultPlan, Kind
from local.cerberus.soap import SOAP_11, SOAP_12, Behaviour, Reply
from local.cerberus.state import ServerState
from local.cerberus.values import escape

type Ask = Callable[..., Reply]
type Text = Callable[[Reply, str], str | None]


def test_a_fault_hits_its_operation_from_its_call_on_as_often_as_told() -> None:
    plan = FaultPlan()
    plan.add(Fault(Kind.HTML, "GetGroups", first=2, times=2))

    hits = [Kind.HTML in plan.take(name) for name in ("GetGroups", "GetProfiles", *["GetGroups"] * 4)]

    assert hits == [False, False, True, True, False, False]
    plan.clear()
    assert plan.all() == []


def test_a_fault_for_all_counts_all() -> None:
    plan = FaultPlan()
    plan.add(Fault(Kind.HTML, first=2))

    assert [Kind.HTML in plan.take(name) for name in ("GetGroups", "GetProfiles", "")] == [False, True, True]


def test_a_misspelt_operation_or_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="GetProfile"):
        Fault(Kind.HTML, "GetProfile")
    with pytest.raises(ValueError, match="nonsense"):
        Fault.from_json({"kind": "nonsense"})
    with pytest.raises(TypeError, match="often"):
        Fault.from_json({"kind": "html", "often": 1})
    assert Fault.from_json(Fault(Kind.SLOW, seconds=1.5).to_json()) == Fault(Kind.SLOW, seconds=1.5)


@pytest.mark.parametrize(
    ("kind", "envelope", "status", "content_type", "names"),
    [
        (Kind.FAULT_12, SOAP_12, 400, "application/soap+xml", {"Code", "Value", "Reason", "Text"}),
        (
            Kind.FAULT_12_SUBCODE,
            SOAP_12,
            400,
            "application/soap+xml",
            {"Code", "Value", "Subcode", "Reason", "Text", "Detail", "reason"},
        ),
        (Kind.FAULT_HYBRID, SOAP_11, 400, "application/soap+xml", {"Code", "Value", "Reason", "Text"}),
        (Kind.FAULT_11, SOAP_11, 500, "text/xml", {"faultcode", "faultstring"}),
        (Kind.FAULT_RECEIVER, SOAP_12, 500, "application/soap+xml", {"Code", "Value", "Reason", "Text"}),
    ],
)
def test_faults_in_their_shapes(
    ask: Ask, kind: Kind, envelope: str, status: int, content_type: str, names: set[str]
) -> None:
    reply = ask("GetProfiles", faults=(Fault(kind, text="<why>"),))
    root = etree.fromstring(reply.body[0])
    fault = root.find(f"{{{envelope}}}Body/{{{envelope}}}Fault")

    assert root.tag == f"{{{envelope}}}Envelope"
    assert (reply.status, reply.close) == (status, True)
    assert reply.content_type.startswith(content_type)
    assert fault is not None
    assert {documents.local_name(each.tag) for each in fault.iterdescendants()} == names
    assert "<why>" in fault.itertext()


def test_a_soap_11_request_gets_the_hybrid_or_from_a_c_style_server_a_proper_fault(ask: Ask) -> None:
    usual = ask("GetProfiles", version=SOAP_11, password="wrong")
    proper = ask("GetProfiles", version=SOAP_11, password="wrong", behaviour=Behaviour(c_style_faults=True))

    assert (usual.status, usual.content_type) == (400, "application/soap+xml; charset=utf-8")
    assert b"SOAP-ENV:Reason" in usual.body[0]
    assert b"faultstring" not in usual.body[0]
    assert (proper.status, proper.content_type) == (500, "text/xml; charset=utf-8")
    assert b"<faultcode>SOAP-ENV:Client</faultcode>" in proper.body[0]
    assert SOAP_11.encode() in usual.body[0]
    assert SOAP_11.encode() in proper.body[0]


def test_half_of_the_users_in_valid_xml(ask: Ask, text: Text) -> None:
    fault = Fault(Kind.HALF_LIST)
    data = text(ask("GetProfiles", faults=(fault,)), "data")

    assert data is not None
    assert len(documents.parse(data)) == 6
    assert ask("GetUserList", faults=(fault,)).body[0].count(b"<ns1:UserList>") == 6
    settings = text(ask("GetConfiguration", faults=(fault,)), "data")
    assert settings == text(ask("GetConfiguration"), "data")


def test_no_users_in_valid_xml(ask: Ask, text: Text) -> None:
    data = text(ask("GetProfiles", faults=(Fault(Kind.EMPTY_LIST),)), "data")

    assert data is not None
    assert len(documents.parse(data)) == 0
    assert b"UserList>" not in ask("GetUserList", faults=(Fault(Kind.EMPTY_LIST),)).body[0]


def test_truncated_data_in_a_whole_reply(ask: Ask, text: Text) -> None:
    data = text(ask("GetProfiles", faults=(Fault(Kind.TRUNCATED_DATA),)), "data")

    assert data is not None
    with pytest.raises(etree.XMLSyntaxError):
        documents.parse(data)


def test_data_left_out(ask: Ask, text: Text) -> None:
    reply = ask("GetProfiles", faults=(Fault(Kind.NO_DATA),))

    assert text(reply, "data") is None
    assert text(reply, "result") == "true"


def test_a_truncated_envelope_and_an_empty_body(ask: Ask) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(ask("GetProfiles", faults=(Fault(Kind.TRUNCATED_XML),)).body[0])
    assert ask("GetProfiles", faults=(Fault(Kind.EMPTY_BODY),)).body == ()


def test_declarations_in_reply_and_data(ask: Ask, text: Text) -> None:
    assert b"<!DOCTYPE" in ask("GetProfiles", faults=(Fault(Kind.DTD),)).body[0]
    entities = ask("GetProfiles", faults=(Fault(Kind.ENTITIES),)).body[0]
    grown: list[str] = []
    reader = expat.ParserCreate()
    reader.CharacterDataHandler = grown.append
    reader.Parse(entities, True)
    assert len(entities) < 10**5 < 10**6 < len("".join(grown))
    assert "<!DOCTYPE" in str(text(ask("GetProfiles", faults=(Fault(Kind.DTD_IN_DATA),)), "data"))


def test_an_oversize_reply_is_well_formed_and_as_large_as_told(ask: Ask) -> None:
    whole = b"".join(ask("GetHostname", faults=(Fault(Kind.OVERSIZE, size=1_000_001),)).body)

    assert len(whole) == 1_000_001
    etree.fromstring(whole)


def test_a_newer_reply_holds_unknown_elements_and_attributes_at_every_level(ask: Ask, text: Text) -> None:
    reply = ask("ServerInformation", faults=(Fault(Kind.NEWER_REPLY),))
    payload = etree.fromstring(reply.body[0])[0][0]

    assert text(reply, "hostname") == "server.files.example"
    for each in payload.iter():
        assert each.get(f"{{{COMMON}}}since") or documents.local_name(each.tag) == "introducedLater"
    assert len(list(payload.iter(f"{{{COMMON}}}introducedLater"))) == 2


def test_newer_documents_hold_more_and_the_same_twice(ask: Ask, state: ServerState, text: Text) -> None:
    newer = text(ask("GetConfiguration", faults=(Fault(Kind.NEWER_DOCUMENTS),)), "data")
    assert newer is not None
    old = documents.flatten(documents.parse(state.document("settings")))
    more = documents.flatten(documents.parse(newer))
    assert old.items() <= more.items()
    assert {"@futureFlag", "futureOption", "general/license/futureOption/@mode"} <= more.keys()

    assert state.store("settings", newer)
    again = text(ask("GetConfiguration", faults=(Fault(Kind.NEWER_DOCUMENTS),)), "data")
    assert again is not None
    assert documents.flatten(documents.parse(again)) == more


@pytest.mark.parametrize(
    ("kind", "operation", "field", "spoilt"),
    [
        (Kind.WRONG_VERSION, "ServerInformation", 'ns2:build="', "1"),
        (Kind.LICENCE_INVALID, "GetLicenseInfo", "<ns2:isValid>", "false"),
        (Kind.EDITION_WITHOUT_SYNC, "GetFeatures", "<ns2:enableServerSync>", "false"),
        (Kind.SOAP_NOT_SECURE, "ServerSummaryStatus", "<ns2:isSoapSecure>", "false"),
    ],
)
def test_facts_that_are_not_what_they_should_be(ask: Ask, kind: Kind, operation: str, field: str, spoilt: str) -> None:
    sound = ask(operation).body[0].decode()
    wrong = ask(operation, faults=(Fault(kind),)).body[0].decode()

    assert f"{field}{spoilt}" in wrong
    assert f"{field}{spoilt}" not in sound
    assert ask("GetHostname", faults=(Fault(kind),)).status == 200


def test_answering_false_stores_nothing(ask: Ask, state: ServerState, text: Text) -> None:
    before = state.snapshot()
    reply = ask("SaveProfiles", faults=(Fault(Kind.ANSWER_FALSE),))

    assert text(reply, "result") == "false"
    assert state.snapshot() == before
    read = ask("GetProfiles", faults=(Fault(Kind.ANSWER_FALSE),))
    assert (text(read, "result"), text(read, "data")) == ("false", None)


@pytest.mark.parametrize("operation", ["SaveProfiles", "SaveMimeMappings", "CommitSettings", "DeleteUser"])
def test_a_dropped_write_is_acknowledged_and_not_stored(
    ask: Ask, state: ServerState, text: Text, operation: str
) -> None:
    before = state.snapshot()
    reply = ask(operation, f"<s:name>{state.names('profiles')[0]}</s:name>", faults=(Fault(Kind.DROP_WRITE),))

    assert text(reply, "result") == "true"
    assert state.snapshot() == before


def test_a_normalising_server_stores_the_same_content_in_another_form(ask: Ask, state: ServerState) -> None:
    users, groups = state.document("profiles"), state.document("groups")
    given = f"<s:ProfilesXML>{escape(users)}</s:ProfilesXML><s:GroupsXML>{escape(groups)} </s:GroupsXML>"
    users_before = users
    state.store("profiles", "")
    ask("SaveProfiles", given, faults=(Fault(Kind.NORMALISE),))

    stored = state.document("profiles")
    assert stored != users_before
    assert "\t<cfg:user" in stored
    assert state.names("profiles")[0] == "user000011"
    assert documents.flatten(documents.parse(stored)) == documents.flatten(documents.parse(users_before))
