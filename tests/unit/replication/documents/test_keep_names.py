"""Names that a program gives to its settings, and names that people give to what they make."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Reason
from replication.documents.canonical import canonical
from replication.documents.keep_patterns import Rules
from replication.documents.merge import merge
from replication.documents.undecided import NamesUndecided
from tests.support.documents import parse_text

MACHINE = [
    *(
        "enable remote",
        "remote enabled",
        "remote user",
        "remote user name",
        "remote secure",
        "remote ssl",
        "remote pwd",
    ),
    *("ssl password", "tls password", "pem password", "ssh key ed25519", "trusted roots", "management password"),
    *("soap port", "license key", "serial number", "web admin port", "admin password", "server certificate"),
    *("private key", "ssl cert file", "crl path", "trusted cas", "host key", "key store", "sync server", "enable sync"),
]
"""Settings of one machine, word by word."""
SHARED = [
    *("require client certificate", "notify administrator on login", "directory sync", "time sync", "concert mode"),
    *("exec key", "ldap sync interval", "client certificate required", "alert admins", "synchronize clock"),
    *("idle timeout", "welcome message", "max connections", "password policy", "key exchange", "log level"),
]
"""Settings that are replicated."""
PEOPLES = [
    *("Admins", "Remote access vendors", "HR sync", "SOAP", "Certified partners", "License office", "sync", "remote"),
    *("Administrators", "web-admin", "soapPort", "CA", "Backup servers of Vienna", "remote_access"),
]
"""Names of policies, jobs and the like."""
THINGS = ["policy", "job", "role", "site", "task", "passwordPolicy", "eventRule", "schedule"]

CASES = {
    "camel": lambda words: words[0] + "".join(map(str.capitalize, words[1:])),
    "pascal": lambda words: "".join(map(str.capitalize, words)),
    "snake": "_".join,
    "kebab": "-".join,
    "capitals": lambda words: "_".join(words).upper(),
    "dots": ".".join,
}
SETTING_STYLES = {
    "element": "<s><net><{0}>{1}</{0}></net></s>",
    "value attribute": '<s><net><{0} value="{1}"/></net></s>',
    "attribute": '<s><net {0}="{1}"/></s>',
    "key and value": '<s><net><entry name="{0}" value="{1}"/></net></s>',
    "key and text": '<s><net><param key="{0}">{1}</param></net></s>',
    "key and value as elements": "<s><net><e><key>{0}</key><value>{1}</value></e></net></s>",
    "with a number and a type": '<s><net><item id="7" name="{0}" type="string" value="{1}"/></net></s>',
}
THING_STYLES = {
    "section": '<s><list><{0} name="{1}"><level>{2}</level></{0}></list></s>',
    "attributes": '<s><list><{0} name="{1}" enabled="{2}"/></list></s>',
    "names as elements": "<s><list><{0}><name>{1}</name><level>{2}</level></{0}></list></s>",
    "text": '<s><list><{0} name="{1}">{2}</{0}></list></s>',
    "value": '<s><list><{0} id="{1}" value="{2}"/></list></s>',
}


def merged(primary: str, own: str, *rules: str) -> str:
    return canonical(merge(parse_text(primary), parse_text(own), Rules.standard(rules)))


def plain_form(text: str) -> str:
    return canonical(parse_text(text))


def in_every_spelling_and_style(name: str) -> Iterator[tuple[str, str]]:
    """The primary's and the backup's document with this setting."""
    for case, style in product(CASES.values(), SETTING_STYLES.values()):
        yield style.format(case(name.split()), "p"), style.format(case(name.split()), "b")


@pytest.mark.parametrize("name", MACHINE)
def test_a_setting_of_the_machine_is_kept_in_every_spelling_and_style(name: str) -> None:
    lost = [own for primary, own in in_every_spelling_and_style(name) if merged(primary, own) != plain_form(own)]
    assert lost == []


@pytest.mark.parametrize("name", SHARED)
def test_any_other_setting_is_replicated_in_every_spelling_and_style(name: str) -> None:
    left = [own for primary, own in in_every_spelling_and_style(name) if merged(primary, own) != plain_form(primary)]
    assert left == []


@pytest.mark.parametrize("name", PEOPLES)
def test_a_name_that_people_give_keeps_nothing(name: str) -> None:
    none = "<s><list/></s>"
    for thing, style in product(THINGS, THING_STYLES.values()):
        primary, own = (style.format(thing, name, value) for value in ("p", "b"))
        assert merged(primary, own) == plain_form(primary)
        assert merged(primary, none) == plain_form(primary)
        assert merged(none, own) == plain_form(none)


def test_a_section_with_a_title_in_words_of_people_is_replicated() -> None:
    primary, own = (f'<s><section name="Remote access vendors"><level>{value}</level></section></s>' for value in "pb")
    assert merged(primary, own) == plain_form(primary)


@pytest.mark.parametrize(
    "name", ["SOAP", "soap", "Remote Access", "Admins", "SSL Certificates", "WebAdmin", "SOAP on 10.0.0.1"]
)
@pytest.mark.parametrize(
    ("primary", "own"),
    [
        ("<section name='{0}'><level>p</level></section>", "<section name='{0}'><level>b</level></section>"),
        ("<section name='{0}'><level>p</level></section>", ""),
        ("", "<section name='{0}'><level>b</level></section>"),
        ("<category><name>{0}</name><level>p</level></category>", "<category><name>{0}</name></category>"),
        ("<node id='{0}' level='p'/>", "<node id='{0}' level='b'/>"),
        ("<account name='{0}' passwordHash='p'/>", "<account name='{0}' passwordHash='b'/>"),
    ],
)
class TestASectionThatMayBeEither:
    def test_it_waits_where_the_push_would_change_it(self, name: str, primary: str, own: str) -> None:
        with pytest.raises(NamesUndecided) as failure:
            merged(*documents(name, primary, own))
        assert failure.value.reason is Reason.NAMES_UNDECIDED

    def test_the_lines_of_the_message_decide(self, name: str, primary: str, own: str) -> None:
        theirs, ours = documents(name, primary, own)
        with pytest.raises(NamesUndecided) as failure:
            merged(theirs, ours)
        keep, replicate = failure.value.message.split('"')[1::2]
        assert replicate == f"!{keep}"
        assert merged(theirs, ours, keep) == plain_form(ours.replace("<x>b</x>", "<x>p</x>"))
        assert merged(theirs, ours, replicate) == plain_form(theirs)

    def test_it_costs_nothing_where_both_hold_the_same(self, name: str, primary: str, own: str) -> None:
        theirs, _ = documents(name, primary, own)
        assert merged(theirs, theirs.replace("<x>p</x>", "<x>b</x>")) == plain_form(theirs)


def documents(name: str, primary: str, own: str) -> tuple[str, str]:
    first, second = primary.format(name), own.format(name)
    return f"<s><all>{first}</all><x>p</x></s>", f"<s><all>{second}</all><x>b</x></s>"


def test_what_is_kept_inside_an_undecided_section_is_no_difference() -> None:
    primary, own = (f"<s><section name='SOAP'><soapPort>{port}</soapPort><x>1</x></section></s>" for port in "12")
    assert merged(primary, own) == plain_form(own)


def test_a_wildcard_of_a_person_over_a_name_of_people_waits_for_the_exact_line() -> None:
    primary, own = (f"<s><job name='Vienna night'><at>{at}</at></job></s>" for at in "12")
    with pytest.raises(NamesUndecided):
        merged(primary, own, "*night*")
    assert merged(primary, own, "*night*", "/s/job[Vienna night]") == plain_form(own)
    assert merged(primary, own, "*night*", "!/s/job[Vienna night]") == plain_form(primary)
    assert merged(primary, own, "vienna-night") == plain_form(own), "a pattern without a wildcard names it"


def test_a_title_of_a_value_that_is_in_peoples_words_waits() -> None:
    primary, own = (f"<s><entry name='HR sync' value='{value}'/><x/></s>" for value in "12")
    with pytest.raises(NamesUndecided):
        merged(primary, own, "*-sync")


# Any names -----------------------------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.tuples(st.just("machine"), st.sampled_from(MACHINE)),
    st.tuples(st.just("shared"), st.sampled_from(SHARED)),
    st.tuples(st.just("people"), st.sampled_from(PEOPLES)),
)


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.sampled_from(list(CASES)),
            st.sampled_from(list(SETTING_STYLES)),
            st.sampled_from(list(THING_STYLES)),
            st.sampled_from(THINGS),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_mixture_of_names_is_told_apart(
    drawn: list[tuple[tuple[str, str], str, str, str, str]],
) -> None:
    def one(number: int, side: str) -> str:
        (kind, name), case, setting, thing_style, thing = drawn[number]
        if kind == "people":
            written = THING_STYLES[thing_style].format(thing, name, side)
        else:
            written = SETTING_STYLES[setting].format(CASES[case](name.split()), side)
        return f"<part{number}>{written[3:-4]}</part{number}>"

    def document(sides: list[str]) -> str:
        return f"<s>{''.join(one(number, side) for number, side in enumerate(sides))}</s>"

    expected = ["b" if kind == "machine" else "p" for (kind, _), *_ in drawn]
    assert merged(document(["p"] * len(drawn)), document(["b"] * len(drawn))) == plain_form(document(expected))
