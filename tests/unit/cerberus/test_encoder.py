"""The bytes of requests are what zeep would have made of the same fields, whatever was sent before."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cerberus import encoder, wsdl
from common.errors import Failure, Reason
from common.runtime import SystemRuntime

ANYTHING = st.text(alphabet=st.characters(blacklist_categories=[])) | st.text("&<>\"'\r\n\t \x01\x7f\x85\u2028]ä日😀")
OPERATIONS: dict[str, tuple[str, ...]] = {
    "GetProfiles": (),
    "SaveProfiles": ("ProfilesXML", "GroupsXML"),
    "SaveConfiguration": ("ConfigXML",),
    "SaveBlockList": ("IPBlockList", "AutoBlockListXML"),
    "SetEventRules": ("dataXml",),
}


def alone(name: str, fields: Mapping[str, Any]) -> bytes | None:
    """What zeep and the serializer make, None for what XML cannot say."""
    try:
        rendered = wsdl.service().operation(name).render(fields)
    except ValueError:
        return None
    return bytes(etree.tostring(rendered, xml_declaration=True, encoding="utf-8"))


def written(name: str, fields: Mapping[str, Any]) -> bytes | None:
    try:
        return b"".join(encoder.write_request(wsdl.service().operation(name), fields, SystemRuntime()).pieces)
    except Failure as failure:
        return None if failure.reason is Reason.CONTENT_UNSENDABLE else b""


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Texts are escaped a few bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "PIECE", 5)
        yield


@settings(max_examples=800)
@given(st.sampled_from(sorted(OPERATIONS)), ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_a_request_is_the_one_zeep_makes(name: str, user: str, password: str, one: str, other: str) -> None:
    texts = dict(zip(OPERATIONS[name], (one, other), strict=False))
    credentials = {"credentials": {"user": user, "password": password}}
    expected = alone(name, {**credentials, **texts})
    assert written(name, {**credentials, **texts}) == expected
    if expected is not None:
        assert written(name, {**credentials, **{field: text.encode() for field, text in texts.items()}}) == expected


def test_a_document_pushed_to_several_backups_is_escaped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    escaped: list[bytes] = []
    real = encoder._escaped

    def counted(text: bytes) -> encoder._Written | None:
        escaped.append(text)
        return real(text)

    monkeypatch.setattr(encoder, "_escaped", counted)
    encoder._remembered.cache_clear()
    document, sent = b"<users>" + b"u" * 40_000 + b"</users>", []
    for number in range(5):
        credentials = {"user": "admin", "password": f"password {number}"}
        fields = {"credentials": credentials, "ProfilesXML": document, "GroupsXML": b"<groups/>"}
        sent.append(
            b"".join(encoder.write_request(wsdl.service().operation("SaveProfiles"), fields, SystemRuntime()).pieces)
        )
    assert escaped.count(document) == 1
    assert [f"password {number}".encode() in sent[number] for number in range(5)] == [True] * 5
    assert len({request.replace(f"password {n}".encode(), b"") for n, request in enumerate(sent)}) == 1


@pytest.mark.parametrize(("size", "kept"), [(10, 0), (50, 1), (101, 0)])
def test_only_a_large_document_that_is_not_too_large_is_kept_in_memory(
    size: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "LARGE", 20)
    monkeypatch.setattr(encoder, "_REMEMBERED", 100)
    encoder._remembered.cache_clear()
    fields = {"credentials": {"user": "u", "password": "p"}, "dataXml": b"x" * size}
    encoder.write_request(wsdl.service().operation("SetEventRules"), fields, SystemRuntime())
    assert encoder._remembered.cache_info().currsize == kept


@pytest.mark.parametrize("fields", [{"dataXml": None}, {}, {"unknown": "x"}, {"dataXml": ["a"]}])
def test_fields_that_do_not_fit_are_refused_every_time(fields: dict[str, Any]) -> None:
    for _ in range(2):
        with pytest.raises(Failure) as refused:
            encoder.write_request(
                wsdl.service().operation("SetEventRules"),
                {"credentials": {"user": "u", "password": "p"}, **fields},
                SystemRuntime(),
            )
        assert refused.value.reason is Reason.CONTENT_UNSENDABLE
