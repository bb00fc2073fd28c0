"""What names an element, and what is a value in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from common.errors import Reason
from replication.documents.diff import Paths
from replication.documents.entry_names import key_of, names_of
from replication.documents.keep_labels import element_labels
from replication.documents.keep_patterns import Rules
from replication.documents.merge import AmbiguousEntries, merge
from replication.documents.undecided import NamesUndecided
from tests.support.documents import parse_text

TAGS = ("setting", "property", "option", "parameter", "key", "name", "id")
"""What a name is called, and what an entry may be called too."""
ENTRIES = (
    '<{0} id="kind" value="{1}"/>', '<{0} name="kind" value="{1}"/>', '<{0} name="kind">{1}</{0}>',
    '<{0} key="kind">{1}</{0}>', '<{0} title="kind">{1}</{0}>', "<{0}><name>kind</name><value>{1}</value></{0}>",
    "<{0}><id>kind</id><v>{1}</v></{0}>", '<{0} name="kind"><value>{1}</value></{0}>',
)  # fmt: skip
"""A setting called "kind", in every style."""
BESIDE = ("", "<x>1</x>", "<name>kind</name>", '<setting id="other" value="2"/>', "<value>2</value>")


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("beside", BESIDE)
def test_the_value_of_a_setting_never_names_what_the_setting_is_in(tag: str, entry: str, beside: str) -> None:
    root = parse_text(f"<settings><ldap>{entry.format(tag, 'adminhunter2')}{beside}</ldap></settings>")
    assert "adminhunter2" not in f"{list(names_of(root[0]))} {element_labels(root[0])} {Paths().steps_to(root[0])}"


@pytest.mark.parametrize("tag", ["setting", "property", "option", "parameter", "key"])
@pytest.mark.parametrize(
    ("form", "is_name"),
    [
        ("<e><{0}>soapPort</{0}><value>1</value></e>", True),
        ("<e><value>1</value><{0}>soapPort</{0}></e>", True),
        ('<e><{0} value="soapPort"/><v>1</v></e>', True),
        ("<e><type>int</type><{0}>soapPort</{0}><value>1</value></e>", True),
        ("<e><{0}>soapPort</{0}><int>1</int></e>", True),
        ('<e {0}="soapPort"><x/></e>', True),
        ("<e><{0}>soapPort</{0}></e>", False),
        ("<e><{0}>soapPort</{0}><cert>1</cert></e>", False),
        ("<e><{0}>soapPort</{0}><cert>1</cert><value>1</value></e>", True),
        ("<e><{0}>soapPort</{0}><{0}>other</{0}><value>1</value></e>", False),
        ('<e><{0} unit="s">soapPort</{0}><value>1</value></e>', True),
    ],
)
def test_a_child_called_like_a_setting_is_a_name_only_in_a_pair_with_its_value(
    tag: str, form: str, is_name: bool
) -> None:
    assert (key_of(parse_text(form.format(tag))) == "soapPort") is is_name


SERVERS = "<settings><servers>{}</servers></settings>"


@pytest.mark.parametrize(
    "server",
    [
        '<server><setting id="color" value="{0}"/><setting id="certificateFile" value="{1}"/></server>',
        '<server><property name="color">{0}</property><property name="certificateFile">{1}</property></server>',
        "<server><option>{0}</option><cert>{1}</cert></server>",
        "<server><key>{0}</key><cert>{1}</cert></server>",
    ],
)
def test_what_a_machine_keeps_never_ends_in_another_entry_because_a_value_changed(server: str) -> None:
    primary, own = SERVERS.format(server.format("blue", "p")), SERVERS.format(server.format("red", "own"))
    with pytest.raises(AmbiguousEntries) as failure:
        merge(parse_text(primary), parse_text(own), Rules.standard())
    assert failure.value.reason is Reason.ENTRIES_AMBIGUOUS


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("value", ["SOAP", "dark", "certificates"])
def test_no_pattern_is_steered_by_the_value_of_a_setting(tag: str, value: str) -> None:
    section = f'<s><ui><{tag} name="theme" value="{value}"/><x>{{}}</x></ui></s>'
    merged = merge(parse_text(section.format("p")), parse_text(section.format("b")), Rules.standard(("dark",)))
    assert merged.findtext("ui/x") == "p"


VALUE_TAGS = ("value", "val", "v", "data", "string", "int", "dword", "bool")
NEWER = ("", ' revision="7"', ' label="{}"')
"""What a newer server writes at each entry; ``{}`` is another text on each server."""
NEWER_INSIDE = ("", "<type>int</type>", "<readonly>false</readonly>")


@given(
    tag=st.sampled_from(TAGS),
    value=st.sampled_from(VALUE_TAGS),
    newer=st.sampled_from(NEWER),
    inside=st.sampled_from(NEWER_INSIDE),
    absent=st.sampled_from(("primary", "own", "neither")),
    others=st.integers(1, 3),
    first=st.booleans(),
)
def test_a_kept_entry_stays_as_it_is_whatever_its_value_is_called_and_where_it_is_absent(
    tag: str, value: str, newer: str, inside: str, absent: str, others: int, first: bool
) -> None:
    def document(side: str) -> str:
        held = "" if absent == side else f"<{value}>{side}</{value}>"
        kept = f"<e{newer.format(side)}><{tag}>soapPort</{tag}>{held}{inside}</e>"
        rest = "".join(
            f"<e{newer.format(side)}><{tag}>depth{n}</{tag}><{value}>{n}</{value}>{inside}</e>" for n in range(others)
        )
        return f"<s><list>{kept + rest if first else rest + kept}</list></s>"

    own = parse_text(document("own"))
    try:
        merged = merge(parse_text(document("primary")), own, Rules.standard())
    except NamesUndecided:
        assert newer  # with a value of its own it may be a thing that people named, too
        return
    stayed = [etree.tostring(one) for one in merged.iter("e") if one.findtext(tag) == "soapPort"]
    assert stayed == [etree.tostring(one) for one in own.iter("e") if one.findtext(tag) == "soapPort"]
