"""Directory sources and lists of blocked addresses: what lets more people log in, or come from more addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.guards.access_rules import AccessIncreaseKind as K
from replication.guards.access_watch import access_increases
from replication.guards.approval import Guard
from replication.model import PartName, Policy
from replication.ports import Authentication, AuthenticationSource

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

SOURCES = Policy(parts=frozenset({PartName.AUTHENTICATION}))
BLOCKED = Policy(parts=frozenset({PartName.IP_BLOCK_LISTS}))


def source(name: str, *, enabled: bool = True, type_: str = "ldap", description: str = "") -> AuthenticationSource:
    return AuthenticationSource(enabled, name, type_, description)


def told_of_sources(
    make: PlanFactory, own: tuple[AuthenticationSource, ...], wanted: tuple[AuthenticationSource, ...], *documents: str
) -> list[tuple[str, str]]:
    before, after = documents or ("<l/>", "<l/>")
    plan = make(
        {"authentication": Authentication(before, own)}, {"authentication": Authentication(after, wanted)}, SOURCES
    )
    return [(one.kind, one.item) for one in access_increases(plan)]


def test_a_source_more_or_one_that_is_switched_on_lets_more_people_log_in(make_plan_between: PlanFactory) -> None:
    one, off, two = source("a"), source("a", enabled=False), source("b")
    added = [(K.LOG_IN_SOURCE_ADDED, "sources/b")]
    assert told_of_sources(make_plan_between, (one,), (one, two)) == added
    assert told_of_sources(make_plan_between, (off,), (one,)) == [(K.LOG_IN_SOURCE_ADDED, "sources/a")]
    assert told_of_sources(make_plan_between, (one,), (one, source("b", enabled=False))) == []
    assert told_of_sources(make_plan_between, (one,), (source("a", type_="ad"),)) == [(K.MAY_WIDEN, "sources/a")]
    for fewer in ((one,), (one, source("b", enabled=False)), (one, source("b", description="x"))):
        assert told_of_sources(make_plan_between, (one, two), fewer) == []


SHAPES = ("<l>{}</l>", "<config><sources>{}</sources></config>", "<l><x name='z'/>{}</l>")
WIDER_SOURCES = [
    ("<ldap name='s'><baseDn>ou=a,dc=b</baseDn></ldap>", "<ldap name='s'><baseDn>dc=b</baseDn></ldap>"),
    ("<ldap name='s' filter='(uid=ann)'/>", "<ldap name='s' filter='(uid=*)'/>"),
    ("<ldap name='s'><host>a.example</host></ldap>", "<ldap name='s'><host>b.example</host></ldap>"),
    ("<ldap name='s'><useTls>true</useTls></ldap>", "<ldap name='s'><useTls>false</useTls></ldap>"),
    ("<ldap name='s'><isActive>0</isActive></ldap>", "<ldap name='s'><isActive>1</isActive></ldap>"),
    (
        "<ldap name='s'><defaultGroup>staff</defaultGroup></ldap>",
        "<ldap name='s'><defaultGroup>Admins</defaultGroup></ldap>",
    ),
    ("<ldap name='s'/>", "<ldap name='s'/><ldap name='t'><isActive>1</isActive></ldap>"),
]
NOT_WIDER_SOURCES = [
    ("<ldap name='s'><description>a</description></ldap>", "<ldap name='s'><description>b</description></ldap>"),
    ("<ldap name='s'><useTls>false</useTls></ldap>", "<ldap name='s'><useTls>true</useTls></ldap>"),
    ("<ldap name='s'/><ldap name='t'/>", "<ldap name='s'/>"),
    ("<ldap name='s'><isActive>1</isActive></ldap>", "<ldap name='s'><isActive>0</isActive></ldap>"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_source_holds_is_told_unless_it_is_harmless(make_plan_between: PlanFactory, shape: str) -> None:
    for cells, wider in ((WIDER_SOURCES, True), (NOT_WIDER_SOURCES, False)):
        for before, after in cells:
            kinds = told_of_sources(make_plan_between, (), (), shape.format(before), shape.format(after))
            assert bool(kinds) is wider, (before, after, kinds)


ENTRIES = (
    "<ip>{}</ip>", "<ip address='{}'/>", "<entry name='{}'/>", "<entry><address>{}</address><note>x</note></entry>",
    "<e><ip>{}</ip><until>2030-01-01</until></e>", "<block value='{}'/>",
)  # fmt: skip
UNBLOCKED = [("10.0.0.0/8", "10.0.0.0/9"), ("10.0.0.1", ""), ("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.5"),
             ("*", "10.0.0.1"),
             ("2001:db8::/32", "2001:db8::/33"), ("bad.example", "")]  # fmt: skip
STILL_BLOCKED = [("10.0.0.0/9", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.0/24"), ("10.0.0.0/24", "10.0.0.0-10.0.0.255")]


def told_of_blocks(make: PlanFactory, before: str, after: str, *, automatic: bool = False) -> list[str]:
    key = "auto_blocked_addresses" if automatic else "blocked_addresses"
    policy = Policy(parts=BLOCKED.parts, replicate_auto_block_list=automatic)
    return [one.kind for one in access_increases(make({key: before}, {key: after}, policy))]


@pytest.mark.parametrize("entry", ENTRIES)
def test_fewer_blocked_addresses_are_told_and_more_are_not(make_plan_between: PlanFactory, entry: str) -> None:
    def listed(*addresses: str) -> str:
        return f"<list>{''.join(entry.format(one) for one in ('192.0.2.7', *addresses) if one)}</list>"

    for before, after in UNBLOCKED:
        kinds = told_of_blocks(make_plan_between, listed(before), listed(after))
        assert set(kinds) == {K.ADDRESS_LIMIT_LIFTED}, (before, after)
        assert told_of_blocks(make_plan_between, listed(after), listed(before)) == [], (after, before)
    for before, after in STILL_BLOCKED:
        assert told_of_blocks(make_plan_between, listed(before), listed(after)) == [], (before, after)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=8, unique=True), st.data())
def test_the_order_of_blocked_addresses_and_how_they_are_joined_widen_nothing(
    make_plan_between: PlanFactory, numbers: list[int], data: st.DataObject
) -> None:
    before = [f"<ip>10.0.0.{number}</ip>" for number in numbers]
    after = data.draw(st.permutations([*before, "<ip>10.0.0.0/24</ip>"]))
    kept = data.draw(st.lists(st.sampled_from(before), unique=True))
    for one in (after, [*kept, "<ip>10.0.0.0/24</ip>"]):
        assert told_of_blocks(make_plan_between, f"<l>{''.join(before)}</l>", f"<l>{''.join(one)}</l>") == []


def test_the_automatic_list_changes_by_itself(make_plan_between: PlanFactory) -> None:
    before, after = "<l><ip>10.0.0.1</ip><ip>10.0.0.2</ip></l>", "<l><ip>10.0.0.2</ip></l>"
    assert told_of_blocks(make_plan_between, before, after, automatic=True) == []


def test_a_source_that_comes_waits_where_wider_access_does(make_plan_between: PlanFactory) -> None:
    own: dict[str, Any] = {"authentication": Authentication("<l/>", (source("a"),))}
    wanted = {"authentication": Authentication("<l/>", (source("a"), source("evil")))}
    plan = make_plan_between(own, wanted, SOURCES)
    for waits in (True, False):
        assert len(Guard(block_widened_access=waits).apply(plan).blocks) == int(waits)
