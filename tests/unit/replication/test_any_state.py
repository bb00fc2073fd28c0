"""For any two states and any rules: the backup becomes the primary except what rules keep, and can go back.

What is expected is computed from the generated values themselves, and what the backup holds is read with the
standard library's parser: none of the product's own reading, comparing or merging judges here.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from local.fakes.snapshots import PartSnapshots
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.job import ReplicationJob, Restore, exact_policy
from replication.model import PartName, PartStatus, Policy, Status
from replication.ports import Listener
from replication.primary import earlier_state, read_primary
from replication.replicate import replicate
from tests.support.server_states import (
    MACHINE,
    RULES,
    STATES,
    STYLES,
    OneRule,
    accounts_of,
    plain,
    settings_of,
    tree_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome
    from tests.support.server_states import Sections
    from tests.unit.replication.conftest import ServerFactory

# What is expected ----------------------------------------------------------------------------------------------------


def kept(section: str, name: str, rules: list[OneRule], *, standard: bool) -> bool:
    return (standard and name in MACHINE) or any(rule.keeps(section, name) for rule in rules)


def expected_settings(primary: Sections, own: Sections, rules: list[OneRule], *, standard: bool) -> Sections:
    """The primary's values, but the backup's own, or none, where a rule keeps it."""
    sections: Sections = {}
    for section in {**primary, **own}:
        if any(not rule.section and rule.name == section for rule in rules):
            values = own.get(section)
            present = section in own
        else:
            values = {
                name: value
                for name, value in primary.get(section, {}).items()
                if not kept(section, name, rules, standard=standard)
            } | {
                name: value
                for name, value in own.get(section, {}).items()
                if kept(section, name, rules, standard=standard)
            }
            present = section in primary or bool(values)
        if present:
            sections[section] = values or {}
    return sections


def expected_listeners(primary: tuple[Listener, ...], own: tuple[Listener, ...]) -> dict[int, Listener]:
    """The options of the one with the same protocol and port; address and passive settings stay."""
    sources = {(each.protocol, each.options["listenPort"]): each.options for each in primary}
    return {
        each.id: replace(
            each,
            options={
                **each.options,
                **{
                    name: value
                    for name, value in sources.get((each.protocol, each.options["listenPort"]), {}).items()
                    if name != "passiveSettings"
                },
            },
        )
        for each in own
    }


# The properties ------------------------------------------------------------------------------------------------------


def approved(run: Callable[[Guard], Outcome]) -> Outcome:
    """The outcome of a run, of a second one with an approval of exactly its plan where the guards stopped it."""
    outcome = run(Guard())
    if outcome.status is Status.BLOCKED:
        event("blocked, approved")
        outcome = run(Guard(approved=outcome.plan_hash))
    return outcome


def put_back(server: FakeServer, parts: Mapping[str, str], *, auto: bool, clock: Runtime) -> Outcome:
    """Restore a snapshot of the server's own."""
    earlier = earlier_state(parts, server.server_facts, server.address, "a snapshot")
    return approved(
        lambda guard: replicate(
            ReplicationJob(
                earlier,
                exact_policy(earlier, auto_block_list=auto),
                guard,
                restore=Restore(lambda *_: (), lambda: None),
            ),
            server,
            snapshots=PartSnapshots(),
            runtime=clock,
        )
    )


@settings(max_examples=150)
@given(data=st.data(), style=st.sampled_from(STYLES), standard=st.booleans(), auto=st.booleans(), rules=RULES)
def test_the_backup_becomes_the_primary_except_what_rules_keep_and_a_restore_undoes_it(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
    data: st.DataObject,
    style: Callable[[Sections], str],
    standard: bool,
    auto: bool,
    rules: list[OneRule],
) -> None:
    source_settings, wanted = data.draw(STATES[style])
    own_settings, held = data.draw(STATES[style])
    patterns = [rule.pattern for rule in rules]
    policy = Policy(frozenset(PartName), Rules.standard(patterns) if standard else Rules(patterns), auto)
    source = read_primary(make_primary(**deepcopy(wanted)), policy.parts, accept_empty=True)
    server = make_server(**deepcopy(held))
    before = plain(server.content)
    snapshots = PartSnapshots()

    def run(guard: Guard, *, write: bool = True) -> Outcome:
        return replicate(ReplicationJob(source, policy, guard, write=write), server, snapshots=snapshots, runtime=clock)

    outcome = approved(run)
    assert outcome.status in (Status.UPDATED, Status.IN_SYNC), (outcome.reason, outcome.message)
    assert outcome.verified_at is not None

    now = plain(server.content)
    assert settings_of(now["settings"]) == expected_settings(source_settings, own_settings, rules, standard=standard)
    assert accounts_of(now["users"]) == accounts_of(wanted["users"])
    assert accounts_of(now["groups"]) == accounts_of(wanted["groups"])
    assert tree_of(now["authentication"][0]) == tree_of(wanted["authentication"].document)
    assert now["authentication"][1] == wanted["authentication"].sources
    for name in ("event_rules", "blocked_addresses", "account_requests"):
        assert tree_of(now[name]) == tree_of(wanted[name])
    automatic = wanted if auto else held
    assert tree_of(now["auto_blocked_addresses"]) == tree_of(automatic["auto_blocked_addresses"])
    assert set(now["mime_mappings"]) == set(wanted["mime_mappings"])
    assert {each.id: each for each in now["listeners"]} == expected_listeners(wanted["listeners"], held["listeners"])

    second = run(Guard(), write=False)
    assert second.status is Status.IN_SYNC
    assert second.plan_hash == ""
    assert {part.status for part in second.parts} == {PartStatus.UNCHANGED}

    for parts in reversed(snapshots.parts):  # two, where the guards had let through some of it at first
        restored = put_back(server, parts, auto=auto, clock=clock)
        assert restored.status is Status.RESTORED, (restored.reason, restored.message)
    assert plain(server.content) == before
