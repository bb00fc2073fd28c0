"""Putting back what was there before: exactly, whole or not at all, paused before it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.guards.preflight import check_restored
from replication.job import ReplicationJob, Restore, exact_policy
from replication.model import UNSURE, PartFingerprints, PartName, PartStatus, Policy, Status
from replication.parts import PARTS
from replication.plan import make_plan
from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping
from replication.primary import earlier_state
from replication.replicate import replicate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome, PrimaryState
    from replication.ports import ServerFacts
    from tests.unit.replication.conftest import ServerFactory

DRIFT: dict[str, Any] = {
    "settings": "<settings><timeout>1</timeout><soap><port>9</port></soap><licence/></settings>",
    "authentication": Authentication("<sources/>", ()),
    "users": '<users><user name="eve"/></users>',
    "groups": "<groups/>",
    "event_rules": "<rules/>",
    "mime_mappings": (MimeMapping("txt", "text/x"),),
    "blocked_addresses": "<ips/>",
    "auto_blocked_addresses": "<auto/>",
    "account_requests": "<requests><r/></requests>",
    "listeners": (
        Listener(1, "10.0.0.1", 1, {"listenPort": 990, "welcome": "x", "passiveSettings": {"ip": "192.0.2.99"}}),
        Listener(2, "10.0.0.1", 2, {"listenPort": 22, "welcome": "x"}),
    ),
}


def dumped(server: FakeServer, parts: frozenset[PartName] = frozenset(PartName)) -> dict[str, str]:
    return {str(part.name): part.dump(part.read(server)) for part in PARTS if part.name in parts}


def state_of(dumps: Mapping[str, str], facts: ServerFacts) -> PrimaryState:
    return earlier_state(dumps, facts, ("files0.example", 8443), "snapshot s")


type Put = Callable[..., Outcome]


@pytest.fixture
def put_back(clock: Runtime, facts: ServerFacts) -> Put:
    """Puts dumps back into a server; confirmed unless a guard says otherwise."""

    def put(
        dumps: Mapping[str, str],
        server: FakeServer,
        *,
        auto: bool = True,
        guard: Guard | None = None,
        pause: Callable[[], None] = lambda: None,
        then: ServerFacts = facts,
        begin: Callable[[Outcome], None] = lambda _: None,
        **more: Any,
    ) -> Outcome:
        state = state_of(dumps, facts)
        policy = exact_policy(state, auto_block_list=auto)
        guard = guard or Guard(approved=make_blocked_hash(state, server, policy))
        terms = Restore(
            lambda now, address, label: check_restored(facts, None, ("", 0), now, address, label), pause, then
        )
        return replicate(
            ReplicationJob(state, policy, guard, restore=terms, **more),
            server,
            snapshots=PartSnapshots(),
            runtime=clock,
            begin=begin,
        )

    return put


def make_blocked_hash(state: PrimaryState, server: FakeServer, policy: Policy) -> str:
    plan = make_plan(state, server, server.server_facts.features, policy, {})
    return Guard().apply(plan).hash


def test_every_part_is_what_it_was_to_the_letter(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server()
    before, dumps = dict(server.content), dumped(server)
    server.content |= DRIFT
    outcome = put_back(dumps, server)
    assert outcome.status is Status.RESTORED
    assert server.content == before
    assert outcome.verified_at is None
    assert [part.status for part in outcome.parts] == [PartStatus.PUSHED] * len(PartName)
    assert {(part.fingerprints, part.cause) for part in outcome.parts} == {(None, None)}


def test_what_was_seen_of_it_when_it_was_equal_to_the_primary_stays_known(
    put_back: Put, make_server: ServerFactory
) -> None:
    server = make_server()
    interim: list[Outcome] = []
    dumps = dumped(server)
    server.content |= DRIFT
    previous = {name: PartFingerprints(f"wanted {name}", f"held {name}") for name in PartName}
    outcome = put_back(dumps, server, previous=previous, begin=interim.append)
    assert {part.part: part.fingerprints for part in outcome.parts} == previous
    # A restore that is cut off leaves nothing to say of the listeners, which may not last yet.
    (cut_off,) = interim
    unsure = {part.part: part.fingerprints for part in cut_off.parts if part.fingerprints}
    assert unsure == {PartName.LISTENERS: UNSURE}


def test_the_automatic_list_goes_back_only_where_it_was_replaced(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server()
    dumps = dumped(server, frozenset({PartName.IP_BLOCK_LISTS}))
    server.content |= DRIFT
    put_back(dumps, server, auto=False)
    assert server.content["blocked_addresses"] == make_server().content["blocked_addresses"]
    assert server.content["auto_blocked_addresses"] == DRIFT["auto_blocked_addresses"]


def test_other_parts_are_not_even_read(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server()
    dumps = dumped(server, frozenset({PartName.MIME_MAPPINGS}))
    server.content |= DRIFT
    server.calls.clear()
    put_back(dumps, server)
    assert server.writes == ["write_mime_mappings"]
    assert "users" not in server.calls


def test_listeners_go_back_exactly_where_they_are_still_the_same_ones(
    put_back: Put, make_server: ServerFactory
) -> None:
    server = make_server()
    dumps = dumped(server, frozenset({PartName.LISTENERS}))
    before = server.content["listeners"]
    server.content["listeners"] = tuple(replace(one, options=one.options | {"welcome": "x"}) for one in before)
    assert put_back(dumps, server).status is Status.RESTORED
    assert server.content["listeners"] == before


def test_where_listeners_came_or_went_nothing_at_all_goes_back(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server()
    dumps = dumped(server, frozenset({PartName.LISTENERS}))
    first, _ = server.content["listeners"]
    new = Listener(7, "10.0.0.1", 1, {"listenPort": 2121})
    server.content["listeners"] = (replace(first, options=first.options | {"welcome": "x"}), new)
    outcome = put_back(dumps, server, guard=Guard())
    assert (outcome.status, outcome.reason, server.writes) == (Status.FAILED, Reason.SNAPSHOT_UNFIT, [])


def test_nothing_at_all_goes_back_only_when_that_is_confirmed(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server(event_rules="", mime_mappings=())
    dumps = dumped(server, frozenset({PartName.EVENT_RULES, PartName.MIME_MAPPINGS}))
    server.content |= {"event_rules": DRIFT["event_rules"], "mime_mappings": DRIFT["mime_mappings"]}
    outcome = put_back(dumps, server, guard=Guard())
    assert (outcome.status, outcome.reason) == (Status.BLOCKED, Reason.PART_MISSING_ON_PRIMARY)
    assert "the snapshot returned no content" in outcome.message
    assert put_back(dumps, server).status is Status.RESTORED
    assert (server.content["event_rules"], server.content["mime_mappings"]) == ("", ())


class TestThePause:
    def test_is_left_to_the_record_before_the_first_write(self, put_back: Put, make_server: ServerFactory) -> None:
        server = make_server()
        dumps = dumped(server)
        server.content |= DRIFT
        begun_at: list[int] = []
        paused: list[bool] = []
        put_back(
            dumps,
            server,
            pause=lambda: paused.append(True),
            begin=lambda _: begun_at.append(len(server.writes)),
        )
        assert (begun_at, paused) == ([0], [])

    def test_that_fails_means_that_nothing_is_written(self, put_back: Put, make_server: ServerFactory) -> None:
        def fail(_: object) -> None:
            raise Failure(Reason.REGISTRY_UNAVAILABLE, "gone")

        server = make_server()
        dumps = dumped(server)
        server.content |= DRIFT
        outcome = put_back(dumps, server, begin=fail)
        assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.REGISTRY_UNAVAILABLE)
        assert server.writes == []

    @pytest.mark.parametrize("stopped", ["limits", "dry"])
    def test_does_not_come_when_nothing_is_put_back(
        self, put_back: Put, make_server: ServerFactory, stopped: str
    ) -> None:
        server = make_server()
        dumps = dumped(server)
        server.content |= DRIFT
        paused: list[bool] = []
        more: dict[str, Any] = {"guard": Guard()} if stopped == "limits" else {"write": False}
        outcome = put_back(dumps, server, pause=lambda: paused.append(True), **more)
        assert outcome.status is (Status.BLOCKED if stopped == "limits" else Status.DRIFTED)
        assert (server.writes, paused) == ([], [])
        assert outcome.plan_hash

    def test_comes_also_when_it_holds_everything_already(self, put_back: Put, make_server: ServerFactory) -> None:
        server, paused = make_server(), []
        outcome = put_back(dumped(server), server, pause=lambda: paused.append(True))
        assert (outcome.status, paused, server.writes) == (Status.RESTORED, [True], [])


def test_a_part_that_cannot_be_put_back_stops_the_others_too(put_back: Put, make_server: ServerFactory) -> None:
    server = make_server()
    dumps = dumped(server)
    server.content |= DRIFT
    facts = server.server_facts
    server.server_facts = replace(facts, features=replace(facts.features, events=False))
    outcome = put_back(dumps, server)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.FEATURE_MISSING)
    assert server.writes == []


def test_the_plan_of_a_restore_has_another_hash_than_one_by_no_rules_from_a_primary(
    make_server: ServerFactory, facts: ServerFacts
) -> None:
    server = make_server()
    state = state_of(dumped(server), facts)
    server.content |= DRIFT
    exact = exact_policy(state, auto_block_list=False)
    hashes = {
        make_plan(state, server, facts.features, policy, {}).hash for policy in (exact, replace(exact, exact=False))
    }
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("accounts", "[]"),
        ("accounts", "{"),
        ("accounts", '{"users": "<users/>"}'),
        ("accounts", '{"users": "<users>planted", "groups": ""}'),
        ("settings", "<settings"),
        ("mime_mappings", "[1]"),
        ("mime_mappings", '[["a", "b", "c"]]'),
        ("listeners", '[{"unknown": 1}]'),
        ("authentication", '{"document": "", "sources": [{"unknown": 1}]}'),
        ("ip_block_lists", "null"),
        ("certificates", "<x/>"),
    ],
)
def test_what_cannot_be_understood_is_refused_without_a_word_of_its_content(
    facts: ServerFacts, part: str, text: str
) -> None:
    with pytest.raises(Failure) as caught:
        state_of({"event_rules": "<rules/>", part: text}, facts)
    assert caught.value.reason is Reason.SNAPSHOT_UNREADABLE
    assert "planted" not in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("then", "after", "status"),
    [(1, 1, Status.RESTORED), (1, 2, Status.RESTORED), (1, 3, Status.ROLLED_BACK)],
    ids=["as in the snapshot", "as before", "as never"],
)
def test_settings_stay_when_the_answers_are_as_in_the_snapshot_or_as_before(
    put_back: Put, make_server: ServerFactory, facts: ServerFacts, then: int, after: int, status: Status
) -> None:
    def answering(port: int) -> ServerFacts:
        return replace(facts, security=replace(facts.security, soap_port=port))

    server = make_server()
    dumps = {"settings": dumped(server)["settings"]}
    server.content["settings"] = DRIFT["settings"]

    def answer(_: str) -> None:
        server.server_facts = answering(2 if server.content["settings"] == DRIFT["settings"] else after)

    server.on_call = answer
    assert put_back(dumps, server, then=answering(then)).status is status
    assert (server.content["settings"] == DRIFT["settings"]) == (status is Status.ROLLED_BACK)


class TestChecks:
    def check(self, before: ServerFacts, now: ServerFacts, primary: ServerFacts | None = None) -> tuple[str, ...]:
        return check_restored(before, primary, ("files0.example", 8443), now, ("files1.example", 8443), "b1")

    def test_the_same_server_may_have_it_back(self, facts: ServerFacts) -> None:
        renewed = replace(facts, licence=replace(facts.licence, issued=7, installed=8), hostname="FILES")
        assert self.check(facts, renewed) == ()

    def test_a_smaller_change_of_version_is_a_warning(self, facts: ServerFacts) -> None:
        (warning,) = self.check(facts, replace(facts, version=replace(facts.version, minor=99)))
        assert "12.99.5.0" in warning

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"hostname": "other"}, Reason.SNAPSHOT_UNFIT),
            ({"version": "major"}, Reason.SNAPSHOT_UNFIT),
            ({"features": "edition"}, Reason.SNAPSHOT_UNFIT),
        ],
    )
    def test_another_server_may_not(self, facts: ServerFacts, change: dict[str, str], reason: Reason) -> None:
        values = {
            "other": "other",
            "major": replace(facts.version, major=13),
            "edition": replace(facts.features, edition_code=9),
        }
        (name,) = change
        now = replace(facts, **{name: values[change[name]]})  # type: ignore[arg-type] # the dataclass checks the name
        with pytest.raises(Failure) as caught:
            self.check(facts, now)
        assert caught.value.reason is reason

    def test_what_the_restore_may_mend_is_a_warning(self, facts: ServerFacts) -> None:
        spoilt = replace(
            facts,
            licence=replace(facts.licence, valid=False),
            security=replace(facts.security, soap_secure=False),
        )
        assert self.check(facts, spoilt) == (
            "Its licence is not valid.",
            "It reports that its SOAP access is not secure.",
        )

    def test_the_primary_of_that_time_is_never_written_to(self, facts: ServerFacts) -> None:
        with pytest.raises(Failure) as caught:
            self.check(facts, facts, primary=facts)
        assert caught.value.reason is Reason.SAME_AS_PRIMARY


# ---------------------------------------------------------------- there and back again

_NAMES = st.sampled_from(["anna", "boris", "chen", "dora", "emil"])
_WORDS = st.sampled_from(["a", "b", "x y", "ä", "192.0.2.7", "C:\\keys\\own.key"])


def _accounts(kind: str) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(_NAMES, _WORDS), max_size=4, unique_by=lambda item: item[0])
    return items.map(
        lambda drawn: (
            f"<{kind}s>{''.join(f'<{kind} name="{name}"><v>{word}</v></{kind}>' for name, word in drawn)}</{kind}s>"
        )
    )


_CONTENT = st.fixed_dictionaries(
    {
        "settings": st.dictionaries(
            st.sampled_from(["timeout", "soapPort", "licenceKey", "greeting", "logDirectory"]), _WORDS, min_size=1
        ).map(
            lambda drawn: f"<settings>{''.join(f'<{name}>{word}</{name}>' for name, word in drawn.items())}</settings>"
        ),
        "authentication": st.lists(_WORDS, max_size=2).map(
            lambda drawn: Authentication(
                f"<sources>{''.join(f'<s>{word}</s>' for word in drawn)}</sources>",
                tuple(AuthenticationSource(True, word, "ldap", "") for word in drawn),
            )
        ),
        "users": _accounts("user"),
        "groups": _accounts("group"),
        "event_rules": st.lists(_WORDS, max_size=2).map(
            lambda drawn: f"<rules>{''.join(f'<rule>{word}</rule>' for word in drawn)}</rules>"
        ),
        "mime_mappings": st.lists(st.tuples(_NAMES, _WORDS), max_size=3, unique_by=lambda item: item[0]).map(
            lambda drawn: tuple(MimeMapping(name, word) for name, word in drawn)
        ),
        "blocked_addresses": st.lists(_WORDS, max_size=2).map(
            lambda drawn: f"<ips>{''.join(f'<ip>{word}</ip>' for word in drawn)}</ips>"
        ),
        "account_requests": st.lists(_WORDS, max_size=2).map(
            lambda drawn: f"<requests>{''.join(f'<r>{word}</r>' for word in drawn)}</requests>"
        ),
    }
)


@settings(max_examples=60)
@given(first=_CONTENT, second=_CONTENT, auto=st.booleans())
def test_whatever_was_pushed_over_it_the_first_state_comes_back_exactly(
    make_server: ServerFactory,
    facts: ServerFacts,
    put_back: Put,
    clock: Runtime,
    first: dict[str, Any],
    second: dict[str, Any],
    auto: bool,
) -> None:
    server = make_server(**first)
    before = dict(server.content)
    primary = state_of(dumped(make_server(**second)), replace(facts, hostname="primary"))
    policy = Policy(parts=frozenset(PartName), replicate_auto_block_list=auto)
    kept = PartSnapshots()
    approved = Guard(approved=make_blocked_hash(primary, server, policy))
    licence = replace(facts.licence, company="P", issued=1, installed=2)
    source = replace(primary, facts=replace(primary.facts, licence=licence))
    pushed = replicate(ReplicationJob(source, policy, approved), server, snapshots=kept, runtime=clock)
    assert pushed.status in (Status.UPDATED, Status.IN_SYNC), pushed
    if kept.parts:
        assert put_back(kept.parts[0], server, auto=auto).status is Status.RESTORED
    assert server.content == before
