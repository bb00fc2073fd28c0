"""Whatever a server sends: values, or a failure with a reason, and never more than its budget."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cerberus import wsdl
from cerberus.decoder import Values, read_reply
from cerberus.endpoint import OperationBudgets
from cerberus.transport import Reply
from common import budgets
from common.budgets import AccountSizes, Budget
from common.errors import UNANSWERED, Failure, Reason
from common.runtime import SystemRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

SVC = "http://cerberusllc.com/service/cerberusftpservice"
COM = "http://cerberusllc.com/common"
SOAP_11, SOAP_12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
TYPE = "application/soap+xml; charset=utf-8"
SMALL = Budget(20_000, 10_000, 60_000)
OPERATIONS = ("GetProfiles", "GetUserList", "GetMimeMappings", "GetLicenseInfo", "ServerInformation", "SaveProfiles")
REASONS = UNANSWERED | {Reason.AUTHENTICATION_FAILED, Reason.SOAP_VERSION_UNSUPPORTED}

PIECES = [
    '<?xml version="1.0" encoding="UTF-8"?>', "<?xml ", "<?xml version='1.0' encoding='UTF-7'?>", "\ufeff",
    "<!DOCTYPE a>", "<!-- c -->", "<!--", "-->", "<?p x?>", "<![CDATA[<a>]]>", "]]>",
    f'<s:Envelope xmlns:s="{SOAP_12}" xmlns:ns1="{SVC}" xmlns:ns2="{COM}" xmlns:i="urn:i">',
    f'<s:Envelope xmlns:s="{SOAP_11}" xmlns:ns1="{SVC}">', "</s:Envelope>", "<s:Body>", "</s:Body>", "<Body>",
    "<s:Fault>", "</s:Fault>", "<faultcode>s:VersionMismatch</faultcode>", "<faultstring>not authorized</faultstring>",
    *(f"<ns1:{name}Response>" for name in OPERATIONS), *(f"</ns1:{name}Response>" for name in OPERATIONS),
    "<ns1:data>", "</ns1:data>", "<ns1:result>true</ns1:result>", "<ns1:result>", "</ns1:result>",
    "<ns2:data>x</ns2:data>",
    "<ns1:UserList>ann</ns1:UserList>", "<UserList>ann</UserList>", "<i:UserList>ann</i:UserList>", "<ns1:mime>",
    "</ns1:mime>", "<ns2:map><ns2:ext>a</ns2:ext><ns2:type>b</ns2:type></ns2:map>", "<ns1:LicenseInformation>",
    "&lt;users&gt;", "&lt;", "&amp;#1;", "&#1;", "&#xFFFE;", "&#99999999;", "&nbsp;", "\x01", "\x00", "\ufffe", "text",
    "x" * 700, "<a/>" * 90, "<a>" * 70, "<a b=''/>" * 60, f"<{'n' * 300}/>", f"<a xmlns='{'u' * 600}'/>", " " * 3000,
    "\ue0f1", "<html>", "true", "1",
]  # fmt: skip


@contextmanager
def suppress_failures() -> Iterator[list[Failure]]:
    failures: list[Failure] = []
    try:
        yield failures
    except Failure as failure:
        failures.append(failure)


def read(operation: str, raw: bytes, budget: Budget = SMALL, status: int = 200) -> Values:
    described = wsdl.service().operation(operation)
    return read_reply(described, Reply(status, TYPE, bytearray(raw)), SystemRuntime(), budget=budget)


@given(
    st.sampled_from(OPERATIONS),
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode) | st.binary(max_size=60),
    st.sampled_from([200, 202, 400, 401, 415, 500]),
)
@example("GetProfiles", f"{PIECES[11]}<s:Body><ns1:GetProfilesResponse><ns1:data>\x01</ns1:data>".encode(), 200)
def test_any_reply_is_values_or_a_failure_with_a_reason(operation: str, raw: bytes, status: int) -> None:
    values: Values | None = None
    with suppress_failures() as failures:
        values = read(operation, raw, status=status)
    assert all(failure.reason in REASONS and failure.__context__ is None for failure in failures)
    assert failures or values is not None
    for text in (values or {}).values():
        assert not isinstance(text, str | bytes) or len(text) <= SMALL.document


def enveloped(operation: str, fields: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP_12}" xmlns:ns1="{SVC}" xmlns:ns2="{COM}"><s:Body><ns1:{operation}Response>'
        f"{fields}<ns1:result>true</ns1:result></ns1:{operation}Response></s:Body></s:Envelope>"
    ).encode()


def refusal(operation: str, fields: str, budget: Budget = SMALL) -> Failure:
    with pytest.raises(Failure) as caught:
        read(operation, enveloped(operation, fields), budget)
    return caught.value


@pytest.mark.parametrize("large", [1, 40_000])
@pytest.mark.parametrize("text", ["&lt;a&gt;{}&lt;/a&gt;", "<![CDATA[{}]]>", "<!-- c -->{}", "é{}"])
def test_a_document_counts_by_what_it_says(text: str, large: int) -> None:
    budget = Budget(1_000_000, 100_000, 10_000_000)
    for size, accepted in ((59_900 + large, True), (100_001, False)):
        fields = f"<ns1:data>{text.format('x' * size)}</ns1:data>"
        if accepted:
            assert len(read("GetProfiles", enveloped("GetProfiles", fields), budget)["data"]) >= size
        else:
            assert refusal("GetProfiles", fields, budget).reason is Reason.REPLY_TOO_LARGE


def test_a_large_text_that_cannot_be_cut_out_is_read_up_to_half_the_reply_s_budget() -> None:
    fields = f"<ns1:data><![CDATA[{'x' * 600_000}]]></ns1:data>"
    failure = refusal("GetProfiles", fields, Budget(1_000_000, 1_000_000, 10_000_000))
    assert failure.reason is Reason.REPLY_TOO_COMPLEX


@pytest.mark.parametrize(
    ("operation", "fields", "place"),
    [
        ("GetUserList", "<ns2:UserList>ann</ns2:UserList>", "GetUserListResponse.UserList"),
        ("GetUserList", "<UserList>ann</UserList>", "GetUserListResponse.UserList"),
        ("GetProfiles", "<ns2:data>ann</ns2:data>", "GetProfilesResponse.data"),
        (
            "GetMimeMappings",
            "<ns1:mime><ns1:map><ns2:ext>a</ns2:ext><ns2:type>b</ns2:type></ns1:map></ns1:mime>",
            "GetMimeMappingsResponse.mime.map",
        ),
    ],
)
def test_an_element_in_another_namespace_is_no_empty_list(operation: str, fields: str, place: str) -> None:
    failure = refusal(operation, fields)
    assert (failure.reason, failure.message.partition(" ")[0]) == (Reason.REPLY_MALFORMED, place)


def test_what_a_newer_server_adds_beside_a_field_is_passed_over() -> None:
    fields = "<ns1:UserList>ann</ns1:UserList><ns2:UserList>bob</ns2:UserList>"
    assert read("GetUserList", enveloped("GetUserList", fields))["UserList"] == ["ann"]


@pytest.mark.parametrize("bad", ["\x01", "&#1;", "\ufffe", "&#xFFFF;", "&#x0;"])
@pytest.mark.parametrize(
    ("operation", "fields", "place"),
    [
        ("GetUserList", "<ns1:UserList>a{}b</ns1:UserList>", "GetUserListResponse.UserList"),
        (
            "GetMimeMappings",
            "<ns1:mime><ns2:map><ns2:ext>{}</ns2:ext><ns2:type>b</ns2:type></ns2:map></ns1:mime>",
            "GetMimeMappingsResponse.mime.map.ext",
        ),
    ],
)
def test_a_field_that_holds_a_character_of_no_xml_is_named(operation: str, fields: str, place: str, bad: str) -> None:
    failure = refusal(operation, fields.format(bad))
    assert (failure.reason, failure.message.partition(" ")[0]) == (Reason.CHARACTER_FORBIDDEN, place)


@pytest.mark.parametrize("filler", [10, 40_000])
@pytest.mark.parametrize(("bad", "held"), [("\x01", "\x01"), ("&#1;", "\x01"), ("\ufffe", "\ufffe"), ("\ud800",) * 2])
def test_a_document_with_such_a_character_goes_on_to_whoever_can_name_the_place(
    bad: str, held: str, filler: int
) -> None:
    fields = f"<ns1:data>&lt;a&gt;{'x' * filler}{bad}y{bad}&lt;/a&gt;</ns1:data>"
    raw = (
        enveloped("GetProfiles", fields)
        if bad != "\ud800"
        else enveloped("GetProfiles", fields.replace(bad, "@@")).replace(b"@@", b"\xed\xa0\x80")
    )
    data = read("GetProfiles", raw, budgets.ONE_DOCUMENT)["data"]
    assert data == f"<a>{'x' * filler}{held}y{held}</a>".encode("utf-8", "surrogatepass")


def test_a_cut_reply_is_malformed_also_with_such_a_character() -> None:
    raw = enveloped("GetProfiles", "<ns1:data>\x01</ns1:data>")[:-30]
    with pytest.raises(Failure) as caught:
        read("GetProfiles", raw)
    assert caught.value.reason is Reason.REPLY_MALFORMED


@pytest.mark.parametrize("status", [415, 500])
@pytest.mark.parametrize("soap", [SOAP_11, SOAP_12])
def test_a_server_of_another_version_of_soap_is_named_as_such(soap: str, status: int) -> None:
    fault = "<s:Fault><faultcode>s:VersionMismatch</faultcode><faultstring>no</faultstring></s:Fault>"
    raw = f'<s:Envelope xmlns:s="{soap}"><s:Body>{fault}</s:Body></s:Envelope>'.encode()
    for body in (raw, b"unsupported") if status == 415 else (raw,):
        with pytest.raises(Failure) as caught:
            read("GetProfiles", body, status=status)
        assert caught.value.reason is Reason.SOAP_VERSION_UNSUPPORTED


@given(st.sampled_from(sorted(wsdl.service().operations())), st.integers(1, 2**40), st.integers(0, 2**30))
def test_no_budget_is_more_than_the_settings_and_the_primary_allow(operation: str, limit: int, size: int) -> None:
    budget = OperationBudgets(limit, AccountSizes(size, size)).of(operation)
    assert budget.reply <= limit
    if operation not in ("GetProfiles", "GetGroups"):
        assert budget.reply <= budgets.ESCAPED * budgets.DOCUMENT + 1
    assert budget.document <= max(budgets.USERS, budgets.BESIDE_PRIMARY * size)
    assert budget.tree <= max(budgets.LIST_TREE, budgets.TREE_TO_SIZE * size)


@given(st.integers(0, 2**34))
def test_what_is_read_of_the_primary_fits_into_the_room_there_is(room: int) -> None:
    budget = OperationBudgets(2**40, room=room).of("GetProfiles")
    assert budget.reply + budget.document + budget.tree <= room
