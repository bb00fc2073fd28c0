"""What a plan says of every part, that it stays small, and that no secret is ever in it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from common import budgets
from common.errors import Reason
from replication.documents.diff import Difference, Kind
from replication.guards.access_watch import access_increases
from replication.guards.approval import Guard, access_warnings
from replication.guards.limits import Limits, exceeded_limits
from replication.model import LONGEST_SHOWN, PartName, Policy
from replication.plan_details import (
    MAX_FIELDS,
    MAX_ITEMS,
    FieldChange,
    ItemChange,
    PartDetails,
    State,
    details,
    field_change,
    preview,
)
from replication.plan_text import render
from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping
from tests.support.steps import assert_linear

if TYPE_CHECKING:
    from replication.plan import Plan
    from tests.unit.replication.conftest import PlanFactory


def part(plan: Plan, name: PartName, **options: int) -> PartDetails:
    return next(one for one in details(plan, **options).parts if one.part is name)


def summary(changes: PartDetails) -> dict[str, list[tuple[str, str | None, str | None]]]:
    """Every item by sign and key, with its fields."""
    signs = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}
    return {
        f"{signs[item.kind]} {item.key}": [(field.path, field.before, field.after) for field in item.fields]
        for item in changes.items
    }


def test_equal_parts_are_equal(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {})
    view = details(plan)
    assert {one.state for one in view.parts} == {State.EQUAL}
    assert not any(one.items for one in view.parts)
    assert view.hash == plan.hash


def test_users_and_groups_by_name_with_the_changed_fields(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between(
        {
            "users": '<u><user name="ann"><mail>a@old</mail><hash>x1x1</hash></user><user name="eve"/></u>',
            "groups": "<g/>",
        },
        {
            "users": '<u><user name="bob"/><user name="Ann"><mail>a@new</mail><hash>y2y2</hash></user></u>',
            "groups": '<g><group name="staff"><x>1</x></group></g>',
        },
    )
    view = part(plan, PartName.ACCOUNTS)
    assert view.state is State.DIFFERENT
    assert (view.added, view.removed, view.changed) == (2, 1, 1)
    assert summary(view) == {
        "- users/eve": [],
        "~ users/Ann": [("@name", "ann", "Ann"), ("mail", "a@old", "a@new"), ("hash", None, None)],
        "+ users/bob": [],
        "+ groups/staff": [],
    }
    assert [field.hidden for field in view.items[1].fields] == [False, False, True]


def test_settings_by_path_with_old_and_new_value_and_what_the_rules_keep(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between(
        {"settings": "<s><a>1</a><gone>x</gone><soap><port>1</port></soap><e name='LicenseKey' value='A'/></s>"},
        {"settings": "<s><a>2</a><new b='y'/><soap><port>2</port></soap><e name='LicenseKey' value='B'/></s>"},
    )
    view = part(plan, PartName.SETTINGS)
    assert summary(view) == {
        "- /s/gone": [("/s/gone", "x", None)],
        "~ /s/a": [("/s/a", "1", "2")],
        "+ /s/new/@b": [("/s/new/@b", None, "y")],
    }
    assert (view.kept, view.kept_paths) == (2, ("/s/soap", "/s/e[LicenseKey]"))
    assert (view.kept_different, view.kept_different_paths) == (2, ("/s/soap/port", "/s/e[LicenseKey]/@value"))


def test_rules_sources_addresses_and_requests_by_what_they_are_called(make_plan_between: PlanFactory) -> None:
    source = AuthenticationSource(enabled=True, name="AD", type="ad", description="")
    other = AuthenticationSource(enabled=False, name="AD", type="ad", description="")
    plan = make_plan_between(
        {
            "event_rules": "<l><rule name='r1'><to>ann</to></rule><rule name='r2'/></l>",
            "authentication": Authentication("<l><d><name>AD</name><host>a</host></d></l>", (source,)),
            "blocked_addresses": "<l><e><entry><from>192.0.2.1</from><to/></entry></e><e><ip>192.0.2.9</ip></e></l>",
            "account_requests": "<l><r guid='g1'><who>x</who></r><r guid='g2'><who>y</who></r></l>",
        },
        {
            "event_rules": "<l><rule name='r1'><to>bob</to></rule><rule name='r3'/></l>",
            "authentication": Authentication("<l><d><name>AD</name><host>b</host></d></l>", (other,)),
            "blocked_addresses": "<l><e><ip>192.0.2.9</ip></e><e><entry><from>192.0.2.7</from><to/></entry></e></l>",
            "account_requests": "<l><r guid='g1'><who>z</who></r></l>",
        },
    )
    assert summary(part(plan, PartName.EVENT_RULES)) == {"- r2": [], "~ r1": [("to", "ann", "bob")], "+ r3": []}
    assert summary(part(plan, PartName.AUTHENTICATION)) == {
        "~ AD": [("host", "a", "b")],
        "~ sources/AD": [("enabled", "true", "false")],
    }
    assert summary(part(plan, PartName.IP_BLOCK_LISTS)) == {"- 192.0.2.1": [], "+ 192.0.2.7": []}
    assert summary(part(plan, PartName.ACCOUNT_REQUESTS)) == {"- g2": [], "~ g1": [("who", "x", "z")]}


def test_items_that_bear_no_name_go_by_their_path(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({"event_rules": "<l><x><y>1</y><y>2</y></x></l>"}, {"event_rules": "<l><z><y/></z></l>"})
    assert summary(part(plan, PartName.EVENT_RULES)) == {"- /l/x[1]": [], "+ /l/z[1]": []}


def test_another_order_of_rules_is_named(make_plan_between: PlanFactory) -> None:
    rules = "<rule name='a'/>", "<rule name='b'/>"
    plan = make_plan_between(
        {"event_rules": f"<l>{''.join(rules)}</l>"}, {"event_rules": f"<l>{''.join(reversed(rules))}</l>"}
    )
    assert summary(part(plan, PartName.EVENT_RULES)) == {"~ (order)": [("(order)", None, None)]}


def test_mappings_by_extension_and_listeners_by_protocol_and_port(make_plan_between: PlanFactory) -> None:
    def listener(**options: object) -> tuple[Listener, ...]:
        return (Listener(7, "192.0.2.1", 2, {"listenPort": 22, **options}),)

    plan = make_plan_between(
        {
            "mime_mappings": (MimeMapping("txt", "text/plain"), MimeMapping("old", "x/y")),
            "listeners": listener(useHSTS=False, captchaPrivKey="one"),
        },
        {
            "mime_mappings": (MimeMapping("TXT", "text/x"), MimeMapping("new", "x/y")),
            "listeners": listener(useHSTS=True, captchaPrivKey="two"),
        },
    )
    assert summary(part(plan, PartName.MIME_MAPPINGS)) == {
        "- old": [],
        "~ txt": [("type", "text/plain", "text/x")],
        "+ new": [],
    }
    assert summary(part(plan, PartName.LISTENERS)) == {
        "~ protocol 2 port 22": [("useHSTS", "false", "true"), ("captchaPrivKey", None, None)]
    }


def test_automatically_blocked_addresses_are_in_the_plan_only_when_they_are_replicated(
    make_plan_between: PlanFactory,
) -> None:
    own, source = ({"auto_blocked_addresses": f"<l><ip>192.0.2.{n}</ip></l>"} for n in (1, 2))
    assert part(make_plan_between(own, source), PartName.IP_BLOCK_LISTS).state is State.EQUAL
    both = make_plan_between(own, source, Policy(replicate_auto_block_list=True))
    assert summary(part(both, PartName.IP_BLOCK_LISTS)) == {"- automatic/192.0.2.1": [], "+ automatic/192.0.2.2": []}


def test_a_part_that_the_primary_does_not_hold_is_settled_and_shows_what_would_go(
    make_plan_between: PlanFactory,
) -> None:
    view = part(make_plan_between({}, {"event_rules": ""}), PartName.EVENT_RULES)
    assert (view.state, view.reason) == (State.NOT_WRITTEN, Reason.PRIMARY_EMPTY)
    assert summary(view) == {"- r": []}


def users(count: int, **values: str) -> str:
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return f"<u>{''.join(f'<user name="user{n:05}">{fields}</user>' for n in range(count))}</u>"


def test_a_plan_stays_small_and_counts_what_it_does_not_list(make_plan_between: PlanFactory) -> None:
    many = {f"f{n}": "1" for n in range(MAX_FIELDS + 7)}
    plan = make_plan_between({"users": users(900, **many)}, {"users": users(700, **dict.fromkeys(many, "2" * 500))})
    view = part(plan, PartName.ACCOUNTS)
    assert (view.removed, view.changed, len(view.items), view.more_items) == (200, 700, MAX_ITEMS, 700)
    assert {item.kind for item in view.items} == {Kind.REMOVED}, "removed ones come first"
    one = next(item for item in part(plan, PartName.ACCOUNTS, max_items=201).items if item.kind is Kind.CHANGED)
    assert (len(one.fields), one.more_fields) == (MAX_FIELDS, 7)
    assert len(json.dumps(asdict(details(plan, max_items=400)))) < 200 * MAX_FIELDS * 600


def _plan_for_changed_users(make_plan_between: PlanFactory, count: int) -> None:
    own, source = (
        users(count, isDisabled=disabled, mail="a@example", path="x", note=disabled, quota="5")
        for disabled in ("true", "false")
    )
    plan = make_plan_between({"users": own}, {"users": source})
    assert part(plan, PartName.ACCOUNTS).changed == count
    assert exceeded_limits(plan, Limits()) == ()
    assert len(access_increases(plan)) == count


def test_ten_thousand_changed_users_are_planned_and_judged(make_plan_between: PlanFactory) -> None:
    _plan_for_changed_users(make_plan_between, 10_000)


def test_twice_the_changed_users_are_twice_the_work(make_plan_between: PlanFactory) -> None:
    assert_linear(lambda count: _plan_for_changed_users(make_plan_between, count), 200)


def test_json_has_every_field(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({"settings": "<s><a>1</a></s>"}, {"settings": "<s><a>2</a></s>"})
    document = json.loads(json.dumps(asdict(details(plan))))
    assert document["hash"] == plan.hash
    assert details(plan).parts[0].more_items == 0
    assert document["parts"][0] == {
        "part": "settings",
        "state": "different",
        "reason": None,
        "message": "",
        "added": 0,
        "removed": 0,
        "changed": 1,
        "items": [
            {
                "kind": "changed",
                "key": "/s/a",
                "fields": [{"path": "/s/a", "kind": "changed", "before": "1", "after": "2", "hidden": False}],
                "more_fields": 0,
            }
        ],
        "kept": 0,
        "kept_paths": [],
        "kept_different": 0,
        "kept_different_paths": [],
    }
    assert document["exceptions"] == []


SECRET_NAMES = ["password", "passwordHash", "salt", "sshKey", "apiToken", "bindPassword", "privateKey", "pass-phrase"]


@st.composite
def planted(draw: st.DrawFn, secret: str) -> str:
    """An element that holds a secret somewhere, in one of the styles in which documents hold values."""
    name = draw(st.sampled_from(SECRET_NAMES))
    style = draw(
        st.sampled_from(
            [
                "<{n}>{t}</{n}>",
                "<x {n}={a}/>",
                "<{n} value={a} type='sha256'/>",
                "<{n} name={a}/>",
                "<{n}><of><thing name={a}>{t}</thing></of></{n}>",
                "<entry name='{n}' value={a}/>",
                "<entry name='{n}'>{t}</entry>",
                "<entry><key>{n}</key><value>{t}</value></entry>",
                "<client key={a}/>",
                "<client key={a}/><client key='other'/>",
                "<{n}s><k id={a}/><k id='2'/></{n}s>",
                "<field><title>{n}</title><content>{t}</content></field>",
                "<note>-----BEGIN PRIVATE KEY----- {t}</note>",
                "<dsn>user=a;password={t}</dsn>",
            ]
        )
    )
    wrapper = draw(
        st.sampled_from(["{}", "<section>{}</section>", "<list><item name='a'>{}</item><item name='b'/></list>"])
    )
    return wrapper.format(style.format(n=name, t=escape(secret), a=quoteattr(secret)))


@given(data=st.data())
def test_no_planted_secret_is_ever_shown(make_plan_between: PlanFactory, data: st.DataObject) -> None:
    def content(secret: str) -> dict[str, Any]:
        def some() -> str:
            return "".join(data.draw(st.lists(planted(secret), max_size=3)))

        entries = f"{{}}<e name='z'>{some()}</e>"
        return {
            "settings": f"<s><always>1</always>{some()}</s>",
            "users": f"<u><user name='ann'>{some()}</user><user name='bob'/></u>",
            "groups": f"<g><group name='staff'>{some()}</group></g>",
            "event_rules": f"<l>{entries.format(some())}</l>",
            "account_requests": f"<l>{entries.format(some())}</l>",
            "blocked_addresses": f"<l>{entries.format(some())}</l>",
            "auto_blocked_addresses": f"<l>{some()}</l>",
            "authentication": Authentication(f"<l>{entries.format(some())}</l>"),
            "listeners": (Listener(1, "", 1, {"listenPort": 21, "captchaPrivKey": secret, "nested": {"pw": secret}}),),
        }

    policy = Policy(parts=frozenset(PartName), replicate_auto_block_list=True)
    plan = make_plan_between(content("pLant-one"), content("pLant-two"), policy)
    view = details(plan)
    blocks, wider = exceeded_limits(plan, Limits()), access_increases(plan)
    shown = json.dumps(asdict(view)) + render(view, "b1", blocks=blocks, access_increases=wider) + f"{blocks}{wider}"
    assert "pLant" not in shown


def test_what_is_hidden_is_still_said_to_have_changed(make_plan_between: PlanFactory) -> None:
    own, source = ({"users": f"<u><user name='ann'><password value='{v}'/></user></u>"} for v in ("one1", "two2"))
    view = part(make_plan_between(own, source), PartName.ACCOUNTS)
    assert view.items == (
        ItemChange(Kind.CHANGED, "users/ann", (FieldChange("password/@value", Kind.CHANGED, None, None, hidden=True),)),
    )


@pytest.mark.parametrize("value", ["true", "12"])
def test_what_gives_nothing_away_is_shown_beside_a_password(make_plan_between: PlanFactory, value: str) -> None:
    own, source = ({"users": f"<u><user name='ann'><password noExpire='{v}'/></user></u>"} for v in ("false", value))
    view = part(make_plan_between(own, source), PartName.ACCOUNTS)
    assert view.items[0].fields == (FieldChange("password/@noExpire", Kind.CHANGED, "false", value),)


def test_a_secret_that_is_itself_an_item_of_a_list_is_hidden(make_plan_between: PlanFactory) -> None:
    own, source = ({"event_rules": f"<l><password value='{v}' of='x'/></l>"} for v in ("one1", "two2"))
    view = part(make_plan_between(own, source), PartName.EVENT_RULES)
    assert view.items == (
        ItemChange(Kind.CHANGED, "/l/password[1]", (FieldChange("@value", Kind.CHANGED, None, None, hidden=True),)),
    )


LONG = "x" * 60_000
LONG_PLACES = {
    "users": "<u><user name='b'/>{}</u>",
    "groups": "<g><group name='b'/>{}</g>",
    "settings": "<s><k/>{}</s>",
    "event_rules": "<l><r name='b'/>{}</l>",
    "blocked_addresses": "<l><ip>192.0.2.1</ip>{}</l>",
}
LONG_SHAPES = [
    *("<user name='LONG'><isAdmin>{}</isAdmin></user>", "<user name='a'><LONG>{}</LONG></user>", "<a LONG='{}'/>"),
    *("<LONGHost>a{}.example</LONGHost>", "<x LONGPort='{}'/>", "<section name='SOAP'><LONG>{}</LONG></section>"),
    *("<site><title>LONG</title><cert>{}</cert></site>", "<allowedIps><LONG><ip>10.0.0.{}</ip></LONG></allowedIps>"),
    *("<soap><LONG>{}</LONG></soap>", "<group name='LONG'><permissions>{}</permissions></group>", "<n>LONG {}</n>"),
]


@pytest.mark.parametrize("key", LONG_PLACES)
@pytest.mark.parametrize("shape", LONG_SHAPES)
def test_no_name_or_path_makes_a_view_long(make_plan_between: PlanFactory, key: str, shape: str) -> None:
    # What is an element's or an attribute's name can be no longer, or its server is not listened to.
    long = LONG if re.search(r"'LONG'|>LONG", shape) else LONG[: budgets.NAME - len("Host")]
    own, source = ({key: LONG_PLACES[key].format(shape.replace("LONG", long).format(one))} for one in (0, 1))
    plan = make_plan_between(own, source, Policy(parts=frozenset(PartName)))
    guard = Guard(Limits(0, 0, 0, 0, 0, 0), block_widened_access=True)
    shown = preview(plan, guard, access_warnings(plan, "b1"))
    text = render(shown.details, "b1", blocks=shown.blocks, access_increases=shown.access_increases)
    assert max(map(len, text.splitlines())) < 1_500
    assert len(json.dumps(asdict(shown.details))) + len(str(shown.blocks)) + len(str(shown.access_increases)) < 12_000


@given(
    same=st.integers(0, 3_000),
    before=st.text("ab ", max_size=400),
    after=st.text("ab ", max_size=400),
    rest=st.integers(0, 400),
)
def test_of_two_long_values_what_differs_is_shown(same: int, before: str, after: str, rest: int) -> None:
    beginning = ("word " * 600)[:same]
    sides = [f"{beginning}{middle}{'end ' * rest}" for middle in (before, after)]
    assume(sides[0] != sides[1])
    shown = field_change(Difference((), Kind.CHANGED, sides[0], sides[1], 0))
    assert shown.before != shown.after
    assert max(len(shown.before or ""), len(shown.after or "")) < LONGEST_SHOWN + 30


@pytest.mark.parametrize("place", ["password={}", "curl -u bob:{} h", "https://ann:{}@h/", "bob:{}"])
@pytest.mark.parametrize("apart", [0, 20, 300, 900])
def test_a_secret_far_behind_the_beginning_is_not_shown_where_it_differs(place: str, apart: int) -> None:
    start = "word " * 1_000
    sides = [f"{start}{place.format('hunterly')} {'x ' * (apart // 2)}{end}" for end in ("one", "two")]
    assert field_change(Difference((), Kind.CHANGED, sides[0], sides[1], 0)).hidden
    sides = [f"{start}{place.format(one)} end" for one in ("hunterly", "sommergruen")]
    assert field_change(Difference((), Kind.CHANGED, sides[0], sides[1], 0)).hidden
