"""The WSDL, held to the contract: every operation and type as zeep sees them."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree
from zeep import xsd

from cerberus import wsdl
from common.errors import Failure, Reason

CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("soap-contract.json").read_text())
NAMESPACES: dict[str, str] = CONTRACT["namespaces"]
TYPES: dict[str, dict[str, Any]] = CONTRACT["types"]
OPERATIONS: list[dict[str, str]] = CONTRACT["operations"]
MESSAGES = {message for operation in OPERATIONS for message in (operation["request"], operation["response"])}
WRAPPERS = {"DbOperationResults", "FileHits", "MimeMappings"}
"""Needed because an element of one namespace holds items of the other; the contract knows no names for them."""
VALUE_TYPES = {"boolean", "int", "long", "double", "dateTime", "unsignedInt", "unsignedLong", "unsignedShort"}


@pytest.fixture(scope="module")
def document() -> Any:
    client: Any = zeep.Client
    return client(str(wsdl.SHIPPED)).wsdl


def seen_type(document: Any, name: str) -> Any:
    qname = f"{{{NAMESPACES[TYPES[name]['ns']]}}}{name}"
    return document.types.get_element(qname).type if name in MESSAGES else document.types.get_type(qname)


def fields_with_base(name: str) -> list[dict[str, Any]]:
    """The contract's fields of a type, those of the type it extends first, each knowing the namespace of its owner."""
    described = TYPES[name]
    inherited = fields_with_base(described["base"]) if described.get("base") else []
    return inherited + [{**field, "owner": described["ns"]} for field in described.get("fields", [])]


def type_name(described: Any) -> str:
    """As the contract writes it."""
    if described.qname is not None and described.qname.namespace == "http://www.w3.org/2001/XMLSchema":
        return f"xsd:{described.name}"
    return str(described.name)


def is_value(name: str) -> bool:
    return name.removeprefix("xsd:") in VALUE_TYPES or "enum" in TYPES.get(name, {})


def seen_element(name: str, element: Any) -> dict[str, Any]:
    seen = {"name": name, "kind": "element", "ns": element.qname.namespace, "type": type_name(element.type)}
    if element.accepts_multiple:
        seen["repeated"] = True
    if isinstance(element.type, xsd.ComplexType) and element.type.qname.namespace is None:
        raise AssertionError(f"{name} is in no namespace")
    return seen


def wanted_element(field: dict[str, Any]) -> dict[str, Any]:
    wanted = {"name": field["name"], "kind": "element", "ns": NAMESPACES[field["ns"]], "type": field["type"]}
    if field.get("repeated"):
        wanted["repeated"] = True
    return wanted


def unwrap(element: Any) -> Any:
    (inner,) = element.type.elements
    return inner[1]


def test_the_contract_copy_is_whole() -> None:
    assert (len(OPERATIONS), len(TYPES)) == (70, 197)


def test_both_bindings_have_exactly_the_operations_of_the_contract(document: Any) -> None:
    names = {operation["name"] for operation in OPERATIONS}
    assert len(document.bindings) == 2
    assert all(set(binding.all()) == names for binding in document.bindings.values())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["name"])
def test_an_operation_has_the_action_and_the_messages_of_the_contract(document: Any, operation: dict[str, str]) -> None:
    for binding in document.bindings.values():
        seen = binding.get(operation["name"])
        assert seen.soapaction == operation["soapAction"]
        assert seen.input.body.qname.text == f"{{{NAMESPACES['svc']}}}{operation['request']}"
        assert seen.output.body.qname.text == f"{{{NAMESPACES['svc']}}}{operation['response']}"
        assert list(seen.abstract.input_message.parts) == ["in"]
        assert list(seen.abstract.output_message.parts) == ["out"]
        assert seen.style == "document"


def test_there_are_no_other_types_or_elements_than_the_contracts(document: Any) -> None:
    ours = set(NAMESPACES.values())
    elements = {e.name for e in document.types.elements if e.qname.namespace in ours}
    named = {t.name for t in document.types.types if t.qname is not None and t.qname.namespace in ours and t.is_global}
    assert elements == MESSAGES
    assert named - WRAPPERS == set(TYPES) - MESSAGES


@pytest.mark.parametrize("name", [name for name in TYPES if "enum" not in TYPES[name]])
def test_a_type_has_the_fields_of_the_contract_in_order(document: Any, name: str) -> None:
    seen = seen_type(document, name)
    wanted = fields_with_base(name)
    elements = [field for field in wanted if field["kind"] == "element"]
    pairs = [(n, e) for n, e in seen.elements if n != "_value_1"]
    assert [n for n, _ in pairs] == [field["name"] for field in elements]
    for (field_name, element), field in zip(pairs, elements, strict=True):
        if "wrapped_item" not in field:
            assert seen_element(field_name, element) == wanted_element(field)
            continue
        item = unwrap(element)
        assert element.qname.namespace == NAMESPACES[field["ns"]]
        assert (item.qname.localname, item.qname.namespace) == (field["wrapped_item"], NAMESPACES[field["item_ns"]])
        assert (type_name(item.type), item.accepts_multiple) == (field["type"], True)


@pytest.mark.parametrize("name", [name for name in TYPES if "enum" not in TYPES[name]])
def test_a_type_has_the_qualified_attributes_of_the_contract(document: Any, name: str) -> None:
    seen = seen_type(document, name)
    wanted = [field for field in fields_with_base(name) if field["kind"] == "attribute"]
    assert {
        (attribute.qname.text, type_name(attribute.type), bool(attribute.required)) for _, attribute in seen.attributes
    } == {
        (f"{{{NAMESPACES[field['owner']]}}}{field['name']}", field["type"], field["use"] == "required")
        for field in wanted
    }


@pytest.mark.parametrize(
    "name", [name for name in TYPES if any(f["kind"] == "text" for f in TYPES[name].get("fields", []))]
)
def test_a_type_with_text_has_simple_content(document: Any, name: str) -> None:
    ((field, element),) = seen_type(document, name).elements
    assert (field, type_name(element.type)) == ("_value_1", "xsd:string")


@pytest.mark.parametrize("name", [name for name in TYPES if "enum" in TYPES[name]])
def test_an_enumeration_lists_the_values_of_the_contract(name: str) -> None:
    root = etree.fromstring(wsdl.SHIPPED.with_name("ns2.xsd").read_bytes())
    tag = "{http://www.w3.org/2001/XMLSchema}"
    (declared,) = [node for node in root.iter(f"{tag}simpleType") if node.get("name") == name]
    assert [value.get("value") for value in declared.iter(f"{tag}enumeration")] == TYPES[name]["enum"]


@pytest.mark.parametrize("name", [name for name in TYPES if "enum" not in TYPES[name]])
def test_only_what_servers_leave_out_may_be_left_out(document: Any, name: str) -> None:
    """Of a reply: lists, strings and structures. Of a request: nothing that the contract does not call optional."""
    request = TYPES[name].get("base") == "AuthenticatedRequest"
    wanted = {}
    for field in fields_with_base(name):
        if field["kind"] == "element":
            certain = request or field["name"] == "credentials" or is_value(field["type"])
            if field.get("repeated") or field.get("optional") or (field.get("wrapped_item") and not request):
                certain = False
            wanted[field["name"]] = int(certain)
    seen = {n: e.min_occurs for n, e in seen_type(document, name).elements if n != "_value_1"}
    assert seen == wanted


def test_a_service_is_loaded_once_per_process() -> None:
    assert wsdl.service() is wsdl.service(wsdl.SHIPPED)


def test_a_server_versions_own_wsdl_can_be_used(tmp_path: Path) -> None:
    for name in ("Cerberus.wsdl", "ns1.xsd", "ns2.xsd"):
        shutil.copy(wsdl.SHIPPED.with_name(name), tmp_path)
    own = tmp_path / "ns1.xsd"
    own.write_text(own.read_text().replace('name="ProfilesXML"', 'name="UsersXML"'))
    service = wsdl.service(tmp_path / "Cerberus.wsdl")
    assert service is not wsdl.service()
    envelope = service.operation("SaveProfiles").render(
        {"credentials": {"user": "u", "password": "p"}, "UsersXML": "<u/>", "GroupsXML": ""}
    )
    assert envelope.find(f".//{{{NAMESPACES['svc']}}}UsersXML") is not None


def test_a_wsdl_with_soap_1_1_alone_is_spoken_to_in_soap_1_1(tmp_path: Path) -> None:
    for name in ("ns1.xsd", "ns2.xsd"):
        shutil.copy(wsdl.SHIPPED.with_name(name), tmp_path)
    text = wsdl.SHIPPED.read_text()
    start, end = text.index('  <wsdl:binding name="CerberusFTPServiceSoapBinding"'), text.index("</wsdl:binding>")
    text = text[:start] + text[end + len("</wsdl:binding>") :]
    start, end = text.index('    <wsdl:port name="CerberusFTPService"'), text.index("</wsdl:port>")
    text = text[:start] + text[end + len("</wsdl:port>") :]
    (tmp_path / "Cerberus.wsdl").write_text(text)
    operation = wsdl.service(tmp_path / "Cerberus.wsdl").operation("GetGroups")
    assert operation.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert operation.headers["SOAPAction"] == f'"{NAMESPACES["svc"]}/GetGroups"'


def test_an_operation_that_the_wsdl_lacks_is_unsupported() -> None:
    with pytest.raises(Failure) as caught:
        wsdl.service().operation("GetAdminAccounts")
    assert caught.value.reason is Reason.OPERATION_UNSUPPORTED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>not a WSDL</html>",
        '<!DOCTYPE d [<!ENTITY e "x">]><wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"/>',
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" targetNamespace="x"/>',
        (
            '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" targetNamespace="x">'
            '<wsdl:import namespace="y" location="http://127.0.0.1:9/other.wsdl"/></wsdl:definitions>'
        ),
    ],
    ids=["empty", "html", "dtd", "no binding", "remote import"],
)
def test_an_unusable_wsdl_is_a_configuration_failure(tmp_path: Path, text: str) -> None:
    own = tmp_path / "own.wsdl"
    own.write_text(text)
    with pytest.raises(Failure) as caught:
        wsdl.service(own)
    assert caught.value.reason is Reason.CONFIGURATION_INVALID


def test_a_missing_wsdl_is_a_configuration_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        wsdl.service(tmp_path / "absent.wsdl")
    assert caught.value.reason is Reason.CONFIGURATION_INVALID


def test_the_libraries_loggers_never_go_down_to_debug() -> None:
    for name in ("zeep.transports", "zeep.wsdl", "zeep.xsd.types.simple"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
