"""A plan as people read it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from replication.documents.diff import Kind
from replication.guards.access_watch import access_increases
from replication.guards.approval import Guard
from replication.guards.limits import Limits, exceeded_limits
from replication.model import PartName, Policy
from replication.plan_details import FieldChange, ItemChange, PartDetails, PlanDetails, State, details, preview
from replication.plan_text import printable, render

if TYPE_CHECKING:
    from tests.unit.replication.conftest import PlanFactory

POLICY = Policy(parts=frozenset({PartName.SETTINGS, PartName.ACCOUNTS, PartName.EVENT_RULES}))


def test_the_whole_text(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between(
        {
            "settings": "<s><a>1</a><dir>C:\\x</dir><soap/></s>",
            "users": "<u><user name='ann'><isDisabled>true</isDisabled><hash>a1</hash></user><user name='eve'/></u>",
            "event_rules": "",
        },
        {
            "settings": "<s><a>2</a><dir>D:\\x</dir></s>",
            "users": "<u><user name='ann'><isDisabled>false</isDisabled><hash>b2</hash></user><user name='bob'/></u>",
            "event_rules": "",
        },
        POLICY,
    )
    text = render(details(plan), "b1", blocks=exceeded_limits(plan, Limits()), access_increases=access_increases(plan))
    assert text == (
        "Plan for b1\n"
        "\n"
        "settings:\n"
        '  ~ /s/a = "1" -> "2"\n'
        '  ~ /s/dir = "C:\\\\x" -> "D:\\\\x"\n'
        "\n"
        "accounts:\n"
        "  - users/eve\n"
        "  ~ users/ann\n"
        '      ~ isDisabled = "true" -> "false"\n'
        "      ~ hash       = (hidden)\n"
        "  + users/bob\n"
        "\n"
        "Kept although it differs:\n"
        "  = /s/soap\n"
        "\n"
        "Widens access (the runbook explains each kind):\n"
        "  ! settings: /s/dir: directory added\n"
        "  ! accounts: users/ann, isDisabled: account enabled\n"
        "\n"
        "Blocked until approved:\n"
        "  ! settings: 1 differing settings look machine-specific and match no keep pattern: /s/dir;"
        ' to keep, add "/s/dir" [machine_specific_unruled]\n'
        "\n"
        "settings     0 to add, 2 to change, 0 to remove; 1 kept value differs\n"
        "accounts     1 to add, 1 to change, 1 to remove\n"
        "event_rules  equal\n"
        "\n"
        "Plan: 1 to add, 3 to change, 1 to remove.\n"
        f"Hash: {plan.hash}\n"
    )


def test_equal_servers_have_a_plan_that_says_so(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {}, POLICY)
    assert render(details(plan), "b1").splitlines()[-2:] == ["Plan: nothing to do.", f"Hash: {plan.hash}"]


def test_a_part_that_is_written_although_it_is_equal_is_something_to_do() -> None:
    equal = PartDetails(PartName.SETTINGS, State.EQUAL)
    again = PartDetails(PartName.LISTENERS, State.DIFFERENT, message="it may not outlive a restart")
    assert "\nPlan: Written once more: listeners.\n" in render(PlanDetails("", (equal, again)), "b1")


def test_an_equal_part_that_must_be_looked_at_waits(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {}, POLICY)
    suspect = replace(plan, parts=tuple(replace(part, suspect="nobody has proved it") for part in plan.parts[:1]))
    shown = preview(suspect, Guard(), ())
    text = render(shown.details, "b1", blocks=shown.blocks)
    assert "\n  ! settings: nobody has proved it [access_not_proved]\n" in text
    assert "\nPlan: nothing is written. Waits for an approval: settings.\n" in text


def test_a_part_that_is_not_written_says_why(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {"event_rules": ""}, POLICY)
    text = render(details(plan), "b1")
    assert "event_rules  not written: " in text
    assert "[primary_empty]; 0 to add, 0 to change, 1 to remove" in text


def test_no_name_can_forge_a_line_of_the_plan(make_plan_between: PlanFactory) -> None:
    plan = make_plan_between({}, {"users": "<u><user name='x&#10;Plan: nothing to do.&#x202e;'/></u>"}, POLICY)
    text = render(details(plan), "b1\x9b\x7f")
    assert "\nPlan: nothing" not in text
    assert all(character == "\n" or character.isprintable() for character in text)


@given(st.lists(st.sampled_from([" ", "x", "-", "~", "\u00a0", "\u3000", "\t", "users/ann"]), max_size=60).map("".join))
def test_no_name_reaches_the_end_of_a_line_by_blanks(name: str) -> None:
    assert "  " not in printable(name)
    if name.isprintable():
        assert printable(name).replace("\\x20", " ") == name


def test_what_is_not_listed_is_counted(make_plan_between: PlanFactory) -> None:
    users = "".join(f"<user name='{n}'/>" for n in range(9))
    plan = make_plan_between({"users": "<u/>"}, {"users": f"<u>{users}</u>"}, POLICY)
    assert "    ... and 7 more" in render(details(plan, max_items=2), "b1")


@given(*[st.text(st.sampled_from('"\\ n\n\r>-=\u202ea'), max_size=6)] * 4)
def test_no_value_can_be_taken_for_another_or_for_the_arrow_between_two(
    before: str, after: str, other_before: str, other_after: str
) -> None:
    def text(own: str, desired: str) -> str:
        item = ItemChange(Kind.CHANGED, "a", (FieldChange("/s/a", Kind.CHANGED, own, desired),))
        part = PartDetails(PartName.SETTINGS, State.DIFFERENT, changed=1, items=(item,))
        return render(PlanDetails("", (part,)), "b1")

    assert (text(before, after) == text(other_before, other_after)) == ((before, after) == (other_before, other_after))
    assert len(text(before, after).splitlines()) == len(text("", "").splitlines())
