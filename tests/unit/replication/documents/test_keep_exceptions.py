"""What an exception (``!path``) replicates although a pattern would keep it, and what none of them reaches."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure
from replication.documents.keep_list import RULES, Rule
from tests.unit.replication.documents.test_keep_names import CASES, SETTING_STYLES, merged, plain_form


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("<s><net><replicationInterval>{}</replicationInterval></net></s>", "!/s/net/replicationInterval"),
        ('<s><net replicationMode="{}"/></s>', "!/s/net/@replicationMode"),
        ('<s><e name="replicationMode" value="{}"/><e name="x" value="1"/></s>', "!/s/e[replicationMode]"),
        ("<s><e><key>replicationMode</key><value>{}</value></e></s>", "!/s/e[replicationMode]"),
        ('<s><e name="replication/größe%-mode" value="{}"/></s>', "!/s/e[replication%2Fgröße%25-mode]"),
    ],
)
def test_an_exception_replicates_one_path_all_the_same(document: str, line: str) -> None:
    primary, own = document.format("p"), document.format("b")
    assert merged(primary, own) == plain_form(own)
    assert merged(primary, own, line) == plain_form(primary)


def test_an_exception_reaches_no_other_path() -> None:
    document = "<s><a><replicationMode>{0}</replicationMode></a><b><replicationMode>{0}</replicationMode></b></s>"
    result = merged(document.format("p"), document.format("b"), "!/s/a/replicationMode")
    assert result == plain_form(
        "<s><a><replicationMode>p</replicationMode></a><b><replicationMode>b</replicationMode></b></s>"
    )


def test_an_exception_for_an_element_is_none_for_all_that_bear_names() -> None:
    primary, own = (f'<s><e name="replicationMode" value="{value}"/></s>' for value in "pb")
    assert merged(primary, own, "!/s/e") == plain_form(own)


# A path means the same with and without the mark ---------------------------------------------------------------------


@pytest.mark.parametrize(("style", "case"), list(product(SETTING_STYLES, CASES)))
def test_a_path_that_keeps_a_setting_replicates_it_with_the_mark(style: str, case: str) -> None:
    """However the setting is written: as an element, as an attribute, or as a key with its value."""
    name = CASES[case](["rack", "number"])
    primary, own = (SETTING_STYLES[style].format(name, value) for value in "pb")
    path = "/s/net/rackNumber"
    assert merged(primary, own, path) == plain_form(own)
    assert merged(primary, own, "rack*", f"!{path}") == plain_form(primary)


@pytest.mark.parametrize("tag", ["section", "section2"])
def test_a_path_leads_through_sections_by_their_names(tag: str) -> None:
    primary, own = (f'<s><{tag} name="net"><a/><rackNumber>{value}</rackNumber></{tag}></s>' for value in "pb")
    assert merged(primary, own, "/s/net/rackNumber") == plain_form(own)
    assert merged(primary, own, "rack*", "!/s/net/rackNumber") == plain_form(primary)


# What no exception reaches -------------------------------------------------------------------------------------------

RUNS = ["", "server", "list", "targets", "x", "primary", "name"]
"""What a wildcard may stand for. None of it says that a name may be lifted."""


@st.composite
def protected_names(draw: st.DrawFn) -> list[str]:
    """A name that a pattern of the product keeps, word by word."""
    rule: Rule = draw(st.sampled_from(RULES))
    text = re.sub(r"\[!f\]", "x", rule.pattern)
    text = re.sub(r"\[(\w+)\]", lambda letters: draw(st.sampled_from(letters[1])), text)
    text = text.replace("?", "x")
    words: list[str] = []
    for piece in re.split(r"(\*)", text):
        words += [draw(st.sampled_from(RUNS))] if piece == "*" else piece.split("-")
    return [word for word in words if word]


SPELLINGS = [
    *("!/s/net/{0}", "!/s/net/@{0}", "! /s/net/{0}", "!/s/net/entry[{0}]", "!/s/net/param[{0}]", "!/s/net/e[{0}]"),
    *("!/s/net/item[{0}]", "!/s/{0}", "!/s/section[{0}]", "!/s/{0}/server", "!/s/{0}/server/password"),
    *("!/s/{0}/server/@name", "!/s/{0}/{0}", "!/{0}"),
]
SECTIONS = [
    "<s><{0}>{1}</{0}></s>",
    "<s><{0}><server name='{1}'><host>{1}</host><password>{1}</password></server></{0}></s>",
    "<s><{0} on='{1}'><server><name>t</name><host>{1}</host></server></{0}></s>",
    "<s><net><{0}><{0}>{1}</{0}></{0}></net></s>",
]


@given(
    words=protected_names(),
    document=st.sampled_from([*SETTING_STYLES.values(), *SECTIONS]),
    case=st.sampled_from(list(CASES)),
    other=st.sampled_from(list(CASES)),
    lines=st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=4, unique=True),
)
def test_no_exception_reaches_what_is_never_replicated(
    words: list[str], document: str, case: str, other: str, lines: list[str]
) -> None:
    """Whoever writes the name otherwise, or names what is inside or around it, replicates nothing of it."""
    name = CASES[case](words)
    primary, own = document.format(name, "p"), document.format(name, "b")
    if merged(primary, own) != plain_form(own):
        return  # another spelling of the words, which no pattern means
    given_lines = []
    for line in (line.format(CASES[spelling](words)) for line in lines for spelling in (case, other)):
        try:
            merged("<s/>", "<s/>", line)
        except Failure:
            continue
        given_lines.append(line)
    assert merged(primary, own, *given_lines) == plain_form(own)


@pytest.mark.parametrize(
    "line",
    [
        *("!/settings/syncManager", "!/settings/syncManager/server[files-1]", "!/settings/syncManager/server/password"),
        *("!/settings/general/replicationServers", "!/settings/replication", "!/settings/synchronization/target/host"),
        *("!/settings/backupServers", "!/settings/net/@enableSync", "!/settings/sync", "!/settings/caFile"),
    ],
)
def test_the_list_of_native_synchronization_is_no_exceptions(line: str) -> None:
    with pytest.raises(Failure, match="no exception can replicate a machine-specific setting"):
        merged("<s/>", "<s/>", line)


PROTECTED = {
    "licence": "licence",
    "replication itself logs in": "SOAP",
    "SOAP service": "SOAP",
    "remote administration": "remote and web administration",
    "web administration": "remote and web administration",
    "the server's certificate": "certificates",
    "private key": "keys",
    "pass phrase": "keys",
    "certificate authorities": "certificate authorities",
    "revocation lists": "revocation lists",
    "native Synchronization Manager": "native synchronization",
}
"""What the guide calls what a pattern of the product keeps, by a piece of the pattern's reason."""


def test_the_guide_lists_what_no_exception_reaches() -> None:
    guide = " ".join(Path("docs/guide.md").read_text(encoding="utf-8").split())
    (sentence,) = re.findall(r"\*\*No exception reaches\*\* ([^.]*)\.", guide)
    named = set(re.split(r", | or ", sentence))
    kept = {next(name for piece, name in PROTECTED.items() if piece in rule.why) for rule in RULES}
    assert named == kept
    (always,) = re.findall(r"What always stays the backup's own: ([^.]*)\.", guide)
    assert set(re.split(r", | and (?=native)", always)) == kept


def test_the_guide_names_what_an_exception_may_lift() -> None:
    guide = " ".join(Path("docs/guide.md").read_text(encoding="utf-8").split())
    assert any(rule.may_lift for rule in RULES)
    (example,) = re.findall(r"\| `(!/[^`]*)`", guide)
    *above, name = example.removeprefix("!/").split("/")
    primary, own = (
        "".join([*(f"<{tag}>" for tag in above), f"<{name}>{side}</{name}>", *(f"</{tag}>" for tag in reversed(above))])
        for side in "pb"
    )
    assert merged(primary, own) == plain_form(own)
    assert merged(primary, own, example) == plain_form(primary)
