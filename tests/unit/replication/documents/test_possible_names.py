"""A setting of the machine is never overwritten without a word, whatever its name is called where it stands."""

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from lxml import etree

from replication.documents.canonical import canonical
from replication.documents.keep_patterns import Rules
from replication.documents.merge import merge
from replication.documents.undecided import NamesUndecided
from tests.support.documents import parse_text

MACHINES = (
    "soapPort",
    "SOAPEnabled",
    "admin_password",
    "sslCertFile",
    "licenseKey",
    "Server.Soap.Port",
    "remote-access",
)
ORDINARY = ("depth", "max-clients", "idleTimeout", "notifyAdministratorOnLogin", "timeSync")
ENTRIES = (
    '<i n="{0}" v="{1}"/>', '<i v="{1}" n="{0}"/>', '<i n="{0}">{1}</i>', '<i v="{1}">{0}</i>',
    '<set to="{1}" of="{0}"/>',
    "<entry><k>{0}</k><v>{1}</v></entry>", "<entry><string>{0}</string><int>{1}</int></entry>",
    "<row><c>{0}</c><c>{1}</c></row>", '<x><k t="s">{0}</k><v>{1}</v></x>', '<e><what value="{0}"/><is>{1}</is></e>',
    '<e of="{0}"><v>{1}</v></e>', '<row a="{0}" b="{1}" c="int"/>',
)  # fmt: skip
"""One element for each setting."""
PAIRS = ("<key>{0}</key><int>{1}</int>", "<key>{0}</key><i{1}/>", "<k>{0}</k><v>{1}</v>", "<k>{0}</k><v><a>{1}</a></v>")
"""Two elements side by side for each setting, and their parent is that of all."""


@dataclass(frozen=True)
class Case:
    """Settings of two servers by their names, as documents of one style."""

    style: str
    theirs: dict[str, str]
    ours: dict[str, str]
    theirs_first: tuple[str, ...]
    ours_first: tuple[str, ...]

    def primary(self) -> etree._Element:
        return self._document(self.theirs, self.theirs_first)

    def own(self) -> etree._Element:
        return self._document(self.ours, self.ours_first)

    def _document(self, values: dict[str, str], order: tuple[str, ...]) -> etree._Element:
        inner = "".join(self.style.format(name, values[name]) for name in order)
        return parse_text(f"<s><version>1</version><list>{inner}</list></s>")

    def settings(self, root: etree._Element) -> dict[str, str]:
        """What a document holds, each setting as it is written."""
        (listed,) = (child for child in root if child.tag == "list")
        step = 2 if self.style in PAIRS else 1
        written = [canonical(child) for child in listed]
        assert len(written) % step == 0
        held = {}
        for start in range(0, len(written), step):
            text = "".join(written[start : start + step])
            (name,) = (
                name for name in (*MACHINES, *ORDINARY) if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text)
            )
            assert name not in held
            held[name] = text
        return held

    def waits(self) -> bool:
        return any(self.theirs.get(name) != self.ours.get(name) for name in MACHINES)


def case(seed: int, styles: tuple[str, ...]) -> Case:
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    theirs: dict[str, str] = {}
    ours: dict[str, str] = {}
    ordinary = random.sample(ORDINARY, random.randint(2, 4))
    for name in random.sample(MACHINES, random.randint(0, 3)) + ordinary:
        same = random.choice("123")
        for side in (theirs, ours):
            if name in ordinary[:2] or random.random() < 0.85:
                side[name] = same if random.random() < 0.5 else random.choice("456")
    orders = [tuple(random.sample(sorted(side), len(side))) for side in (theirs, ours)]
    return Case(random.choice(styles), theirs, ours, orders[0], orders[1])


def lines_until_decided(one: Case, *, keep: bool) -> list[str]:
    rules: list[str] = []
    for _ in range(10):
        try:
            merge(one.primary(), one.own(), Rules.standard(rules))
        except NamesUndecided as failure:
            lines = [json.loads(line) for line in re.findall(r'"[^"]*"', failure.message)]
            rules += [line for line in lines if line.startswith("!") != keep]
        else:
            return rules
    pytest.fail(f"no end with {rules}")


@given(st.integers(0, 2**32), st.sampled_from([ENTRIES, PAIRS]))
def test_a_push_waits_exactly_where_a_setting_of_the_machine_would_change(seed: int, styles: tuple[str, ...]) -> None:
    one = case(seed, styles)
    event("waits" if one.waits() else "goes through")
    if one.waits():
        with pytest.raises(NamesUndecided):
            merge(one.primary(), one.own(), Rules.standard())
    else:
        assert one.settings(merge(one.primary(), one.own(), Rules.standard())) == one.settings(one.primary())


@given(st.integers(0, 2**32), st.sampled_from([ENTRIES, PAIRS]))
def test_the_lines_keep_what_is_the_machines_and_nothing_else(seed: int, styles: tuple[str, ...]) -> None:
    one = case(seed, styles)
    rules = Rules.standard(lines_until_decided(one, keep=True))
    merged = merge(one.primary(), one.own(), rules)
    theirs, ours = one.settings(one.primary()), one.settings(one.own())
    expected = {name: text for name, text in theirs.items() if name in ORDINARY}
    expected |= {name: text for name, text in ours.items() if name in MACHINES}
    assert one.settings(merged) == expected
    assert canonical(merge(one.primary(), merged, rules)) == canonical(merged)


@given(st.integers(0, 2**32), st.sampled_from([ENTRIES, PAIRS]))
def test_the_exceptions_replicate_it_all_the_same(seed: int, styles: tuple[str, ...]) -> None:
    one = case(seed, styles)
    merged = merge(one.primary(), one.own(), Rules.standard(lines_until_decided(one, keep=False)))
    assert canonical(merged) == canonical(one.primary())


@pytest.mark.parametrize(
    "setting",
    [
        '<i n="soapPort" v="1"/>', "<i n='soapPort'/>", "<i n='soapPort'>1</i>", "<i><k>soapPort</k><v>1</v></i>",
        "<i><k>soapPort</k></i>", "<i><k>soapPort</k><v/></i>", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["i", "adjust"])
@pytest.mark.parametrize("other", ['<i n="soapPort" v="2"/>', "<i><k>soapPort</k><v>2</v></i>"])
def test_an_absent_value_stays_absent(setting: str, other: str, tag: str) -> None:
    setting, other = (re.sub(r"(</?)i\b", rf"\g<1>{tag}", one) for one in (setting, other))
    for own, primary in ((setting, other), (other, setting)):
        theirs, ours = (parse_text(f"<s><l><{tag} n='depth' v='1'/>{inner}</l></s>") for inner in (primary, own))
        with pytest.raises(NamesUndecided):
            merge(theirs, ours, Rules.standard())
        merged = merge(theirs, ours, Rules.standard([f"/s/l/{tag}[soapPort]"]))
        assert canonical(merged) == canonical(ours)


@pytest.mark.parametrize(
    "primary", ["<k>depth</k>", "<k>depth</k><k>b</k>", "<k>a</k><v>1</v><k>depth</k>", "<v>1</v>", ""]
)
@pytest.mark.parametrize("before", ["", "<k>depth</k>", "<k>a</k><v>1</v>", "<k>depth</k><v>2</v>"])
def test_nothing_kept_is_lost_beside_a_key_without_a_value(primary: str, before: str) -> None:
    kept = "<k>soapPort</k><v>own</v><k>soapKey</k><v>own</v>"
    theirs, ours = (parse_text(f"<s><l>{inner}</l></s>") for inner in (primary, before + kept))
    rules = Rules.standard(["/s/l/k[soapPort]", "/s/l/k[soapKey]"])
    merged = merge(theirs, ours, rules)
    text = canonical(merged)
    assert text.count("own") == 2
    (listed,) = merged
    texts = [one.text for one in listed]
    pairs = [pair for pair in pairwise(texts) if (pair[0] or "").startswith("soap")]
    assert pairs == [("soapPort", "own"), ("soapKey", "own")]
    assert canonical(merge(theirs, merged, rules)) == text


HARMLESS = (
    '<banner text="{}" size="{}"/>', "<banner><text>{}</text><size>{}</size></banner>",
    '<mode of="x" mode="{}" t="{}"/>',
    '<account user="{}" quota="{}"/>', "<auth><method>{}</method><timeout>{}</timeout></auth>",
    '<file path="{}" size="{}"/>', '<policy p="{}" v="{}"/>', "<m><template>{}</template><n>{}</n></m>",
)  # fmt: skip
TEXTS = (
    "Use soapPort for SOAP calls", "the soapPort is 8443", "Welcome, administrators!", "clientCertificate",
    "siteAdmins", "C:\\certs\\server.pem", "https://soap.example.com/x", "soap.example.com",
    "admin@example.com", "certs/server.pem",
)  # fmt: skip


@pytest.mark.parametrize("style", HARMLESS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_only_speaks_of_a_setting_blocks_nothing(style: str, text: str) -> None:
    primary, own = (parse_text(f"<s><l>{style.format(text, number)}</l></s>") for number in (1, 2))
    assert canonical(merge(primary, own, Rules.standard())) == canonical(primary)


@pytest.mark.parametrize("tag", ["i", "general"])
@pytest.mark.parametrize("text", [text for text in TEXTS if text not in ("clientCertificate", "siteAdmins")])
def test_neither_does_it_where_nothing_says_what_it_is(tag: str, text: str) -> None:
    primary, own = (parse_text(f'<s><l><{tag} n="{text}" v="{n}"/></l></s>') for n in (1, 2))
    assert canonical(merge(primary, own, Rules.standard())) == canonical(primary)


@pytest.mark.parametrize("secret", ["adminHunter2", "Soap4dminX", "certPassword99"])
def test_what_may_be_a_secret_is_in_no_message(secret: str) -> None:
    primary, own = (
        parse_text(f"<s><l><key>{secret}</key><x>{n}</x><key>soapPort</key><x>{n}</x></l></s>") for n in (1, 2)
    )
    with pytest.raises(NamesUndecided) as failure:
        merge(primary, own, Rules.standard())
    assert secret not in failure.value.message
