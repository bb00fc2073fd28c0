"""``verified`` means equal after the last write, also where writing one part changes another one on the server."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.guards.limits import Limits
from replication.job import ReplicationJob
from replication.model import Outcome, PartName, PartStatus, Policy, Status
from replication.ports import Authentication, MimeMapping
from replication.primary import read_primary
from replication.replicate import replicate
from tests.support.server_states import text_of
from tests.unit.replication.conftest import CONTENT

if TYPE_CHECKING:
    from common.runtime import Runtime
    from local.fakes.servers import FakeServer
    from tests.unit.replication.conftest import ServerFactory

POLICY = Policy(frozenset(PartName) - {PartName.LISTENERS})
UNLIMITED = Guard(Limits(removal_floor=10**6, disabling_floor=10**6))
OTHER: dict[str, Any] = {
    "settings": str(CONTENT["settings"]).replace("30", "31"),
    "authentication": Authentication("<sources><ldap name='c'/></sources>", CONTENT["authentication"].sources),
    "users": "<users><user name='ann'/><user name='eve'/></users>",
    "groups": "<groups><group name='staff'/><group name='night'/></groups>",
    "event_rules": "<rules><rule name='r'><to>eve</to></rule></rules>",
    "mime_mappings": (MimeMapping("txt", "text/plain"), MimeMapping("exe", "image/png")),
    "blocked_addresses": "<ips><ip>192.0.2.1</ip><ip>192.0.2.9</ip></ips>",
    "account_requests": "<requests><request name='eve'/></requests>",
}
"""Something else than a server usually holds, by the read that returns it."""
WRITES = [
    *("write_settings", "write_authentication", "write_accounts", "write_event_rules", "write_mime_mappings"),
    *("write_block_lists", "write_account_requests"),
]


def pushed(primary: FakeServer, server: FakeServer, clock: Runtime) -> Outcome:
    source = read_primary(primary, POLICY.parts, accept_empty=True)
    return replicate(ReplicationJob(source, POLICY, UNLIMITED), server, snapshots=PartSnapshots(), runtime=clock)


def changing(server: FakeServer, write: str, *names: str) -> FakeServer:
    """The server, on which a write changes something else as well."""

    def on_call(call: str) -> None:
        if call == write:
            server.content |= {name: OTHER[name] for name in names}

    server.on_call = on_call
    return server


def held(server: FakeServer) -> dict[str, Any]:
    """All that a server holds of what is replicated, the settings without their declaration and its quotes."""
    content: dict[str, Any] = {
        name: text_of(value) if isinstance(value, (str, bytes)) else value for name, value in server.content.items()
    }
    authentication = content["authentication"]
    authentication = text_of(authentication.document), authentication.sources
    tree = ElementTree.canonicalize(content["settings"].partition("?>")[2].strip())
    return {**{name: content[name] for name in OTHER}, "authentication": authentication, "settings": tree}


@settings(max_examples=200)
@given(
    differing=st.sets(st.sampled_from(sorted(OTHER))),
    write=st.sampled_from(WRITES),
    changed=st.sets(st.sampled_from(sorted(OTHER)), max_size=2),
)
def test_a_backup_is_verified_only_if_it_holds_all_the_primary_holds_in_the_end(
    make_primary: ServerFactory,
    make_server: ServerFactory,
    clock: Runtime,
    differing: set[str],
    write: str,
    changed: set[str],
) -> None:
    primary = make_primary()
    server = changing(make_server(**{name: deepcopy(OTHER[name]) for name in differing}), write, *changed)
    outcome = pushed(primary, server, clock)
    is_equal = held(server) == held(primary)
    assert (outcome.verified_at is not None) == is_equal
    assert (outcome.status in (Status.IN_SYNC, Status.UPDATED)) == is_equal


def test_the_part_that_was_changed_by_another_push_is_named(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
) -> None:
    server = changing(make_server(event_rules=OTHER["event_rules"]), "write_event_rules", "settings")
    outcome = pushed(make_primary(), server, clock)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.CHANGED_DURING_PUSH)
    assert outcome.message.startswith("settings: ")
    statuses = {part.part: part.status for part in outcome.parts}
    assert statuses[PartName.EVENT_RULES] is PartStatus.PUSHED
    assert statuses[PartName.SETTINGS] is PartStatus.FAILED
    server.on_call = lambda _: None
    assert pushed(make_primary(), server, clock).status is Status.UPDATED, "the next run mends it"


@pytest.mark.parametrize("reason", [Reason.READ_TIMEOUT, Reason.DEADLINE, Reason.REPLY_MALFORMED])
def test_what_cannot_be_read_after_the_last_write_is_not_verified(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime, reason: Reason
) -> None:
    server = make_server(event_rules=OTHER["event_rules"], failures={("settings", 2): Failure(reason, "it did not")})
    outcome = pushed(make_primary(), server, clock)
    assert (outcome.verified_at, outcome.reason) == (None, reason)
    assert (outcome.status is Status.INCOMPLETE) == (reason is Reason.DEADLINE)
    assert outcome.pushed_at is not None


def test_only_a_push_reads_again_and_each_part_once(
    make_primary: ServerFactory, make_server: ServerFactory, clock: Runtime
) -> None:
    equal = make_server()
    pushed(make_primary(), equal, clock)
    server = make_server(event_rules=OTHER["event_rules"])
    pushed(make_primary(), server, clock)
    again = [call for call in server.calls if call in CONTENT]
    assert {name: again.count(name) - equal.calls.count(name) for name in equal.calls if name in CONTENT} == {
        name: 1 for name in CONTENT if name != "listeners"
    }
