"""What the one way of reading foreign XML accepts and refuses."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from common.budgets import ATTRIBUTES, DEPTH, NAMESPACES, PROLOG
from common.safe_xml import (
    XmlForbidden,
    XmlMalformed,
    XmlRefused,
    XmlTooComplex,
    behind_declaration,
    declaration,
    local_name,
    parse,
)
from tests.support.documents import parse_text

SECRET = "hunter2-planted"
DTD = '<!DOCTYPE a [<!ENTITY x "boom">]>'
REPLY = (
    '<?xml version="1.0" encoding="UTF-8"?><!-- gSOAP --><s:Envelope xmlns:s="urn:s">'
    f'<s:Body><u:Users xmlns:u="urn:u"><u:User u:name="Käthe">{SECRET} &amp; &lt;</u:User>'
    "<u:Empty/><![CDATA[x<y]]></u:Users></s:Body></s:Envelope>"
).encode()


def utf7(text: str) -> bytes:
    """UTF-7 in which every character but letters and digits is encoded, so that no angle bracket shows."""
    return b"".join(
        character.encode() if character.isalnum() else b"+" + _base64(character) + b"-" for character in text
    )


def _base64(character: str) -> bytes:
    return codecs.encode(character.encode("utf-16-be"), "base64").strip().rstrip(b"=")


def test_elements_attributes_and_text_are_read() -> None:
    user = parse(REPLY).find(".//{urn:u}User")
    assert user is not None
    assert user.get("{urn:u}name") == "Käthe"
    assert user.text == f"{SECRET} & <"


def test_a_byte_order_mark_of_utf8_is_accepted() -> None:
    assert parse(codecs.BOM_UTF8 + REPLY).tag == "{urn:s}Envelope"
    assert parse_text("\ufeff" + REPLY.decode()).tag == "{urn:s}Envelope"
    assert parse_text("\ufeff<a/>").tag == "a"


@pytest.mark.parametrize("encoding", ["utf-8", "us-ascii", "iso-8859-1", "ISO-8859-15", "windows-1252"])
def test_encodings_that_leave_ascii_as_it_is_are_read(encoding: str) -> None:
    assert parse(f'<?xml version="1.0" encoding="{encoding}"?><a>e</a>'.encode(encoding)).text == "e"


def test_a_declared_one_byte_encoding_is_applied_to_bytes_and_ignored_for_text() -> None:
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1")).text == "é"
    assert parse_text('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>').text == "é"
    assert parse_text('<?xml version="1.0" encoding="UTF-16"?><a>é</a>').text == "é"


@pytest.mark.parametrize(
    "document",
    [
        f"{DTD}<a>&x;</a>",
        f'<?xml version="1.0"?>{DTD}<a/>',
        f"\n <!-- a --> <?pi x?>\n<!-- b -->{DTD}<a/>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<!DOCTYPE a PUBLIC "x" "http://127.0.0.1:9/x.dtd"><a/>',
        "<!DOCTYPE html><html/>",
        "<!doctype html><html></html>",
        f"\ufeff{DTD}<a/>",
    ],
)
def test_a_document_type_declaration_is_forbidden_wherever_it_stands(document: str) -> None:
    with pytest.raises(XmlForbidden):
        parse(document.encode())
    with pytest.raises(XmlForbidden):
        parse_text(document)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("prolog", ['<?xml version="1.0" encoding="UTF-16"?>', "", "\n"])
def test_wide_encodings_are_forbidden(encoding: str, prolog: str) -> None:
    with pytest.raises(XmlForbidden):
        parse(f"{prolog}{DTD}<a>&x;</a>".encode(encoding))


@pytest.mark.parametrize("encoding", ["cp037", "cp500", "cp1140", "cp273"])
def test_ebcdic_is_refused(encoding: str) -> None:
    with pytest.raises(XmlRefused):
        parse(f'<?xml version="1.0" encoding="{encoding}"?>{DTD}<a>&x;</a>'.encode(encoding))


@pytest.mark.parametrize(
    "encoding",
    ["UTF-7", "utf7", "UNICODE-1-1-UTF-7", "ISO-2022-JP", "ISO-2022-KR", "HZ", "UTF-16", "UCS-4", "IBM037", "nonsense"],
)
def test_a_declared_encoding_that_could_hide_a_declaration_is_refused_before_it_is_decoded(encoding: str) -> None:
    with pytest.raises(XmlForbidden, match="encoding"):
        parse(f"<?xml version='1.0' encoding='{encoding}'?>".encode() + b"<a/>")


@pytest.mark.parametrize(
    "head", ["", '<?xml version="1.0"?>', "<?xml version='1.0' encoding='UTF-8'?>", "<?xml-x y='1'?>"]
)
def test_an_encoding_among_the_content_is_content(head: str) -> None:
    assert parse(f"{head}<a encoding='UTF-7'/>".encode()).get("encoding") == "UTF-7"


def test_entities_hidden_in_utf7_are_not_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entities in attributes are expanded while parsing, so finding the declaration afterwards would be too late."""
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 8))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "0123456789">{entities}]><a x="&e7;"/>'
    data = b'<?xml version="1.0" encoding="UTF-7"?>' + utf7(bomb)
    monkeypatch.setattr(etree, "fromstring", lambda *_: pytest.fail("it is parsed"))
    with pytest.raises(XmlForbidden):
        parse(data)


@pytest.mark.parametrize("data", [b"", b"  \r\n", codecs.BOM_UTF8, codecs.BOM_UTF8 + b"\n"])
def test_nothing_is_malformed(data: bytes) -> None:
    with pytest.raises(XmlMalformed, match="empty"):
        parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"plain text",
        b"<a>",
        b"<a/><b/>",
        b"<a>&undeclared;</a>",
        b"<a>&#1;</a>",
        b"<a x='1' x='2'/>",
        b"<p:a/>",
        b"<a>\x01</a>",
        b"<a>\xff\xfe</a>",
        b"<a>\0</a>" + b" " * 100,
        b"\0" * 3,
        b"<!-- never closed",
        b"<?xml version='1.0'?><!-- never closed",
        b"<!",
        b"<?never closed",
        b'<?xml version="1.0" encoding="UTF-8"',
    ],
)
def test_what_is_not_well_formed_is_refused(data: bytes) -> None:
    with pytest.raises(XmlRefused):
        parse(data)


@given(cut=st.integers(min_value=0, max_value=len(REPLY) - 1))
def test_a_reply_cut_short_anywhere_is_malformed(cut: int) -> None:
    with pytest.raises(XmlMalformed) as refusal:
        parse(REPLY[:cut])
    assert SECRET not in str(refusal.value)


@given(st.binary(max_size=80) | st.text(alphabet="<>!?-/=&;#\"' a1\n", max_size=60).map(str.encode))
def test_any_bytes_are_either_read_or_refused(data: bytes) -> None:
    try:
        root = parse(data)
    except XmlRefused:
        return
    assert isinstance(root.tag, str)


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    for document in (text, f"<a>{text}</a>"):
        try:
            assert isinstance(parse_text(document).tag, str)
        except XmlRefused:
            continue


def test_a_lone_surrogate_is_malformed() -> None:
    with pytest.raises(XmlMalformed, match="surrogate"):
        parse_text("<a>\ud800</a>")


def test_a_text_of_fifteen_megabytes_passes_where_there_is_room_for_it() -> None:
    text = parse(b"<a>" + b"x" * 15_000_000 + b"</a>", tree=16_000_000).text
    assert text is not None
    assert len(text) == 15_000_000


def test_nesting_up_to_the_limit_passes_and_deeper_is_refused() -> None:
    assert parse(b"<a>" * DEPTH + b"</a>" * DEPTH).tag == "a"
    for depth, refusal in ((DEPTH + 1, XmlTooComplex), (1_000, XmlTooComplex), (100_000, XmlRefused)):
        with pytest.raises(refusal):
            parse(b"<a>" * depth + b"</a>" * depth)


def wide(attributes: int) -> bytes:
    return f"<a><b {' '.join(f'x{n}="1"' for n in range(attributes))}/></a>".encode()


def test_an_element_with_more_attributes_than_the_limit_is_refused() -> None:
    assert len(parse(wide(ATTRIBUTES))[0].attrib) == ATTRIBUTES
    with pytest.raises(XmlTooComplex, match="attributes"):
        parse(wide(ATTRIBUTES + 1))


def test_namespaces_that_hold_together_are_limited_and_any_number_one_by_one_is_not() -> None:
    def nested(depth: int) -> str:
        declared = "".join(f" xmlns:p{depth}x{n}='u'" for n in range(50))
        return f"<a{declared}>{nested(depth - 1) if depth else ''}</a>"

    assert len(parse(nested(NAMESPACES // 50 - 1).encode()).nsmap) == 50
    assert len(parse(f"<a>{nested(0) * NAMESPACES}</a>".encode())) == NAMESPACES
    with pytest.raises(XmlTooComplex, match="namespaces"):
        parse(nested(NAMESPACES // 50).encode())


@pytest.mark.parametrize(
    "data",
    [
        f"<a>{SECRET}</b>",
        f"<{SECRET}>",
        f"<a {SECRET}>",
        f"<a>&{SECRET};</a>",
        f"<!DOCTYPE {SECRET}><a/>",
        f"<?xml version='1.0' encoding='{SECRET}'?><a/>",
        f"{SECRET}",
        f"<{SECRET}:a/>",
    ],
)
def test_a_refusal_holds_nothing_of_the_input(data: str) -> None:
    with pytest.raises(XmlRefused) as refusal:
        parse(data.encode())
    assert SECRET not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_external_entities_are_not_loaded(tmp_path: object) -> None:
    with pytest.raises(XmlForbidden):
        parse(f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}">]><a>&x;</a>'.encode())


@pytest.mark.parametrize(
    ("text", "head", "rest"),
    [
        ('<?xml version="1.0"?><a/>', '<?xml version="1.0"?>', "<a/>"),
        ('\ufeff <?xml version="1.0"?>\n<a/>', '<?xml version="1.0"?>', "\n<a/>"),
        ("<a/>", "", "<a/>"),
        ('<?xml-stylesheet href="x"?><a/>', "", '<?xml-stylesheet href="x"?><a/>'),
    ],
)
def test_a_declaration_is_told_from_what_follows(text: str, head: str, rest: str) -> None:
    assert declaration(text.encode()).decode() == head
    assert text.encode()[behind_declaration(text.encode()) :].decode() == rest


def test_local_names_of_elements_and_attributes() -> None:
    element = etree.fromstring('<p:a xmlns:p="urn:p" p:b="1" c="2"/>')
    assert local_name(element) == "a"
    assert [local_name(str(key)) for key in element.attrib] == ["b", "c"]


@pytest.mark.parametrize("begin", ["", '<?xml version="1.0"?>', '<?xml version="1.0"?>\n'])
@pytest.mark.parametrize("node", ["<!-- -->", "<?a b?>\n"])
def test_as_many_comments_and_instructions_as_the_limit_says_may_stand_before_the_first_element(
    begin: str, node: str
) -> None:
    assert parse((begin + node * PROLOG + "<a/>").encode()).tag == "a"
    with pytest.raises(XmlTooComplex):
        parse((begin + node * (PROLOG + 1) + "<a/>").encode())
