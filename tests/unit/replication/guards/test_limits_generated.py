"""For any accounts before and after a push: somebody who may log in stays able to, or a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.guards import limits
from replication.guards.limits import Limits, exceeded_limits
from replication.model import PartName, Policy

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

ACCOUNTS = Policy(parts=frozenset({PartName.ACCOUNTS}))
NO_NUMBERS = Limits(1000, 1.0, 1000, 1000, 1.0, 1000)
"""Limits that stop no number: only what is stopped in any case is left."""

LIVE_AND_DEAD = (
    ("<isDisabled>false</isDisabled>", "<isDisabled>true</isDisabled>"),
    ("<isDisabled value='no'/>", "<isDisabled value='yes'/>"),
    ("<disabled>0</disabled>", "<disabled>-1</disabled>"),
    ("", "<disabled>1</disabled>"),
    ("<enabled>true</enabled>", "<enabled>false</enabled>"),
    ("<enabled>-1</enabled>", "<enabled>0</enabled>"),
    ("<e name='isActive' value='1'/>", "<e name='isActive' value='0'/>"),
    ("<status>active</status>", "<status>disabled</status>"),
    ("<status>Enabled</status>", "<status>Locked out</status>"),
    ("<e><key>AccountStatus</key><value>ok</value></e>", "<e><key>AccountStatus</key><value>banned</value></e>"),
)
"""One way to say of an account that it may be used, and that it may not."""

REMOVED = tuple((live, "") for live, _ in LIVE_AND_DEAD if "nabled" in live or "ctive" in live)
"""A switch that is gone: nobody knows what holds then."""

WRAPPERS = ("{0}", "<general>{0}</general>", "<account><settings>{0}</settings></account>")

type State = dict[str, bool]
"""Accounts by name, and whether they may be used."""

states = st.dictionaries(st.sampled_from("abcdef"), st.booleans(), max_size=6)


def document(tag: str, state: State, spelling: tuple[str, str], wrapper: str) -> str:
    held = (f"<{tag} name='{name}'>{wrapper.format(spelling[not live])}</{tag}>" for name, live in state.items())
    return f"<list>{''.join(held)}</list>"


@given(states, states, st.sampled_from(LIVE_AND_DEAD), st.sampled_from(WRAPPERS), st.sampled_from(["user", "group"]))
def test_a_push_after_which_none_of_the_present_accounts_may_be_used_is_stopped(
    make_plan_between: PlanFactory, before: State, after: State, spelling: tuple[str, str], wrapper: str, tag: str
) -> None:
    own, source = ({f"{tag}s": document(tag, state, spelling, wrapper)} for state in (before, after))
    blocks = exceeded_limits(make_plan_between(own, source, ACCOUNTS), NO_NUMBERS)
    stays = [name for name in before if name in after]
    none_left = bool(before) and not stays
    locked_out = any(before.values()) and not any(after[name] for name in stays)
    assert bool(blocks) == (none_left or locked_out), blocks


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("spelling", [*LIVE_AND_DEAD, *REMOVED])
def test_disabling_all_is_stopped_in_any_spelling(
    make_plan_between: PlanFactory, count: int, spelling: tuple[str, str]
) -> None:
    own, source = (
        {"users": document("user", {f"u{n}": live for n in range(count)}, spelling, "{0}")} for live in (True, False)
    )
    (block,) = exceeded_limits(make_plan_between(own, source, ACCOUNTS), NO_NUMBERS)
    assert block.numbers == {"held": count, "removed": 0, "disabled": count}
    assert exceeded_limits(make_plan_between(source, own, ACCOUNTS), NO_NUMBERS) == ()


@given(states, states, st.sampled_from(LIVE_AND_DEAD))
def test_a_defect_in_judging_accounts_never_lets_a_push_through_that_it_would_have_stopped(
    make_plan_between: PlanFactory, before: State, after: State, spelling: tuple[str, str]
) -> None:
    own, source = ({"users": document("user", state, spelling, "{0}")} for state in (before, after))
    judged = exceeded_limits(make_plan_between(own, source, ACCOUNTS), NO_NUMBERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "is_disabled", defect)
        patch.setattr(limits, "disables", defect)
        unjudged = exceeded_limits(make_plan_between(own, source, ACCOUNTS), NO_NUMBERS)
    assert bool(unjudged) >= bool(judged)


def defect(_: object) -> bool:
    raise TypeError
