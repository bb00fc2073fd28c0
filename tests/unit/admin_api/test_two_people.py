"""Where another has to approve, nobody gets a plan through alone, whatever they ask for, forge or wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.people import are_two_people, is_agreed, person_of
from registry.fleet_records import SyncSettings
from registry.run_records import Approval
from tests.support.blocked_backup import ACCOUNT, PERSONAL, BlockedBackup, Step

OTHER = "210987654321"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCd"


def user(name: str, account: str = ACCOUNT, path: str = "") -> str:
    return f"arn:aws:iam::{account}:user/{path}{name}"


def session(role: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/{name}"


NOBODY = (
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:sts::{ACCOUNT}:federated-user/kim",
    f"arn:aws:sts::{ACCOUNT}:federated-user/alex",
    "unknown",
    "",
)
ALEX = (
    user("alex"),
    user("Alex", path="division/"),
    user("ALEX", OTHER),
    session("administrators", "alex"),
    session("Administrators", "ALEX"),
    f"{POOL}#0b1c",
    f"{POOL}#0B1C",
    *NOBODY,
)
SHARED = (
    session("operators", "alex"),
    session("operators", "kim"),
    session("Operators", "lee@example.com"),
    f"{POOL}#0b1c",
    *NOBODY,
)
"""What one person may be: who has a user of their own, and who is one of many in a role."""
KIM, LEE = user("kim"), session("administrators", "lee")


def steps(principals: Sequence[str]) -> st.SearchStrategy[list[Step]]:
    """Whatever one person does with the right to everything but the settings, while records are lost."""
    who, kinds = st.sampled_from(principals), st.sampled_from(["run", "dry run", "dry restore", "restore"])
    numbers = st.integers(0, 3)
    losses = st.sampled_from(["run expired", "run unreadable", "result expired", "result unreadable"])
    own = st.builds(Step, st.sampled_from(["ask", "ask", "queue"]), who, kinds)
    forged = st.builds(Step, st.just("invoke"), who | st.sampled_from([KIM, LEE]), kinds, numbers)
    approved = st.builds(Step, st.just("approve"), who, which=numbers)
    lost = st.builds(Step, st.just("lose"), which=numbers, loss=losses)
    other = st.builds(Step, st.sampled_from(["deliver", "schedule", "schedule", "demand", "register"]))
    return st.lists(own | forged | approved | approved | lost | other, min_size=2, max_size=8)


ASKED, SCHEDULED = Step("ask", user("alex")), Step("schedule")
APPROVED = Step("approve", user("alex"))


@given(what=steps(ALEX) | steps(SHARED))
@example(what=[SCHEDULED, APPROVED])
@example(what=[ASKED, SCHEDULED, Step("lose", which=1, loss="result unreadable"), APPROVED])
@example(what=[ASKED, SCHEDULED, Step("lose", which=1, loss="run expired"), APPROVED])
@example(what=[Step("invoke", KIM, which=3), APPROVED])
@example(what=[Step("invoke", KIM, which=2), APPROVED])
@example(what=[Step("queue", user("alex"), "run"), Step("invoke", KIM, "dry run"), APPROVED])
@example(what=[Step("ask", session("operators", "kim")), Step("approve", session("operators", "lee"))])
@example(what=[SCHEDULED, Step("demand"), APPROVED, Step("demand"), APPROVED])
def test_nobody_gets_a_plan_through_alone(what: list[Step]) -> None:
    blocked = BlockedBackup()
    blocked.play(what)
    blocked.demand(wanted=True)
    blocked.schedule()
    blocked.put_back()
    blocked.check()


@given(what=steps(ALEX), restored=st.booleans())
def test_two_people_always_can(what: list[Step], restored: bool) -> None:
    blocked = BlockedBackup()
    blocked.play([*what, Step("deliver")])
    blocked.demand(wanted=True)
    blocked.store.lost.clear()
    finish = blocked.put_back if restored else blocked.schedule
    finish()
    with blocked.api.running():
        answers = [blocked.approve(who) for who in (KIM, LEE)]
    assert [answer.status for answer in answers if answer] == [200, 200]
    finish()
    assert blocked.server.people == blocked.few


class TestWhoAskedIsOneOfTheTwo:
    @staticmethod
    def approved_after(*what: Step, by: str = KIM) -> bool:
        blocked = BlockedBackup()
        blocked.play(what)
        with blocked.api.running():
            answer = blocked.approve(by)
        assert answer is not None
        assert answer.status == 200
        in_force = bool(answer.body["in_force"])
        blocked.schedule()
        assert (len(blocked.server.people) == 5) == in_force
        return in_force

    def test_if_the_api_has_queued_it(self) -> None:
        assert self.approved_after(ASKED)
        assert self.approved_after(ASKED, SCHEDULED)
        assert not self.approved_after(SCHEDULED)
        assert not self.approved_after(Step("invoke", user("alex"), which=3))

    def test_not_if_the_record_does_not_say_that_the_api_has_queued_it(self) -> None:
        blocked = BlockedBackup()
        blocked.play([Step("queue", user("alex"))])
        (queued,) = blocked.store.runs(limit=10)
        blocked.store.save_run(replace(queued, requester_verified=False))  # as older versions do
        blocked.play([Step("deliver")])
        with blocked.api.running():
            answer = blocked.approve(KIM)
        assert answer is not None
        assert answer.body["in_force"] is False

    def test_not_if_somebody_else_may_have_asked_as_well(self) -> None:
        assert not self.approved_after(ASKED, Step("invoke", "", which=3))
        assert not self.approved_after(Step("ask", NOBODY[0]), ASKED)
        for loss in ("run expired", "run unreadable", "result unreadable"):
            assert not self.approved_after(ASKED, SCHEDULED, Step("lose", which=0, loss=loss))

    def test_not_if_that_may_be_who_approves(self) -> None:
        assert not self.approved_after(Step("ask", KIM), ASKED)
        assert not self.approved_after(ASKED, by=f"{POOL}#0b1c")

    def test_also_if_they_asked_after_somebody_had_approved(self) -> None:
        assert self.approved_after(SCHEDULED, Step("approve", KIM), ASKED, by=user("alex"))

    def test_a_run_that_was_queued_by_one_is_not_begun_as_anything_else(self) -> None:
        blocked = BlockedBackup()
        blocked.play([Step("queue", user("alex"), "dry run"), Step("invoke", user("alex"), "run")])
        assert [entry.status for entry in blocked.store.runs(limit=10)] == ["queued"]
        blocked.play([Step("deliver")])
        (entry,) = blocked.store.runs(limit=10)
        assert (entry.status, entry.dry_run, entry.requester_verified) == ("partial", True, True)


class TestPeople:
    @pytest.mark.parametrize("principals", [ALEX, SHARED])
    def test_one_person_is_never_two(self, principals: tuple[str, ...]) -> None:
        assert not are_two_people(principals, [PERSONAL])

    @pytest.mark.parametrize("principal", [*NOBODY, "cognito#0b1c", "arn:aws:sts::1:assumed-role/a", user("a/b c")])
    def test_what_can_be_anybody_is_nobody(self, principal: str) -> None:
        assert person_of(principal, [PERSONAL]) is None

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (user("alex"), user("kim")),
            (user("alex"), session("administrators", "kim")),
            (session("administrators", "alex"), session("administrators", "kim")),
            (session("operators", "alex"), session("approvers", "alex")),
            (session("operators", "alex"), user("alex")),
            (f"{POOL}#0b1c", f"{POOL}#2d3e"),
            (user("alex").replace("arn:aws:", "arn:aws-us-gov:"), user("kim")),
        ],
    )
    def test_two_are_two(self, one: str, other: str) -> None:
        assert are_two_people([one, other], [PERSONAL])

    @pytest.mark.parametrize(
        "role", [PERSONAL.replace(ACCOUNT, OTHER), PERSONAL.replace("administrators", "admin"), "*", ""]
    )
    def test_only_the_very_role_that_is_named_is_personal(self, role: str) -> None:
        assert not are_two_people([session("administrators", "alex"), session("administrators", "kim")], [role])

    def test_what_was_agreed_is_judged_as_the_settings_are_now(self) -> None:
        now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC) + timedelta()
        approval = Approval("b1", "1" * 64, session("administrators", "alex"), now)
        two = replace(approval, agreed=(session("administrators", "kim"),))
        demanding = SyncSettings(approval_by_another=True)
        assert is_agreed(approval, SyncSettings())
        assert not is_agreed(approval, demanding)
        assert not is_agreed(two, demanding)
        assert is_agreed(two, replace(demanding, personal_roles=(PERSONAL,)))
