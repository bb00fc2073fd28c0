"""For any two settings documents: what is kept stays with whom it belongs to, all else becomes the primary's."""

from hypothesis import event, given
from hypothesis import strategies as st
from lxml import etree

from replication.documents.canonical import canonical
from replication.documents.keep_patterns import Rules
from replication.documents.merge import AmbiguousEntries, merge
from tests.support.documents import parse_text
from tests.support.settings_model import PATTERNS, Case, Options, cases, judge

RULES = Rules(PATTERNS)
CERTAIN = st.one_of(
    cases(Options(nameless=False, overlapping=False)),
    cases(Options(named=False, only_additions=True)),
)
"""Lists in which each section has a name that no other one has, and lists in which the primary only added sections."""


def merged(case: Case) -> etree._Element | None:
    """What would be sent, read again; None when it cannot be told what belongs together."""
    try:
        result = merge(parse_text(case.primary), parse_text(case.own), RULES)
    except AmbiguousEntries:
        event("blocked")
        return None
    event("merged")
    return parse_text(etree.tostring(result, encoding="unicode"))


@given(cases())
def test_what_is_kept_stays_where_it_belongs_and_all_else_becomes_the_primarys(case: Case) -> None:
    result = merged(case)
    if result is not None:
        judge(result, parse_text(case.primary), parse_text(case.own))


@given(cases())
def test_a_second_run_finds_nothing_to_do(case: Case) -> None:
    once = merged(case)
    if once is not None:
        again = merged(Case(case.primary, etree.tostring(once, encoding="unicode")))
        assert again is not None, "blocked at the second run"
        assert canonical(again) == canonical(once)


@given(CERTAIN)
def test_what_can_be_told_is_not_blocked(case: Case) -> None:
    result = merged(case)
    assert result is not None
    judge(result, parse_text(case.primary), parse_text(case.own))


@given(cases())
def test_a_merge_leaves_its_arguments_alone(case: Case) -> None:
    primary, own = parse_text(case.primary), parse_text(case.own)
    before = etree.tostring(primary), etree.tostring(own)
    try:
        merge(primary, own, RULES)
    except AmbiguousEntries:
        event("blocked")
    assert (etree.tostring(primary), etree.tostring(own)) == before


@given(cases())
def test_a_document_merged_with_itself_is_itself(case: Case) -> None:
    result = merged(Case(case.primary, case.primary))
    assert result is not None
    judge(result, parse_text(case.primary), parse_text(case.primary))
    assert canonical(result) == canonical(parse_text(case.primary))
