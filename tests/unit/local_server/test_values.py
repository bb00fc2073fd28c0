"""Typed values on the wire, read as leniently as gSOAP reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from local.cerberus.contract import COMMON, SERVICE
from local.cerberus.values import ValidationError, escape, read, write


def element(inner: str, attributes: str = "") -> etree._Element:
    return etree.fromstring(f'<s:x xmlns:s="{SERVICE}" xmlns:c="{COMMON}"{attributes}>{inner}</s:x>')


def test_children_in_a_wrong_namespace_misspelt_or_unqualified_are_dropped() -> None:
    inner = "<c:ProfilesXML>a</c:ProfilesXML><s:Profilesxml>b</s:Profilesxml><ProfilesXML>c</ProfilesXML>"

    assert read(element(inner), "SaveProfilesRequest") == {"ProfilesXML": "", "GroupsXML": ""}


def test_order_does_not_matter_and_the_first_of_duplicates_wins() -> None:
    inner = "<s:GroupsXML>g</s:GroupsXML><s:ProfilesXML>1</s:ProfilesXML><s:ProfilesXML>2</s:ProfilesXML>"

    assert read(element(inner), "SaveProfilesRequest") == {"ProfilesXML": "1", "GroupsXML": "g"}


def test_nil_for_a_required_text_is_an_empty_text() -> None:
    inner = '<s:ProfilesXML xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>'

    assert read(element(inner), "SaveProfilesRequest")["ProfilesXML"] == ""


@pytest.mark.parametrize("number", ["x", "", "1.5", "9223372036854775808"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValidationError, match="InterfaceID"):
        read(element(f"<s:InterfaceID>{number}</s:InterfaceID>"), "ModifyInterfaceRequest")


def test_what_is_not_in_the_enumeration_is_refused() -> None:
    with pytest.raises(ValidationError):
        read(element("", ' c:type="rot13"'), "Password")


def test_an_unqualified_attribute_is_dropped() -> None:
    assert "value" not in read(element("", ' value="true"'), "UserPropertyBool")


@pytest.mark.parametrize(
    "inner",
    [
        "<s:ProfilesXML/>",
        "<s:ProfilesXML/><s:GroupsXML/><s:More/>",
        "<s:ProfilesXML/><c:GroupsXML/>",
        "<s:ProfilesXML/><s:GroupsXML/><s:GroupsXML/>",
    ],
)
def test_strict_refuses_what_is_missing_unknown_or_doubled(inner: str) -> None:
    with pytest.raises(ValidationError, match="occurrence constraint violation"):
        read(element(inner), "SaveProfilesRequest", strict=True)


def test_strict_accepts_another_order() -> None:
    inner = "<s:GroupsXML>g</s:GroupsXML><s:ProfilesXML>p</s:ProfilesXML>"

    assert read(element(inner), "SaveProfilesRequest", strict=True)["ProfilesXML"] == "p"


def test_fields_without_a_value_are_left_out() -> None:
    text = write("ns1:r", {"result": True, "data": None}, "GetProfilesResponse")

    assert text == "<ns1:r><ns1:result>true</ns1:result></ns1:r>"


def test_a_carriage_return_is_a_reference() -> None:
    assert escape("a\r\nb & <c>") == "a&#xD;\nb &amp; &lt;c&gt;"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\t\r\n")))
def test_any_text_comes_through_as_element_and_as_attribute(value: str) -> None:
    item = {"name": value, "password": {"value": value, "type": "sha256", "noExpire": True, "lastChange": "2026-01-01"}}
    text = write("ns1:User", item, "User").replace(
        "<ns1:User", f'<ns1:User xmlns:ns1="{SERVICE}" xmlns:ns2="{COMMON}"', 1
    )
    again = read(etree.fromstring(text), "User")

    assert again["name"] == value
    assert again["password"] == item["password"]
    entry = {"ext": value, "type": ""}
    pair = write("ns1:m", entry, "MimeMapping").replace("<ns1:m", f'<ns1:m xmlns:ns1="a" xmlns:ns2="{COMMON}"', 1)
    assert read(etree.fromstring(pair), "MimeMapping") == entry
