"""What is stopped until somebody has approved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Reason
from replication.guards.limits import Limits, exceeded_limits
from replication.model import PartName, Policy
from replication.plan import Block, PartPlan
from replication.ports import Authentication, MimeMapping

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

ACCOUNTS = Policy(parts=frozenset({PartName.ACCOUNTS}))
SETTINGS = Policy(parts=frozenset({PartName.SETTINGS}))


def users(count: int, *, disabled: int = 0, start: int = 0) -> str:
    """Users u0, u1 and so on from ``start``; those below ``disabled`` are disabled."""
    held = (f'<user name="u{n}" isDisabled="{str(n < disabled).lower()}"/>' for n in range(start, count))
    return f"<u>{''.join(held)}</u>"


def reasons(blocks: tuple[Block, ...]) -> list[Reason]:
    return [block.reason for block in blocks]


@pytest.mark.parametrize(
    ("held", "may_lose"), [(0, 0), (1, 0), (2, 1), (8, 2), (20, 2), (100, 10), (1000, 100), (10_000, 100)]
)
def test_removals_are_stopped_where_the_table_says(make_plan_between: PlanFactory, held: int, may_lose: int) -> None:
    def lose(count: int) -> tuple[Block, ...]:
        return exceeded_limits(
            make_plan_between({"users": users(held)}, {"users": users(held, start=count)}, ACCOUNTS), Limits()
        )

    assert lose(may_lose) == ()
    if held > may_lose:
        (block,) = lose(may_lose + 1)
        all_gone = may_lose + 1 == held
        assert block.reason is (Reason.PART_MISSING_ON_PRIMARY if all_gone else Reason.REMOVES_TOO_MUCH)
        assert block.part is PartName.ACCOUNTS
        assert block.numbers == {"held": held, "removed": may_lose + 1, "disabled": 0}
        assert str(held) in block.message


@pytest.mark.parametrize(("held", "may_go"), [(0, 0), (1, 0), (2, 1), (8, 2), (100, 10), (10_000, 100)])
def test_disablings_are_stopped_where_the_table_says(make_plan_between: PlanFactory, held: int, may_go: int) -> None:
    def disable(count: int) -> tuple[Block, ...]:
        source = {"users": users(held, disabled=count)}
        return exceeded_limits(make_plan_between({"users": users(held)}, source, ACCOUNTS), Limits())

    assert disable(may_go) == ()
    if held > may_go:
        (block,) = disable(may_go + 1)
        assert block.reason is Reason.DISABLES_TOO_MUCH
        assert block.numbers == {"held": held, "removed": 0, "disabled": may_go + 1}


def test_removals_and_disablings_are_told_apart(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({"users": users(8)}, {"users": users(8, disabled=7, start=3)}, ACCOUNTS)
    assert reasons(exceeded_limits(plan, Limits())) == [Reason.REMOVES_TOO_MUCH, Reason.DISABLES_TOO_MUCH]


def test_groups_have_limits_of_their_own(make_plan_between: PlanFactory) -> None:
    own, left = ("<g>" + "".join(f"<group name='{n}'/>" for n in range(*r)) + "</g>" for r in ((5,), (3, 5)))
    (block,) = exceeded_limits(make_plan_between({"groups": own}, {"groups": left}, ACCOUNTS), Limits())
    assert (block.reason, block.numbers["removed"], block.numbers["held"]) == (Reason.REMOVES_TOO_MUCH, 3, 5)
    (block,) = exceeded_limits(make_plan_between({"groups": own}, {"groups": "<g/>"}, ACCOUNTS), Limits())
    assert block.reason is Reason.PART_MISSING_ON_PRIMARY


def test_names_in_other_letters_are_no_removals(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({"users": users(50)}, {"users": users(50).replace('"u', '"U')}, ACCOUNTS)
    assert exceeded_limits(plan, Limits(removal_floor=0, removal_share=0)) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<isDisabled value='false' priority='user'/>", "<isDisabled value='true' priority='user'/>"),
        ("<Is_Disabled>0</Is_Disabled>", "<Is_Disabled>1</Is_Disabled>"),
        ("", "<disabled>TRUE</disabled>"),
        (
            "<general><e name='AccountDisabled' value='no'/></general>",
            "<general><e name='AccountDisabled' value='yes'/></general>",
        ),
        ("<e><key>disabled</key><value>false</value></e>", "<e><key>disabled</key><value>true</value></e>"),
        ("<enabled>true</enabled>", "<enabled>false</enabled>"),
        ("<account isActive='1'/>", "<account isActive='0'/>"),
        ("<enabled>true</enabled>", ""),
        ("<enabled>1</enabled>", "<enabled/>"),
        ("<isDisabled>0</isDisabled>", "<isDisabled>-1</isDisabled>"),
        ("<status>active</status>", "<status>suspended</status>"),
        ("<status>active</status>", "<status>of a kind that nobody knows</status>"),
        ("<e name='status' value='enabled'/>", ""),
    ],
)
def test_a_disabled_account_is_known_in_any_style(make_plan_between: PlanFactory, before: str, after: str) -> None:
    def disabled(own: str, source: str) -> bool:
        plan = make_plan_between(
            {"users": f"<u><user name='a'>{own}</user></u>"},
            {"users": f"<u><user name='a'>{source}</user></u>"},
            ACCOUNTS,
        )
        return bool(exceeded_limits(plan, Limits(disabling_floor=0)))

    assert disabled(before, after)
    assert not disabled(after, before)
    assert not disabled(after, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "<root><name>a</name><disabled>false</disabled></root>",
            "<root><name>a</name><disabled>true</disabled></root>",
        ),
        ("<notify enabled='true'/>", "<notify enabled='false'/>"),
        ("<disableAfterTime value='2030-01-01T00:00:00Z'/>", "<disableAfterTime value='2029-01-01T00:00:00Z'/>"),
        ("<disabled>false</disabled>", ""),
        ("<isDisabled value='true' priority='user'/>", "<isDisabled value='true' priority='group'/>"),
    ],
)
def test_what_an_account_has_may_be_disabled(make_plan_between: PlanFactory, before: str, after: str) -> None:
    own, source = ({"users": f"<u><user name='a'>{x}</user></u>"} for x in (before, after))
    assert exceeded_limits(make_plan_between(own, source, ACCOUNTS), Limits(disabling_floor=0)) == ()


@settings(max_examples=50)
@given(
    held=st.integers(1, 40),
    floor=st.integers(0, 5),
    maximum=st.integers(0, 30),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    data=st.data(),
)
def test_stopped_exactly_above_floor_and_share_or_above_the_maximum(
    make_plan_between: PlanFactory, held: int, floor: int, maximum: int, share: float, data: st.DataObject
) -> None:
    removed = data.draw(st.integers(0, held - 1))
    limits = Limits(floor, share, maximum)
    plan = make_plan_between({"users": users(held)}, {"users": users(held, start=removed)}, ACCOUNTS)
    allowed = removed <= maximum and (removed <= floor or removed / held <= share)
    assert (exceeded_limits(plan, limits) == ()) == allowed


@pytest.mark.parametrize("limits", [{"removal_floor": -1}, {"disabling_share": 1.1}, {"removal_share": -0.1}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limits"):
        Limits(**limits)


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (PartName.EVENT_RULES, {"event_rules": "<rules/>"}),
        (PartName.EVENT_RULES, {"event_rules": ""}),
        (PartName.MIME_MAPPINGS, {"mime_mappings": ()}),
        (PartName.AUTHENTICATION, {"authentication": Authentication("<sources/>")}),
        (PartName.AUTHENTICATION, {"authentication": Authentication("")}),
        (PartName.IP_BLOCK_LISTS, {"blocked_addresses": ""}),
    ],
)
def test_a_part_that_the_primary_does_not_hold_is_stopped(
    make_plan_between: PlanFactory, part: PartName, source: dict[str, Any]
) -> None:
    plan = make_plan_between({}, source)
    (block,) = exceeded_limits(plan, Limits())
    assert (block.part, block.reason) == (part, Reason.PART_MISSING_ON_PRIMARY)
    assert block.numbers["removed"] >= 1
    assert exceeded_limits(make_plan_between(source, source), Limits()) == ()


@pytest.mark.parametrize(
    "source",
    [
        {"blocked_addresses": "<ips/>"},
        {"mime_mappings": (MimeMapping("txt", "text/plain"),)},
        {"event_rules": "<rules><rule name='x'/></rules>"},
    ],
)
def test_shorter_lists_are_not_stopped(make_plan_between: PlanFactory, source: dict[str, Any]) -> None:
    assert exceeded_limits(make_plan_between({}, source), Limits()) == ()


def test_an_approval_can_release_a_missing_part_and_no_other(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {"event_rules": ""})
    (missing,) = (part for part in plan.parts if part.missing)
    released = missing.released()
    assert (released.settled, released.desired.text) == (None, "")
    assert released.changes.removed
    with pytest.raises(ValueError, match="not missing"):
        plan.parts[0].released()


MACHINE_SPECIFIC = [
    ("<s><x>192.0.2.1</x></s>", "<s><x>192.0.2.2</x></s>"),
    ("<s><x>[2001:db8::1]:21</x></s>", "<s><x>[2001:db8::2]:21</x></s>"),
    ("<s><x/></s>", "<s><x>10.0.0.0/8</x></s>"),
    ("<s><x v='files1.example.com'/></s>", "<s><x v='files2.example.com'/></s>"),
    ("<s><x>C:\\ProgramData\\a</x></s>", "<s><x>D:\\a</x></s>"),
    ("<s><x>\\\\nas1\\share</x></s>", "<s><x>\\\\nas2\\share</x></s>"),
    ("<s><x>/etc/a</x></s>", "<s><x>/srv/b</x></s>"),
    ("<s><x>%ProgramData%\\a</x></s>", "<s><x>b</x></s>"),
    ("<s><x>https://one/</x></s>", "<s><x>https://two/</x></s>"),
    ("<s><e name='ListenPort' value='21'/></s>", "<s><e name='ListenPort' value='2121'/></s>"),
    ("<s><e><key>hostName</key><value>alpha</value></e></s>", "<s><e><key>hostName</key><value>beta</value></e></s>"),
    ("<s><log><directory>a</directory></log></s>", "<s><log><directory>b</directory></log></s>"),
    ("<s><x>0123456789abcdef0123456789abcdef</x></s>", "<s><x>1</x></s>"),
    ("<s><x>1</x></s>", "<s><x>1</x><passiveAddress>nat</passiveAddress></s>"),
    ("<s><smtpPassword>one</smtpPassword></s>", "<s><smtpPassword>two</smtpPassword></s>"),
    ("<s><cloudapikey>one</cloudapikey></s>", "<s><cloudapikey>two</cloudapikey></s>"),
    ("<s><smtp pwd='one'/></s>", "<s><smtp pwd='two'/></s>"),
    ("<s><e name='proxy_passwd' value='one'/></s>", "<s><e name='proxy_passwd' value='two'/></s>"),
    ("<s><e><key>radiusSecret</key><value>a</value></e></s>", "<s><e><key>radiusSecret</key><value>b</value></e></s>"),
    ("<s><api><token>a</token></api></s>", "<s><api><token>b</token></api></s>"),
    ("<s><x/></s>", "<s><x/><encryptionKey>abc</encryptionKey></s>"),
]


@pytest.mark.parametrize(("own", "source"), MACHINE_SPECIFIC)
def test_settings_that_look_machine_specific_are_stopped(make_plan_between: PlanFactory, own: str, source: str) -> None:
    (block,) = exceeded_limits(make_plan_between({"settings": own}, {"settings": source}, SETTINGS), Limits())
    assert (block.reason, block.numbers) == (Reason.MACHINE_SPECIFIC_UNRULED, {"paths": 1})
    assert "/s/" in block.message


@pytest.mark.parametrize(
    ("own", "source"),
    [
        ("<s><maxFiles>3</maxFiles></s>", "<s><maxFiles>4</maxFiles></s>"),
        ("<s/>", "<s><e><key>maxFiles</key><value>4</value></e></s>"),
        (
            "<s><minimumPasswordLength>8</minimumPasswordLength></s>",
            "<s><minimumPasswordLength>9</minimumPasswordLength></s>",
        ),
        ("<s><savePassword>1</savePassword></s>", "<s><savePassword>0</savePassword></s>"),
        ("<s><monkey>a</monkey></s>", "<s><monkey>b</monkey></s>"),
        ("<s><allowPassword>true</allowPassword></s>", "<s><allowPassword>false</allowPassword></s>"),
        ("<s><keyExchange>curve25519-sha256</keyExchange></s>", "<s><keyExchange>ecdh-sha2-nistp384</keyExchange></s>"),
        ("<s><reverseDns>true</reverseDns></s>", "<s><reverseDns>false</reverseDns></s>"),
        ("<s><w>Welcome. Be brief.</w></s>", "<s><w>Hello, e.g. you!</w></s>"),
        ("<s><from>a@example.com</from></s>", "<s><from>b@example.com</from></s>"),
        ("<s><since>2026-01-02T03:04:05Z</since></s>", "<s><since>2026-01-02T03:04:06Z</since></s>"),
        ("<s><tls>1.2</tls><f>welcome.txt</f></s>", "<s><tls>1.3</tls><f>hello.txt</f></s>"),
        (
            "<s><soap><port>1</port><host>192.0.2.1</host></soap></s>",
            "<s><soap><port>2</port><host>192.0.2.2</host></soap></s>",
        ),
        ("<s><a/><port>21</port></s>", "<s><port>21</port><a/></s>"),
    ],
)
def test_other_settings_and_those_that_a_rule_keeps_are_not_stopped(
    make_plan_between: PlanFactory, own: str, source: str
) -> None:
    assert exceeded_limits(make_plan_between({"settings": own}, {"settings": source}, SETTINGS), Limits()) == ()


def test_an_unchanged_plan_costs_nothing(make_plan_between: PlanFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("looked into an equal part")

    plan = make_plan_between({}, {})
    monkeypatch.setattr(PartPlan, "items", refuse)
    assert exceeded_limits(plan, Limits()) == ()
