"""However many users, groups, addresses or listeners a server names: the work of a plan grows with their number.

As ``test_wide_documents`` says it of siblings, for typed values and for lists whose entries are compared with others.
"""

from collections.abc import Callable, Collection
from typing import Any

import pytest
from lxml import etree

from common.safe_xml import parse
from local.fakes.servers import FACTS
from replication.documents import named_items
from replication.documents.canonical import children
from replication.documents.keep_labels import element_labels
from replication.documents.keep_patterns import Rules
from replication.documents.pairing import KeepList, Place, below
from replication.guards.access_addresses import addresses
from replication.guards.approval import Guard, access_warnings
from replication.guards.limits import _any_live
from replication.model import PartName, Policy
from replication.parts.base import ListDocument
from replication.parts.listeners import ListenersPart
from replication.parts.mime_mappings import MimeMappings
from replication.plan import PartPlan, make_plan
from replication.plan_details import details
from replication.ports import Listener, MimeMapping
from replication.primary import read_primary
from tests.support.steps import assert_linear, rounds
from tests.unit.replication.conftest import ServerFactory

USERS = "<user name='{name}'><home>{side}</home></user>"


def many(entry: str, size: int, side: str) -> str:
    return "".join(entry.format(name=f"n{i}", i=i, side=side) for i in range(size))


def accounts(users: str, groups: str, root: str = "") -> Callable[[int, str], dict[str, Any]]:
    """Both lists; with text in the ``root`` they are no plain lists, and are read as a whole."""

    def content(size: int, side: str) -> dict[str, Any]:
        return {
            "users": f"<users>{root}{many(users, size, side)}</users>",
            "groups": f"<groups>{many(groups, size, side)}</groups>",
        }

    return content


def blocked(entry: str) -> Callable[[int, str], dict[str, Any]]:
    return lambda size, side: {"blocked_addresses": f"<ips>{many(entry, size, side)}</ips>"}


def settings(entry: str) -> Callable[[int, str], dict[str, Any]]:
    return lambda size, side: {
        "settings": f"<settings><allowedAddresses>{many(entry, size, side)}</allowedAddresses></settings>"
    }


def nested(size: int, side: str) -> dict[str, Any]:
    """Sections with other names on both sides, one in the other, with many values in the innermost one."""
    opened = "".join(f'<section name="{side}{depth}">' for depth in range(20))
    return {"settings": f"<doc>{opened}{many('<depth{i}>1</depth{i}>', size, side)}{'</section>' * 20}</doc>"}


CASES: dict[str, tuple[PartName, Callable[[int, str], dict[str, Any]]]] = {
    "users of one name": (PartName.ACCOUNTS, accounts("<user name='a'><home>{side}{i}</home></user>", "")),
    "users of one name in no plain list": (
        PartName.ACCOUNTS,
        accounts("<user name='a'><home>{side}{i}</home></user>", "", "text"),
    ),
    "users who are disabled in no plain list": (
        PartName.ACCOUNTS,
        accounts(
            "<user name='{name}'><home>{side}</home><isDisabled>true</isDisabled></user>", "", "<version>1</version>"
        ),
    ),
    "users in groups that come and go": (
        PartName.ACCOUNTS,
        accounts(
            "<user name='{name}'><group>{side}{i}</group></user>",
            "<group name='{side}{i}'><member>n{i}</member></group>",
        ),
    ),
    "blocked addresses": (PartName.IP_BLOCK_LISTS, blocked("<ip>10.{side}.{i}.1</ip>")),
    "blocked networks with gaps": (PartName.IP_BLOCK_LISTS, blocked("<ip>10.{i}.0.0/16</ip><ip>!10.{i}.{side}.7</ip>")),
    "addresses of settings": (PartName.SETTINGS, settings("<ip>10.{side}.{i}.1</ip>")),
    "sections in sections": (PartName.SETTINGS, nested),
    "extensions of one name": (
        PartName.MIME_MAPPINGS,
        lambda size, side: {"mime_mappings": tuple(MimeMapping("a", f"{side}/{i}") for i in range(size))},
    ),
    "listeners of one port": (
        PartName.LISTENERS,
        lambda size, side: {
            "listeners": tuple(
                Listener(i, f"10.0.{side}.{size - i}", 1, {"listenPort": 21, "x": side}) for i in range(size)
            )
        },
    ),
}


@pytest.mark.parametrize(("part", "content"), CASES.values(), ids=CASES)
def test_the_work_of_a_plan_grows_with_the_entries_of_a_list(
    part: PartName,
    content: Callable[[int, str], dict[str, Any]],
    make_server: ServerFactory,
    make_primary: ServerFactory,
) -> None:
    policy = Policy(frozenset({part}), Rules.standard(("pool*", "section/soap*", "/doc/list/note")))

    def plan(size: int) -> None:
        primary = read_primary(make_primary(**content(size, "1")), policy.parts)
        backup = make_server(**content(size, "2"))
        made = Guard(block_widened_access=True).apply(make_plan(primary, backup, FACTS.features, policy, {}))
        access_warnings(made, backup.label)
        details(made, max_items=5)

    plan(320)  # what was once looked up is remembered
    assert_linear(plan, 160)


@pytest.mark.parametrize("make", [lambda _: "a", lambda i: f"n{i % 2}", str], ids=["one", "two", "all different"])
def test_equal_names_are_told_apart_in_one_pass(make: Callable[[int], str]) -> None:
    def take_apart(size: int) -> None:
        users = "".join(f"<user name='{make(i)}'/>" for i in range(size))
        assert len(ListDocument(f"<users>{users}</users>", "users", "", "user").items.entries) == size
        assert len(named_items.items(parse(f"<users>{users}</users>".encode()), "user").entries) == size

    take_apart(600)  # pieces that were understood once are remembered
    assert_linear(take_apart, 300, count=rounds)


def test_records_of_one_name_are_told_apart_in_one_pass() -> None:
    def name(size: int) -> None:
        taken = [MimeMapping(f"a ({i})", "") for i in range(2, size)]
        plan = PartPlan(MimeMappings(), (), tuple(taken + [MimeMapping("A", "")] * size))
        assert len(list(plan.items())) == 2 * size - 2

    assert_linear(name, 200, count=rounds)


def test_listeners_on_one_port_are_paired_in_one_pass() -> None:
    def pair(size: int) -> None:
        primary, own = (
            tuple(Listener(i, f"{side}.{i}", 1, {"listenPort": 21}) for i in range(size)) for side in ("p", "b")
        )
        assert len(ListenersPart().desired(primary, own, Policy())) == size

    assert_linear(pair, 150, count=rounds)


def test_lists_of_addresses_are_compared_in_one_pass() -> None:
    def compare(size: int) -> None:
        held = addresses(",".join(f"10.{i}.0.0-10.{i}.9.0,!10.{i}.0.7" for i in range(size)))
        wanted = addresses(",".join(f"10.{i}.0.5" for i in range(size)))
        assert held.covers(wanted)
        assert not wanted.covers(held)

    assert_linear(compare, 100, count=rounds)


def test_a_list_that_is_not_plain_is_not_read_again_for_every_few_disabled_accounts() -> None:
    users = "".join(f"<user name='n{i}'><isDisabled>true</isDisabled></user>" for i in range(700))
    document = _Counted(f"<users>text{users}</users>", "users", "", "user")
    assert not _any_live(document, list(document.items.entries), where_unknown=False)
    assert _Counted.readings < 6


class _Counted(ListDocument):
    readings = 0

    def excerpts(self, keys: Collection[str]) -> dict[str, bytes]:
        _Counted.readings += 1
        return super().excerpts(keys)


def test_what_is_kept_below_sections_of_two_names_is_looked_for_once() -> None:
    def plan(depth: int) -> None:
        primary, own = (
            parse(
                "".join(
                    (
                        "<doc>",
                        *(f'<section name="{side}{n}">' for n in range(depth)),
                        *(f"<level{n}>1</level{n}>" for n in range(200)),
                        "</section>" * depth,
                        "</doc>",
                    )
                ).encode()
            )
            for side in ("a", "b")
        )
        keep = KeepList(Rules.standard(("section/x",)), primary, own)
        element: etree._Element = own
        place: Place = (element_labels(primary),), (element_labels(own),)
        while (inner := next(children(element), None)) is not None:
            assert not keep.holds(element, place)
            element, place = inner, below(place, element_labels(inner))

    plan(40)
    once, twice = rounds(lambda: plan(20)), rounds(lambda: plan(40))
    assert twice < 1.5 * once


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10.0.0.0/24,!10.0.0.7", ("10.0.0.6", "10.0.0.8"), ("10.0.0.7", "10.0.0.6-10.0.0.8")),
        ("10.0.0.0-10.0.0.9,10.0.1.0-10.0.1.9,!10.0.0.5-10.0.1.5", ("10.0.0.4", "10.0.1.6"), ("10.0.0.5", "10.0.1.5")),
        ("10.0.0.0/24,!10.0.0.0/24", (), ("10.0.0.1",)),
        ("10.0.0.0/30,!10.0.0.1,!10.0.0.3", ("10.0.0.0", "10.0.0.2"), ("10.0.0.1", "10.0.0.3")),
        ("*,!2001:db8::/32", ("10.0.0.1", "2001:db9::1"), ("2001:db8::1",)),
    ],
)
def test_what_is_taken_out_of_a_list_is_not_in_it(text: str, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    held = addresses(text)
    assert all(held.covers(addresses(one)) for one in inside)
    assert not any(held.covers(addresses(one)) for one in outside)


def test_of_listeners_on_one_port_those_of_one_address_belong_together() -> None:
    primary = tuple(Listener(i, f"10.0.0.{i}", 1, {"listenPort": 21, "x": i}) for i in range(1, 5))
    own = tuple(Listener(10 - i, f"10.0.0.{i}", 1, {"listenPort": 21, "x": 0}) for i in (1, 2, 8, 9))
    desired = ListenersPart().desired(primary, own, Policy())
    assert [listener.options["x"] for listener in desired] == [1, 2, 4, 3]
