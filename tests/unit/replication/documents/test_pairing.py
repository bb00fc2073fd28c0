"""Which entry of a backup is which of the primary's, case by case, and what happens where it cannot be told."""

import sys
from collections import Counter
from types import FrameType

import pytest
from lxml import etree

from common import budgets
from common.errors import Reason
from replication.documents.canonical import canonical
from replication.documents.keep_patterns import Rules
from replication.documents.merge import AmbiguousEntries, merge
from tests.support.documents import parse_text

RULES = Rules(["*soap*", "*cert*", "admin"])


def merged(primary: str, own: str, rules: Rules = RULES) -> etree._Element:
    """What would be sent, read again; a second merge must find nothing to do."""
    once = sent(primary, own, rules)
    again = sent(primary, etree.tostring(once, encoding="unicode"), rules)
    assert canonical(again) == canonical(once)
    return once


def sent(primary: str, own: str, rules: Rules) -> etree._Element:
    return parse_text(etree.tostring(merge(parse_text(primary), parse_text(own), rules), encoding="unicode"))


def blocked(primary: str, own: str, rules: Rules = RULES) -> str:
    with pytest.raises(AmbiguousEntries) as failure:
        merge(parse_text(primary), parse_text(own), rules)
    assert failure.value.reason is Reason.ENTRIES_AMBIGUOUS
    return failure.value.message


# All names count -----------------------------------------------------------------------------------------------------

FTP = '<param id="ftpSecure" name="Secure" value="{}"/>'
SOAP = '<param id="soapSecure" name="Secure" value="{}"/>'
WEB = '<param id="webSecure" name="Secure" value="{}"/>'
CHILDREN = "<e><key>Secure</key><id>{}</id><value>{}</value></e>"
BOTH = '<e name="Secure"><name>{}</name><value>{}</value></e>'


@pytest.mark.parametrize(
    ("primary", "own", "expected"),
    [
        # two entries that share one of their names, in another order
        ((FTP.format("p"), SOAP.format("p")), (SOAP.format("b"), FTP.format("b")),
         (FTP.format("p"), SOAP.format("b"))),
        # the kept one is on the backup alone
        ((FTP.format("p"),), (SOAP.format("b"), FTP.format("b")), (SOAP.format("b"), FTP.format("p"))),
        # the kept one is on the primary alone
        ((SOAP.format("p"), FTP.format("p")), (FTP.format("b"),), (FTP.format("p"),)),
        # an ordinary one shares a name with the kept one that the primary lacks
        ((WEB.format("p"), FTP.format("p")), (SOAP.format("b"),),
         (SOAP.format("b"), WEB.format("p"), FTP.format("p"))),
        # one section each, of one name and two ids, one of which is kept
        (('<section id="ftp" name="Main"><port>p</port></section>',),
         ('<section id="admin" name="Main"><port>b</port></section>',),
         ('<section id="admin" name="Main"><port>b</port></section>',
          '<section id="ftp" name="Main"><port>p</port></section>')),
        (('<section id="admin" name="Main"><port>p</port></section>',),
         ('<section id="ftp" name="Main"><port>b</port></section>',), ()),
        # names as children, and one as an attribute and the other as a child
        ((CHILDREN.format("ftp", "p"), CHILDREN.format("soap", "p")),
         (CHILDREN.format("soap", "b"), CHILDREN.format("ftp", "b")),
         (CHILDREN.format("ftp", "p"), CHILDREN.format("soap", "b"))),
        ((BOTH.format("soap", "p"), BOTH.format("ftp", "p")), (BOTH.format("ftp", "b"), BOTH.format("soap", "b")),
         (BOTH.format("soap", "b"), BOTH.format("ftp", "p"))),
        # several of one name: the kept ones all stay, the ordinary ones are the primary's
        (('<e name="x">1</e>', '<e name="soap">p</e>', '<e name="x">2</e>'),
         ('<e name="soap">b1</e>', '<e name="x">8</e>', '<e name="soap">b2</e>'),
         ('<e name="x">1</e>', '<e name="soap">b1</e>', '<e name="soap">b2</e>', '<e name="x">2</e>')),
    ],
)  # fmt: skip
def test_an_entry_is_known_by_all_its_names(
    primary: tuple[str, ...], own: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    before, held, after = (f"<s>{''.join(entries)}</s>" for entries in (primary, own, expected))
    assert canonical(merged(before, held)) == canonical(parse_text(after))


def test_a_section_whose_names_are_a_value_of_its_own_is_still_the_same() -> None:
    rules = Rules(["server/@name", "port"])
    primary = '<s><server name="P"><port>p</port><x>p</x></server></s>'
    own = '<s><server name="B"><port>b</port><x>b</x></server></s>'
    expected = '<s><server name="B"><port>b</port><x>p</x></server></s>'
    assert canonical(merged(primary, own, rules)) == canonical(parse_text(expected))


def test_a_pattern_for_a_name_holds_after_the_name_has_come_over() -> None:
    """What is kept only because of the backup's name for the section would be lost in the second run."""
    rules = Rules(["inside/port"])
    primary = '<s><server name="outside"><port>p</port><x>p</x></server></s>'
    own = '<s><server name="inside"><port>b</port><x>b</x></server></s>'
    expected = (
        '<s><server name="inside"><port>b</port></server><server name="outside"><port>p</port><x>p</x></server></s>'
    )
    assert canonical(merged(primary, own, rules)) == canonical(parse_text(expected))


def test_a_root_whose_name_decides_is_unclear() -> None:
    rules = Rules(["/inside/port"])
    assert blocked('<s name="outside"><port>p</port></s>', '<s name="inside"><port>b</port></s>', rules).endswith(
        ": /s"
    )
    assert merged('<s name="inside"><port>p</port></s>', '<s name="inside"><port>b</port></s>', rules)[0].text == "b"


# Entries without a name ----------------------------------------------------------------------------------------------


def site(host: str, cert: str = "", rest: str = "") -> str:
    kept = f"<cert>{cert}</cert>" if cert else ""
    return f"<site><host>{host}</host>{rest}{kept}</site>"


def sites(*entries: str, container: str = "sites") -> str:
    return f"<s><{container}>{''.join(entries)}</{container}></s>"


@pytest.mark.parametrize("container", ["sites", "web"])
@pytest.mark.parametrize(
    ("primary", "own", "expected"),
    [
        # one comes in front, one goes, they change places
        ([site("n"), site("a"), site("b")], [site("a", "1"), site("b", "2")],
         [site("n"), site("a", "1"), site("b", "2")]),
        ([site("b", "p"), site("c")], [site("a"), site("b", "2"), site("c")], [site("b", "2"), site("c")]),
        ([site("b"), site("a", "p")], [site("a", "1"), site("b", "2")], [site("b", "2"), site("a", "1")]),
        # the backup's own stays although the primary has the section no longer
        ([site("a"), site("b")], [site("c", "3"), site("b", "2"), site("a", "1")],
         ["<site><cert>3</cert></site>", site("a", "1"), site("b", "2")]),
        # alike but for what is kept: there is nothing but their order
        ([site("a"), site("a", "p")], [site("a", "1"), site("a", "2")], [site("a", "1"), site("a", "2")]),
        # what nobody keeps can be edited anyhow
        ([site("x"), site("a"), site("y")], [site("a", "1"), site("b"), site("c")],
         [site("x"), site("a", "1"), site("y")]),
    ],
)  # fmt: skip
def test_entries_without_a_name_are_told_apart_by_what_is_in_them(
    primary: list[str], own: list[str], expected: list[str], container: str
) -> None:
    result = merged(sites(*primary, container=container), sites(*own, container=container))
    assert canonical(result) == canonical(parse_text(sites(*expected, container=container)))


@pytest.mark.parametrize(
    ("primary", "own"),
    [
        # edited on one side
        ([site("a2"), site("b")], [site("a", "1"), site("b", "2")]),
        # as many as before, but which is which?
        ([site("x"), site("y")], [site("a", "1"), site("b")]),
        # one of two that are alike is gone, or has come
        ([site("a"), site("b")], [site("a", "1"), site("a", "2"), site("b")]),
        ([site("a"), site("a")], [site("a", "1")]),
        # the only one of a list may be another one
        ([site("a")], [site("b", "2")]),
        # what is left of one would look like another
        (["<site/>"], ["<site/>", site("b", "2")]),
    ],
)
def test_entries_that_nothing_tells_apart_wait_for_a_person(primary: list[str], own: list[str]) -> None:
    message = blocked(sites(*primary), sites(*own))
    assert message.endswith("in 1 list: /s/sites/site")


TITLED = "<site><title>{}</title><x>{}</x>{}</site>"


def test_a_title_is_a_name() -> None:
    primary = sites(TITLED.format("new", 1, ""), TITLED.format("a", 2, ""), TITLED.format("b", 3, "<cert>p</cert>"))
    own = sites(TITLED.format("a", 8, "<cert>1</cert>"), TITLED.format("b", 9, "<cert>2</cert>"))
    expected = sites(
        TITLED.format("new", 1, ""), TITLED.format("a", 2, "<cert>1</cert>"), TITLED.format("b", 3, "<cert>2</cert>")
    )
    assert canonical(merged(primary, own)) == canonical(parse_text(expected))


def test_a_title_keeps_nothing() -> None:
    entry = "<site><title>Certificates for admins</title><x>{}</x></site>"
    assert canonical(merged(sites(entry.format("p")), sites(entry.format("b")))) == canonical(
        parse_text(sites(entry.format("p")))
    )


@pytest.mark.parametrize(
    ("primary", "own"),
    [
        # one of two names is another: renumbered, or another entry?
        (('<l id="1" name="a"/>', '<l id="2" name="c"/>'), ('<l id="7" name="a"><cert>1</cert></l>',)),
        # two of the primary's could be it
        (('<l id="1" name="a"/>', '<l id="2" name="b"/>'), ('<l id="1" name="b"><cert>1</cert></l>',)),
        # one side gives names, the other does not
        (('<l name="a"/>', '<l name="b"/>'), ("<l><cert>1</cert></l>", "<l><cert>2</cert></l>")),
        (("<l/>", "<l/>"), ('<l name="a"><cert>1</cert></l>', '<l name="b"><cert>2</cert></l>')),
        # another type
        (
            ('<l name="a" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="A"/>', '<l name="b"/>'),
            ('<l name="a" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="B"><cert>1</cert></l>',),
        ),
    ],
)
def test_an_entry_that_could_be_one_of_the_primarys_waits_for_a_person(
    primary: tuple[str, ...], own: tuple[str, ...]
) -> None:
    assert blocked(f"<s>{''.join(primary)}</s>", f"<s>{''.join(own)}</s>").endswith("in 1 list: /s/l")


def test_the_only_entry_of_a_list_is_another_one_when_it_is_called_otherwise() -> None:
    primary = '<s><listeners><listener name="ftp"><x>p</x><cert>p</cert></listener></listeners></s>'
    own = '<s><listeners><listener name="web"><x>b</x><cert>b</cert></listener></listeners></s>'
    expected = (
        '<s><listeners><listener name="web"><cert>b</cert></listener>'
        '<listener name="ftp"><x>p</x></listener></listeners></s>'
    )
    assert canonical(merged(primary, own)) == canonical(parse_text(expected))


def test_every_place_is_named_and_no_value() -> None:
    primary = "<s>" + "".join(f"<a{n}s><a{n}>secret1</a{n}></a{n}s>" for n in range(1000, 1007)) + "</s>"
    own = primary.replace("secret1", "secret2<cert/>")
    message = blocked(primary, own)
    assert "in 7 lists: /s/a1000s/a1000, " in message
    assert message.endswith("/s/a1004s/a1004, ...")
    assert "secret" not in message
    tag = "x" * (budgets.NAME - 1)
    assert len(blocked(f"<s><{tag}s><{tag}/></{tag}s></s>", f"<s><{tag}s><{tag}>1<cert/></{tag}></{tag}s></s>")) < 400


def test_a_pattern_for_the_whole_list_settles_it() -> None:
    primary, own = sites(site("x"), site("y")), sites(site("a", "1"), site("b"))
    assert blocked(primary, own)
    assert canonical(merged(primary, own, Rules(["cert", "sites"]))) == canonical(parse_text(own))


# What prefixes mean --------------------------------------------------------------------------------------------------

XSI = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.mark.parametrize(
    ("primary", "own"),
    [
        # declared where the primary declares nothing, or something else, or another prefix for it
        (f"<s {XSI}>@</s>", f'<s {XSI} xmlns:q="urn:q">@</s>'),
        (f'<s {XSI} xmlns:q="urn:other"><y i:type="q:Y"/>@</s>', f'<s {XSI} xmlns:q="urn:q">@</s>'),
        (f'<s {XSI} xmlns:r="urn:q">@</s>', f'<s {XSI} xmlns:q="urn:q">@</s>'),
        (f'<s {XSI} xmlns="urn:q"><y i:type="Y"/>@</s>', f'<q:s {XSI} xmlns:q="urn:q">@</q:s>'),
        # declared on the way down, and again
        (f"<s {XSI}><a>@</a></s>", f'<s {XSI}><a xmlns:q="urn:q">@</a></s>'),
        (f'<s {XSI} xmlns:q="urn:q"><a xmlns:q="urn:other"><y i:type="q:Y"/>@</a></s>',
         f'<s {XSI} xmlns:q="urn:q"><a>@</a></s>'),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("theirs", "ours", "path"),
    [
        ("<soap/>", '<soap i:type="q:Soap">q:text</soap>', ".//{*}soap"),
        ("", '<soap><x i:type="q:Soap">q:text</x></soap>', ".//{*}soap/{*}x"),
        ("<x/>", '<x soap="q:Soap"/>', ".//{*}x"),
        ("", '<x soap="q:Soap"><z/></x>', ".//{*}x"),
        ('<x xmlns:q="urn:third"><z soap="q:p"/></x>', '<x><z soap="q:Soap"/></x>', ".//{*}z"),
        ("", '<soap xmlns:q="urn:own" i:type="q:Soap"/>', ".//{*}soap"),
    ],
)
def test_a_prefix_in_a_kept_value_means_what_it_meant(
    primary: str, own: str, theirs: str, ours: str, path: str
) -> None:
    documents = primary.replace("@", theirs), own.replace("@", ours)
    if "q:s " in own:  # unprefixed names are in the primary's default namespace
        documents = (
            documents[0],
            documents[1]
            .replace("<x", "<q:x")
            .replace("</x", "</q:x")
            .replace("<z", "<q:z")
            .replace("<soap", "<q:soap")
            .replace("</soap", "</q:soap"),
        )
    before, after = (document.find(path) for document in (parse_text(documents[1]), merged(*documents)))
    assert before is not None
    assert after is not None
    assert after.nsmap["q"] == before.nsmap["q"]
    assert (after.items(), after.text) == (before.items(), before.text)
    source, result = parse_text(documents[0]).find(".//{*}y"), merged(*documents).find(".//{*}y")
    assert (source is None) == (result is None)
    if source is not None and result is not None:
        assert canonical(source) == canonical(result)


def test_an_element_without_a_namespace_stays_without_one() -> None:
    primary = '<s xmlns="urn:n"><x/></s>'
    own = '<n:s xmlns:n="urn:n"><soap>b</soap><n:x/></n:s>'
    assert [child.tag for child in merged(primary, own)] == ["soap", "{urn:n}x"]


def test_an_unprefixed_type_means_what_it_meant() -> None:
    result = merged(f'<s {XSI} xmlns="urn:n"/>', f'<n:s {XSI} xmlns:n="urn:n"><n:soap i:type="T"/></n:s>')
    assert result[0].nsmap.get(None, "") == ""
    assert "{}T" in canonical(result)


def test_a_prefix_that_one_element_needs_in_two_meanings_waits_for_a_person() -> None:
    primary = f'<s {XSI}><x xmlns:q="urn:p" i:type="q:Type"/></s>'
    own = f'<s {XSI}><x xmlns:q="urn:b" soap="q:Mode"/></s>'
    assert blocked(primary, own).endswith("/s/x (one prefix of two namespaces)")


# Wide lists ----------------------------------------------------------------------------------------------------------


def calls_of(primary: str, own: str) -> int:
    """How many functions a merge calls, those of lxml included."""
    documents = parse_text(primary), parse_text(own)
    counted: Counter[str] = Counter()

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        counted[event] += 1

    sys.setprofile(count)
    try:
        merge(*documents, RULES)
    finally:
        sys.setprofile(None)
    return counted["call"] + counted["c_call"]


WIDE = [
    '<e name="same"><x>1</x></e>',
    '<e name="soap">{}</e>',
    "<e><x>{}</x><cert/></e>",
    "<e><cert>{}</cert></e>",
    '<e name="n{}" id="{}"><cert/></e>',
    "<e/>",
]


@pytest.mark.parametrize("entry", WIDE)
def test_a_list_of_twice_the_length_takes_twice_the_work(entry: str) -> None:
    def document(length: int) -> str:
        return f"<s>{''.join(entry.format(n, n) for n in range(length))}<soap/></s>"

    calls_of(document(50), document(50))
    once, twice = calls_of(document(300), document(300)), calls_of(document(600), document(600))
    assert twice < 2.3 * once


def test_eight_thousand_entries_of_one_name_are_merged() -> None:
    entries = [f'<e name="same"><x>{n}</x><cert>{{}}{n}</cert></e>' for n in range(8_000)]
    primary = f"<s>{''.join(entries).format(*['p'] * len(entries))}</s>"
    own = f"<s>{''.join(reversed(entries)).format(*['b'] * len(entries))}</s>"
    result = merge(parse_text(primary), parse_text(own), RULES)
    assert [entry[1].text for entry in result] == [f"b{n}" for n in range(8_000)]
