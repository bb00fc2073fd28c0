"""For any two states: what the plan shows is what the run does, and whatever else would be done has another hash.

What is done is read from the server's side, with the standard library's parser: which calls wrote, and what the
parts held before and after. None of the product's own digests judges here.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from common.errors import Failure
from local.fakes.servers import FACTS
from local.fakes.snapshots import PartSnapshots
from replication.documents.keep_patterns import Rules
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.job import ReplicationJob
from replication.model import WAIT_FOR_A_DECISION, PartName, PartStatus, Policy, Status
from replication.plan import make_plan
from replication.plan_details import PartDetails, State, preview
from replication.plan_text import render
from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping
from replication.primary import read_primary
from replication.replicate import replicate
from tests.support.server_states import RULES, STATES, STYLES, plain, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from replication.model import Outcome, PartOutcome
    from replication.plan import Plan
    from tests.support.server_states import OneRule, Sections
    from tests.unit.replication.conftest import ServerFactory

WRITES = {
    PartName.SETTINGS: "write_settings",
    PartName.AUTHENTICATION: "write_authentication",
    PartName.ACCOUNTS: "write_accounts",
    PartName.EVENT_RULES: "write_event_rules",
    PartName.MIME_MAPPINGS: "write_mime_mappings",
    PartName.IP_BLOCK_LISTS: "write_block_lists",
    PartName.ACCOUNT_REQUESTS: "write_account_requests",
    PartName.LISTENERS: "commit_listeners",
}
CONTENT = {
    PartName.ACCOUNTS: ("users", "groups"),
    PartName.IP_BLOCK_LISTS: ("blocked_addresses", "auto_blocked_addresses"),
}
"""What of a server's content a part is, where that has another name."""
GUARDS = st.sampled_from(
    [
        Guard(),
        Guard(block_widened_access=True),
        Guard(Limits(removal_floor=0, removal_share=0, disabling_floor=0, disabling_share=0)),
        Guard(Limits(removal_floor=10**6, disabling_floor=10**6), block_widened_access=True),
    ]
)


class Pair:
    """A primary and a backup, of which anything can be asked any number of times: each time they are made anew."""

    def __init__(
        self, primary: Mapping[str, Any], backup: Mapping[str, Any], policy: Policy, servers: tuple[ServerFactory, ...]
    ) -> None:
        self.primary, self.backup, self.policy = primary, backup, policy
        self._make_primary, self._make_server = servers

    def server(self) -> FakeServer:
        return self._make_server(**deepcopy(dict(self.backup)))

    def plan(self, server: FakeServer | None = None, suspicion: str = "") -> Plan:
        return make_plan(self._source(), server or self.server(), FACTS.features, self.policy, {}, suspicion)

    def push(self, server: FakeServer, guard: Guard, clock: Runtime) -> Outcome:
        return replicate(
            ReplicationJob(self._source(), self.policy, guard), server, snapshots=PartSnapshots(), runtime=clock
        )

    def _source(self) -> Any:
        return read_primary(self._make_primary(**deepcopy(dict(self.primary))), self.policy.parts, accept_empty=True)


# What the plan shows, the run does -----------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    data=st.data(), style=st.sampled_from(STYLES), rules=RULES, guard=GUARDS, whole=st.booleans(), approve=st.booleans()
)
def test_what_the_plan_shows_is_what_the_run_does(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
    data: st.DataObject,
    style: Callable[[Sections], str],
    rules: list[OneRule],
    guard: Guard,
    whole: bool,
    approve: bool,
) -> None:
    policy = Policy(frozenset(PartName), Rules.standard([rule.pattern for rule in rules]), whole=whole)
    pair = Pair(data.draw(STATES[style])[1], data.draw(STATES[style])[1], policy, (make_primary, make_server))
    if approve:
        guard = replace(guard, approved=guard.apply(pair.plan()).hash)
    shown = preview(pair.plan(), guard, ())
    server = pair.server()
    before = plain(deepcopy(server.content))
    outcome = pair.push(server, guard, clock)

    assert last_line(render(shown.details, "b1", blocks=shown.blocks)) == last_line_of(outcome)
    for planned, done in zip(shown.details.parts, outcome.parts, strict=True):
        event(f"{planned.state} {planned.reason}")
        agree(planned, done)
        wrote = planned.state is State.DIFFERENT
        assert (WRITES[planned.part] in server.writes) == wrote
        for name in CONTENT.get(planned.part, (str(planned.part),)):
            assert wrote or plain(server.content)[name] == before[name]
    assert [(block.part, block.reason) for block in shown.blocks] == [
        (block.part, block.reason) for block in guard.apply(pair.plan()).blocks
    ]
    if outcome.status is Status.BLOCKED:
        left = guard.apply(pair.plan(server))
        assert outcome.plan_hash == (left.hash if left.may_change else "")
    else:
        assert outcome.plan_hash in ("", shown.details.hash)
        assert bool(outcome.plan_hash) == any(part.state is State.DIFFERENT for part in shown.details.parts)


def agree(planned: PartDetails, done: PartOutcome) -> None:
    """One part of the plan and of the result: the same decision, the same reason, the same count of items."""
    counts = (len(done.changes.added), len(done.changes.removed), len(done.changes.changed))
    assert (planned.part, planned.added, planned.removed, planned.changed) == (done.part, *counts)
    match planned.state:
        case State.DIFFERENT:
            assert done.status is PartStatus.PUSHED
        case State.EQUAL:
            assert done.status is PartStatus.UNCHANGED
        case State.BLOCKED | State.UNDECIDED:
            assert done.status is PartStatus.BLOCKED
            assert (planned.reason, planned.message) == (done.reason, done.message)
            assert (planned.state is State.UNDECIDED) == (planned.reason in WAIT_FOR_A_DECISION)
        case State.NOT_WRITTEN:
            assert done.status in (PartStatus.SKIPPED, PartStatus.DIFFERENT)
            assert (planned.reason, planned.message) == (done.reason, done.message)


def last_line(text: str) -> set[str]:
    """The sentences of a plan's last line before its hash."""
    line, _ = text.splitlines()[-2:]
    return set(re.findall(r"[^.]+", line.removeprefix("Plan: ").replace(". ", ".")))


def last_line_of(outcome: Outcome) -> set[str]:
    """What that line has to say, by what the run did."""
    by_status: dict[str, list[PartOutcome]] = {}
    for part in outcome.parts:
        title = {PartStatus.PUSHED: "written", PartStatus.UNCHANGED: "equal"}.get(part.status, "Not written")
        if part.status is PartStatus.BLOCKED:
            title = f"Waits for {'a decision' if part.reason in WAIT_FOR_A_DECISION else 'an approval'}"
        by_status.setdefault(title, []).append(part)
    written, _ = by_status.pop("written", []), by_status.pop("equal", [])
    said = {f"{title}: {', '.join(map(counted, parts))}" for title, parts in by_status.items()}
    if not written:
        return said | {"nothing is written" if said else "nothing to do"}
    lists = [(part.changes.added, part.changes.changed, part.changes.removed) for part in written]
    added, changed, removed = (sum(map(len, one)) for one in zip(*lists, strict=True))
    return said | {f"{added} to add, {changed} to change, {removed} to remove"}


def counted(part: PartOutcome) -> str:
    changes = {"add": part.changes.added, "change": part.changes.changed, "remove": part.changes.removed}
    said = ", ".join(f"{len(labels)} to {what}" for what, labels in changes.items() if labels)
    return f"{part.part} ({said})" if said else str(part.part)


# Whatever else would be done has another hash ------------------------------------------------------------------------


def changed_once(held: dict[str, Any], draw: Callable[[Any], Any]) -> dict[str, Any]:
    """The state with one thing changed: a value, an entry more or less, the order of two."""
    name = draw(st.sampled_from(sorted(held)))
    value = held[name]
    match value:
        case str():
            return held | {name: changed_document(value, draw)}
        case Authentication():
            if draw(st.booleans()):
                return held | {name: replace(value, document=changed_document(str(value.document), draw))}
            return held | {name: replace(value, sources=changed_list(value.sources, changed_source, draw))}
        case _:
            change = changed_listener if name == "listeners" else changed_mapping
            return held | {name: changed_list(value, change, draw)}


def changed_document(text: str, draw: Callable[[Any], Any]) -> str:
    if not text:
        return "<list/>"
    root = ElementTree.fromstring(text.encode())  # noqa: S314 - it was made here
    element = draw(st.sampled_from(list(root.iter())))
    kinds = ["attribute", "added"]
    kinds += ["text"] if not len(element) else ["removed"]
    kinds += ["order"] if len(element) > 1 else []
    kinds += ["letter case"] if element.get("name") else []
    match draw(st.sampled_from(kinds)):
        case "attribute":
            name = draw(st.sampled_from([*element.attrib, "extra"]))
            element.set(name, element.get(name, "") + "x")
        case "letter case":
            element.set("name", element.get("name", "").swapcase())
        case "added":
            ElementTree.SubElement(element, "timeout").text = "5"
        case "text":
            element.text = (element.text or "") + "x"
        case "removed":
            element.remove(element[draw(st.integers(0, len(element) - 1))])
        case "order":
            element[0], element[1] = element[1], element[0]
    return ElementTree.tostring(root, encoding="unicode")


def changed_list(held: tuple[Any, ...], change: Callable[[Any], Any], draw: Callable[[Any], Any]) -> tuple[Any, ...]:
    if not held:
        return held
    place = draw(st.integers(0, len(held) - 1))
    match draw(st.sampled_from(["changed", "removed", "turned round"])):
        case "changed":
            return (*held[:place], change(held[place]), *held[place + 1 :])
        case "removed":
            return (*held[:place], *held[place + 1 :])
    return held[::-1]


def changed_source(source: AuthenticationSource) -> AuthenticationSource:
    return replace(source, enabled=not source.enabled)


def changed_mapping(mapping: MimeMapping) -> MimeMapping:
    return replace(mapping, extension=mapping.extension.swapcase())


def changed_listener(listener: Listener) -> Listener:
    return replace(listener, options={**listener.options, "connectionLimit": "another"})


def as_it_counts(name: str, value: Any) -> object:
    """What a server holds under this name, without what means nothing: the order of accounts, their last log-in."""
    if name in ("users", "groups"):
        root = ElementTree.fromstring(value.encode())  # noqa: S314 - it was made here
        for item in root:
            for run_time in item.findall("lastLogin"):
                item.remove(run_time)
        return root.tag, root.text or "", dict(root.attrib), sorted(map(values_of, root), key=repr)
    if name == "mime_mappings":
        return sorted((mapping.extension, mapping.type) for mapping in value)
    if name == "listeners":
        return sorted(value, key=lambda listener: listener.id)
    if name == "authentication":
        return as_it_counts("", value[0]), value[1]
    return values_of(ElementTree.fromstring(value.encode())) if value else None  # noqa: S314 - it was made here


def all_that_is_done(pair: Pair, guard: Guard, clock: Runtime) -> object:
    """What a run with an approval writes and over what, and what it would have stopped for."""
    stopped = guard.apply(pair.plan())
    server = pair.server()
    before = plain(deepcopy(server.content))
    outcome = pair.push(server, replace(guard, approved=stopped.hash), clock)
    assert outcome.status in (Status.UPDATED, Status.IN_SYNC, Status.BLOCKED), (outcome.reason, outcome.message)
    now = plain(server.content)
    written = [part.part for part in outcome.parts if part.status is PartStatus.PUSHED]
    names = [name for part in written for name in CONTENT.get(part, (str(part),))]
    content = [(name, as_it_counts(name, before[name]), as_it_counts(name, now[name])) for name in names]
    return (
        [(name, old, new) for name, old, new in content if old != new],
        [(block.part, block.reason, block.message, dict(block.numbers)) for block in stopped.blocks],
    )


@settings(max_examples=100)
@given(data=st.data(), style=st.sampled_from(STYLES), guard=GUARDS, auto=st.booleans(), on_primary=st.booleans())
def test_one_thing_more_less_or_other_has_another_hash_when_something_else_would_be_done(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
    data: st.DataObject,
    style: Callable[[Sections], str],
    guard: Guard,
    auto: bool,
    on_primary: bool,
) -> None:
    policy = Policy(frozenset(PartName), Rules.standard([]), auto)
    primary, backup = data.draw(STATES[style])[1], data.draw(STATES[style])[1]
    moved = changed_once(primary if on_primary else backup, data.draw)
    servers = (make_primary, make_server)
    first = Pair(primary, backup, policy, servers)
    second = Pair(moved, backup, policy, servers) if on_primary else Pair(primary, moved, policy, servers)
    try:
        hashes = [guard.apply(pair.plan()).hash for pair in (first, second)]
    except Failure:
        assume(False)  # what no plan can be made of
    same = all_that_is_done(first, guard, clock) == all_that_is_done(second, guard, clock)
    event("the same" if same else "another")
    assert same or hashes[0] != hashes[1]
    assert hashes == [guard.apply(pair.plan()).hash for pair in (first, second)]


@settings(max_examples=60)
@given(
    data=st.data(),
    guards=st.tuples(GUARDS, GUARDS),
    suspicions=st.tuples(*[st.sampled_from(["", "its port has changed", "its licence has changed"])] * 2),
)
def test_another_block_or_another_reason_for_one_has_another_hash(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    data: st.DataObject,
    guards: tuple[Guard, Guard],
    suspicions: tuple[str, str],
) -> None:
    style = STYLES[0]
    policy = Policy(frozenset(PartName), Rules.standard([]))
    pair = Pair(data.draw(STATES[style])[1], data.draw(STATES[style])[1], policy, (make_primary, make_server))
    first, second = (
        guard.apply(pair.plan(suspicion=suspicion)) for guard, suspicion in zip(guards, suspicions, strict=True)
    )
    assert (first.hash == second.hash) == (first.blocks == second.blocks)
    rules = replace(policy, rules=Rules.standard(["rackNumber"]))
    for other in (rules, replace(policy, whole=True), replace(policy, replicate_auto_block_list=True)):
        moved = Pair(pair.primary, pair.backup, other, (make_primary, make_server))
        assert guards[0].apply(moved.plan()).hash != guards[0].apply(pair.plan()).hash


@settings(max_examples=40)
@given(
    data=st.data(),
    patterns=st.lists(st.sampled_from(["rackNumber", "name", "/settings/a", "!/settings/b", "node*"])),
)
def test_the_order_of_keep_patterns_is_in_no_hash(
    make_primary: ServerFactory, make_server: ServerFactory, data: st.DataObject, patterns: list[str]
) -> None:
    primary, backup = (data.draw(STATES[STYLES[0]])[1] for _ in range(2))
    orders = (patterns, data.draw(st.permutations(patterns)))
    policies = [Policy(frozenset(PartName), Rules.standard(order)) for order in orders]
    plans = [Pair(primary, backup, policy, (make_primary, make_server)).plan() for policy in policies]
    assert plans[0].hash == plans[1].hash
