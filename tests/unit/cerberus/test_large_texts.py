"""A large text cut out of a reply is what an XML parser would have read, or it is not cut."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerberus import encoder, large_texts, wsdl
from cerberus.decoder import Values, read_reply
from cerberus.transport import Reply
from common import budgets
from common.errors import Failure, Reason
from common.runtime import SystemRuntime

SVC = "http://cerberusllc.com/service/cerberusftpservice"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
BUDGET = budgets.of_primary(None)
TYPE = "application/soap+xml; charset=utf-8"
PIECES = (
    "&lt;", "&gt;", "&amp;", "&quot;", "&apos;", "&#13;", "&#xD;", "&#xA;", "&#9;", "&#x09;", "&#38;", "&#x26;",
    "&#60;", "&amp;lt;", "&amp;amp;", "&#65;", "&nbsp;", "&", "&#;", "&#0;", "&#xFFFE;", ";", "#13;", "lt;", "amp;",
    "\r", "\n", "\r\n", "\t", " ", "a", "users", ">", "]]>", "ä", "日", "😀", "\x01", "\x7f", "\x85", "\ufffe",
    "<!-- c -->", "<![CDATA[<x>&lt;]]>", "<x/>", "<?pi?>",
)  # fmt: skip
HEADS = (
    "",
    '<?xml version="1.0" encoding="UTF-8"?>\n',
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n',
    "\ufeff",
    "\n ",
)


@pytest.fixture(autouse=True, scope="module")
def _small_is_large() -> object:
    """Texts of a few bytes are cut, piece by piece of a few bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_texts, "LARGE", 1)
        patch.setattr(large_texts, "_PIECE", 16)
        yield


def enveloped(content: str, head: str = "", tags: tuple[str, str] = ("<n:data>", "</n:data>")) -> bytes:
    return (
        f'{head}<s:Envelope xmlns:s="{SOAP}" xmlns:n="{SVC}"><s:Body><n:GetProfilesResponse>'
        f"{tags[0]}{content}{tags[1]}<n:result>true</n:result></n:GetProfilesResponse></s:Body></s:Envelope>"
    ).encode("utf-8", "surrogatepass")


def read_text(raw: bytes) -> str | Reason:
    """What reading gives: the document as text, or why there is none."""
    try:
        values = read_reply(
            wsdl.service().operation("GetProfiles"), Reply(200, TYPE, raw), SystemRuntime(), budget=BUDGET
        )
        data = values["data"]
    except Failure as failure:
        return failure.reason
    return data.decode() if isinstance(data, bytes) else str(data)


def read_whole(raw: bytes) -> str | Reason:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_texts, "LARGE", 10**9)
        return read_text(raw)


@settings(max_examples=2000)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=40).map("".join), st.sampled_from(HEADS))
def test_what_is_read_is_the_same_cut_or_whole(content: str, head: str) -> None:
    raw = enveloped(content, head)
    assert read_text(raw) == read_whole(raw)


@settings(max_examples=500)
@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r&<>\"'"), min_size=1))
def test_an_escaped_text_is_cut_out_and_comes_back(text: str) -> None:
    escaped = re.sub("[&<>\r]", lambda match: f"&#{ord(match[0])};" if match[0] == "\r" else ESCAPES[match[0]], text)
    raw = enveloped(escaped)
    cut = large_texts.cut(raw, {}, SystemRuntime(), most=BUDGET.document)
    if "\ufffe" not in text and "\uffff" not in text:
        assert cut is not None
        assert cut.text.decode() == text


ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@pytest.mark.parametrize(
    "tags",
    [
        ("<!-- > x", " --><n:data>a</n:data>"),
        ("<n:data><![CDATA[>", "]]></n:data>"),
        ("<n:data>short</n:data><n:other a='>", "'/>"),
        ("<?pi > ", "?><n:data>a</n:data>"),
        ("<n:other><n:data>", "</n:data></n:other><n:data>a</n:data>"),
    ],
)
def test_what_only_looks_like_a_text_is_not_taken_for_one(tags: tuple[str, str]) -> None:
    raw = enveloped("x" * 50, tags=tags)
    assert read_text(raw) == read_whole(raw)


def test_a_reply_cut_short_behind_its_text_is_no_reply() -> None:
    assert read_text(enveloped("x" * 500)[:-20]) is Reason.REPLY_MALFORMED


@pytest.mark.parametrize("at", range(40, 90, 7))
def test_a_reply_cut_short_inside_its_text_is_no_reply(at: int) -> None:
    raw = enveloped("&lt;" * 60)
    assert read_text(raw[: raw.index(b"&lt;") + at]) is Reason.REPLY_MALFORMED


def test_a_large_text_is_bytes() -> None:
    values: Values = read_reply(
        wsdl.service().operation("GetProfiles"),
        Reply(200, TYPE, enveloped("&lt;a/>" * 9)),
        SystemRuntime(),
        budget=BUDGET,
    )
    assert values["data"] == b"<a/>" * 9


def test_a_text_that_was_sent_and_comes_back_is_the_same_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = b"<users>" + b"<user/>" * 20 + b"</users>"
    fields = {"credentials": {"user": "u", "password": "p"}, "ProfilesXML": sent, "GroupsXML": b""}
    monkeypatch.setattr(encoder, "LARGE", 1)
    large = encoder.write_request(wsdl.service().operation("SaveProfiles"), fields, SystemRuntime()).large
    operation = wsdl.service().operation("GetProfiles")

    def answered(text: bytes) -> object:
        raw = enveloped(text.decode().replace("<", "&lt;").replace(">", "&gt;"))
        return read_reply(operation, Reply(200, TYPE, raw), SystemRuntime(), budget=BUDGET, sent=large)["data"]

    assert answered(sent) is sent
    other = sent.replace(b"<user/>", b"<user />", 1)
    assert answered(other) == other
