"""Lists taken apart piece by piece: always what taking the parsed document apart gives, whatever was seen before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.safe_xml import parse_document
from local.cerberus.generate import generate
from local.cerberus.machine import Machine
from replication.documents import canonical, list_index, named_items
from tests.support.documents import parse_text

NAMES = ("ann", "Ann", "ANN", "bob", "zoë", "straße", "STRASSE")
INSIDE = (
    "",
    "<a>1</a>",
    "<a> 1 </a>",
    "<user name='inner'/>",
    "<user name='inner'>x</user>",
    "<lastLoginTime>2026-01-01</lastLoginTime>",
    "<lastLoginTime>2026-02-02</lastLoginTime>",
    "<lastLoginTime/>",
    "<lastLoginTime>a&amp;b</lastLoginTime>",
    "<lastLoginTime>all</lastLoginTime>",
    "<lastLoginTime>none</lastLoginTime>",
    "<lastLoginTime>192.0.2.1 all</lastLoginTime>",
    "<lastLoginTime> 192.0.2.1, 7 </lastLoginTime>",
    "<lastLoginTime><x/></lastLoginTime>",
    "<w> <lastLoginTime>1</lastLoginTime> </w>",
    "<w> </w>",
    "<w/>",
    "<!-- <lastLoginTime>1</lastLoginTime> -->",
    "<!-- <lastLoginTime>2</lastLoginTime> -->",
    "<d><![CDATA[<lastLoginTime>1</lastLoginTime>]]></d>",
    "<d><![CDATA[<lastLoginTime>2</lastLoginTime>]]></d>",
    "<d>&lt;lastLoginTime>1&lt;/lastLoginTime></d>",
    "<d>&lt;lastLoginTime>2&lt;/lastLoginTime></d>",
    "<?pi <lastLoginTime>1</lastLoginTime>?>",
    "<?pi <lastLoginTime>2</lastLoginTime>?>",
    "<![CDATA[</user>]]>",
    "<!-- </user> -->",
)
BETWEEN = ("", "\n", " text ", "<!-- c -->", "<other/>", "<other>x</other>", "<user/>", "</users><users>", "</user>")
HEADS = (
    "<users>",
    "\ufeff<users>",
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n<users version="2" lastLogin="x">',
    "<!-- c --><users>",
    '<users xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:b="urn:b">',
    "<!DOCTYPE users><users>",
)


@st.composite
def written(draw: st.DrawFn) -> str:
    """A list of users as some server might write it, or something that only looks like one."""
    out = [draw(st.sampled_from(HEADS))]
    for _ in range(draw(st.integers(0, 4))):
        out.append(draw(st.sampled_from(BETWEEN[:2] * 6 + BETWEEN)))
        name = draw(st.sampled_from(NAMES))
        inside = "".join(draw(st.lists(st.sampled_from(INSIDE), max_size=3)))
        out.append(draw(st.sampled_from((f"<user name='{name}'>{inside}</user>",) * 6 + (f"<user name='{name}'/>",))))
    out.append(draw(st.sampled_from(BETWEEN[:2] * 6 + BETWEEN)))
    out.append(draw(st.sampled_from(("</users>",) * 8 + ("</users>\n", "</users><!-- c -->", "", "</users><users/>"))))
    return "".join(out)


def whole(text: str) -> named_items.Items | None:
    try:
        return named_items.items(parse_text(text), "user")
    except ValueError:
        return None


@settings(max_examples=1500)
@given(written())
def test_a_list_taken_apart_by_pieces_is_what_it_is_as_a_whole(text: str) -> None:
    pieces = list_index.take_apart(text.encode(), "user")
    if pieces is not None:
        assert pieces.items == whole(text)


@settings(max_examples=500)
@given(written(), st.sets(st.sampled_from([name.casefold() for name in NAMES] + ["ann\x082"])))
def test_excerpts_by_pieces_are_those_of_the_whole(text: str, keys: set[str]) -> None:
    pieces = list_index.take_apart(text.encode(), "user")
    if pieces is not None:
        assert {key: canonical_text(part) for key, part in pieces.excerpts(text.encode(), keys).items()} == {
            key: canonical_text(part) for key, part in named_items.excerpts(parse_text(text), "user", keys).items()
        }


def canonical_text(excerpt: bytes) -> str:
    return canonical.canonical(parse_document(excerpt))


@pytest.mark.parametrize("document", ["profiles", "groups"])
def test_the_lists_of_a_server_need_not_be_read_as_a_whole(document: str) -> None:
    text = generate(users=30, groups=30).document(document)
    pieces = list_index.take_apart(text.encode(), {"profiles": "user", "groups": "group"}[document])
    assert pieces is not None
    assert len(pieces.items.entries) == 30


def test_of_a_server_that_differs_in_run_time_values_nearly_nothing_is_parsed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = (
        generate(users=60, groups=2, machine=Machine.named(name)).document("profiles").encode() for name in "abc"
    )
    list_index.take_apart(first, "user")
    list_index.take_apart(second, "user")  # users who never logged in on the first one
    parsed: list[bytes] = []
    real = list_index._Context.understood

    def watched(context: list_index._Context, piece: bytes) -> object:
        parsed.append(piece)
        return real(context, piece)

    monkeypatch.setattr(list_index._Context, "understood", watched)
    pieces = list_index.take_apart(third, "user")
    assert pieces is not None
    assert pieces.items == named_items.items(parse_document(third), "user")
    assert len(parsed) < 20


@pytest.mark.parametrize(
    "text",
    [
        "<users/>",
        "<users></users>",
        "<users><list><user name='a'></user></list></users>",
        "<users><user name='a'></user><other/></users>",
        "<users>text<user name='a'></user></users>",
        "<users><user></user></users>",
    ],
)
def test_what_is_no_plain_list_is_read_as_a_whole(text: str) -> None:
    assert list_index.take_apart(text.encode(), "user") is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_index, "MOST_PIECES", 10)
    monkeypatch.setattr(list_index, "_CONTEXTS", list_index._Contexts())
    for number in range(40):
        names = "".join(f"<user name='{number}-{n}'></user>" for n in range(4))
        assert list_index.take_apart(f"<users>{names}</users>".encode(), "user") is not None
        assert sum(len(context.pieces) for context in list_index._CONTEXTS._contexts.values()) <= 14


@pytest.mark.parametrize(
    "inside",
    [
        "<d><![CDATA[<lastLoginTime>{}</lastLoginTime>]]></d>",
        "<d a='{}'><lastLoginTime>1</lastLoginTime></d>",
        "<d><lastLoginTime><x>{}</x></lastLoginTime><y>{}</y></d>",
        "<d>&lt;lastLoginTime>{}&lt;/lastLoginTime></d>",
        "<w><lastLoginTimes>{}</lastLoginTimes></w>",
    ],
)
def test_what_only_looks_like_a_run_time_value_counts(inside: str) -> None:
    head = f"<users of='{hash(inside)}'>"  # a context of its own, that learns how run-time values are written

    def entries(value: str) -> dict[str, str]:
        users = "<user name='a'><lastLoginTime>1</lastLoginTime></user><user name='b'>{}</user>"
        text = f"{head}{users.format(inside.replace('{}', value))}</users>"
        pieces = list_index.take_apart(text.encode(), "user")
        assert pieces is not None
        assert pieces.items == whole(text)
        return pieces.items.entries

    assert entries("1")["b"] != entries("2")["b"]
