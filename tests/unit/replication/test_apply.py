"""What protects a backup while it is written to: the snapshot before, the way in proved after, and no needless push."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from common.errors import Failure, Reason
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.job import ReplicationJob
from replication.model import Cause, PartName, PartStatus, Policy, Status
from replication.parts import PARTS
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.runtime import Runtime
    from local.fakes.runtime import TickingRuntime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome, PartFingerprints, PrimaryState
    from replication.ports import Listener
    from tests.unit.replication.conftest import ServerFactory

OPEN = Guard(Limits(removal_floor=10**6, disabling_floor=10**6))
"""A guard that lets through what these tests need: they are about what happens after it."""
ALL = Policy(parts=frozenset(PartName))
WANTED = "<settings><timeout>60</timeout><soap><port>1</port></soap></settings>"
MIXED = "<settings><timeout>30</timeout><soap><port>1</port></soap></settings>"
DRIFTED = "<settings><timeout>1</timeout><soap><port>1</port></soap></settings>"


@pytest.fixture
def source(make_primary: ServerFactory) -> PrimaryState:
    return read_primary(make_primary(settings=WANTED), ALL.parts)


@pytest.fixture
def drifted(make_server: ServerFactory) -> FakeServer:
    return make_server(settings=DRIFTED)


@pytest.fixture
def push(source: PrimaryState, clock: Runtime) -> Callable[..., Outcome]:
    def run(
        server: FakeServer,
        kept: PartSnapshots | None = None,
        previous: Mapping[PartName, PartFingerprints] | None = None,
    ) -> Outcome:
        return replicate(
            ReplicationJob(source, ALL, OPEN, previous=previous or {}),
            server,
            snapshots=kept or PartSnapshots(),
            runtime=clock,
        )

    return run


def seen(outcome: Outcome) -> dict[PartName, PartFingerprints]:
    return {part.part: part.fingerprints for part in outcome.parts if part.fingerprints}


def other_listeners(server: FakeServer) -> tuple[Listener, ...]:
    return tuple(replace(each, options={**each.options, "welcome": "other"}) for each in server.content["listeners"])


def settings(outcome: Outcome) -> tuple[PartStatus, Reason | None]:
    part = next(part for part in outcome.parts if part.part is PartName.SETTINGS)
    return part.status, part.reason


def break_facts(server: FakeServer, **security: object) -> None:
    """From the first write of settings on, until they are put back, the typed answers are others."""
    before = server.server_facts

    def change(_: str) -> None:
        broken = server.content["settings"] not in (DRIFTED,)
        changed = replace(before, security=replace(before.security, **security))  # type: ignore[arg-type]  # names are checked by the dataclass
        server.server_facts = changed if broken else before

    server.on_call = change


class TestSnapshot:
    def test_it_holds_exactly_what_is_about_to_change_as_it_was(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        kept = PartSnapshots()
        assert push(drifted, kept).snapshot == "snapshot-1"
        assert kept.parts == [{"settings": DRIFTED}]

    def test_there_is_none_where_nothing_changes(
        self, make_server: ServerFactory, push: Callable[..., Outcome]
    ) -> None:
        kept = PartSnapshots()
        assert push(make_server(settings=WANTED), kept).snapshot == ""
        assert kept.parts == []

    def test_a_backup_whose_state_cannot_be_kept_is_not_written_to(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        outcome = push(drifted, PartSnapshots(Failure(Reason.REGISTRY_UNAVAILABLE, "S3 PutObject failed")))
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.REGISTRY_UNAVAILABLE)
        assert drifted.writes == []

    def test_dumps_are_text_that_a_snapshot_can_hold(self, make_server: ServerFactory) -> None:
        server = make_server()
        for part in PARTS:
            state = part.read(server)
            again = part.load(json.loads(json.dumps(part.dump(state))), server.label)
            assert part.same(again, state, Policy(replicate_auto_block_list=True))
            assert part.dump(again) == part.dump(state)


class TestBeginning:
    """What is told before the first write is what is true if the process dies in between."""

    def test_it_is_told_after_the_snapshot_and_before_the_first_write(
        self, source: PrimaryState, drifted: FakeServer, clock: Runtime
    ) -> None:
        interim: list[tuple[Outcome, list[str]]] = []
        replicate(
            ReplicationJob(source, ALL, OPEN),
            drifted,
            snapshots=PartSnapshots(),
            runtime=clock,
            begin=lambda outcome: interim.append((outcome, drifted.writes)),
        )
        [(outcome, written)] = interim
        assert written == []
        assert (outcome.status, outcome.reason, outcome.snapshot) == (
            Status.INCOMPLETE,
            Reason.INTERRUPTED,
            "snapshot-1",
        )
        assert (outcome.pushed_at, outcome.verified_at) == (None, None)
        assert settings(outcome) == (PartStatus.FAILED, Reason.INTERRUPTED)
        assert {part.status for part in outcome.parts[1:]} == {PartStatus.UNCHANGED}

    def test_without_it_nothing_is_written(self, source: PrimaryState, drifted: FakeServer, clock: Runtime) -> None:
        def refuse(_: Outcome) -> None:
            raise Failure(Reason.LEASE_LOST, "another run has taken over")

        outcome = replicate(
            ReplicationJob(source, ALL, OPEN), drifted, snapshots=PartSnapshots(), runtime=clock, begin=refuse
        )
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.LEASE_LOST)
        assert drifted.writes == []

    @pytest.mark.parametrize("write", [True, False])
    def test_nothing_is_told_where_nothing_is_written(
        self, source: PrimaryState, make_server: ServerFactory, clock: Runtime, write: bool
    ) -> None:
        server = make_server(settings=WANTED if write else DRIFTED)
        begin = Mock()
        replicate(
            ReplicationJob(source, ALL, OPEN, write=write),
            server,
            snapshots=PartSnapshots(),
            runtime=clock,
            begin=begin,
        )
        begin.assert_not_called()


class TestListenersThatMayNotLast:
    """A changed listener shows at once, and lasts once it was committed: equal does not mean done."""

    @pytest.fixture
    def interrupted(
        self, source: PrimaryState, make_server: ServerFactory, clock: Runtime
    ) -> dict[PartName, PartFingerprints]:
        """What is known of a backup whose listeners were being written."""
        interim: list[Outcome] = []
        server = make_server(settings=WANTED)
        server.content["listeners"] = other_listeners(server)
        replicate(
            ReplicationJob(source, ALL, OPEN), server, snapshots=PartSnapshots(), runtime=clock, begin=interim.append
        )
        return seen(interim[0])

    def test_they_are_committed_once_more_after_an_interruption(
        self, make_server: ServerFactory, push: Callable[..., Outcome], interrupted: dict[PartName, PartFingerprints]
    ) -> None:
        server = make_server(settings=WANTED)
        outcome = push(server, previous=interrupted)
        assert server.writes == ["commit_listeners"]
        assert outcome.status is Status.UPDATED
        server.calls.clear()
        assert push(server, previous=interrupted | seen(outcome)).status is Status.IN_SYNC
        assert server.writes == []

    def test_they_are_committed_once_more_after_a_commit_that_failed(
        self, make_server: ServerFactory, push: Callable[..., Outcome], interrupted: dict[PartName, PartFingerprints]
    ) -> None:
        server = make_server(settings=WANTED)
        server.content["listeners"] = other_listeners(server)
        server.failures[("commit_listeners", 1)] = Failure(Reason.WRITE_REFUSED, "no")
        first = push(server, previous=interrupted)
        assert (first.status, first.reason) == (Status.FAILED, Reason.WRITE_REFUSED)
        assert push(server, previous=interrupted | seen(first)).status is Status.UPDATED
        assert server.writes[-1] == "commit_listeners"

    def test_a_look_in_between_proves_nothing(
        self,
        source: PrimaryState,
        make_server: ServerFactory,
        clock: Runtime,
        interrupted: dict[PartName, PartFingerprints],
    ) -> None:
        outcome = replicate(
            ReplicationJob(source, ALL, OPEN, previous=interrupted, write=False),
            make_server(settings=WANTED),
            snapshots=PartSnapshots(),
            runtime=clock,
        )
        assert outcome.status is Status.DRIFTED
        assert [part.part for part in outcome.parts if part.status is PartStatus.DIFFERENT] == [PartName.LISTENERS]
        assert PartName.LISTENERS not in seen(outcome)

    def test_those_that_are_as_they_were_when_read_back_last_are_left_alone(
        self, make_server: ServerFactory, push: Callable[..., Outcome]
    ) -> None:
        server = make_server(settings=WANTED)
        previous = seen(push(server))
        push(server, previous=previous)
        assert server.writes == []


class TestTheWayIn:
    def test_settings_that_change_the_typed_answers_are_put_back_and_the_rest_is_not_tried(
        self, make_server: ServerFactory, push: Callable[..., Outcome]
    ) -> None:
        server = make_server(settings=DRIFTED, users='<users><user name="eve"/><user name="bob"/></users>')
        break_facts(server, soap_port=9999)
        outcome = push(server)
        assert (outcome.status, outcome.reason) == (Status.ROLLED_BACK, Reason.MACHINE_VALUES_CHANGED)
        assert server.content["settings"] == DRIFTED
        assert server.writes == ["write_settings", "write_settings"]
        assert outcome.verified_at is None

    @pytest.mark.parametrize("fault", ["keeps the new ones", "mixes both", "cannot be read"])
    def test_put_back_is_said_only_of_what_was_read_back(
        self, drifted: FakeServer, push: Callable[..., Outcome], fault: str
    ) -> None:
        break_facts(drifted, soap_port=9999)
        honest = drifted.server_facts
        put_back = drifted.write_settings

        def write(document: str | bytes) -> None:
            put_back(document)
            if drifted.writes == ["write_settings"] * 2:
                drifted.on_call = lambda _: None
                drifted.server_facts = honest
                if fault == "cannot be read":
                    drifted.failures[("settings", drifted.calls.count("settings") + 1)] = Failure(
                        Reason.READ_TIMEOUT, "no reply"
                    )
                else:
                    drifted.content["settings"] = WANTED if fault == "keeps the new ones" else MIXED

        drifted.write_settings = write  # type: ignore[method-assign]  # this one server does not put back
        outcome = push(drifted)
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.ROLLBACK_NOT_EFFECTIVE)
        assert "written back, but" in outcome.message

    def test_lost_access_that_cannot_be_given_back_is_said_first(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        drifted.failures[("fresh_facts", 0)] = Failure(Reason.AUTHENTICATION_FAILED, "refused")
        outcome = push(drifted)
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.ACCESS_LOST)
        assert "log in" in outcome.message

    def test_a_listener_that_restarts_is_waited_for(
        self, drifted: FakeServer, push: Callable[..., Outcome], clock: TickingRuntime
    ) -> None:
        for attempt in (1, 2):
            drifted.failures[("fresh_facts", attempt)] = Failure(Reason.CONNECTION_REFUSED, "refused")
        assert push(drifted).status is Status.UPDATED
        assert clock.sleeps == [1.0, 2.0]

    def test_settings_whose_reply_was_lost_are_put_back_when_they_changed_the_typed_answers(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        break_facts(drifted, soap_port=9999)
        stored = drifted.write_settings

        def lose_the_first_reply(document: str | bytes) -> None:
            stored(document)
            if drifted.writes == ["write_settings"]:
                raise Failure(Reason.READ_TIMEOUT, "no reply")

        drifted.write_settings = lose_the_first_reply  # type: ignore[method-assign]  # this one server loses a reply
        outcome = push(drifted)
        assert outcome.reason is Reason.MACHINE_VALUES_CHANGED
        assert drifted.content["settings"] == DRIFTED

    def test_a_day_less_on_the_licence_is_no_change(self, drifted: FakeServer, push: Callable[..., Outcome]) -> None:
        before = drifted.server_facts

        def midnight(call: str) -> None:
            if call == "fresh_facts":
                licence = replace(before.licence, days_left=before.licence.days_left - 1)
                drifted.server_facts = replace(before, licence=licence)

        drifted.on_call = midnight
        assert push(drifted).status is Status.UPDATED

    def test_other_parts_need_no_proof(self, make_server: ServerFactory, push: Callable[..., Outcome]) -> None:
        server = make_server(settings=WANTED, users='<users><user name="eve"/><user name="bob"/></users>')
        assert push(server).status is Status.UPDATED
        assert "fresh_facts" not in server.calls


ALLOW, DENY = '<rule name="allow"><to>all</to></rule>', '<rule name="deny"><to>none</to></rule>'
NOTIFY, ARCHIVE = '<rule name="notify"/>', '<rule name="archive"/>'
EXFILTRATE = '<rule name="exfiltrate"/>'
LEFT_BEHIND = {
    "an old rule": ((NOTIFY, EXFILTRATE), (NOTIFY, ARCHIVE), lambda text: text.replace(ARCHIVE, ARCHIVE + EXFILTRATE)),
    "sorted rules and a default": (
        (NOTIFY,),
        (DENY, ALLOW),
        lambda text: text.replace(DENY + ALLOW, (ALLOW + DENY).replace("<to>", "<enabled>1</enabled><to>")),
    ),
    "another namespace and a default": (
        (NOTIFY,),
        (DENY,),
        lambda text: text.replace("<rules>", '<rules xmlns="urn:other">').replace("<to>", "<enabled>1</enabled><to>"),
    ),
}


class TestAServerWithWordsOfItsOwn:
    @pytest.mark.parametrize("what", LEFT_BEHIND)
    def test_nothing_old_left_behind_is_ever_taken_for_a_value_of_its_own(
        self, what: str, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
    ) -> None:
        own, wanted, writes_down = LEFT_BEHIND[what]
        source = read_primary(make_primary(event_rules=f"<rules>{''.join(wanted)}</rules>"), ALL.parts)
        server = make_server(event_rules=f"<rules>{''.join(own)}</rules>")
        server.normalise = writes_down
        previous: dict[PartName, PartFingerprints] = {}
        for _ in range(2):  # the second run must not take for done what the first one found
            outcome = replicate(
                ReplicationJob(source, ALL, OPEN, previous=previous), server, snapshots=PartSnapshots(), runtime=clock
            )
            part = next(part for part in outcome.parts if part.part is PartName.EVENT_RULES)
            assert (part.status, part.reason) == (PartStatus.FAILED, Reason.WRITE_NOT_EFFECTIVE)
            assert outcome.verified_at is None
            previous = seen(outcome)

    def test_values_it_adds_are_accepted_and_not_pushed_again(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        drifted.normalise = lambda text: text.replace("</settings>", "<default>1</default></settings>")
        first = push(drifted)
        assert first.status is Status.UPDATED
        drifted.calls.clear()
        second = push(drifted, previous=seen(first))
        assert second.status is Status.IN_SYNC
        assert drifted.writes == []

    def test_a_value_it_adds_that_widens_access_is_named_by_every_run(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        drifted.normalise = lambda text: text.replace("</settings>", "<allowAnonymous>true</allowAnonymous></settings>")
        first = push(drifted)
        second = push(drifted, previous=seen(first))
        assert (first.status, second.status) == (Status.UPDATED, Status.IN_SYNC)
        for outcome in (first, second):
            [warning] = [one for one in outcome.warnings if "allowAnonymous" in one]
            assert "Access becomes wider" in warning
            assert f"{drifted.label} added this to what it was sent: set the value on the primary" in warning

    @pytest.mark.parametrize(
        ("added", "widens"),
        [
            ("<allowAnonymous>true</allowAnonymous>", True),
            ("<requireTls>false</requireTls>", True),
            ("<defaultRole>administrator</defaultRole>", True),
            ("<rights>0777</rights>", True),
            ("<allowAnonymous>false</allowAnonymous>", False),
            ("<logLevel>2</logLevel>", False),
        ],
    )
    def test_where_wider_access_waits_what_a_server_adds_of_it_is_never_verified(
        self, added: str, widens: bool, source: PrimaryState, drifted: FakeServer, clock: Runtime
    ) -> None:
        drifted.normalise = lambda text: text.replace("</settings>", f"{added}</settings>")
        guard = replace(OPEN, block_widened_access=True)
        previous: dict[PartName, PartFingerprints] = {}

        def run(guard: Guard) -> Outcome:
            outcome = replicate(
                ReplicationJob(source, ALL, guard, previous=previous), drifted, snapshots=PartSnapshots(), runtime=clock
            )
            previous.update(seen(outcome))
            return outcome

        first = run(guard)
        writes = len(drifted.writes)
        later = [run(guard), run(replace(guard, approved=first.plan_hash))]
        later.append(run(replace(guard, approved=later[0].plan_hash)))
        assert len(drifted.writes) == writes, "writing again ends in the same"
        expected = {(Status.BLOCKED, Reason.ADDITION_WIDENS_ACCESS)} if widens else {(Status.IN_SYNC, None)}
        assert {(one.status, one.reason) for one in later} == expected
        assert all((one.verified_at is None) is widens for one in (first, *later))
        assert first.status is (Status.BLOCKED if widens else Status.UPDATED)
        assert run(OPEN).status is Status.IN_SYNC, "it is accepted where wider access need not wait"
        drifted.content["settings"] = drifted.content["settings"].replace(added, "")
        assert run(guard).status is Status.IN_SYNC, "somebody has mended it on the backup"

    @pytest.mark.parametrize(
        ("default", "widens"), [("<quota>50</quota>", False), ("<role>administrator</role>", True)]
    )
    def test_what_it_adds_to_each_user_is_accepted_and_not_pushed_again_unless_wider_access_waits(
        self, default: str, widens: bool, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
    ) -> None:
        users = "<users><user name='ann'><note>{}</note></user><user name='bob'></user></users>"
        source = read_primary(make_primary(users=users.format("new")), ALL.parts)
        server = make_server(users=users.format("old"))
        server.normalise = lambda text: text.replace("</user>", f"{default}</user>")
        guard = replace(OPEN, block_widened_access=True)
        first = replicate(ReplicationJob(source, ALL, guard), server, snapshots=PartSnapshots(), runtime=clock)
        assert first.status is (Status.BLOCKED if widens else Status.UPDATED)
        writes = len(server.writes)
        job = ReplicationJob(source, ALL, guard, previous=seen(first))
        again = replicate(job, server, snapshots=PartSnapshots(), runtime=clock)
        accounts = next(part for part in again.parts if part.part is PartName.ACCOUNTS)
        assert len(server.writes) == writes
        assert (accounts.status, accounts.reason) == (
            (PartStatus.BLOCKED, Reason.ADDITION_WIDENS_ACCESS) if widens else (PartStatus.UNCHANGED, None)
        )
        assert widens or accounts.message == "the server added 2 values of its own"

    def test_old_content_kept_in_another_form_is_a_failure_of_every_run(
        self, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
    ) -> None:
        rule = "<rules><rule name='r' on='x'{}</rules>"
        source = read_primary(make_primary(event_rules=rule.format("/>")), ALL.parts)
        server = make_server(event_rules=rule.format(" run='evil.exe'/>"))
        server.normalise = lambda text: text.replace("/>", "><run>evil.exe</run></rule>") if "<rule " in text else text
        previous: dict[PartName, PartFingerprints] = {}
        for _ in range(2):
            outcome = replicate(
                ReplicationJob(source, ALL, OPEN, previous=previous), server, snapshots=PartSnapshots(), runtime=clock
            )
            assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.WRITE_NOT_EFFECTIVE)
            assert outcome.verified_at is None
            previous = seen(outcome)

    def test_values_it_changes_are_a_failure_and_sent_again_by_every_run(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        drifted.normalise = lambda text: text.replace(">60<", ">3600<")
        first = push(drifted)
        assert settings(first) == (PartStatus.FAILED, Reason.WRITE_NOT_EFFECTIVE)
        drifted.normalise = str
        assert push(drifted, previous=seen(first)).status is Status.UPDATED

    def test_what_was_to_go_and_is_still_there_is_a_failure(
        self, make_server: ServerFactory, push: Callable[..., Outcome]
    ) -> None:
        server = make_server(settings=DRIFTED.replace("</settings>", "<old>evil</old></settings>"))
        server.normalise = lambda text: text.replace("</settings>", "<old>evil</old></settings>")
        outcome = push(server)
        assert settings(outcome) == (PartStatus.FAILED, Reason.WRITE_NOT_EFFECTIVE)
        assert settings(push(server, previous=seen(outcome))) == (PartStatus.FAILED, Reason.WRITE_NOT_EFFECTIVE)

    def test_rules_in_another_order_are_a_failure(
        self, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
    ) -> None:
        rules = "<rules><rule>a</rule><rule>b</rule></rules>"
        source = read_primary(make_primary(event_rules=rules), ALL.parts)
        server = make_server(event_rules="<rules/>")
        server.normalise = lambda text: text.replace("<rule>a</rule><rule>b</rule>", "<rule>b</rule><rule>a</rule>")
        outcome = replicate(ReplicationJob(source, ALL, OPEN), server, snapshots=PartSnapshots(), runtime=clock)
        assert outcome.reason is Reason.WRITE_NOT_EFFECTIVE

    def test_a_write_that_was_dropped_is_tried_again(self, drifted: FakeServer, push: Callable[..., Outcome]) -> None:
        drifted.dropped = {"write_settings"}
        first = push(drifted)
        drifted.dropped = set()
        assert push(drifted, previous=seen(first)).status is Status.UPDATED


class TestCause:
    def test_it_is_unknown_before_the_first_verification(
        self, drifted: FakeServer, push: Callable[..., Outcome]
    ) -> None:
        assert push(drifted).parts[0].cause is Cause.UNKNOWN

    @pytest.mark.parametrize(
        ("on_primary", "on_backup", "cause"),
        [(True, False, Cause.PRIMARY_CHANGED), (False, True, Cause.BACKUP_EDITED), (True, True, Cause.BOTH)],
    )
    def test_it_is_told_by_who_moved_since(
        self,
        make_primary: ServerFactory,
        drifted: FakeServer,
        push: Callable[..., Outcome],
        clock: Runtime,
        on_primary: bool,
        on_backup: bool,
        cause: Cause,
    ) -> None:
        previous = seen(push(drifted))
        if on_backup:
            drifted.content["settings"] = DRIFTED
        wanted = WANTED.replace("60", "61") if on_primary else WANTED
        moved = read_primary(make_primary(settings=wanted), ALL.parts)
        outcome = replicate(
            ReplicationJob(moved, ALL, OPEN, previous=previous), drifted, snapshots=PartSnapshots(), runtime=clock
        )
        assert (outcome.parts[0].cause, outcome.status) == (cause, Status.UPDATED)

    def test_what_is_equal_has_none(self, make_server: ServerFactory, push: Callable[..., Outcome]) -> None:
        assert {part.cause for part in push(make_server(settings=WANTED)).parts} == {None}


class TestHash:
    def test_it_is_the_same_as_long_as_neither_side_moves_and_another_as_soon_as_one_does(
        self, make_primary: ServerFactory, drifted: FakeServer, source: PrimaryState, clock: Runtime
    ) -> None:
        def look(primary: PrimaryState, policy: Policy = ALL) -> str:
            return replicate(
                ReplicationJob(primary, policy, OPEN, write=False), drifted, snapshots=PartSnapshots(), runtime=clock
            ).plan_hash

        first = look(source)
        assert first
        assert first == look(read_primary(make_primary(settings=WANTED), ALL.parts))
        assert first != look(read_primary(make_primary(settings=WANTED.replace("60", "61")), ALL.parts))
        assert first != look(source, replace(ALL, replicate_auto_block_list=True))
        drifted.content["settings"] = DRIFTED.replace(">1</timeout", ">2</timeout")
        assert first != look(source)


class TestApproval:
    def test_a_part_the_primary_holds_nothing_of_is_emptied_only_by_an_approval(
        self, make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
    ) -> None:
        source = read_primary(make_primary(event_rules=""), ALL.parts)
        backup = make_server()
        first = replicate(ReplicationJob(source, ALL, Guard()), backup, snapshots=PartSnapshots(), runtime=clock)
        assert (first.status, first.reason) == (Status.BLOCKED, Reason.PART_MISSING_ON_PRIMARY)
        assert backup.writes == []
        approved = Guard(approved=first.plan_hash)
        assert (
            replicate(ReplicationJob(source, ALL, approved), backup, snapshots=PartSnapshots(), runtime=clock).status
            is Status.UPDATED
        )
        assert backup.content["event_rules"] == ""
