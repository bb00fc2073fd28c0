"""When two lists of users or groups are the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.safe_xml import parse
from replication.documents.canonical import canonical, folded
from replication.documents.named_items import Items, excerpts, items
from tests.support.documents import parse_text

GSOAP = """
<ns1:Users xmlns:ns1="urn:service" xmlns:ns2="urn:common">
  <ns2:User ns2:name="alice" ns2:disabled="false">
    <ns2:password ns2:value="AB12" ns2:type="sha512"/>
    <ns2:groupList><ns2:group ns2:name="alice"/><ns2:group ns2:name="staff"/></ns2:groupList>
    <ns2:comment> two  words </ns2:comment>
  </ns2:User>
  <ns2:User ns2:name="Bob" ns2:disabled="true"><ns2:password ns2:value="CD34" ns2:type="sha1"/></ns2:User>
</ns1:Users>
"""


def users(text: str) -> Items:
    return items(parse_text(text), "user")


def same_users(left: str, right: str) -> bool:
    return users(left).digest == users(right).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("strauß", "strauss"),
        ("ﬁn", "fin"),
        ("ŉ", "\u02bcn"),
        ("\u0131", "i"),
        ("\u017f", "s"),
        ("\u212a", "k"),
        ("ẞ", "ß"),
        ("İ", "i"),
    ],
)
def test_a_letter_is_never_two_letters_nor_one_of_another_script(one: str, other: str) -> None:
    both = users(f'<users><user name="{one}"/><user name="{other}"/></users>')
    assert len(both.entries) == 2
    assert folded(one) != folded(other)
    assert users(f'<users><user name="{one}"/></users>') != users(f'<users><user name="{other}"/></users>')


@pytest.mark.parametrize(
    ("one", "other"), [("ANN", "ann"), ("ÄRGER", "ärger"), ("ΣΑΣ", "σας"), ("Ÿ", "ÿ"), ("ДА", "да")]
)
def test_a_capital_is_its_small_letter(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_folding_keeps_every_letter_in_its_place(name: str) -> None:
    assert len(folded(name)) == len(name)
    assert folded(folded(name)) == folded(name)
    assert all(a == b or b in (a.lower(), "\u03c3") for a, b in zip(name, folded(name), strict=True))


def test_order_and_letter_case_of_item_names_do_not_count() -> None:
    swapped = """
    <Users xmlns="urn:service" xmlns:c="urn:common">
      <c:User c:disabled="true" c:name="BOB"><c:password c:type="sha1" c:value="CD34"/></c:User>
      <c:User c:name="Alice" c:disabled="false">
        <c:password c:type="sha512" c:value="AB12"/>
        <c:groupList><c:group c:name="alice"/><c:group c:name="staff"/></c:groupList>
        <c:comment> two  words </c:comment>
      </c:User>
    </Users>"""
    assert same_users(GSOAP, swapped)
    assert set(users(GSOAP).entries) == {"alice", "bob"}
    assert [users(swapped).written(key) for key in ("bob", "alice", "carl")] == ["BOB", "Alice", "carl"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ns2:value="AB12"', 'ns2:value="ab12"'),
        ('<ns2:group ns2:name="alice"/>', '<ns2:group ns2:name="ALICE"/>'),
        (" two  words ", " two words "),
        (" two  words ", "two  words"),
        ('ns2:disabled="false"', 'ns2:disabled="true"'),
        ('<ns2:group ns2:name="alice"/><ns2:group ns2:name="staff"/>', '<ns2:group ns2:name="staff"/>'),
        (
            '<ns2:group ns2:name="alice"/><ns2:group ns2:name="staff"/>',
            '<ns2:group ns2:name="staff"/><ns2:group ns2:name="alice"/>',
        ),
        ('ns2:name="alice"', 'ns2:name="alice "'),
        ('ns2:name="alice"', 'name="alice"'),
        ("urn:common", "urn:other"),
        ("urn:service", "urn:other"),
        ("<ns1:Users ", '<ns1:Users version="2" '),
        ("</ns1:Users>", '<ns2:User ns2:name="carol"/></ns1:Users>'),
        ("</ns1:Users>", "<ns2:User/></ns1:Users>"),
        ("</ns1:Users>", "<ns2:defaults>1</ns2:defaults></ns1:Users>"),
    ],
)
def test_any_other_change_of_a_user_list_counts(old: str, new: str) -> None:
    assert old in GSOAP
    assert not same_users(GSOAP, GSOAP.replace(old, new, 1))


@pytest.mark.parametrize(
    "user",
    [
        '<user name="{}" x="1"/>',
        '<user Name="{}"><x>1</x></user>',
        '<user loginName="{}"/>',
        "<user><name>{}</name><x>1</x></user>",
        "<user><x>1</x><userName>{}</userName></user>",
        '<user><name value="{}"/><x>1</x></user>',
        '<n:user xmlns:n="urn:n"><n:name n:value="{}" n:priority="user"/></n:user>',
    ],
)
def test_a_name_is_found_in_an_attribute_a_child_or_the_value_of_a_child(user: str) -> None:
    left = f"<users>{user.format('ann')}{user.format('Bob')}</users>"
    right = f"<users>{user.format('BOB')}{user.format('ann')}</users>"
    assert set(users(left).entries) == {"ann", "bob"}
    assert same_users(left, right)
    assert not same_users(left, f"<users>{user.format('ann')}{user.format('bobby')}</users>")


def test_only_the_name_itself_ignores_case_not_an_equal_value_beside_it() -> None:
    user = "<users><user><name>ann</name><home>{}</home></user></users>"
    assert not same_users(user.format("ann"), user.format("ANN"))
    both = '<users><user name="ann"><name>{}</name></user></users>'
    assert not same_users(both.format("ann"), both.format("ANN"))


def test_items_with_one_name_are_all_kept() -> None:
    twice = '<users><user name="ann" x="1"/><user name="ANN" x="2"/></users>'
    assert len(users(twice).entries) == 2
    assert not same_users(twice, '<users><user name="ann" x="1"/></users>')
    assert not same_users(twice, '<users><user name="ann" x="1"/><user name="ANN" x="1"/></users>')


@pytest.mark.parametrize(
    "wrapped",
    [
        "<export><list><user name='a'/><user name='b'/></list></export>",
        "<export><part name='accounts'><user name='a'/><user name='b'/></part></export>",
        "<export><part name='x'><part name='y'><users><user name='a'/><user name='b'/></users></part></part></export>",
        "<export><users name='native'><user name='a'/><user name='b'/></users></export>",
        "<accounts><profile name='a'/><profile name='b'/></accounts>",
        "<accounts><profile name='a'><userDirectory name='d'/></profile><profile name='b'/></accounts>",
        "<accounts><profile name='a'><userGroups name='d'/></profile><profile name='b'/></accounts>",
    ],
)
def test_items_are_found_in_wrapped_lists_and_under_other_element_names(wrapped: str) -> None:
    assert set(users(wrapped).entries) == {"a", "b"}


def test_an_item_that_moves_to_another_list_of_the_document_counts() -> None:
    left = '<r><active><user name="a"/><user name="b"/></active><locked/></r>'
    right = '<r><active><user name="a"/></active><locked><user name="b"/></locked></r>'
    assert not same_users(left, right)
    first = '<r><site><user name="a"/></site><site><user name="b"/></site></r>'
    assert not same_users(first, '<r><site><user name="b"/></site><site><user name="a"/></site></r>')


def test_a_list_without_items_has_none() -> None:
    assert users("<users/>").entries == {}
    assert users("<users><!-- none --></users>").digest == users("<users/>").digest


NAMES = st.lists(st.sampled_from(["ann", "bob", "Carl", "Zoë", "x y"]), unique=True, min_size=1)


@given(st.data(), NAMES)
def test_any_order_of_users_is_the_same_and_any_missing_one_is_not(data: st.DataObject, names: list[str]) -> None:
    def document(chosen: list[str]) -> str:
        return "<users>" + "".join(f'<user name="{name}"><home>/{name}</home></user>' for name in chosen) + "</users>"

    assert same_users(document(names), document(data.draw(st.permutations(names))))
    assert not same_users(document(names), document(names[1:]))


def test_an_excerpt_is_the_item_as_it_was_prefixes_in_values_included() -> None:
    xsi = "http://www.w3.org/2001/XMLSchema-instance"
    text = (
        f'<users xmlns:p="urn:p" xmlns:xsi="{xsi}"><user name="Ann" xsi:type="p:T"> a&#13;b<x/> </user>\n'
        '<user name="bob"/><user name="ANN"/></users>'
    )
    root = parse_text(text)
    cut_out = excerpts(root, "user", {"ann", "ann\x082"})
    assert {key: canonical(parse(excerpt)) for key, excerpt in cut_out.items()} == {
        "ann": canonical(root[0]),
        "ann\x082": canonical(root[2]),
    }
    assert set(cut_out) < set(users(text).entries)


# Run-time values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user",
    [
        '<user name="a" lastLogin="{}"/>',
        '<u:user xmlns:u="urn:u" u:name="a" u:lastLoginIP="{}"/>',
        '<user name="a"><lastLoginTime>{}</lastLoginTime></user>',
        '<user name="a"><last-login-ip value="{}"/></user>',
        '<user name="a"><Last_Login><date>{}</date></Last_Login></user>',
        '<user name="a"><entry name="lastLogin" value="{}"/></user>',
        '<user name="a"><entry name="last_login">{}</entry></user>',
        '<user name="a"><entry key="lastLogin" value="{}"/></user>',
        '<user name="a"><entry><key>lastLogin</key><value>{}</value></entry></user>',
        '<user name="a"><entry><name>failedLogins</name><value>{}</value></entry></user>',
    ],
)
def test_run_time_values_do_not_count_in_any_style(user: str) -> None:
    assert same_users(f"<users>{user.format(1)}</users>", f"<users>{user.format(2)}</users>")
    without = re.sub(r' lastLogin="\S*"', "", user.format(1))
    assert same_users(f"<users>{user.format(1)}</users>", f"<users>{without}</users>")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('<user name="lastLogin" x="1"/>', '<user name="lastLogin" x="2"/>'),
        ('<user name="lastLogin"><home>1</home></user>', '<user name="lastLogin"><home>2</home></user>'),
        ('<user name="lastLogin">1</user>', '<user name="lastLogin">2</user>'),
        ('<user name="a"/><user name="lastlogin"/>', '<user name="a"/>'),
        ('<user name="a"><group name="lastLogin"/></user>', '<user name="a"/>'),
        (
            '<user name="a"><dir name="lastLogin" path="1"/></user>',
            '<user name="a"><dir name="lastLogin" path="2"/></user>',
        ),
        (
            '<user name="a"><dir><name>lastLogin</name><path>1</path></dir></user>',
            '<user name="a"><dir><name>lastLogin</name><path>2</path></dir></user>',
        ),
        (
            '<user name="a"><dir name="lastLogin"><path>1</path></dir></user>',
            '<user name="a"><dir name="lastLogin"><path>2</path></dir></user>',
        ),
        ('<user name="a"><group>lastLogin</group></user>', '<user name="a"><group>lastlogin</group></user>'),
        ('<user name="a"><passwordLastChanged>1</passwordLastChanged></user>', '<user name="a"/>'),
        ('<user name="a"><lastLogin><date>1</date><x/></lastLogin></user>', '<user name="a"/>'),
        ('<user name="a"><lastLogin><x><date>1</date></x></lastLogin></user>', '<user name="a"/>'),
        ('<user name="a"><lastLogin path="1">1</lastLogin></user>', '<user name="a"/>'),
        ('<user name="a"><lastLogin type="allow">1</lastLogin></user>', '<user name="a"/>'),
        ('<user name="a"><r name="lastLogin" value="1" rights="2"/></user>', '<user name="a"/>'),
    ],
)
def test_what_is_only_named_like_a_run_time_value_counts(left: str, right: str) -> None:
    assert not same_users(f"<users>{left}</users>", f"<users>{right}</users>")


RUNTIME_PLACES = (
    '<user name="a" lastLogin="{}"/>',
    '<user name="a"><LastSeen>{}</LastSeen></user>',
    '<user name="a"><last_access value="{}"/></user>',
    '<user name="a"><failedLogins type="int">{}</failedLogins></user>',
    '<user name="a"><lastLogin><date>{}</date><ip>192.0.2.1</ip></lastLogin></user>',
    '<user name="a"><e name="lastActivity" value="{}"/></user>',
    '<user name="a"><e key="lastActivity">{}</e></user>',
    '<user name="a"><e><name>Last Seen</name><value>{}</value></e></user>',
)
SERVERS_OWN = (
    *("0", "17", "1764500000", "2026-11-30", "2026-11-30T11:06:04Z", "2026-11-30 11:06:04.123+01:00"),
    *("30.11.2026 11:06", "11/30/2026 11:06:04 AM", "Mon Nov 30 11:06:04 2026", "Monday, November 30, 2026", "never"),
    *("Sat, 28 Feb 2026 10:00:00 GMT", "192.0.2.7", "192.0.2.7:50122", "2001:db8::7", "[2001:db8::7]:50122", "::1"),
)
PEOPLES_OWN = (
    *("C:\\pub", "/srv/pub", "read", "read,write", "all", "true", "allow", "ann", "files.example.com", "x1", "1 all"),
    *("192.0.2.7 allow", "https://192.0.2.7/", "a" * 100, "pub:1", "D:", "*", "%home%"),
)


@pytest.mark.parametrize("place", RUNTIME_PLACES)
@pytest.mark.parametrize("value", SERVERS_OWN)
def test_a_time_an_address_or_a_count_under_a_run_time_name_does_not_count(place: str, value: str) -> None:
    assert same_users(f"<users>{place.format(value)}</users>", f"<users>{place.format(2)}</users>")


@pytest.mark.parametrize("place", RUNTIME_PLACES)
@pytest.mark.parametrize("value", PEOPLES_OWN)
def test_anything_else_under_a_run_time_name_counts(place: str, value: str) -> None:
    for other in ("1", "other"):
        assert not same_users(f"<users>{place.format(value)}</users>", f"<users>{place.format(other)}</users>")
