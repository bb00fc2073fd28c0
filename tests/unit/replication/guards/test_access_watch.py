"""What a plan would do to widen access."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replication.guards.access_rules import AccessIncreaseKind
from replication.guards.access_watch import AccessIncrease, access_increases
from replication.guards.approval import Guard, access_warnings
from replication.model import PartName, Policy
from replication.plan_details import preview
from replication.plan_text import render
from replication.ports import Listener

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

K = AccessIncreaseKind
ACCOUNTS = Policy(parts=frozenset({PartName.ACCOUNTS}))


def of_user(make_plan_between: PlanFactory, own: str, source: str) -> list[tuple[AccessIncreaseKind, str]]:
    """What widens when what is inside of one user changes."""
    plan = make_plan_between(
        {"users": f"<u><user name='ann'>{own}</user></u>"},
        {"users": f"<u><user name='ann'>{source}</user></u>"},
        ACCOUNTS,
    )
    increases = access_increases(plan)
    assert {(one.part, one.item) for one in increases} <= {(PartName.ACCOUNTS, "users/ann")}
    return [(one.kind, one.path) for one in increases]


WORDS = (
    "allow",
    "denyDelete",
    "group",
    "ipAllowedList",
    "priority",
    "enabled",
    "role",
    "publicKey",
    "expires",
    "value",
)


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.builds(
        lambda tag, key, value, content: f'<{tag} {key}="{value}">{content}</{tag}>',
        st.sampled_from(WORDS),
        st.sampled_from(WORDS),
        st.sampled_from(("", "true", "false", "10.0.0.1", "2026-01-01")),
        inner,
    )
    return st.lists(element | st.sampled_from(("note", "true", "10.0.0.1", " ")), max_size=3).map("".join)


CONTENT = st.recursive(st.sampled_from(("", "note", "true")), pieces, max_leaves=6)


@given(own=CONTENT, source=CONTENT, policy=st.sampled_from([ACCOUNTS, Policy(parts=frozenset({PartName.SETTINGS}))]))
@example(own="", source="note", policy=ACCOUNTS)
def test_no_document_is_beyond_the_watch_or_its_rendering(
    make_plan_between: PlanFactory, own: str, source: str, policy: Policy
) -> None:
    """Text stands beside elements, or directly in a user or a group: a warning must not fail a run."""

    def content(inner: str) -> dict[str, str]:
        return {
            "users": f"<u><user name='ann'>{inner}</user></u>",
            "groups": f"<g><group name='staff'>{inner}</group></g>",
            "settings": f"<s><always/>{inner}</s>",
        }

    plan = make_plan_between(content(own), content(source), policy)
    shown = preview(plan, Guard(block_widened_access=True), access_warnings(plan, "b1"))
    assert render(shown.details, "b1", blocks=shown.blocks, access_increases=shown.access_increases)


ROOT = "<rootList><root><name>{}</name><path>{}</path><permissions>{}</permissions></root>{}</rootList>"
LIST = "<allowListDir>true</allowListDir>"
KEY = "<sshKeys><publicKey name='{}'>ssh-ed25519 AAAA{}</publicKey>{}</sshKeys>"
METHOD = "<authMethod method='{}' priority='user'/>"
LIMIT = "<ipAllowedList value='{}' priority='user'/>"
UNTIL = "<disableAfterTime value='{}' priority='user'/>"

WIDER = [
    (
        ROOT.format("a", "p", "<allowUpload>false</allowUpload>", ""),
        ROOT.format("a", "p", "<allowUpload>true</allowUpload>", ""),
        (K.PERMISSION_ADDED, "rootList/root[a]/permissions/allowUpload"),
    ),
    (
        ROOT.format("a", "p", "", ""),
        ROOT.format("a", "p", "<upload>1</upload>", ""),
        (K.PERMISSION_ADDED, "rootList/root[a]/permissions/upload"),
    ),
    (
        "<isAllowPasswordChange value='false'/>",
        "<isAllowPasswordChange value='true'/>",
        (K.PERMISSION_ADDED, "isAllowPasswordChange/@value"),
    ),
    (
        "<e><key>AllowShare</key><value>no</value></e>",
        "<e><key>AllowShare</key><value>yes</value></e>",
        (K.PERMISSION_ADDED, "e[AllowShare]/value"),
    ),
    ("<denyDelete>true</denyDelete>", "<denyDelete>false</denyDelete>", (K.PERMISSION_ADDED, "denyDelete")),
    (
        ROOT.format("a", "p", LIST, ""),
        ROOT.format("a", "p", LIST, "<root><name>b</name><path>q</path></root>"),
        (K.DIRECTORY_ADDED, "rootList/root[b]"),
    ),
    ("", ROOT.format("a", "p", LIST, ""), (K.DIRECTORY_ADDED, "rootList/root[a]")),
    (
        ROOT.format("a", "D:\\in\\ann", LIST, ""),
        ROOT.format("a", "D:\\", LIST, ""),
        (K.DIRECTORY_ADDED, "rootList/root[a]/path"),
    ),
    ("<isDisabled value='true'/>", "<isDisabled value='false'/>", (K.ACCOUNT_ENABLED, "isDisabled/@value")),
    ("<isDisabled value='true'/>", "", (K.ACCOUNT_ENABLED, "isDisabled/@value")),
    ("<enabled>false</enabled>", "<enabled>true</enabled>", (K.ACCOUNT_ENABLED, "enabled")),
    (UNTIL.format("2026-01-01T00:00:00Z"), "", (K.EXPIRY_LIFTED, "disableAfterTime/@value")),
    (
        UNTIL.format("2026-01-01T00:00:00Z"),
        UNTIL.format("2026-01-01T00:00:01"),
        (K.EXPIRY_LIFTED, "disableAfterTime/@value"),
    ),
    (
        UNTIL.format("2026-01-01T00:00:00Z"),
        UNTIL.format("1970-01-01T00:00:00Z"),
        (K.EXPIRY_LIFTED, "disableAfterTime/@value"),
    ),
    (UNTIL.format("first of May"), UNTIL.format("second of May"), (K.EXPIRY_LIFTED, "disableAfterTime/@value")),
    ("<expireDays>30</expireDays>", "<expireDays>90</expireDays>", (K.EXPIRY_LIFTED, "expireDays")),
    ("<expireDays>30</expireDays>", "<expireDays>0</expireDays>", (K.EXPIRY_LIFTED, "expireDays")),
    ("<password noExpire='false'/>", "<password noExpire='true'/>", (K.EXPIRY_LIFTED, "password/@noExpire")),
    (LIMIT.format("192.0.2.1"), "", (K.ADDRESS_LIMIT_LIFTED, "ipAllowedList/@value")),
    (LIMIT.format("192.0.2.1"), LIMIT.format(""), (K.ADDRESS_LIMIT_LIFTED, "ipAllowedList/@value")),
    (
        LIMIT.format("192.0.2.1"),
        LIMIT.format("192.0.2.1,192.0.2.2"),
        (K.ADDRESS_LIMIT_LIFTED, "ipAllowedList/@value"),
    ),
    (
        "<allowedIps><ip>192.0.2.1</ip></allowedIps>",
        "<allowedIps><ip>192.0.2.1</ip><ip>192.0.2.2</ip></allowedIps>",
        (K.ADDRESS_LIMIT_LIFTED, "allowedIps/ip[2]"),
    ),
    (
        "<requireSecureData value='true'/>",
        "<requireSecureData value='false'/>",
        (K.SECURE_CONNECTION_DROPPED, "requireSecureData/@value"),
    ),
    ("<tlsRequired>1</tlsRequired>", "", (K.SECURE_CONNECTION_DROPPED, "tlsRequired")),
    ("<mfaEnabled>true</mfaEnabled>", "<mfaEnabled>false</mfaEnabled>", (K.SECURE_CONNECTION_DROPPED, "mfaEnabled")),
    ("", KEY.format("k", 1, ""), (K.SSH_KEY_ADDED, "sshKeys/publicKey")),
    (KEY.format("k", 1, ""), KEY.format("k", 2, ""), (K.SSH_KEY_ADDED, "sshKeys/publicKey")),
    (
        "<authorizedKeys>one</authorizedKeys>",
        "<authorizedKeys>two</authorizedKeys>",
        (K.SSH_KEY_ADDED, "authorizedKeys"),
    ),
    (METHOD.format("public_key"), METHOD.format("password"), (K.AUTHENTICATION_WEAKENED, "authMethod/@method")),
    (
        METHOD.format("password_and_public_key"),
        METHOD.format("public_key"),
        (K.AUTHENTICATION_WEAKENED, "authMethod/@method"),
    ),
    (METHOD.format("public_key"), METHOD.format("magic"), (K.AUTHENTICATION_WEAKENED, "authMethod/@method")),
    ("<isAnonymous value='false'/>", "<isAnonymous value='true'/>", (K.AUTHENTICATION_WEAKENED, "isAnonymous/@value")),
    ("<protocols ftp='false'/>", "<protocols ftp='true'/>", (K.PROTOCOL_ADDED, "protocols/@ftp")),
    (
        "<protocols><p>sftp</p></protocols>",
        "<protocols><p>sftp</p><p>ftp</p></protocols>",
        (K.PROTOCOL_ADDED, "protocols/p[2]"),
    ),
    ("<isAdmin>false</isAdmin>", "<isAdmin>true</isAdmin>", (K.ADMIN_GRANTED, "isAdmin")),
    ("<role>user</role>", "<role>Administrator</role>", (K.ADMIN_GRANTED, "role")),
    (
        "<groupList/>",
        "<groupList><group name='staff'/></groupList>",
        (K.GROUP_JOINED, "groupList/group[staff]/@name"),
    ),
    (
        "<groupList><group name='staff'/></groupList>",
        "<groupList><group name='boss'/></groupList>",
        (K.GROUP_JOINED, "groupList/group[boss]/@name"),
    ),
    (
        "<requireSecureControl value='true' priority='user'/>",
        "<requireSecureControl value='true' priority='group'/>",
        (K.INHERITANCE_CHANGED, "requireSecureControl/@priority"),
    ),
    (
        "<ipAllowedList value='192.0.2.1' priority='user'/>",
        "<ipAllowedList value='192.0.2.1' priority='group'/>",
        (K.INHERITANCE_CHANGED, "ipAllowedList/@priority"),
    ),
]


@pytest.mark.parametrize(("own", "source", "expected"), WIDER)
def test_what_widens_access_is_marked(
    make_plan_between: PlanFactory, own: str, source: str, expected: tuple[AccessIncreaseKind, str]
) -> None:
    assert of_user(make_plan_between, own, source) == [expected]


@pytest.mark.parametrize(("own", "source", "expected"), WIDER)
def test_it_is_marked_wherever_it_stands_inside_of_the_user(
    make_plan_between: PlanFactory, own: str, source: str, expected: tuple[AccessIncreaseKind, str]
) -> None:
    wrapped = of_user(make_plan_between, f"<properties>{own}</properties>", f"<properties>{source}</properties>")
    assert [kind for kind, _ in wrapped] == [expected[0]]


NARROWER = [
    (ROOT.format("a", "p", LIST, ""), ""),
    (
        ROOT.format("a", "p", "<allowUpload>true</allowUpload>", ""),
        ROOT.format("a", "p", "<allowUpload>false</allowUpload>", ""),
    ),
    ("<isDisabled value='false'/>", "<isDisabled value='true'/>"),
    (UNTIL.format("2026-01-02T00:00:00Z"), UNTIL.format("2026-01-01T00:00:00Z")),
    ("", UNTIL.format("2026-01-01T00:00:00Z")),
    ("<expireDays>90</expireDays>", "<expireDays>30</expireDays>"),
    ("<password noExpire='true'/>", "<password noExpire='false'/>"),
    ("", LIMIT.format("192.0.2.1")),
    (LIMIT.format("192.0.2.1 192.0.2.2"), LIMIT.format("192.0.2.2")),
    ("<requireSecureData value='false'/>", "<requireSecureData value='true'/>"),
    (KEY.format("k", 1, ""), ""),
    (METHOD.format("password"), METHOD.format("public_key")),
    ("<isAnonymous value='true'/>", "<isAnonymous value='false'/>"),
    ("<protocols ftp='true' sftp='true'/>", "<protocols ftp='false' sftp='true'/>"),
    ("<isAdmin>true</isAdmin>", "<isAdmin>false</isAdmin>"),
    ("<groupList><group name='staff'/></groupList>", "<groupList/>"),
    ("<email>a@example</email>", "<email>b@example</email>"),
    ("<maxLoginsAllowed value='1' priority='user'/>", "<maxLoginsAllowed value='5' priority='group'/>"),
    ("<password value='aa'/>", "<password value='bb'/>"),
]


@pytest.mark.parametrize(("own", "source"), NARROWER)
def test_what_does_not_widen_access_is_not_marked(make_plan_between: PlanFactory, own: str, source: str) -> None:
    assert of_user(make_plan_between, own, source) == []


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<protocols ftps='true'/>" + ROOT.format("a", "p", LIST, "") + KEY.format("k", 1, ""), []),
        ("<isAnonymous value='true'/>", ["isAnonymous/@value"]),
        ("<isAdmin>true</isAdmin><requireSecureData value='false'/>", ["isAdmin"]),
        ("<requireSecureData value='false'/>", ["requireSecureData/@value"]),
        ("<requireSecureData value='false'/><isDisabled value='true'/>", []),
    ],
)
def test_a_new_user_is_marked_only_when_it_is_open(
    make_plan_between: PlanFactory, inside: str, expected: list[str]
) -> None:
    plan = make_plan_between({"users": "<u/>"}, {"users": f"<u><user name='new'>{inside}</user></u>"}, ACCOUNTS)
    assert access_increases(plan) == tuple(
        AccessIncrease(PartName.ACCOUNTS, K.ACCOUNT_ADDED, "users/new", path) for path in expected
    )


def test_groups_are_watched_too(make_plan_between: PlanFactory) -> None:
    own, source = ({"groups": f"<g><group name='staff' isDisabled='{v}'/></g>"} for v in ("true", "false"))
    assert access_increases(make_plan_between(own, source, ACCOUNTS)) == (
        AccessIncrease(PartName.ACCOUNTS, K.ACCOUNT_ENABLED, "groups/staff", "@isDisabled"),
    )


@pytest.mark.parametrize(("total", "changed", "marked"), [(8, 2, False), (8, 3, True), (50, 5, False), (50, 6, True)])
def test_many_passwords_that_change_at_once_are_marked(
    make_plan_between: PlanFactory, total: int, changed: int, marked: bool
) -> None:
    def users(replaced: int) -> dict[str, str]:
        held = (
            f"<user name='u{n}'><password value='{'new' if n < replaced else 'old'}'/></user>" for n in range(total)
        )
        return {"users": f"<u>{''.join(held)}</u>"}

    increases = access_increases(make_plan_between(users(0), users(changed), ACCOUNTS))
    expected = AccessIncrease(PartName.ACCOUNTS, K.PASSWORDS_CHANGED, "users", f"{changed} of {total}")
    assert increases == ((expected,) if marked else ())


def test_settings_and_listeners_are_watched_for_permissions_and_secure_connections(
    make_plan_between: PlanFactory,
) -> None:
    def content(secure: bool) -> dict[str, object]:
        word = str(secure).lower()
        return {
            "settings": f"<s><ftp requireTls='{word}' allowFxp='{str(not secure).lower()}'/></s>",
            "listeners": (Listener(1, "", 1, {"listenPort": 21, "requiresSecureControl": secure}),),
        }

    policy = Policy(parts=frozenset({PartName.SETTINGS, PartName.LISTENERS}))
    assert access_increases(make_plan_between(content(True), content(False), policy)) == (
        AccessIncrease(PartName.SETTINGS, K.PERMISSION_ADDED, "/s/ftp/@allowFxp", "/s/ftp/@allowFxp"),
        AccessIncrease(PartName.SETTINGS, K.SECURE_CONNECTION_DROPPED, "/s/ftp/@requireTls", "/s/ftp/@requireTls"),
        AccessIncrease(PartName.LISTENERS, K.SECURE_CONNECTION_DROPPED, "protocol 1 port 21", "requiresSecureControl"),
    )
    assert access_increases(make_plan_between(content(False), content(True), policy)) == ()


def test_equal_servers_widen_nothing(make_plan_between: PlanFactory) -> None:
    assert access_increases(make_plan_between({}, {})) == ()
