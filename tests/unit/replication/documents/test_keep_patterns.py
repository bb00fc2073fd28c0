"""Which patterns are accepted: exactly those that some name can match."""

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from replication.documents.keep_patterns import Rules, words

LETTERS = "ab-"
NAMES = sorted(
    {word for size in range(1, 7) for letters in product(LETTERS, repeat=size) if (word := words("".join(letters)))}
)
"""Every name that can be made of two letters, as words."""
ATTRIBUTE = "@"


def matches_some_name(pattern: str) -> bool:
    rules = Rules([pattern])
    return any(
        rules.match((frozenset({"root"}), frozenset({sign + name}))) for name in NAMES for sign in ("", ATTRIBUTE)
    )


@given(st.text(alphabet="ab-[]!*?@_", min_size=1, max_size=5).filter(lambda text: not text.startswith("!")))
def test_a_pattern_is_accepted_exactly_when_a_name_can_match_it(pattern: str) -> None:
    if could_match(pattern):
        assert matches_some_name(pattern)
    else:
        with suppress(Failure):
            assert matches_some_name(pattern), "accepted, and no name matches it"


def could_match(pattern: str) -> bool:
    """Whether the text is surely meant for a name: a letter or wildcard, and at most one ``@``, at its beginning."""
    bare = pattern.strip(" ").removeprefix(ATTRIBUTE)
    return any(letter in "ab*?" for letter in bare) and not set("[]@") & set(bare)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[", "no name can match"),
        ("[z-a]", "no name can match"),
        ("soap[", "no name can match"),
        ("soap]port", "no name can match"),
        ("[%]", "no name can match"),
        ("-", "no name can match"),
        ("ключ", "no name can match"),
        ("/settings", "the root element"),
        ("/*", "the root element"),
        ("a/@b/c", "an attribute has nothing inside"),
        ("!soapPort", "begins with !/"),
        ("!/settings/*/port", "without wildcards"),
        ("!/settings/por?", "without wildcards"),
        ("!/settings/soapPort", "a machine-specific setting"),
        ("!/settings/soap/port", "a machine-specific setting"),
        ("!/settings/@licenseKey", "a machine-specific setting"),
        ("!/settings/net/serverCertificate", "a machine-specific setting"),
        ("!/settings/webAdmin/port", "a machine-specific setting"),
    ],
)
def test_what_can_have_no_effect_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(Failure) as failure:
        Rules.standard([pattern])
    assert failure.value.reason is Reason.CONFIGURATION_INVALID
    assert why in failure.value.message


@pytest.mark.parametrize(
    "pattern",
    ["größe", "_port", "*-", "@*", "soap:port", "[a-c]x", "[!a]", "/s/e[any / name?]".replace(" / ", "%2F"), "@port"],
)
def test_what_can_match_is_accepted(pattern: str) -> None:
    assert Rules.standard([pattern]).additions == (pattern,)
