"""A group that comes to those who name it already, or goes while they still do; and what a new account gets of one."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from common.errors import Reason
from replication.guards.access_rules import AccessIncreaseKind
from replication.guards.access_watch import access_increases
from replication.guards.approval import Guard
from replication.model import PartName, Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.replication.conftest import PlanFactory

K = AccessIncreaseKind
ACCOUNTS = Policy(parts=frozenset({PartName.ACCOUNTS}))

GIVES = {
    "<isAdmin>true</isAdmin>": K.ADMIN_GRANTED,
    "<permissions>read,write,delete</permissions>": K.PERMISSION_ADDED,
    "<rootList><root><name>a</name><path>/</path></root></rootList>": K.DIRECTORY_ADDED,
    "<protocols ftp='true'/>": K.PROTOCOL_ADDED,
    "<require2FA>false</require2FA>": K.MAY_WIDEN,
    "<frob>1</frob>": K.MAY_WIDEN,
    "<desc>nothing at all</desc>": K.MAY_WIDEN,
    "": K.MAY_WIDEN,
}
"""What a group holds, and what is told when it comes."""
LIMITS = {
    "<isDisabled>true</isDisabled>": K.ACCOUNT_ENABLED,
    "<status>locked</status>": K.ACCOUNT_ENABLED,
    "<require2FA>true</require2FA>": K.SECURE_CONNECTION_DROPPED,
    "<allowedIp>10.0.0.1</allowedIp>": K.ADDRESS_LIMIT_LIFTED,
    "<ipAllowedList value='10.0.0.1' priority='group'/>": K.ADDRESS_LIMIT_LIFTED,
    "<expires>2030-01-01</expires>": K.EXPIRY_LIFTED,
    "<frob>1</frob>": K.MAY_WIDEN,
    "<permissions>read</permissions>": K.MAY_WIDEN,
    "": K.MAY_WIDEN,
}
"""The same for a group that goes."""
NAMED = (
    "<groups><group>{}</group></groups>",
    "<groupList><group name='{}'/></groupList>",
    "<groups value='other,{}'/>",
    "<memberOf>other; {}</memberOf>",
    "<entry name='groups' value='{}'/>",
    "<primaryGroup>{}</primaryGroup>",
    "<properties><groups><g id='{}'/></groups></properties>",
)
CALLED = {"staff": "staff", "Staff": "STAFF", "a &amp; b": "a &amp; b", "7": "7"}
"""What a group is called, and what its members write."""
GROUP = "<groups><group name='other'/>{}</groups>"


def kinds(
    make_plan_between: PlanFactory, before: Mapping[str, object], after: Mapping[str, object]
) -> set[AccessIncreaseKind]:
    return {one.kind for one in access_increases(make_plan_between(before, after, ACCOUNTS))}


def test_a_group_that_comes_to_its_members_counts_as_changed_from_nothing(make_plan_between: PlanFactory) -> None:
    for (inside, kind), form, (called, written) in product(GIVES.items(), NAMED, CALLED.items()):
        users = f"<users><user name='ann'>{form.format(written)}</user><user name='bob'/></users>"
        group = f"<group id='x{called}' name='{called}'>{inside}</group>"
        before, after = ({"users": users, "groups": GROUP.format(one)} for one in ("", group))
        assert kinds(make_plan_between, before, after) == {kind}, (inside, form, called)


def test_a_group_that_goes_while_somebody_names_it_loses_its_limits(make_plan_between: PlanFactory) -> None:
    for (inside, kind), form, (called, written) in product(LIMITS.items(), NAMED, CALLED.items()):
        users = f"<users><user name='ann'>{form.format(written)}</user></users>"
        group = f"<group name='{called}'>{inside}</group>"
        before, after = ({"users": users, "groups": GROUP.format(one)} for one in (group, ""))
        assert kinds(make_plan_between, before, after) == {kind}, (inside, form, called)


@pytest.mark.parametrize("comes", [True, False])
def test_a_group_that_nobody_of_the_backup_names_tells_nothing(make_plan_between: PlanFactory, *, comes: bool) -> None:
    users = (
        "<users><user name='ann'><groups><group>staff2</group></groups><a>staff</a></user></users>",
        "<users><user name='ann'><a>staff</a></user><user name='new'><memberOf>staff</memberOf></user></users>",
    )
    for inside in {**GIVES, **LIMITS}:
        if inside in ("<isAdmin>true</isAdmin>", "<require2FA>false</require2FA>"):
            continue  # opens the new account
        sides = [GROUP.format(""), GROUP.format(f"<group name='staff'>{inside}</group>")]
        before, after = sides if comes else sides[::-1]
        increases = kinds(
            make_plan_between, {"users": users[0], "groups": before}, {"users": users[1], "groups": after}
        )
        assert increases == set(), inside


def test_a_group_is_named_by_its_id_around_the_users_and_by_another_group(make_plan_between: PlanFactory) -> None:
    group = "<group id='12' name='staff'><isAdmin>true</isAdmin></group>"
    by_id = "<users><user name='ann'><groupId>12</groupId></user></users>"
    before, after = ({"users": by_id, "groups": GROUP.format(one)} for one in ("", group))
    assert kinds(make_plan_between, before, after) == {K.ADMIN_GRANTED}
    outside = "<users defaultGroup='Staff'><user name='ann'/></users>"
    before, after = ({"users": outside, "groups": GROUP.format(one)} for one in ("", group))
    assert kinds(make_plan_between, before, after) == {K.ADMIN_GRANTED}
    child = "<group name='child'><groups><group name='staff'/></groups></group>"
    before, after = ({"groups": GROUP.format(one)} for one in (child, child + group))
    assert kinds(make_plan_between, before, after) == {K.ADMIN_GRANTED}


def test_a_group_may_name_its_members(make_plan_between: PlanFactory) -> None:
    users = "<users><user name='ann'/></users>"
    for form, (name, expected) in product(
        (
            "<members><m>{}</m></members>",
            "<users><user name='{}'/></users>",
            "<entry name='memberList' value='x, {}'/>",
        ),
        (("Ann", K.ADMIN_GRANTED), ("bob", None)),
    ):
        group = f"<group name='staff'><isAdmin>true</isAdmin>{form.format(name)}</group>"
        before, after = ({"users": users, "groups": GROUP.format(one)} for one in ("", group))
        assert (expected in kinds(make_plan_between, before, after)) is bool(expected), (form, name)


def test_a_new_account_in_a_group_that_opens_it_is_told(make_plan_between: PlanFactory) -> None:
    for inside, form in product(("<isAdmin>true</isAdmin>", "<noPassword>true</noPassword>"), NAMED):
        groups = GROUP.format(f"<group name='staff'>{inside}</group>")
        before = {"users": "<users/>", "groups": groups}
        after = {"users": f"<users><user name='new'>{form.format('staff')}</user></users>", "groups": groups}
        assert kinds(make_plan_between, before, after) == {K.ACCOUNT_ADDED}, (inside, form)


@pytest.mark.parametrize("comes", [True, False])
def test_it_is_not_pushed_where_wider_access_is_blocked(make_plan_between: PlanFactory, *, comes: bool) -> None:
    users = "<users><user name='ann'><groups><group>staff</group></groups></user></users>"
    sides = [{"users": users, "groups": GROUP.format(one)} for one in ("", "<group name='staff'/>")]
    before, after = sides if comes else sides[::-1]
    guarded = Guard(block_widened_access=True).apply(make_plan_between(before, after, ACCOUNTS))
    assert [block.reason for part in guarded.parts for block in part.blocks] == [Reason.ACCESS_WIDENED]
